//! Blind spots as alerts of their own: people complain, and every KQI is normal.
//!
//! One begins when the time has passed in which a KQI could still turn red. It ends when complaints do, or a KQI
//! turns red later. When late data say that it never was (the complaints were taken back, or a KQI had been red
//! all along), whoever was told is told that, with what was said before.

use std::collections::BTreeMap;

use crate::alerting::{
    Alert, AlertState, Correction, NoticeReason, Phase, Statement, Transition, TransitionReason,
    Truth,
};
use crate::dataflow::Cell;
use crate::engine::crossing::{BLIND_SPOT, Crossed, Seen};
use crate::engine::instance::incident_of;
use crate::engine::silence::transition;
use crate::engine::step::{Effect, Engine, Turn};
use crate::rules::Plan;
use crate::triggers::Crossing;

impl Engine {
    /// Tells which blind spots began and ended. One that cannot be seen any more goes on: no data is no health.
    pub(super) fn tell_blind_spots(
        &mut self,
        blind: BTreeMap<(String, String), Alert>,
        crossed: &[Crossed],
        seen: &Seen,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let plan = &turn.watchlist.plan;
        let now_ms = turn.cut.now_ms;
        let mut changes: Vec<(Transition, Alert, NoticeReason, Option<Correction>)> = Vec::new();
        let mut over = Vec::new();
        for (key, alert) in &self.crossings.blind {
            let (service, label) = key;
            let mut rest = crossed
                .iter()
                .filter(|of| of.service == *service && of.group_label == *label);
            let is_confirmed = rest.any(|of| of.crossing == Crossing::Confirmed);
            let kqi = alert.kqi.as_deref().unwrap_or_default();
            let reason = if is_confirmed {
                TransitionReason::Confirmed
            } else if !self.fires(plan, kqi, label) {
                TransitionReason::Cleared
            } else {
                continue;
            };
            let episodes = seen.episodes.get(key).map(Vec::as_slice);
            let was_there = episodes.unwrap_or_default().iter().any(|(from_ms, to_ms)| {
                *from_ms <= alert.window_ms.1 && alert.active_since_ms <= *to_ms
            });
            let never_was = match is_confirmed {
                true => seen.confirmed_in_time.contains(key),
                false => !was_there,
            };
            over.push((key.clone(), reason, never_was));
        }
        for (key, reason, never_was) in over {
            let Some(mut alert) = self.crossings.blind.remove(&key) else {
                continue;
            };
            let told = self.crossings.said.remove(&key);
            alert.state = AlertState::Resolved;
            alert.resolved_at_ms = Some(alert.window_ms.1.max(alert.active_since_ms));
            self.show_newest(plan, &mut alert);
            alert.reason = reason;
            let mut why = NoticeReason::Resolved;
            let correction = told.filter(|_| never_was).map(|told| {
                alert.fired_at_ms = None;
                if reason == TransitionReason::Cleared {
                    alert.reason = TransitionReason::Corrected;
                }
                why = NoticeReason::Corrected;
                Correction {
                    told,
                    truth: Truth::NeverWas,
                }
            });
            changes.push((transition(&alert, now_ms), alert, why, correction));
        }
        for (key, mut alert) in blind {
            if let Some(known) = self.crossings.blind.get_mut(&key) {
                // The newest window, under the incident that was told.
                alert.incident = std::mem::take(&mut known.incident);
                alert.fired_at_ms = known.fired_at_ms;
                self.alerts_changed |= *known != alert;
                *known = alert;
                continue;
            }
            let crossings = &mut self.crossings;
            let fires = |known: &(String, String)| crossings.blind.contains_key(known);
            let number = crossings.episodes.begin(&key, fires);
            let label = format!("{};{}", key.0, key.1);
            alert.incident = incident_of(BLIND_SPOT, &label, Default::default(), number);
            let said = Statement::of(&alert, now_ms, None);
            self.crossings.said.insert(key.clone(), said);
            self.crossings.blind.insert(key, alert.clone());
            changes.push((transition(&alert, now_ms), alert, NoticeReason::First, None));
        }
        for (transition, alert, reason, correction) in changes {
            let value = alert.value;
            effects.push(Effect::Transition(Transition {
                value,
                ..transition
            }));
            self.notify_own(plan, alert, (reason, correction), turn.cut, effects);
            self.alerts_changed = true;
        }
    }

    /// Gives an alert that is over the numbers of its object's newest window: those that it had may be taken back.
    fn show_newest(&self, plan: &Plan, alert: &mut Alert) {
        let mut rules = plan.book.alerts.iter().enumerate();
        let newest = rules.find_map(|(rule, of)| {
            let is_own = Some(&of.kqi) == alert.kqi.as_ref();
            let instances = self.instances.get(rule).filter(|_| is_own)?;
            let instance = instances.get(alert.group_label.as_str())?;
            let kqi = plan.book.kqis.iter().find(|kqi| kqi.id == of.kqi)?;
            let last = instance.timeline.episodes().last();
            Some(match last.and_then(|episode| episode.resolved_at_ms) {
                // What ended it may be a window in which there was nothing to count.
                Some(end_ms) => instance.values.newest_by(kqi, end_ms),
                None => instance.values.newest(),
            })
        });
        // Nothing is left of an object that is forgotten.
        let (start_ms, end_ms, cell) = newest.unwrap_or_else(|| {
            let (start_ms, end_ms) = alert.window_ms;
            (start_ms, end_ms, Cell::absent(0))
        });
        (alert.value, alert.verdict) = (cell.value, Some(cell.verdict));
        (alert.expected, alert.score) = (cell.expected, cell.score);
        (alert.samples, alert.window_ms) = (cell.samples, (start_ms, end_ms));
    }

    /// Whether an alert of a KQI fires on an object.
    fn fires(&self, plan: &Plan, kqi: &str, label: &str) -> bool {
        plan.book.alerts.iter().enumerate().any(|(rule, alert)| {
            let instance = self.instances.get(rule).and_then(|of| of.get(label));
            alert.kqi == kqi
                && instance.is_some_and(|instance| {
                    matches!(instance.timeline.phase(), Phase::Firing { .. })
                })
        })
    }
}
