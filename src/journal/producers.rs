//! Remembers the newest sequence numbers of each producer, so that a retried batch counts once.
//! Not journaled by itself: rebuilt from the batches in the journal.
//!
//! * Of each producer the newest sequence is known, and which of the [`REMEMBERED`] below it, or of fewer where
//!   `sequences_max` says so, were appended: a repeat of one of them is a repeat, and anything else that goes back is
//!   not, so it must not be answered as if it had been kept.
//!
//! * Who was heard within the memory's time, on the journal's clock, is never forgotten: what it repeats
//!   is known for a repeat. Beyond `producers_max` of them no new name is admitted.
//! * Who was not heard for longer is kept as long as no more than half of the room is used; then the one
//!   whose last *appended* batch is oldest is forgotten first. A repeated batch does not count as use: the
//!   map is a function of the journal and the settings alone, the same after a restart as before.
//! * Of a producer that has been forgotten, a repeated batch is counted again.
//! * A name belongs to the token that used it first, by the token's name, as long as it is remembered: whoever sends under
//!   another's name could make the owner's next batches repeats. Where the server asks for no token a name is anybody's.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::record::Position;

/// Sequences below the newest that can be remembered one by one: eight bytes, in the form of checkpoints.
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

    /// Whether a sequence is among the newest `sequences_max` numbers and known to have been appended.
    pub fn has(&self, sequence: u64, sequences_max: u64) -> bool {
        match self.sequence.checked_sub(sequence) {
            Some(0) => true,
            Some(back @ 1..=REMEMBERED) if back < sequences_max => {
                self.before >> (back - 1) & 1 == 1
            }
            _ => false,
        }
    }
}

/// How many producers are remembered, how much of each, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Producers that may be remembered; taken for at least one.
    pub producers_max: usize,
    /// How long a producer is remembered for certain after its last batch, by the journal's ticks, ms.
    pub keep_ms: i64,
    /// Numbers of a producer, the newest with those below it, of which a repeat is known for one; at most [`REMEMBERED`]
    /// and one. A setting of the process, and in no checkpoint: those hold all that can be remembered.
    #[serde(skip)]
    pub sequences_max: u64,
}

impl Default for Memory {
    fn default() -> Self {
        // Judgement: five times the thousand gateways of a province with ten processes each, some 10 MB;
        // and who cannot deliver a batch within a day has other troubles than a repeat.
        Memory {
            producers_max: 50_000,
            keep_ms: 24 * 3_600_000,
            // Judgement: far more than a producer that keeps to one batch in flight can need.
            sequences_max: REMEMBERED + 1,
        }
    }
}

/// A producer as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    newest: Newest,
    /// The token that it came under; `None` as long as it came under none.
    sender: Option<String>,
    /// The last tick before its newest batch, ms.
    heard_ms: i64,
}

/// The bounded map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producers {
    memory: Memory,
    /// The last tick, ms.
    now_ms: i64,
    /// The first tick, ms: who spoke before it counts as heard then.
    began_ms: i64,
    forgotten_total: u64,
    /// Every batch below has been noted; to note one again changes nothing.
    noted_below: Position,
    known: HashMap<String, Known>,
    /// The same producers by the position of their newest batch: the first is forgotten first.
    by_age: BTreeMap<Position, String>,
}

impl Producers {
    /// An empty map.
    pub fn new(memory: Memory) -> Self {
        Self {
            memory,
            now_ms: i64::MIN,
            began_ms: i64::MIN,
            forgotten_total: 0,
            noted_below: Position(0),
            known: HashMap::new(),
            by_age: BTreeMap::new(),
        }
    }

    /// The newest batch of a producer, if it is remembered.
    pub fn newest(&self, name: &str) -> Option<Newest> {
        self.known.get(name).map(|known| known.newest)
    }

    /// Whether a name is another's than this sender's.
    pub fn is_taken(&self, name: &str, sender: Option<&str>) -> bool {
        let known = self.known.get(name);
        are_two(known.and_then(|known| known.sender.as_deref()), sender)
    }

    /// Notes that the batch `sequence` of a producer was appended at `position`, as it came from `sender`.
    pub fn note(&mut self, name: &str, sender: Option<&str>, sequence: u64, position: Position) {
        if position < self.noted_below {
            return;
        }
        self.noted_below = position.next();
        let heard_ms = self.now_ms;
        let name_kept = match self.known.get_mut(name) {
            Some(known) => {
                let kept = self.by_age.remove(&known.newest.position);
                known.newest = known.newest.then(sequence, position);
                known.heard_ms = heard_ms;
                // What was appended was its own: under other settings the name may have been forgotten before.
                if let Some(sender) =
                    sender.filter(|sender| known.sender.as_deref() != Some(*sender))
                {
                    known.sender = Some(sender.to_owned());
                }
                kept.unwrap_or_else(|| name.to_owned())
            }
            None => {
                let newest = Newest::first(sequence, position);
                let known = Known {
                    newest,
                    sender: sender.map(str::to_owned),
                    heard_ms,
                };
                self.known.insert(name.to_owned(), known);
                name.to_owned()
            }
        };
        self.by_age.insert(position, name_kept);
        self.forget_oldest();
    }

