//! Due times in open hours: a reminder before, and then a chain to climb. Ticks decide, so a replay
//! reminds of the same things at the same times.

use crate::rules::{OwnerBy, RuleBook, Severity};
use crate::triggers::book::{ENGINE, NewsReason, Now};
use crate::triggers::trigger::{Deadline, Spent};
use crate::triggers::{Trigger, TriggerBook, TriggerState, Urgency};

impl TriggerBook {
    /// Lets the clock pass: reminders go out, and what is overdue climbs. True if anything happened.
    ///
    /// What the clock may be ahead by, ms, has not passed for anybody: a reminder that went out cannot be taken back.
    pub fn tick(&mut self, now: Now<'_>, ahead_ms: i64) -> bool {
        let passed_ms = now.at_ms.saturating_sub(ahead_ms);
        let mut happened = false;
        while let Some((at_ms, id)) = self.alarms.first().cloned() {
            if at_ms > passed_ms {
                break;
            }
            self.alarms.pop_first();
            happened = true;
            self.look_at(&id, passed_ms, now);
        }
        happened
    }

    fn look_at(&mut self, id: &str, passed_ms: i64, now: Now<'_>) {
        let Some(trigger) = self.triggers.get(id).cloned() else {
            return;
        };
        if trigger.state.is_final() {
            self.review(&trigger, now);
            return;
        }
        let Some(deadline) = trigger.deadline else {
            return;
        };
        if let Some(until_ms) = trigger
            .ack_until_ms
            .filter(|until_ms| *until_ms > passed_ms)
        {
            let later = Deadline {
                next_ms: until_ms,
                ..deadline
            };
            self.wind(id, Some(later));
            // Agents promise no time that is over, whoever has seen it.
            self.explain(id, now);
            return;
        }
        let policy = &now.book.triggers;
        let next = Deadline {
            step: deadline.step + 1,
            ..deadline
        };
        if deadline.step == 0 {
            // What was held back is told as it is by now: overdue, and by its first step of escalation where that has come.
            let is_over = deadline.due_ms <= passed_ms;
            let climbs = next_alarm(next, now).is_some_and(|at_ms| at_ms <= passed_ms);
            let recipients = self.asked_of(id, now).into_iter().collect();
            if !is_over {
                self.process.reminders_total += 1;
                self.remark(id, "reminded: its due time comes near".to_owned(), now);
                self.tell(id, NewsReason::Reminder, recipients, now);
            } else if !climbs {
                self.remark(id, "overdue".to_owned(), now);
                self.tell(id, NewsReason::Overdue, recipients, now);
                self.explain(id, now);
            }
        } else {
            let climbed = usize::from(deadline.step) - 1;
            let step = policy.escalation.get(climbed);
            let asked = self.asked(id, now);
            let to = step.zip(asked);
            let to = to.and_then(|(step, asked)| now.book.escalated_to(step, &asked, now.at_ms));
            self.process.escalations_total += 1;
            let words = match &to {
                Some(to) => format!("overdue: escalated to {} of {}", to.role, to.department),
                None => "overdue".to_owned(),
            };
            self.remark(id, words, now);
            let to = to.map(|to| (to.person, Some((to.department_name, to.role_name))));
            let recipients = to.into_iter().chain(self.asked_of(id, now)).collect();
            self.tell(id, NewsReason::Overdue, recipients, now);
            self.explain(id, now);
        }
        let next_ms = next_alarm(next, now);
        self.wind(id, next_ms.map(|next_ms| Deadline { next_ms, ..next }));
        if next_ms.is_none()
            && let Some(trigger) = self.edit(id)
        {
            // The due time stays to be seen, and nobody is left to climb to.
            trigger.deadline = Some(Deadline {
                next_ms: i64::MAX,
                ..next
            });
        }
    }

