//! Incidents: an alert that fires, changes or ends, and who hears of it.
//!
//! Invariant: every incident that anybody was told of is told to its end, once, with revisions that
//! count up without gaps.

use std::sync::Arc;

use crate::alerting::{
    Alert, AlertState, Episode, Notice, NoticeReason, Step, Transition, TransitionReason,
    TriggerBrief,
};
use crate::dataflow::Cut;
use crate::engine::instance::Object;
use crate::engine::step::{ENDED_MAX, Effect, Engine};
use crate::rules::{Contact, Plan, RuleBook, Severity, Text};

impl Engine {
    pub(super) fn corrected(
        &mut self,
        object: Object<'_>,
        was: Option<Episode>,
        now: Option<Episode>,
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
        let reason = TransitionReason::Corrected;
        let mut say = |engine: &mut Engine, at_ms: i64, state: AlertState, severity: Severity| {
            engine.transition(
                object,
                at_ms,
                Step {
                    state,
                    severity,
                    reason,
                },
                effects,
            );
        };
        let told = match (was, now) {
            (Some(was), None) => {
                // It never was. Whoever was told hears so, as the end of the incident.
                let ended_ms = was.resolved_at_ms.unwrap_or(was.fired_at_ms);
                say(self, ended_ms, AlertState::Resolved, was.severity);
                let gone = Episode {
                    resolved_at_ms: Some(ended_ms),
                    ..was
                };
                Some((gone, NoticeReason::Corrected))
            }
            (None, Some(now)) => {
                say(self, now.fired_at_ms, AlertState::Firing, now.severity);
                if let Some(ended_ms) = now.resolved_at_ms {
                    say(self, ended_ms, AlertState::Resolved, now.severity);
                }
                // What is over by the time that anybody knows is for the record, not for a mail.
                now.resolved_at_ms
                    .is_none()
                    .then_some((now, NoticeReason::First))
            }
            (Some(was), Some(now)) => match (was.resolved_at_ms, now.resolved_at_ms) {
                (None, Some(ended_ms)) => {
                    say(self, ended_ms, AlertState::Resolved, now.severity);
                    Some((now, NoticeReason::Corrected))
                }
                (Some(_), None) => {
                    say(self, now.fired_at_ms, AlertState::Firing, now.severity);
                    Some((now, NoticeReason::Corrected))
                }
                (Some(_), Some(ended_ms)) => {
                    say(self, ended_ms, AlertState::Resolved, now.severity);
                    None
                }
                (None, None) if now.severity > was.severity => {
                    say(self, now.fired_at_ms, AlertState::Firing, now.severity);
                    Some((now, NoticeReason::Escalated))
                }
                (None, None) => None,
            },
            (None, None) => None,
        };
        if let Some((episode, reason)) = told {
            self.incident(object, episode, reason, cut, effects);
        }
    }

    pub(super) fn transition(
        &mut self,
        object: Object<'_>,
        at_ms: i64,
        step: Step,
        effects: &mut Vec<Effect>,
    ) {
        let Object { watch, rule, label } = object;
        let Some(instance) = self.instances[rule].get_mut(label) else {
            return;
        };
        instance.reason = step.reason;
        let value = instance
            .recent
            .binary_search_by_key(&at_ms, |point| point.end_ms)
            .ok()
            .and_then(|at| instance.recent[at].value);
        effects.push(Effect::Transition(Transition {
            alert: watch.rule.id.clone(),
            group: label.to_string(),
            severity: step.severity,
            state: step.state,
            at_ms,
            value,
            reason: step.reason,
        }));
    }

