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

/// The pairs of a series. A block that the series does not reach back to is not known; one without
/// windows is, and counts nothing.
pub fn pairs(series: &Series, periods: &Periods) -> Pairs {
    periods
        .blocks()
        .map(|(before_ms, after_ms)| {
            Some(Pair {
                before: series.totals(before_ms, before_ms + periods.block_ms)?,
                after: series.totals(after_ms, after_ms + periods.block_ms)?,
            })
        })
        .collect()
}
