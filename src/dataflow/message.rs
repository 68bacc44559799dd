//! An MMS message: its submission joined with its delivery reports, recipient by recipient.
//!
//! Several reports may come for a message, in any order (domain notes B4). Interim words never
//! decide; among final ones the latest does, and a word that no rule maps takes no final one back.
//! Without any, the message expires at its validity. It counts in two streams: `mms_submit` at its
//! submission, `mms_receipt` at the deciding report.
//!
//! One id may be that of several recipients, and MM7 reports on each of them alone: records that name
//! one are joined by id and recipient, those that name none speak of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::Counters;
use crate::dataflow::entity::{EntityFact, Room, View};
use crate::dataflow::number::{digits, is_same};
use crate::dataflow::subscriber::MessageDetail;
use crate::event::{Borrowed, MmsReceipt, MmsSubmit, Stream};
use crate::rules::MmsRule;

/// Canonical word of a message that has no final report yet.
pub(super) const PENDING: &str = "pending";
/// Canonical word of delivery.
pub(super) const RETRIEVED: &str = "Retrieved";
/// Canonical word of a message that was not fetched in time.
pub(super) const EXPIRED: &str = "Expired";
/// Canonical word for words that no rule maps.
pub(super) const INDETERMINATE: &str = "Indeterminate";

/// Everything that came under one message id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Message {
    /// One for each recipient, and one that names none.
    submits: Vec<MmsSubmit>,
    /// In order.
    receipts: Vec<MmsReceipt>,
}

