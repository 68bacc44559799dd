//! Commands of people, and what the engine does at once because of them.

use std::sync::Arc;

use crate::rules::Desk;
use crate::triggers::book::{ENGINE, NewsReason, Now, Said};
use crate::triggers::explain::explain;
use crate::triggers::flow::{MoveError, Refusal};
use crate::triggers::trigger::{Explanation, Measured, Outcome};
use crate::triggers::{Trigger, TriggerBook, TriggerState, Urgency};

/// The furthest review date that can be given, ms from now. Judgement: what rests for more than two years is not
/// reviewed but forgotten.
pub const REVIEW_WITHIN_MS: i64 = 2 * 366 * 86_400_000;

/// What an acknowledgement leaves in the history.
const ACKNOWLEDGED: &str = "acknowledged";

/// A move that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// State that the trigger shall have.
    pub to: TriggerState,
    /// Who asks.
    pub actor: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
    /// Which of the two, for `not_optimised`.
    pub kind: Option<Refusal>,
    /// Review date, for `not_optimised`, ms; the rule book's without one.
    pub review_at_ms: Option<i64>,
    /// Remedy of the knowledge base, for `mended`.
    pub remedy: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// A move without anything beside it.
    pub fn plain(to: TriggerState, actor: &'a str, reason: Option<&'a str>) -> Wanted<'a> {
        Wanted {
            to,
            actor,
            reason,
            kind: None,
            review_at_ms: None,
            remedy: None,
        }
    }
}

/// Why, where somebody who takes a step of the flow gives no reason of their own.
const fn standard_reason(to: TriggerState) -> &'static str {
    match to {
        TriggerState::Reviewed => "审核通过 agreed",
        TriggerState::Accepted => "受理 taken on",
        TriggerState::InProgress => "开始处理 work begun",
        TriggerState::Mended => "处理完毕 work done",
        _ => "按流程推进 the next step",
    }
}

impl TriggerBook {
    /// Moves a trigger, and takes the steps that follow by themselves: what was reviewed is dispatched,
    /// what was answered is explained to the front line, a refusal is closed.
    ///
    /// # Errors
    /// There is no such trigger, or the move is refused; then nothing has changed.
    pub fn advance(
        &mut self,
        id: &str,
        wanted: Wanted<'_>,
        now: Now<'_>,
    ) -> Result<&Trigger, MoveError> {
        let trigger = self.triggers.get(id).ok_or_else(|| unknown(id))?;
        let reason = wanted
            .reason
            .map(str::trim)
            .filter(|reason| !reason.is_empty());
        let to = wanted.to;
        if !trigger.next().contains(&to) {
            return Err(illegal(trigger, to));
        }
        let needs_reason = matches!(to, TriggerState::NotOptimised | TriggerState::Reopened);
        if needs_reason && reason.is_none() {
            return Err(MoveError::ReasonMissing {
                id: id.to_owned(),
                to: to.name().to_owned(),
            });
        }
        let outcome = match to {
            TriggerState::NotOptimised => {
                let kind = wanted
                    .kind
                    .ok_or_else(|| MoveError::KindMissing { id: id.to_owned() })?;
                let rests_until_ms = now.at_ms.saturating_add(now.book.triggers.review_after_ms);
                // The API refuses what lies outside; an earlier journal may still have it.
                let last_ms = now.at_ms.saturating_add(REVIEW_WITHIN_MS);
                let review_at_ms = wanted.review_at_ms.unwrap_or(rests_until_ms);
                Some(Outcome::NotOptimised {
                    kind,
                    reason: reason.unwrap_or_default().to_owned(),
                    review_at_ms: review_at_ms.clamp(now.at_ms, last_ms),
                })
            }
            TriggerState::Mended => Some(Outcome::Mended),
            _ => None,
        };
        if let Some(remedy) = wanted.remedy {
            check_remedy(trigger, remedy, now)?;
        }
        let remedy = wanted.remedy.map(str::to_owned);
        if let Some(trigger) = self.edit(id) {
            trigger.outcome = outcome.or(trigger.outcome.take());
            trigger.remedy = remedy.or(trigger.remedy.take());
        }
        match to {
            TriggerState::Reopened => {
                self.reopen(id, wanted.actor, reason.unwrap_or_default(), now);
            }
            _ => {
                let reason = reason.unwrap_or_else(|| standard_reason(to));
                self.enter(id, to, wanted.actor, Some(reason), now);
                self.go_on(id, now);
                self.answer(id, now);
            }
        }
        self.shown(id)
    }

