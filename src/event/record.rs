//! Events that are folded by key before rules see them, and those that explain others.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{Borrowed, Stream};

/// An event of a keyed stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Record {
    /// A message was handed over for delivery.
    Submit(MmsSubmit),
    /// The MMSC reported on a message.
    Receipt(MmsReceipt),
    /// A BOSS connection changed hands.
    Connection(BossConnection),
    /// A complaint ticket was filed or changed.
    Complaint(Complaint),
    /// A part of what a dial test waits for came.
    Part(DialPart),
}

impl Record {
    /// Shows each text that many records have in common.
    pub fn common_texts(&mut self, each: &mut impl FnMut(&mut Arc<str>)) {
        match self {
            Record::Submit(event) => event.common_texts().for_each(each),
            Record::Receipt(event) => event.common_texts().for_each(each),
            Record::Connection(_) => {}
            Record::Complaint(event) => event.common_texts().for_each(each),
            Record::Part(event) => event.common_texts().for_each(each),
        }
    }

    /// The stream that it is of.
    pub fn stream(&self) -> Stream {
        match self {
            Record::Submit(_) => Stream::MmsSubmit,
            Record::Receipt(_) => Stream::MmsReceipt,
            Record::Connection(_) => Stream::BossConnection,
            Record::Complaint(_) => Stream::Complaint,
            Record::Part(_) => Stream::DialTest,
        }
    }

    /// The number whose message it is about.
    pub fn recipient(&self) -> Option<&Arc<str>> {
        match self {
            Record::Submit(event) => event.recipient.as_ref(),
            Record::Receipt(event) => event.recipient.as_ref(),
            Record::Connection(_) | Record::Complaint(_) | Record::Part(_) => None,
        }
    }

    /// When it happened, ms since the epoch.
    pub fn ts_ms(&self) -> i64 {
        match self {
            Record::Submit(event) => event.ts_ms,
            Record::Receipt(event) => event.ts_ms,
            Record::Connection(event) => event.ts_ms,
            Record::Complaint(event) => event.ts_ms,
            Record::Part(event) => event.ts_ms,
        }
    }
}

/// `dial_test` of one part of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DialPart {
    /// When the part came, ms.
    pub ts_ms: i64,
    /// Its number, from 1.
    pub part: i64,
    /// Parts of the delivery.
    pub parts: i64,
    /// The delivery, unique to its probe.
    pub delivery: Arc<str>,
    /// Whether the probe calls it a success.
    pub ok: bool,
    /// What the probe says of its text.
    pub content_ok: Option<bool>,
    /// Bits of the time from the request to this part, ms.
    pub(super) latency_bits: Option<u64>,
    /// Service.
    pub service: Arc<str>,
    /// Failure class.
    pub code: Option<Arc<str>>,
    /// Probe.
    pub probe: Option<Arc<str>>,
    /// Source.
    pub source: Option<Arc<str>>,
    /// The other dimensions that it has, by name.
    pub more: Box<[(Arc<str>, Arc<str>)]>,
}

impl DialPart {
    /// Time from the request to this part, ms.
    pub fn latency_ms(&self) -> Option<f64> {
        self.latency_bits.map(f64::from_bits)
    }

    /// Texts that many parts have in common.
    pub fn common_texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let optional = [&mut self.code, &mut self.probe, &mut self.source];
        let more = self.more.iter_mut().flat_map(|(name, value)| [name, value]);
        std::iter::once(&mut self.service)
            .chain(optional.into_iter().flatten())
            .chain(more)
    }

    /// The value of a dimension that all parts of a delivery have in common.
    pub fn dimension(&self, name: &str) -> Borrowed<'_> {
        let mut more = self.more.iter();
        match name {
            "service" => Borrowed::Text(&self.service),
            "probe" => self.probe.as_deref().into(),
            "source" => self.source.as_deref().into(),
            name => more
                .find(|(known, _)| **known == *name)
                .map(|(_, value)| &**value)
                .into(),
        }
    }
}

/// `mms_submit`: one message to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MmsSubmit {
    /// Time of submission, ms.
    pub ts_ms: i64,
    /// The MMSC's message id.
    pub message_id: Arc<str>,
    /// Service.
    pub service: Arc<str>,
    /// City of the recipient.
    pub city: Option<Arc<str>>,
    /// Recipient's number: personal data, never a dimension.
    pub recipient: Option<Arc<str>>,
    /// Regular issue it belongs to.
    pub edition: Option<Arc<str>>,
    /// Campaign it belongs to.
    pub campaign: Option<Arc<str>>,
    /// Time after which the MMSC gives up, ms.
    pub valid_until_ms: Option<i64>,
    /// Who tells it, where that is said.
    pub source: Option<Arc<str>>,
}

impl MmsSubmit {
    /// Texts that many messages have in common.
    pub fn common_texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let optional = [
            &mut self.city,
            &mut self.edition,
            &mut self.campaign,
            &mut self.source,
        ];
        std::iter::once(&mut self.service).chain(optional.into_iter().flatten())
    }
}

/// `mms_receipt`: one delivery report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MmsReceipt {
    /// Time of the report, ms.
    pub ts_ms: i64,
    /// The MMSC's message id.
    pub message_id: Arc<str>,
    /// Status word as received.
    pub status: Arc<str>,
    /// Explanation as received.
    pub status_text: Option<Arc<str>>,
    /// Recipient's number: personal data, never a dimension.
    pub recipient: Option<Arc<str>>,
    /// Service, when the receipt stands alone.
    pub service: Option<Arc<str>>,
    /// City, when the receipt stands alone.
    pub city: Option<Arc<str>>,
    /// Time of submission, when the receipt stands alone, ms.
    pub submitted_at_ms: Option<i64>,
    /// Who tells it, where that is said.
    pub source: Option<Arc<str>>,
}

