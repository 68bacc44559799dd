//! One step: a cut and its commands in, effects out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{
    Alert, AlertState, Change, Mark, Notice, NoticeReason, Phase, Transition, TransitionReason,
};
use crate::dataflow::{Cut, WindowUpdate};
use crate::engine::command::{Command, CommandResult, JournaledCommand};
use crate::engine::instance::{Instance, Object, Watch};
use crate::engine::silence::Silences;
use crate::engine::snapshot::Snapshot;
use crate::event::Stream;
use crate::rules::{Plan, Text, Verdict};
use crate::triggers::{TriggerBook, TriggerRules};

/// Ended alerts that are still shown; the oldest go first.
pub(super) const ENDED_MAX: usize = 5_000;

/// What the engine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// An alert changed.
    Transition(Transition),
    /// Somebody must be told.
    Notice(Box<Notice>),
    /// A command was carried out or refused.
    Answer {
        /// Position of the command in the journal.
        position: u64,
        /// What came of it.
        result: Box<CommandResult>,
    },
}

/// By service and city, then by KQI: end of the window, name of the KQI, count.
pub(super) type Complaints = BTreeMap<(String, String), BTreeMap<String, (i64, Text, i64)>>;

/// The engine.
pub struct Engine {
    pub(super) plan: Arc<Plan>,
    /// For each KQI of the book, the numbers of the rules that watch it.
    pub(super) watchers: Vec<Vec<usize>>,
    /// For each rule of the book, its objects by label.
    pub(super) instances: Vec<FxHashMap<Arc<str>, Instance>>,
    /// Objects that are pending or firing: rule and label.
    pub(super) restless: BTreeSet<(usize, Arc<str>)>,
    pub(super) ended: VecDeque<Arc<Alert>>,
    pub(super) triggers: TriggerBook,
    /// Complaints counted last for a service and city: KQI name and count, with the window's end.
    pub(super) complaints: Complaints,
    pub(super) silences: Silences,
    pub(super) snapshot: Snapshot,
    pub(super) alerts_changed: bool,
    pub(super) triggers_changed: bool,
}

impl Engine {
    /// An engine that has seen nothing yet.
    pub fn new(plan: Arc<Plan>) -> Engine {
        let snapshot = Snapshot {
            epoch: None,
            now_ms: 0,
            plan: plan.clone(),
            watermarks: Arc::default(),
            alerts: Arc::default(),
            triggers: Arc::default(),
        };
        Engine {
            watchers: watchers_of(&plan),
            instances: plan
                .book
                .alerts
                .iter()
                .map(|_| FxHashMap::default())
                .collect(),
            plan,
            restless: BTreeSet::new(),
            ended: VecDeque::new(),
            triggers: TriggerBook::new(TriggerRules::default()),
            complaints: BTreeMap::new(),
            silences: Silences::default(),
            snapshot,
            alerts_changed: false,
            triggers_changed: false,
        }
    }