    /// An incident began, changed or ended: the trigger and the people hear of it.
    pub(super) fn incident(
        &mut self,
        object: Object<'_>,
        episode: Episode,
        reason: NoticeReason,
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
        let Object { watch, rule, label } = object;
        let over = episode.resolved_at_ms.is_some();
        let heard = self.instances[rule]
            .get(label)
            .is_some_and(|instance| instance.told.contains_key(&episode.number));
        // To somebody who never heard of it, a correction is news.
        let reason = if heard || over {
            reason
        } else {
            NoticeReason::First
        };
        if over {
            self.triggers.alert_ended(&watch.kqi.id, label);
            self.triggers_changed = true;
        } else if reason == NoticeReason::First {
            self.demand(object, episode, cut.now_ms);
        }
        let trigger = self.triggers.newest(&watch.kqi.id, label);
        let brief = trigger.map(|trigger| TriggerBrief {
            id: trigger.id.clone(),
            state: trigger.state.name().to_owned(),
            department: trigger.department_name.clone(),
            role: trigger.role.clone(),
        });
        let complaints = self.complaints_for(object);
        let Some(instance) = self.instances[rule].get_mut(label) else {
            return;
        };
        let alert = instance.alert(
            watch,
            Some(episode),
            brief.as_ref().map(|brief| brief.id.clone()),
        );
        if over {
            instance.worst = None;
            self.ended.push_front(Arc::new(alert.clone()));
            self.ended.truncate(ENDED_MAX);
        }
        let (role, contacts) = addressees(watch.book, watch.kqi.department.as_deref());
        if over && !heard {
            // Nobody was told of it, so nobody hears of its end.
            return;
        }
        let told = instance.told.entry(episode.number).or_default();
        told.revision += 1;
        for contact in contacts {
            if !told.recipients.contains(&contact) {
                told.recipients.push(contact);
            }
        }
        // The limit is b3 by default; what is said of all anchors comes second.
        let provenance = ["limit", "interval", "b3", "anchors"]
            .iter()
            .find_map(|of| {
                let all = &watch.kqi.provenance;
                all.iter().find(|provenance| provenance.of == *of)
            });
        for recipient in told.recipients.clone() {
            effects.push(Effect::Notice(Box::new(Notice {
                id: format!("{}.{}.{}", alert.incident, told.revision, recipient.email),
                revision: told.revision,
                reason,
                recipient,
                role: role.clone(),
                decided_at_ms: cut.now_ms,
                alert: alert.clone(),
                chart: instance.recent.iter().copied().collect(),
                complaints: complaints.clone(),
                trigger: brief.clone(),
                annotations: Vec::new(),
                provenance: provenance.map(|provenance| provenance.reference.clone()),
                time_zone: watch.book.time_zone.clone(),
                rule_version: watch.book.version.clone(),
            })));
        }
    }

    /// Tells of one of the engine's own alerts.
    pub(super) fn notify_own(
        &mut self,
        plan: &Plan,
        alert: Alert,
        reason: NoticeReason,
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
        let (role, contacts) = addressees(&plan.book, alert.department.as_deref());
        let revision = if reason == NoticeReason::First { 1 } else { 2 };
        for recipient in contacts {
            effects.push(Effect::Notice(Box::new(Notice {
                id: format!("{}.{revision}.{}", alert.incident, recipient.email),
                revision,
                reason,
                recipient,
                role: role.clone(),
                decided_at_ms: cut.now_ms,
                alert: alert.clone(),
                chart: Vec::new(),
                complaints: Vec::new(),
                trigger: None,
                annotations: Vec::new(),
                provenance: None,
                time_zone: plan.book.time_zone.clone(),
                rule_version: plan.book.version.clone(),
            })));
        }
        if alert.state == AlertState::Resolved {
            self.ended.push_front(Arc::new(alert));
            self.ended.truncate(ENDED_MAX);
        }
    }
}

/// The first role of a department with its people; nobody where the department is unknown.
fn addressees(book: &RuleBook, department: Option<&str>) -> (Option<(Text, Text)>, Vec<Contact>) {
    let department = book
        .departments
        .iter()
        .find(|known| Some(known.id.as_str()) == department);
    let role = department.and_then(|department| department.roles.first());
    match (department, role) {
        (Some(department), Some(role)) => (
            Some((department.name.clone(), role.name.clone())),
            role.contacts.clone(),
        ),
        _ => (None, Vec::new()),
    }
}
