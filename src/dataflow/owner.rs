//! Who brought what is held, and how much of the room one may take.
//!
//! * Once more than half of the room is used, a producer may hold at most [`SHARE`] times what is left: the dynamic
//!   threshold of Choudhury and Hahne (1998). One alone stops at eight ninths; who comes later finds the rest.
//! * Only what is new is refused; what is known goes on.
//! * Producers that give no name are one.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};
use serde::{Deserialize, Serialize};

/// Parts of what is left that one may hold. Choudhury and Hahne recommend powers of two; judgement: a large one, for in
/// most networks one gateway brings nearly all messages, and must not be held at a half of the room.
const SHARE: usize = 8;

/// A producer, by a mark of its name: two with one mark share what they may hold.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Owner(u32);

impl Owner {
    /// Who gave this name, or none.
    pub fn of(name: Option<&str>) -> Owner {
        let Some(name) = name else {
            return Owner::default();
        };
        let mut hasher = FxHasher::default();
        name.hash(&mut hasher);
        let mark = hasher.finish();
        Owner((mark ^ (mark >> 32)) as u32)
    }
}

/// How much of something each holds.
#[derive(Debug, Default)]
pub(super) struct Holdings(FxHashMap<Owner, usize>);

impl Holdings {
    /// Whether an owner may hold one more where `total` of `max` are held.
    pub(super) fn has_share(&self, owner: Owner, total: usize, max: usize) -> bool {
        let held = self.0.get(&owner).copied().unwrap_or(0);
        total < max / 2 || held < SHARE.saturating_mul(max.saturating_sub(total))
    }

    /// Takes one more.
    pub(super) fn take(&mut self, owner: Owner) {
        *self.0.entry(owner).or_default() += 1;
    }

    /// Gives one back.
    pub(super) fn give_back(&mut self, owner: Owner) {
        if let Some(held) = self.0.get_mut(&owner) {
            *held -= 1;
            if *held == 0 {
                self.0.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes until there is no share; gives how many.
    fn flood(holdings: &mut Holdings, owner: Owner, total: &mut usize, max: usize) -> usize {
        let before = *total;
        while *total < max && holdings.has_share(owner, *total, max) {
            holdings.take(owner);
            *total += 1;
        }
        *total - before
    }

    #[test]
    fn one_alone_stops_at_eight_ninths_and_the_next_finds_room() {
        let (mut holdings, mut total) = (Holdings::default(), 0);
        let [first, second] = ["first", "second"].map(|name| Owner::of(Some(name)));
        assert_eq!(flood(&mut holdings, first, &mut total, 900), 800);
        assert!(flood(&mut holdings, second, &mut total, 900) > 80);
        // What was given back can be taken again, by whoever holds little.
        for _ in 0..300 {
            holdings.give_back(first);
        }
        total -= 300;
        assert!(flood(&mut holdings, Owner::of(None), &mut total, 900) > 200);
        assert!(!holdings.has_share(first, total, 900));
    }

    #[test]
    fn below_half_of_the_room_nobody_has_a_share() {
        let (mut holdings, mut total) = (Holdings::default(), 0);
        let owner = Owner::of(Some("alone"));
        assert_eq!(flood(&mut holdings, owner, &mut total, 2), 2);
    }
}