impl MmsReceipt {
    /// Texts that many reports have in common.
    pub fn common_texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let optional = [
            &mut self.status_text,
            &mut self.service,
            &mut self.city,
            &mut self.source,
        ];
        std::iter::once(&mut self.status).chain(optional.into_iter().flatten())
    }
}

/// `boss_connection`: a client took, used or gave back a connection to a BOSS interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BossConnection {
    /// Time of the change, ms.
    pub ts_ms: i64,
    /// BOSS host.
    pub host: Arc<str>,
    /// Interface (Tuxedo service).
    pub interface: Arc<str>,
    /// Connection, unique on its host and interface.
    pub connection: Arc<str>,
    /// Who took it, if the source says so.
    pub client: Option<Arc<str>>,
    /// What happened.
    pub state: ConnectionState,
    /// Who tells it, where that is said.
    pub source: Option<Arc<str>>,
}

/// What happened to a connection; ordered as it happens within one millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConnectionState {
    /// Taken.
    Acquired,
    /// Used: the hold is counted from here again.
    Active,
    /// Given back.
    Released,
}

/// `complaint`: one version of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Complaint {
    /// Time of this version, ms.
    pub ts_ms: i64,
    /// Version number, if the source counts them.
    pub version: Option<i64>,
    /// The ticket's serial number (投诉来电流水号).
    pub serial: Arc<str>,
    /// What this version says happened.
    pub state: TicketState,
    /// Path in the complaint tree, levels joined by `/`.
    pub path: Option<Arc<str>>,
    /// Node code, for example `O010104`.
    pub node: Option<Arc<str>>,
    /// Service.
    pub service: Option<Arc<str>>,
    /// City.
    pub city: Option<Arc<str>>,
    /// Caller's number: personal data, never a dimension.
    pub subscriber: Option<Arc<str>>,
    /// Channel it came in by.
    pub channel: Option<Arc<str>>,
    /// Whether the customer went over the first line's head (越级).
    pub escalated: Option<bool>,
    /// Cause found.
    pub cause: Option<Arc<str>>,
    /// Class that it was confirmed into (二次确认), one of [`COMPLAINT_CLASSES`].
    pub class: Option<Arc<str>>,
    /// Answers of its form that are yes or no, by question, in order.
    pub answers: Box<[(Arc<str>, bool)]>,
    /// Since when the customer misses something, ms.
    pub began_ms: Option<i64>,
    /// Until when, ms.
    pub ended_ms: Option<i64>,
    /// Who tells it, where that is said.
    pub source: Option<Arc<str>>,
}

/// The nine classes that a complaint is confirmed into, as they stand on the wire (domain fact H8).
pub const COMPLAINT_CLASSES: [&str; 9] = [
    "terminal",
    "network",
    "usage",
    "support",
    "marketing",
    "platform",
    "third_party",
    "service_quality",
    "billing",
];

impl Complaint {
    /// Texts that many tickets have in common.
    pub fn common_texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let texts = [
            &mut self.path,
            &mut self.node,
            &mut self.service,
            &mut self.city,
            &mut self.channel,
            &mut self.cause,
            &mut self.class,
            &mut self.source,
        ];
        let questions = self.answers.iter_mut().map(|(question, _)| question);
        texts.into_iter().flatten().chain(questions)
    }
}

/// What a ticket's version says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TicketState {
    /// Filed.
    Filed,
    /// Moved to another node.
    Reclassified,
    /// Confirmed into a class.
    Confirmed,
    /// Answered.
    Closed,
    /// An exclusion condition held: never was a complaint.
    Excluded,
    /// The customer took it back.
    Withdrawn,
}

/// The cause of a ticket that was withdrawn because the full file of its day did not name it.
pub const NOT_IN_FULL_FILE: &str = "not_in_full_file";

impl TicketState {
    /// Every state with its name on the wire.
    pub const NAMES: [(&'static str, TicketState); 6] = [
        ("filed", TicketState::Filed),
        ("reclassified", TicketState::Reclassified),
        ("confirmed", TicketState::Confirmed),
        ("closed", TicketState::Closed),
        ("excluded", TicketState::Excluded),
        ("withdrawn", TicketState::Withdrawn),
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, state)| *state == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether a ticket in this state is a complaint at all.
    pub fn counts(self) -> bool {
        !matches!(self, TicketState::Excluded | TicketState::Withdrawn)
    }
}

/// `annotation`: planned work, a cut-over, a storm. It explains and may suppress, never hides.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Annotation {
    /// Begin, ms, inclusive.
    pub start_ms: i64,
    /// End, ms, exclusive.
    pub end_ms: i64,
    /// Kind, for example `planned_work`.
    pub kind: Arc<str>,
    /// What people should read.
    pub text: Arc<str>,
    /// Dimensions that an object must have to be concerned; empty concerns everything.
    pub scope: BTreeMap<String, String>,
}

/// A gauge reading that rates divide by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Time of the reading, ms.
    pub ts_ms: i64,
    /// Gauge.
    pub name: Arc<str>,
    /// Its dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// The reading.
    pub value: f64,
}
