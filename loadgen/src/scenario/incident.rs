//! Injected incidents: what goes wrong, where, when, and how it shows.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::quantity::{LocalTime, Positive, Range, Share, SpanMs};

/// One thing that goes wrong. It changes one stream; a cause that shows in
/// several streams is several incidents.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// Unique in the scenario.
    pub id: Spanned<String>,
    /// What kind of trouble, for people and reports.
    pub kind: String,
    /// The service it strikes; none means any.
    pub service: Option<String>,
    /// Other dimensions it strikes, all of which must be equal.
    #[serde(default, rename = "match")]
    pub dims: BTreeMap<String, String>,
    /// Beginning, from the scenario's start.
    pub from: SpanMs,
    /// End, from the scenario's start.
    pub until: SpanMs,
    /// How it shows.
    pub effect: Effect,
    /// Ids of KQIs or alerts that should notice. Left out, any may; an empty list says that none is
    /// due, and one that fires is a false alarm.
    pub expect: Option<Vec<String>>,
    /// How long after its end an alert may still count as having noticed it:
    /// receipts, for one, tell of a message hours after it was sent.
    #[serde(default = "plain_grace")]
    pub grace: SpanMs,
}

fn plain_grace() -> SpanMs {
    SpanMs(15 * 60_000)
}

/// How an incident shows in its stream.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Probes fail or slow down.
    DialTest(DialTestEffect),
    /// Messages expire or arrive late (matched by time of submission).
    Mms(MmsEffect),
    /// Calls fail or slow down.
    BossCall(BossCallEffect),
    /// Connections are not given back.
    BossConnection(BossConnectionEffect),
    /// More tickets come in.
    Complaint(ComplaintEffect),
}

impl Effect {
    /// The stream that it changes, as events call it.
    pub fn stream(&self) -> &'static str {
        match self {
            Self::DialTest(_) => "dial_test",
            Self::Mms(_) => "mms",
            Self::BossCall(_) => "boss_call",
            Self::BossConnection(_) => "boss_connection",
            Self::Complaint(_) => "complaint",
        }
    }

    /// The dimensions, other than the service, that its stream can be matched on.
    pub fn dimensions(&self) -> &'static [&'static str] {
        match self {
            Self::DialTest(_) => &["city", "channel", "network", "step"],
            Self::Mms(_) => &["city", "edition"],
            Self::BossCall(_) => &["host", "interface"],
            Self::BossConnection(_) => &["host", "interface"],
            Self::Complaint(_) => &["city"],
        }
    }
}

/// Effect on dial tests; what is left out stays as it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialTestEffect {
    /// New share of tests that succeed.
    pub success_ratio: Option<Share>,
    /// Answers take this many times longer.
    pub latency_factor: Option<Positive>,
    /// Or: answers take this long, in milliseconds, evenly spread.
    pub latency_ms: Option<Range>,
    /// Code of every failed test.
    pub code: Option<String>,
}

/// Effect on MMS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MmsEffect {
    /// New share of messages that expire.
    pub expired: Option<Share>,
    /// Status text of expired messages.
    pub status_text: Option<String>,
    /// Share of messages that wait until `retrieved_at`.
    #[serde(default)]
    pub delayed: Share,
    /// Local time at which the waiting ones are retrieved.
    pub retrieved_at: Option<LocalTime>,
}

/// Effect on BOSS calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BossCallEffect {
    /// Answers take this many times longer.
    pub latency_factor: Option<Positive>,
    /// Share of calls that fail with `tperrno`.
    #[serde(default)]
    pub failed: Share,
    /// The error of those, 13 (TPETIME) unless told.
    #[serde(default = "time_out")]
    pub tperrno: u8,
}

fn time_out() -> u8 {
    13
}

/// Effect on BOSS connections.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BossConnectionEffect {
    /// Share of acquisitions that are not given back in time.
    pub share: Share,
    /// How long those are held, seconds; the incident's end releases them all.
    pub hold_s: Range,
}

/// Effect on complaints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplaintEffect {
    /// Tickets per hour in each matching city, on top of the usual.
    pub burst_per_h: Positive,
}
