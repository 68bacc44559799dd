//! One step: a cut and its commands in, effects out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{
    Alert, AlertState, Change, Episode, Mark, Notice, NoticeReason, Phase, Step, Transition,
    TransitionReason, TriggerBrief,
};
use crate::dataflow::{Cut, Standing, WindowUpdate};
use crate::engine::command::{Command, CommandResult, JournaledCommand};
use crate::engine::instance::{Instance, Watch, reads_alike, unit_text};
use crate::engine::silence::Silences;
use crate::engine::snapshot::Snapshot;
use crate::event::Stream;
use crate::rules::{Contact, Plan, Severity, Text, Verdict};
use crate::triggers::{Evidence, Opening, TriggerBook, TriggerRules};

/// Ended alerts that are still shown; the oldest go first.
const ENDED_MAX: usize = 5_000;

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

/// The engine.
pub struct Engine {
    plan: Arc<Plan>,
    /// For each KQI of the book, the numbers of the rules that watch it.
    watchers: Vec<Vec<usize>>,
    /// For each rule of the book, its objects by label.
    instances: Vec<FxHashMap<Arc<str>, Instance>>,
    /// Objects that are pending or firing: rule and label.
    restless: BTreeSet<(usize, Arc<str>)>,
    ended: VecDeque<Alert>,
    triggers: TriggerBook,
    /// Complaints counted last for a service and city: KQI name and count, with the window's end.
    complaints: BTreeMap<(String, String), BTreeMap<String, (i64, Text, i64)>>,
    silences: Silences,
    snapshot: Snapshot,
    alerts_changed: bool,
    triggers_changed: bool,
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