    /// Somebody has seen it: reminders and escalation are held back for a while. Who says so again, in the same state and
    /// before it was another demand, holds them back anew and adds nothing to the history.
    ///
    /// # Errors
    /// There is no such trigger, nobody waits for anything, or its history is so long that only moves lengthen it
    /// ([`TriggerLimits::moves_max`](crate::triggers::TriggerLimits)).
    pub fn acknowledge(
        &mut self,
        id: &str,
        actor: &str,
        now: Now<'_>,
    ) -> Result<&Trigger, MoveError> {
        let trigger = self.triggers.get(id).ok_or_else(|| unknown(id))?;
        if trigger.deadline.is_none() {
            return Err(MoveError::NotAtWork {
                id: id.to_owned(),
                state: trigger.state.name().to_owned(),
                wanted: "there is nothing to acknowledge".to_owned(),
            });
        }
        let is_said = trigger.ack_until_ms.is_some() && has_acknowledged(trigger, actor);
        if !is_said {
            self.check_room(id)?;
        }
        let policy = &now.book.triggers;
        let until_ms = policy.calendar.after(now.at_ms, policy.ack_ms);
        if let Some(trigger) = self.edit(id) {
            trigger.ack_until_ms = Some(until_ms);
            trigger.acknowledged_revision = trigger.revision;
            if !is_said {
                trigger.remark(actor, ACKNOWLEDGED.to_owned(), now.at_ms);
            }
        }
        self.shown(id)
    }

    /// Comes into a state: history, counters, due time, explanation, and who is told.
    pub(super) fn enter(
        &mut self,
        id: &str,
        to: TriggerState,
        actor: &str,
        reason: Option<&str>,
        now: Now<'_>,
    ) {
        if let Some(trigger) = self.triggers.get(id).cloned() {
            self.process.left(&trigger, now.at_ms);
            self.spend(id, now);
            self.samples
                .left(&trigger, to, trigger.decided_by(now.book), now.at_ms);
        }
        self.write(id, to, actor, reason, now);
        self.set_deadline(id, now);
        if to == TriggerState::Dispatched {
            let reopened = self.triggers.get(id).is_some_and(|trigger| {
                let mut before = trigger.history.iter().rev().skip(1);
                let back = before
                    .find(|step| step.from != Some(step.to) && step.to != TriggerState::Analysed);
                back.is_some_and(|step| step.to == TriggerState::Reopened)
            });
            let reason = if reopened {
                NewsReason::Reopened
            } else {
                NewsReason::Assigned
            };
            let recipients = self
                .owner_of(id, now)
                .into_iter()
                .chain(self.copies_of(id, now));
            let recipients = recipients.collect();
            self.tell(id, reason, recipients, now);
        }
    }

    /// Writes a move down, with what agents say from now on.
    pub(super) fn write(
        &mut self,
        id: &str,
        to: TriggerState,
        actor: &str,
        reason: Option<&str>,
        now: Now<'_>,
    ) {
        let Some(trigger) = self.edit(id) else {
            return;
        };
        trigger.step(to, actor, reason.map(str::to_owned), now.at_ms);
        trigger.stands_since_revision = trigger.revision + 1;
        trigger.ack_until_ms = None;
    }

    /// Says what agents tell customers from now on.
    pub(super) fn explain(&mut self, id: &str, now: Now<'_>) {
        let max = self.limits.explanations_max;
        let Some(trigger) = self.triggers.get_mut(id).map(Arc::make_mut) else {
            return;
        };
        let said = explain(trigger, now);
        let before = trigger.explanation().map(|said| &said.text);
        let Some(text) = said.filter(|text| Some(text) != before) else {
            return;
        };
        let explanation = Explanation {
            at_ms: now.at_ms,
            state: trigger.state,
            text,
        };
        if trigger.explanations.len() >= max {
            // What this step said is recorded with what it leaves: not one of it goes before.
            let told_now = self.said.iter().find(|said| said.id == id);
            let told_now = told_now.map(|said| said.number);
            self.over_one.explanations += trigger.forget_explanations(max, told_now);
        }
        trigger.explanations.push(explanation.clone());
        self.said.push(Said {
            id: id.to_owned(),
            number: trigger.explanations_told(),
            explanation,
            outcome: trigger.outcome.as_ref().map(Outcome::name),
            due_ms: trigger.deadline.map(|deadline| deadline.due_ms),
        });
    }

