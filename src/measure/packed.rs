//! A measure in a few bytes: for panes that are read now and then and seldom change.
//!
//! Numbers are LEB128 with the sign in the lowest bit, buckets and values the distance to the one before. What is mostly
//! nothing takes a bit, and a bucket of one value nothing but its distance: ten response times take some 20 bytes instead
//! of the 200 of a [`Measure`] with its allocations.
//!
//! Invariant: unpacking what was packed gives an equal measure.

use crate::measure::{Extremes, Measure, SUM_SCALE};

/// The bucket of 1.0: what the first bucket is told from, for most values are not far from it.
const NEAR: i64 = 1023 << 5;

/// Some facts are not good.
const BAD: u64 = 1;
/// Some facts carry no value.
const VALUELESS: u64 = 1 << 1;
/// The sum does not fit in 64 bits.
const LONG: u64 = 1 << 2;
/// The sum is of whole values, and is written as such: most sources give whole milliseconds, or bytes.
const WHOLE: u64 = 1 << 3;
/// There is a list of extremes, if only an empty one: none is another thing to a comparison.
const EXTREMES: u64 = 1 << 4;
/// Where the number of buckets begins, beside those.
const BUCKETS: u32 = 5;
/// From so many buckets on about as many are of one value as of more, and which is next can hardly be guessed. Judgement:
/// of response times (kqi-1) 23 were summed quicker by guessing (34 ns, else 44), 47 without (113 ns, else 146).
const MANY_BUCKETS: u64 = 32;
/// What a whole value is in a sum.
const ONE: i64 = SUM_SCALE as i64;

/// Reads what [`Measure::pack`] and [`put`] wrote. What is not there reads as zero.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a>(pub &'a [u8]);

