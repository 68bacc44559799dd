//! Whether a mend worked: the same KQI and the complaints before it and after it, over matched
//! periods, against places that nobody touched.
//!
//! Everything here is a function of numbers; who keeps them and when they are compared is the
//! engine's. The method, step by step:
//!
//! 1. [`Periods`]: as long before the work began as after it ended, whole weeks where there are any,
//!    so that an hour is set against the same hour of the week. The windows that opened the trigger
//!    are left out, because they were chosen for being bad: what follows them is better by itself.
//! 2. [`Series`] gives both periods in equal blocks, one pair for each place in the period.
//! 3. [`Matching`]: where the periods are shorter than a week, what the same hours did in earlier weeks, or on
//!    earlier days, or in other places, is set against it. Where there is none of these, the mend waits until the
//!    same hours of the week come again.
//! 4. [`compare`]: difference in differences. What changed in the treated place, less what changed
//!    in the others; counts by their ratio, everything else by its difference.
//! 5. The interval around it knows of the spread in time, of how much the same hours of earlier weeks differ and,
//!    from a few places on, of how much those that nobody touched changed by themselves. A thousand made-up mends
//!    (`tests/trials.rs`, and `tests/hours.rs` over data with hours of the day) hold it to its promise: less than
//!    5 % of them are called effective.
//! 6. [`judge`]: one verdict, over all indicators of a trigger: every KQI that spoke for it, and the complaints.
//! 7. Where the interval holds nothing as well as a large effect, the data have not decided: the mend is looked at again
//!    with the same hours of one more week, each look with a part of the error that is left ([`EffectRules::spent`]).
//! 8. What cannot be proven, or hardly, is known when the work is done, and told then ([`doubt`]).

mod compare;
mod matching;
mod pairs;
mod periods;
mod prospect;
mod report;
mod series;
mod spread;
#[cfg(test)]
mod tests;
mod verdict;
mod words;

pub use compare::{Estimate, Incomparable, compare};
pub use matching::Matching;
pub use pairs::{Course, Pair, Pairs, pairs};
pub use periods::{Mend, Periods};
pub use prospect::{Doubt, doubt};
pub use report::{Block, Compared, EffectReport, Indicator};
pub use series::{Point, Series, Totals};
pub use verdict::{Better, EffectRules, EffectVerdict, judge, read};
pub use words::{Judged, awaited, looks_again, nothing_kept, sentence, sentences};