    /// What a department answered goes to the front line at once; a refusal is over with that.
    fn answer(&mut self, id: &str, now: Now<'_>) {
        let state = self.triggers.get(id).map(|trigger| trigger.state);
        let refused = state == Some(TriggerState::NotOptimised);
        if !refused && state != Some(TriggerState::Mended) {
            return;
        }
        let why = "explained to the front line";
        self.enter(id, TriggerState::FeedbackGiven, ENGINE, Some(why), now);
        self.answer_tickets(id, now);
        if refused {
            self.close(id, ENGINE, "not optimised, and the front line knows", now);
        } else {
            let frontline = self.frontline(now);
            let recipients = self.told(id, now).into_iter().chain(frontline).collect();
            self.tell(id, NewsReason::Answered, recipients, now);
        }
    }

    pub(super) fn close(&mut self, id: &str, actor: &str, why: &str, now: Now<'_>) {
        self.enter(id, TriggerState::Closed, actor, Some(why), now);
        self.answer_tickets(id, now);
        let absorbed = self
            .triggers
            .get(id)
            .is_some_and(|trigger| matches!(trigger.outcome, Some(Outcome::Absorbed { .. })));
        // The front line hears of the wider trigger.
        let frontline = self.frontline(now).filter(|_| !absorbed);
        let recipients = self.told(id, now).into_iter().chain(frontline).collect();
        self.tell(id, NewsReason::Closed, recipients, now);
        if let Some(trigger) = self.triggers.get(id).cloned() {
            self.process.ended(&trigger);
            self.samples.ended(&trigger, now.at_ms);
        }
        self.file_away(id);
    }

    pub(super) fn reopen(&mut self, id: &str, actor: &str, why: &str, now: Now<'_>) {
        self.enter(id, TriggerState::Reopened, actor, Some(why), now);
        // Whoever sat at the desk then may be away now.
        let owner = self.triggers.get(id).and_then(|trigger| {
            let desk = Desk {
                department: trigger.owner.department.clone(),
                role: trigger.owner.role.clone(),
            };
            now.book.at_desk(&desk, trigger.owner.by, now.at_ms)
        });
        if let Some(trigger) = self.edit(id) {
            trigger.outcome = None;
            // The work begins anew, with the time for it.
            trigger.spent.clear();
            // That nothing can be told yet is said of a mend that is none any more; what was found stays, for it is why.
            let is_early = |measured: &mut Measured| measured.verdict.is_awaited();
            trigger.measured.take_if(is_early);
            if let Some(owner) = owner {
                trigger.owner = owner;
            }
            trigger.weigh_anew(now);
            trigger.urgency = Urgency::of(trigger, now.book);
            for ticket in &mut trigger.tickets {
                ticket.answered_at_ms = None;
            }
        }
        if !self.settle_place(id, now) {
            self.go_on(id, now);
        }
    }

    pub(super) fn shown(&self, id: &str) -> Result<&Trigger, MoveError> {
        self.triggers
            .get(id)
            .map(|trigger| &**trigger)
            .ok_or_else(|| unknown(id))
    }
}

/// Whether somebody's acknowledgement is among the remarks since the trigger came into its state.
fn has_acknowledged(trigger: &Trigger, actor: &str) -> bool {
    let since = trigger.history.iter().rev();
    let mut remarks = since.take_while(|step| step.from == Some(step.to));
    remarks.any(|step| step.actor == actor && step.reason.as_deref() == Some(ACKNOWLEDGED))
}

fn check_remedy(trigger: &Trigger, remedy: &str, now: Now<'_>) -> Result<(), MoveError> {
    let cause = &trigger.cause.cause;
    let entry = now.book.knowledge.iter().find(|entry| entry.id == *cause);
    let known: Vec<&str> = entry
        .map(|entry| entry.remedies.iter().map(|known| &*known.id).collect())
        .unwrap_or_default();
    if known.contains(&remedy) {
        return Ok(());
    }
    Err(MoveError::UnknownRemedy {
        remedy: remedy.to_owned(),
        cause: cause.clone(),
        known: match known.is_empty() {
            true => "none".to_owned(),
            false => known.join(", "),
        },
    })
}

pub(super) fn unknown(id: &str) -> MoveError {
    MoveError::Unknown { id: id.to_owned() }
}

pub(super) fn illegal(trigger: &Trigger, to: TriggerState) -> MoveError {
    let next = trigger.next();
    let legal: Vec<&str> = next.iter().map(|state| state.name()).collect();
    MoveError::Illegal {
        id: trigger.id.clone(),
        from: trigger.state.name().to_owned(),
        to: to.name().to_owned(),
        legal: if legal.is_empty() {
            "nothing else".to_owned()
        } else {
            legal.join(" or ")
        },
    }
}
