//! The review date of a refusal: what fires on then is asked again, without waiting for another incident.

use crate::triggers::book::{ENGINE, Now};
use crate::triggers::{Opening, Trigger, TriggerBook};

impl TriggerBook {
    /// The review date of a closed trigger has come. If an alert that it had held back still fires, and nobody else
    /// has its cause by now, another trigger asks.
    pub(super) fn review(&mut self, refused: &Trigger, now: Now<'_>) {
        let is_due = refused
            .rests_until_ms()
            .is_some_and(|at_ms| at_ms <= now.at_ms);
        let is_last_word = self.closed.get(&refused.cause) == Some(&refused.id);
        let firing: Vec<_> = refused
            .sources
            .iter()
            .filter(|source| source.firing)
            .collect();
        if !is_due || !is_last_word || firing.is_empty() {
            return;
        }
        let first = firing.iter().find(|source| source.kqi == refused.kqi);
        let label = first.map_or(&refused.group_label, |source| &source.group_label);
        let opening = Opening {
            kqi: refused.kqi.clone(),
            name: refused.name.clone(),
            service: refused.service.clone(),
            service_name: refused.service_name.clone(),
            layer: refused.layer,
            group_label: label.clone(),
            group: refused.group.clone(),
            department: Some(refused.owner.department.clone()),
            severity: refused.severity,
            limit_min: refused.limit_min,
            limit_max: refused.limit_max,
            unit: refused.unit.clone(),
            since_ms: refused.since_ms,
            evidence: refused.evidence.last().cloned(),
            complaints: refused.complaints.clone(),
        };
        let why = format!(
            "the review date of {} has come, and it still fires",
            refused.id
        );
        let Some(id) = self.ask_again(opening, &refused.cause, now) else {
            return;
        };
        if let Some(trigger) = self.edit(&id) {
            trigger.sources.retain(|known| firing.contains(&known));
        }
        for source in firing {
            self.take_source(&id, source.clone(), now);
        }
        if let Some(trigger) = self.edit(&id) {
            trigger.remark(ENGINE, why, now.at_ms);
        }
    }
}
