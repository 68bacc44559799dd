//! What an alert is to the outside: one condition on one object, with a life cycle.

use serde::{Deserialize, Serialize};

use crate::rules::{Layer, Severity, Text, Verdict};

/// State of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Abnormal, not yet for long enough.
    Pending,
    /// Abnormal, and told.
    Firing,
    /// Over.
    Resolved,
}

impl AlertState {
    /// The name in files, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
            AlertState::Resolved => "resolved",
        }
    }
}

/// Why an alert changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionReason {
    /// A window left the reasonable interval.
    Breach,
    /// Windows stayed outside for long enough.
    Persisted,
    /// A window was worse than any before in this episode.
    Escalated,
    /// A window was back in the reasonable interval.
    Cleared,
    /// Windows had nothing to judge, and the rule lets that end an alert.
    NoData,
    /// Late data changed windows that had been judged.
    Corrected,
    /// The rule that raised it is gone or changed.
    RuleChanged,
    /// A source of events fell silent.
    SourceSilent,
    /// A source of events speaks, but only of the past.
    SourceLagging,
    /// A source of events speaks again, or has caught up.
    SourceBack,
    /// There is more of something than the limit.
    OverLimit,
    /// There is no more of it than the limit again.
    WithinLimit,
    /// People complain, and every KQI is normal.
    BlindSpot,
    /// A KQI says the same as the complaints.
    Confirmed,
}

impl TransitionReason {
    /// The name in files and the API.
    pub const fn name(self) -> &'static str {
        match self {
            TransitionReason::Breach => "breach",
            TransitionReason::Persisted => "persisted",
            TransitionReason::Escalated => "escalated",
            TransitionReason::Cleared => "cleared",
            TransitionReason::NoData => "no_data",
            TransitionReason::Corrected => "corrected",
            TransitionReason::RuleChanged => "rule_changed",
            TransitionReason::SourceSilent => "source_silent",
            TransitionReason::SourceLagging => "source_lagging",
            TransitionReason::SourceBack => "source_back",
            TransitionReason::OverLimit => "over_limit",
            TransitionReason::WithinLimit => "within_limit",
            TransitionReason::BlindSpot => "blind_spot",
            TransitionReason::Confirmed => "confirmed",
        }
    }
}

/// One change of an alert's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Alert.
    pub alert: String,
    /// Label of the group.
    pub group: String,
    /// Severity at that moment.
    pub severity: Severity,
    /// State that it came into.
    pub state: AlertState,
    /// When, in event time: the end of the window that decided, ms.
    pub at_ms: i64,
    /// Value of that window, in the KQI's unit.
    pub value: Option<f64>,
    /// Why.
    pub reason: TransitionReason,
}

/// An alert as people see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Identity of the condition: the alert rule's id.
    pub alert: String,
    /// Identity of this incident, stable from its first window to its end.
    pub incident: String,
    /// KQI; `None` for the engine's own alerts.
    pub kqi: Option<String>,
    /// Display name of the KQI or condition.
    pub name: Text,
    /// Service, where the object has one.
    pub service: Option<String>,
    /// Display name of the service.
    pub service_name: Option<Text>,
    /// Layer of the KQI.
    pub layer: Option<Layer>,
    /// Department that answers for it.
    pub department: Option<String>,
    /// Label of the group.
    pub group_label: String,
    /// Dimensions of the group, in order.
    pub group: Vec<(String, String)>,
    /// Severity now, or the worst one for what is over.
    pub severity: Severity,
    /// State.
    pub state: AlertState,
    /// End of the first abnormal window, ms.
    pub active_since_ms: i64,
    /// When it fired, event time, ms.
    pub fired_at_ms: Option<i64>,
    /// When it ended, event time, ms.
    pub resolved_at_ms: Option<i64>,
    /// Why it is in this state.
    pub reason: TransitionReason,
    /// Value of the newest window, in `unit`.
    pub value: Option<f64>,
    /// What that window says: a value of too few samples, or of planned work, is no evidence. `None`
    /// where no window is meant (the engine's own alerts, mails about a trigger).
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// What earlier weeks let expect of the newest judged window, for surges: a count.
    #[serde(default)]
    pub expected: Option<f64>,
    /// Worst value of the episode, in `unit`.
    pub worst_value: Option<f64>,
    /// Score of the newest window.
    pub score: Option<f64>,
    /// Samples of the newest window.
    pub samples: i64,
    /// Smallest reasonable value.
    pub limit_min: Option<f64>,
    /// Largest reasonable value.
    pub limit_max: Option<f64>,
    /// Unit of the values as people write it (`%`, `s`, `ms`, …).
    pub unit: String,
    /// The newest window, start and end, ms.
    pub window_ms: (i64, i64),
    /// Open optimization trigger for the same object.
    pub trigger: Option<String>,
    /// Who holds what the alert is about, or held it: the longest hold of its time.
    #[serde(default)]
    pub holder: Option<Holder>,
    /// What the KQIs of the same service and place say, where it is about complaints that they do not explain.
    #[serde(default)]
    pub beside: Option<Beside>,
}

/// What KQIs say of a service and place where people complain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// How many were judged since then, and normal.
    pub normal: u64,
    /// Those that could not be judged: without data, or of too few samples.
    pub unjudged: Vec<Text>,
}

/// Who holds a BOSS connection, or held it (domain fact H21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// BOSS host.
    pub host: String,
    /// Interface.
    pub interface: String,
    /// Connection.
    pub connection: String,
    /// Who took it, if the source says so.
    pub client: Option<String>,
    /// Since its last activity, ms.
    pub since_ms: i64,
    /// Until when it is known to be held, ms.
    pub until_ms: i64,
    /// Whether it was released, or used again, then.
    pub is_over: bool,
}

impl Alert {
    /// An alert of the engine itself on one of its objects, firing since a moment of its clock, ms: without
    /// KQI, windows and values, and its incident still to be named.
    pub fn of_engine(
        alert: &str,
        name: Text,
        group: Vec<(String, String)>,
        reason: TransitionReason,
        at_ms: i64,
    ) -> Alert {
        let label: Vec<String> = group
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Alert {
            alert: alert.to_owned(),
            incident: String::new(),
            kqi: None,
            name,
            service: None,
            service_name: None,
            layer: None,
            department: None,
            group_label: label.join(";"),
            group,
            severity: Severity::Major,
            state: AlertState::Firing,
            active_since_ms: at_ms,
            fired_at_ms: Some(at_ms),
            resolved_at_ms: None,
            reason,
            value: None,
            verdict: None,
            expected: None,
            worst_value: None,
            score: None,
            samples: 0,
            limit_min: None,
            limit_max: None,
            unit: String::new(),
            window_ms: (at_ms, at_ms),
            trigger: None,
            holder: None,
            beside: None,
        }
    }
}
