//! Remembers the newest sequence numbers of each producer, so that a retried batch counts once.
//! Not journaled by itself: rebuilt from the batches in the journal.
//!
//! * Of each producer the newest sequence is known, and which of the [`REMEMBERED`] below it were
//!   appended: a repeat of one of them is a repeat, and anything else that goes back is not, so it
//!   must not be answered as if it had been kept.
//!
//! * At most `producers_max` producers are remembered; the one whose last *appended* batch is oldest
//!   is forgotten first. A repeated batch does not count as use: the map is a function of the
//!   journal alone, the same after a restart as before.
//! * Of a producer that has been forgotten, a repeated batch is counted again.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::record::Position;

/// Sequences below the newest that are remembered one by one: far more than a producer that keeps to
/// one batch in flight can need, and eight bytes.
pub const REMEMBERED: u64 = u64::BITS as u64;

/// The newest batch of a producer, and what came shortly before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest {
    /// Its sequence number.
    pub sequence: u64,
    /// Where it is in the journal.
    pub position: Position,
    /// Bit `i` is set if `sequence - 1 - i` was appended as well.
    before: u64,
}

impl Newest {
    /// A producer's first batch, as far as is known.
    pub fn first(sequence: u64, position: Position) -> Newest {
        Newest {
            sequence,
            position,
            before: 0,
        }
    }

    /// The newest after a batch with a higher sequence; after a lower one, which the writer does not
    /// append, counting begins again.
    #[must_use]
    pub fn then(self, sequence: u64, position: Position) -> Newest {
        let ahead = match sequence.checked_sub(self.sequence) {
            Some(ahead @ 1..) => u32::try_from(ahead).unwrap_or(u32::MAX),
            _ => return Newest::first(sequence, position),
        };
        let older = self.before.checked_shl(ahead).unwrap_or(0);
        let last = 1u64.checked_shl(ahead - 1).unwrap_or(0);
        Newest {
            sequence,
            position,
            before: older | last,
        }
    }

    /// Whether a sequence is known to have been appended.
    pub fn has(&self, sequence: u64) -> bool {
        match self.sequence.checked_sub(sequence) {
            Some(0) => true,
            Some(back @ 1..=REMEMBERED) => self.before >> (back - 1) & 1 == 1,
            _ => false,
        }
    }
}

/// The bounded map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producers {
    producers_max: usize,
    /// Every batch below has been noted; to note one again changes nothing.
    noted_below: Position,
    newest: HashMap<String, Newest>,
    /// The same producers by the position of their newest batch: the first is forgotten first.
    by_age: BTreeMap<Position, String>,
}

impl Producers {
    /// An empty map of at most `producers_max` producers (at least one).
    pub fn new(producers_max: usize) -> Self {
        Self {
            producers_max: producers_max.max(1),
            noted_below: Position(0),
            newest: HashMap::new(),
            by_age: BTreeMap::new(),
        }
    }

    /// The newest batch of a producer, if it is remembered.
    pub fn newest(&self, name: &str) -> Option<Newest> {
        self.newest.get(name).copied()
    }

    /// Notes that the batch `sequence` of a producer was appended at `position`.
    pub fn note(&mut self, name: &str, sequence: u64, position: Position) {
        if position < self.noted_below {
            return;
        }
        self.noted_below = position.next();
        let name_kept = match self.newest.get_mut(name) {
            Some(known) => {
                let kept = self.by_age.remove(&known.position);
                *known = known.then(sequence, position);
                kept.unwrap_or_else(|| name.to_owned())
            }
            None => {
                self.newest
                    .insert(name.to_owned(), Newest::first(sequence, position));
                name.to_owned()
            }
        };
        self.by_age.insert(position, name_kept);
        self.forget_oldest();
    }

    /// The same producers under another limit.
    #[must_use]
    pub fn at_most(mut self, producers_max: usize) -> Self {
        self.producers_max = producers_max.max(1);
        self.forget_oldest();
        self
    }

    fn forget_oldest(&mut self) {
        while self.newest.len() > self.producers_max {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                break;
            };
            self.newest.remove(&oldest);
        }
    }

    /// How many producers are remembered.
    pub fn len(&self) -> usize {
        self.newest.len()
    }

    /// True if none is.
    pub fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_producer_is_forgotten_first() {
        let mut producers = Producers::new(2);
        producers.note("a", 1, Position(0));
        producers.note("b", 1, Position(1));
        producers.note("a", 2, Position(2));
        producers.note("c", 9, Position(3));
        assert_eq!(producers.newest("b"), None);
        assert_eq!(
            producers.newest("a"),
            Some(Newest::first(1, Position(0)).then(2, Position(2)))
        );
        assert_eq!((producers.len(), producers.is_empty()), (2, false));
    }

    #[test]
    fn what_was_appended_below_the_newest_is_told_from_what_was_not() {
        // Against a plain set, with steps of every size around the width of the memory.
        let mut newest = Newest::first(1_000, Position(0));
        let mut appended = vec![1_000];
        for step in [1, 1, 3, 60, 1, 2, 63, 64, 65, 1, 7, 200, 1, u64::MAX / 4] {
            let sequence = newest.sequence + step;
            newest = newest.then(sequence, Position(0));
            appended.push(sequence);
            for back in 0..200 {
                let asked = sequence.saturating_sub(back);
                let known = back <= REMEMBERED && appended.contains(&asked);
                assert_eq!(newest.has(asked), known, "{step} {back}");
            }
            assert!(!newest.has(sequence + 1));
        }
    }

    #[test]
    fn noting_again_what_a_checkpoint_knew_changes_nothing() {
        let batches = [("a", 1), ("b", 7), ("a", 2), ("b", 9), ("c", 1)];
        let mut once = Producers::new(2);
        let note = |producers: &mut Producers| {
            for (at, (name, sequence)) in batches.iter().enumerate() {
                producers.note(name, *sequence, Position(at as u64));
            }
        };
        note(&mut once);
        let mut again = once.clone();
        note(&mut again);
        assert_eq!(again, once);
        assert_eq!(once.at_most(1).len(), 1);
    }
}
