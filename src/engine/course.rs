//! What a mail about a trigger shows of its KQI: the value and its course before and after the work, or of the object
//! that opened it; and the alert around them.

use crate::alerting::{Alert, AlertState, ChartPoint, TransitionReason};
use crate::engine::instance::{Instance, unit_text};
use crate::engine::step::Engine;
use crate::engine::values::worse;
use crate::event::Stream;
use crate::rules::{Aggregate, Interval, Kqi, RuleBook, Text};
use crate::triggers::{News, Place, Source, Trigger};

/// Windows of an object, and what they are of.
#[derive(Default)]
pub(super) struct Course {
    /// The KQI, and the object where the trigger is about more than that; none where neither is known.
    pub(super) shows: Option<Text>,
    /// The oldest first.
    pub(super) chart: Vec<ChartPoint>,
}

impl Engine {
    /// The windows before and after the work, once its effect was measured; until then the newest windows of the
    /// object that opened the trigger, or of one that speaks for it: a province that its cities made has none of its own.
    pub(super) fn course_of(&self, trigger: &Trigger, book: &RuleBook) -> Course {
        let kqi_of = |id: &str| book.kqis.iter().find(|kqi| kqi.id == id);
        let report = trigger.measured.as_ref();
        let report = report.and_then(|measured| measured.report.as_ref());
        if let Some(own) = report.and_then(|report| report.deciding()) {
            let points = own.course();
            let shown = kqi_of(&own.kqi);
            return Course {
                shows: shown.map(|kqi| name_of(kqi, counts_for(own.is_count, kqi), None)),
                chart: points
                    .map(|(end_ms, value)| ChartPoint { end_ms, value })
                    .collect(),
            };
        }
        let own = std::iter::once((trigger.kqi.as_str(), trigger.group_label.as_str()));
        let fires = |wanted: bool| {
            let sources = trigger.sources.iter();
            let sources = sources.filter(move |of| of.firing == wanted && of.kqi == trigger.kqi);
            sources.map(
                |Source {
                     kqi, group_label, ..
                 }| (kqi.as_str(), group_label.as_str()),
            )
        };
        let mut objects = own.chain(fires(true)).chain(fires(false));
        let found = objects.find_map(|(kqi, label)| self.watched(kqi, label));
        let Some((instance, hop_ms)) = found else {
            return Course {
                shows: kqi_of(&trigger.kqi).map(|kqi| name_of(kqi, false, None)),
                chart: Vec::new(),
            };
        };
        let place = Place::of(&instance.group.values);
        let elsewhere = (place != trigger.cause.place).then(|| place.text());
        Course {
            shows: kqi_of(&trigger.kqi).map(|kqi| name_of(kqi, false, elsewhere.as_deref())),
            chart: instance.values.chart(hop_ms),
        }
    }

    /// An object that is watched by its KQI, with the distance of its windows, ms.
    fn watched(&self, kqi: &str, label: &str) -> Option<(&Instance, i64)> {
        let mut all = self.instances.iter().enumerate();
        all.find_map(|(rule, objects)| {
            let watch = self.watchlist.watch(rule)?;
            let instance = objects.get(label).filter(|_| watch.kqi.id == kqi)?;
            Some((&**instance, watch.kqi.window.hop_ms))
        })
    }
}

/// The name of a KQI beside numbers of facts that were counted for it.
pub(super) fn counted_name(kqi: &Kqi) -> Text {
    name_of(kqi, counts_for(true, kqi), None)
}

/// Whether facts were counted to measure what is no count itself.
fn counts_for(is_count: bool, kqi: &Kqi) -> bool {
    is_count && !matches!(kqi.aggregate, Aggregate::Count | Aggregate::Sum)
}

/// What a value is of, as people read it.
fn name_of(kqi: &Kqi, is_counted: bool, place: Option<&str>) -> Text {
    let (mut zh, mut en) = (kqi.name.zh.clone(), kqi.name.en.clone());
    if is_counted {
        let (counted_zh, counted_en) = match kqi.stream {
            Stream::Complaint => ("工单数", "tickets"),
            _ => ("笔数", "events"),
        };
        zh.push_str(&format!("（{counted_zh}）"));
        en.push_str(&format!(" ({counted_en})"));
    }
    if let Some(place) = place.filter(|place| !place.is_empty()) {
        zh.push_str(&format!(" · {place}"));
        en.push_str(&format!(" · {place}"));
    }
    Text { zh, en }
}

/// A mail about an effect shows the KQI that decided it, which need not be the one that opened the trigger. Where facts
/// were counted to measure a rate, numbers of facts are shown, and they have no limit.
pub(super) fn show_deciding(alert: &mut Alert, trigger: &Trigger, book: &RuleBook) {
    let report = trigger.measured.as_ref();
    let report = report.and_then(|measured| measured.report.as_ref());
    let deciding = report.and_then(|report| report.deciding());
    let Some(deciding) = deciding else {
        return;
    };
    let Some(kqi) = book.kqis.iter().find(|kqi| kqi.id == deciding.kqi) else {
        return;
    };
    let is_counted_for = counts_for(deciding.is_count, kqi);
    if kqi.id == trigger.kqi && !is_counted_for {
        return;
    }
    alert.kqi = Some(kqi.id.clone());
    alert.name = kqi.name.clone();
    (alert.worst_value, alert.score) = (None, None);
    if is_counted_for {
        alert.unit = String::new();
        (alert.limit_min, alert.limit_max) = (None, None);
    } else {
        alert.unit = unit_text(&kqi.unit);
        (alert.limit_min, alert.limit_max) = (kqi.interval.min, kqi.interval.max);
    }
}

/// The alert that a demand's mail shows: what opened the trigger, as of its newest window.
pub(super) fn alert_of(trigger: &Trigger, news: &News) -> Alert {
    let own = trigger
        .evidence
        .iter()
        .rev()
        .find(|known| known.kqi == trigger.kqi);
    // What was refused, or only said to be mended, may fire on.
    let over = !trigger.alert_firing;
    let interval = Interval {
        min: trigger.limit_min,
        max: trigger.limit_max,
    };
    let own_values = trigger
        .evidence
        .iter()
        .filter(|known| known.kqi == trigger.kqi);
    let worst = own_values
        .filter_map(|known| known.value)
        .reduce(|worst, value| worse(interval, worst, value));
    Alert {
        alert: trigger.kqi.clone(),
        incident: trigger.id.clone(),
        kqi: Some(trigger.kqi.clone()),
        name: trigger.title.clone(),
        service: trigger.service.clone(),
        service_name: trigger.service_name.clone(),
        layer: Some(trigger.layer),
        department: Some(trigger.owner.department.clone()),
        group_label: trigger.group_label.clone(),
        group: trigger.group.clone(),
        severity: trigger.severity,
        state: if over {
            AlertState::Resolved
        } else {
            AlertState::Firing
        },
        active_since_ms: trigger.since_ms,
        fired_at_ms: Some(trigger.since_ms),
        resolved_at_ms: (over && trigger.state.is_final()).then_some(news.at_ms),
        reason: TransitionReason::Breach,
        value: own.and_then(|known| known.value),
        verdict: None,
        expected: None,
        worst_value: worst,
        score: own.and_then(|known| known.score),
        samples: own.map_or(0, |known| known.samples),
        limit_min: trigger.limit_min,
        limit_max: trigger.limit_max,
        unit: trigger.unit.clone(),
        window_ms: own.map_or((trigger.since_ms, trigger.since_ms), |known| {
            (known.start_ms, known.end_ms)
        }),
        trigger: Some(trigger.id.clone()),
        holder: None,
        beside: None,
    }
}
