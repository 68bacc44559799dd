//! Alerts on the wire.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::alerting::{Alert, Holder};
use crate::api::iso;
use crate::api::views::annotation::AnnotationView;
use crate::api::views::words::{layer_name, severity_name};
use crate::api::views::{ProvenanceView, RuleBookView, TextView, group_object};
use crate::engine::Snapshot;
use crate::rules::Kqi;

/// Alerts, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AlertsView {
    /// Those that the filters let through.
    pub alerts: Vec<AlertView>,
}

/// One condition on one object.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AlertView {
    /// Alert rule.
    pub alert: String,
    /// This incident, stable from its first window to its end.
    pub incident: String,
    /// KQI; null for the engine's own alerts.
    pub kqi: Option<String>,
    /// Display name.
    pub name: TextView,
    /// Service.
    pub service: Option<String>,
    /// Display name of the service.
    pub service_name: Option<TextView>,
    /// Layer of the KQI.
    pub layer: Option<String>,
    /// Department that answers for it.
    pub department: Option<String>,
    /// `dim=value;dim=value`, as in `windows.csv`.
    pub group_label: String,
    /// The same as an object.
    pub group: BTreeMap<String, String>,
    /// `warning`, `minor`, `major` or `critical`.
    pub severity: String,
    /// `pending`, `firing` or `resolved`.
    pub state: String,
    /// End of the first abnormal window, ms.
    pub active_since_ms: i64,
    /// End of the first abnormal window.
    pub active_since: String,
    /// When it fired, event time, ms.
    pub fired_at_ms: Option<i64>,
    /// When it fired.
    pub fired_at: Option<String>,
    /// When it ended, event time, ms.
    pub resolved_at_ms: Option<i64>,
    /// When it ended.
    pub resolved_at: Option<String>,
    /// Why it is in this state.
    pub reason: String,
    /// Value of the newest window, in `unit`.
    pub value: Option<f64>,
    /// What that window says, as `/v1/windows` names it; null for the engine's own alerts.
    pub verdict: Option<String>,
    /// What the same hours of earlier weeks let expect, for surges: a count, as `samples` is.
    pub expected: Option<f64>,
    /// Worst value of the episode.
    pub worst_value: Option<f64>,
    /// Score of the newest window.
    pub score: Option<f64>,
    /// Samples of the newest window.
    pub samples: i64,
    /// Smallest reasonable value.
    pub limit_min: Option<f64>,
    /// Largest reasonable value.
    pub limit_max: Option<f64>,
    /// Unit of values and limits.
    pub unit: String,
    /// Start of the newest window, ms.
    pub window_start_ms: i64,
    /// End of the newest window, ms.
    pub window_end_ms: i64,
    /// Optimization trigger for the same object, if it is open or if its refusal rests.
    pub trigger: Option<String>,
    /// Who holds the BOSS connection that it is about, or held it longest while it went on.
    pub holder: Option<HolderView>,
    /// The rule book that judges it.
    pub rules: RuleBookView,
    /// Where its limit comes from; null for the engine's own alerts.
    pub limit_source: Option<ProvenanceView>,
    /// What was going on there in the newest window: planned work, a storm.
    pub annotations: Vec<AnnotationView>,
}

/// Who holds a BOSS connection, or held it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HolderView {
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
    /// Since its last activity.
    pub since: String,
    /// For how long, as far as is known, ms.
    pub held_ms: i64,
    /// When it was given back, or used again, ms; null while it is held.
    pub released_ms: Option<i64>,
}

impl HolderView {
    fn of(holder: &Holder, zone: &jiff::tz::TimeZone) -> HolderView {
        HolderView {
            host: holder.host.clone(),
            interface: holder.interface.clone(),
            connection: holder.connection.clone(),
            client: holder.client.clone(),
            since_ms: holder.since_ms,
            since: iso(holder.since_ms, zone),
            held_ms: holder.until_ms - holder.since_ms,
            released_ms: holder.is_over.then_some(holder.until_ms),
        }
    }
}

impl AlertView {
    /// With times in the operator's zone, and what explains it.
    pub fn of(alert: &Alert, snapshot: &Snapshot) -> AlertView {
        let zone = &snapshot.plan.zone;
        let book = &snapshot.plan.book;
        let kqi = book
            .kqis
            .iter()
            .find(|kqi| Some(&kqi.id) == alert.kqi.as_ref());
        let annotations = kqi.map(|kqi| {
            let known = &snapshot.annotations;
            known.about(kqi, &alert.group, alert.window_ms, &book.places)
        });
        let annotations = annotations.unwrap_or_default();
        AlertView {
            alert: alert.alert.clone(),
            incident: alert.incident.clone(),
            kqi: alert.kqi.clone(),
            name: (&alert.name).into(),
            service: alert.service.clone(),
            service_name: alert.service_name.as_ref().map(TextView::from),
            layer: alert.layer.map(|layer| layer_name(layer).to_owned()),
            department: alert.department.clone(),
            group_label: alert.group_label.clone(),
            group: group_object(&alert.group),
            severity: severity_name(alert.severity).to_owned(),
            state: alert.state.name().to_owned(),
            active_since_ms: alert.active_since_ms,
            active_since: iso(alert.active_since_ms, zone),
            fired_at_ms: alert.fired_at_ms,
            fired_at: alert.fired_at_ms.map(|ms| iso(ms, zone)),
            resolved_at_ms: alert.resolved_at_ms,
            resolved_at: alert.resolved_at_ms.map(|ms| iso(ms, zone)),
            reason: alert.reason.name().to_owned(),
            value: alert.value,
            verdict: alert.verdict.map(|verdict| verdict.name().to_owned()),
            expected: alert.expected,
            worst_value: alert.worst_value,
            score: alert.score,
            samples: alert.samples,
            limit_min: alert.limit_min,
            limit_max: alert.limit_max,
            unit: alert.unit.clone(),
            window_start_ms: alert.window_ms.0,
            window_end_ms: alert.window_ms.1,
            trigger: alert.trigger.clone(),
            holder: alert
                .holder
                .as_ref()
                .map(|holder| HolderView::of(holder, zone)),
            rules: RuleBookView::of(book),
            limit_source: kqi
                .and_then(Kqi::limit_provenance)
                .map(ProvenanceView::from),
            annotations: AnnotationView::all(&annotations, zone),
        }
    }
}