    /// Sets the due time of the state that a trigger has come into, or takes it away.
    pub(super) fn set_deadline(&mut self, id: &str, now: Now<'_>) {
        let Some(trigger) = self.triggers.get(id) else {
            return;
        };
        let deadline = match trigger.state {
            // Work that has begun is still due when the acceptance said.
            TriggerState::InProgress => {
                self.explain(id, now);
                return;
            }
            state => self.left_ms(trigger, state, now).map(|allowed_ms| {
                let calendar = &now.book.triggers.calendar;
                let remind_ms = allowed_ms - now.book.triggers.remind_before_ms;
                let due_ms = calendar.after(now.at_ms, allowed_ms);
                if remind_ms > 0 {
                    return Deadline {
                        due_ms,
                        step: 0,
                        next_ms: calendar.after(now.at_ms, remind_ms),
                    };
                }
                let due = Deadline {
                    due_ms,
                    step: 1,
                    next_ms: due_ms,
                };
                Deadline {
                    next_ms: next_alarm(due, now).unwrap_or(due_ms),
                    ..due
                }
            }),
        };
        self.wind(id, deadline);
        self.explain(id, now);
    }

    /// Weighs a trigger that has gained evidence: a severity that rose brings more copies, and a due time that is counted
    /// from when it came into its state. Whoever was reminded already, or has acknowledged it, hears of it as well.
    pub(super) fn weigh(&mut self, id: &str, before: Severity, now: Now<'_>) {
        let Some(trigger) = self.edit(id) else {
            return;
        };
        trigger.urgency = Urgency::of(trigger, now.book);
        if trigger.severity <= before || !trigger.state.is_unanswered() {
            return;
        }
        let severity = trigger.severity.name();
        trigger.remark(ENGINE, format!("severity raised to {severity}"), now.at_ms);
        trigger.weigh_anew(now);
        // Of what is just opening nobody has heard: who is asked by the next step hears of it as it is.
        let Some(deadline) = trigger.deadline else {
            return;
        };
        // It was another demand that somebody had seen.
        let acknowledged = trigger.ack_until_ms.take();
        let acknowledged = acknowledged.filter(|until_ms| *until_ms > now.at_ms);
        let is_sooner = self.hasten(id, deadline, now);
        self.release(id, acknowledged, now);
        self.explain(id, now);
        let is_owners = is_sooner || deadline.step > 0 || acknowledged.is_some();
        let owner = self.asked_of(id, now).into_iter().filter(|_| is_owners);
        let copies = self.copies_of(id, now).into_iter().filter(|(who, _)| {
            let told = self.triggers.get(id).map(|trigger| trigger.told.iter());
            let mut told = told.into_iter().flatten();
            is_sooner || !told.any(|told| told.email == who.email)
        });
        let recipients = owner.chain(copies).collect();
        self.tell(id, NewsReason::Raised, recipients, now);
    }

    /// What an acknowledgement that is over had held back is looked at now.
    fn release(&mut self, id: &str, acknowledged_until_ms: Option<i64>, now: Now<'_>) {
        let deadline = self.triggers.get(id).and_then(|trigger| trigger.deadline);
        let held = deadline.filter(|deadline| Some(deadline.next_ms) == acknowledged_until_ms);
        if let Some(held) = held {
            let next_ms = now.at_ms;
            self.wind(id, Some(Deadline { next_ms, ..held }));
        }
    }

    /// Counts the due time of a graver demand from when it came into its state, unless it is due sooner already. True if it
    /// is due sooner by that.
    fn hasten(&mut self, id: &str, before: Deadline, now: Now<'_>) -> bool {
        let Some(trigger) = self.triggers.get(id) else {
            return false;
        };
        // What came before, its acceptance among it, is spent.
        let since_ms = trigger.entered_at_ms().max(trigger.owned_since_ms);
        let Some(allowed_ms) = self.left_ms(trigger, task_of(trigger.state), now) else {
            return false;
        };
        let calendar = &now.book.triggers.calendar;
        let due_ms = calendar.after(since_ms, allowed_ms);
        if before.due_ms <= due_ms {
            return false;
        }
        let due = Deadline { due_ms, ..before };
        let remind_ms = (allowed_ms - now.book.triggers.remind_before_ms).max(0);
        let next_ms = match before.step {
            0 => calendar.after(since_ms, remind_ms).min(before.next_ms),
            // Who was reminded of the later due time needs no reminder of this one beside the news of it.
            1 => next_alarm(due, now).unwrap_or(due_ms),
            _ => before.next_ms,
        };
        self.wind(id, Some(Deadline { next_ms, ..due }));
        true
    }

