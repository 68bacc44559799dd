//! The engine's own alert: a source has fallen silent, so what hangs on it cannot be seen.
//!
//! It is the one alert on the journal's clock and not on event time, which stands still here.

use std::collections::BTreeMap;

use crate::alerting::{Alert, AlertState, NoticeReason, Transition, TransitionReason};
use crate::dataflow::Watermarks;
use crate::engine::instance::incident_of;
use crate::event::SourceId;
use crate::rules::{Plan, Severity, Text};

/// Identity of the alert.
const ALERT: &str = "source_silent";

/// Sources that are silent now.
#[derive(Debug, Default)]
pub(super) struct Silences {
    firing: BTreeMap<SourceId, Alert>,
    episodes: BTreeMap<SourceId, u32>,
}

impl Silences {
    /// Compares the sources with what was known; tells what changed.
    pub(super) fn look(
        &mut self,
        plan: &Plan,
        watermarks: &Watermarks,
    ) -> Vec<(Alert, Transition, NoticeReason)> {
        let mut changes = Vec::new();
        let now_ms = watermarks.now_ms();
        for (id, state) in watermarks.sources() {
            // A stream that no rule reads owes us nothing.
            let read = plan.book.kqis.iter().any(|kqi| kqi.stream == id.stream);
            match (state.idle && read, self.firing.contains_key(id)) {
                (true, false) => {
                    let number = self.episodes.entry(id.clone()).or_insert(0);
                    *number += 1;
                    let alert = alert(plan, id, *number, state.ts_ms_max, now_ms);
                    self.firing.insert(id.clone(), alert.clone());
                    changes.push((transition(&alert, now_ms), alert, NoticeReason::First));
                }
                (false, true) => {
                    if let Some(mut alert) = self.firing.remove(id) {
                        alert.state = AlertState::Resolved;
                        alert.resolved_at_ms = Some(now_ms);
                        alert.reason = TransitionReason::SourceBack;
                        changes.push((transition(&alert, now_ms), alert, NoticeReason::Resolved));
                    }
                }
                _ => {}
            }
        }
        changes
            .into_iter()
            .map(|(transition, alert, reason)| (alert, transition, reason))
            .collect()
    }

    /// Alerts that fire.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.firing.values()
    }
}

fn transition(alert: &Alert, at_ms: i64) -> Transition {
    Transition {
        alert: alert.alert.clone(),
        group: alert.group_label.clone(),
        severity: alert.severity,
        state: alert.state,
        at_ms,
        value: None,
        reason: alert.reason,
    }
}

fn alert(plan: &Plan, id: &SourceId, number: u32, ts_ms_max: i64, now_ms: i64) -> Alert {
    let stream = id.stream.name();
    let mut group = vec![("stream".to_owned(), stream.to_owned())];
    if let Some(name) = &id.name {
        group.push(("source".to_owned(), name.to_string()));
    }
    let label: Vec<String> = group
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let label = label.join(";");
    let reader = plan.book.kqis.iter().find(|kqi| kqi.stream == id.stream);
    Alert {
        alert: ALERT.to_owned(),
        incident: incident_of(ALERT, &label, Default::default(), number),
        kqi: None,
        name: Text {
            zh: format!("数据源静默：{stream}"),
            en: format!("Source silent: {stream}"),
        },
        service: None,
        service_name: None,
        layer: None,
        department: reader.and_then(|kqi| kqi.department.clone()),
        group_label: label,
        group,
        severity: Severity::Major,
        state: AlertState::Firing,
        active_since_ms: ts_ms_max,
        fired_at_ms: Some(now_ms),
        resolved_at_ms: None,
        reason: TransitionReason::SourceSilent,
        value: None,
        worst_value: None,
        score: None,
        samples: 0,
        limit_min: None,
        limit_max: None,
        unit: String::new(),
        window_ms: (ts_ms_max, ts_ms_max),
        trigger: None,
    }
}
