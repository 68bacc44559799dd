//! One alert rule on one object: its timeline, its values, and whom it told what.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};

use crate::alerting::{Alert, AlertState, Episode, Phase, Statement, Timeline, TransitionReason};
use crate::dataflow::{Cell, Group, WindowUpdate};
use crate::engine::values::{Values, worse};
use crate::engine::watchlist::Watch;
use crate::rules::{Contact, Interval, Severity, Unit, Verdict};

/// One alert rule on one object.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Instance {
    pub(super) group: Arc<Group>,
    /// The group's label, to name the object by.
    pub(super) label: Arc<str>,
    /// Plan under which it began, and the end of its first window: after a rule came back, or the
    /// past was forgotten, numbers begin anew, and incidents must not.
    born: (u64, i64),
    pub(super) timeline: Timeline,
    pub(super) values: Values,
    /// Worst value of what goes on: kept, because every reader of the alerts asks for it.
    worst: Option<f64>,
    /// Why it is in its present state.
    pub(super) reason: TransitionReason,
    /// What was told of its episodes, by number: a correction may concern any that is remembered.
    pub(super) told: BTreeMap<u32, Told>,
}

/// Whom an incident was told to, how often, and what was said last.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) revision: u32,
    pub(super) recipients: Vec<Contact>,
    pub(super) said: Statement,
}

impl Instance {
    pub(super) fn new(group: Arc<Group>, plan_version: u64, first_end_ms: i64) -> Instance {
        Instance {
            label: group.label.as_str().into(),
            group,
            born: (plan_version, first_end_ms),
            timeline: Timeline::default(),
            values: Values::default(),
            worst: None,
            reason: TransitionReason::Breach,
            told: BTreeMap::new(),
        }
    }

    /// Takes a window's values.
    pub(super) fn note(&mut self, update: &WindowUpdate, cell: &Cell, interval: Interval) {
        self.values.note(update, cell);
        if let (Verdict::Abnormal(_), Some(value)) = (cell.verdict, cell.value) {
            let worst = self.worst.map(|worst| worse(interval, worst, value));
            self.worst = worst.or(Some(value));
        }
    }

    /// Begins the values anew: the KQI is another one, and nothing may be compared with it.
    pub(super) fn forget_values(&mut self) {
        self.values = Values::default();
        self.worst = None;
    }

    /// Forgets values of windows that the timeline does not remember; what goes on is needed.
    pub(super) fn forget_values_before(&mut self, horizon_ms: i64) {
        let episodes = self.timeline.episodes();
        let first_ms = episodes.first().map(|episode| episode.since_ms);
        let needed_ms = match self.timeline.phase() {
            Phase::Pending { since_ms, .. } => first_ms.or(Some(since_ms)),
            Phase::Quiet | Phase::Firing { .. } => first_ms,
        };
        let keep_ms = needed_ms.map_or(horizon_ms, |ms| horizon_ms.min(ms - 1));
        self.values.forget(keep_ms);
    }

    /// Looks for the worst value of what goes on again: its windows changed, or another thing does.
    pub(super) fn find_worst(&mut self, interval: Interval) {
        let since_ms = match self.timeline.phase() {
            Phase::Quiet => i64::MAX,
            Phase::Pending { since_ms, .. } | Phase::Firing { since_ms, .. } => since_ms,
        };
        self.worst = self.values.worst(interval, since_ms, i64::MAX);
    }

    /// Identity of one of its incidents.
    pub(super) fn incident(&self, alert: &str, number: u32) -> String {
        incident_of(alert, &self.group.label, self.born, number)
    }

    /// What had been said of an episode.
    pub(super) fn said(&self, number: u32) -> Option<&Statement> {
        self.told.get(&number).map(|told| &told.said)
    }

    /// The alert as people see it; `episode` is the firing that it speaks of, if any, and `reason`
    /// why that is as it is.
    pub(super) fn alert(
        &self,
        watch: Watch<'_>,
        episode: Option<Episode>,
        reason: TransitionReason,
        trigger: Option<String>,
    ) -> Alert {
        let Watch { rule, kqi, book } = watch;
        let (state, since_ms, severity) = match (episode, self.timeline.phase()) {
            (Some(episode), _) => {
                let over = episode.resolved_at_ms.is_some();
                let state = if over {
                    AlertState::Resolved
                } else {
                    AlertState::Firing
                };
                (state, episode.since_ms, episode.severity)
            }
            (
                None,
                Phase::Pending {
                    since_ms, severity, ..
                },
            ) => (AlertState::Pending, since_ms, severity),
            (None, _) => (AlertState::Resolved, 0, Severity::Warning),
        };
        let ended = episode.and_then(|episode| Some((episode, episode.resolved_at_ms?)));
        let worst_value = match ended {
            Some((episode, end_ms)) => self.values.worst(kqi.interval, episode.since_ms, end_ms),
            None => self.worst,
        };
        let service = kqi.service.as_deref().or_else(|| self.group.get("service"));
        let service_name = book
            .services
            .iter()
            .find(|known| Some(known.id.as_str()) == service);
        let (start_ms, end_ms, cell) = match ended {
            Some((_, end_ms)) if reason == TransitionReason::Cleared => {
                self.values.newest_by(watch.kqi, end_ms)
            }
            _ => self.values.newest(),
        };
        Alert {
            alert: rule.id.clone(),
            incident: self.incident(&rule.id, episode.map_or(0, |episode| episode.number)),
            kqi: Some(kqi.id.clone()),
            name: kqi.name.clone(),
            service: service.map(str::to_owned),
            service_name: service_name.map(|service| service.name.clone()),
            layer: Some(kqi.layer),
            department: kqi.department.clone(),
            group_label: self.group.label.clone(),
            group: self.group.values.clone(),
            severity,
            state,
            active_since_ms: since_ms,
            fired_at_ms: episode.map(|episode| episode.fired_at_ms),
            resolved_at_ms: episode.and_then(|episode| episode.resolved_at_ms),
            reason,
            value: cell.value,
            verdict: Some(cell.verdict),
            expected: cell.expected,
            worst_value,
            score: cell.score,
            samples: cell.samples,
            limit_min: kqi.interval.min,
            limit_max: kqi.interval.max,
            unit: unit_text(&kqi.unit),
            window_ms: (start_ms, end_ms),
            trigger,
            holder: None,
            beside: None,
        }
    }
}

/// Identity of an incident: of the alert, the object, when that began to be watched, and the count
/// of its firings since.
pub(super) fn incident_of(alert: &str, group_label: &str, born: (u64, i64), number: u32) -> String {
    let mut hasher = FxHasher::default();
    (alert, group_label, born, number).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The unit as people write it.
pub(super) fn unit_text(unit: &Unit) -> String {
    unit.text().to_owned()
}
