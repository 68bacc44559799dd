//! The sum of the panes of a window, and the values that are read from it.
//!
//! A scratch value that is cleared and used again: windows overlap, and copying a sparse histogram
//! into each of them is what slows incremental engines most.

use crate::measure::{Measure, Packed, SUM_SCALE, bucket_value};

/// Values of the newest pane that has any, and their sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Newest {
    valued: i64,
    sum: i128,
}

/// Sum of measures.
#[derive(Clone, Debug, Default)]
pub struct Total {
    /// Facts.
    pub count: i64,
    /// Good facts.
    pub good: i64,
    /// Facts that carry a measured value.
    pub valued: i64,
    sum: i128,
    /// Dense counts; the first stands for bucket `low`.
    counts: Vec<i64>,
    low: i32,
    least: Option<i64>,
    greatest: Option<i64>,
    newest: Newest,
}

impl Total {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        let mut counts = std::mem::take(&mut self.counts);
        counts.clear();
        *self = Total {
            counts,
            ..Total::default()
        };
    }

    /// Adds a pane; the oldest comes first.
    pub fn add(&mut self, pane: &Measure) {
        self.count += pane.count;
        self.good += pane.good;
        self.valued += pane.valued;
        self.sum += pane.sum;
        if pane.valued > 0 {
            self.newest = Newest {
                valued: pane.valued,
                sum: pane.sum,
            };
        }
        let counts = pane.histogram.counts();
        if let (Some((first, _)), Some((last, _))) = (counts.first(), counts.last()) {
            self.cover(*first, *last);
            for (bucket, count) in counts {
                self.counts[(bucket - self.low) as usize] += i64::from(*count);
            }
        }
        if let Some(extremes) = &pane.extremes {
            let least = extremes.0.first().map(|(value, _)| *value);
            let greatest = extremes.0.last().map(|(value, _)| *value);
            self.least = [self.least, least].into_iter().flatten().min();
            self.greatest = [self.greatest, greatest].into_iter().flatten().max();
        }
    }

    /// Adds a pane as [`Measure::pack`] wrote it, without making a measure of it.
    pub fn add_packed(&mut self, mut from: Packed<'_>) {
        let sums = from.sums();
        self.count += sums.count;
        self.good += sums.good;
        self.valued += sums.valued;
        self.sum += sums.sum;
        if sums.valued > 0 {
            self.newest = Newest {
                valued: sums.valued,
                sum: sums.sum,
            };
        }
        from.each_bucket(sums.buckets, |bucket, count| {
            // Below `low` it is far beyond the end.
            let at = bucket.wrapping_sub(self.low) as u32 as usize;
            if at >= self.counts.len() {
                self.cover(bucket, bucket);
            }
            let at = bucket.wrapping_sub(self.low) as u32 as usize;
            if let Some(sum) = self.counts.get_mut(at) {
                *sum += i64::from(count);
            }
        });
        if !sums.has_extremes {
            return;
        }
        let mut value = 0_i64;
        for number in 0..from.number() {
            if from.is_empty() {
                return;
            }
            value = value.wrapping_add(from.signed());
            from.signed();
            if number == 0 {
                self.least = Some(self.least.map_or(value, |least| least.min(value)));
            }
            self.greatest = Some(self.greatest.map_or(value, |most| most.max(value)));
        }
    }

    /// Arithmetic mean of the measured values.
    ///
    /// One division of two numbers that are exact below 2^53, so it equals the textbook mean.
    pub fn mean(&self) -> Option<f64> {
        (self.valued > 0).then(|| self.sum as f64 / (SUM_SCALE * self.valued as f64))
    }

    /// The newest of what was added so far.
    pub fn newest(&self) -> Newest {
        self.newest
    }

    /// What had been added before the last panes is newer than they are.
    pub fn stays_newest(&mut self, newest: Newest) {
        if newest.valued > 0 {
            self.newest = newest;
        }
    }

    /// Arithmetic mean of the values of the newest pane that has any.
    pub fn latest(&self) -> Option<f64> {
        let Newest { valued, sum } = self.newest;
        (valued > 0).then(|| sum as f64 / (SUM_SCALE * valued as f64))
    }

    /// Sum of the measured values.
    pub fn sum(&self) -> f64 {
        self.sum as f64 / SUM_SCALE
    }

    /// Nearest-rank quantile: the value of rank `ceil(q * n)`, within the histogram's error.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total: i64 = self.counts.iter().sum();
        if total <= 0 {
            return None;
        }
        let rank = ((q * total as f64).ceil() as i64).clamp(1, total);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(bucket_value(self.low + at as i32))
    }

    /// Smallest measured value, exact.
    pub fn least(&self) -> Option<f64> {
        self.least.map(|value| value as f64 / SUM_SCALE)
    }

    /// Largest measured value, exact.
    pub fn greatest(&self) -> Option<f64> {
        self.greatest.map(|value| value as f64 / SUM_SCALE)
    }

    /// Makes room for the buckets `first..=last`; the whole range of doubles is 1 MiB of counts.
    #[inline]
    fn cover(&mut self, first: i32, last: i32) {
        if self.counts.is_empty() {
            self.low = first;
        }
        if first < self.low {
            let missing = (self.low - first) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.low = first;
        }
        let length = (last - self.low) as usize + 1;
        if length > self.counts.len() {
            self.counts.resize(length, 0);
        }
    }
}
