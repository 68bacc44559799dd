//! Aggregates as elements of a commutative group: combining, sliding and retracting are additions.
//!
//! A [`Measure`] is what a pane keeps about its facts. It travels through the dataflow as the
//! *difference* of an update, so a corrected or withdrawn fact is simply a negative measure.
//!
//! Invariants:
//! * addition is commutative and associative to the bit: sums are fixed-point integers, never floats;
//! * `m + (-m)` is zero, with nothing left on the heap;
//! * the histogram's total equals `valued` wherever the histogram is kept.

mod alike;
mod gathered;
mod histogram;
mod packed;
mod sums;
mod total;

pub use alike::Alike;
pub use gathered::Gathered;
pub use histogram::{Histogram, bucket_of, bucket_value};
pub use packed::{Packed, put, put_signed};
pub use sums::Sums;
pub use total::{Newest, Total};

use differential_dataflow::difference::{Abelian, IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};

/// Fixed-point units per measured unit in [`Measure::sum`]: six decimals are exact.
pub const SUM_SCALE: f64 = 1e6;

/// Largest magnitude of a measured value that ingest lets through.
///
/// Above it a value in fixed point would not fit 64 bits; 9e12 ms are 285 years.
pub const VALUE_MAX: f64 = 9e12;

/// Which optional parts of a measure some rule needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Keep the logarithmic histogram (quantiles).
    pub histogram: bool,
    /// Keep every distinct value (exact minimum and maximum).
    pub extremes: bool,
}

impl Parts {
    /// What either needs.
    pub fn union(self, other: Parts) -> Parts {
        Parts {
            histogram: self.histogram || other.histogram,
            extremes: self.extremes || other.extremes,
        }
    }
}

/// What is known about the facts of one pane or window.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Measure {
    /// Facts.
    pub count: i64,
    /// Facts that satisfy the good-condition.
    pub good: i64,
    /// Facts that carry a measured value.
    pub valued: i64,
    /// Sum of measured values, in units of 1 / [`SUM_SCALE`].
    pub sum: i128,
    /// Logarithmic histogram of measured values; empty unless some rule needs it.
    pub histogram: Histogram,
    /// Multiset of fixed-point values; absent unless some rule needs exact extremes. A multiset and
    /// not two numbers, because a minimum cannot be retracted.
    pub extremes: Option<Box<Extremes>>,
}

/// A sorted multiset of fixed-point values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Extremes(Vec<(i64, i64)>);

/// Converts a measured value to fixed point.
///
/// The caller has checked that it is finite and within [`VALUE_MAX`].
#[inline]
pub fn to_fixed(value: f64) -> i64 {
    let scaled = value * SUM_SCALE;
    // Of whole units, as most are, nothing is to be rounded; rounding is a call.
    let whole = scaled as i64;
    if whole as f64 == scaled {
        return whole;
    }
    scaled.round() as i64
}

impl Measure {
    /// The measure of `weight` equal facts (negative to retract), of which none is good yet.
    pub fn of(value: Option<f64>, weight: i64, parts: Parts) -> Measure {
        Alike::of(value, weight, parts).measure()
    }

    /// Marks all facts as good or none, as the good-condition decided for their tuple.
    pub fn judged(mut self, good: bool) -> Measure {
        self.good = if good { self.count } else { 0 };
        self
    }

    /// Drops the parts that a family does not need.
    pub fn keeping(mut self, parts: Parts) -> Measure {
        if !parts.histogram {
            self.histogram = Histogram::default();
        }
        if !parts.extremes {
            self.extremes = None;
        }
        self
    }

    /// Bytes that this measure keeps on the heap.
    pub fn heap_bytes(&self) -> usize {
        let extremes = self
            .extremes
            .as_ref()
            .map_or(0, |e| 24 + e.0.capacity() * 16);
        self.histogram.heap_bytes() + extremes
    }
}

impl Extremes {
    /// Distinct values in fixed point, each with how many facts have it, ascending.
    pub fn counts(&self) -> &[(i64, i64)] {
        &self.0
    }

    fn add(&mut self, other: &Extremes) {
        for (value, weight) in &other.0 {
            match self.0.binary_search_by_key(value, |(v, _)| *v) {
                Ok(at) => {
                    self.0[at].1 += weight;
                    if self.0[at].1 == 0 {
                        self.0.remove(at);
                    }
                }
                Err(at) => self.0.insert(at, (*value, *weight)),
            }
        }
    }
}

impl IsZero for Measure {
    fn is_zero(&self) -> bool {
        self.count == 0
            && self.good == 0
            && self.valued == 0
            && self.sum == 0
            && self.histogram.is_empty()
            && self.extremes.as_ref().is_none_or(|e| e.0.is_empty())
    }
}

