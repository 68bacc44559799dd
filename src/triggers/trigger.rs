//! One trigger, with everything that is known of it.
//!
//! Invariants:
//! * a trigger has an owner from the moment it opens;
//! * the history is only ever appended to, and its last entry is the current state; where an entry's
//!   states are the same, somebody only remarks something ("cause
//!   withdrawn", "cause confirmed again", "reminded");
//! * `not_optimised` has its kind and a reason (domain fact H25).

use serde::{Deserialize, Serialize};

use crate::effect::{EffectReport, EffectVerdict};
use crate::rules::{Contact, Layer, Owner, OwnerBy, RuleBook, Severity, Text};
use crate::triggers::book::Now;
use crate::triggers::flow::Refusal;
use crate::triggers::{Cause, Crossing, TriggerState, Urgency};

/// A window that speaks for a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// KQI of the window.
    pub kqi: String,
    /// Label of its object.
    pub group_label: String,
    /// Alert incident that the window belongs to.
    pub incident: String,
    /// Start of the window, ms.
    pub start_ms: i64,
    /// End of the window, ms.
    pub end_ms: i64,
    /// Unit of the value.
    pub unit: String,
    /// Value.
    pub value: Option<f64>,
    /// Score.
    pub score: Option<f64>,
    /// Samples.
    pub samples: i64,
}

/// An object whose alert speaks for a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// KQI.
    pub kqi: String,
    /// Label of the object.
    pub group_label: String,
    /// Whether its alert still fires.
    pub firing: bool,
    /// Whether the engine's last word on it is that its alert never was.
    pub withdrawn: bool,
}

/// One move, kept for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerMove {
    /// State before; `None` for the opening, the state after for a remark.
    pub from: Option<TriggerState>,
    /// State after.
    pub to: TriggerState,
    /// When, by the journal's clock, ms.
    pub at_ms: i64,
    /// Who.
    pub actor: String,
    /// Why; required of people for `not_optimised` and `reopened`.
    pub reason: Option<String>,
}

/// How a department's work came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The department says that it is mended.
    Mended,
    /// It will not be.
    NotOptimised {
        /// Why not.
        kind: Refusal,
        /// In its words.
        reason: String,
        /// Until when that is respected, ms.
        review_at_ms: i64,
    },
    /// It became part of the trigger of a wider place.
    Absorbed {
        /// That trigger.
        into: String,
    },
}

impl Outcome {
    /// The name in the API and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Outcome::Mended => "mended",
            Outcome::NotOptimised { .. } => "not_optimised",
            Outcome::Absorbed { .. } => "absorbed",
        }
    }
}

/// A verdict with its grounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Verdict.
    pub verdict: EffectVerdict,
    /// Its grounds, as people read them.
    pub text: Text,
    /// The numbers; none before there are any.
    pub report: Option<Box<EffectReport>>,
    /// When, by the journal's clock, ms.
    pub at_ms: i64,
}

impl Trigger {
    /// Whether it was decided not to optimise this, and that decision's review date has not come.
    pub fn rests(&self, now_ms: i64) -> bool {
        matches!(&self.outcome, Some(Outcome::NotOptimised { review_at_ms, .. }) if now_ms < *review_at_ms)
    }
}

impl Measured {
    /// Whether another look came to the same in every number, whenever that was.
    pub(super) fn says_the_same(&self, other: &Measured) -> bool {
        let numbers =
            |report: &EffectReport| (report.mend, report.verdict, report.indicators.clone());
        self.verdict == other.verdict
            && self.text == other.text
            && self.report.as_deref().map(numbers) == other.report.as_deref().map(numbers)
    }
}

/// What agents tell customers (客服解释口径), since a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Since when, by the journal's clock, ms.
    pub at_ms: i64,
    /// State that it explains.
    pub state: TriggerState,
    /// In both languages.
    pub text: Text,
}

/// A complaint ticket that waits for a trigger's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedTicket {
    /// Its serial number.
    pub serial: String,
    /// Its path.
    pub path: String,
    /// Last level of its path.
    pub leaf: String,
    /// City.
    pub city: String,
    /// When it was filed, event time, ms.
    pub filed_at_ms: i64,
    /// When it got its answer, by the journal's clock, ms.
    pub answered_at_ms: Option<i64>,
}

