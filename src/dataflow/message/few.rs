//! A message of which not more than one recipient is named: nearly every one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::message::copy::Copy;
use crate::dataflow::message::surplus::surplus;
use crate::dataflow::number::is_same;
use crate::dataflow::pool::Pool;
use crate::event::{MmsReceipt, MmsSubmit};

/// Its records, in the form of a checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename = "Message")]
pub(in crate::dataflow) struct Few {
    /// One of the recipient, and one that names none.
    pub(super) submits: Vec<MmsSubmit>,
    /// In order.
    pub(super) receipts: Vec<MmsReceipt>,
}

impl Few {
    /// Takes a submission in. False where there is no room for it.
    pub(super) fn submitted(&mut self, event: MmsSubmit, has_room: bool) -> bool {
        let known = self
            .submits
            .iter_mut()
            .find(|known| is_same(known.recipient.as_ref(), event.recipient.as_ref()));
        match known {
            Some(known) if event < *known => *known = event,
            Some(_) => {}
            None if !has_room => return false,
            None => {
                // One is the rule: the four that a vector begins with are for nothing.
                self.submits.reserve_exact(1);
                let at = self.submits.partition_point(|known| *known < event);
                self.submits.insert(at, event);
            }
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
        let Err(at) = self.receipts.binary_search(&event) else {
            return Some(false);
        };
        if !has_room {
            return None;
        }
        let recipient = event.recipient.clone();
        self.receipts.reserve_exact(1);
        self.receipts.insert(at, event);
        if self.receipts.len() <= receipts_max {
            return Some(false);
        }
        let is_own = |(_, receipt): &(usize, &MmsReceipt)| {
            is_same(receipt.recipient.as_ref(), recipient.as_ref())
        };
        let own = self.receipts.iter().enumerate().filter(is_own);
        let (places, own): (Vec<usize>, Vec<&MmsReceipt>) = own.unzip();
        if own.len() <= receipts_max {
            return Some(false);
        }
        self.receipts.remove(places[surplus(&own)]);
        Some(true)
    }

    /// How many records are kept.
    pub(super) fn len(&self) -> usize {
        self.submits.len() + self.receipts.len()
    }

    /// Reports that count nowhere: without a submission, and none of them says a service.
    pub(super) fn waiting(&self) -> u64 {
        let mut receipts = self.receipts.iter();
        if self.submits.is_empty() && receipts.all(|receipt| receipt.service.is_none()) {
            return self.receipts.len() as u64;
        }
        0
    }

    /// The recipient's number, once or more often.
    pub(super) fn numbers(&self) -> impl Iterator<Item = &Arc<str>> {
        let submitted = self.submits.iter().map(|submit| submit.recipient.as_ref());
        let reported = self.receipts.iter();
        let reported = reported.map(|receipt| receipt.recipient.as_ref());
        submitted.chain(reported).flatten()
    }

    /// Whether a recipient is its own, or would be the first that is named; nobody in particular is anybody's.
    pub(super) fn is_of(&self, recipient: Option<&Arc<str>>) -> bool {
        let known = self.numbers().next();
        recipient.is_none() || known.is_none() || is_same(known, recipient)
    }

    /// Whether more than one is named, which is for [`super::Many`] to keep.
    pub(super) fn names_several(&self) -> bool {
        let mut numbers = self.numbers();
        let first = numbers.next();
        !numbers.all(|number| is_same(Some(number), first))
    }

    /// The message as its recipient has it.
    pub(super) fn copy(&self) -> Copy<'_> {
        let mut submits = self.submits.iter();
        let named = submits.find(|submit| submit.recipient.is_some());
        Copy {
            submit: named.or(self.submits.first()),
            receipts: self.receipts.iter().collect(),
        }
    }

    /// Holds the texts that it has in common with others once.
    pub(super) fn share(&mut self, texts: &mut Pool<str>) {
        let submits = self.submits.iter_mut().flat_map(MmsSubmit::common_texts);
        let receipts = self.receipts.iter_mut().flat_map(MmsReceipt::common_texts);
        submits.chain(receipts).for_each(|text| texts.share(text));
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        let submitted = self.submits.iter().map(|submit| submit.ts_ms);
        let reported = self.receipts.iter().map(|receipt| receipt.ts_ms);
        submitted.chain(reported).max().unwrap_or(i64::MIN)
    }
}
