//! Crossing: tolerances have a length, and somebody is told of blind spots.

use super::{duration_of, unknown};
use crate::rules::book::Department;
use crate::rules::duration::{DAY_MS, HOUR_MS, WEEK_MS, show_duration};
use crate::rules::problem::{Kind, Problems};
use crate::rules::syntax::Node;
use crate::rules::team::CrossingRule;

/// Tolerances beyond this join what has nothing to do with each other. Judgement.
const TOLERANCE_MS_MAX: i64 = WEEK_MS;

/// What holds without a section.
pub(super) fn defaults() -> CrossingRule {
    CrossingRule {
        lead_ms: HOUR_MS,
        lag_ms: 12 * HOUR_MS,
        window_ms_max: DAY_MS,
        department: None,
        confirmed_adds: 1,
        silent_takes: 1,
    }
}

pub(super) fn read(
    node: Option<&Node>,
    departments: &[Department],
    problems: &mut Problems,
) -> CrossingRule {
    let mut rule = defaults();
    let Some(node) = node else {
        return rule;
    };
    for (name, slot) in [
        ("lead", &mut rule.lead_ms),
        ("lag", &mut rule.lag_ms),
        ("window_max", &mut rule.window_ms_max),
    ] {
        let Some((field, ms)) = node.get(name).zip(duration_of(node, name)) else {
            continue;
        };
        *slot = ms;
        if ms > TOLERANCE_MS_MAX {
            let (given, most) = (show_duration(ms), show_duration(TOLERANCE_MS_MAX));
            problems.error(
                field.at,
                format!("{name:?} of {given} joins what is not of one time: at most {most}"),
            );
        }
    }
    for (name, slot) in [
        ("confirmed_adds", &mut rule.confirmed_adds),
        ("silent_takes", &mut rule.silent_takes),
    ] {
        if let Some(points) = node.get(name).and_then(Node::number) {
            *slot = points.clamp(0.0, 4.0) as u32;
        }
    }
    if let Some(field) = node.get("department")
        && let Some(name) = field.text()
    {
        if departments.iter().all(|known| known.id != name) {
            let known = departments.iter().map(|known| known.id.as_str());
            unknown(Kind::Department, field, known, problems);
        }
        rule.department = Some(name.to_owned());
    }
    rule
}
