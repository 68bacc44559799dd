//! A sparse logarithmic histogram whose bucket numbers are the leading bits of the value.
//!
//! A bucket is the exponent and the first five mantissa bits of a double, so an octave has 32
//! buckets and the middle of a bucket is at most 1/64 = 1.56 % from anything in it. There is no
//! logarithm and no table: the same bits on every machine.

use serde::{Deserialize, Serialize};

/// Bits of the mantissa below those that make up the bucket number.
const SHIFT: u32 = 52 - 5;

/// Bucket of a value; order-preserving, negative values included.
pub fn bucket_of(value: f64) -> i32 {
    let magnitude = (value.abs().to_bits() >> SHIFT) as i32;
    if value < 0.0 { -magnitude } else { magnitude }
}

/// The value that stands for a bucket: its middle, and zero for the bucket around zero.
pub fn bucket_value(bucket: i32) -> f64 {
    let number = u64::from(bucket.unsigned_abs());
    if number == 0 {
        return 0.0;
    }
    let low = f64::from_bits(number << SHIFT);
    let high = f64::from_bits((number + 1) << SHIFT);
    let middle = low + (high - low) / 2.0;
    if bucket < 0 { -middle } else { middle }
}

/// Counts by bucket, sorted by bucket; counts may be negative in a retraction.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Histogram(Vec<(i32, i32)>);

impl Histogram {
    /// Builds a histogram from bucket numbers in any order; sorts them.
    pub fn from_buckets(buckets: &mut [i32]) -> Histogram {
        buckets.sort_unstable();
        let distinct = buckets.chunk_by(|a, b| a == b).count();
        let mut counts = Vec::with_capacity(distinct);
        counts.extend(
            buckets
                .chunk_by(|a, b| a == b)
                .map(|equal| (equal[0], equal.len() as i32)),
        );
        Histogram(counts)
    }

    /// Adds `weight` values of one bucket.
    pub fn add(&mut self, bucket: i32, weight: i64) {
        let weight = weight as i32;
        match self.0.binary_search_by_key(&bucket, |(b, _)| *b) {
            Ok(at) => {
                self.0[at].1 += weight;
                if self.0[at].1 == 0 {
                    self.0.remove(at);
                }
            }
            Err(at) => self.0.insert(at, (bucket, weight)),
        }
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Histogram) {
        if other.0.is_empty() {
            return;
        }
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        // What is known is added to where it is: mostly that is all.
        let (mut at, mut new, mut has_zero) = (0, 0, false);
        for (bucket, count) in &other.0 {
            while self.0.get(at).is_some_and(|(known, _)| known < bucket) {
                at += 1;
            }
            match self.0.get_mut(at) {
                Some((known, sum)) if known == bucket => {
                    *sum += count;
                    has_zero |= *sum == 0;
                }
                _ => new += 1,
            }
        }
        if new > 0 {
            self.put_between(&other.0, new);
        }
        if has_zero {
            self.0.retain(|(_, count)| *count != 0);
        }
    }

    /// Puts the `new` ones of these buckets that are not there between those that are; the others have been added.
    fn put_between(&mut self, others: &[(i32, i32)], new: usize) {
        // In place, from the end.
        let (mut mine, mut theirs) = (self.0.len(), others.len());
        let mut into = mine + new;
        self.0.reserve_exact(new);
        self.0.resize(into, (0, 0));
        // Once all of them have a place, the rest is where it was.
        while theirs > 0 && into > mine {
            into -= 1;
            let (bucket, count) = others[theirs - 1];
            self.0[into] = match mine.checked_sub(1).map(|at| self.0[at]) {
                Some(known) if known.0 >= bucket => {
                    mine -= 1;
                    theirs -= usize::from(known.0 == bucket);
                    known
                }
                _ => {
                    theirs -= 1;
                    (bucket, count)
                }
            };
        }
    }

    /// Forgets all buckets and makes room for as many others; its memory is used again.
    pub(super) fn reserve(&mut self, buckets: usize) {
        self.0.clear();
        self.0.reserve_exact(buckets);
    }

    /// Appends a bucket, which is above all others.
    pub(super) fn push(&mut self, bucket: i32, count: i32) {
        self.0.push((bucket, count));
    }

    /// Turns every count around.
    pub fn negate(&mut self) {
        self.0.iter_mut().for_each(|(_, count)| *count = -*count);
    }

    /// True when no bucket has a count.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Buckets with their counts, ascending.
    pub fn counts(&self) -> &[(i32, i32)] {
        &self.0
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(i32, i32)>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_keep_the_order_of_values() {
        let values = [-1e9, -3.0, -0.5, 0.0, 1e-6, 0.5, 1.0, 1.04, 30_000.0, 9e12];
        let buckets: Vec<i32> = values.iter().copied().map(bucket_of).collect();
        assert!(buckets.is_sorted(), "{buckets:?}");
    }

    #[test]
    fn the_middle_is_within_the_promised_error() {
        for value in [1.0, 1.031, 7.3, 20.0, 999.0, 29_999.0] {
            let error = (bucket_value(bucket_of(value)) - value).abs() / value;
            assert!(error <= 1.0 / 64.0, "{value}: {error}");
        }
        assert_eq!(bucket_value(bucket_of(0.0)), 0.0);
    }

    proptest! {
        /// Also where counts are taken back, and come to nothing.
        #[test]
        fn merging_equals_adding_one_by_one(
            mine in prop::collection::vec((-9..9_i32, -2..3_i32), 0..12),
            theirs in prop::collection::vec((-9..9_i32, -2..3_i32), 0..12),
        ) {
            let of = |counts: &[(i32, i32)]| {
                let mut histogram = Histogram::default();
                let some = counts.iter().filter(|(_, count)| *count != 0);
                some.for_each(|(bucket, count)| histogram.add(*bucket, i64::from(*count)));
                histogram
            };
            let (mut merged, other) = (of(&mine), of(&theirs));
            merged.merge(&other);
            prop_assert_eq!(merged, of(&[mine, theirs].concat()));
        }
    }

    #[test]
    fn built_from_buckets_equals_built_by_adding() {
        let mut buckets = vec![5, 3, 5, 5, 3, 9];
        let mut added = Histogram::default();
        buckets.iter().for_each(|b| added.add(*b, 1));
        assert_eq!(Histogram::from_buckets(&mut buckets), added);
    }
}
