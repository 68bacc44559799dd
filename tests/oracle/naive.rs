//! The oracle: windows recomputed from the lines alone, after any number of epochs.
//!
//! Nothing of the engine is used but the checked book, CEL conditions and `judge`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrysalis::event::{DimensionValue, Stream};
use chrysalis::rules::{Aggregate, Kqi, Predicate, RuleBook, Unit, WindowSpec};
use serde_json::Value;

use crate::clock::{Clocks, stream_of};
use crate::facts::{self, Fact};
use crate::generate::Epoch;
use crate::story::time_of;
use crate::surroundings::Surroundings;

const HOUR_MS: i64 = 3_600_000;
const WEEK_MS: i64 = 168 * HOUR_MS;

/// KQI, label of the group, start of the window.
pub(crate) type Key = (String, String, i64);

/// A window of a KQI.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) end_ms: i64,
    pub(crate) count: i64,
    pub(crate) good: i64,
    pub(crate) samples: i64,
    pub(crate) value: Option<f64>,
    /// Planned work covers it, so that it cannot be abnormal.
    pub(crate) suppressible: bool,
    pub(crate) sealed: bool,
}

/// Everything that is true after some epochs.
pub(crate) struct Truth {
    pub(crate) book: Arc<RuleBook>,
    pub(crate) clocks: Clocks,
    pub(crate) rows: BTreeMap<Key, Row>,
}

/// Conditions that were asked before; CEL is slow and facts are alike.
#[derive(Default)]
pub(crate) struct Answers(HashMap<String, bool>);

/// Recomputes everything from the first epochs.
pub(crate) fn truth(epochs: &[Epoch], answers: &mut Answers) -> Truth {
    let clocks = Clocks::after(epochs);
    let book = epochs
        .iter()
        .rev()
        .find_map(|epoch| epoch.book.clone())
        .unwrap();
    let lines = accepted(epochs);
    let facts = facts::of(&lines, &book, &clocks);
    let surroundings = Surroundings::of(&lines);
    let heard = heard(&lines);
    let mut rows = BTreeMap::new();
    for kqi in &book.kqis {
        let judged = judged(kqi, &facts, answers);
        let mut groups: BTreeMap<String, Vec<(&Fact, bool)>> = BTreeMap::new();
        for (fact, good) in &judged {
            groups
                .entry(label(kqi, fact))
                .or_default()
                .push((fact, *good));
        }
        for (label, of_group) in groups {
            let dimensions = group_dimensions(kqi, of_group[0].0);
            for start_ms in starts(kqi, &of_group) {
                let window = Window {
                    kqi,
                    start_ms,
                    end_ms: start_ms + kqi.window.size_ms,
                };
                let sealed = window.end_ms <= clocks.watermark(kqi.stream);
                let heard = (&heard, sealed);
                if let Some(row) = window.row(&of_group, &dimensions, &surroundings, &book, heard) {
                    rows.insert((kqi.id.clone(), label.clone(), start_ms), row);
                }
            }
        }
    }
    Truth { book, clocks, rows }
}

/// The facts of a KQI as it counts them, each with whether it is good.
pub(crate) fn judged(kqi: &Kqi, facts: &[Fact], answers: &mut Answers) -> Vec<(Fact, bool)> {
    let stand_in = kqi.timeout.filter(|_| kqi.aggregate != Aggregate::Ratio);
    let late_after = kqi.timeout.filter(|_| kqi.aggregate == Aggregate::Ratio);
    let mut judged = Vec::new();
    for fact in facts.iter().filter(|fact| fact.stream == kqi.stream) {
        let mut fact = fact.clone();
        if let Some(timeout) = stand_in {
            let came = fact.value;
            let came = came.filter(|_| answers.holds(kqi.good.as_ref(), &fact));
            fact.value = came.or(Some(timeout));
        }
        if !answers.holds(kqi.filter.as_ref(), &fact) {
            continue;
        }
        let good = answers.holds(kqi.good.as_ref(), &fact)
            && kqi
                .good_within
                .is_none_or(|limit| fact.value.is_some_and(|value| value <= limit));
        // Of failures: what took too long is one, and so is what has no time.
        let is_late = |after| fact.value.is_none_or(|value| value > after);
        let good = good || late_after.is_some_and(is_late);
        judged.push((fact, good));
    }
    judged
}

