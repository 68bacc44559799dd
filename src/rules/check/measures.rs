//! How facts become a value: aggregates, their options, good-conditions and time-outs.

use super::{duration_of, surges, text_of};
use crate::event::Stream;
use crate::rules::book::Aggregate;
use crate::rules::duration::{DAY_MS, parse_duration, show_duration};
use crate::rules::predicate::Predicate;
use crate::rules::problem::{Position, Problems, did_you_mean};
use crate::rules::syntax::Node;

/// The aggregate with its options; none where its word is unknown, which was reported.
pub(super) fn read_aggregate(
    stream: Option<Stream>,
    node: &Node,
    hop_ms: Option<i64>,
    problems: &mut Problems,
) -> Option<Aggregate> {
    let field = node.get("aggregate")?;
    let word = field.text()?;
    let aggregate = match word {
        "count" => Aggregate::Count,
        "ratio" => Aggregate::Ratio,
        "sum" => Aggregate::Sum,
        "mean" => Aggregate::Mean,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "dispersion" => Aggregate::Dispersion,
        "latest" => Aggregate::Latest,
        "rate_per_10k" => Aggregate::RatePer10k {
            base: text_of(node, "base"),
            per_ms: duration_of(node, "per").unwrap_or(DAY_MS),
        },
        "change" => Aggregate::Change {
            against_ms: duration_of(node, "against").or(hop_ms).unwrap_or(DAY_MS),
        },
        "surge" => surges::read(node),
        other => match parse_quantile(other) {
            Some(quantile) => Aggregate::Quantile(quantile),
            None => {
                let words = [
                    "count",
                    "ratio",
                    "sum",
                    "mean",
                    "min",
                    "max",
                    "dispersion",
                    "latest",
                    "rate_per_10k",
                    "change",
                    "surge",
                ];
                let hint = did_you_mean(other, words)
                    .or_else(|| Some(format!("use p50 to p99.9 or one of {}", words.join(", "))));
                problems.error_with(field.at, format!("unknown aggregate {other:?}"), hint);
                return None;
            }
        },
    };
    check_options(&aggregate, word, field.at, hop_ms, node, problems);
    let unmeasured = stream.filter(|stream| stream.measured().is_none());
    if let Some(stream) = unmeasured.filter(|_| is_measured(&aggregate)) {
        problems.error(
            field.at,
            format!(
                "aggregate {word:?} needs a measured value, and {} facts have none",
                stream.name()
            ),
        );
    }
    // Shares of panes with weights of their own: neither a bucket nor the newest of them tells of the time between.
    let is_unweighted = matches!(
        aggregate,
        Aggregate::Quantile(_) | Aggregate::Dispersion | Aggregate::Latest
    );
    if stream == Some(Stream::BossOccupancy) && is_unweighted {
        problems.error_with(
            field.at,
            format!("aggregate {word:?} is not for boss_occupancy, which is weighted by time"),
            Some("use mean or max".to_owned()),
        );
    }
    Some(aggregate)
}

fn check_options(
    aggregate: &Aggregate,
    word: &str,
    at: Position,
    hop_ms: Option<i64>,
    node: &Node,
    problems: &mut Problems,
) {
    let mut option = |name: &str, taken: bool, needed: bool| match node.get(name) {
        Some(field) if !taken => {
            problems.error(field.at, format!("aggregate {word:?} takes no {name:?}"));
        }
        None if needed => problems.error(at, format!("aggregate {word:?} needs {name:?}")),
        _ => {}
    };
    let rate = matches!(aggregate, Aggregate::RatePer10k { .. });
    let change = matches!(aggregate, Aggregate::Change { .. });
    option("base", rate, rate);
    option("per", rate, false);
    option("against", change, change);
    let surge = matches!(aggregate, Aggregate::Surge { .. });
    option("weeks", surge, surge);
    option("min_weeks", surge, false);
    let positive = |name: &str, ms: i64, problems: &mut Problems| {
        if let Some(field) = node.get(name).filter(|_| ms <= 0) {
            problems.error(field.at, format!("{name:?} has no length"));
        }
    };
    match aggregate {
        Aggregate::RatePer10k { per_ms, .. } => positive("per", *per_ms, problems),
        Aggregate::Change { against_ms } => {
            positive("against", *against_ms, problems);
            let field = node.get("against").zip(hop_ms);
            if let Some((field, hop_ms)) = field.filter(|(_, hop_ms)| against_ms % hop_ms != 0) {
                let (against, hop) = (show_duration(*against_ms), show_duration(hop_ms));
                problems.error(
                    field.at,
                    format!("no window begins {against} earlier: that is not a multiple of the hop {hop}"),
                );
            }
        }
        _ => {}
    }
}

/// `p95` → 0.95; `None` unless it lies between 0 and 1.
fn parse_quantile(word: &str) -> Option<f64> {
    let digits = word.strip_prefix('p')?;
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.len() > 7 {
        return None;
    }
    // Shifted as text: 99.9 / 100 is not 0.999, and would pick the wrong rank of a thousand.
    let quantile: f64 = format!("{digits}e-2").parse().ok()?;
    (quantile > 0.0 && quantile < 1.0).then_some(quantile)
}

