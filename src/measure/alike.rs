//! Facts that are alike, in few bytes: what a single key states, and keeps until it changes its mind.
//!
//! Invariant: [`Alike::of_measure`] of [`Alike::measure`] is what it was made of.

use crate::measure::{Extremes, Measure, Parts, bucket_of, to_fixed};

/// So many facts with one measured value, or without any. A [`Measure`] of them is three times as large, and has
/// its lists on the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alike {
    weight: i64,
    /// The value in fixed point; 0 without one.
    fixed: i64,
    /// Its bucket, where the histogram is kept.
    bucket: i32,
    has_bucket: bool,
    has_value: bool,
    /// Whether every distinct value is kept.
    has_extremes: bool,
}

impl Alike {
    /// `weight` equal facts (negative to retract), of which none is good yet.
    pub fn of(value: Option<f64>, weight: i64, parts: Parts) -> Alike {
        Alike {
            weight,
            fixed: value.map_or(0, to_fixed),
            bucket: value.filter(|_| parts.histogram).map_or(0, bucket_of),
            has_bucket: value.is_some() && parts.histogram,
            has_value: value.is_some(),
            has_extremes: value.is_some() && parts.extremes,
        }
    }

    /// The measure of them.
    pub fn measure(&self) -> Measure {
        let mut measure = Measure {
            count: self.weight,
            ..Measure::default()
        };
        if self.has_value {
            measure.valued = self.weight;
            measure.sum = i128::from(self.fixed) * i128::from(self.weight);
        }
        if self.has_bucket {
            measure.histogram.add(self.bucket, self.weight);
        }
        if self.has_extremes {
            let extremes = Extremes(vec![(self.fixed, self.weight)]);
            measure.extremes = Some(Box::new(extremes));
        }
        measure
    }

    /// What has this measure; `None` where it is not one of equal facts.
    pub fn of_measure(measure: &Measure) -> Option<Alike> {
        let weight = measure.count;
        let bucket = measure.histogram.counts().first();
        let extreme = measure.extremes.as_ref().and_then(|of| of.0.first());
        let mean = || measure.sum.checked_div(i128::from(weight)).unwrap_or(0);
        let alike = Alike {
            weight,
            fixed: match extreme {
                Some((fixed, _)) => *fixed,
                None => i64::try_from(mean()).ok()?,
            },
            bucket: bucket.map_or(0, |(bucket, _)| *bucket),
            has_bucket: bucket.is_some(),
            has_value: measure.valued != 0 || bucket.is_some() || extreme.is_some(),
            has_extremes: extreme.is_some(),
        };
        (alike.measure() == *measure).then_some(alike)
    }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::difference::Semigroup;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Checkpoints hold the measures.
        #[test]
        fn they_come_back_from_their_measure(
            value in prop::option::of(-1e6..1e6f64),
            weight in -3_i64..100_000,
            histogram: bool,
            extremes: bool,
        ) {
            let parts = Parts { histogram, extremes };
            let measure = Alike::of(value, weight, parts).measure();
            let back = Alike::of_measure(&measure).map(|alike| alike.measure());
            prop_assert_eq!(back, Some(measure));
        }
    }

    #[test]
    fn they_take_few_bytes_and_others_are_told() {
        assert!(size_of::<Alike>() <= 24, "{}", size_of::<Alike>());
        let parts = Parts {
            histogram: true,
            extremes: false,
        };
        let mut two = Alike::of(Some(1.0), 1, parts).measure();
        two.plus_equals(&Alike::of(Some(9.0), 1, parts).measure());
        assert_eq!(Alike::of_measure(&two), None);
        let good = Alike::of(None, 1, parts).measure().judged(true);
        assert_eq!(Alike::of_measure(&good), None);
    }
}
