//! Plain sums over facts, for whoever asks what a window is made of.

/// Sums over the facts of some windows: of integers, so parts sum to the whole, to the bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Facts.
    pub facts: i64,
    /// Good ones.
    pub good: i64,
    /// Facts in the windows compared with, for changes.
    pub facts_before: i64,
    /// Good ones among those.
    pub good_before: i64,
    /// Facts that carry a measured value.
    pub valued: i64,
    /// Sum of the measured values, in units of 1 / [`crate::measure::SUM_SCALE`], raw.
    pub sum: i128,
    /// Facts with a measured value in the windows compared with.
    pub valued_before: i64,
    /// Sum of their values, as `sum`.
    pub sum_before: i128,
    /// Facts whose own value is outside the interval, for quantiles and extremes.
    pub beyond: i64,
    /// Facts with a measured value in windows outside the interval.
    pub outside: i64,
}

impl Sums {
    /// Adds others.
    pub fn plus(&mut self, other: &Sums) {
        self.facts += other.facts;
        self.good += other.good;
        self.facts_before += other.facts_before;
        self.good_before += other.good_before;
        self.valued += other.valued;
        self.sum += other.sum;
        self.valued_before += other.valued_before;
        self.sum_before += other.sum_before;
        self.beyond += other.beyond;
        self.outside += other.outside;
    }
}
