//! What reports are made from, and what all of them begin with.

use serde::{Deserialize, Serialize};

use crate::alerting::Alert;
use crate::effect::Totals;
use crate::reports::report::{Report, Value};
use crate::reports::{benchmark, bulletin, demands, effects, frontline};
use crate::rules::{Kqi, Period, ReportKind, ReportRule, RuleBook, Text, score};
use crate::triggers::{Process, Trigger};

/// The engine's state as reports read it, as of the tick that makes one due.
pub struct Facts<'a> {
    /// The rule book in force.
    pub book: &'a RuleBook,
    /// The report that is due.
    pub rule: &'a ReportRule,
    /// What it is about.
    pub period: &'a Period,
    /// The journal's clock, ms.
    pub now_ms: i64,
    /// Every trigger that is kept, by identifier.
    pub triggers: Vec<&'a Trigger>,
    /// Alerts that go on or are remembered.
    pub alerts: Vec<&'a Alert>,
    /// The past of what is watched, in the order of the book's KQIs and of labels.
    pub objects: Vec<Object<'a>>,
    /// Counters of the process.
    pub process: &'a Process,
    /// Up to when complaints are known in full, event time, ms.
    pub complaints_upto_ms: i64,
    /// How much of the period nobody heard complaints of, ms; 0 where it is so little that a change is told of it.
    pub unheard_ms: i64,
    /// Whether complaints were heard through the period before, but for so little that a change is told of it.
    pub is_before_heard: bool,
    /// Complaint records of the period.
    pub records: Records,
    /// Periods of this report since the one before that nobody was told.
    pub skipped: u64,
}

/// One object's past, added up.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    /// What is measured.
    pub kqi: &'a Kqi,
    /// Dimensions and their values.
    pub dimensions: &'a [(String, String)],
    /// Whether values add up; they are not scored then.
    pub is_count: bool,
    /// Whether its windows add up to exactly the period, and to the one before: sums of others would tell of other
    /// days as well.
    pub is_exact: bool,
    /// In the period: windows of counts that lie in it, else those that ended in it; `None` where nothing is known.
    pub now: Option<Totals>,
    /// In the period before.
    pub before: Option<Totals>,
}

/// Complaint records by the journal's clock: tickets when they are filed, each time that they are handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// All that came, excluded ones among them.
    pub received: u64,
    /// Those that are complaints, and say about what.
    pub valid: u64,
}

/// An object with enough samples to be judged over the period as a whole.
pub(super) struct Judged<'a> {
    pub(super) kqi: &'a Kqi,
    pub(super) dimensions: &'a [(String, String)],
    /// Mean of the windows' values, weighted by samples, in the KQI's unit.
    pub(super) value: f64,
    pub(super) samples: i64,
    pub(super) score: Option<f64>,
    pub(super) score_before: Option<f64>,
    pub(super) is_outside: bool,
}

/// The report that is due.
pub fn build(facts: &Facts<'_>) -> Report {
    let mut report = Report {
        id: facts.rule.id.clone(),
        kind: facts.rule.kind,
        name: facts.rule.name.clone(),
        period: facts.period.clone(),
        is_daily: facts.rule.every == crate::rules::Every::Day,
        decided_at_ms: facts.now_ms,
        time_zone: facts.book.time_zone.clone(),
        rule_version: format!("{} {}", facts.book.name, facts.book.version),
        figures: Vec::new(),
        remarks: Vec::new(),
        chart: None,
        tables: Vec::new(),
    };
    match facts.rule.kind {
        ReportKind::DemandList => demands::fill(facts, &mut report),
        ReportKind::Bulletin => bulletin::fill(facts, &mut report),
        ReportKind::Benchmark => benchmark::fill(facts, &mut report),
        ReportKind::Effects => effects::fill(facts, &mut report),
        ReportKind::Frontline => frontline::fill(facts, &mut report),
    }
    if facts.skipped > 0 {
        let count = facts.skipped;
        report.remarks.push(text(
            format!("此前有 {count} 期未生成：系统当时未运行。"),
            format!("{count} earlier issues were not made: the engine was not running when they were due."),
        ));
    }
    report
}

