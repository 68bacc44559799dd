//! A new rule book: takes over what it still watches, and ends what it does not.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{AlertState, Episode, NoticeReason, Phase, Step, TransitionReason};
use crate::dataflow::Cut;
use crate::engine::instance::{Instance, Object, Watch, reads_alike};
use crate::engine::step::{Effect, Engine, watchers_of};
use crate::rules::Plan;

impl Engine {
    /// Takes over what the new book still watches, and ends what it does not.
    pub(super) fn replan(&mut self, plan: Arc<Plan>, cut: &Cut, effects: &mut Vec<Effect>) {
        let old = std::mem::replace(&mut self.plan, plan.clone());
        if Arc::ptr_eq(&old, &plan) {
            return;
        }
        let mut instances: Vec<FxHashMap<Arc<str>, Instance>> = plan
            .book
            .alerts
            .iter()
            .map(|_| FxHashMap::default())
            .collect();
        let mut rejudge = Vec::new();
        for rule in 0..old.book.alerts.len() {
            let Some(before) = Watch::of(&old, rule) else {
                continue;
            };
            let successor = plan
                .book
                .alerts
                .iter()
                .position(|new| new.id == before.rule.id);
            let alike = successor
                .and_then(|new| Watch::of(&plan, new))
                .is_some_and(|after| reads_alike(before, after));
            if let (Some(new), true) = (successor, alike) {
                instances[new] = std::mem::take(&mut self.instances[rule]);
                rejudge.push(new);
                continue;
            }
            let mut labels: Vec<Arc<str>> = self.instances[rule].keys().cloned().collect();
            labels.sort_unstable();
            for label in labels {
                let object = Object {
                    watch: before,
                    rule,
                    label: &label,
                };
                self.end_for_rule_change(object, cut, effects);
            }
        }
        self.instances = instances;
        self.watchers = watchers_of(&plan);
        self.restless.clear();
        for rule in rejudge {
            let Some(watch) = Watch::of(&plan, rule) else {
                continue;
            };
            let mut labels: Vec<Arc<str>> = self.instances[rule].keys().cloned().collect();
            labels.sort_unstable();
            for label in labels {
                let Some(instance) = self.instances[rule].get_mut(&label) else {
                    continue;
                };
                let changes = instance.timeline.rejudge(&watch.reading());
                self.react(&plan, rule, &label, changes, cut, effects);
            }
        }
        self.alerts_changed = true;
    }

    pub(super) fn end_for_rule_change(
        &mut self,
        object: Object<'_>,
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
        let Object { rule, label, .. } = object;
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let (severity, since_ms, fires) = match instance.timeline.phase() {
            Phase::Quiet => return,
            Phase::Pending { since_ms, severity } => (severity, since_ms, false),
            Phase::Firing {
                fired_at_ms,
                severity,
                ..
            } => (severity, fired_at_ms, true),
        };
        let episode = instance.timeline.episodes().last().copied();
        let at_ms = instance.newest.map_or(since_ms, |(_, end_ms, _)| end_ms);
        let (state, reason) = (AlertState::Resolved, TransitionReason::RuleChanged);
        self.transition(
            object,
            at_ms,
            Step {
                state,
                severity,
                reason,
            },
            effects,
        );
        let Some(episode) = episode.filter(|_| fires) else {
            return;
        };
        let episode = Episode {
            resolved_at_ms: Some(at_ms),
            ..episode
        };
        self.incident(object, episode, NoticeReason::Resolved, cut, effects);
    }
}
