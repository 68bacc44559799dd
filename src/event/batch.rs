//! A decoded batch: facts as columns over a table of distinct tuples, and records as they are.

use std::hash::Hasher;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use serde::{Deserialize, Serialize};

use crate::event::{Annotation, Bound, DimensionValue, Reading, Record, Stream, Tuple};

/// One fact of a linear stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact {
    /// When it happened, ms since the epoch.
    pub ts_ms: i64,
    /// Measured value in the stream's raw unit; NaN when it carries none.
    pub value: f64,
    /// Index into the batch's tuple table.
    pub tuple: u32,
}

/// Whom an event came from: a stream and, when the event names one, a source within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId {
    /// Stream.
    pub stream: Stream,
    /// The event's `source`, if given.
    pub name: Option<Arc<str>>,
}

/// What a batch says about one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProgress {
    /// Highest event time, ms.
    pub ts_ms_max: i64,
    /// Events.
    pub events: u64,
}

/// A decoded batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// [`crate::event::Layout::version`] that it was decoded with.
    pub layout: u64,
    /// Distinct tuples, in order of first appearance.
    pub tuples: Vec<Arc<Tuple>>,
    /// Facts of linear streams.
    pub facts: Vec<Fact>,
    /// Events of keyed streams.
    pub records: Vec<Record>,
    /// Explanations.
    pub annotations: Vec<Annotation>,
    /// Readings of gauges that rates divide by; they are facts as well.
    pub readings: Vec<Reading>,
    /// Progress of each source.
    pub sources: FxHashMap<SourceId, SourceProgress>,
    /// Events in it, of any type.
    pub events: u64,
}

impl Batch {
    /// Notes an event of a source.
    pub(super) fn advance(&mut self, stream: Stream, name: Option<&str>, ts_ms: i64) {
        self.events += 1;
        self.follow(stream, name, ts_ms);
    }

    /// Notes the progress of a source on another stream of the same event.
    pub(super) fn follow(&mut self, stream: Stream, name: Option<&str>, ts_ms: i64) {
        let id = SourceId {
            stream,
            name: name.map(Arc::from),
        };
        let progress = self.sources.entry(id).or_insert(SourceProgress {
            ts_ms_max: ts_ms,
            events: 0,
        });
        progress.ts_ms_max = progress.ts_ms_max.max(ts_ms);
        progress.events += 1;
    }
}

/// Tuples that a table remembers from batch to batch; beyond it, it begins anew after the batch.
///
/// Judgement: three times the tuples of 100,000 keys, and some tens of megabytes.
const REMEMBERED_MAX: usize = 1 << 18;
/// Bytes of their keys, likewise: a producer may make every value as long as a line. Judgement: 256 B a tuple.
const KEYS_BYTES_MAX: usize = 1 << 26;

/// Finds the number of a tuple by its values as they stand in the line: a known tuple costs one look-up
/// and no allocation, in this batch or a later one.
///
/// With many tuples a look-up costs what it waits for memory: all that it compares and changes lies in the
/// table's slot and in one stretch of `keys`.
#[derive(Clone, Debug, Default)]
pub struct TupleTable {
    known: HashTable<Known>,
    /// Keys of all known tuples, one after the other.
    keys: Vec<u8>,
    /// Texts of all known tuples: equal ones are one allocation, for most tuples have theirs in common.
    texts: FxHashSet<Arc<str>>,
    /// All known tuples.
    remembered: Vec<Arc<Tuple>>,
    /// Tuples of this batch.
    tuples: Vec<Arc<Tuple>>,
    batch: u32,
}

/// A tuple that was met.
#[derive(Clone, Debug)]
struct Known {
    /// Of its key.
    hash: u64,
    /// Where its key begins, and how long it is.
    key: usize,
    key_bytes: u32,
    /// Its place among all that are remembered.
    at: u32,
    /// The batch that met it last, and its number in that.
    batch: u32,
    number: u32,
}

impl TupleTable {
    /// Number of the tuple with these dimension values in this batch; makes it when it is new.
    pub fn intern<'a>(
        &mut self,
        stream: Stream,
        bound: Bound,
        values: impl Iterator<Item = Borrowed<'a>> + Clone,
    ) -> u32 {
        let head = head_of(stream, bound);
        let mut hasher = FxHasher::default();
        hasher.write_u64(bound.to_bits().wrapping_add(stream as u64));
        values.clone().for_each(|value| value.hash(&mut hasher));
        let hash = hasher.finish();
        let keys = &self.keys;
        let is_same = |known: &Known| {
            let key = &keys[known.key..known.key + known.key_bytes as usize];
            let rest = key.strip_prefix(&head);
            known.hash == hash && rest.is_some_and(|rest| is_key_of(rest, values.clone()))
        };
        let entry = self.known.entry(hash, is_same, |known| known.hash);
        let known = match entry {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let key = self.keys.len();
                self.keys.extend(head);
                let encode = |value: Borrowed<'a>| value.encode(&mut self.keys);
                values.clone().for_each(encode);
                let texts = &mut self.texts;
                let owned = values.map(|value| value.owned(texts));
                let tuple = Tuple::new(stream, bound, owned.collect());
                self.remembered.push(Arc::new(tuple));
                let known = Known {
                    hash,
                    key,
                    key_bytes: (self.keys.len() - key) as u32,
                    at: self.remembered.len() as u32 - 1,
                    // Not of this one yet.
                    batch: self.batch.wrapping_sub(1),
                    number: 0,
                };
                vacant.insert(known).into_mut()
            }
        };
        if known.batch != self.batch {
            known.batch = self.batch;
            known.number = self.tuples.len() as u32;
            self.tuples.push(self.remembered[known.at as usize].clone());
        }
        known.number
    }

    /// Hands out the tuples of this batch, in order of first appearance, and begins the next.
    pub fn take(&mut self) -> Vec<Arc<Tuple>> {
        let tuples = std::mem::take(&mut self.tuples);
        let fits = self.remembered.len() <= REMEMBERED_MAX && self.keys.len() <= KEYS_BYTES_MAX;
        match self.batch.checked_add(1) {
            Some(batch) if fits => self.batch = batch,
            // A number that comes again would be taken for one of this batch.
            _ => *self = TupleTable::default(),
        }
        tuples
    }
}

