//! The traffic of a scenario, one type per kind of event.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::quantity::{LocalTime, LogNormal, Positive, Range, Share, SpanMs};

/// Probes that try services. One probe stands at every combination of service,
/// city, channel, network and step.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialTestFleet {
    /// Name, the prefix of event ids.
    pub name: Spanned<String>,
    /// Service ids.
    pub services: Vec<String>,
    /// Cities; `hunan` stands for its 14 prefectures.
    pub cities: Vec<String>,
    /// Channels such as sms, wap, web.
    pub channels: Vec<String>,
    /// Networks probed over; one word is usual.
    #[serde(default = "plain_network")]
    pub networks: Vec<String>,
    /// Steps of the script; none leaves the field out.
    #[serde(default)]
    pub steps: Vec<String>,
    /// Number or address that is tried.
    #[serde(default = "plain_target")]
    pub target: String,
    /// Tests per minute of the whole fleet, each at a probe picked by chance.
    pub rate_per_min: Option<Positive>,
    /// Or: how often every single probe tests.
    pub every: Option<SpanMs>,
    /// Share of tests that succeed.
    pub success_ratio: Share,
    /// Time to the answer.
    pub latency: LogNormal,
    /// Answers slower than this are failures with code `no_reply`.
    pub timeout_ms: Option<Positive>,
    /// Codes of failed tests with their weights.
    #[serde(default)]
    pub codes: BTreeMap<String, Positive>,
    /// Share of checked contents that are right; none leaves the check out.
    pub content_ok_ratio: Option<Share>,
    /// Size of the answer in bytes; none leaves it out.
    pub bytes: Option<Range>,
    /// Answers that come in several parts.
    pub multipart: Option<Multipart>,
}

/// Answers in several parts, some of them incomplete or out of order.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multipart {
    /// Share of answers with more than one part.
    pub share: Share,
    /// Number of parts.
    pub parts: Range,
    /// Share of those that come incomplete (`content_ok` is false).
    pub incomplete: Share,
}

fn plain_network() -> Vec<String> {
    vec!["gsm".to_owned()]
}

fn plain_target() -> String {
    "10086".to_owned()
}

/// MMS sent to subscribers, with interim and final receipts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MmsTraffic {
    /// Name, the prefix of message ids (and of made-up subscriber numbers' pools).
    pub name: Spanned<String>,
    /// Service id.
    pub service: String,
    /// Cities; `hunan` stands for its 14 prefectures.
    pub cities: Vec<String>,
    /// Issues sent to every subscriber at a time of day, every day.
    #[serde(default)]
    pub editions: Vec<Edition>,
    /// Messages per minute outside any edition, to subscribers by chance.
    pub rate_per_min: Option<Positive>,
    /// Share of messages whose final status is `Expired`.
    #[serde(default)]
    pub expired: Share,
    /// Share whose final status is `Rejected`.
    #[serde(default)]
    pub rejected: Share,
    /// Share whose final status is `Unrecognised`.
    #[serde(default)]
    pub unrecognised: Share,
    /// Time from submission to retrieval.
    pub retrieved_after: LogNormal,
    /// Validity: time from submission to the `Expired` receipt.
    pub expires_after: SpanMs,
    /// Status texts of expired messages with their weights.
    #[serde(default)]
    pub expired_texts: BTreeMap<String, Positive>,
}

/// One issue a day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edition {
    /// `morning` or `evening`.
    pub name: String,
    /// When sending begins, local time.
    pub at: LocalTime,
    /// How long sending takes.
    pub spread: SpanMs,
    /// Subscribers in each city.
    pub per_city: u32,
}

/// A BOSS interface on a host.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BossPair {
    /// Address of the host.
    pub host: String,
    /// Name of the interface, such as `ITF_CCOSVC`.
    pub interface: String,
}

/// Platforms that call BOSS interfaces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BossCallers {
    /// Name, for messages.
    pub name: Spanned<String>,
    /// Where calls go, evenly.
    pub pairs: Vec<BossPair>,
    /// Who calls (service ids), evenly.
    pub clients: Vec<String>,
    /// Calls per minute over all pairs.
    pub rate_per_min: Positive,
    /// Time to the answer.
    pub latency: LogNormal,
    /// Share of calls per `tperrno`, such as 11 for TPESVCFAIL; the rest succeed with 0.
    #[serde(default)]
    pub errors: BTreeMap<u8, Share>,
}

/// Connections that are acquired, used and given back, again and again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BossConnections {
    /// Name, the prefix of connection names.
    pub name: Spanned<String>,
    /// Where connections go.
    pub pairs: Vec<BossPair>,
    /// Connections kept by each pair.
    pub per_pair: u32,
    /// How long a connection is held.
    pub hold: LogNormal,
    /// How long it rests between release and the next acquisition.
    pub rest: LogNormal,
}

/// Complaint tickets of one service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complaints {
    /// Name, the prefix of serials.
    pub name: Spanned<String>,
    /// Service id.
    pub service: String,
    /// Cities; `hunan` stands for its 14 prefectures.
    pub cities: Vec<String>,
    /// Path in the complaint tree, levels joined by `/`.
    pub path: String,
    /// Tickets per hour in each city.
    pub rate_per_h: Positive,
    /// Intake channel.
    #[serde(default = "plain_target")]
    pub channel: String,
    /// What the customer said.
    #[serde(default)]
    pub text: String,
    /// Share handed to a higher level.
    #[serde(default)]
    pub escalated: Share,
    /// Share that is moved to `reclassified_path` later.
    #[serde(default)]
    pub reclassified: Share,
    /// Where reclassified tickets go; needed when there are any.
    pub reclassified_path: Option<String>,
    /// Share found not to be a complaint.
    #[serde(default)]
    pub excluded: Share,
    /// Share taken back by the customer.
    #[serde(default)]
    pub withdrawn: Share,
    /// Share confirmed and closed.
    #[serde(default)]
    pub closed: Share,
    /// Share delivered twice with the same serial and version.
    #[serde(default)]
    pub duplicated: Share,
    /// Time from filing to the next state.
    pub follow_up: LogNormal,
}

/// A number that is reported at fixed times for every combination of dimensions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaugeSeries {
    /// Name of the gauge, such as `subscriber_base`.
    pub name: Spanned<String>,
    /// Dimensions with their values; `city: [hunan]` stands for the prefectures.
    pub dims: BTreeMap<String, Vec<String>>,
    /// The value, varied per series and report by `wobble`.
    pub value: Positive,
    /// Largest relative deviation of a report from its series' mean.
    #[serde(default)]
    pub wobble: Share,
    /// Time between reports.
    pub every: SpanMs,
}

/// Something people should know when they read the curves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annotation {
    /// When it becomes known, from the scenario's start.
    pub at: SpanMs,
    /// Beginning of what it describes, from the scenario's start.
    pub from: SpanMs,
    /// End of what it describes.
    pub until: Spanned<SpanMs>,
    /// Kind, such as `planned_work` or `storm`.
    pub kind: String,
    /// For people.
    pub text: String,
    /// Dimensions it is about.
    #[serde(default)]
    pub scope: BTreeMap<String, String>,
}
