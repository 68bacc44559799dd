//! Incidents: an alert that fires, changes or ends, and what that means for triggers and lists.

use std::sync::Arc;

use crate::alerting::{
    AlertState, Episode, NoticeReason, Statement, Step, Transition, TransitionReason, Truth,
};
use crate::engine::step::{Effect, Engine, Turn};
use crate::engine::tell::Story;
use crate::engine::watchlist::Object;
use crate::triggers::Now;

/// What became of an episode.
pub(super) struct News {
    pub(super) episode: Episode,
    pub(super) reason: NoticeReason,
    /// Why the alert is as it is.
    pub(super) why: TransitionReason,
    /// How what was told reads now, where it is taken back.
    pub(super) truth: Option<Truth>,
}

impl Engine {
    /// The life cycle took a step.
    pub(super) fn moved(
        &mut self,
        object: Object<'_>,
        at_ms: i64,
        step: Step,
        episode: Option<Episode>,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.give_reason(object, step.reason);
        self.transition(object, at_ms, step, effects);
        if turn.new_rules.contains(&object.rule) {
            // Told when all of history is known: see `recall`.
            return;
        }
        let reason = match (step.state, step.reason) {
            (AlertState::Pending, _) => return,
            (AlertState::Firing, TransitionReason::Escalated) => NoticeReason::Escalated,
            (AlertState::Firing, _) => NoticeReason::First,
            (AlertState::Resolved, TransitionReason::RuleChanged) => NoticeReason::RuleChanged,
            (AlertState::Resolved, _) => NoticeReason::Resolved,
        };
        let Some(episode) = episode else {
            return;
        };
        let said = self.instances[object.rule]
            .get(object.label)
            .and_then(|instance| instance.said(episode.number));
        let (reason, truth) = match (reason, said) {
            // What people were told is over, or never was, fires after all.
            (NoticeReason::First, Some(said)) if said.state == AlertState::Resolved => {
                (NoticeReason::Corrected, Some(Truth::Fires))
            }
            (NoticeReason::First | NoticeReason::Escalated, Some(said)) => {
                if said.severity >= episode.severity {
                    // A correction had changed it without a mail: to the reader it is no news.
                    return;
                }
                (NoticeReason::Escalated, None)
            }
            (reason, _) => (reason, None),
        };
        let news = News {
            episode,
            reason,
            why: step.reason,
            truth,
        };
        self.incident(object, news, turn, effects);
    }

    pub(super) fn give_reason(&mut self, object: Object<'_>, reason: TransitionReason) {
        let instance = self.instances[object.rule].get_mut(object.label);
        if let Some(instance) = instance.map(Arc::make_mut) {
            instance.reason = reason;
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
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        effects.push(Effect::Transition(Transition {
            alert: watch.rule.id.clone(),
            group: label.to_string(),
            severity: step.severity,
            state: step.state,
            at_ms,
            value: instance.values.at(at_ms),
            reason: step.reason,
        }));
    }

    /// An incident began, changed or ended: the trigger, the lists and the people hear of it.
    pub(super) fn incident(
        &mut self,
        object: Object<'_>,
        news: News,
        turn: &Turn<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Object { watch, rule, label } = object;
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let episode = news.episode;
        let over = episode.resolved_at_ms.is_some();
        let said = instance.said(episode.number);
        let is_back = said.is_some_and(Statement::is_withdrawal);
        let said = said.map(|said| said.state);
        if over {
            if said.is_some() {
                self.cause_ended(object, episode.number);
            }
        } else if said != Some(AlertState::Firing)
            || (news.reason == NoticeReason::Escalated && self.has_no_trigger(object))
        {
            // A cause that was refused comes back when it is clearly worse.
            self.demand(object, episode, turn.cut.now_ms);
        }
        if is_back || (!over && said.is_none()) {
            self.confirm_cause(object, episode, news.why, is_back, turn.cut.now_ms);
        }
        let Some(instance) = self.instances[rule].get(label) else {
            return;
        };
        let trigger = self.triggers.newest(&watch.kqi.id, label);
        let trigger = trigger.map(|trigger| trigger.id.clone());
        let mut alert = instance.alert(watch, Some(episode), news.why, trigger);
        self.name_holder(watch.kqi, &mut alert);
        if over {
            self.ended.put(alert.clone());
        } else {
            self.ended.remove(&alert.incident);
        }
        if over && said.is_none() {
            // Nobody was told of it, so nobody hears of its end.
            return;
        }
        let story = Story {
            number: episode.number,
            alert,
            reason: news.reason,
            truth: news.truth,
            limit_before: turn.limit_before(rule, news.why),
        };
        self.tell_people(object, story, turn, effects);
    }

    fn has_no_trigger(&self, object: Object<'_>) -> bool {
        let trigger = self.triggers.newest(&object.watch.kqi.id, object.label);
        trigger.is_none_or(|trigger| trigger.state.is_final())
    }

    /// The trigger hears that an incident is over, unless another one of its object goes on: of this
    /// rule, or of another that watches the same KQI.
    pub(super) fn cause_ended(&mut self, object: Object<'_>, number: u32) {
        let Object { watch, rule, label } = object;
        let goes_on = (0..self.watchlist.rules()).any(|other| {
            let known = self.watchlist.watch(other);
            if known.is_none_or(|known| known.kqi.id != watch.kqi.id) {
                return false;
            }
            let instance = self.instances.get(other).and_then(|of| of.get(label));
            let last = instance.and_then(|instance| instance.timeline.episodes().last());
            last.is_some_and(|last| {
                last.resolved_at_ms.is_none() && (other != rule || last.number != number)
            })
        });
        if goes_on {
            return;
        }
        let now = Now {
            book: watch.book,
            at_ms: self.snapshot.now_ms,
        };
        self.triggers.alert_ended(&watch.kqi.id, label, now);
        self.triggers_changed = true;
    }
}