/// What a key begins with.
fn head_of(stream: Stream, bound: Bound) -> [u8; 9] {
    let mut head = [stream as u8; 9];
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
                key.extend(number.to_le_bytes());
            }
            Borrowed::Text(text) => {
                key.push(4);
                key.extend((text.len() as u32).to_le_bytes());
                key.extend(text.as_bytes());
            }
        }
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

    /// What is left of a key that begins with this value.
    #[inline]
    fn strip(self, key: &[u8]) -> Option<&[u8]> {
        let (kind, rest) = key.split_first()?;
        match (self, kind) {
            (Borrowed::Null, 0) | (Borrowed::Flag(false), 1) | (Borrowed::Flag(true), 2) => {
                Some(rest)
            }
            (Borrowed::Integer(number), 3) => rest.strip_prefix(&number.to_le_bytes()),
            (Borrowed::Text(text), 4) => {
                let (length, rest) = rest.split_first_chunk()?;
                let is_as_long = u32::from_le_bytes(*length) as usize == text.len();
                is_as_long.then(|| rest.strip_prefix(text.as_bytes()))?
            }
            _ => None,
        }
    }

    #[inline]
    fn hash(self, hasher: &mut FxHasher) {
        match self {
            Borrowed::Null => hasher.write_u64(0),
            Borrowed::Flag(flag) => hasher.write_u64(1 + u64::from(flag)),
            Borrowed::Integer(number) => hasher.write_u64(number as u64 ^ 3 << 61),
            Borrowed::Text(text) => hasher.write(text.as_bytes()),
        }
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

/// Whether a key is what [`Borrowed::encode`] writes of these values.
fn is_key_of<'a>(key: &[u8], mut values: impl Iterator<Item = Borrowed<'a>>) -> bool {
    let rest = values.try_fold(key, |key, value| value.strip(key));
    rest.is_some_and(<[u8]>::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number_and_come_back_as_they_were() {
        let mut table = TupleTable::default();
        let values = [
            Borrowed::Text("长沙"),
            Borrowed::Null,
            Borrowed::Flag(true),
            Borrowed::Flag(false),
            Borrowed::Integer(-7),
            Borrowed::Text(""),
        ];
        let first = table.intern(Stream::DialTest, Bound::UNLIMITED, values.into_iter());
        assert_eq!(
            first,
            table.intern(Stream::DialTest, Bound::UNLIMITED, values.into_iter())
        );
        assert_ne!(
            first,
            table.intern(Stream::DialTest, Bound::NO_VALUE, values.into_iter())
        );
        assert_ne!(
            first,
            table.intern(Stream::BossCall, Bound::UNLIMITED, values.into_iter())
        );
        let tuples = table.take();
        assert_eq!(tuples.len(), 3);
        let want = [
            DimensionValue::Text("长沙".into()),
            DimensionValue::Null,
            DimensionValue::Flag(true),
            DimensionValue::Flag(false),
            DimensionValue::Integer(-7),
            DimensionValue::Text("".into()),
        ];
        assert_eq!(*tuples[0].values, want);
    }

    #[test]
    fn a_later_batch_numbers_anew_and_shares_what_is_known() {
        let mut table = TupleTable::default();
        let number = |table: &mut TupleTable, value: i64| {
            let values = [Borrowed::Integer(value)].into_iter();
            table.intern(Stream::Gauge, Bound::UNLIMITED, values)
        };
        // Enough for the table to grow.
        for value in 0..1000 {
            assert_eq!(number(&mut table, value), value as u32);
        }
        let first = table.take();
        assert_eq!(number(&mut table, 999), 0);
        assert_eq!(number(&mut table, 5000), 1);
        assert_eq!(number(&mut table, 999), 0);
        let second = table.take();
        assert_eq!(second.len(), 2);
        assert!(Arc::ptr_eq(&first[999], &second[0]));
    }

    #[test]
    fn tuples_have_equal_texts_in_common() {
        let mut table = TupleTable::default();
        for number in 0..2 {
            let values = [Borrowed::Text("长沙"), Borrowed::Integer(number)].into_iter();
            table.intern(Stream::Gauge, Bound::UNLIMITED, values);
        }
        let tuples = table.take();
        let text = |tuple: &Tuple| match &tuple.values[0] {
            DimensionValue::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert!(Arc::ptr_eq(&text(&tuples[0]), &text(&tuples[1])));
    }

    #[test]
    fn neighbouring_texts_do_not_run_together() {
        let mut table = TupleTable::default();
        let one = table.intern(
            Stream::Gauge,
            Bound::UNLIMITED,
            [Borrowed::Text("ab"), Borrowed::Text("c")].into_iter(),
        );
        let two = table.intern(
            Stream::Gauge,
            Bound::UNLIMITED,
            [Borrowed::Text("a"), Borrowed::Text("bc")].into_iter(),
        );
        assert_ne!(one, two);
    }
}
