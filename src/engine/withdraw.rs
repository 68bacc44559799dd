//! Incidents that are none, or none of their own: what people, lists and triggers hear of that.
//!
//! Invariant: after each cut, what was told last of a withdrawn incident is how it reads, be it that it
//! never was or that it is a part of another. One that comes back is told as any correction is
//! (`correct.rs`, `incident.rs`), in its own thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerting::{Episode, Truth};
use crate::engine::correct::notice_reason;
use crate::engine::step::{Effect, Engine, Turn};
use crate::engine::tell::Story;
use crate::engine::watchlist::Object;

/// Objects, by rule and label, whose withdrawn episodes may read otherwise since this cut, with the
/// numbers of those that were withdrawn in it, and whether they spoke for a trigger. Empty between
/// cuts.
pub(super) type Unsettled = BTreeMap<(usize, Arc<str>), BTreeMap<u32, bool>>;

/// A withdrawn episode.
#[derive(Clone, Copy)]
pub(super) struct Gone {
    /// As it was.
    pub(super) was: Episode,
    /// The episode that holds its time now.
    pub(super) within: Option<Episode>,
    /// Whether windows of it spoke for a trigger; none if it was withdrawn before this cut.
    pub(super) had_spoken: Option<bool>,
}

impl Engine {
    /// Tells what became of withdrawn episodes in this cut.
    pub(super) fn settle(&mut self, turn: &Turn<'_>, effects: &mut Vec<Effect>) {
        for ((rule, label), numbers) in std::mem::take(&mut self.unsettled) {
            let Some(watch) = turn.watchlist.watch(rule) else {
                continue;
            };
            let Some(instance) = self.instances[rule].get(&label) else {
                continue;
            };
            let label = &label;
            let object = Object { watch, rule, label };
            let withdrawn: Vec<_> = instance.timeline.withdrawn().collect();
            for (was, within) in withdrawn {
                let truth = within.map_or(Truth::NeverWas, |Episode { since_ms, .. }| {
                    Truth::PartOf { since_ms }
                });
                let had_spoken = numbers.get(&was.number).copied();
                if had_spoken.is_some() || self.is_told_otherwise(object, was.number, truth) {
                    let gone = Gone {
                        was,
                        within,
                        had_spoken,
                    };
                    self.withdrawn(object, gone, turn, effects);
                }
            }
        }
    }

    /// Whether people were told of an incident, and something else. When another began of which it
    /// is a part is no other verdict.
    fn is_told_otherwise(&self, object: Object<'_>, number: u32, truth: Truth) -> bool {
        let instance = self.instances[object.rule].get(object.label);
        let said = instance.and_then(|instance| instance.said(number));
        let alike = |told: Truth| (told == Truth::NeverWas) == (truth == Truth::NeverWas);
        said.is_some_and(|said| !said.truth.is_some_and(|told| told.is_none() && alike(told)))
    }

    /// An episode never was, or is part of another: whoever was told hears so, as its end.
    fn withdrawn(
        &mut self,
        object: Object<'_>,
        gone: Gone,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Object { watch, rule, label } = object;
        let Gone { was, within, .. } = gone;
        let why = turn.why(rule);
        self.withdraw_cause(object, gone, why, turn.cut.now_ms);
        if gone.had_spoken.is_some() {
            self.cause_ended(object, was.number);
        }
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let over = Episode {
            resolved_at_ms: Some(was.resolved_at_ms.unwrap_or(was.fired_at_ms)),
            ..was
        };
        let trigger = self.triggers.newest(&watch.kqi.id, label);
        let trigger = trigger.map(|trigger| trigger.id.clone());
        let mut alert = instance.alert(watch, Some(over), why, trigger);
        self.name_holder(watch.kqi, &mut alert);
        self.alerts_changed = true;
        let Some(said) = instance.said(was.number) else {
            self.ended.remove(&alert.incident);
            return;
        };
        alert.severity = said.severity;
        let truth = match within {
            Some(Episode { since_ms, .. }) => Truth::PartOf { since_ms },
            None => {
                alert.fired_at_ms = None;
                Truth::NeverWas
            }
        };
        self.ended.put(alert.clone());
        let story = Story {
            number: was.number,
            alert,
            reason: notice_reason(why),
            truth: Some(truth),
            limit_before: turn.limit_before(rule, why),
        };
        self.tell_people(object, story, turn, effects);
    }
}
