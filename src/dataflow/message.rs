//! An MMS message: its submission joined with its delivery reports, recipient by recipient.
//!
//! Several reports may come for a message, in any order (domain notes B4). Interim words never
//! decide; among final ones the latest does, and a word that no rule maps takes no final one back.
//! Of reports of one word the earliest tells when: a repetition says nothing new, however late it
//! is sent. Without any, the message expires at its validity. It counts in two streams: `mms_submit` at its
//! submission, `mms_receipt` at the deciding report.
//!
//! One id may be that of several recipients, and MM7 reports on each of them alone: records that name
//! one are joined by id and recipient, those that name none speak of all.
//!
//! What no more than one recipient is named of is kept as it came, for nearly all messages are that ([`Few`]); what
//! several are named of is kept by number ([`Many`]), so that a record costs a look at its recipient and not at all of them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::dataflow::Counters;
use crate::dataflow::entity::{EntityFact, Room, View};
use crate::dataflow::number::mark_of;
use crate::dataflow::pool::Pool;
use crate::dataflow::subscriber::MessageDetail;
use crate::event::{MmsReceipt, MmsSubmit, Stream};

mod copy;
mod few;
mod many;
mod surplus;

use few::Few;
pub(super) use many::Many;

/// Canonical word of a message that has no final report yet.
pub(super) const PENDING: &str = "pending";
/// Canonical word of delivery.
pub(super) const RETRIEVED: &str = "Retrieved";
/// Canonical word of a message that was not fetched in time.
pub(super) const EXPIRED: &str = "Expired";
/// Canonical word for words that no rule maps.
pub(super) const INDETERMINATE: &str = "Indeterminate";

/// Everything that came under one message id.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// Not more than one recipient is named.
    Few(Few),
    /// Several are; elsewhere, for it would make every message larger.
    Many(Box<Many>),
}

/// A message as a checkpoint has it, lent.
#[derive(Serialize)]
#[serde(rename = "Message")]
struct Records<Submit, Receipt> {
    /// One for each recipient, and one that names none.
    submits: Vec<Submit>,
    /// In order.
    receipts: Vec<Receipt>,
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut submits, mut receipts) = match self {
            Message::Few(few) => return few.serialize(serializer),
            Message::Many(many) => many.records(),
        };
        submits.sort_unstable();
        receipts.sort_unstable();
        Records { submits, receipts }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Message, D::Error> {
        let few = Few::deserialize(deserializer)?;
        Ok(match few.names_several() {
            false => Message::Few(few),
            true => Message::Many(Box::new(Many::of(few))),
        })
    }
}

impl Default for Message {
    fn default() -> Message {
        Message::Few(Few::default())
    }
}

impl Message {
    /// The message was submitted; of several submissions to one recipient the earliest counts. False where
    /// there is no room for it.
    pub(super) fn submitted(&mut self, event: MmsSubmit, room: Room<'_>) -> bool {
        let has_room = self.has_room(room);
        if !self.makes_room_for(event.recipient.as_ref(), has_room) {
            return refused(room);
        }
        let is_taken = match self {
            Message::Few(few) => few.submitted(event, has_room),
            Message::Many(many) => many.submitted(event, has_room),
        };
        is_taken || refused(room)
    }

    /// A report came. False where there is no room for it.
    pub(super) fn reported(&mut self, event: MmsReceipt, room: Room<'_>) -> bool {
        let has_room = self.has_room(room);
        if !self.makes_room_for(event.recipient.as_ref(), has_room) {
            return refused(room);
        }
        let max = room.limits.message_receipts_max;
        let gone = match self {
            Message::Few(few) => few.reported(event, has_room, max),
            Message::Many(many) => many.reported(event, has_room, max),
        };
        let Some(gone) = gone else {
            return refused(room);
        };
        Counters::add(&room.counters.receipts_gone, u64::from(gone));
        true
    }