/// Until when somebody has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// Due time, ms.
    pub due_ms: i64,
    /// 0 before the reminder, 1 after it, and one more for each step of escalation.
    pub step: u16,
    /// When it is looked at next, ms.
    pub next_ms: i64,
}

/// Open time that a department has had for something: what comes back to it goes on where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The department that had to do it.
    pub department: String,
    /// What it was waited for: `dispatched` to be accepted, `accepted` to be mended, and so on.
    pub state: TriggerState,
    /// How long, over all its stays, ms.
    pub open_ms: i64,
}

/// An optimization trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// Identifier, for example `T-000017`.
    pub id: String,
    /// What it is about.
    pub cause: Cause,
    /// That in words: of the knowledge base, or the KQI's name.
    pub title: Text,
    /// KQI that left its interval first.
    pub kqi: String,
    /// Its display name.
    pub name: Text,
    /// Service.
    pub service: Option<String>,
    /// Its display name.
    pub service_name: Option<Text>,
    /// Layer that the demand concerns.
    pub layer: Layer,
    /// Label of the first object.
    pub group_label: String,
    /// Dimensions of the first object.
    pub group: Vec<(String, String)>,
    /// Who answers for it.
    pub owner: Owner,
    /// Since when its department has it, by the journal's clock, ms.
    pub owned_since_ms: i64,
    /// Who gets copies (抄送).
    pub copies: Vec<Contact>,
    /// Severity when it opened, raised with its alerts.
    pub severity: Severity,
    /// State.
    pub state: TriggerState,
    /// Whether it must be reviewed before it is dispatched.
    pub review_required: bool,
    /// When it opened, by the journal's clock, ms.
    pub opened_at_ms: i64,
    /// Event time of the window that opened it, ms.
    pub since_ms: i64,
    /// Smallest reasonable value of the first KQI.
    pub limit_min: Option<f64>,
    /// Largest reasonable value of the first KQI.
    pub limit_max: Option<f64>,
    /// Unit of the first KQI's values and limits.
    pub unit: String,
    /// Whether an alert of its sources still fires.
    pub alert_firing: bool,
    /// Objects that speak for it, the first one first; bounded.
    pub sources: Vec<Source>,
    /// Windows that speak for it, the newest last; bounded.
    pub evidence: Vec<Evidence>,
    /// Complaints counted for the same service and place: of each KQI the greatest count since it opened.
    pub complaints: Vec<(Text, i64)>,
    /// What complaints and KQIs say of each other, as of the last time that both could be seen.
    pub crossing: Option<Crossing>,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Until when somebody has to do something.
    pub deadline: Option<Deadline>,
    /// Until when reminders are held back, ms.
    pub ack_until_ms: Option<i64>,
    /// How the work came out.
    pub outcome: Option<Outcome>,
    /// Remedy that was used, of the knowledge base.
    pub remedy: Option<String>,
    /// The newest verdict on its effect.
    pub measured: Option<Measured>,
    /// Complaint tickets that get its answer; bounded.
    pub tickets: Vec<LinkedTicket>,
    /// Tickets beyond the bound.
    pub tickets_beyond: u64,
    /// Earlier trigger for the same cause, when it came back.
    pub recurrence_of: Option<String>,
    /// Triggers that became part of this one.
    pub absorbed: Vec<String>,
    /// Hand-overs between departments.
    pub hops: u32,
    /// Open time that departments have had for it already, since it opened last.
    pub spent: Vec<Spent>,
    /// Counts what was told of it.
    pub revision: u32,
    /// The first revision since it came into its present state, or to its present owner: links of earlier
    /// ones are over.
    pub stands_since_revision: u32,
    /// The revision up to which links to acknowledge it are over.
    pub acknowledged_revision: u32,
    /// Everybody who was told.
    pub told: Vec<Contact>,
    /// What agents tell customers, the newest last; bounded: the first and the newest are here, and those between them that
    /// went are in the history only.
    pub explanations: Vec<Explanation>,
    /// Explanations that went, all of them from behind the first.
    pub explanations_gone: u32,
    /// Every move.
    pub history: Vec<TriggerMove>,
}

