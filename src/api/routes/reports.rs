//! Reports that were told, from a bounded list: older ones are in the files and in the recipients' mail.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::ApiQuery;
use crate::api::router::Server;
use crate::api::routes::alerts::one_of;
use crate::api::views::{ErrorBody, ReportHeadView, ReportView, ReportsView};
use crate::rules::ReportKind;

/// Which reports to list.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct ReportsQuery {
    /// Identifier of the report's rule.
    id: Option<String>,
    /// `demand_list`, `bulletin`, `benchmark` or `effects`.
    kind: Option<String>,
}

/// The newest reports, the newest first; at most 64 of all kinds.
#[utoipa::path(
    get,
    path = "/v1/reports",
    tag = "reports",
    params(ReportsQuery),
    responses(
        (status = 200, description = "those that the filters let through", body = ReportsView),
        (status = 400, description = "a filter names no such kind", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    ApiQuery(query): ApiQuery<ReportsQuery>,
) -> Result<Json<ReportsView>, ApiError> {
    one_of("kind", query.kind.as_deref(), &ReportKind::NAMES)?;
    let snapshot = server.snapshot();
    let fits =
        |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    let reports = snapshot.reports.newest.iter().rev();
    let reports = reports.filter(|of| fits(&query.id, &of.id) && fits(&query.kind, of.kind.name()));
    Ok(Json(ReportsView {
        reports: reports.map(|report| ReportHeadView::of(report)).collect(),
    }))
}

/// One report.
#[utoipa::path(
    get,
    path = "/v1/reports/{id}/{period}",
    tag = "reports",
    params(
        ("id" = String, Path, description = "the report's rule, for example `daily_bulletin`"),
        ("period" = String, Path, description = "the period: its first day as `2026-03-02`, or the month as `2026-03`"),
    ),
    responses(
        (status = 200, description = "the report", body = ReportView),
        (status = 404, description = "no such report is kept", body = ErrorBody),
    )
)]
pub(in crate::api) async fn one(
    State(server): State<Arc<Server>>,
    Path((id, period)): Path<(String, String)>,
) -> Result<Json<ReportView>, ApiError> {
    let snapshot = server.snapshot();
    let mut reports = snapshot.reports.newest.iter().rev();
    let report = reports.find(|report| report.id == id && report.period.key == period);
    let report = report
        .ok_or_else(|| ApiError::not_found(format!("no report {id:?} of {period:?} is kept")))?;
    Ok(Json(ReportView::of(report)))
}
