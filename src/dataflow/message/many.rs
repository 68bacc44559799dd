//! A message of which several recipients are named: by number, with what each states.
//!
//! Invariants:
//! * a record of one recipient costs a look at that recipient, however many there are: what it changes is noted, and what
//!   depends on all (how many reports wait, the latest time, the next look) is kept as sums and in order;
//! * what names no recipient speaks of all, and costs a look at each, once an epoch however many such records came;
//! * what the recipients state together is what the message would state if it were asked anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::dataflow::entity::{EntityFact, Look, View};
use crate::dataflow::message::clock_ms;
use crate::dataflow::message::copy::Copy;
use crate::dataflow::message::few::Few;
use crate::dataflow::message::surplus::surplus;
use crate::dataflow::number::{digits, hash_of};
use crate::dataflow::pool::Pool;
use crate::event::{MmsReceipt, MmsSubmit, Tuple};

/// A message to several.
#[derive(Clone, Debug, Default)]
pub(in crate::dataflow) struct Many {
    /// By the digits of their numbers. Shared, so that a record that comes while a checkpoint is written copies its recipient
    /// and not all of them.
    recipients: BTreeMap<Arc<str>, Arc<Recipient>>,
    /// What names nobody.
    of_all: Said,
    submits: usize,
    receipts: usize,
    /// Reports that say a service, of anybody.
    with_service: usize,
    /// Recipients whose own records say no service.
    mute: usize,
    /// Their own reports.
    mute_receipts: usize,
    /// Times of the records, ms, and of how many each is.
    times: BTreeMap<i64, u32>,
    /// When recipients are to be looked at although nothing came, ms.
    wakes: BTreeSet<(i64, Arc<str>)>,
    /// Whom something was said of since the last look.
    changed: BTreeSet<Arc<str>>,
    /// All are to be looked at: something was said of all of them, or what they state is not known by recipient yet.
    is_anew: bool,
    /// How far event time was at the last look, ms.
    looked_at_ms: i64,
    /// Reports that are earlier than what they report on.
    early: u64,
}

/// What was said of one recipient, or of all.
#[derive(Clone, Debug, Default)]
struct Said {
    submit: Option<MmsSubmit>,
    /// In order.
    receipts: Vec<MmsReceipt>,
}

/// One recipient.
#[derive(Clone, Debug, Default)]
struct Recipient {
    said: Said,
    /// What stands of it.
    stated: Vec<EntityFact>,
    wakes_at_ms: Option<i64>,
    early: u64,
}

impl Said {
    /// No service is said.
    fn is_mute(&self) -> bool {
        let mut receipts = self.receipts.iter();
        self.submit.is_none() && receipts.all(|receipt| receipt.service.is_none())
    }

    /// Takes a report in that is not known. The one that goes for it, if there are too many.
    fn reported(&mut self, event: MmsReceipt, receipts_max: usize) -> Option<MmsReceipt> {
        let at = self.receipts.partition_point(|known| *known < event);
        self.receipts.reserve_exact(1);
        self.receipts.insert(at, event);
        if self.receipts.len() <= receipts_max {
            return None;
        }
        let own: Vec<&MmsReceipt> = self.receipts.iter().collect();
        let goes = surplus(&own);
        Some(self.receipts.remove(goes))
    }

    /// The message as the recipient has it of whom this was said, beside what was said of all.
    fn with<'a>(&'a self, of_all: &'a Said) -> Copy<'a> {
        let mut receipts = Vec::with_capacity(self.receipts.len() + of_all.receipts.len());
        receipts.extend(self.receipts.iter().chain(&of_all.receipts));
        if !of_all.receipts.is_empty() {
            receipts.sort();
        }
        Copy {
            submit: self.submit.as_ref().or(of_all.submit.as_ref()),
            receipts,
        }
    }
}

impl Recipient {
    /// States anew what follows from what was said; gives what stood, and keeps the next look in order.
    fn look(
        &mut self,
        of_all: &Said,
        view: View<'_>,
        share: &mut impl FnMut(&mut Arc<Tuple>),
    ) -> Vec<EntityFact> {
        let copy = self.said.with(of_all);
        let mut facts = Vec::new();
        let early = copy.facts(view, &mut facts);
        let wakes_at_ms = copy.wakes_at(view);
        facts.iter_mut().for_each(|fact| share(&mut fact.at.0));
        facts.shrink_to_fit();
        (self.early, self.wakes_at_ms) = (early, wakes_at_ms);
        std::mem::replace(&mut self.stated, facts)
    }
}