/// Lines of the epochs that ingest accepts, parsed.
pub(crate) fn accepted(epochs: &[Epoch]) -> Vec<Value> {
    let lines = epochs.iter().flat_map(Epoch::lines);
    lines.filter_map(|line| accept(line)).collect()
}

/// A line's value, unless its service is not in the book.
pub(crate) fn accept(line: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).unwrap();
    let known = value["service"]
        .as_str()
        .is_none_or(|service| service.starts_with("svc_"));
    known.then_some(value)
}

impl Answers {
    fn holds(&mut self, predicate: Option<&Predicate>, fact: &Fact) -> bool {
        let Some(predicate) = predicate else {
            return true;
        };
        let mut key = predicate.source().to_owned();
        for name in predicate.variables() {
            key.push_str(&format!("|{:?}", fact.get(&name)));
        }
        let ask = || predicate.holds(&mut |name| fact.get(name)).unwrap_or(false);
        *self.0.entry(key).or_insert_with(ask)
    }
}

fn group_dimensions(kqi: &Kqi, fact: &Fact) -> BTreeMap<String, String> {
    let value = |name: &String| (name.clone(), fact.get(name).to_string());
    kqi.group_by.iter().map(value).collect()
}

/// `dim=value;dim=value` in the KQI's order, `;` and `%` of values percent-encoded.
pub(crate) fn label(kqi: &Kqi, fact: &Fact) -> String {
    let encoded = |name: &String| {
        let value = fact
            .get(name)
            .to_string()
            .replace('%', "%25")
            .replace(';', "%3B");
        format!("{name}={value}")
    };
    kqi.group_by
        .iter()
        .map(encoded)
        .collect::<Vec<_>>()
        .join(";")
}

