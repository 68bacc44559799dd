//! What one recipient is told, and why now. Values only; sending is `notify`'s business.

use serde::{Deserialize, Serialize};

use crate::alerting::{Alert, AlertState};
use crate::effect::EffectReport;
use crate::rules::{Contact, Severity, Text};

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
    /// The rule was changed or removed, and what had been told is judged otherwise.
    RuleChanged,
    /// A trigger waits for its review, or for an owner.
    ReviewAsked,
    /// A trigger asks a department.
    Assigned,
    /// A trigger's due time comes near.
    Reminder,
    /// A trigger is overdue.
    Overdue,
    /// A trigger goes to another department.
    HandedOver,
    /// Somebody has accepted a trigger, or begun work.
    Progressed,
    /// A department has answered a trigger.
    Answered,
    /// A trigger is over.
    Closed,
    /// A trigger begins again.
    Reopened,
    /// Late data say something else of a mend.
    Measured,
    /// A trigger's severity rose, and with that its due time or who gets copies.
    Raised,
}

impl NoticeReason {
    /// Every reason.
    pub const ALL: [NoticeReason; 16] = [
        NoticeReason::First,
        NoticeReason::Escalated,
        NoticeReason::Resolved,
        NoticeReason::Corrected,
        NoticeReason::RuleChanged,
        NoticeReason::ReviewAsked,
        NoticeReason::Assigned,
        NoticeReason::Reminder,
        NoticeReason::Overdue,
        NoticeReason::HandedOver,
        NoticeReason::Answered,
        NoticeReason::Closed,
        NoticeReason::Reopened,
        NoticeReason::Measured,
        NoticeReason::Raised,
        NoticeReason::Progressed,
    ];

    /// The name in metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            NoticeReason::First => "first",
            NoticeReason::Escalated => "escalated",
            NoticeReason::Resolved => "resolved",
            NoticeReason::Corrected => "corrected",
            NoticeReason::RuleChanged => "rule_changed",
            NoticeReason::ReviewAsked => "review_asked",
            NoticeReason::Assigned => "assigned",
            NoticeReason::Reminder => "reminder",
            NoticeReason::Overdue => "overdue",
            NoticeReason::HandedOver => "handed_over",
            NoticeReason::Answered => "answered",
            NoticeReason::Closed => "closed",
            NoticeReason::Reopened => "reopened",
            NoticeReason::Measured => "measured",
            NoticeReason::Raised => "raised",
            NoticeReason::Progressed => "progressed",
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
    /// What is known of its cause.
    #[serde(default)]
    pub suggestion: Option<Suggestion>,
}

/// What the knowledge base says of a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The cause in a few words.
    pub title: Text,
    /// Likely causes.
    pub causes: Vec<Text>,
    /// How to verify them.
    pub verify: Vec<Text>,
    /// What mends them.
    pub remedies: Vec<KnownRemedy>,
    /// Where this is known from.
    pub reference: String,
}

/// A remedy, and how often it worked before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRemedy {
    /// What to do.
    pub text: Text,
    /// Measured effects of it.
    pub tried: u64,
    /// Those that were effective.
    pub effective: u64,
}

/// What a notice tells of a trigger; the alert beside it is what opened that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DemandNotice {
    /// What is wrong, in a few words.
    pub title: Text,
    /// Where; empty for everywhere.
    pub place: String,
    /// Cities that it is about by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cities: Vec<String>,
    /// What the value and the chart are of: the KQI, and where else than at `place`.
    #[serde(default)]
    pub shows: Option<Text>,
    /// Who answers for it.
    pub owner: String,
    /// Outlet that it left by.
    pub outlet: String,
    /// Who gets copies (抄送).
    pub copies: Vec<String>,
    /// Due time, ms.
    pub due_ms: Option<i64>,
    /// What complaints and KQIs say of each other, in words.
    pub crossing: Option<Text>,
    /// Weighted sum of the factors of urgency.
    pub urgency: u32,
    /// Those factors, 1 to 5: impact on satisfaction, key-ness, simplicity, and how it presses.
    #[serde(default)]
    pub factors: Option<(u32, u32, u32, u32)>,
    /// Hand-overs between departments.
    pub hops: u32,
    /// Complaint tickets that wait for its answer.
    pub tickets: u64,
    /// What else the same step made of the trigger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<NoticeReason>,
    /// What this reader may do by a link: states to move to, or `acknowledge`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<String>,
    /// What agents tell customers; empty where nothing yet.
    pub explanation: Text,
    /// The last thing that a person did: who, why (empty where no reason was given), when (ms).
    pub last: Option<(String, String, i64)>,
    /// Earlier trigger for the same cause.
    pub recurrence_of: Option<String>,
    /// Trigger of a wider place that it became part of.
    pub absorbed_into: Option<String>,
    /// Triggers that became a part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// Whether it was handed on so often that the coordinator and the reviewer hear of it.
    #[serde(default)]
    pub is_passed_around: bool,
    /// Verdict on its effect, with its grounds.
    pub verdict: Option<(String, Text)>,
    /// The numbers behind it, once there are any.
    pub effect: Option<Box<EffectReport>>,
    /// Those numbers in words, KQI by KQI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grounds: Vec<Text>,
}

