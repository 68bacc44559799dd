//! What one recipient is told, and why now. Values only; sending is `notify`'s business.

use serde::{Deserialize, Serialize};

use crate::alerting::Alert;
use crate::rules::{Contact, Text};

/// Why somebody is told something; shown in the mail, and the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeReason {
    /// The alert fires and nobody knew.
    First,
    /// It became more severe.
    Escalated,
    /// It is over.
    Resolved,
    /// Late data changed what had been told.
    Corrected,
}

impl NoticeReason {
    /// Every reason.
    pub const ALL: [NoticeReason; 4] = [
        NoticeReason::First,
        NoticeReason::Escalated,
        NoticeReason::Resolved,
        NoticeReason::Corrected,
    ];

    /// The name in metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            NoticeReason::First => "first",
            NoticeReason::Escalated => "escalated",
            NoticeReason::Resolved => "resolved",
            NoticeReason::Corrected => "corrected",
        }
    }
}

/// One window in a notice's chart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChartPoint {
    /// End of the window, ms.
    pub end_ms: i64,
    /// Value in the KQI's unit; `None` leaves a gap.
    pub value: Option<f64>,
}

/// The optimization trigger as a mail shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerBrief {
    /// Identifier, for example `T-000017`.
    pub id: String,
    /// State, as the API names it.
    pub state: String,
    /// Department that it asks.
    pub department: Text,
    /// Role that it asks.
    pub role: Text,
}

/// What one recipient is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Deterministic identity of (incident, revision, recipient); the ledger's key and the source of
    /// the Message-ID.
    pub id: String,
    /// Number of this notice in its incident, from 1. All of an incident are one mail thread.
    pub revision: u32,
    /// Why it is told now.
    pub reason: NoticeReason,
    /// Whom.
    pub recipient: Contact,
    /// Department and role that the recipient is told for.
    pub role: Option<(Text, Text)>,
    /// When it was decided, by the journal's clock, ms.
    pub decided_at_ms: i64,
    /// The alert at that moment.
    pub alert: Alert,
    /// Newest windows, oldest first.
    pub chart: Vec<ChartPoint>,
    /// Complaints counted for the same service and place: KQI name and count.
    pub complaints: Vec<(Text, i64)>,
    /// The optimization trigger for the object.
    pub trigger: Option<TriggerBrief>,
    /// Annotations (planned work, storm) that overlap the newest window.
    pub annotations: Vec<String>,
    /// Where the limit comes from, for example `MIIT 3G service norm, 2009`.
    pub provenance: Option<String>,
    /// IANA zone for times.
    pub time_zone: String,
    /// Version of the rule book that judged.
    pub rule_version: String,
}
