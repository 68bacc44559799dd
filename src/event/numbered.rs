//! Tuples by numbers of their texts: whoever reads packed batches meets the same texts in every one of them, looks
//! each up once a batch, and finds the tuples by a few whole numbers.
//!
//! * Equal tuples have one allocation for as long as they are remembered.
//! * Numbers never leave this table: what comes out are tuples, and their order in the batch.

use std::hash::Hasher;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::{FxHashMap, FxHasher};

use super::table::REMEMBERED_MAX;
use crate::event::{Bound, DimensionValue, Stream, Tuple};

/// Words of the keys of all remembered tuples, and bytes of their texts; beyond it the table begins anew after the
/// batch. Judgement, as for `REMEMBERED_MAX`: 32 words a tuple, and 256 B.
const KEY_WORDS_MAX: usize = 1 << 23;
const TEXT_BYTES_MAX: usize = 1 << 26;

/// What stands for a value in a key. What is no text or other number ends there, so no key is another's beginning.
const NULL: u64 = 0;
const NO: u64 = 1;
const YES: u64 = 2;
/// The number itself follows.
const INTEGER: u64 = 3;
/// A text, so much greater than its number.
const TEXT: u64 = 4;

/// The key of one tuple in the making.
#[derive(Debug, Default)]
pub(super) struct Key(Vec<u64>);

impl Key {
    /// Begins the key of another tuple.
    pub(super) fn begin(&mut self) {
        self.0.clear();
    }

    /// The next value is absent.
    pub(super) fn null(&mut self) {
        self.0.push(NULL);
    }

    /// The next value is a flag.
    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(if flag { YES } else { NO });
    }

    /// The next value is a whole number.
    pub(super) fn integer(&mut self, number: i64) {
        self.0.extend([INTEGER, number as u64]);
    }

    /// The next value is a text, by its number in the table.
    pub(super) fn text(&mut self, number: u32) {
        self.0.push(TEXT + u64::from(number));
    }
}

/// A tuple that was met.
#[derive(Debug)]
struct Known {
    hash: u64,
    stream: Stream,
    bound: Bound,
    /// Where its key begins, and how long it is.
    key: usize,
    key_words: u32,
    /// Its place among all that are remembered.
    at: u32,
    /// The batch that met it last, and its number in that.
    batch: u32,
    number: u32,
}

/// Finds the number of a tuple in a batch, as [`TupleTable`](super::TupleTable) does.
#[derive(Debug, Default)]
pub(super) struct NumberedTuples {
    numbers: FxHashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    text_bytes: usize,
    known: HashTable<Known>,
    /// Keys of all known tuples, one after the other.
    keys: Vec<u64>,
    /// All known tuples.
    remembered: Vec<Arc<Tuple>>,
    /// Tuples of this batch.
    tuples: Vec<Arc<Tuple>>,
    batch: u32,
}

