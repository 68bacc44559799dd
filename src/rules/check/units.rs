//! Units of values: which ones there are, and which fit a KQI.

use crate::event::Stream;
use crate::rules::book::{Aggregate, Anchors, Unit};
use crate::rules::problem::{Problems, did_you_mean};
use crate::rules::syntax::Node;

/// Units have closed names where the engine converts; everything else is a gauge's own.
pub(super) fn parse(text: &str) -> Unit {
    match text {
        "ratio" => Unit::Ratio,
        "percent" | "%" => Unit::Percent,
        "ms" => Unit::Milliseconds,
        "s" => Unit::Seconds,
        "count" => Unit::Count,
        "per_10k" => Unit::Per10k,
        other => Unit::Other(other.to_owned()),
    }
}

/// Standard deviations, in which surges are told.
const SIGMA: &str = "σ";

/// The names `parse` knows.
const UNITS: [&str; 6] = ["ratio", "percent", "ms", "s", "count", "per_10k"];

/// The unit given, or the anchor set's, or what the aggregate gives by nature.
///
/// None where any of that could not be read: what follows from it is no news.
pub(super) fn read(
    stream: Option<Stream>,
    aggregate: Option<&Aggregate>,
    of_set: Option<&Unit>,
    node: &Node,
    problems: &mut Problems,
) -> Option<Unit> {
    let given = node.get("unit").and_then(Node::text).map(parse);
    let at = node.get("unit").or(node.get("anchors")).unwrap_or(node).at;
    if let (Some(given), Some(of_set)) = (&given, of_set)
        && given != of_set
    {
        problems.error(
            at,
            format!(
                "unit {} is not that of the anchor set, {}",
                show_unit(given),
                show_unit(of_set)
            ),
        );
    }
    let natural = match (aggregate?, stream?) {
        (Aggregate::Ratio | Aggregate::Change { .. } | Aggregate::Dispersion, _) => Unit::Ratio,
        (Aggregate::Count, _) => Unit::Count,
        (Aggregate::Surge { .. }, _) => Unit::Other(SIGMA.to_owned()),
        (Aggregate::RatePer10k { .. }, _) => Unit::Per10k,
        (_, Stream::BossOccupancy) => Unit::Ratio,
        (_, Stream::Gauge) => Unit::Other(String::new()),
        _ => Unit::Milliseconds,
    };
    let is_unread = given.is_none() && node.get("unit").is_some();
    let names_a_set = node
        .get("anchors")
        .is_some_and(|field| field.text().is_some());
    if is_unread || (given.is_none() && of_set.is_none() && names_a_set) {
        return None;
    }
    let unit = given
        .or_else(|| of_set.cloned())
        .unwrap_or_else(|| natural.clone());
    let fits = match natural {
        Unit::Ratio => matches!(unit, Unit::Ratio | Unit::Percent),
        Unit::Milliseconds => matches!(unit, Unit::Milliseconds | Unit::Seconds),
        Unit::Count => matches!(unit, Unit::Count | Unit::Other(_)),
        Unit::Per10k => unit == Unit::Per10k,
        Unit::Other(ref word) if word == SIGMA => unit == natural,
        _ => true,
    };
    if !fits {
        let hint = match &unit {
            Unit::Other(word) => did_you_mean(word, UNITS),
            _ => None,
        };
        problems.error_with(
            at,
            format!("{} cannot be the unit of this kqi", show_unit(&unit)),
            hint.or_else(|| Some(format!("its values are in {}", show_unit(&natural)))),
        );
    }
    if unit == Unit::Other(String::new()) {
        problems.error(node.at, "a kqi over gauges needs \"unit\"");
    }
    Some(unit)
}

fn show_unit(unit: &Unit) -> String {
    match unit {
        Unit::Ratio => "\"ratio\"".to_owned(),
        Unit::Percent => "\"percent\"".to_owned(),
        Unit::Milliseconds => "\"ms\"".to_owned(),
        Unit::Seconds => "\"s\"".to_owned(),
        Unit::Count => "\"count\"".to_owned(),
        Unit::Per10k => "\"per_10k\"".to_owned(),
        Unit::Other(word) => format!("{word:?}"),
    }
}

/// Shares of one with anchors like 95 are percent in disguise, and would score 1 for ever.
pub(super) fn check_percent_like(
    unit: &Unit,
    anchors: Option<&Anchors>,
    node: &Node,
    problems: &mut Problems,
) {
    let over_one = anchors
        .filter(|anchors| anchors.set.is_none())
        .and_then(|anchors| anchors.values.into_iter().find(|value| *value > 1.0));
    if *unit == Unit::Ratio
        && node.get("aggregate").and_then(Node::text) == Some("ratio")
        && let (Some(value), Some(field)) = (over_one, node.get("anchors"))
    {
        problems.warn(
            field.at,
            format!("anchor {value} is more than a ratio can be"),
            Some("did you mean unit: percent?".to_owned()),
        );
    }
}