    /// Notes a tick; one that was noted before changes nothing.
    pub fn tick(&mut self, now_ms: i64) {
        if self.now_ms == i64::MIN {
            self.began_ms = now_ms;
        }
        self.now_ms = self.now_ms.max(now_ms);
        self.forget_oldest();
    }

    /// Whether so many new names may come: who was heard lately makes no room for them.
    pub fn has_room_for(&self, new: usize) -> bool {
        self.known.len().saturating_add(new) <= self.producers_max()
    }

    /// The same producers under other settings.
    #[must_use]
    pub fn under(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self.forget_oldest();
        self
    }

    /// Forgets whom it may, as long as more than half of the room is used.
    fn forget_oldest(&mut self) {
        while self.known.len() > self.producers_max() / 2 {
            let Some((position, name)) = self.by_age.first_key_value() else {
                break;
            };
            let known = self.known.get(name);
            let heard_ms = known.map(|known| known.heard_ms.max(self.began_ms));
            let since = heard_ms.map(|heard_ms| self.now_ms.saturating_sub(heard_ms));
            if since.is_some_and(|since| since <= self.memory.keep_ms) {
                break;
            }
            let position = *position;
            if let Some(name) = self.by_age.remove(&position) {
                self.known.remove(&name);
            }
            self.forgotten_total += 1;
        }
    }

    /// How many producers are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True if none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many there may be.
    pub fn producers_max(&self) -> usize {
        self.memory.producers_max.max(1)
    }

    /// Numbers of a producer, the newest with those below it, of which a repeat is known for one.
    pub fn sequences_max(&self) -> u64 {
        self.memory.sequences_max.clamp(1, REMEMBERED + 1)
    }

    /// How many were forgotten since the journal began, as far as it was kept.
    pub fn forgotten_total(&self) -> u64 {
        self.forgotten_total
    }
}

/// Whether two senders are known and not the same.
pub(super) fn are_two(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(producers_max: usize, keep_ms: i64) -> Memory {
        Memory {
            producers_max,
            keep_ms,
            ..Memory::default()
        }
    }

    #[test]
    fn who_was_heard_lately_is_never_forgotten_and_the_others_only_for_want_of_room() {
        let mut producers = Producers::new(memory(4, 100));
        for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
            producers.note(name, None, 1, Position(at as u64));
        }
        producers.tick(1_000);
        assert_eq!(producers.len(), 3);
        producers.tick(1_101);
        // More than half of four were older than the memory.
        assert_eq!((producers.len(), producers.newest("a")), (2, None));
        for (at, name) in (3..).zip(["b", "c", "d", "e"]) {
            assert!(producers.newest(name).is_some() || producers.has_room_for(1));
            producers.note(name, None, 2, Position(at));
        }
        producers.tick(1_201);
        assert_eq!(producers.len(), 4);
        assert!(!producers.has_room_for(1), "all were heard just now");
        // Whatever else happens: what comes over the limit all the same pushes nobody out.
        producers.note("f", None, 1, Position(9));
        assert_eq!(producers.newest("b").unwrap().sequence, 2);
        producers.tick(1_202);
        // Their memory is over; "f" was heard later.
        assert_eq!((producers.len(), producers.forgotten_total()), (2, 4));
        assert!(producers.has_room_for(2) && producers.newest("f").is_some());
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
                for sequences_max in [1, 2, 10, REMEMBERED + 1, u64::MAX] {
                    let known = back <= REMEMBERED && back < sequences_max;
                    let known = known && appended.contains(&asked);
                    assert_eq!(newest.has(asked, sequences_max), known, "{step} {back}");
                }
            }
            assert!(!newest.has(sequence + 1, u64::MAX));
        }
    }

    #[test]
    fn noting_again_what_a_checkpoint_knew_changes_nothing() {
        let batches = [("a", 1), ("b", 7), ("a", 2), ("b", 9), ("c", 1)];
        let mut once = Producers::new(memory(2, 2));
        let note = |producers: &mut Producers| {
            for (at, (name, sequence)) in batches.iter().enumerate() {
                producers.note(name, Some(name), *sequence, Position(2 * at as u64));
                producers.tick(at as i64);
            }
        };
        note(&mut once);
        let mut again = once.clone();
        note(&mut again);
        assert_eq!(again, once);
        assert_eq!(once.under(memory(1, -1)).len(), 0);
    }
}