impl NumberedTuples {
    /// The number of a text; it is good until [`NumberedTuples::take`].
    pub(super) fn text(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.text_bytes += text.len();
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    /// Number of the tuple with this key in this batch; makes it when it is new.
    pub(super) fn intern(&mut self, stream: Stream, bound: Bound, key: &Key) -> u32 {
        let words = key.0.as_slice();
        let mut hasher = FxHasher::default();
        hasher.write_u64(bound.to_bits().wrapping_add(stream as u64));
        words.iter().for_each(|word| hasher.write_u64(*word));
        let hash = hasher.finish();
        let keys = &self.keys;
        let is_same = |known: &Known| {
            known.hash == hash
                && known.stream == stream
                && known.bound == bound
                && keys[known.key..known.key + known.key_words as usize] == *words
        };
        let entry = self.known.entry(hash, is_same, |known| known.hash);
        let known = match entry {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let known = Known {
                    hash,
                    stream,
                    bound,
                    key: self.keys.len(),
                    key_words: words.len() as u32,
                    at: self.remembered.len() as u32,
                    // Not of this one yet.
                    batch: self.batch.wrapping_sub(1),
                    number: 0,
                };
                self.keys.extend_from_slice(words);
                let values = values_of(words, &self.texts);
                let tuple = Tuple::new(stream, bound, values);
                self.remembered.push(Arc::new(tuple));
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
    pub(super) fn take(&mut self) -> Vec<Arc<Tuple>> {
        let tuples = std::mem::take(&mut self.tuples);
        let fits = self.remembered.len() <= REMEMBERED_MAX
            && self.keys.len() <= KEY_WORDS_MAX
            && self.texts.len() <= REMEMBERED_MAX
            && self.text_bytes <= TEXT_BYTES_MAX;
        match self.batch.checked_add(1) {
            Some(batch) if fits => self.batch = batch,
            // A number that comes again would be taken for one of this batch.
            _ => *self = NumberedTuples::default(),
        }
        tuples
    }
}

/// The values that a key stands for.
fn values_of(words: &[u64], texts: &[Arc<str>]) -> Box<[DimensionValue]> {
    let mut values = Vec::with_capacity(words.len());
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        values.push(match word {
            NULL => DimensionValue::Null,
            NO => DimensionValue::Flag(false),
            YES => DimensionValue::Flag(true),
            INTEGER => DimensionValue::Integer(words.next().unwrap_or_default() as i64),
            text => DimensionValue::Text(texts[(text - TEXT) as usize].clone()),
        });
    }
    values.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(table: &mut NumberedTuples, text: &str, number: i64) -> Key {
        let mut key = Key::default();
        key.begin();
        key.null();
        key.flag(true);
        key.integer(number);
        key.text(table.text(text));
        key
    }

    #[test]
    fn equal_tuples_have_one_number_and_one_allocation() {
        let mut table = NumberedTuples::default();
        let mut batch = |names: &[(&str, i64)]| {
            let numbers = names.iter().map(|(text, number)| {
                let key = key(&mut table, text, *number);
                table.intern(Stream::DialTest, Bound::UNLIMITED, &key)
            });
            let numbers: Vec<u32> = numbers.collect();
            (numbers, table.take())
        };
        let (numbers, first) = batch(&[("长沙", 4), ("", -1), ("长沙", 4), ("长沙", 5)]);
        assert_eq!(numbers, [0, 1, 0, 2]);
        let values = [
            DimensionValue::Null,
            DimensionValue::Flag(true),
            DimensionValue::Integer(-1),
            DimensionValue::Text("".into()),
        ];
        assert_eq!(*first[1].values, values);
        let (numbers, second) = batch(&[("长沙", 5), ("长沙", 4)]);
        assert_eq!(numbers, [0, 1]);
        assert!(Arc::ptr_eq(&first[0], &second[1]) && Arc::ptr_eq(&first[2], &second[0]));
    }

    #[test]
    fn stream_and_bound_are_part_of_it_and_an_integer_is_no_text() {
        let mut table = NumberedTuples::default();
        let mut keys = [Key::default(), Key::default()];
        let number = table.text("x");
        keys[0].text(number);
        keys[1].integer(i64::from(number));
        let mut seen = Vec::new();
        for (stream, bound) in [
            (Stream::DialTest, Bound::UNLIMITED),
            (Stream::DialTest, Bound::NO_VALUE),
            (Stream::BossCall, Bound::UNLIMITED),
        ] {
            seen.extend(keys.iter().map(|key| table.intern(stream, bound, key)));
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_table_that_is_full_begins_anew_and_gives_out_the_batch_all_the_same() {
        let mut table = NumberedTuples::default();
        for number in 0..=REMEMBERED_MAX as i64 {
            let mut key = Key::default();
            key.integer(number);
            table.intern(Stream::Gauge, Bound::NO_VALUE, &key);
        }
        assert_eq!(table.take().len(), REMEMBERED_MAX + 1);
        assert!(table.remembered.is_empty() && table.known.is_empty());
    }
}
