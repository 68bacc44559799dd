//! Alerts, as of the newest cut.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{ApiPath, ApiQuery};
use crate::api::router::Server;
use crate::api::severity_name;
use crate::api::views::{AlertView, AlertsView, ErrorBody};

/// States that a filter may name.
const STATES: [&str; 3] = ["pending", "firing", "resolved"];
/// Severities that a filter may name.
const SEVERITIES: [&str; 4] = ["warning", "minor", "major", "critical"];

/// Which alerts to list.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct AlertsQuery {
    /// `pending`, `firing` or `resolved`.
    state: Option<String>,
    /// Identifier of the service.
    service: Option<String>,
    /// `warning`, `minor`, `major` or `critical`.
    severity: Option<String>,
}

/// Alerts that are pending or firing, and those that ended lately; newest first.
#[utoipa::path(
    get,
    path = "/v1/alerts",
    tag = "alerts",
    params(AlertsQuery),
    responses(
        (status = 200, description = "those that the filters let through", body = AlertsView),
        (status = 400, description = "a filter names no such state or severity", body = ErrorBody),
        (status = 503, description = "the engine starts, and reads back what was (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiQuery(query): ApiQuery<AlertsQuery>,
) -> Result<Json<AlertsView>, ApiError> {
    server.caught_up()?;
    one_of("state", query.state.as_deref(), &STATES)?;
    one_of("severity", query.severity.as_deref(), &SEVERITIES)?;
    let snapshot = server.snapshot();
    let fits = |wanted: &Option<String>, is: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| Some(wanted) == is)
    };
    let alerts = snapshot.alerts.iter().filter(|alert| {
        fits(&query.state, Some(alert.state.name()))
            && fits(&query.service, alert.service.as_deref())
            && fits(&query.severity, Some(severity_name(alert.severity)))
            && caller.sees_group(&alert.group)
    });
    Ok(Json(AlertsView {
        alerts: alerts
            .map(|alert| AlertView::of(alert, &snapshot))
            .collect(),
    }))
}

/// One incident.
#[utoipa::path(
    get,
    path = "/v1/alerts/{incident}",
    tag = "alerts",
    params(("incident" = String, Path, description = "the incident's identity")),
    responses(
        (status = 200, description = "the alert", body = AlertView),
        (status = 404, description = "no such incident is remembered", body = ErrorBody),
    )
)]
pub(in crate::api) async fn one(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(incident): ApiPath<String>,
) -> Result<Json<AlertView>, ApiError> {
    let snapshot = server.snapshot();
    let alert = snapshot
        .alerts
        .iter()
        .find(|alert| alert.incident == incident && caller.sees_group(&alert.group))
        .ok_or_else(|| ApiError::not_found(format!("there is no alert {incident:?}")))?;
    Ok(Json(AlertView::of(alert, &snapshot)))
}

/// Refuses a filter that could never match, so that a slip of the pen does not read as "none".
pub(super) fn one_of(field: &str, value: Option<&str>, known: &[&str]) -> Result<(), ApiError> {
    match value {
        Some(value) if !known.contains(&value) => Err(ApiError::bad_request(
            "bad_query",
            format!("{field} is {value:?}, wanted {}", known.join(", ")),
        )),
        _ => Ok(()),
    }
}
