//! Tuples by numbers of their texts: whoever reads packed batches meets the same texts in every one of them, looks
//! each up once a batch, and finds the tuples by a few whole numbers.
//!
//! * Equal tuples have one allocation, and one place, for as long as they are remembered.
//! * Places are good for one table: when it begins anew, it is another.

use std::hash::Hasher;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::{FxHashMap, FxHasher};

use super::table::REMEMBERED_MAX;
use crate::event::{Bound, DimensionValue, Stream, Tuple};

/// Words of the keys of all remembered tuples, and bytes of their texts; beyond it the table begins anew before the
/// next batch. Judgement, as for `REMEMBERED_MAX`: 64 words a tuple, and 256 B.
const KEY_WORDS_MAX: usize = 1 << 24;
const TEXT_BYTES_MAX: usize = 1 << 26;

/// What stands for a value in a key. What is no text or other number ends there, so no key is another's beginning.
const NULL: u32 = 0;
const NO: u32 = 1;
const YES: u32 = 2;
/// The number itself follows, its lower half first.
const INTEGER: u32 = 3;
/// A text, so much greater than its number.
const TEXT: u32 = 4;

/// The key of one tuple in the making.
#[derive(Default)]
pub(super) struct Key {
    words: Vec<u32>,
    hasher: FxHasher,
}

impl Key {
    /// Begins the key of another tuple.
    pub(super) fn begin(&mut self, stream: Stream, bound: Bound) {
        self.words.clear();
        self.hasher = FxHasher::default();
        self.hasher
            .write_u64(bound.to_bits().wrapping_add(stream as u64));
    }

    /// The next value is absent.
    pub(super) fn null(&mut self) {
        self.word(NULL);
    }

    /// The next value is a flag.
    pub(super) fn flag(&mut self, flag: bool) {
        self.word(if flag { YES } else { NO });
    }

    /// The next value is a whole number.
    pub(super) fn integer(&mut self, number: i64) {
        self.word(INTEGER);
        self.word(number as u32);
        self.word((number >> 32) as u32);
    }

    /// The next value is a text, by its number in the table.
    #[inline]
    pub(super) fn text(&mut self, number: u32) {
        self.word(TEXT.wrapping_add(number));
    }

    #[inline]
    fn word(&mut self, word: u32) {
        self.hasher.write_u32(word);
        self.words.push(word);
    }
}

/// A tuple that was met.
#[derive(Debug)]
struct Known {
    hash: u64,
    bound: Bound,
    stream: Stream,
    /// Where its key begins, and how long it is.
    key: u32,
    key_words: u32,
    /// Its place among all that are remembered.
    place: u32,
}

/// Finds the place of a tuple among all that were met.
#[derive(Debug, Default)]
pub(super) struct NumberedTuples {
    numbers: FxHashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    text_bytes: usize,
    known: HashTable<Known>,
    /// Keys of all known tuples, one after the other.
    keys: Vec<u32>,
    /// All known tuples.
    remembered: Vec<Arc<Tuple>>,
    /// How often the table has begun anew.
    renewals: u64,
}

impl NumberedTuples {
    /// Begins a batch: until the next, texts keep their numbers and tuples their places.
    pub(super) fn begin(&mut self) {
        let fits = self.remembered.len() <= REMEMBERED_MAX
            && self.keys.len() <= KEY_WORDS_MAX
            && self.texts.len() <= REMEMBERED_MAX
            && self.text_bytes <= TEXT_BYTES_MAX;
        if !fits {
            *self = NumberedTuples {
                renewals: self.renewals + 1,
                ..NumberedTuples::default()
            };
        }
    }

    /// How often the table has begun anew: places are of one such time.
    pub(super) fn renewals(&self) -> u64 {
        self.renewals
    }

    /// The tuple of a place that [`NumberedTuples::place`] gave.
    pub(super) fn tuple(&self, place: u32) -> &Arc<Tuple> {
        &self.remembered[place as usize]
    }

    /// The number of a text.
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

