//! KQI values as series: one set of labels for every KQI, empty where a KQI has no such dimension.
//!
//! Values are in base units (seconds, shares of one) and of the newest *sealed* window. An object
//! that cannot be judged keeps its verdict series and loses its value: nothing freezes.

use std::collections::BTreeMap;

use prometheus::proto::MetricFamily;

use crate::api::{Current, GroupNow, KqiNow, layer_name, unit_text};
use crate::metrics::Scrape;
use crate::metrics::family::Family;
use crate::rules::{Kqi, Severity, Unit, Verdict};

/// Labels of an object; `group` names all dimensions, also those without a label of their own.
const OBJECT: &[&str] = &[
    "kqi",
    "service",
    "city",
    "channel",
    "host",
    "interface",
    "group",
];

/// A KQI's value in base units.
fn base(kqi: &Kqi, value: f64) -> f64 {
    match kqi.unit {
        Unit::Percent => value / 100.0,
        Unit::Milliseconds => value / 1_000.0,
        Unit::Ratio | Unit::Seconds | Unit::Count | Unit::Per10k | Unit::Other(_) => value,
    }
}

/// A verdict as a number for value mappings: above zero is abnormal, below zero cannot be judged.
fn code(verdict: Verdict) -> f64 {
    match verdict {
        Verdict::Normal => 0.0,
        Verdict::Abnormal(Severity::Warning) => 1.0,
        Verdict::Abnormal(Severity::Minor) => 2.0,
        Verdict::Abnormal(Severity::Major) => 3.0,
        Verdict::Abnormal(Severity::Critical) => 4.0,
        Verdict::Insufficient => -1.0,
        Verdict::NoTraffic => -2.0,
        Verdict::SourceSilent => -3.0,
        Verdict::Suppressed => -4.0,
    }
}

/// Limits of each KQI, and whether more than that is on the page.
pub(super) fn catalogue(scrape: &Scrape<'_>, page: &mut Vec<MetricFamily>) {
    let mut limit = Family::gauge(
        "kqi_limit",
        "Ends of the reasonable interval, in base units.",
        &["kqi", "service", "bound"],
    );
    let book = &scrape.snapshot.plan.book;
    for kqi in &book.kqis {
        let service = kqi.service.as_deref().unwrap_or_default();
        for (bound, value) in [("min", kqi.interval.min), ("max", kqi.interval.max)] {
            if let Some(value) = value {
                limit.add([&kqi.id, service, bound], base(kqi, value));
            }
        }
    }
    limit.finish(page);

    let mut info = Family::gauge(
        "kqi_info",
        "1 for every KQI of the book in force, with what belongs to it: where its limits come from, and the book's name and version.",
        &[
            "kqi",
            "service",
            "unit",
            "layer",
            "department",
            "limit_source",
            "rules",
        ],
    );
    let rules = format!("{} {}", book.name, book.version);
    for kqi in &book.kqis {
        let labels = [
            kqi.id.as_str(),
            kqi.service.as_deref().unwrap_or_default(),
            unit_text(&kqi.unit),
            layer_name(kqi.layer),
            kqi.department.as_deref().unwrap_or_default(),
            &kqi.limit_source().unwrap_or_default(),
            &rules,
        ];
        info.add(labels, 1.0);
    }
    info.finish(page);
    Family::gauge(
        "kqis_known",
        "1 when values, verdicts, scores, alerts, crossings and triggers are on the page; 0 while a start catches up, when nobody is asked for them.",
        &[],
    )
    .with(f64::from(u8::from(scrape.current.is_some())))
    .finish(page);
}

