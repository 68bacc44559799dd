//! A measure in the making: values are listed as they come and sorted once.

use crate::measure::{Extremes, Histogram, Measure, Parts, bucket_of, to_fixed};

/// Facts gathered for one pane.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    count: i64,
    valued: i64,
    sum: i128,
    buckets: Vec<i32>,
    values: Vec<i64>,
}

impl Gathered {
    /// Adds one fact; NaN stands for no measured value.
    pub fn add(&mut self, value: f64, parts: Parts) {
        self.count += 1;
        if value.is_nan() {
            return;
        }
        let fixed = to_fixed(value);
        self.valued += 1;
        self.sum += i128::from(fixed);
        if parts.histogram {
            self.buckets.push(bucket_of(value));
        }
        if parts.extremes {
            self.values.push(fixed);
        }
    }

    /// The measure of all that was added.
    pub fn measure(mut self) -> Measure {
        self.values.sort_unstable();
        let mut extremes: Vec<(i64, i64)> = Vec::new();
        for value in self.values {
            match extremes.last_mut() {
                Some((last, count)) if *last == value => *count += 1,
                _ => extremes.push((value, 1)),
            }
        }
        Measure {
            count: self.count,
            good: 0,
            valued: self.valued,
            sum: self.sum,
            histogram: Histogram::from_buckets(&mut self.buckets),
            extremes: (!extremes.is_empty()).then(|| Box::new(Extremes(extremes))),
        }
    }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::difference::Semigroup;

    use super::*;

    #[test]
    fn gathering_equals_adding_one_by_one() {
        let parts = Parts {
            histogram: true,
            extremes: true,
        };
        let values = [3.0, 1.0, 3.0, f64::NAN, -2.5, 1.0];
        let mut gathered = Gathered::default();
        let mut added = Measure::default();
        for value in values {
            gathered.add(value, parts);
            let value = (!value.is_nan()).then_some(value);
            added.plus_equals(&Measure::of(value, 1, parts));
        }
        assert_eq!(gathered.measure(), added);
    }
}