const fn is_measured(aggregate: &Aggregate) -> bool {
    matches!(
        aggregate,
        Aggregate::Sum
            | Aggregate::Mean
            | Aggregate::Min
            | Aggregate::Max
            | Aggregate::Quantile(_)
            | Aggregate::Dispersion
            | Aggregate::Latest
    )
}

/// Whether the good-condition is there where it is needed, and only there.
pub(super) fn check_good(aggregate: Option<&Aggregate>, node: &Node, problems: &mut Problems) {
    if let (Some(_), Some(within)) = (node.get("counted"), node.get("good_within")) {
        problems.error_with(
            within.at,
            "\"good_within\" is of what is good: beside \"counted\" it would leave out what took longer",
            Some("use timeout: what takes longer is counted too".to_owned()),
        );
    }
    if let (Some(_), Some(counted)) = (node.get("good"), node.get("counted")) {
        problems.error(
            counted.at,
            "\"good\" and \"counted\" are two words for one condition, give one",
        );
    }
    let words: &[&str] = match node.get("timeout") {
        // There it says what a success is.
        Some(_) => &["counted", "good_within"],
        None => &["good", "counted", "good_within"],
    };
    let mut words = words.iter();
    let given = words.find_map(|name| Some((*name, node.get(name)?)));
    match (aggregate, given) {
        (Some(Aggregate::Ratio), None) => {
            let at = node.get("aggregate").unwrap_or(node).at;
            problems.error(
                at,
                "aggregate \"ratio\" needs \"good\", \"counted\" or \"good_within\"",
            );
        }
        (Some(aggregate), Some((name, field))) if is_measured(aggregate) => problems.error_with(
            field.at,
            format!("{name:?} has no meaning for a measured value"),
            Some("use filter to choose the facts".to_owned()),
        ),
        _ => {}
    }
}

/// The time-out of a time in its raw unit, ms.
pub(super) fn read_timeout(
    stream: Option<Stream>,
    aggregate: Option<&Aggregate>,
    node: &Node,
    problems: &mut Problems,
) -> Option<f64> {
    let field = node.get("timeout")?;
    let timeout_ms = parse_duration(field.text()?)?;
    if timeout_ms == 0 {
        problems.error(field.at, "a timeout of no length would be met by nothing");
    }
    if let Some(stream) = stream.filter(|stream| success(*stream).is_none()) {
        problems.error(
            field.at,
            format!("facts of {} have no success to wait for", stream.name()),
        );
    }
    let counts = node.get("counted").is_some();
    let may_wait = |aggregate: &Aggregate| match aggregate {
        Aggregate::Mean | Aggregate::Max | Aggregate::Quantile(_) => true,
        Aggregate::Ratio => counts,
        _ => false,
    };
    if aggregate.is_some_and(|aggregate| !may_wait(aggregate)) {
        problems.error_with(
            field.at,
            "a timeout is of a mean, a max or a quantile, or of a ratio of what is counted",
            Some(
                "a ratio of what is good has good_within; other aggregates are of what did come"
                    .to_owned(),
            ),
        );
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a length of time is far below 2^53 ms"
    )]
    Some(timeout_ms as f64)
}

/// What a success is on a stream whose facts have one.
pub(super) fn success(stream: Stream) -> Option<Predicate> {
    let source = match stream {
        Stream::DialTest => "ok == true",
        Stream::BossCall => "tperrno == null || tperrno == 0",
        _ => return None,
    };
    Predicate::compile(source).ok()
}

/// The time-out in the stream's raw unit: milliseconds, but a gauge's own unit for gauges.
pub(super) fn read_good_within(
    stream: Stream,
    node: &Node,
    problems: &mut Problems,
) -> Option<f64> {
    let field = node.get("good_within")?;
    let Some(measured) = stream.measured() else {
        problems.error(
            field.at,
            format!(
                "\"good_within\" needs a measured value, and {} facts have none",
                stream.name()
            ),
        );
        return None;
    };
    match (
        stream,
        field.number(),
        field.text().and_then(parse_duration),
    ) {
        (Stream::Gauge | Stream::BossOccupancy, Some(number), _) => Some(number),
        (Stream::Gauge | Stream::BossOccupancy, None, _) => {
            problems.error(
                field.at,
                format!(
                    "a {} is compared with a number, not a length of time",
                    stream.name()
                ),
            );
            None
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a length of time is far below 2^53 ms"
        )]
        (_, None, Some(ms)) => Some(ms as f64),
        (_, Some(number), _) => {
            problems.error_with(
                field.at,
                format!("{measured} is compared with a length of time, not {number}"),
                Some(format!("add a unit, for example {number}s")),
            );
            None
        }
        (_, None, None) => None,
    }
}