    /// Whether one record more may be kept.
    fn has_room(&self, room: Room<'_>) -> bool {
        room.stock.has_room() && self.len() < room.limits.message_records_max
    }

    /// Keeps what there is by number once a second recipient is named. False if one is, and there is no room.
    fn makes_room_for(&mut self, recipient: Option<&Arc<str>>, has_room: bool) -> bool {
        let Message::Few(few) = self else { return true };
        if few.is_of(recipient) {
            return true;
        }
        if has_room {
            *self = Message::Many(Box::new(Many::of(std::mem::take(few))));
        }
        has_room
    }

    /// How many records are kept.
    pub(super) fn len(&self) -> usize {
        match self {
            Message::Few(few) => few.len(),
            Message::Many(many) => many.len(),
        }
    }

    /// Times of the reports that are kept, ms.
    #[cfg(test)]
    pub(super) fn receipt_times(&self) -> Vec<i64> {
        let receipts = match self {
            Message::Few(few) => few.copy().receipts,
            Message::Many(many) => many.records().1,
        };
        receipts.iter().map(|receipt| receipt.ts_ms).collect()
    }

    /// Reports that count nowhere: nobody told their submission, and they do not say whose they are.
    pub(super) fn waiting(&self) -> u64 {
        match self {
            Message::Few(few) => few.waiting(),
            Message::Many(many) => many.waiting(),
        }
    }

    /// The marks of the subscribers' numbers, each once or more often.
    pub(super) fn number_marks(&self) -> Vec<u64> {
        match self {
            Message::Few(few) => {
                let numbers = few.numbers();
                numbers.filter_map(|number| mark_of(Some(number))).collect()
            }
            Message::Many(many) => many.number_marks().collect(),
        }
    }

    /// Everything that is known of it, recipient by recipient in the order of their numbers, for who may see it; where
    /// digits are given, of several recipients theirs alone.
    pub(super) fn details(
        &self,
        id: &Arc<str>,
        of_digits: Option<&str>,
        view: View<'_>,
    ) -> Vec<MessageDetail> {
        let copies = match (self, of_digits) {
            (Message::Few(few), _) => vec![few.copy()],
            (Message::Many(many), None) => many.copies().collect(),
            (Message::Many(many), Some(digits)) => many.copy_of(digits).into_iter().collect(),
        };
        let ts_ms_max = self.ts_ms_max();
        let details = copies.iter();
        details
            .map(|copy| copy.detail(id, ts_ms_max, view))
            .collect()
    }

    /// Holds the texts that it has in common with others once.
    pub(super) fn share(&mut self, texts: &mut Pool<str>) {
        match self {
            Message::Few(few) => few.share(texts),
            Message::Many(many) => many.share(texts),
        }
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        match self {
            Message::Few(few) => few.ts_ms_max(),
            Message::Many(many) => many.ts_ms_max(),
        }
    }

    /// Its facts, and how many of its reports are earlier than their submission. Of several recipients those of all.
    pub(super) fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) -> u64 {
        match self {
            Message::Few(few) => few.copy().facts(view, facts),
            Message::Many(many) => many.copies().map(|copy| copy.facts(view, facts)).sum(),
        }
    }

    /// A pending message changes when its validity is over.
    pub(super) fn wakes_at(&self, view: View<'_>) -> Option<i64> {
        match self {
            Message::Few(few) => few.copy().wakes_at(view),
            Message::Many(many) => many.wakes_at(),
        }
    }
}

/// Counts a record for which there is no room.
fn refused(room: Room<'_>) -> bool {
    room.refuse(&room.counters.message_records_refused);
    false
}

/// Submissions and reports are one story: whichever came furthest tells the time.
pub(super) fn clock_ms(view: View<'_>) -> i64 {
    view.watermarks
        .clock(Stream::MmsReceipt)
        .max(view.watermarks.clock(Stream::MmsSubmit))
}

#[cfg(test)]
mod tests;
