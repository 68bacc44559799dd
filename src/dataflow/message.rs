//! An MMS message: its submission joined with its delivery reports.
//!
//! Several reports may come for a message, in any order (domain notes B4). Interim words never
//! decide; among final ones the latest does. Without any, the message expires at its validity.
//! It counts in two streams: `mms_submit` at its submission, `mms_receipt` at the deciding report.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::entity::{EntityFact, View};
use crate::dataflow::subscriber::MessageDetail;
use crate::event::{Borrowed, MmsReceipt, MmsSubmit, Stream};
use crate::rules::MmsRule;

/// Reports kept of one message; a gateway that sends more only repeats itself.
const RECEIPTS_MAX: usize = 16;

/// Canonical word of a message that has no final report yet.
pub(super) const PENDING: &str = "pending";
/// Canonical word of delivery.
pub(super) const RETRIEVED: &str = "Retrieved";
/// Canonical word of a message that was not fetched in time.
pub(super) const EXPIRED: &str = "Expired";
/// Canonical word for words that no rule maps.
pub(super) const INDETERMINATE: &str = "Indeterminate";

/// One message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Message {
    submit: Option<MmsSubmit>,
    receipts: Vec<MmsReceipt>,
}

/// How a message ended, or stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    status: Arc<str>,
    /// Time of the deciding report; `None` while pending.
    ts_ms: Option<i64>,
    cause: Option<String>,
}

impl Message {
    /// The message was submitted; of several submissions of one id the earliest counts.
    pub(super) fn submitted(&mut self, event: MmsSubmit) {
        if self.submit.as_ref().is_none_or(|known| event < *known) {
            self.submit = Some(event);
        }
    }

    /// A report came.
    pub(super) fn reported(&mut self, event: MmsReceipt) {
        if let Err(at) = self.receipts.binary_search(&event) {
            // One is the rule: the four that a vector begins with are for nothing.
            self.receipts.reserve_exact(1);
            self.receipts.insert(at, event);
            if self.receipts.len() > RECEIPTS_MAX {
                // The latest ones decide.
                self.receipts.remove(0);
            }
        }
    }

    /// The subscriber's number.
    pub(super) fn number(&self) -> Option<&Arc<str>> {
        let submitted = self.submit.as_ref().and_then(|s| s.recipient.as_ref());
        let mut reported = self.receipts.iter();
        submitted.or_else(|| reported.find_map(|receipt| receipt.recipient.as_ref()))
    }

    /// Everything that is known of it, for who may see it.
    pub(super) fn detail(&self, id: &Arc<str>, view: View<'_>) -> MessageDetail {
        let outcome = self.outcome(view);
        let submitted_ms = self.submitted_ms();
        let is_here = &*outcome.status == RETRIEVED;
        let took = |(ts_ms, from_ms): (i64, i64)| ts_ms - from_ms;
        let delay_ms = outcome.ts_ms.zip(submitted_ms).map(took);
        MessageDetail {
            ts_ms: submitted_ms.or(outcome.ts_ms).unwrap_or(self.ts_ms_max()),
            message_id: id.clone(),
            number: self.number().cloned(),
            service: self.first(|s| Some(s.service.clone()), |r| r.service.clone()),
            city: self.first(|s| s.city.clone(), |r| r.city.clone()),
            edition: self.submit.as_ref().and_then(|s| s.edition.clone()),
            submitted_ms,
            is_reported: self.is_reported(&outcome),
            on_time: self.on_time(view, &outcome),
            decided_ms: outcome.ts_ms,
            delay_ms: delay_ms.filter(|delay_ms| is_here && *delay_ms >= 0),
            status: outcome.status,
        }
    }