    fn tell(&mut self, plan: &Plan, update: &WindowUpdate, cut: &Cut, effects: &mut Vec<Effect>) {
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
                    self.support_trigger(watch, update, severity, rule, &label);
                }
                self.react(plan, rule, &label, changes, cut, effects);
            }
        }
    }

    /// Lets event time pass for every object that is pending or firing.
    fn pass(&mut self, plan: &Plan, cut: &Cut, effects: &mut Vec<Effect>) {
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
    fn react(
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
        for change in changes {
            self.alerts_changed = true;
            match change {
                Change::Moved {
                    at_ms,
                    step,
                    episode,
                } => {
                    self.transition(watch, rule, label, at_ms, step, effects);
                    let told = match (step.state, step.reason) {
                        (AlertState::Pending, _) => None,
                        (AlertState::Firing, TransitionReason::Escalated) => {
                            Some(NoticeReason::Escalated)
                        }
                        (AlertState::Firing, _) => Some(NoticeReason::First),
                        (AlertState::Resolved, _) => Some(NoticeReason::Resolved),
                    };
                    if let (Some(episode), Some(reason)) = (episode, told) {
                        self.incident(watch, rule, label, episode, reason, cut, effects);
                    }
                }
                Change::Corrected { was, now } => {
                    self.corrected(watch, rule, label, was, now, cut, effects);
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

    fn corrected(
        &mut self,
        watch: Watch<'_>,
        rule: usize,
        label: &Arc<str>,
        was: Option<Episode>,
        now: Option<Episode>,
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
        let reason = TransitionReason::Corrected;
        let mut say = |engine: &mut Engine, at_ms: i64, state: AlertState, severity: Severity| {
            engine.transition(
                watch,
                rule,
                label,
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
            self.incident(watch, rule, label, episode, reason, cut, effects);
        }
    }

    fn transition(
        &mut self,
        watch: Watch<'_>,
        rule: usize,
        label: &Arc<str>,
        at_ms: i64,
        step: Step,
        effects: &mut Vec<Effect>,
    ) {
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
    fn incident(
        &mut self,
        watch: Watch<'_>,
        rule: usize,
        label: &Arc<str>,
        episode: Episode,
        reason: NoticeReason,
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
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
            self.demand(watch, rule, label, episode, cut.now_ms);
        }
        let trigger = self.triggers.newest(&watch.kqi.id, label);
        let brief = trigger.map(|trigger| TriggerBrief {
            id: trigger.id.clone(),
            state: trigger.state.name().to_owned(),
            department: trigger.department_name.clone(),
            role: trigger.role.clone(),
        });
        let complaints = self.complaints_for(rule, label, watch);
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
            self.ended.push_front(alert.clone());
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
        let provenance = watch
            .kqi
            .provenance
            .iter()
            .find(|p| p.of == "anchors" || p.of == "limit");
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
    fn notify_own(
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
            self.ended.push_front(alert);
            self.ended.truncate(ENDED_MAX);
        }
    }

    fn demand(
        &mut self,
        watch: Watch<'_>,
        rule: usize,
        label: &Arc<str>,
        episode: Episode,
        now_ms: i64,
    ) {
        let complaints = self.complaints_for(rule, label, watch);
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let Some(department) = watch.kqi.department.as_ref().and_then(|id| {
            watch
                .book
                .departments
                .iter()
                .find(|department| department.id == *id)
        }) else {
            return;
        };
        let role = department
            .roles
            .first()
            .map_or(&department.name, |role| &role.name);
        let (start_ms, end_ms, cell) =
            instance
                .newest
                .unwrap_or((0, 0, crate::dataflow::Cell::absent(0)));
        let opening = Opening {
            kqi: watch.kqi.id.clone(),
            name: watch.kqi.name.clone(),
            service: watch
                .kqi
                .service
                .clone()
                .or_else(|| instance.group.get("service").map(str::to_owned)),
            layer: watch.kqi.layer,
            group_label: label.to_string(),
            group: instance.group.values.clone(),
            department: department.id.clone(),
            department_name: department.name.clone(),
            role: role.clone(),
            severity: episode.severity,
            limit_min: watch.kqi.interval.min,
            limit_max: watch.kqi.interval.max,
            unit: unit_text(&watch.kqi.unit),
            since_ms: episode.since_ms,
            evidence: Evidence {
                incident: instance.incident(&watch.rule.id, episode.number),
                start_ms,
                end_ms,
                value: cell.value,
                score: cell.score,
                samples: cell.samples,
            },
            complaints,
        };
        self.triggers.demand(opening, now_ms);
        self.triggers_changed = true;
    }

    /// An abnormal window of a firing alert speaks for the open trigger of its object.
    fn support_trigger(
        &mut self,
        watch: Watch<'_>,
        update: &WindowUpdate,
        severity: Severity,
        rule: usize,
        label: &Arc<str>,
    ) {
        let complaints = self.complaints_for(rule, label, watch);
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let number = instance
            .timeline
            .episodes()
            .last()
            .map_or(0, |episode| episode.number);
        let Some(cell) = update.cells.iter().find(|cell| {
            self.plan
                .book
                .kqis
                .get(cell.kqi)
                .is_some_and(|kqi| kqi.id == watch.kqi.id)
        }) else {
            return;
        };
        let evidence = Evidence {
            incident: instance.incident(&watch.rule.id, number),
            start_ms: update.start_ms,
            end_ms: update.end_ms,
            value: cell.value,
            score: cell.score,
            samples: cell.samples,
        };
        self.triggers
            .support_open(&watch.kqi.id, label, evidence, severity, complaints);
        self.triggers_changed = true;
    }

    /// Remembers the newest count of a complaint KQI for a service and city.
    fn count_complaints(
        &mut self,
        update: &WindowUpdate,
        service: Option<&str>,
        kqi: &str,
        name: &Text,
    ) {
        let service = service
            .or_else(|| update.group.get("service"))
            .unwrap_or_default()
            .to_owned();
        let city = update.group.get("city").unwrap_or_default().to_owned();
        let count = if update.standing == Standing::Removed {
            0
        } else {
            update.count
        };
        let counts = self.complaints.entry((service, city)).or_default();
        let known = counts
            .entry(kqi.to_owned())
            .or_insert((update.end_ms, name.clone(), count));
        if known.0 <= update.end_ms {
            *known = (update.end_ms, name.clone(), count);
        }
    }

    fn complaints_for(&self, rule: usize, label: &Arc<str>, watch: Watch<'_>) -> Vec<(Text, i64)> {
        let Some(instance) = self.instances[rule].get(label) else {
            return Vec::new();
        };
        let service = watch
            .kqi
            .service
            .as_deref()
            .or_else(|| instance.group.get("service"));
        let city = instance.group.get("city");
        let mut sums: BTreeMap<&String, (Text, i64)> = BTreeMap::new();
        for ((of_service, of_city), counts) in &self.complaints {
            if service.is_some_and(|service| service != of_service)
                || city.is_some_and(|city| city != of_city)
            {
                continue;
            }
            for (kqi, (_, name, count)) in counts {
                sums.entry(kqi).or_insert((name.clone(), 0)).1 += count;
            }
        }
        sums.into_values().filter(|(_, count)| *count > 0).collect()
    }

    fn carry_out(&mut self, command: &JournaledCommand) -> Effect {
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

    /// Takes over what the new book still watches, and ends what it does not.
    fn replan(&mut self, plan: Arc<Plan>, cut: &Cut, effects: &mut Vec<Effect>) {
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
                self.end_for_rule_change(before, rule, &label, cut, effects);
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

    fn end_for_rule_change(
        &mut self,
        watch: Watch<'_>,
        rule: usize,
        label: &Arc<str>,
        cut: &Cut,
        effects: &mut Vec<Effect>,
    ) {
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
            watch,
            rule,
            label,
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
        self.incident(
            watch,
            rule,
            label,
            episode,
            NoticeReason::Resolved,
            cut,
            effects,
        );
    }

    /// Brings the snapshot up to date; lists are copied only when they changed.
    fn show(&mut self, cut: &Cut) {
        self.snapshot.epoch = Some(cut.epoch);
        self.snapshot.now_ms = cut.now_ms;
        self.snapshot.plan = self.plan.clone();
        self.snapshot.watermarks = Arc::new(cut.watermarks.clone());
        self.forget(cut);
        if std::mem::take(&mut self.alerts_changed) || !self.restless.is_empty() {
            let mut alerts: Vec<Alert> = self.silences.alerts().cloned().collect();
            for (rule, label) in &self.restless {
                let Some(watch) = Watch::of(&self.plan, *rule) else {
                    continue;
                };
                let Some(instance) = self.instances[*rule].get(label) else {
                    continue;
                };
                let episode = instance.timeline.episodes().last().copied();
                let episode = episode.filter(|episode| episode.resolved_at_ms.is_none());
                let trigger = self.triggers.newest(&watch.kqi.id, label);
                let trigger = trigger.filter(|trigger| !trigger.state.is_final());
                alerts.push(instance.alert(
                    watch,
                    episode,
                    trigger.map(|trigger| trigger.id.clone()),
                ));
            }
            alerts.sort_by(|a, b| {
                let key = |alert: &Alert| (alert.severity, alert.active_since_ms);
                key(b)
                    .cmp(&key(a))
                    .then_with(|| a.alert.cmp(&b.alert))
                    .then_with(|| a.group_label.cmp(&b.group_label))
            });
            alerts.extend(self.ended.iter().cloned());
            self.snapshot.alerts = Arc::new(alerts);
        }
        if std::mem::take(&mut self.triggers_changed) {
            self.snapshot.triggers = Arc::new(self.triggers.triggers().cloned().collect());
        }
    }

    /// Lets timelines forget what the dataflow can no longer correct. Looked at now and then only:
    /// the work is in proportion to the objects.
    fn forget(&mut self, cut: &Cut) {
        const EVERY_EPOCHS: u64 = 4096;
        if cut.epoch % EVERY_EPOCHS != EVERY_EPOCHS - 1 {
            return;
        }
        for (rule, instances) in self.instances.iter_mut().enumerate() {
            let Some(watch) = Watch::of(&self.plan, rule) else {
                continue;
            };
            let rule = self.plan.book.streams.get(&watch.kqi.stream);
            let retention_ms = rule.map_or(0, |rule| rule.retention_ms);
            let horizon_ms = cut.watermarks.horizon(watch.kqi.stream, retention_ms);
            if horizon_ms == i64::MIN {
                continue;
            }
            instances.retain(|_, instance| {
                instance.timeline.forget(horizon_ms);
                let kept = instance.timeline.episodes();
                let is_kept = |number: u32| kept.iter().any(|episode| episode.number == number);
                instance.told.retain(|number, _| is_kept(*number));
                !instance.timeline.is_empty()
            });
        }
    }
}

fn watchers_of(plan: &Plan) -> Vec<Vec<usize>> {
    let of_kqi = |id: &String| {
        let rules = plan.book.alerts.iter().enumerate();
        rules
            .filter(|(_, rule)| rule.kqi == *id)
            .map(|(number, _)| number)
            .collect()
    };
    plan.book.kqis.iter().map(|kqi| of_kqi(&kqi.id)).collect()
}

/// The first role of a department with its people; nobody where the department is unknown.
fn addressees(
    book: &crate::rules::RuleBook,
    department: Option<&str>,
) -> (Option<(Text, Text)>, Vec<Contact>) {
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
