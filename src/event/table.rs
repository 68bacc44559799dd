//! The table of a decoder's tuples: what it finds them by, from batch to batch.

use std::hash::Hasher;
use std::sync::Arc;

use rustc_hash::{FxHashSet, FxHasher};

use crate::event::batch::Fact;
use crate::event::{Bound, DimensionValue, Stream, Tuple};

/// Tuples that a table remembers from batch to batch; beyond it, it begins anew after the batch. The size of a cache: nothing is
/// refused or lost by it, and the state has `limits.tuples_max`.
///
/// Judgement: three times the tuples of 100,000 keys, and some tens of megabytes.
pub(super) const REMEMBERED_MAX: usize = 1 << 18;
/// Bytes of their keys, likewise: a producer may make every value as long as a line. Judgement: 256 B a tuple.
const KEYS_BYTES_MAX: usize = 1 << 26;
/// Facts whose tuples are looked up together. Judgement: some ten loads can be under way at a time, and their keys
/// stay in the nearest cache.
const TOGETHER: usize = 64;
/// Slots of a table that lies in a near cache, where nothing need be fetched ahead (128 KiB).
const NEAR_SLOTS: usize = 1 << 14;
/// Slots of the smallest table that has any.
const SLOTS_MIN: usize = 64;

/// Finds the numbers of tuples by their values as they stand in the lines: a known tuple costs one look-up
/// and no allocation, in this batch or a later one.
///
/// With many tuples a look-up costs what it waits for memory. So facts are gathered, and their tuples looked up
/// together: what one waits for, the others wait for at the same time. All that a look-up compares and changes lies in
/// one stretch of `entries`.
#[derive(Clone, Debug, Default)]
pub struct TupleTable {
    /// By hash, open addressing: the hash above, and below it where the entry begins, in eights, from one on; 0 is free.
    slots: Vec<u64>,
    /// [`Entry`]s of all known tuples with their keys, one after the other.
    entries: Vec<u8>,
    /// Texts of all known tuples: equal ones are one allocation, for most tuples have theirs in common.
    texts: FxHashSet<Arc<str>>,
    /// All known tuples.
    remembered: Vec<Arc<Tuple>>,
    /// Tuples of this batch.
    tuples: Vec<Arc<Tuple>>,
    /// Places of the tuples of this batch, or, where it has none yet, of the one before.
    places: Vec<u32>,
    /// What those are of.
    places_of: u64,
    /// How often the table has begun anew.
    renewals: u64,
    batch: u32,
    /// Keys of the newest facts, which are not looked up yet, one after the other.
    keys: Vec<u8>,
    /// Of each of them the hash and where its key ends.
    waiting: Vec<(u32, usize)>,
}

/// What is known of a tuple; its key follows, filled up to whole eights.
#[derive(Clone, Copy)]
struct Entry {
    /// The batch that met it last, and its number in that.
    batch: u32,
    number: u32,
    /// Its place among all that are remembered.
    at: u32,
    key_bytes: u32,
}

/// A line of memory, bytes.
const LINE_BYTES: usize = 64;

/// Bytes of an [`Entry`].
const ENTRY_BYTES: usize = 16;

impl Entry {
    fn read(bytes: &[u8]) -> Entry {
        let word = |at: usize| {
            let bytes = bytes.get(4 * at..4 * at + 4);
            bytes.map_or(0, |word| {
                u32::from_le_bytes([word[0], word[1], word[2], word[3]])
            })
        };
        Entry {
            batch: word(0),
            number: word(1),
            at: word(2),
            key_bytes: word(3),
        }
    }

