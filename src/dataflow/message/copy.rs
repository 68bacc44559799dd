//! A message as one recipient has it: what it states, and how it ended.

use std::sync::Arc;

use crate::dataflow::entity::{EntityFact, View};
use crate::dataflow::message::{EXPIRED, INDETERMINATE, PENDING, RETRIEVED, clock_ms};
use crate::dataflow::subscriber::MessageDetail;
use crate::event::{Borrowed, MmsReceipt, MmsSubmit, Stream};
use crate::rules::MmsRule;

/// The message as one recipient has it.
#[derive(Debug, Default)]
pub(super) struct Copy<'a> {
    pub(super) submit: Option<&'a MmsSubmit>,
    /// In order.
    pub(super) receipts: Vec<&'a MmsReceipt>,
}

/// How a message ended, or stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    status: Arc<str>,
    /// Time of the deciding report; `None` while pending.
    ts_ms: Option<i64>,
    cause: Option<String>,
}

impl Copy<'_> {
    /// The subscriber's number.
    fn number(&self) -> Option<&Arc<str>> {
        let submitted = self.submit.and_then(|submit| submit.recipient.as_ref());
        let mut reported = self.receipts.iter();
        submitted.or_else(|| reported.find_map(|receipt| receipt.recipient.as_ref()))
    }

    /// Everything that is known of it, for who may see it. A message without any other time is of `ts_ms_max`.
    pub(super) fn detail(&self, id: &Arc<str>, ts_ms_max: i64, view: View<'_>) -> MessageDetail {
        let outcome = self.outcome(view);
        let submitted_ms = self.submitted_ms();
        let is_here = &*outcome.status == RETRIEVED;
        let took = |(ts_ms, from_ms): (i64, i64)| ts_ms - from_ms;
        let delay_ms = outcome.ts_ms.zip(submitted_ms).map(took);
        MessageDetail {
            ts_ms: submitted_ms.or(outcome.ts_ms).unwrap_or(ts_ms_max),
            message_id: id.clone(),
            number: self.number().cloned(),
            service: self.service(),
            city: self.first(|s| s.city.clone(), |r| r.city.clone()),
            edition: self.submit.and_then(|s| s.edition.clone()),
            submitted_ms,
            is_reported: self.is_reported(&outcome),
            is_early: outcome
                .ts_ms
                .is_some_and(|ts_ms| self.is_early(view, ts_ms)),
            on_time: self.on_time(view, &outcome),
            decided_ms: outcome.ts_ms,
            delay_ms: delay_ms.filter(|delay_ms| is_here && *delay_ms >= 0),
            status: outcome.status,
        }
    }

    /// Its facts, and how many of its reports are earlier than their submission.
    pub(super) fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) -> u64 {
        self.state(view, facts);
        let reports = self.receipts.iter();
        reports
            .filter(|receipt| self.is_early(view, receipt.ts_ms))
            .count() as u64
    }

    /// A pending message changes when its validity is over, ms.
    pub(super) fn wakes_at(&self, view: View<'_>) -> Option<i64> {
        let is_pending = self.outcome(view).ts_ms.is_none();
        is_pending
            .then(|| self.valid_until_ms(&view.plan.book.mms))
            .flatten()
    }

    fn state(&self, view: View<'_>, facts: &mut Vec<EntityFact>) {
        let Some(service) = self.service() else {
            // A report whose submission is unknown and that does not say whose it is: it waits.
            return;
        };
        let city = self.first(|s| s.city.clone(), |r| r.city.clone());
        let source = self.first(|s| s.source.clone(), |r| r.source.clone());
        let submitted_ms = self.submitted_ms();
        let outcome = self.outcome(view);
        let delay = match (outcome.ts_ms, submitted_ms) {
            (Some(ts_ms), Some(from)) if &*outcome.status == RETRIEVED && ts_ms >= from => {
                Some((ts_ms - from) as f64)
            }
            _ => None,
        };
        let edition = self.submit.and_then(|submit| submit.edition.clone());
        let campaign = self.submit.and_then(|submit| submit.campaign.clone());
        let on_time = self.on_time(view, &outcome);
        let early = outcome.ts_ms.map(|ts_ms| self.is_early(view, ts_ms));
        let value_of = |name: &str| match name {
            "service" => Borrowed::Text(&service),
            "city" => city.as_deref().into(),
            "edition" => edition.as_deref().into(),
            "campaign" => campaign.as_deref().into(),
            "source" => source.as_deref().into(),
            "status" => Borrowed::Text(&outcome.status),
            "cause" => outcome.cause.as_deref().into(),
            "on_time" => on_time.into(),
            "early" => early.into(),
            _ => Borrowed::Null,
        };
        if let Some(submit) = self.submit {
            facts.push(view.fact(Stream::MmsSubmit, submit.ts_ms, delay, value_of));
        }
        if let Some(ts_ms) = outcome.ts_ms {
            facts.push(view.fact(Stream::MmsReceipt, ts_ms, delay, value_of));
        }
    }

    fn outcome(&self, view: View<'_>) -> Outcome {
        #[cfg(test)]
        crate::dataflow::steps::step();
        let rule = &view.plan.book.mms;
        let decides = |status: &str| !rule.interim.iter().any(|word| word == status);
        let final_ones = self.receipts.iter().rev().filter_map(|receipt| {
            let status = canonical(rule, &receipt.status);
            decides(&status).then_some((receipt, status))
        });
        // The latest; but who knows how it ended is not corrected by who does not.
        let is_known = |(_, status): &(_, Arc<str>)| &**status != INDETERMINATE;
        let deciding = final_ones.clone().find(is_known);
        let deciding = deciding.or_else(|| final_ones.clone().next());
        if let Some((_, status)) = deciding {
            // The earliest that says so, unless its clock is wrong and another's is not.
            let alike = final_ones.rev().filter(|(_, word)| *word == status);
            let receipts = alike.map(|(receipt, _)| receipt);
            let first = receipts.min_by_key(|receipt| self.is_early(view, receipt.ts_ms));
            let text = first.and_then(|first| first.status_text.as_deref());
            let cause = text.and_then(|text| cause_of(rule, text));
            return Outcome {
                status,
                ts_ms: first.map(|first| first.ts_ms),
                cause,
            };
        }
        let clock_ms = clock_ms(view);
        match self.valid_until_ms(rule) {
            Some(until_ms) if until_ms <= clock_ms => Outcome {
                status: EXPIRED.into(),
                ts_ms: Some(until_ms),
                cause: None,
            },
            _ => Outcome {
                status: PENDING.into(),
                ts_ms: None,
                cause: None,
            },
        }
    }

    /// Whether a report says how it ended, and not only its age.
    fn is_reported(&self, outcome: &Outcome) -> bool {
        let mut receipts = self.receipts.iter();
        receipts.any(|receipt| Some(receipt.ts_ms) == outcome.ts_ms)
    }

    fn valid_until_ms(&self, rule: &MmsRule) -> Option<i64> {
        let submit = self.submit?;
        Some(
            submit
                .valid_until_ms
                .unwrap_or(submit.ts_ms.saturating_add(rule.validity_ms)),
        )
    }

    fn service(&self) -> Option<Arc<str>> {
        self.first(|s| Some(s.service.clone()), |r| r.service.clone())
    }

    fn submitted_ms(&self) -> Option<i64> {
        let said = || {
            self.receipts
                .iter()
                .find_map(|receipt| receipt.submitted_at_ms)
        };
        self.submit.map(|submit| submit.ts_ms).or_else(said)
    }

    /// Whether a report of this time is earlier than its submission by more than clocks differ: the hour of a
    /// gateway that counts them by twelve, or another message's report.
    fn is_early(&self, view: View<'_>, ts_ms: i64) -> bool {
        let tolerance_ms = view.plan.book.mms.early_tolerance_ms;
        self.submitted_ms()
            .is_some_and(|submitted_ms| ts_ms < submitted_ms.saturating_sub(tolerance_ms))
    }

    /// Whether an edition's message was on the handset by the deadline of its issue (domain fact H17).
    fn on_time(&self, view: View<'_>, outcome: &Outcome) -> Option<bool> {
        let submit = self.submit?;
        let edition = submit.edition.as_deref()?;
        let rule = view
            .plan
            .book
            .mms
            .editions
            .iter()
            .find(|rule| rule.id == edition)?;
        let retrieved_ms = outcome.ts_ms.filter(|_| &*outcome.status == RETRIEVED)?;
        if self.is_early(view, retrieved_ms) {
            // A clock that is wrong by hours says nothing of deadlines.
            return None;
        }
        Some(retrieved_ms <= rule.deadline_ms(submit.ts_ms, &view.plan.zone)?)
    }

    /// A field from the submission or else from the first report that has it.
    fn first(
        &self,
        of_submit: impl Fn(&MmsSubmit) -> Option<Arc<str>>,
        of_receipt: impl Fn(&MmsReceipt) -> Option<Arc<str>>,
    ) -> Option<Arc<str>> {
        self.submit
            .and_then(of_submit)
            .or_else(|| self.receipts.iter().find_map(|receipt| of_receipt(receipt)))
    }
}

fn canonical(rule: &MmsRule, word: &str) -> Arc<str> {
    let word = word.trim();
    rule.statuses
        .iter()
        .find(|(met, _)| met.eq_ignore_ascii_case(word))
        .map_or(INDETERMINATE, |(_, canonical)| canonical.as_str())
        .into()
}

fn cause_of(rule: &MmsRule, text: &str) -> Option<String> {
    rule.causes
        .iter()
        .find(|known| text.contains(&known.contains))
        .map(|known| known.cause.clone())
}