impl<'a> Packed<'a> {
    /// The next number without a sign.
    #[inline]
    pub fn number(&mut self) -> u64 {
        // Most are below 128, and nearly all others below 16,384.
        match self.0 {
            [low, rest @ ..] if *low < 0x80 => {
                self.0 = rest;
                u64::from(*low)
            }
            [low, high, rest @ ..] if *high < 0x80 => {
                self.0 = rest;
                u64::from(*low & 0x7f) | u64::from(*high) << 7
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> u64 {
        let mut number = 0;
        let mut shift = 0;
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        number
    }

    /// The next number with a sign.
    #[inline]
    pub fn signed(&mut self) -> i64 {
        unsigned(self.number())
    }

    /// The next `length` bytes, or those that are left.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// What every packed measure begins with.
    #[inline]
    pub(super) fn sums(&mut self) -> Sums {
        let head = self.number();
        let mut if_has = |part: u64| match head & part {
            0 => 0,
            _ => self.signed(),
        };
        let (bad, valueless, high) = (if_has(BAD), if_has(VALUELESS), if_has(LONG));
        let (count, mut low) = (self.signed(), self.signed());
        if head & WHOLE != 0 {
            low = low.wrapping_mul(ONE);
        }
        let high = high.wrapping_add(low >> 63);
        Sums {
            count,
            good: count.wrapping_sub(bad),
            valued: count.wrapping_sub(valueless),
            sum: (i128::from(high) << 64) | i128::from(low as u64),
            buckets: head >> BUCKETS,
            has_extremes: head & EXTREMES != 0,
        }
    }

    /// Shows so many buckets with their counts, or those that are there.
    #[inline]
    pub(super) fn each_bucket(&mut self, count: u64, each: impl FnMut(i32, i32)) {
        if count < MANY_BUCKETS {
            self.each_by(count, Packed::guess_bucket, each);
        } else {
            self.each_by(count, Packed::reckon_bucket, each);
        }
    }

    #[inline]
    fn each_by(
        &mut self,
        count: u64,
        next: impl Fn(&mut Packed<'a>) -> (u64, i64),
        mut each: impl FnMut(i32, i32),
    ) {
        let mut bucket = NEAR;
        for at in 0..count {
            if self.is_empty() {
                return;
            }
            let (distance, count) = next(self);
            bucket = bucket.wrapping_add(match at {
                0 => unsigned(distance),
                _ => distance as i64,
            });
            each(bucket as i32, count as i32);
        }
    }

    /// The next bucket: its distance and its count. The processor goes on with its guess whether there is a byte for the count.
    #[inline]
    fn guess_bucket(&mut self) -> (u64, i64) {
        let number = self.number();
        let count = if number & 1 == 0 { 1 } else { self.signed() };
        (number >> 1, count)
    }

    /// The same without a guess: the byte behind a short distance is read, and taken if it is of the count.
    #[inline]
    fn reckon_bucket(&mut self) -> (u64, i64) {
        match self.0 {
            [distance, told, ..] if distance | told < 0x80 => {
                let is_told = distance & 1;
                self.0 = &self.0[1 + usize::from(is_told)..];
                let more = (unsigned(u64::from(*told)) - 1) & -i64::from(is_told);
                (u64::from(distance >> 1), 1 + more)
            }
            _ => self.guess_bucket(),
        }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The numbers of a measure without its lists.
pub(super) struct Sums {
    pub(super) count: i64,
    pub(super) good: i64,
    pub(super) valued: i64,
    pub(super) sum: i128,
    /// How many buckets follow.
    pub(super) buckets: u64,
    /// Whether extremes follow those.
    pub(super) has_extremes: bool,
}

/// Writes a number without a sign.
#[inline]
pub fn put(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// Writes a number with its sign in the lowest bit.
#[inline]
pub fn put_signed(number: i64, into: &mut Vec<u8>) {
    put(signed(number), into);
}

/// A number with its sign in the lowest bit.
fn signed(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The number that [`signed`] was of.
fn unsigned(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// What is written of a bucket: how far it is from what it is told from, with a bit for a count that is told; and the count.
fn numbers(distance: u64, count: i32) -> [u64; 2] {
    let is_told = u64::from(count != 1);
    [(distance << 1) | is_told, signed(i64::from(count))]
}

fn put_bucket(distance: u64, count: i32, into: &mut Vec<u8>) {
    let [distance, told] = numbers(distance, count);
    put(distance, into);
    if count != 1 {
        put(told, into);
    }
}

/// Buckets that [`put_near`] writes at once. Judgement: of 8, 16 and 32 these were quickest, for thirty buckets as for hundreds.
const NEAR_BUCKETS: usize = 8;

/// Writes buckets that ascend behind that one.
fn put_buckets(mut behind: i32, buckets: &[(i32, i32)], into: &mut Vec<u8>) {
    let (some, rest) = buckets.as_chunks();
    for some in some {
        if !put_near(behind, some, into) {
            put_each(behind, some, into);
        }
        behind = some[NEAR_BUCKETS - 1].0;
    }
    put_each(behind, rest, into);
}

fn put_each(mut behind: i32, buckets: &[(i32, i32)], into: &mut Vec<u8>) {
    for (bucket, count) in buckets {
        put_bucket(distance(behind, *bucket), *count, into);
        behind = *bucket;
    }
}

fn distance(behind: i32, bucket: i32) -> u64 {
    (i64::from(bucket) - i64::from(behind)) as u64
}

/// Writes buckets if they are neighbours with few values each, as most are: then each number is a byte. Nothing is asked
/// of one before the next is written, and room in `into` is made once: whether a bucket has one value or two can hardly be foreseen.
fn put_near(mut behind: i32, buckets: &[(i32, i32); NEAR_BUCKETS], into: &mut Vec<u8>) -> bool {
    let mut bytes = [0; 2 * NEAR_BUCKETS];
    let (mut length, mut all) = (0, 0);
    for (bucket, count) in buckets {
        let [distance, told] = numbers(distance(behind, *bucket), *count);
        all |= distance | told;
        bytes[length] = distance as u8;
        // The next one takes its place where it is not told.
        bytes[length + 1] = told as u8;
        length += 1 + usize::from(*count != 1);
        behind = *bucket;
    }
    let are_near = all < 0x80;
    if are_near {
        into.extend_from_slice(&bytes[..length]);
    }
    are_near
}

impl Measure {
    /// Appends the measure's bytes.
    pub fn pack(&self, into: &mut Vec<u8>) {
        let counts = self.histogram.counts();
        // Most often all facts are good, and all carry a value.
        let bad = self.count.wrapping_sub(self.good);
        let valueless = self.count.wrapping_sub(self.valued);
        // What is beyond 64 bits, which is nothing but the sign for all but absurd sums.
        let high = ((self.sum >> 64) as i64).wrapping_sub((self.sum as i64) >> 63);
        let extremes = self.extremes.as_deref();
        let parts = [(bad, BAD), (valueless, VALUELESS), (high, LONG)];
        let mut head = (counts.len() as u64) << BUCKETS;
        for (_, part) in parts.iter().filter(|(number, _)| *number != 0) {
            head |= part;
        }
        if extremes.is_some() {
            head |= EXTREMES;
        }
        let mut sum = self.sum as i64;
        if sum % ONE == 0 {
            head |= WHOLE;
            sum /= ONE;
        }
        put(head, into);
        for (number, _) in parts.iter().filter(|(number, _)| *number != 0) {
            put_signed(*number, into);
        }
        put_signed(self.count, into);
        put_signed(sum, into);
        if let Some(((first, count), others)) = counts.split_first() {
            // The others ascend: only the first may lie below what it is told from.
            put_bucket(signed(i64::from(*first) - NEAR), *count, into);
            put_buckets(*first, others, into);
        }
        let Some(extremes) = extremes else { return };
        put(extremes.0.len() as u64, into);
        let mut before = 0_i64;
        for (value, weight) in &extremes.0 {
            put_signed(value.wrapping_sub(before), into);
            put_signed(*weight, into);
            before = *value;
        }
    }

    /// The measure that comes next.
    pub fn unpacked(from: &mut Packed<'_>) -> Measure {
        let mut measure = Measure::default();
        measure.read(from);
        measure
    }

    /// Becomes the measure that was packed; what it keeps on the heap is used again.
    pub fn unpack(&mut self, mut from: Packed<'_>) {
        self.read(&mut from);
    }

    fn read(&mut self, from: &mut Packed<'_>) {
        let Sums {
            count,
            good,
            valued,
            sum,
            buckets,
            has_extremes,
        } = from.sums();
        (self.count, self.good, self.valued, self.sum) = (count, good, valued, sum);
        // Each takes a byte at least.
        let room = usize::try_from(buckets).map_or(from.0.len(), |some| some.min(from.0.len()));
        self.histogram.reserve(room);
        from.each_bucket(buckets, |bucket, count| self.histogram.push(bucket, count));
        self.extremes = has_extremes.then(|| {
            let mut before = 0_i64;
            let values = from.number();
            let value = |_| {
                let is_there = !from.is_empty();
                before = before.wrapping_add(from.signed());
                is_there.then(|| (before, from.signed()))
            };
            Box::new(Extremes((0..values).map_while(value).collect()))
        });
    }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::difference::{Abelian, Semigroup};
    use proptest::prelude::*;

    use super::*;
    use crate::measure::{Parts, VALUE_MAX};

    fn measure(facts: &[(Option<f64>, i64)], parts: Parts, good: bool) -> Measure {
        let mut sum = Measure::default();
        for (value, weight) in facts {
            sum.plus_equals(&Measure::of(*value, *weight, parts).judged(good));
        }
        sum
    }

    proptest! {
        #[test]
        fn unpacking_gives_what_was_packed(
            facts in prop::collection::vec((prop::option::of(-VALUE_MAX..VALUE_MAX), -3_i64..9), 0..40),
            small in prop::collection::vec((prop::option::of(0.0..3e4), 1_i64..2), 0..40),
            near in prop::collection::vec((prop::option::of(200.0..900.0), 1_i64..70), 0..90),
            histogram: bool,
            extremes: bool,
            good: bool,
        ) {
            let parts = Parts { histogram, extremes };
            let mut unpacked = measure(&small, parts, good);
            for facts in [&facts, &small, &near] {
                let mut packed = measure(facts, parts, good);
                for _ in 0..2 {
                    let mut bytes = vec![7];
                    packed.pack(&mut bytes);
                    unpacked.unpack(Packed(&bytes[1..]));
                    prop_assert_eq!(&unpacked, &packed);
                    packed.negate();
                }
            }
        }

        #[test]
        fn other_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            Measure::default().unpack(Packed(&bytes));
        }
    }

    #[test]
    fn ten_response_times_take_few_bytes() {
        let parts = Parts {
            histogram: true,
            extremes: false,
        };
        let times: Vec<_> = (0..10)
            .map(|n| (Some(f64::from(200 + 37 * n)), 1))
            .collect();
        let mut bytes = Vec::new();
        measure(&times, parts, true).pack(&mut bytes);
        assert!(bytes.len() <= 20, "{}", bytes.len());
    }

    #[test]
    fn the_ends_of_the_range_fit() {
        for sum in [
            0,
            -1,
            i128::MAX,
            i128::MIN,
            i128::from(i64::MIN),
            i128::from(u64::MAX),
            i128::from(ONE) << 70,
            i128::from(ONE) * -7,
        ] {
            let packed = Measure {
                count: i64::MIN,
                good: i64::MAX,
                valued: -1,
                sum,
                ..Measure::default()
            };
            let mut bytes = Vec::new();
            packed.pack(&mut bytes);
            let mut unpacked = Measure::default();
            unpacked.unpack(Packed(&bytes));
            assert_eq!(unpacked, packed);
        }
    }
}