    fn bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let words = [self.batch, self.number, self.at, self.key_bytes];
        for (into, word) in bytes.chunks_exact_mut(4).zip(words) {
            into.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

impl TupleTable {
    /// Adds a fact of the tuple with these dimension values. Which number that has in its batch is entered by
    /// [`TupleTable::take`] at the latest: until then the facts that came last have none.
    pub fn add<'a>(
        &mut self,
        (stream, bound): (Stream, Bound),
        values: impl Iterator<Item = Borrowed<'a>>,
        (ts_ms, value): (i64, f64),
        facts: &mut Vec<Fact>,
    ) {
        let begin = self.keys.len();
        self.keys.extend(head_of(stream, bound));
        values.for_each(|value| value.encode(&mut self.keys));
        let mut hasher = FxHasher::default();
        hasher.write(&self.keys[begin..]);
        let hash = hasher.finish();
        let hash = (hash ^ (hash >> 32)) as u32;
        self.waiting.push((hash, self.keys.len()));
        facts.push(Fact {
            ts_ms,
            value,
            tuple: 0,
        });
        if self.waiting.len() == TOGETHER {
            self.look_up(facts);
        }
    }

    /// Hands out the tuples of this batch, in order of first appearance, and begins the next. `facts` are those of the
    /// batch: the last of them get their tuples' numbers.
    pub fn take(&mut self, facts: &mut [Fact]) -> Vec<Arc<Tuple>> {
        self.look_up(facts);
        let tuples = std::mem::take(&mut self.tuples);
        if tuples.is_empty() {
            self.places.clear();
        }
        self.places_of = self.renewals;
        let fits = self.remembered.len() <= REMEMBERED_MAX && self.entries.len() <= KEYS_BYTES_MAX;
        match self.batch.checked_add(1) {
            Some(batch) if fits => self.batch = batch,
            // A number that comes again would be taken for one of this batch.
            _ => {
                *self = TupleTable {
                    places: std::mem::take(&mut self.places),
                    places_of: self.places_of,
                    renewals: self.renewals + 1,
                    ..TupleTable::default()
                }
            }
        }
        tuples
    }

    /// Places of the tuples that [`TupleTable::take`] handed out last among all that are remembered: an equal tuple has
    /// the same in a later batch. With how often the table had begun anew: where that differs, places are of others.
    pub fn places(&self) -> (u64, &[u32]) {
        (self.places_of, &self.places)
    }

    /// Looks up the tuples of the facts that came last.
    fn look_up(&mut self, facts: &mut [Fact]) {
        if self.slots.len() > NEAR_SLOTS {
            self.fetch_ahead();
        }
        let waiting = std::mem::take(&mut self.waiting);
        let keys = std::mem::take(&mut self.keys);
        let first = facts.len().saturating_sub(waiting.len());
        let mut begin = 0;
        for (fact, (hash, end)) in facts[first..].iter_mut().zip(&waiting) {
            fact.tuple = self.number(*hash, &keys[begin..*end]);
            begin = *end;
        }
        // Their memory is used again.
        (self.waiting, self.keys) = (waiting, keys);
        self.waiting.clear();
        self.keys.clear();
    }

    /// Reads what looking up the tuples will read, step by step for all of them: loads that do not wait for one
    /// another are under way together.
    fn fetch_ahead(&self) {
        let mask = self.slots.len() - 1;
        // Of each where its entry begins, and the key's length.
        let mut entries = [(usize::MAX, 0); TOGETHER];
        let mut begin = 0;
        for (entry, (hash, end)) in entries.iter_mut().zip(&self.waiting) {
            let slot = self.slots[*hash as usize & mask];
            if slot != 0 {
                *entry = (place_of(slot), end - begin);
            }
            begin = *end;
        }
        let mut known = [u32::MAX; TOGETHER];
        let mut seen = 0;
        for (known, (entry, key_bytes)) in known.iter_mut().zip(entries) {
            let Some(bytes) = self.entries.get(entry..) else {
                continue;
            };
            let read = Entry::read(bytes);
            if read.batch != self.batch {
                *known = read.at;
            }
            // A long key reaches into the line behind.
            seen ^= bytes
                .get(ENTRY_BYTES + key_bytes)
                .copied()
                .unwrap_or_default();
        }
        // The tuple itself is counted once more when it is new in the batch.
        let tuples = known.map(|at| self.remembered.get(at as usize));
        for tuple in tuples.into_iter().flatten() {
            seen ^= tuple.stream as u8;
        }
        std::hint::black_box(seen);
    }

    /// Number of the tuple with this key in this batch; makes it when it is new.
    fn number(&mut self, hash: u32, key: &[u8]) -> u32 {
        if 2 * (self.remembered.len() + 1) > self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        let (begin, mut entry) = loop {
            let word = self.slots[slot];
            if word == 0 {
                break self.remember(slot, hash, key);
            }
            if (word >> 32) as u32 == hash {
                let begin = place_of(word);
                let entry = Entry::read(&self.entries[begin..begin + ENTRY_BYTES]);
                let own = &self.entries[begin + ENTRY_BYTES..];
                if own.get(..entry.key_bytes as usize) == Some(key) {
                    break (begin, entry);
                }
            }
            slot = (slot + 1) & mask;
        };
        if entry.batch != self.batch {
            entry.batch = self.batch;
            entry.number = self.tuples.len() as u32;
            self.entries[begin..begin + ENTRY_BYTES].copy_from_slice(&entry.bytes());
            let tuple = &self.remembered[entry.at as usize];
            if self.tuples.is_empty() {
                self.places.clear();
            }
            self.tuples.push(tuple.clone());
            self.places.push(entry.at);
        }
        entry.number
    }

    /// Makes the tuple of a key and puts it into a free slot; tells its entry, and where that begins.
    fn remember(&mut self, slot: usize, hash: u32, key: &[u8]) -> (usize, Entry) {
        let entry = Entry {
            // Not of this one yet.
            batch: self.batch.wrapping_sub(1),
            number: 0,
            at: self.remembered.len() as u32,
            key_bytes: key.len() as u32,
        };
        // What fits into a line of memory lies in one, as far as lines can be told here.
        let (into, bytes) = (self.entries.len() % LINE_BYTES, ENTRY_BYTES + key.len());
        if bytes <= LINE_BYTES && into + bytes > LINE_BYTES {
            self.entries
                .resize(self.entries.len().next_multiple_of(LINE_BYTES), 0);
        }
        let begin = self.entries.len();
        self.entries.extend(entry.bytes());
        self.entries.extend_from_slice(key);
        self.entries
            .resize(self.entries.len().next_multiple_of(8), 0);
        self.slots[slot] = u64::from(hash) << 32 | (begin as u64 / 8 + 1);
        let tuple = tuple_of(key, &mut self.texts);
        self.remembered.push(Arc::new(tuple));
        (begin, entry)
    }

    /// Doubles the slots.
    fn grow(&mut self) {
        let slots = (2 * self.slots.len()).max(SLOTS_MIN);
        let before = std::mem::replace(&mut self.slots, vec![0; slots]);
        for word in before.into_iter().filter(|word| *word != 0) {
            let mut slot = (word >> 32) as usize & (slots - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (slots - 1);
            }
            self.slots[slot] = word;
        }
    }
}

/// Where the entry of a slot that is taken begins.
fn place_of(slot: u64) -> usize {
    (slot as u32 as usize).wrapping_sub(1).wrapping_mul(8)
}

/// Bytes that a key begins with: stream and bound.
const HEAD_BYTES: usize = 9;

/// What a key begins with.
fn head_of(stream: Stream, bound: Bound) -> [u8; HEAD_BYTES] {
    let mut head = [stream.index() as u8; HEAD_BYTES];
    head[1..].copy_from_slice(&bound.to_bits().to_le_bytes());
    head
}

/// A dimension value that borrows from the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borrowed<'a> {
    /// Absent.
    Null,
    /// A flag.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(&'a str),
}

