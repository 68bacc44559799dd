//! KQIs of the process itself (domain fact H29): judged like those of services, and told to the data department,
//! which coordinates and watches the others.
//!
//! On the journal's clock, and not at every tick: their windows are days. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alerting::{Alert, AlertState, NoticeReason, Transition, TransitionReason};
use crate::engine::instance::incident_of;
use crate::engine::silence::transition;
use crate::rules::{Plan, ProcessKqi, Severity, score, severity_of_score};
use crate::triggers::TriggerBook;

/// They are looked at once in so long, ms. Judgement: their windows are days, and mails about habits can wait a minute.
const EVERY_MS: i64 = 60_000;

/// What a KQI of the process comes to, of a department or of all.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessValue {
    /// The KQI.
    pub kqi: ProcessKqi,
    /// The department; empty for all.
    pub department: String,
    /// Its mean.
    pub value: f64,
    /// What it is the mean of.
    pub samples: u64,
    /// 1 to 5; none with too few samples.
    pub score: Option<f64>,
    /// Whether it is beyond its limit.
    pub is_over: bool,
}

impl ProcessValue {
    /// Largest reasonable value.
    pub fn limit(&self) -> f64 {
        self.kqi.anchors.values[2]
    }
}

/// Alerts on the process that there are now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ProcessWatch {
    looked_at_ms: Option<i64>,
    firing: BTreeMap<(String, String), Alert>,
    episodes: BTreeMap<String, u32>,
    #[serde(skip)]
    values: Vec<ProcessValue>,
}

impl ProcessWatch {
    /// Looks, when it is time; tells what changed by it.
    pub(super) fn look(
        &mut self,
        plan: &Plan,
        triggers: &mut TriggerBook,
        now_ms: i64,
    ) -> Vec<(Alert, Transition, NoticeReason)> {
        let minute = now_ms.div_euclid(EVERY_MS);
        let before = self.looked_at_ms.map(|ms| ms.div_euclid(EVERY_MS));
        if before.is_some_and(|before| minute <= before) {
            return Vec::new();
        }
        self.looked_at_ms = Some(now_ms);
        let kqis = &plan.book.triggers.process;
        let longest_ms = kqis.iter().map(|kqi| kqi.window_ms).max().unwrap_or(0);
        triggers.forget_samples_before(now_ms.saturating_sub(longest_ms));
        self.values = values(plan, triggers, now_ms);
        let mut told = Vec::new();
        for value in self.values.iter().filter(|value| value.is_over) {
            let key = (value.kqi.id.clone(), value.department.clone());
            if let Some(alert) = self.firing.get_mut(&key) {
                describe(alert, value);
                continue;
            }
            let number = self.episodes.entry(value.kqi.id.clone()).or_insert(0);
            *number += 1;
            let alert = alert(plan, value, *number, now_ms);
            told.push((
                alert.clone(),
                transition(&alert, now_ms),
                NoticeReason::First,
            ));
            self.firing.insert(key, alert);
        }
        let over = |(kqi, department): &(String, String)| {
            let mut values = self.values.iter();
            values.any(|of| of.is_over && of.kqi.id == *kqi && of.department == *department)
        };
        let ended: Vec<(String, String)> = self
            .firing
            .keys()
            .filter(|key| !over(key))
            .cloned()
            .collect();
        for key in ended {
            let Some(mut alert) = self.firing.remove(&key) else {
                continue;
            };
            let mut values = self.values.iter();
            if let Some(value) = values.find(|of| (&of.kqi.id, &of.department) == (&key.0, &key.1))
            {
                describe(&mut alert, value);
            }
            alert.state = AlertState::Resolved;
            alert.resolved_at_ms = Some(now_ms);
            alert.reason = TransitionReason::WithinLimit;
            told.push((
                alert.clone(),
                transition(&alert, now_ms),
                NoticeReason::Resolved,
            ));
        }
        told
    }

    /// Finds again what they came to, after a restart.
    pub(super) fn recall(&mut self, plan: &Plan, triggers: &TriggerBook) {
        if let Some(looked_at_ms) = self.looked_at_ms {
            self.values = values(plan, triggers, looked_at_ms);
        }
    }

    /// What they came to when they were looked at last.
    pub(super) fn values(&self) -> &[ProcessValue] {
        &self.values
    }

    /// Alerts that fire.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.firing.values()
    }
}

fn values(plan: &Plan, triggers: &TriggerBook, now_ms: i64) -> Vec<ProcessValue> {
    let book = &*plan.book;
    let judged = book.triggers.process.iter().flat_map(|kqi| {
        let all = triggers.triggers().map(|trigger| &**trigger);
        let open = all.filter(|trigger| !trigger.state.is_final());
        let open = open.map(|trigger| (trigger, trigger.decided_by(book)));
        let means = triggers.samples().means(kqi, open, now_ms).into_iter();
        means.map(|(department, (value, samples))| {
            let is_enough = samples >= kqi.min_samples;
            ProcessValue {
                kqi: kqi.clone(),
                department,
                value,
                samples,
                score: is_enough.then(|| score(&kqi.anchors, value)),
                is_over: is_enough && value > kqi.anchors.values[2],
            }
        })
    });
    judged.collect()
}

fn alert(plan: &Plan, value: &ProcessValue, number: u32, now_ms: i64) -> Alert {
    let book = &plan.book;
    let kqi = &value.kqi;
    let group = match value.department.is_empty() {
        true => Vec::new(),
        false => vec![("department".to_owned(), value.department.clone())],
    };
    let own = Alert::of_engine(
        &kqi.id,
        kqi.name.clone(),
        group,
        TransitionReason::OverLimit,
        now_ms,
    );
    let mut alert = Alert {
        incident: incident_of(&kqi.id, &own.group_label, Default::default(), number),
        department: book.coordinating_department().map(str::to_owned),
        limit_max: Some(value.limit()),
        unit: kqi.unit().to_owned(),
        window_ms: (now_ms - kqi.window_ms, now_ms),
        ..own
    };
    describe(&mut alert, value);
    alert
}

/// Brings an alert's numbers up to date.
fn describe(alert: &mut Alert, value: &ProcessValue) {
    alert.value = Some(value.value);
    alert.score = value.score;
    alert.samples = i64::try_from(value.samples).unwrap_or(i64::MAX);
    let worst = alert.worst_value.unwrap_or(value.value).max(value.value);
    alert.worst_value = Some(worst);
    alert.severity = value.score.map_or(Severity::Minor, severity_of_score);
}
