//! One step: a cut and its commands in, effects out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{
    Change, Feedback, Limit, Mark, Notice, Phase, Transition, TransitionReason, WithdrawnRoom,
};
use crate::dataflow::{Cut, WindowUpdate};
use crate::engine::command::{Command, CommandResult, JournaledCommand};
use crate::engine::complaints::Complaints;
use crate::engine::correct::Corrections;
use crate::engine::crossing::{Crossings, Side};
use crate::engine::effects::Effects;
use crate::engine::ended::Ended;
use crate::engine::holders::Holders;
use crate::engine::instance::Instance;
use crate::engine::limits::{Bound, EngineLimits};
use crate::engine::overflow::Overflows;
use crate::engine::past::Past;
use crate::engine::process::ProcessWatch;
use crate::engine::replan::Replanned;
use crate::engine::reporting::Reporting;
use crate::engine::silence::Silences;
use crate::engine::snapshot::Snapshot;
use crate::engine::trouble::{Told, Troubles};
use crate::engine::watchlist::{Object, Watchlist};
use crate::engine::withdraw::Unsettled;
use crate::event::Stream;
use crate::reports::ReportTold;
use crate::rules::Plan;
use crate::triggers::{TriggerBook, TriggerLimits};

/// What the engine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// An alert changed.
    Transition(Transition),
    /// Somebody must be told.
    Notice(Box<Notice>),
    /// Agents tell customers something else.
    Feedback(Box<Feedback>),
    /// A report is due.
    Report(ReportTold),
    /// A command was carried out or refused.
    Answer {
        /// Position of the command in the journal.
        position: u64,
        /// What came of it.
        result: Box<CommandResult>,
    },
}

/// The engine.
pub struct Engine {
    pub(super) watchlist: Arc<Watchlist>,
    /// For each rule of the book, its objects by label.
    pub(super) instances: Vec<Instances>,
    /// Objects that are pending or firing: rule and label.
    pub(super) restless: BTreeSet<(usize, Arc<str>)>,
    pub(super) ended: Ended,
    pub(super) triggers: TriggerBook,
    pub(super) complaints: Complaints,
    pub(super) past: Past,
    pub(super) effects: Effects,
    pub(super) crossings: Crossings,
    pub(super) silences: Silences,
    pub(super) overflows: Overflows,
    pub(super) troubles: Troubles,
    pub(super) process: ProcessWatch,
    pub(super) holders: Holders,
    pub(super) reporting: Reporting,
    pub(super) snapshot: Snapshot,
    pub(super) alerts_changed: bool,
    pub(super) triggers_changed: bool,
    pub(super) unsettled: Unsettled,
    pub(super) limits: EngineLimits,
    pub(super) withdrawn_room: WithdrawnRoom,
    /// Rows that reports left out, since the start.
    pub(super) report_rows_left_out: u64,
    /// KQIs that mends were not measured by, at each look, since the start.
    pub(super) effect_kqis_left_out: u64,
}

/// The objects of one rule, by label.
pub(super) type Instances = FxHashMap<Arc<str>, Arc<Instance>>;

/// What one step works with.
pub(super) struct Turn<'a> {
    pub(super) cut: &'a Cut,
    pub(super) watchlist: Arc<Watchlist>,
    /// Rules that judge otherwise since this cut, with the limit before where that is another now.
    pub(super) changed: BTreeMap<usize, Option<Limit>>,
    /// Rules that came with this cut; what they find is history.
    pub(super) new_rules: BTreeSet<usize>,
}