    /// Takes a cut and the commands of its epoch.
    pub fn step(&mut self, cut: &Cut, commands: &[JournaledCommand]) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(plan) = &cut.plan {
            self.replan(plan.clone(), cut, &mut effects);
        }
        let plan = self.plan.clone();
        for update in &cut.updates {
            self.tell(&plan, update, cut, &mut effects);
        }
        self.pass(&plan, cut, &mut effects);
        for (alert, transition, reason) in self.silences.look(&plan, &cut.watermarks) {
            effects.push(Effect::Transition(transition));
            self.notify_own(&plan, alert, reason, cut, &mut effects);
            self.alerts_changed = true;
        }
        for command in commands {
            effects.push(self.carry_out(command));
        }
        self.show(cut);
        effects
    }

    /// The state for readers, as of the last step.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(super) fn tell(
        &mut self,
        plan: &Plan,
        update: &WindowUpdate,
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
        for cell in &update.cells {
            let Some(kqi) = plan.book.kqis.get(cell.kqi) else {
                continue;
            };
            if kqi.stream == Stream::Complaint {
                self.count_complaints(update, kqi.service.as_deref(), &kqi.id, &kqi.name);
            }
            let watchers = self.watchers.get(cell.kqi).cloned().unwrap_or_default();
            for rule in watchers {
                let Some(watch) = Watch::of(plan, rule) else {
                    continue;
                };
                let label: Arc<str> = update.group.label.as_str().into();
                let instance = self.instances[rule]
                    .entry(label.clone())
                    .or_insert_with(|| {
                        Instance::new(update.group.clone(), plan.version, update.end_ms)
                    });
                instance.note(update, cell, kqi);
                let mark = (!cell.is_absent()).then(|| Mark::of(cell.verdict, watch.rule));
                let changes = instance
                    .timeline
                    .tell(&watch.reading(), update.end_ms, mark);
                if let (Verdict::Abnormal(_), Phase::Firing { severity, .. }) =
                    (cell.verdict, instance.timeline.phase())
                {
                    let object = Object {
                        watch,
                        rule,
                        label: &label,
                    };
                    self.support_trigger(object, update, severity);
                }
                self.react(plan, rule, &label, changes, cut, effects);
            }
        }
    }

    /// Lets event time pass for every object that is pending or firing.
    pub(super) fn pass(&mut self, plan: &Plan, cut: &Cut, effects: &mut Vec<Effect>) {
        for (rule, label) in self.restless.clone() {
            let Some(watch) = Watch::of(plan, rule) else {
                continue;
            };
            let to_ms = cut.watermarks.clock(watch.kqi.stream);
            let Some(instance) = self.instances[rule].get_mut(&label) else {
                continue;
            };
            let changes = instance.timeline.pass_to(&watch.reading(), to_ms);
            self.react(plan, rule, &label, changes, cut, effects);
        }
    }

    /// Turns the changes of one object's timeline into effects.
    pub(super) fn react(
        &mut self,
        plan: &Plan,
        rule: usize,
        label: &Arc<str>,
        changes: Vec<Change>,
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
        let Some(watch) = Watch::of(plan, rule) else {
            return;
        };
        let object = Object { watch, rule, label };
        for change in changes {
            self.alerts_changed = true;
            match change {
                Change::Moved {
                    at_ms,
                    step,
                    episode,
                } => {
                    self.transition(object, at_ms, step, effects);
                    let told = match (step.state, step.reason) {
                        (AlertState::Pending, _) => None,
                        (AlertState::Firing, TransitionReason::Escalated) => {
                            Some(NoticeReason::Escalated)
                        }
                        (AlertState::Firing, _) => Some(NoticeReason::First),
                        (AlertState::Resolved, _) => Some(NoticeReason::Resolved),
                    };
                    if let (Some(episode), Some(reason)) = (episode, told) {
                        self.incident(object, episode, reason, cut, effects);
                    }
                }
                Change::Corrected { was, now } => {
                    self.corrected(object, was, now, cut, effects);
                }
            }
        }
        let Some(instance) = self.instances[rule].get_mut(label) else {
            return;
        };
        let key = (rule, label.clone());
        if instance.timeline.phase() == Phase::Quiet {
            self.restless.remove(&key);
        } else {
            self.restless.insert(key);
        }
    }

    pub(super) fn carry_out(&mut self, command: &JournaledCommand) -> Effect {
        let Command::MoveTrigger { id, to, reason } = &command.command;
        let result = self
            .triggers
            .advance(id, *to, command.at_ms, &command.actor, reason.as_deref())
            .cloned();
        self.triggers_changed = true;
        self.alerts_changed = true;
        Effect::Answer {
            position: command.position,
            result: Box::new(result),
        }
    }
}

pub(super) fn watchers_of(plan: &Plan) -> Vec<Vec<usize>> {
    let of_kqi = |id: &String| {
        let rules = plan.book.alerts.iter().enumerate();
        rules
            .filter(|(_, rule)| rule.kqi == *id)
            .map(|(number, _)| number)
            .collect()
    };
    plan.book.kqis.iter().map(|kqi| of_kqi(&kqi.id)).collect()
}