/// The reasonable interval of a KQI as people read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Smallest reasonable value.
    pub min: Option<f64>,
    /// Largest reasonable value.
    pub max: Option<f64>,
    /// Unit of both.
    pub unit: String,
}

/// What a notice said of an incident, so that a later one can quote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// When it was said, by the journal's clock, ms.
    pub decided_at_ms: i64,
    /// State.
    pub state: AlertState,
    /// Severity.
    pub severity: Severity,
    /// End of the first abnormal window, ms.
    pub since_ms: i64,
    /// When it fired, event time, ms.
    pub fired_at_ms: Option<i64>,
    /// When it ended, event time, ms.
    pub resolved_at_ms: Option<i64>,
    /// Newest value, in the limit's unit.
    pub value: Option<f64>,
    /// Worst value, in the limit's unit.
    pub worst_value: Option<f64>,
    /// Limit that it was judged by.
    pub limit: Limit,
    /// How it took back what had been said before it, where it did.
    #[serde(default)]
    pub truth: Option<Truth>,
}

/// How an incident reads now that had been told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It fires.
    Fires,
    /// It ended.
    Ended,
    /// It never was.
    NeverWas,
    /// It is a part of another incident of the same alert and object.
    PartOf {
        /// When that one began: end of its first abnormal window, ms.
        since_ms: i64,
    },
}

/// What is taken back, and what holds instead. Why is the alert's reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    /// What the notice before this one had said.
    pub told: Statement,
    /// What is true now; its numbers are the alert's.
    pub truth: Truth,
}

impl Truth {
    /// Whether it is no incident, or none of its own.
    pub fn is_none(self) -> bool {
        matches!(self, Truth::NeverWas | Truth::PartOf { .. })
    }
}

impl Statement {
    /// Whether it was said that there is no such incident.
    pub fn is_withdrawal(&self) -> bool {
        self.truth.is_some_and(Truth::is_none)
    }

    /// What a notice of this alert says.
    pub fn of(alert: &Alert, decided_at_ms: i64, truth: Option<Truth>) -> Statement {
        Statement {
            decided_at_ms,
            state: alert.state,
            severity: alert.severity,
            since_ms: alert.active_since_ms,
            fired_at_ms: alert.fired_at_ms,
            resolved_at_ms: alert.resolved_at_ms,
            value: alert.value,
            worst_value: alert.worst_value,
            limit: Limit {
                min: alert.limit_min,
                max: alert.limit_max,
                unit: alert.unit.clone(),
            },
            truth,
        }
    }
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
    /// What this notice takes back; only where it takes something back.
    #[serde(default)]
    pub correction: Option<Correction>,
    /// The limit before the rule was changed; only where that is why, and the limit is another now.
    #[serde(default)]
    pub limit_before: Option<Limit>,
    /// Newest windows, oldest first.
    pub chart: Vec<ChartPoint>,
    /// Complaints counted for the same service and place: KQI name and count.
    pub complaints: Vec<(Text, i64)>,
    /// The optimization trigger for the object.
    pub trigger: Option<TriggerBrief>,
    /// What it tells of that trigger; only where it is about the trigger and not the alert.
    #[serde(default)]
    pub demand: Option<Box<DemandNotice>>,
    /// Annotations (planned work, storm) that overlap the newest window.
    pub annotations: Vec<String>,
    /// Where the limit comes from, for example `MIIT 3G service norm, 2009`.
    pub provenance: Option<String>,
    /// IANA zone for times.
    pub time_zone: String,
    /// Version of the rule book that judged.
    pub rule_version: String,
}