impl Turn<'_> {
    /// Why the past of a rule's objects reads differently in this cut.
    pub(super) fn why(&self, rule: usize) -> TransitionReason {
        if self.changed.contains_key(&rule) {
            TransitionReason::RuleChanged
        } else {
            TransitionReason::Corrected
        }
    }

    /// The limit before the rule was changed, for what happened because of that.
    pub(super) fn limit_before(&self, rule: usize, why: TransitionReason) -> Option<Limit> {
        let changed = self.changed.get(&rule);
        let changed = changed.filter(|_| why == TransitionReason::RuleChanged);
        changed.cloned().flatten()
    }
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
            effects_due: Arc::default(),
            triggers_refused_total: 0,
            past_refused_total: 0,
            folded: Arc::default(),
            process: Arc::default(),
            process_values: Arc::default(),
            reports: Arc::default(),
            annotations: Arc::default(),
            crossed: Arc::default(),
            crossings_began_total: [0; 3],
            bounds: [Bound::NONE; Bound::COUNT],
        };
        let watchlist = Watchlist::new(plan);
        Engine {
            instances: (0..watchlist.rules())
                .map(|_| Instances::default())
                .collect(),
            watchlist: Arc::new(watchlist),
            restless: BTreeSet::new(),
            ended: Ended::default(),
            triggers: TriggerBook::new(TriggerLimits::default()),
            complaints: Complaints::default(),
            past: Past::default(),
            effects: Effects::default(),
            crossings: Crossings::default(),
            silences: Silences::default(),
            overflows: Overflows::default(),
            troubles: Troubles::default(),
            process: ProcessWatch::default(),
            holders: Holders::default(),
            reporting: Reporting::default(),
            snapshot,
            alerts_changed: false,
            triggers_changed: false,
            unsettled: Unsettled::new(),
            limits: EngineLimits::default(),
            withdrawn_room: WithdrawnRoom::default(),
            report_rows_left_out: 0,
            effect_kqis_left_out: 0,
        }
    }

    /// Takes a cut and the commands of its epoch.
    pub fn step(&mut self, cut: &Cut, commands: &[JournaledCommand]) -> Vec<Effect> {
        // Whoever asks for the time within the step is told this step's.
        self.snapshot.now_ms = cut.now_ms;
        let mut effects = Vec::new();
        for annotation in &cut.annotations {
            Arc::make_mut(&mut self.snapshot.annotations).note(annotation);
        }
        let mut corrections = Corrections::new();
        let Replanned { changed, new_rules } = match &cut.plan {
            Some(plan) => self.replan(plan.clone(), cut, &mut corrections, &mut effects),
            None => Replanned::default(),
        };
        let turn = Turn {
            cut,
            watchlist: self.watchlist.clone(),
            changed,
            new_rules,
        };
        self.note_holders(cut);
        self.count(&turn);
        self.remember(&turn);
        self.note_unalerted(&turn);
        // Whoever complained is known before it is asked what most people complain of.
        self.hear_tickets(&turn);
        self.gather(&turn, &mut corrections);
        self.correct(&turn, corrections, &mut effects);
        for update in &cut.updates {
            self.tell(update, &turn, &mut effects);
        }
        self.pass(&turn, &mut effects);
        self.recall(&turn, &mut effects);
        self.settle(&turn, &mut effects);
        self.cross(&turn, &mut effects);
        let plan = &turn.watchlist.plan;
        let mut own = self.silences.look(plan, &cut.watermarks);
        self.alerts_changed |= self.overflows.recount(plan, cut);
        own.extend(self.overflows.look(plan, cut));
        for command in commands {
            if let Command::NoteTrouble {
                trouble,
                is_there,
                held,
                peer,
            } = &command.command
            {
                let told = Told {
                    trouble: *trouble,
                    is_there: *is_there,
                    held: *held,
                    peer: peer.as_deref(),
                };
                let noted = self.troubles.note(plan, &told, cut.now_ms);
                own.extend(noted);
            }
        }
        own.extend(self.process.look(plan, &mut self.triggers, cut.now_ms));
        for (alert, transition, reason) in own {
            effects.push(Effect::Transition(transition));
            self.notify_own(plan, alert, (reason, None), cut, &mut effects);
            self.alerts_changed = true;
        }
        if cut.plan.is_some() {
            self.reroute(cut);
        }
        for command in commands {
            effects.push(self.carry_out(command));
            let moved = command.command.trigger();
            if let Some(id) = moved.filter(|_| command.command.moves_to().is_some()) {
                self.note_work(id, &turn);
            }
        }
        self.measure_effects(&turn);
        self.reopen_still_red(&turn);
        self.tick_triggers(cut, &mut effects);
        self.tell_reports(cut, &mut effects);
        self.show(cut);
        effects
    }

    /// The state for readers, as of the last step.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Counts complaints, before anything is said that quotes them.
    fn count(&mut self, turn: &Turn<'_>) {
        let clock_ms = turn.cut.watermarks.clock(Stream::Complaint);
        self.complaints.pass_to(clock_ms);
        for update in &turn.cut.updates {
            for cell in &update.cells {
                let kqi = turn.watchlist.plan.book.kqis.get(cell.kqi);
                if let Some(kqi) = kqi.filter(|kqi| kqi.stream == Stream::Complaint) {
                    self.count_complaints(update, kqi);
                }
            }
        }
    }

    /// Keeps the past of what is watched, and of complaints.
    fn remember(&mut self, turn: &Turn<'_>) {
        let kqis = &turn.watchlist.plan.book.kqis;
        let offset_ms = turn.watchlist.plan.standard_offset_ms();
        for update in &turn.cut.updates {
            for cell in &update.cells {
                let is_watched = !turn.watchlist.watchers(cell.kqi).is_empty();
                let kqi = kqis.get(cell.kqi);
                if let Some(kqi) = kqi.filter(|kqi| is_watched || kqi.stream == Stream::Complaint) {
                    self.past.note(kqi, update, cell, offset_ms);
                }
            }
        }
    }

    /// Tells a window to every rule that watches it and for which it is new.
    fn tell(&mut self, update: &WindowUpdate, turn: &Turn<'_>, effects: &mut Vec<Effect>) {
        for cell in &update.cells {
            for &rule in turn.watchlist.watchers(cell.kqi) {
                let Some(watch) = turn.watchlist.watch(rule) else {
                    continue;
                };
                let instances = &mut self.instances[rule];
                if !instances.contains_key(update.group.label.as_str()) {
                    let version = turn.watchlist.plan.version;
                    let instance = Instance::new(update.group.clone(), version, update.end_ms);
                    instances.insert(instance.label.clone(), Arc::new(instance));
                }
                let label = update.group.label.as_str();
                let Some(instance) = instances.get_mut(label).map(Arc::make_mut) else {
                    continue;
                };
                if instance.timeline.is_past(update.end_ms) {
                    // It has been told as a correction.
                    continue;
                }
                let label = &instance.label.clone();
                let object = Object { watch, rule, label };
                let reading = watch.reading();
                // What ended before this window must not be told with its numbers.
                let before_ms = update.end_ms - watch.kqi.window.hop_ms;
                let passed = instance.timeline.pass_to(&reading, before_ms);
                self.react(object, passed, turn, effects);
                let instance = self.instances[rule].get_mut(label);
                let Some(instance) = instance.map(Arc::make_mut) else {
                    continue;
                };
                instance.note(update, cell, watch.kqi.interval);
                let mark = (!cell.is_absent()).then(|| Mark::of(cell.verdict, watch.rule));
                let changes = instance.timeline.tell(&reading, update.end_ms, mark);
                if !turn.new_rules.contains(&rule) {
                    self.support_trigger(object, update, cell);
                }
                self.react(object, changes, turn, effects);
            }
        }
    }

    /// Lets event time pass for every object that is pending or firing.
    fn pass(&mut self, turn: &Turn<'_>, effects: &mut Vec<Effect>) {
        let mut moved = Vec::new();
        for (rule, label) in &self.restless {
            let Some(watch) = turn.watchlist.watch(*rule) else {
                continue;
            };
            let to_ms = turn.cut.watermarks.clock(watch.kqi.stream);
            let instance = self.instances[*rule].get_mut(label);
            let Some(instance) = instance.map(Arc::make_mut) else {
                continue;
            };
            let changes = instance.timeline.pass_to(&watch.reading(), to_ms);
            if !changes.is_empty() {
                moved.push((*rule, label.clone(), changes));
            }
        }
        for (rule, label, changes) in moved {
            let label = &label;
            if let Some(watch) = turn.watchlist.watch(rule) {
                self.react(Object { watch, rule, label }, changes, turn, effects);
            }
        }
    }

    /// Turns the changes of one object's timeline into effects.
    pub(super) fn react(
        &mut self,
        object: Object<'_>,
        changes: Vec<Change>,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if changes.is_empty() {
            return;
        }
        self.alerts_changed = true;
        let interval = object.watch.kqi.interval;
        let instance = self.instances[object.rule].get_mut(object.label);
        if let Some(instance) = instance.map(Arc::make_mut) {
            instance.find_worst(interval);
        }
        for change in changes {
            match change {
                Change::Moved {
                    at_ms,
                    step,
                    episode,
                } => self.moved(object, at_ms, step, episode, turn, effects),
                change => self.corrected(object, change, turn, effects),
            }
        }
        let Object { rule, label, .. } = object;
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let key = (rule, label.clone());
        if Side::of(object.watch).is_some() && !instance.timeline.episodes().is_empty() {
            self.crossings.fired.insert(key.clone());
        }
        if instance.timeline.phase() == Phase::Quiet {
            self.restless.remove(&key);
        } else {
            self.restless.insert(key.clone());
        }
        if instance.timeline.withdrawn().next().is_some() {
            self.unsettled.entry(key).or_default();
        }
    }
}
