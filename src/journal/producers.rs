//! Remembers the last sequence number of each producer, so that a retried batch counts once.
//! Not journaled by itself: rebuilt from the batches in the journal.
//!
//! * At most `producers_max` producers are remembered; the one whose last *appended* batch is oldest
//!   is forgotten first. A repeated batch does not count as use: the map is a function of the
//!   journal alone, the same after a restart as before.
//! * Of a producer that has been forgotten, a repeated batch is counted again.

use std::collections::{BTreeMap, HashMap};

use super::record::Position;

/// The newest batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its sequence number.
    pub sequence: u64,
    /// Where it is in the journal.
    pub position: Position,
}

/// The bounded map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producers {
    producers_max: usize,
    newest: HashMap<String, Newest>,
    /// The same producers by the position of their newest batch: the first is forgotten first.
    by_age: BTreeMap<Position, String>,
}

impl Producers {
    /// An empty map of at most `producers_max` producers (at least one).
    pub fn new(producers_max: usize) -> Self {
        Self {
            producers_max: producers_max.max(1),
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
        let newest = Newest { sequence, position };
        let name_kept = match self.newest.get_mut(name) {
            Some(known) => {
                let kept = self.by_age.remove(&known.position);
                *known = newest;
                kept.unwrap_or_else(|| name.to_owned())
            }
            None => {
                self.newest.insert(name.to_owned(), newest);
                name.to_owned()
            }
        };
        self.by_age.insert(position, name_kept);
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
            Some(Newest {
                sequence: 2,
                position: Position(2)
            })
        );
        assert_eq!((producers.len(), producers.is_empty()), (2, false));
    }
}
