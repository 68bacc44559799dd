//! Optimization triggers on the wire.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::iso;
use crate::api::views::words::{layer_name, severity_name};
use crate::api::views::{ComplaintsView, TextView, group_object};
use crate::triggers::{Evidence, Trigger, TriggerMove};

/// Triggers, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TriggersView {
    /// Those that the filters let through.
    pub triggers: Vec<TriggerView>,
}

/// A demand on a department.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TriggerView {
    /// Identifier, for example `T-000017`.
    pub id: String,
    /// `open`, `accepted`, `in_progress`, `done` or `not_optimised`.
    pub state: String,
    /// States that can follow.
    pub next: Vec<String>,
    /// KQI that left its interval.
    pub kqi: String,
    /// Display name of the KQI.
    pub name: TextView,
    /// Service.
    pub service: Option<String>,
    /// Layer that the demand concerns.
    pub layer: String,
    /// `dim=value;dim=value`, as in `windows.csv`.
    pub group_label: String,
    /// The same as an object.
    pub group: BTreeMap<String, String>,
    /// Department that it asks.
    pub department: String,
    /// Display name of the department.
    pub department_name: TextView,
    /// Role that it asks.
    pub role: TextView,
    /// Severity, raised with its alert.
    pub severity: String,
    /// When it opened, the journal's clock, ms.
    pub opened_at_ms: i64,
    /// When it opened.
    pub opened_at: String,
    /// Event time of the window that opened it, ms.
    pub since_ms: i64,
    /// Event time of the window that opened it.
    pub since: String,
    /// Smallest reasonable value.
    pub limit_min: Option<f64>,
    /// Largest reasonable value.
    pub limit_max: Option<f64>,
    /// Unit of values and limits.
    pub unit: String,
    /// Whether its alert still fires.
    pub alert_firing: bool,
    /// Windows that speak for it, the newest last.
    pub evidence: Vec<EvidenceView>,
    /// Complaints counted for the same service and place.
    pub complaints: Vec<ComplaintsView>,
    /// Earlier trigger for the same object, when it came back.
    pub recurrence_of: Option<String>,
    /// Every move.
    pub history: Vec<MoveView>,
}

/// A window that speaks for a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EvidenceView {
    /// Alert incident.
    pub incident: String,
    /// Start of the window, ms.
    pub window_start_ms: i64,
    /// End of the window, ms.
    pub window_end_ms: i64,
    /// Value.
    pub value: Option<f64>,
    /// Score.
    pub score: Option<f64>,
    /// Samples.
    pub samples: i64,
}

/// One move of a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MoveView {
    /// State before; null for the opening.
    pub from: Option<String>,
    /// State after.
    pub to: String,
    /// When, the journal's clock, ms.
    pub at_ms: i64,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
}

/// A move that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct MoveRequest {
    /// State that the trigger shall have.
    #[schema(example = "accepted")]
    pub to: String,
    /// Why; required for `not_optimised`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Who asks.
    #[schema(example = "王工")]
    pub actor: String,
}

impl From<&Evidence> for EvidenceView {
    fn from(evidence: &Evidence) -> EvidenceView {
        EvidenceView {
            incident: evidence.incident.clone(),
            window_start_ms: evidence.start_ms,
            window_end_ms: evidence.end_ms,
            value: evidence.value,
            score: evidence.score,
            samples: evidence.samples,
        }
    }
}

impl MoveView {
    /// With times in the operator's zone.
    pub fn of(step: &TriggerMove, zone: &TimeZone) -> MoveView {
        MoveView {
            from: step.from.map(|state| state.name().to_owned()),
            to: step.to.name().to_owned(),
            at_ms: step.at_ms,
            at: iso(step.at_ms, zone),
            actor: step.actor.clone(),
            reason: step.reason.clone(),
        }
    }
}

impl TriggerView {
    /// With times in the operator's zone.
    pub fn of(trigger: &Trigger, zone: &TimeZone) -> TriggerView {
        let next = trigger.state.next().iter();
        TriggerView {
            id: trigger.id.clone(),
            state: trigger.state.name().to_owned(),
            next: next.map(|state| state.name().to_owned()).collect(),
            kqi: trigger.kqi.clone(),
            name: (&trigger.name).into(),
            service: trigger.service.clone(),
            layer: layer_name(trigger.layer).to_owned(),
            group_label: trigger.group_label.clone(),
            group: group_object(&trigger.group),
            department: trigger.department.clone(),
            department_name: (&trigger.department_name).into(),
            role: (&trigger.role).into(),
            severity: severity_name(trigger.severity).to_owned(),
            opened_at_ms: trigger.opened_at_ms,
            opened_at: iso(trigger.opened_at_ms, zone),
            since_ms: trigger.since_ms,
            since: iso(trigger.since_ms, zone),
            limit_min: trigger.limit_min,
            limit_max: trigger.limit_max,
            unit: trigger.unit.clone(),
            alert_firing: trigger.alert_firing,
            evidence: trigger.evidence.iter().map(EvidenceView::from).collect(),
            complaints: trigger
                .complaints
                .iter()
                .map(|(name, count)| ComplaintsView {
                    name: name.into(),
                    count: *count,
                })
                .collect(),
            recurrence_of: trigger.recurrence_of.clone(),
            history: trigger
                .history
                .iter()
                .map(|step| MoveView::of(step, zone))
                .collect(),
        }
    }
}