impl Semigroup for Measure {
    fn plus_equals(&mut self, other: &Measure) {
        self.count += other.count;
        self.good += other.good;
        self.valued += other.valued;
        self.sum += other.sum;
        self.histogram.merge(&other.histogram);
        match (&mut self.extremes, &other.extremes) {
            (Some(mine), Some(theirs)) => mine.add(theirs),
            (None, Some(theirs)) => self.extremes = Some(theirs.clone()),
            (_, None) => {}
        }
        if self.extremes.as_ref().is_some_and(|e| e.0.is_empty()) {
            self.extremes = None;
        }
    }
}

impl Monoid for Measure {
    fn zero() -> Measure {
        Measure::default()
    }
}

impl Abelian for Measure {
    fn negate(&mut self) {
        self.count = -self.count;
        self.good = -self.good;
        self.valued = -self.valued;
        self.sum = -self.sum;
        self.histogram.negate();
        if let Some(extremes) = &mut self.extremes {
            extremes
                .0
                .iter_mut()
                .for_each(|(_, weight)| *weight = -*weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Parts = Parts {
        histogram: true,
        extremes: true,
    };

    fn total_of(values: &[f64]) -> Total {
        let mut total = Total::default();
        values.chunks(7).for_each(|pane| total.add(&sum_of(pane)));
        total
    }

    fn sum_of(values: &[f64]) -> Measure {
        let mut measure = Measure::zero();
        for value in values {
            measure.plus_equals(&Measure::of(Some(*value), 1, ALL));
        }
        measure
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_retraction_leaves_nothing(
            mut values in prop::collection::vec(-1e6..1e6f64, 0..60),
        ) {
            let forward = sum_of(&values);
            values.reverse();
            prop_assert_eq!(&forward, &sum_of(&values));
            let mut back = forward.clone();
            back.negate();
            back.plus_equals(&forward);
            prop_assert!(back.is_zero());
            prop_assert_eq!(back, Measure::zero());
        }

        #[test]
        fn quantiles_are_within_two_percent_of_nearest_rank(
            mut values in prop::collection::vec(0.001..1e7f64, 1..300),
            q in 0.01..0.999f64,
        ) {
            let measure = total_of(&values);
            values.sort_by(f64::total_cmp);
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1];
            let got = measure.quantile(q).unwrap();
            prop_assert!((got - exact).abs() <= 0.02 * exact, "{got} for {exact}");
        }

        #[test]
        fn extremes_are_exact(values in prop::collection::vec(-1e6..1e6f64, 1..50)) {
            let measure = total_of(&values);
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((measure.least().unwrap() - least).abs() <= 1e-6);
            prop_assert!((measure.greatest().unwrap() - most).abs() <= 1e-6);
        }
    }

    #[test]
    fn fixed_point_rounds_to_the_nearest_and_halves_away_from_zero() {
        for (value, fixed) in [
            (0.0, 0),
            (-0.0, 0),
            (3.0, 3_000_000),
            (0.1, 100_000),
            (1.25e-6, 1),
            (1.5e-6, 2),
            (-2.5e-6, -3),
            (VALUE_MAX, 9_000_000_000_000_000_000),
            (-VALUE_MAX, -9_000_000_000_000_000_000),
        ] {
            assert_eq!(to_fixed(value), fixed, "{value}");
        }
    }

    #[test]
    fn a_total_that_was_cleared_is_as_a_new_one() {
        let mut used = Total::default();
        for values in [
            &[5.0, 70.0][..],
            &[1e-3, 1e9],
            &[2.0],
            &[],
            &[-3.0, 4.0, 90.0],
        ] {
            used.clear();
            used.add(&sum_of(values));
            let new = total_of(values);
            for q in [0.01, 0.5, 0.99] {
                assert_eq!(used.quantile(q), new.quantile(q), "{values:?}");
            }
            assert_eq!((used.count, used.least()), (new.count, new.least()));
        }
    }

    #[test]
    fn the_latest_value_is_of_the_newest_pane_that_has_one() {
        let pane = |values: &[Option<f64>]| {
            let mut pane = Measure::zero();
            let facts = values.iter();
            facts.for_each(|value| pane.plus_equals(&Measure::of(*value, 1, Parts::default())));
            pane
        };
        let mut packed = Vec::new();
        pane(&[Some(85.0)]).pack(&mut packed);
        let mut total = Total::default();
        total.add_packed(Packed(&packed));
        assert_eq!(total.latest(), Some(85.0));
        total.add(&pane(&[Some(70.0), Some(80.0)]));
        total.add(&pane(&[None]));
        assert_eq!((total.latest(), total.count), (Some(75.0), 4));
        // A zero is a value, too.
        total.add(&pane(&[Some(0.0)]));
        assert_eq!(total.latest(), Some(0.0));
        total.clear();
        assert_eq!(total.latest(), None);
    }

    #[test]
    fn mean_of_whole_numbers_is_the_textbook_mean() {
        assert_eq!(total_of(&[1.0, 2.0, 4.0]).mean(), Some(7.0 / 3.0));
        let mut none = Total::default();
        none.add(&Measure::of(None, 1, ALL));
        assert_eq!(
            (none.count, none.mean(), none.quantile(0.5)),
            (1, None, None)
        );
    }
}