impl Trigger {
    /// States that people can make follow now.
    pub fn next(&self) -> Vec<TriggerState> {
        let mut next = self.state.next();
        if self.review_required && self.state == TriggerState::Analysed {
            next.retain(|to| *to != TriggerState::Dispatched);
        }
        next
    }

    /// Whether people must decide before anybody is asked for work: the lead, or who has to find an owner.
    pub fn waits_for_decision(&self, book: &RuleBook) -> bool {
        match self.state {
            TriggerState::Detected => !book.triggers.automatic,
            TriggerState::Classified => {
                !book.triggers.automatic || self.owner.by == OwnerBy::Coordinator
            }
            TriggerState::Analysed => !book.triggers.automatic || self.review_required,
            _ => false,
        }
    }

    /// Who gets copies, and whether the lead must agree first, by its severity and owner as they are now. Whom somebody
    /// has asked for work already is not taken back for a review.
    pub(super) fn weigh_anew(&mut self, now: Now<'_>) {
        let department = &self.owner.department;
        self.copies = now.book.copies(department, self.severity, now.at_ms);
        let is_asked = matches!(
            self.state,
            TriggerState::Dispatched | TriggerState::Accepted | TriggerState::InProgress
        );
        if !is_asked {
            self.review_required = now.book.needs_review(department, self.severity);
        }
    }

    /// Until when a refusal of it is respected, ms.
    pub(super) fn rests_until_ms(&self) -> Option<i64> {
        match self.outcome {
            Some(Outcome::NotOptimised { review_at_ms, .. }) => Some(review_at_ms),
            _ => None,
        }
    }

    /// When it came into its present state, ms.
    pub fn entered_at_ms(&self) -> i64 {
        let moved = self.history.iter().rev();
        moved
            .clone()
            .find(|step| step.from != Some(step.to))
            .map_or(self.opened_at_ms, |step| step.at_ms)
    }

    /// Who accepted it, if it was at work when it became a part of another.
    pub(super) fn accepted_by(&self) -> Option<&str> {
        let mut moved = self.history.iter().rev();
        let left = moved.find(|step| step.to == TriggerState::FeedbackGiven)?;
        let was_at_work = matches!(
            left.from,
            Some(TriggerState::Accepted | TriggerState::InProgress)
        );
        let mut steps = self.history.iter().rev();
        let accepted =
            steps.find(|step| step.to == TriggerState::Accepted && step.from != Some(step.to));
        accepted.filter(|_| was_at_work).map(|step| &*step.actor)
    }

    /// How long it was in each state that it was in, ms, until an instant or its end; in the order of
    /// the flow.
    pub fn time_in_states(&self, now_ms: i64) -> Vec<(TriggerState, i64)> {
        let mut moves = self
            .history
            .iter()
            .filter(|step| step.from != Some(step.to));
        let mut times: Vec<(TriggerState, i64)> = Vec::new();
        let mut stay = moves.next().map(|step| (step.to, step.at_ms));
        while let Some((state, since_ms)) = stay {
            let next = moves.next();
            let until_ms = match next {
                Some(step) => step.at_ms,
                None if state.is_final() => since_ms,
                None => now_ms,
            };
            let lasted_ms = (until_ms - since_ms).max(0);
            match times.iter_mut().find(|(known, _)| *known == state) {
                Some((_, sum_ms)) => *sum_ms += lasted_ms,
                None => times.push((state, lasted_ms)),
            }
            stay = next.map(|step| (step.to, step.at_ms));
        }
        times.sort_by_key(|(state, _)| *state);
        times
    }

    /// From opening to closing, ms; none while it is open.
    pub fn resolution_ms(&self) -> Option<i64> {
        let last = self.history.last().filter(|_| self.state.is_final())?;
        Some(last.at_ms - self.opened_at_ms)
    }