    /// The place of the tuple with this key, begun with this stream and bound; makes it when it is new.
    pub(super) fn place(&mut self, stream: Stream, bound: Bound, key: &Key) -> u32 {
        let words = key.words.as_slice();
        let hash = key.hasher.finish();
        let keys = &self.keys;
        let is_same = |known: &Known| {
            let own = known.key as usize;
            known.hash == hash
                && known.stream == stream
                && known.bound == bound
                && keys[own..own + known.key_words as usize] == *words
        };
        match self.known.entry(hash, is_same, |known| known.hash) {
            Entry::Occupied(known) => known.get().place,
            Entry::Vacant(vacant) => {
                let place = self.remembered.len() as u32;
                vacant.insert(Known {
                    hash,
                    bound,
                    stream,
                    key: self.keys.len() as u32,
                    key_words: words.len() as u32,
                    place,
                });
                self.keys.extend_from_slice(words);
                let values = values_of(words, &self.texts);
                let tuple = Tuple::new(stream, bound, values);
                self.remembered.push(Arc::new(tuple));
                place
            }
        }
    }
}

/// The values that a key stands for.
fn values_of(words: &[u32], texts: &[Arc<str>]) -> Box<[DimensionValue]> {
    let mut values = Vec::with_capacity(words.len());
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        values.push(match word {
            NULL => DimensionValue::Null,
            NO => DimensionValue::Flag(false),
            YES => DimensionValue::Flag(true),
            INTEGER => {
                let mut half = || u64::from(words.next().unwrap_or_default());
                DimensionValue::Integer((half() | half() << 32) as i64)
            }
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
        key.begin(Stream::DialTest, Bound::UNLIMITED);
        key.null();
        key.flag(true);
        key.integer(number);
        key.text(table.text(text));
        key
    }

    #[test]
    fn equal_tuples_have_one_place() {
        let mut table = NumberedTuples::default();
        let mut batch = |names: &[(&str, i64)]| {
            table.begin();
            let places = names.iter().map(|(text, number)| {
                let key = key(&mut table, text, *number);
                table.place(Stream::DialTest, Bound::UNLIMITED, &key)
            });
            places.collect::<Vec<_>>()
        };
        assert_eq!(
            batch(&[("长沙", 4), ("", i64::MIN), ("长沙", 4), ("长沙", -5)]),
            [0, 1, 0, 2]
        );
        assert_eq!(batch(&[("长沙", -5), ("长沙", 4)]), [2, 0]);
        let values = |text: &str, number| {
            [
                DimensionValue::Null,
                DimensionValue::Flag(true),
                DimensionValue::Integer(number),
                DimensionValue::Text(text.into()),
            ]
        };
        assert_eq!(*table.tuple(1).values, values("", i64::MIN));
        assert_eq!(*table.tuple(2).values, values("长沙", -5));
    }

    #[test]
    fn stream_and_bound_are_part_of_it_and_an_integer_is_no_text() {
        let mut table = NumberedTuples::default();
        let number = table.text("x");
        let mut seen = Vec::new();
        for (stream, bound) in [
            (Stream::DialTest, Bound::UNLIMITED),
            (Stream::DialTest, Bound::NO_VALUE),
            (Stream::BossCall, Bound::UNLIMITED),
        ] {
            let mut key = Key::default();
            key.begin(stream, bound);
            key.text(number);
            seen.push(table.place(stream, bound, &key));
            key.begin(stream, bound);
            key.integer(i64::from(number));
            seen.push(table.place(stream, bound, &key));
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_table_that_is_full_begins_anew_with_the_next_batch() {
        let mut table = NumberedTuples::default();
        for number in 0..=REMEMBERED_MAX as i64 {
            let mut key = Key::default();
            key.begin(Stream::Gauge, Bound::NO_VALUE);
            key.integer(number);
            table.place(Stream::Gauge, Bound::NO_VALUE, &key);
        }
        let last = table.tuple(REMEMBERED_MAX as u32);
        assert_eq!(
            *last.values,
            [DimensionValue::Integer(REMEMBERED_MAX as i64)]
        );
        assert_eq!(table.renewals(), 0);
        table.begin();
        assert!(table.remembered.is_empty() && table.known.is_empty());
        assert_eq!(table.renewals(), 1);
    }
}