impl Many {
    /// What was kept as of one recipient, by number. What it stated is not known by recipient, so it is asked anew.
    pub(super) fn of(few: Few) -> Many {
        let mut many = Many::default();
        for submit in few.submits {
            many.submitted(submit, true);
        }
        for receipt in few.receipts {
            many.reported(receipt, true, usize::MAX);
        }
        many.is_anew = true;
        many
    }

    /// Takes a submission in. False where there is no room for it.
    pub(super) fn submitted(&mut self, event: MmsSubmit, has_room: bool) -> bool {
        let number = Many::key_of(event.recipient.as_ref());
        let known = self.said_of(number.as_deref());
        match known.and_then(|said| said.submit.as_ref()) {
            Some(known) if event < *known => {}
            Some(_) => return true,
            None if !has_room => return false,
            None => {}
        }
        self.count_time(event.ts_ms);
        match self.change(number, |said| said.submit.replace(event)) {
            Some(before) => self.forget_time(before.ts_ms),
            None => self.submits += 1,
        }
        true
    }

    /// Takes a report in, and says whether another went for it; nothing where there is no room.
    pub(super) fn reported(
        &mut self,
        event: MmsReceipt,
        has_room: bool,
        receipts_max: usize,
    ) -> Option<bool> {
        let number = Many::key_of(event.recipient.as_ref());
        let known = self.said_of(number.as_deref());
        if known.is_some_and(|said| said.receipts.binary_search(&event).is_ok()) {
            return Some(false);
        }
        if !has_room {
            return None;
        }
        self.count_time(event.ts_ms);
        self.receipts += 1;
        self.with_service += usize::from(event.service.is_some());
        let gone = self.change(number, |said| said.reported(event, receipts_max));
        let Some(gone) = gone else { return Some(false) };
        self.forget_time(gone.ts_ms);
        self.receipts -= 1;
        self.with_service -= usize::from(gone.service.is_some());
        Some(true)
    }

    /// The digits that a recipient is kept by; the text itself where it is nothing else.
    fn key_of(number: Option<&Arc<str>>) -> Option<Arc<str>> {
        let number = number?;
        let digits = digits(number);
        Some(match digits == **number {
            true => number.clone(),
            false => digits.into(),
        })
    }

    fn said_of(&self, number: Option<&str>) -> Option<&Said> {
        match number {
            Some(number) => self.recipients.get(number).map(|of| &of.said),
            None => Some(&self.of_all),
        }
    }

    /// Changes what was said of a recipient, or of all, and what depends on it.
    fn change<T>(&mut self, number: Option<Arc<str>>, change: impl FnOnce(&mut Said) -> T) -> T {
        let Some(number) = number else {
            self.is_anew = true;
            return change(&mut self.of_all);
        };
        if let Some(of) = self.recipients.get(&number)
            && of.said.is_mute()
        {
            self.mute -= 1;
            self.mute_receipts -= of.said.receipts.len();
        }
        let of = self.recipients.entry(number.clone()).or_default();
        let of = Arc::make_mut(of);
        let result = change(&mut of.said);
        if of.said.is_mute() {
            self.mute += 1;
            self.mute_receipts += of.said.receipts.len();
        }
        if !self.is_anew {
            self.changed.insert(number);
        }
        result
    }

    fn count_time(&mut self, ts_ms: i64) {
        *self.times.entry(ts_ms).or_default() += 1;
    }

    fn forget_time(&mut self, ts_ms: i64) {
        if let Some(times) = self.times.get_mut(&ts_ms) {
            *times -= 1;
            if *times == 0 {
                self.times.remove(&ts_ms);
            }
        }
    }

    /// How many records are kept.
    pub(super) fn len(&self) -> usize {
        self.submits + self.receipts
    }

    /// Its records, in no order.
    pub(super) fn records(&self) -> (Vec<&MmsSubmit>, Vec<&MmsReceipt>) {
        let said = self.recipients.values().map(|of| &of.said);
        let said = said.chain([&self.of_all]);
        let submits = said.clone().flat_map(|said| &said.submit).collect();
        (submits, said.flat_map(|said| &said.receipts).collect())
    }

