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

/// What a new book changes about rules.
#[derive(Default)]
pub(super) struct Replanned {
    /// Rules that judge otherwise from now on, with their limits before where those are others now.
    pub(super) changed: BTreeMap<usize, Option<Limit>>,
    /// Rules that watch other windows than any before.
    pub(super) new_rules: BTreeSet<usize>,
}

impl Engine {
    /// Takes over what the new book still watches, and ends what it does not. The objects of rules that
    /// judge otherwise from now on are added to `corrections`.
    pub(super) fn replan(
        &mut self,
        plan: Arc<Plan>,
        cut: &Cut,
        corrections: &mut Corrections,
        effects: &mut Vec<Effect>,
    ) -> Replanned {
        if Arc::ptr_eq(&self.watchlist.plan, &plan) {
            return Replanned::default();
        }
        let mut changed = BTreeMap::new();
        let new = Arc::new(Watchlist::new(plan));
        let old = std::mem::replace(&mut self.watchlist, new.clone());
        let turn = Turn {
            cut,
            watchlist: old.clone(),
            changed: BTreeMap::new(),
            new_rules: BTreeSet::new(),
        };
        let mut new_rules: BTreeSet<usize> = (0..new.rules()).collect();
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
            new_rules.remove(&number);
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
        // Rules have other numbers now.
        self.find_fired();
        // Those that are counted otherwise come with this cut, all of them.
        let before = &old.plan.book.kqis;
        let kqis = new.plan.book.kqis.iter();
        let alike: BTreeSet<&str> = kqis
            .filter(|kqi| kqi.stream == Stream::Complaint && before.contains(kqi))
            .map(|kqi| &*kqi.id)
            .collect();
        self.complaints.retain(|id| alike.contains(id));
        self.past.retain(|id| old.measures_alike_in(&new, id));
        let unalerted = &mut self.crossings.unalerted;
        unalerted.retain(|id| old.has_same_windows_unalerted_in(&new, id));
        self.alerts_changed = true;
        Replanned { changed, new_rules }
    }

    /// Tells what rules that came with this cut found in history: what goes on; what was over before
    /// anybody asked is listed, for the record.
    pub(super) fn recall(&mut self, turn: &Turn<'_>, effects: &mut Vec<Effect>) {
        for &rule in &turn.new_rules {
            let Some(watch) = turn.watchlist.watch(rule) else {
                continue;
            };
            let mut labels: Vec<Arc<str>> = self.instances[rule].keys().cloned().collect();
            labels.sort_unstable();
            for label in &labels {
                let object = Object { watch, rule, label };
                let Some(instance) = self.instances[rule].get(label) else {
                    continue;
                };
                let present = instance.reason;
                for episode in instance.timeline.episodes().to_vec() {
                    let goes_on = episode.resolved_at_ms.is_none();
                    let news = News {
                        episode,
                        reason: NoticeReason::First,
                        why: if goes_on {
                            present
                        } else {
                            TransitionReason::RuleChanged
                        },
                        truth: None,
                    };
                    self.incident(object, news, turn, effects);
                    if goes_on {
                        self.support_open_trigger(object, episode);
                    }
                }
            }
        }
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
                .for_each(|instance| Arc::make_mut(instance).forget_values());
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
