//! Corrections: windows of the past that read differently, because of late data or another rule.
//!
//! Invariants:
//! * all windows of a cut that correct one object are taken in first, and its past is judged again
//!   once: a cut makes at most one story of an incident, and costs one reading of the past;
//! * objects come in the order of their rules and labels, whatever the number of workers;
//! * whether people hear of it is decided by what they were told, not by what was thought since.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerting::{
    AlertState, Change, Episode, Mark, NoticeReason, Phase, Statement, Step, TransitionReason,
    Truth,
};
use crate::engine::incident::News;
use crate::engine::step::{Effect, Engine, Turn};
use crate::engine::watchlist::Object;

/// Objects whose past changes in a cut, by rule and label.
pub(super) type Corrections = BTreeMap<(usize, Arc<str>), Correcting>;

/// What a cut changes in the past of one object.
#[derive(Default)]
pub(super) struct Correcting {
    /// Whether a mark changed, or the rule: the past must be judged again.
    pub(super) rereads: bool,
    /// Corrected windows: numbers of the update in the cut and of the cell in it.
    windows: Vec<(usize, usize)>,
}

impl Engine {
    /// Takes in every window of the cut that is past for a rule that watches it.
    pub(super) fn gather(&mut self, turn: &Turn<'_>, corrections: &mut Corrections) {
        let kqis = &turn.watchlist.plan.book.kqis;
        for (number, update) in turn.cut.updates.iter().enumerate() {
            for (at, cell) in update.cells.iter().enumerate() {
                let Some(kqi) = kqis.get(cell.kqi) else {
                    continue;
                };
                for &rule in turn.watchlist.watchers(cell.kqi) {
                    let Some(watch) = turn.watchlist.watch(rule) else {
                        continue;
                    };
                    let instance = self.instances[rule].get_mut(update.group.label.as_str());
                    let Some(instance) = instance
                        .filter(|instance| instance.timeline.is_past(update.end_ms))
                        .map(Arc::make_mut)
                    else {
                        continue;
                    };
                    instance.note(update, cell, kqi.interval);
                    let mark = (!cell.is_absent()).then(|| Mark::of(cell.verdict, watch.rule));
                    let is_news = instance
                        .timeline
                        .amend(&watch.reading(), update.end_ms, mark);
                    let key = (rule, instance.label.clone());
                    let correcting = corrections.entry(key).or_default();
                    correcting.rereads |= is_news;
                    correcting.windows.push((number, at));
                }
            }
        }
    }

    /// Judges the past of those objects again, and tells what that changes.
    pub(super) fn correct(
        &mut self,
        turn: &Turn<'_>,
        corrections: Corrections,
        effects: &mut Vec<Effect>,
    ) {
        for ((rule, label), correcting) in corrections {
            let Some(watch) = turn.watchlist.watch(rule) else {
                continue;
            };
            let instance = self.instances[rule].get_mut(&label);
            let Some(instance) = instance.map(Arc::make_mut) else {
                continue;
            };
            let label = &label;
            let object = Object { watch, rule, label };
            let changes = if correcting.rereads {
                let (reading, why) = (watch.reading(), turn.why(rule));
                let room = &mut self.withdrawn_room;
                instance.timeline.reread(&reading, why, room)
            } else {
                Vec::new()
            };
            instance.find_worst(watch.kqi.interval);
            self.react(object, changes, turn, effects);
            let trigger = self.triggers.newest(&watch.kqi.id, label);
            if trigger.is_none_or(|trigger| trigger.state.is_final()) {
                continue;
            }
            for (number, at) in correcting.windows {
                let update = &turn.cut.updates[number];
                self.amend_evidence(object, update, &update.cells[at]);
            }
        }
    }

    /// One change of the past.
    pub(super) fn corrected(
        &mut self,
        object: Object<'_>,
        change: Change,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        match change {
            Change::Moved { .. } => {}
            Change::Corrected { was, now } => self.reads_otherwise(object, was, now, turn, effects),
            Change::Appeared(now) => self.appeared(object, now, turn, effects),
            Change::Vanished { was, .. } => self.vanished(object, was, turn, effects),
        }
    }