    /// The department whose people decide about it now: what waits for its review is the reviewer's, and not
    /// that of whom it shall ask.
    pub fn decided_by<'a>(&'a self, book: &'a RuleBook) -> &'a str {
        let waits = self.state == TriggerState::Analysed && self.review_required;
        let reviewer = book.triggers.reviewer.as_ref().filter(|_| waits);
        reviewer.map_or(&self.owner.department, |desk| &desk.department)
    }

    /// How many explanations there were: the number of the newest, from 1.
    pub fn explanations_told(&self) -> u32 {
        let kept = u32::try_from(self.explanations.len()).unwrap_or(u32::MAX);
        kept.saturating_add(self.explanations_gone)
    }

    /// The explanations that are kept, each with its number, from 1.
    pub fn numbered_explanations(&self) -> impl Iterator<Item = (u32, &Explanation)> {
        let behind_gone = self.explanations_gone.saturating_add(2);
        std::iter::once(1)
            .chain(behind_gone..)
            .zip(&self.explanations)
    }

    /// Makes room for one more explanation among `max`: the oldest behind the first go, but none of number `told_now` and
    /// later, which nobody has been told yet. Says how many went.
    pub(super) fn forget_explanations(&mut self, max: usize, told_now: Option<u32>) -> u64 {
        let over = (self.explanations.len() + 1).saturating_sub(max);
        let oldest = self.explanations_gone.saturating_add(2);
        let told = told_now.map_or(usize::MAX, |now| now.saturating_sub(oldest) as usize);
        let behind_first = self.explanations.len().saturating_sub(1);
        let gone = over.min(told).min(behind_first);
        if gone == 0 {
            return 0;
        }
        self.explanations.drain(1..=gone);
        let counted = u32::try_from(gone).unwrap_or(u32::MAX);
        self.explanations_gone = self.explanations_gone.saturating_add(counted);
        gone as u64
    }

    /// What agents tell customers now.
    pub fn explanation(&self) -> Option<&Explanation> {
        self.explanations.last()
    }

    /// Cities that it is about by name: those of its sources, or its own.
    pub fn cities(&self) -> Vec<&str> {
        let mut cities: Vec<&str> = self
            .sources
            .iter()
            .flat_map(|source| source.group_label.split(';'))
            .filter_map(|part| part.strip_prefix("city="))
            .collect();
        cities.sort_unstable();
        cities.dedup();
        cities
    }

    /// Whether it is about a city of its place: one of a province that some of its cities made is not about the others.
    pub fn is_about(&self, city: &str) -> bool {
        let mut places = self.sources.iter().map(|source| {
            let mut parts = source.group_label.split(';');
            parts.find_map(|part| part.strip_prefix("city="))
        });
        self.sources.is_empty() || places.any(|of| of.is_none_or(|of| of == city))
    }

    /// Whether an alert that speaks for it fires in a city: that city's own, or one of a wider place. A province that some
    /// of its cities made is not felt in the others.
    pub fn is_felt_in(&self, city: &str) -> bool {
        let firing = self.sources.iter().filter(|source| source.firing);
        let mut cities = firing.map(|source| {
            let mut parts = source.group_label.split(';');
            parts.find_map(|part| part.strip_prefix("city="))
        });
        self.alert_firing && cities.any(|of| of.is_none_or(|of| of == city))
    }

    /// Writes something into the history that moves nothing.
    pub(super) fn remark(&mut self, actor: &str, reason: String, at_ms: i64) {
        self.step(self.state, actor, Some(reason), at_ms);
    }

    /// Appends to the history, in the order of time: a command that was journaled before the end of its epoch is
    /// carried out behind what the epoch's data decided.
    pub(super) fn step(
        &mut self,
        to: TriggerState,
        actor: &str,
        reason: Option<String>,
        at_ms: i64,
    ) {
        let last_ms = self.history.last().map_or(i64::MIN, |step| step.at_ms);
        self.history.push(TriggerMove {
            from: Some(self.state),
            to,
            at_ms: at_ms.max(last_ms),
            actor: actor.to_owned(),
            reason,
        });
        self.state = to;
    }
}