    /// Reports that count nowhere: of recipients of whom nothing says a service.
    pub(super) fn waiting(&self) -> u64 {
        let waiting = if self.submits == 0 && self.with_service == 0 {
            // Those that speak of all once each.
            self.receipts
        } else if self.of_all.is_mute() {
            self.mute_receipts + self.mute * self.of_all.receipts.len()
        } else {
            0
        };
        waiting as u64
    }

    /// The marks of the numbers.
    pub(super) fn number_marks(&self) -> impl Iterator<Item = u64> {
        let numbers = self.recipients.keys().filter(|digits| !digits.is_empty());
        numbers.map(|digits| hash_of(digits))
    }

    /// The message as each of its recipients has it, in the order of their numbers.
    pub(super) fn copies(&self) -> impl Iterator<Item = Copy<'_>> {
        self.recipients
            .values()
            .map(|of| of.said.with(&self.of_all))
    }

    /// The message as the recipient of these digits has it.
    pub(super) fn copy_of(&self, digits: &str) -> Option<Copy<'_>> {
        let of = self.recipients.get(digits)?;
        Some(of.said.with(&self.of_all))
    }

    /// Holds the texts that it has in common with others once.
    pub(super) fn share(&mut self, texts: &mut Pool<str>) {
        let said = self.recipients.values_mut();
        let said = said.map(|of| &mut Arc::make_mut(of).said);
        for said in said.chain([&mut self.of_all]) {
            let submits = said.submit.iter_mut().flat_map(MmsSubmit::common_texts);
            let receipts = said.receipts.iter_mut().flat_map(MmsReceipt::common_texts);
            submits.chain(receipts).for_each(|text| texts.share(text));
        }
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        self.times.last_key_value().map_or(i64::MIN, |(at, _)| *at)
    }

    /// When the next recipient changes by time alone, as of the last look, ms.
    pub(super) fn wakes_at(&self) -> Option<i64> {
        self.wakes.first().map(|(at_ms, _)| *at_ms)
    }

    /// What its recipients state, sorted; nothing before the first look.
    pub(in crate::dataflow) fn stated(&self) -> Vec<&EntityFact> {
        let stated = self.recipients.values().flat_map(|of| &of.stated);
        let mut stated: Vec<&EntityFact> = stated.collect();
        stated.sort_unstable();
        stated
    }

    /// Looks at whom something was said of, and at whom time has changed; at all of them where all were spoken of, where
    /// what they state is not known by recipient, or where the rules are others (`is_anew`).
    pub(in crate::dataflow) fn look(
        &mut self,
        view: View<'_>,
        is_anew: bool,
        mut share: impl FnMut(&mut Arc<Tuple>),
    ) -> Look {
        let now_ms = clock_ms(view);
        let mut changed = std::mem::take(&mut self.changed);
        // Event time does not go back; if it did, what has expired would not have.
        let was_anew = std::mem::take(&mut self.is_anew);
        let is_anew = is_anew || was_anew || now_ms < self.looked_at_ms;
        self.looked_at_ms = now_ms;
        let mut look = Look::default();
        if is_anew {
            self.wakes.clear();
            for (number, of) in &mut self.recipients {
                let of = Arc::make_mut(of);
                look.before.extend(of.look(&self.of_all, view, &mut share));
                look.after.extend_from_slice(&of.stated);
                look.early += of.early;
                let wakes = of.wakes_at_ms.map(|at_ms| (at_ms, number.clone()));
                self.wakes.extend(wakes);
            }
            self.early = look.early;
            return look;
        }
        while let Some((at_ms, _)) = self.wakes.first()
            && *at_ms <= now_ms
        {
            changed.extend(self.wakes.pop_first().map(|(_, number)| number));
        }
        for number in changed {
            let Some(of) = self.recipients.get_mut(&number) else {
                continue;
            };
            let of = Arc::make_mut(of);
            if let Some(at_ms) = of.wakes_at_ms {
                self.wakes.remove(&(at_ms, number.clone()));
            }
            self.early -= of.early;
            look.before.extend(of.look(&self.of_all, view, &mut share));
            look.after.extend_from_slice(&of.stated);
            self.early += of.early;
            self.wakes
                .extend(of.wakes_at_ms.map(|at_ms| (at_ms, number)));
        }
        look.early = self.early;
        look
    }
}