/// The message as one recipient has it.
#[derive(Debug, Default)]
struct Copy<'a> {
    submit: Option<&'a MmsSubmit>,
    /// In order.
    receipts: Vec<&'a MmsReceipt>,
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
    /// The message was submitted; of several submissions to one recipient the earliest counts. False where
    /// there is no room for it.
    pub(super) fn submitted(&mut self, event: MmsSubmit, room: Room<'_>) -> bool {
        let is_full = self.is_full(room);
        let known = self
            .submits
            .iter_mut()
            .find(|known| is_same(known.recipient.as_ref(), event.recipient.as_ref()));
        match known {
            Some(known) if event < *known => *known = event,
            Some(_) => {}
            None if is_full => return refused(room),
            None => {
                // One is the rule: the four that a vector begins with are for nothing.
                self.submits.reserve_exact(1);
                let at = self.submits.partition_point(|known| *known < event);
                self.submits.insert(at, event);
            }
        }
        true
    }

    /// A report came. False where there is no room for it.
    pub(super) fn reported(&mut self, event: MmsReceipt, room: Room<'_>) -> bool {
        let Err(at) = self.receipts.binary_search(&event) else {
            return true;
        };
        if self.is_full(room) {
            return refused(room);
        }
        let recipient = event.recipient.clone();
        self.receipts.reserve_exact(1);
        self.receipts.insert(at, event);
        if self.receipts.len() > room.limits.message_receipts_max {
            self.forget_repeats(recipient.as_ref(), room);
        }
        true
    }

    /// Forgets a report of a recipient who has too many: the oldest that only repeats a later one's word, or
    /// else the oldest.
    fn forget_repeats(&mut self, recipient: Option<&Arc<str>>, room: Room<'_>) {
        let own = |receipt: &MmsReceipt| is_same(receipt.recipient.as_ref(), recipient);
        let own: Vec<usize> = (0..self.receipts.len())
            .filter(|at| own(&self.receipts[*at]))
            .collect();
        if own.len() <= room.limits.message_receipts_max {
            return;
        }
        let is_repeated = |(number, at): (usize, &usize)| {
            let word = &self.receipts[*at].status;
            let mut later = own[number + 1..].iter();
            later.any(|later| self.receipts[*later].status == *word)
        };
        let oldest = own
            .iter()
            .enumerate()
            .find(|(number, at)| is_repeated((*number, at)));
        self.receipts.remove(*oldest.map_or(&own[0], |(_, at)| at));
        Counters::add(&room.counters.receipts_gone, 1);
    }

    /// How many records are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.submits.len() + self.receipts.len()
    }

    /// Reports that count nowhere: nobody told their submission, and they do not say whose they are.
    pub(super) fn waiting(&self) -> u64 {
        let mut said = self.receipts.iter();
        if self.submits.is_empty() && said.all(|receipt| receipt.service.is_none()) {
            return self.receipts.len() as u64;
        }
        let mut numbers = self.numbers();
        let first = numbers.next();
        if numbers.all(|number| is_same(Some(number), first)) {
            return 0;
        }
        let copies = self.copies().into_iter();
        let waiting = copies.filter(|copy| copy.service().is_none());
        waiting.map(|copy| copy.receipts.len() as u64).sum()
    }

    fn is_full(&self, room: Room<'_>) -> bool {
        self.submits.len() + self.receipts.len() >= room.limits.message_records_max
    }

    /// The subscribers' numbers, each once or more often.
    pub(super) fn numbers(&self) -> impl Iterator<Item = &Arc<str>> {
        let submitted = self.submits.iter().map(|submit| submit.recipient.as_ref());
        let reported = self
            .receipts
            .iter()
            .map(|receipt| receipt.recipient.as_ref());
        submitted.chain(reported).flatten()
    }

    /// The message as each of its recipients has it, in the order of their numbers; as one where not more
    /// than one is named.
    fn copies(&self) -> Vec<Copy<'_>> {
        let mut numbers = self.numbers();
        let first = numbers.next();
        if numbers.all(|number| is_same(Some(number), first)) {
            let named = self
                .submits
                .iter()
                .find(|submit| submit.recipient.is_some());
            return vec![Copy {
                submit: named.or(self.submits.first()),
                receipts: self.receipts.iter().collect(),
            }];
        }
        let mut copies: BTreeMap<String, Copy<'_>> = BTreeMap::new();
        for submit in &self.submits {
            if let Some(number) = &submit.recipient {
                copies.entry(digits(number)).or_default().submit = Some(submit);
            }
        }
        for receipt in &self.receipts {
            if let Some(number) = &receipt.recipient {
                copies.entry(digits(number)).or_default();
            }
        }
        let of_all = self
            .submits
            .iter()
            .find(|submit| submit.recipient.is_none());
        for copy in copies.values_mut() {
            copy.submit = copy.submit.or(of_all);
        }
        for receipt in &self.receipts {
            match &receipt.recipient {
                Some(number) => {
                    let own = copies.entry(digits(number)).or_default();
                    own.receipts.push(receipt);
                }
                None => copies
                    .values_mut()
                    .for_each(|copy| copy.receipts.push(receipt)),
            }
        }
        copies.into_values().collect()
    }

    /// Everything that is known of it, recipient by recipient, for who may see it.
    pub(super) fn details(&self, id: &Arc<str>, view: View<'_>) -> Vec<MessageDetail> {
        let copies = self.copies().into_iter();
        copies
            .map(|copy| copy.detail(id, self.ts_ms_max(), view))
            .collect()
    }

    /// Texts that it has in common with others.
    pub(super) fn common_texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let submits = self.submits.iter_mut().flat_map(MmsSubmit::common_texts);
        let receipts = self.receipts.iter_mut().flat_map(MmsReceipt::common_texts);
        submits.chain(receipts)
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        let submitted = self.submits.iter().map(|submit| submit.ts_ms);
        let reported = self.receipts.iter().map(|receipt| receipt.ts_ms);
        submitted.chain(reported).max().unwrap_or(i64::MIN)
    }

    /// Its facts, and how many of its reports are earlier than their submission.
    pub(super) fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) -> u64 {
        let mut early = 0;
        for copy in self.copies() {
            copy.facts(view, facts);
            let reports = copy.receipts.iter();
            early += reports
                .filter(|receipt| copy.is_early(view, receipt.ts_ms))
                .count() as u64;
        }
        early
    }

    /// A pending message changes when its validity is over.
    pub(super) fn wakes_at(&self, view: View<'_>) -> Option<i64> {
        let pending = self.copies().into_iter();
        let pending = pending.filter(|copy| copy.outcome(view).ts_ms.is_none());
        pending
            .filter_map(|copy| copy.valid_until_ms(&view.plan.book.mms))
            .min()
    }
}

impl Copy<'_> {
    /// The subscriber's number.
    fn number(&self) -> Option<&Arc<str>> {
        let submitted = self.submit.and_then(|submit| submit.recipient.as_ref());
        let mut reported = self.receipts.iter();
        submitted.or_else(|| reported.find_map(|receipt| receipt.recipient.as_ref()))
    }

    fn detail(&self, id: &Arc<str>, ts_ms_max: i64, view: View<'_>) -> MessageDetail {
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

    fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) {
        let Some(service) = self.service() else {
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
        let edition = self.submit.and_then(|submit| submit.edition.clone());
        let campaign = self.submit.and_then(|submit| submit.campaign.clone());
        let on_time = self.on_time(view, &outcome);
        let early = outcome.ts_ms.map(|ts_ms| self.is_early(view, ts_ms));
        let value_of = |name: &str| match name {
            "service" => Borrowed::Text(&service),
            "city" => city.as_deref().into(),
            "edition" => edition.as_deref().into(),
            "campaign" => campaign.as_deref().into(),
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

/// Counts a record for which there is no room.
fn refused(room: Room<'_>) -> bool {
    Counters::add(&room.counters.message_records_refused, 1);
    false
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
