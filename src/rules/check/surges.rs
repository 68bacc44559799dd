//! Surge tests: how many weeks make the baseline, and which windows have one.

use crate::rules::book::{Aggregate, WindowSpec};
use crate::rules::duration::{MINUTE_MS, WEEK_MS, show_duration};
use crate::rules::problem::Problems;
use crate::rules::syntax::Node;

/// Weeks that a baseline may reach back: beyond a quarter, habits have changed. Judgement.
const WEEKS_MAX: u32 = 13;
/// Least hop of a window with a baseline: one count a hop is kept of every object for all its weeks.
const HOP_MS_MIN: i64 = 15 * MINUTE_MS;

/// The aggregate, as far as it can be read.
pub(super) fn read(node: &Node) -> Aggregate {
    let weeks = natural(node, "weeks").unwrap_or(1);
    Aggregate::Surge {
        weeks,
        min_weeks: natural(node, "min_weeks").unwrap_or(weeks.div_ceil(2)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`shape` has reported what is not a natural number, and a cast saturates"
)]
fn natural(node: &Node, name: &str) -> Option<u32> {
    node.get(name)
        .and_then(Node::number)
        .map(|number| number as u32)
}

/// Reports weeks that make no baseline, and windows that have none.
pub(super) fn check(
    aggregate: Option<&Aggregate>,
    window: Option<WindowSpec>,
    node: &Node,
    problems: &mut Problems,
) {
    let Some(&Aggregate::Surge { weeks, min_weeks }) = aggregate else {
        return;
    };
    if let Some(field) = node.get("weeks")
        && field.number().is_some()
        && !(1..=WEEKS_MAX).contains(&weeks)
    {
        problems.error(
            field.at,
            format!("a baseline is of 1 to {WEEKS_MAX} weeks, not {weeks}"),
        );
    }
    if let Some(field) = node.get("min_weeks")
        && field.number().is_some()
        && !(1..=weeks.max(1)).contains(&min_weeks)
    {
        problems.error(
            field.at,
            format!("of {weeks} weeks {min_weeks} cannot be known: give 1 to {weeks}"),
        );
    }
    let Some((window, field)) = window.zip(node.get("window")) else {
        return;
    };
    let hop = show_duration(window.hop_ms);
    if window.size_ms > WEEK_MS {
        let size = show_duration(window.size_ms);
        problems.error(
            field.at,
            format!("a window of {size} overlaps the same window of the week before"),
        );
    } else if WEEK_MS % window.hop_ms != 0 {
        problems.error(
            field.at,
            format!("no window begins a week earlier: 7d is not a multiple of the hop {hop}"),
        );
    } else if window.hop_ms < HOP_MS_MIN {
        problems.error_with(
            field.at,
            format!("a baseline keeps one count a hop, and {hop} is too fine for that"),
            Some(format!(
                "give a hop of at least {}",
                show_duration(HOP_MS_MIN)
            )),
        );
    }
}
