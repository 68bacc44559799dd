//! Blocks of the two periods, pair by pair.

use crate::effect::{Periods, Series, Totals};

/// The same place in the period before and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Before the work.
    pub before: Totals,
    /// After it.
    pub after: Totals,
}

/// The pairs of one place; `None` where a period is not known.
pub type Pairs = Vec<Option<Pair>>;

/// One place, now and at the same hours of earlier weeks or days.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Before and after the work.
    pub now: Pairs,
    /// The same hours when there was neither trouble nor work; empty where they are not needed.
    pub earlier: Vec<Pairs>,
}

impl From<Pairs> for Course {
    fn from(now: Pairs) -> Course {
        Course {
            now,
            earlier: Vec::new(),
        }
    }
}

impl Pair {
    /// What a mean changed by; none where one side has no sample.
    pub fn difference(&self) -> Option<f64> {
        Some(self.after.mean()? - self.before.mean()?)
    }

    /// Whether both sides have samples.
    pub fn has_values(&self) -> bool {
        self.before.samples > 0 && self.after.samples > 0
    }
}

/// The pairs of a series whose windows are so long, ms. A block that the series does not reach back to is not
/// known; one without windows is, and counts nothing.
pub fn pairs(series: &Series, periods: &Periods, window_ms: i64) -> Pairs {
    let totals = |from_ms: i64| series.within(from_ms, from_ms + periods.block_ms, window_ms);
    periods
        .blocks()
        .map(|(before_ms, after_ms)| {
            Some(Pair {
                before: totals(before_ms)?,
                after: totals(after_ms)?,
            })
        })
        .collect()
}