    /// Open time that is left for what a trigger waits for in a state, ms: what its department has had of it before, on all
    /// its stays, is gone. None where it waits for nobody.
    fn left_ms(&self, trigger: &Trigger, state: TriggerState, now: Now<'_>) -> Option<i64> {
        let allowed_ms = allowed_ms(trigger, state, now.book)?;
        let department = trigger.decided_by(now.book);
        let mut spent = trigger.spent.iter();
        let spent = spent.find(|spent| (&*spent.department, spent.state) == (department, state));
        Some((allowed_ms - spent.map_or(0, |spent| spent.open_ms)).max(0))
    }

    /// A trigger leaves its state, or its department: the open time that it was there is spent.
    pub(super) fn spend(&mut self, id: &str, now: Now<'_>) {
        let Some(trigger) = self
            .edit(id)
            .filter(|trigger| trigger.state.is_unanswered())
        else {
            return;
        };
        let since_ms = trigger.entered_at_ms().max(trigger.owned_since_ms);
        let open_ms = now.book.triggers.calendar.between(since_ms, now.at_ms);
        let department = trigger.decided_by(now.book).to_owned();
        let state = task_of(trigger.state);
        let mut known = trigger.spent.iter_mut();
        match known.find(|spent| (&spent.department, spent.state) == (&department, state)) {
            Some(spent) => spent.open_ms += open_ms,
            None => trigger.spent.push(Spent {
                department,
                state,
                open_ms,
            }),
        }
    }

    /// Winds a trigger's alarm anew.
    fn wind(&mut self, id: &str, deadline: Option<Deadline>) {
        let before = self.triggers.get(id).and_then(|trigger| trigger.deadline);
        if let Some(before) = before {
            self.alarms.remove(&(before.next_ms, id.to_owned()));
        }
        if let Some(deadline) = deadline {
            self.alarms.insert((deadline.next_ms, id.to_owned()));
        }
        if let Some(trigger) = self.edit(id) {
            trigger.deadline = deadline;
        }
    }

    fn remark(&mut self, id: &str, words: String, now: Now<'_>) {
        if let Some(trigger) = self.edit(id) {
            trigger.remark(ENGINE, words, now.at_ms);
        }
    }
}

/// What is waited for in a state, by the state that sets its due time: work that has begun is due since its acceptance.
const fn task_of(state: TriggerState) -> TriggerState {
    match state {
        TriggerState::InProgress => TriggerState::Accepted,
        state => state,
    }
}

/// When the next step of escalation comes; none when the chain has ended.
fn next_alarm(deadline: Deadline, now: Now<'_>) -> Option<i64> {
    let policy = &now.book.triggers;
    let climbed = usize::from(deadline.step).checked_sub(1)?;
    match policy.escalation.get(climbed) {
        Some(step) if climbed == 0 => Some(policy.calendar.after(deadline.due_ms, step.after_ms)),
        Some(step) => Some(policy.calendar.after(now.at_ms, step.after_ms)),
        // Without a chain the owner alone hears that it is overdue.
        None if climbed == 0 => Some(deadline.due_ms),
        None => None,
    }
}

/// Open time for what a trigger waits for in a state, ms; none where it waits for nobody.
fn allowed_ms(trigger: &Trigger, state: TriggerState, book: &RuleBook) -> Option<i64> {
    let due = book.triggers.due.get(&trigger.severity)?;
    let unclear = trigger.owner.by == OwnerBy::Coordinator || !book.triggers.automatic;
    match state {
        TriggerState::Dispatched => Some(due.accept_ms),
        TriggerState::Accepted => Some(due.mend_ms),
        TriggerState::Analysed if trigger.review_required => Some(due.accept_ms),
        TriggerState::Detected | TriggerState::Classified | TriggerState::Analysed if unclear => {
            Some(due.accept_ms)
        }
        _ => None,
    }
}
