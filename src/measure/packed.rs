//! A measure in a few bytes: for panes that are read now and then and seldom change.
//!
//! Numbers are LEB128 with the sign in the lowest bit, buckets and values the distance to the one before:
//! ten response times take some 35 bytes instead of the 200 of a [`Measure`] with its allocations.
//!
//! Invariant: unpacking what was packed gives an equal measure.

use crate::measure::{Extremes, Measure};

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
        let number = self.number();
        (number >> 1) as i64 ^ -((number & 1) as i64)
    }

    /// The next `length` bytes, or those that are left.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// What every packed measure begins with.
    pub(super) fn sums(&mut self) -> Sums {
        let count = self.signed();
        let good = count.wrapping_sub(self.signed());
        let valued = count.wrapping_sub(self.signed());
        let low = self.signed();
        let high = self.signed().wrapping_add(low >> 63);
        Sums {
            count,
            good,
            valued,
            sum: (i128::from(high) << 64) | i128::from(low as u64),
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
    put(((number << 1) ^ (number >> 63)) as u64, into);
}

impl Measure {
    /// Appends the measure's bytes.
    pub fn pack(&self, into: &mut Vec<u8>) {
        put_signed(self.count, into);
        // Most often all facts are good, and all carry a value.
        put_signed(self.count.wrapping_sub(self.good), into);
        put_signed(self.count.wrapping_sub(self.valued), into);
        put_signed(self.sum as i64, into);
        // What is beyond 64 bits, which is nothing but the sign for all but absurd sums.
        put_signed(
            ((self.sum >> 64) as i64).wrapping_sub((self.sum as i64) >> 63),
            into,
        );
        let counts = self.histogram.counts();
        put(counts.len() as u64, into);
        let mut before = 0;
        for (bucket, count) in counts {
            put_signed(i64::from(*bucket) - before, into);
            put_signed(i64::from(*count), into);
            before = i64::from(*bucket);
        }
        let extremes = self.extremes.as_deref();
        // None and an empty list are two things to a comparison.
        put(extremes.map_or(0, |of| of.0.len() as u64 + 1), into);
        let mut before = 0_i64;
        for (value, weight) in extremes.map_or(&[][..], |of| &of.0) {
            put_signed(value.wrapping_sub(before), into);
            put_signed(*weight, into);
            before = *value;
        }
    }

    /// Becomes the measure that was packed; what it keeps on the heap is used again.
    pub fn unpack(&mut self, mut from: Packed<'_>) {
        Sums {
            count: self.count,
            good: self.good,
            valued: self.valued,
            sum: self.sum,
        } = from.sums();
        let mut before = 0_i64;
        let buckets = from.number();
        self.histogram.refill((0..buckets).map_while(|_| {
            let is_there = !from.is_empty();
            before = before.wrapping_add(from.signed());
            is_there.then(|| (before as i32, from.signed() as i32))
        }));
        let mut before = 0_i64;
        let values = from.number();
        self.extremes = (values > 0).then(|| {
            let value = |_| {
                let is_there = !from.is_empty();
                before = before.wrapping_add(from.signed());
                is_there.then(|| (before, from.signed()))
            };
            Box::new(Extremes((1..values).map_while(value).collect()))
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
            histogram: bool,
            extremes: bool,
            good: bool,
        ) {
            let parts = Parts { histogram, extremes };
            let mut unpacked = measure(&small, parts, good);
            for facts in [&facts, &small] {
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
        assert!(bytes.len() <= 36, "{}", bytes.len());
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