impl Borrowed<'_> {
    fn encode(self, key: &mut Vec<u8>) {
        match self {
            Borrowed::Null => key.push(0),
            Borrowed::Flag(flag) => key.push(1 + u8::from(flag)),
            Borrowed::Integer(number) => {
                key.push(3);
                key.extend_from_slice(&number.to_le_bytes());
            }
            Borrowed::Text(text) => {
                let mut head = [4; 5];
                head[1..].copy_from_slice(&(text.len() as u32).to_le_bytes());
                key.extend_from_slice(&head);
                key.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// The value that a key begins with, and what is left of the key.
    fn decode(key: &[u8]) -> Option<(Borrowed<'_>, &[u8])> {
        let (kind, rest) = key.split_first()?;
        Some(match kind {
            0 => (Borrowed::Null, rest),
            1 => (Borrowed::Flag(false), rest),
            2 => (Borrowed::Flag(true), rest),
            3 => {
                let (number, rest) = rest.split_first_chunk()?;
                (Borrowed::Integer(i64::from_le_bytes(*number)), rest)
            }
            _ => {
                let (length, rest) = rest.split_first_chunk()?;
                let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                (
                    Borrowed::Text(str::from_utf8(text).unwrap_or_default()),
                    rest,
                )
            }
        })
    }

    /// The value itself; its text is that of `texts`.
    fn owned(self, texts: &mut FxHashSet<Arc<str>>) -> DimensionValue {
        let Borrowed::Text(text) = self else {
            return self.into();
        };
        if let Some(known) = texts.get(text) {
            return DimensionValue::Text(known.clone());
        }
        let text: Arc<str> = text.into();
        texts.insert(text.clone());
        DimensionValue::Text(text)
    }
}

impl<'a> From<Option<&'a str>> for Borrowed<'a> {
    fn from(text: Option<&'a str>) -> Borrowed<'a> {
        text.map_or(Borrowed::Null, Borrowed::Text)
    }
}

impl From<Option<bool>> for Borrowed<'_> {
    fn from(flag: Option<bool>) -> Self {
        flag.map_or(Borrowed::Null, Borrowed::Flag)
    }
}

impl From<Option<i64>> for Borrowed<'_> {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Borrowed::Null, Borrowed::Integer)
    }
}

impl From<Borrowed<'_>> for DimensionValue {
    fn from(value: Borrowed<'_>) -> DimensionValue {
        match value {
            Borrowed::Null => DimensionValue::Null,
            Borrowed::Flag(flag) => DimensionValue::Flag(flag),
            Borrowed::Integer(number) => DimensionValue::Integer(number),
            Borrowed::Text(text) => DimensionValue::Text(text.into()),
        }
    }
}

/// The tuple that a key was written for; its texts are those of `texts`.
fn tuple_of(key: &[u8], texts: &mut FxHashSet<Arc<str>>) -> Tuple {
    let (head, rest) = key.split_at(HEAD_BYTES.min(key.len()));
    let (stream, bound) = match head {
        [stream, bound @ ..] => (*stream as usize, bound.try_into().unwrap_or_default()),
        [] => (0, [0; 8]),
    };
    let mut values = Vec::new();
    let mut rest = rest;
    while let Some((value, after)) = Borrowed::decode(rest) {
        values.push(value.owned(texts));
        rest = after;
    }
    let bound = Bound::from_bits(u64::from_le_bytes(bound));
    Tuple::new(Stream::ALL[stream], bound, values.into())
}

#[cfg(test)]
mod tests;
