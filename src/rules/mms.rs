//! How MMS receipts are read: words, deadlines, causes, and the habits of gateways.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How MMS receipts are read (ETSI/3GPP TS 23.140 words and what is met in the wild).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MmsRule {
    /// Canonical word for each status met on the wire. Keys are in lower case: look up the
    /// lower-cased word. Canonical words are among the keys.
    pub statuses: BTreeMap<String, String>,
    /// Canonical words that do not decide a message (`Forwarded`, `Deferred`).
    pub interim: Vec<String>,
    /// Time after which a message without a final receipt counts as `Expired`, ms.
    pub validity_ms: i64,
    /// How much earlier than its submission a message's report may be, ms, before it is flagged: clocks differ.
    pub early_tolerance_ms: i64,
    /// Editions with their deadlines.
    pub editions: Vec<Edition>,
    /// Causes read from `status_text`: the first whose pattern is contained wins (domain fact H18).
    pub causes: Vec<CausePattern>,
    /// Habits of MM7 gateways that differ from the standard.
    pub gateways: Vec<Gateway>,
}

/// How one MM7 gateway writes its delivery reports (domain part B4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its `MMSRelayServerID`; [`ANY_RELAY`] for reports of no other one: not every gateway says who it is.
    pub relay: String,
    /// How its reports are read.
    pub habits: Habits,
}

/// How a gateway's reports are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// What its times mean.
    pub date: DateMeaning,
    /// How it writes hours.
    pub clock: HourClock,
    /// Where it names whom the message was for.
    pub recipient: RecipientPlace,
}

/// Names, as a relay, the gateways whose reports say no relay, or one that the book does not name.
pub const ANY_RELAY: &str = "*";

impl Habits {
    /// What the standard says of a gateway that the book does not name.
    pub const STANDARD: Habits = Habits {
        date: DateMeaning::Handling,
        clock: HourClock::TwentyFour,
        recipient: RecipientPlace::Recipient,
    };
}

/// What the time of a delivery report means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateMeaning {
    /// When the message was handled, as 3GPP TS 23.140 has it.
    Handling,
    /// When the message was submitted, as one operator's manual has it.
    Submission,
}

/// How hours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HourClock {
    /// 0 to 23.
    TwentyFour,
    /// 1 to 12, without a word on which half of the day is meant.
    Twelve,
}

/// Which element of a report names whom the message was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientPlace {
    /// `Recipient`, as 3GPP TS 23.140 has it.
    Recipient,
    /// `Sender`: Mbuni writes a report as a message from the handset to the service.
    Sender,
}

/// A regular issue with a time by which it should be on the handset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Identifier on the wire, for example `morning`.
    pub id: String,
    /// Deadline, minutes after local midnight.
    pub deadline_minutes: i64,
    /// What is submitted from then on, minutes after local midnight, is of the next day's issue; none where all of a day
    /// is of the day's own.
    pub next_from_minutes: Option<i64>,
}

impl Edition {
    /// When a message should be on the handset that was submitted at an instant (ms): the deadline of the day of its
    /// issue in the operator's zone, ms.
    pub fn deadline_ms(&self, submitted_ms: i64, zone: &TimeZone) -> Option<i64> {
        let submitted = Timestamp::from_millisecond(submitted_ms).ok()?;
        let submitted = submitted.to_zoned(zone.clone());
        let minute = i64::from(submitted.hour()) * 60 + i64::from(submitted.minute());
        let is_next = self.next_from_minutes.is_some_and(|from| minute >= from);
        let day = if is_next {
            submitted.tomorrow().ok()?
        } else {
            submitted
        };
        let midnight_ms = day.start_of_day().ok()?.timestamp().as_millisecond();
        Some(midnight_ms + self.deadline_minutes * 60_000)
    }
}

/// One way of telling why a message failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CausePattern {
    /// Text looked for in `status_text`.
    pub contains: String,
    /// Cause it means: `user`, `terminal`, `coverage`, `platform`.
    pub cause: String,
}