    fn reads_otherwise(
        &mut self,
        object: Object<'_>,
        was: Episode,
        now: Episode,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        match (was.resolved_at_ms, now.resolved_at_ms) {
            (_, Some(ended_ms)) => {
                self.say(object, now, ended_ms, AlertState::Resolved, turn, effects);
            }
            (Some(_), None) => {
                let fired_ms = now.fired_at_ms;
                self.say(object, now, fired_ms, AlertState::Firing, turn, effects);
            }
            (None, None) if now.severity > was.severity => {
                let fired_ms = now.fired_at_ms;
                self.say(object, now, fired_ms, AlertState::Firing, turn, effects);
            }
            (None, None) => {}
        }
        self.tell_correction(object, now, turn, effects);
    }

    fn appeared(
        &mut self,
        object: Object<'_>,
        now: Episode,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let fired_ms = now.fired_at_ms;
        self.say(object, now, fired_ms, AlertState::Firing, turn, effects);
        if let Some(ended_ms) = now.resolved_at_ms {
            self.say(object, now, ended_ms, AlertState::Resolved, turn, effects);
        }
        // What is over by the time that anybody knows is for the record, not for a mail.
        self.tell_correction(object, now, turn, effects);
    }

    /// Compares an episode with what was told of it, and tells what the readers have wrong.
    fn tell_correction(
        &mut self,
        object: Object<'_>,
        now: Episode,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Object { watch, rule, label } = object;
        let why = turn.why(rule);
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let said = instance.said(now.number);
        let was_over = said.map(|said| said.state == AlertState::Resolved);
        let is_over = now.resolved_at_ms.is_some();
        let is_back = said.is_some_and(Statement::is_withdrawal);
        let is_worse = said.is_some_and(|said| now.severity > said.severity);
        let news = |reason: NoticeReason, truth: Option<Truth>| News {
            episode: now,
            reason,
            why,
            truth,
        };
        let is_corrected = notice_reason(why);
        let news = match (was_over, is_over) {
            (None, false) => news(NoticeReason::First, None),
            (Some(false), true) => news(is_corrected, Some(Truth::Ended)),
            // People were told that it never was, which is as wrong when it is over.
            (Some(true), true) if is_back => news(is_corrected, Some(Truth::Ended)),
            (Some(true), false) => news(is_corrected, Some(Truth::Fires)),
            (Some(false), false) if is_worse && why == TransitionReason::RuleChanged => {
                news(is_corrected, Some(Truth::Fires))
            }
            (Some(false), false) if is_worse => news(NoticeReason::Escalated, None),
            (Some(false), false) => return,
            (None | Some(true), true) => {
                // The list has the right times all the same.
                let mut alert = instance.alert(watch, Some(now), why, None);
                self.name_holder(watch.kqi, &mut alert);
                self.ended.put(alert);
                return;
            }
        };
        self.incident(object, news, turn, effects);
    }

    /// An episode never was, or is part of another. Whoever was told hears so at the end of the cut:
    /// what waits since before may yet fire in it, and then nothing need be taken back.
    fn vanished(
        &mut self,
        object: Object<'_>,
        was: Episode,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let ended_ms = was.resolved_at_ms.unwrap_or(was.fired_at_ms);
        self.say(object, was, ended_ms, AlertState::Resolved, turn, effects);
        // Asked now: its windows stop to speak for a trigger before the cut is at its end.
        let had_spoken = self.speaks_for_trigger(object, was);
        let key = (object.rule, object.label.clone());
        let withdrawn = self.unsettled.entry(key).or_default();
        withdrawn.insert(was.number, had_spoken);
    }

    /// Writes a transition that corrects the record.
    fn say(
        &mut self,
        object: Object<'_>,
        episode: Episode,
        at_ms: i64,
        state: AlertState,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let reason = turn.why(object.rule);
        if self.is_present(object, episode) {
            self.give_reason(object, reason);
        }
        let severity = episode.severity;
        let step = Step {
            state,
            severity,
            reason,
        };
        self.transition(object, at_ms, step, effects);
    }

    /// Whether the present state comes from an episode, or from one that it took the place of.
    fn is_present(&self, object: Object<'_>, episode: Episode) -> bool {
        let instance = self.instances[object.rule].get(object.label);
        instance.is_some_and(|instance| match instance.timeline.phase() {
            Phase::Quiet => true,
            Phase::Pending { since_ms, .. } | Phase::Firing { since_ms, .. } => episode
                .resolved_at_ms
                .is_none_or(|end_ms| end_ms >= since_ms),
        })
    }
}

/// Why people are told of what reads otherwise.
pub(super) fn notice_reason(why: TransitionReason) -> NoticeReason {
    match why {
        TransitionReason::RuleChanged => NoticeReason::RuleChanged,
        _ => NoticeReason::Corrected,
    }
}