/// How many of each service's objects have which verdict, and one set of series an object; how many there may be
/// is bounded where they are asked for.
pub(super) fn objects(current: &Current, page: &mut Vec<MetricFamily>) {
    let book = &current.plan.book;
    let mut counts: BTreeMap<(&str, Verdict), u64> = BTreeMap::new();
    let services = book.services.iter().map(|service| service.id.as_str());
    for service in services {
        for verdict in Verdict::ALL {
            counts.insert((service, verdict), 0);
        }
    }
    for now in &current.kqis {
        for group in &now.groups {
            let service = service_of(&book.kqis[now.index], group);
            *counts.entry((service, group.verdict)).or_default() += 1;
        }
    }
    let mut objects = Family::gauge(
        "kqi_objects",
        "Objects (a KQI in one group) that have this verdict now.",
        &["service", "verdict"],
    );
    for ((service, verdict), count) in counts {
        objects.add([service, verdict.name()], count as f64);
    }
    objects.finish(page);

    let mut series = Series::new();
    for now in &current.kqis {
        let kqi = &book.kqis[now.index];
        for group in &now.groups {
            series.add(kqi, now, group);
        }
    }
    series.finish(page);
    Family::gauge(
        "kqi_objects_left_out",
        "Objects without series because there are more than the configured bound.",
        &[],
    )
    .with(current.left_out as f64)
    .finish(page);
}

struct Series {
    value: Family,
    score: Family,
    verdict: Family,
    samples: Family,
    good: Family,
    window_end: Family,
    provisional: Family,
}

impl Series {
    fn new() -> Series {
        let gauge = |name, help| Family::gauge(name, help, OBJECT);
        Series {
            value: gauge(
                "kqi_value",
                "Value of the newest sealed window, in base units (seconds, shares of one); absent while unknown.",
            ),
            score: gauge(
                "kqi_score",
                "Score of the newest sealed window, 5 best to 1 worst; absent while unknown.",
            ),
            verdict: gauge(
                "kqi_verdict",
                "Verdict now: 0 normal, 1 warning, 2 minor, 3 major, 4 critical, -1 insufficient, -2 no traffic, -3 source silent, -4 suppressed.",
            ),
            samples: gauge(
                "kqi_samples",
                "Facts that the newest sealed window's value is based on: the denominator of ratios.",
            ),
            good: gauge(
                "kqi_good",
                "Good facts in the newest sealed window: the numerator of ratios.",
            ),
            window_end: gauge(
                "kqi_window_end_timestamp_seconds",
                "End of the newest sealed window, event time.",
            ),
            provisional: gauge(
                "kqi_provisional_value",
                "Value of the window that is filling, in base units; it will change.",
            ),
        }
    }

    fn add(&mut self, kqi: &Kqi, now: &KqiNow, group: &GroupNow) {
        let dimension = |name| group.group.get(name).unwrap_or_default();
        let labels = [
            kqi.id.as_str(),
            service_of(kqi, group),
            dimension("city"),
            dimension("channel"),
            dimension("host"),
            dimension("interface"),
            group.group.label.as_str(),
        ];
        self.verdict.add(labels, code(group.verdict));
        if let Some(filling) = group.filling.filter(|_| !now.silent)
            && let Some(value) = filling.value
        {
            self.provisional.add(labels, base(kqi, value));
        }
        let speaks = !matches!(group.verdict, Verdict::NoTraffic | Verdict::SourceSilent);
        let Some(sealed) = group.sealed.filter(|_| speaks) else {
            self.samples.add(labels, 0.0);
            self.good.add(labels, 0.0);
            return;
        };
        self.samples.add(labels, sealed.samples as f64);
        self.good.add(labels, sealed.good as f64);
        self.window_end.add(labels, sealed.end_ms as f64 / 1_000.0);
        if let Some(value) = sealed.value {
            self.value.add(labels, base(kqi, value));
        }
        if let Some(score) = sealed.score {
            self.score.add(labels, score);
        }
    }

    fn finish(self, page: &mut Vec<MetricFamily>) {
        self.value.finish(page);
        self.score.finish(page);
        self.verdict.finish(page);
        self.samples.finish(page);
        self.good.finish(page);
        self.window_end.finish(page);
        self.provisional.finish(page);
    }
}

fn service_of<'a>(kqi: &'a Kqi, group: &'a GroupNow) -> &'a str {
    kqi.service
        .as_deref()
        .or_else(|| group.group.get("service"))
        .unwrap_or_default()
}