/// Starts of every window that holds a fact, or is compared with one that does.
fn starts(kqi: &Kqi, facts: &[(&Fact, bool)]) -> Vec<i64> {
    let WindowSpec {
        size_ms,
        hop_ms,
        offset_ms,
    } = kqi.window;
    let mut starts: Vec<i64> = Vec::new();
    for (fact, _) in facts {
        let mut start_ms = (fact.ts_ms - offset_ms).div_euclid(hop_ms) * hop_ms + offset_ms;
        while start_ms + size_ms > fact.ts_ms {
            starts.push(start_ms);
            if let Aggregate::Change { against_ms } = kqi.aggregate {
                starts.push(start_ms + against_ms);
            }
            start_ms -= hop_ms;
        }
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

struct Window<'a> {
    kqi: &'a Kqi,
    start_ms: i64,
    end_ms: i64,
}

impl Window<'_> {
    fn row(
        &self,
        facts: &[(&Fact, bool)],
        group: &BTreeMap<String, String>,
        surroundings: &Surroundings,
        book: &RuleBook,
        (heard, sealed): (&BTreeSet<(Stream, i64)>, bool),
    ) -> Option<Row> {
        let Window {
            kqi,
            start_ms,
            end_ms,
        } = *self;
        let within = |from_ms: i64, to_ms: i64| {
            facts
                .iter()
                .filter(move |(fact, _)| (from_ms..to_ms).contains(&fact.ts_ms))
        };
        let judges = kqi.good.is_some() || kqi.good_within.is_some();
        let counted = |from_ms: i64, to_ms: i64| {
            within(from_ms, to_ms)
                .filter(|(_, good)| *good || !judges)
                .map(|(fact, _)| fact.weight)
                .sum::<i64>()
        };
        let weight = |(fact, _): &(&Fact, bool)| fact.weight;
        let count: i64 = within(start_ms, end_ms).map(weight).sum();
        let good = within(start_ms, end_ms).filter(|(_, good)| *good);
        let good: i64 = good.map(weight).sum();
        let mut values: Vec<f64> = within(start_ms, end_ms)
            .filter_map(|(fact, _)| fact.value)
            .collect();
        values.sort_by(f64::total_cmp);
        let shown = counted(start_ms, end_ms) as f64;
        let valued = within(start_ms, end_ms).filter(|(fact, _)| fact.value.is_some());
        let mut samples: i64 = valued.clone().map(weight).sum();
        let measured = !values.is_empty();
        let value = match &kqi.aggregate {
            Aggregate::Count => {
                samples = count;
                Some(shown)
            }
            Aggregate::Ratio => {
                samples = count;
                (count > 0).then(|| good as f64 / count as f64)
            }
            Aggregate::Sum => measured.then(|| values.iter().sum()),
            // Shares are kept to six decimals.
            Aggregate::Mean if kqi.stream == Stream::BossOccupancy => measured.then(|| {
                let millionths = |fact: &Fact| (fact.value.unwrap() * 1e6).round() as i64;
                let sum: i64 = valued.map(|(fact, _)| millionths(fact) * fact.weight).sum();
                sum as f64 / (1e6 * samples as f64)
            }),
            Aggregate::Mean => measured.then(|| values.iter().sum::<f64>() / values.len() as f64),
            Aggregate::Min => values.first().copied(),
            Aggregate::Max => values.last().copied(),
            Aggregate::Quantile(q) => measured.then(|| {
                let rank = (q * values.len() as f64).ceil() as usize;
                values[rank.clamp(1, values.len()) - 1]
            }),
            Aggregate::Latest => {
                // Time goes by panes; what is of one pane is of one time.
                let pane = |fact: &Fact| fact.ts_ms.div_euclid(book.pane_ms);
                let newest = valued.clone().map(|(fact, _)| pane(fact)).max();
                let of_newest = valued.filter(|(fact, _)| Some(pane(fact)) == newest);
                let of_newest: Vec<f64> = of_newest.filter_map(|(fact, _)| fact.value).collect();
                measured.then(|| of_newest.iter().sum::<f64>() / of_newest.len() as f64)
            }
            Aggregate::Dispersion => measured.then(|| {
                let of = |q: f64| values[((q * values.len() as f64).ceil() as usize).max(1) - 1];
                let (low, high) = (of(0.25), of(0.75));
                let sum = low + high;
                if sum == 0.0 { 0.0 } else { (high - low) / sum }
            }),
            Aggregate::RatePer10k { base, per_ms } => {
                samples = count;
                let base = surroundings.base(base, book, kqi, group, end_ms);
                let periods = (end_ms - start_ms) as f64 / *per_ms as f64;
                base.map(|base| shown * 10_000.0 / base / periods)
            }
            Aggregate::Change { against_ms } if kqi.stream == Stream::Gauge => {
                let mean = |from_ms: i64, to_ms: i64| {
                    let values = within(from_ms, to_ms).filter_map(|(fact, _)| fact.value);
                    let values: Vec<f64> = values.collect();
                    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
                };
                let before = mean(start_ms - against_ms, end_ms - against_ms);
                let before = before.filter(|before| *before != 0.0);
                let now = mean(start_ms, end_ms);
                now.zip(before)
                    .map(|(now, before)| (now - before) / before.abs())
            }
            Aggregate::Change { against_ms } => {
                let (from_ms, to_ms) = (start_ms - against_ms, end_ms - against_ms);
                let before = counted(from_ms, to_ms) as f64;
                samples = shown.max(before) as i64;
                let rule = &book.streams[&kqi.stream];
                let bearable = (to_ms - from_ms) * i64::from(rule.unheard_percent_max);
                let knows = |from_ms: i64, to_ms: i64| {
                    missed(heard, kqi.stream, from_ms, to_ms, rule.quiet_max_ms) * 100 <= bearable
                };
                // Of a window that fills nobody knows yet how much of it will be heard.
                let is_known = knows(from_ms, to_ms) && (!sealed || knows(start_ms, end_ms));
                (is_known && before > 0.0).then(|| (shown - before) / before)
            }
            Aggregate::Surge { weeks, min_weeks } => {
                samples = shown as i64;
                let quiet_ms = book.streams[&kqi.stream].quiet_max_ms;
                let starts = (1..=i64::from(*weeks)).map(|week| start_ms - week * WEEK_MS);
                let known: Vec<i64> = starts
                    .filter(|from_ms| {
                        let to_ms = from_ms + (end_ms - start_ms);
                        was_heard(heard, kqi.stream, *from_ms, to_ms, quiet_ms)
                    })
                    .collect();
                let sum: i64 = known
                    .iter()
                    .map(|from_ms| counted(*from_ms, from_ms + (end_ms - start_ms)))
                    .sum();
                (known.len() >= *min_weeks as usize).then(|| {
                    let weeks = known.len() as f64;
                    let (now, then) = (shown + 0.375, sum as f64 / weeks + 0.375);
                    2.0 * (now.sqrt() - then.sqrt()) / (1.0 + 1.0 / weeks).sqrt()
                })
            }
        };
        let is_change = matches!(kqi.aggregate, Aggregate::Change { .. });
        // No facts to speak of: no row. Facts without a measured value are none for a mean.
        if samples == 0 || (count == 0 && !is_change) {
            return None;
        }
        Some(Row {
            end_ms,
            count,
            good,
            samples,
            value: value.map(|value| in_unit(kqi, value)),
            suppressible: surroundings.suppresses(book, kqi, group, start_ms, end_ms),
            sealed,
        })
    }
}

