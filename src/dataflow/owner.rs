//! Who brought what is held, and how much of the room one may take.
//!
//! * Once more than half of the room is used, a producer may hold at most [`SHARE`] times what is left: the dynamic
//!   threshold of Choudhury and Hahne (1998). One alone stops at eight ninths; who comes later finds the rest.
//! * Only what is new is refused; what is known goes on.
//! * Where producers come under tokens, what one token brings is one owner's, whatever names it gives. Else a name is an
//!   owner, and producers that give none are one.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};
use serde::{Deserialize, Serialize};

/// Parts of what is left that one may hold. Choudhury and Hahne recommend powers of two; judgement: a large one, for in
/// most networks one gateway brings nearly all messages, and must not be held at a half of the room.
const SHARE: usize = 8;

/// A producer, by a mark of its name: two with one mark share what they may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner(u32);

impl Default for Owner {
    /// Nobody by name: the greatest mark, because of several owners the smallest has what they share, and who gives no
    /// name must not move what is another's into the share of all who give none.
    fn default() -> Owner {
        Owner(u32::MAX)
    }
}

impl Owner {
    /// Who came under this token, or, where the server asks for none, gave this name, or none.
    pub fn of(token: Option<&str>, name: Option<&str>) -> Owner {
        let Some(of) = token.or(name) else {
            return Owner::default();
        };
        let mut hasher = FxHasher::default();
        (token.is_some(), of).hash(&mut hasher);
        let mark = hasher.finish();
        Owner(((mark ^ (mark >> 32)) as u32).min(u32::MAX - 1))
    }

    /// Who has a mark.
    pub(super) fn of_mark(mark: u32) -> Owner {
        Owner(mark)
    }

    /// The mark itself, for rooms that know of no owners.
    pub fn mark(self) -> u32 {
        self.0
    }
}

/// How much of something each holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holdings(FxHashMap<Owner, usize>);

impl Holdings {
    /// Whether an owner may hold one more where `total` of `max` are held.
    pub(super) fn has_share(&self, owner: Owner, total: usize, max: usize) -> bool {
        total < max / 2 || self.of(owner) < SHARE.saturating_mul(max.saturating_sub(total))
    }

    /// How much one holds.
    pub(super) fn of(&self, owner: Owner) -> usize {
        self.0.get(&owner).copied().unwrap_or(0)
    }

    /// Takes one more.
    pub(super) fn take(&mut self, owner: Owner) {
        self.take_many(owner, 1);
    }

    /// Takes so many more.
    pub(super) fn take_many(&mut self, owner: Owner, count: usize) {
        if count > 0 {
            *self.0.entry(owner).or_default() += count;
        }
    }

    /// Gives one back.
    pub(super) fn give_back(&mut self, owner: Owner) {
        self.give_back_many(owner, 1);
    }

    /// Gives so many back.
    pub(super) fn give_back_many(&mut self, owner: Owner, count: usize) {
        if let Some(held) = self.0.get_mut(&owner) {
            *held = held.saturating_sub(count);
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
        let [first, second] = ["first", "second"].map(|name| Owner::of(None, Some(name)));
        assert_eq!(flood(&mut holdings, first, &mut total, 900), 800);
        assert!(flood(&mut holdings, second, &mut total, 900) > 80);
        // What was given back can be taken again, by whoever holds little.
        for _ in 0..300 {
            holdings.give_back(first);
        }
        total -= 300;
        assert!(flood(&mut holdings, Owner::of(None, None), &mut total, 900) > 200);
        assert!(!holdings.has_share(first, total, 900));
    }

    #[test]
    fn who_gives_no_name_takes_nothing_over_and_a_tokens_names_are_one_owner() {
        let nobody = Owner::of(None, None);
        for number in 0..1_000 {
            let name = number.to_string();
            let named = Owner::of(None, Some(&name));
            // The smallest of several holds what they share.
            assert!(named < nobody);
            assert_eq!(
                Owner::of(Some("token"), Some(&name)),
                Owner::of(Some("token"), None)
            );
            assert_ne!(Owner::of(Some(&name), None), named);
        }
    }

    #[test]
    fn below_half_of_the_room_nobody_has_a_share() {
        let (mut holdings, mut total) = (Holdings::default(), 0);
        let owner = Owner::of(Some("alone"), None);
        assert_eq!(flood(&mut holdings, owner, &mut total, 2), 2);
    }
}