    /// Texts that it has in common with others.
    pub(super) fn common_texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let submit = self.submit.iter_mut().flat_map(MmsSubmit::common_texts);
        let receipts = self.receipts.iter_mut().flat_map(MmsReceipt::common_texts);
        submit.chain(receipts)
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        let submitted = self.submit.as_ref().map_or(i64::MIN, |submit| submit.ts_ms);
        self.receipts
            .iter()
            .map(|receipt| receipt.ts_ms)
            .fold(submitted, i64::max)
    }

    /// Its facts.
    pub(super) fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) {
        let Some(service) = self.first(|s| Some(s.service.clone()), |r| r.service.clone()) else {
            // A report whose submission is unknown and that does not say whose it is: it waits.
            return;
        };
        let city = self.first(|s| s.city.clone(), |r| r.city.clone());
        let submitted_ms = self.submitted_ms();
        let outcome = self.outcome(view);
        let delay = match (outcome.ts_ms, submitted_ms) {
            (Some(ts_ms), Some(from)) if &*outcome.status == RETRIEVED && ts_ms >= from => {
                Some((ts_ms - from) as f64)
            }
            _ => None,
        };
        let edition = self
            .submit
            .as_ref()
            .and_then(|submit| submit.edition.clone());
        let campaign = self
            .submit
            .as_ref()
            .and_then(|submit| submit.campaign.clone());
        let on_time = self.on_time(view, &outcome);
        let value_of = |name: &str| match name {
            "service" => Borrowed::Text(&service),
            "city" => city.as_deref().into(),
            "edition" => edition.as_deref().into(),
            "campaign" => campaign.as_deref().into(),
            "status" => Borrowed::Text(&outcome.status),
            "cause" => outcome.cause.as_deref().into(),
            "on_time" => on_time.into(),
            _ => Borrowed::Null,
        };
        if let Some(submit) = &self.submit {
            facts.push(view.fact(Stream::MmsSubmit, submit.ts_ms, delay, value_of));
        }
        if let Some(ts_ms) = outcome.ts_ms {
            facts.push(view.fact(Stream::MmsReceipt, ts_ms, delay, value_of));
        }
    }

    /// A pending message changes when its validity is over.
    pub(super) fn wakes_at(&self, view: View<'_>) -> Option<i64> {
        match self.outcome(view).ts_ms {
            None => self.valid_until_ms(&view.plan.book.mms),
            Some(_) => None,
        }
    }

    fn outcome(&self, view: View<'_>) -> Outcome {
        let rule = &view.plan.book.mms;
        let deciding = self.receipts.iter().rev().find_map(|receipt| {
            let status = canonical(rule, &receipt.status);
            (!rule.interim.iter().any(|word| **word == *status)).then_some((receipt, status))
        });
        if let Some((receipt, status)) = deciding {
            let cause = receipt
                .status_text
                .as_deref()
                .and_then(|text| cause_of(rule, text));
            return Outcome {
                status,
                ts_ms: Some(receipt.ts_ms),
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
        let submit = self.submit.as_ref()?;
        Some(
            submit
                .valid_until_ms
                .unwrap_or(submit.ts_ms.saturating_add(rule.validity_ms)),
        )
    }

    fn submitted_ms(&self) -> Option<i64> {
        let said = || {
            self.receipts
                .iter()
                .find_map(|receipt| receipt.submitted_at_ms)
        };
        self.submit
            .as_ref()
            .map(|submit| submit.ts_ms)
            .or_else(said)
    }

    /// Whether an edition's message was on the handset by the deadline of its day (domain fact H17).
    fn on_time(&self, view: View<'_>, outcome: &Outcome) -> Option<bool> {
        let submit = self.submit.as_ref()?;
        let edition = submit.edition.as_deref()?;
        let rule = view
            .plan
            .book
            .mms
            .editions
            .iter()
            .find(|rule| rule.id == edition)?;
        let retrieved_ms = outcome.ts_ms.filter(|_| &*outcome.status == RETRIEVED)?;
        let day = jiff::Timestamp::from_millisecond(submit.ts_ms)
            .ok()?
            .to_zoned(view.plan.zone.clone())
            .start_of_day()
            .ok()?;
        let deadline_ms = day.timestamp().as_millisecond() + rule.deadline_minutes * 60_000;
        Some(retrieved_ms <= deadline_ms)
    }

    /// A field from the submission or else from the first report that has it.
    fn first(
        &self,
        of_submit: impl Fn(&MmsSubmit) -> Option<Arc<str>>,
        of_receipt: impl Fn(&MmsReceipt) -> Option<Arc<str>>,
    ) -> Option<Arc<str>> {
        self.submit
            .as_ref()
            .and_then(of_submit)
            .or_else(|| self.receipts.iter().find_map(of_receipt))
    }
}

/// Submissions and reports are one story: whichever came furthest tells the time.
pub(super) fn clock_ms(view: View<'_>) -> i64 {
    view.watermarks
        .clock(Stream::MmsReceipt)
        .max(view.watermarks.clock(Stream::MmsSubmit))
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