pub(crate) fn in_unit(kqi: &Kqi, value: f64) -> f64 {
    match (&kqi.aggregate, &kqi.unit) {
        (Aggregate::Ratio | Aggregate::Change { .. } | Aggregate::Dispersion, Unit::Percent) => {
            value * 100.0
        }
        (Aggregate::Dispersion, _) => value,
        (Aggregate::Count | Aggregate::Ratio | Aggregate::RatePer10k { .. }, _) => value,
        (Aggregate::Change { .. } | Aggregate::Surge { .. }, _) => value,
        (_, Unit::Percent) if kqi.stream == Stream::BossOccupancy => value * 100.0,
        (_, Unit::Seconds) if kqi.stream != Stream::Gauge => value / 1_000.0,
        _ => value,
    }
}

/// Hours in which something was heard on a stream.
fn heard(lines: &[Value]) -> BTreeSet<(Stream, i64)> {
    let hour = |line: &Value| {
        let stream = stream_of(line)?;
        let ts_ms = time_of(line, "ts");
        Some((stream, ts_ms.div_euclid(HOUR_MS) * HOUR_MS))
    };
    lines.iter().filter_map(hour).collect()
}

/// Whether the stream was heard before and after every instant of a span, not too far apart.
fn was_heard(
    heard: &BTreeSet<(Stream, i64)>,
    stream: Stream,
    from_ms: i64,
    to_ms: i64,
    quiet_ms: i64,
) -> bool {
    let hours =
        (from_ms.div_euclid(HOUR_MS)..=(to_ms - 1).div_euclid(HOUR_MS)).map(|hour| hour * HOUR_MS);
    let of_stream: Vec<i64> = heard
        .iter()
        .filter(|(of, _)| *of == stream)
        .map(|(_, hour_ms)| *hour_ms)
        .collect();
    hours.into_iter().all(|hour_ms| {
        let before = of_stream.iter().rev().find(|ms| **ms <= hour_ms);
        let after = of_stream.iter().find(|ms| **ms >= hour_ms);
        before
            .zip(after)
            .is_some_and(|(before, after)| after - before <= quiet_ms)
    })
}

/// Time of a span in which nothing is known of a stream, ms: asked of every hour that it touches, one by one. An hour in
/// which something was heard is known unless speech began somewhere within it; one in which nothing was is known where
/// those before and after it that were heard are near each other.
fn missed(
    heard: &BTreeSet<(Stream, i64)>,
    stream: Stream,
    from_ms: i64,
    to_ms: i64,
    quiet_ms: i64,
) -> i64 {
    let hours: Vec<i64> = heard
        .iter()
        .filter(|(of, _)| *of == stream)
        .map(|(_, hour_ms)| *hour_ms)
        .collect();
    let knows = |hour_ms: i64| {
        let before = hours.iter().rev().find(|ms| **ms < hour_ms);
        let then = hours.iter().find(|ms| **ms >= hour_ms);
        let is_near = |(before, then): (&i64, &i64)| then - before <= quiet_ms;
        before.zip(then).is_some_and(is_near)
    };
    let mut missed_ms = 0;
    let mut hour_ms = from_ms.div_euclid(HOUR_MS) * HOUR_MS;
    while hour_ms < to_ms {
        if !knows(hour_ms) {
            missed_ms += to_ms.min(hour_ms + HOUR_MS) - from_ms.max(hour_ms);
        }
        hour_ms += HOUR_MS;
    }
    missed_ms
}

impl Fact {
    /// A dimension's value; `Null` where the fact has none.
    pub(crate) fn get(&self, name: &str) -> DimensionValue {
        self.dimensions
            .get(name)
            .cloned()
            .unwrap_or(DimensionValue::Null)
    }
}
