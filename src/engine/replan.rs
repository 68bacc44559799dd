//! A new rule book: takes over what it still watches, and ends what it does not.
//!
//! Invariant: values of the old book's KQIs are never shown beside the new book's limits. The cut
//! that brings a book also brings the windows of changed KQIs, as corrections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{AlertState, Episode, Limit, NoticeReason, Phase, Step, TransitionReason};
use crate::dataflow::Cut;
use crate::engine::correct::Corrections;
use crate::engine::incident::News;
use crate::engine::step::{Effect, Engine, Instances, Turn};
use crate::engine::watchlist::{Object, Watch, Watchlist};
use crate::event::Stream;
use crate::rules::Plan;

impl Engine {
    /// Takes over what the new book still watches, and ends what it does not. Tells which rules judge
    /// otherwise from now on, with their limits before; their objects are added to `corrections`.
    pub(super) fn replan(
        &mut self,
        plan: Arc<Plan>,
        cut: &Cut,
        corrections: &mut Corrections,
        effects: &mut Vec<Effect>,
    ) -> BTreeMap<usize, Option<Limit>> {
        let mut changed = BTreeMap::new();
        if Arc::ptr_eq(&self.watchlist.plan, &plan) {
            return changed;
        }
        let new = Arc::new(Watchlist::new(plan));
        let old = std::mem::replace(&mut self.watchlist, new.clone());
        let turn = Turn {
            cut,
            watchlist: old.clone(),
            changed: BTreeMap::new(),
        };
        let rules = new.plan.book.alerts.iter().enumerate();
        let numbers: FxHashMap<&str, usize> =
            rules.map(|(number, rule)| (&*rule.id, number)).collect();
        let mut instances: Vec<Instances> =
            (0..new.rules()).map(|_| Instances::default()).collect();
        let mut restless = BTreeSet::new();
        for rule in 0..old.rules() {
            let Some(before) = old.watch(rule) else {
                continue;
            };
            let number = numbers.get(&*before.rule.id).copied();
            let after = number.and_then(|number| Some((number, new.watch(number)?)));
            let Some((number, after)) = after.filter(|(_, after)| before.reads_alike(after)) else {
                self.end_all(before, rule, &turn, effects);
                continue;
            };
            let mut taken = std::mem::take(&mut self.instances[rule]);
            let still = self.restless.iter().filter(|(of, _)| *of == rule);
            restless.extend(still.map(|(_, label)| (number, label.clone())));
            if !before.judges_alike(&after) {
                let limit = Some(before.limit()).filter(|limit| *limit != after.limit());
                self.take_over(before, after, limit.is_some(), &mut taken);
                changed.insert(number, limit);
                for label in taken.keys() {
                    let correcting = corrections.entry((number, label.clone())).or_default();
                    correcting.rereads = true;
                }
            }
            instances[number] = taken;
        }
        self.instances = instances;
        self.restless = restless;
        self.complaints.retain(|id| {
            let mut kqis = new.plan.book.kqis.iter();
            kqis.any(|kqi| kqi.id == id && kqi.stream == Stream::Complaint)
        });
        self.past.retain(|id| old.measures_alike_in(&new, id));
        self.alerts_changed = true;
        changed
    }

    /// Drops what cannot stand beside the new rule.
    fn take_over(
        &mut self,
        before: Watch<'_>,
        after: Watch<'_>,
        has_other_limit: bool,
        taken: &mut Instances,
    ) {
        if !before.measures_alike(&after) {
            taken
                .values_mut()
                .for_each(|instance| instance.forget_values());
        }
        if has_other_limit {
            let Limit { min, max, unit } = after.limit();
            self.triggers.set_limit(&after.kqi.id, min, max, &unit);
            self.triggers_changed = true;
        }
    }

    /// Nobody watches the objects of a rule any more.
    fn end_all(
        &mut self,
        watch: Watch<'_>,
        rule: usize,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let mut labels: Vec<Arc<str>> = self.instances[rule].keys().cloned().collect();
        labels.sort_unstable();
        for label in &labels {
            self.end_for_rule_change(Object { watch, rule, label }, turn, effects);
        }
    }

    fn end_for_rule_change(
        &mut self,
        object: Object<'_>,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Object { rule, label, .. } = object;
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let (severity, since_ms, fires) = match instance.timeline.phase() {
            Phase::Quiet => return,
            Phase::Pending {
                since_ms, severity, ..
            } => (severity, since_ms, false),
            Phase::Firing {
                fired_at_ms,
                severity,
                ..
            } => (severity, fired_at_ms, true),
        };
        let episode = instance.timeline.episodes().last().copied();
        let at_ms = instance.values.newest_end_ms().unwrap_or(since_ms);
        let (state, reason) = (AlertState::Resolved, TransitionReason::RuleChanged);
        let step = Step {
            state,
            severity,
            reason,
        };
        self.transition(object, at_ms, step, effects);
        let Some(episode) = episode.filter(|_| fires) else {
            return;
        };
        let news = News {
            episode: Episode {
                resolved_at_ms: Some(at_ms),
                ..episode
            },
            reason: NoticeReason::RuleChanged,
            why: reason,
            truth: None,
        };
        self.incident(object, news, turn, effects);
    }
}