impl Facts<'_> {
    /// Whether an instant is in the period.
    pub(super) fn is_within(&self, at_ms: i64) -> bool {
        (self.period.from_ms..self.period.to_ms).contains(&at_ms)
    }

    /// An instant in the book's zone: `2026-03-02 08:30`; empty before the first.
    pub(super) fn moment(&self, at_ms: i64) -> String {
        let at = jiff::Timestamp::from_millisecond(at_ms).ok();
        let at = at.and_then(|at| at.in_tz(&self.book.time_zone).ok());
        at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M").to_string())
    }

    /// Objects that can be judged, and how many have too few samples or no past.
    pub(super) fn judged(&self) -> (Vec<Judged<'_>>, usize) {
        let mut judged = Vec::new();
        let mut insufficient = 0;
        for object in self.objects.iter().filter(|object| !object.is_count) {
            let Object {
                kqi, dimensions, ..
            } = *object;
            let enough = |totals: Option<Totals>| {
                let totals = totals.filter(|totals| totals.samples as u64 >= kqi.min_samples)?;
                Some((totals.mean()?, totals.samples))
            };
            let scored = |value: f64| kqi.anchors.as_ref().map(|anchors| score(anchors, value));
            let Some((value, samples)) = enough(object.now) else {
                insufficient += 1;
                continue;
            };
            judged.push(Judged {
                kqi,
                dimensions,
                value,
                samples,
                score: scored(value),
                score_before: enough(object.before).and_then(|(value, _)| scored(value)),
                is_outside: !kqi.interval.contains(value),
            });
        }
        (judged, insufficient)
    }

    /// Display name of a service.
    pub(super) fn service_name(&self, id: Option<&str>) -> Value {
        let known = self
            .book
            .services
            .iter()
            .find(|service| Some(&*service.id) == id);
        match known {
            Some(service) => service.name.clone().into(),
            None => Value::name(id.unwrap_or_default()),
        }
    }
}

impl<'a> Judged<'a> {
    /// The service that it belongs to.
    pub(super) fn service(&self) -> Option<&'a str> {
        let own = self.kqi.service.as_deref();
        own.or_else(|| dimension(self.dimensions, "service"))
    }

    /// The value with its unit.
    pub(super) fn shown(&self) -> Value {
        measured(self.value, &unit(self.kqi))
    }
}

/// A text in both languages.
pub(super) fn text(zh: impl Into<String>, en: impl Into<String>) -> Text {
    Text {
        zh: zh.into(),
        en: en.into(),
    }
}

/// The value of a dimension.
pub(super) fn dimension<'a>(dimensions: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    let found = dimensions.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| value.as_str())
}

/// Where an object is: everything that tells it apart but the service.
pub(super) fn place(dimensions: &[(String, String)]) -> String {
    let values: Vec<&str> = dimensions
        .iter()
        .filter(|(name, value)| name != "service" && !value.is_empty())
        .map(|(_, value)| value.as_str())
        .collect();
    values.join(" · ")
}

/// A KQI's unit as people write it.
pub(super) fn unit(kqi: &Kqi) -> String {
    kqi.unit.text().to_owned()
}

/// A measured value: as many digits as are worth reading.
pub(super) fn measured(value: f64, unit: &str) -> Value {
    let digits = match value.abs() {
        size if size >= 1_000.0 => 0,
        size if size >= 100.0 => 1,
        _ => 2,
    };
    Value::number(value, digits, unit)
}

/// A reasonable interval: `≥ 95 %`.
pub(super) fn limit(min: Option<f64>, max: Option<f64>, unit: &str) -> Value {
    let text = match (min, max) {
        (None, None) => return Value::Empty,
        (Some(min), None) => format!("≥ {min}"),
        (None, Some(max)) => format!("≤ {max}"),
        (Some(min), Some(max)) => format!("{min} – {max}"),
    };
    Value::name(format!("{text} {unit}").trim_end())
}

/// Where a reasonable interval that is shown comes from; nothing where none is.
pub(super) fn limit_source(kqi: Option<&Kqi>, limit: &Value) -> Value {
    if *limit == Value::Empty {
        return Value::Empty;
    }
    let source = kqi.and_then(Kqi::limit_source);
    source.map_or(Value::Empty, Value::name)
}

/// Arithmetic mean; none of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A share in percent; nothing where there is no whole.
pub(super) fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64 * 100.0)
}
