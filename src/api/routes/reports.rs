//! Reports that were told, from a bounded list: older ones are in the files and in the recipients' mail.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::{ApiPath, ApiQuery};
use crate::api::router::Server;
use crate::api::routes::alerts::one_of;
use crate::api::views::{ErrorBody, ReportHeadView, ReportView, ReportsView};
use crate::reports::{Reader, Report, csv, parquet};
use crate::rules::{Language, ReportKind};

const CSV: &str = "text/csv; charset=utf-8";
const PARQUET: &str = "application/vnd.apache.parquet";

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
    ApiPath((id, period)): ApiPath<(String, String)>,
) -> Result<Json<ReportView>, ApiError> {
    let report = kept(&server, &id, &period)?;
    Ok(Json(ReportView::of(&report)))
}

/// One table of a report as a file: `suggestions.zh.csv`, `suggestions.en.csv` or `suggestions.parquet`, the same
/// bytes as in the data folder.
#[utoipa::path(
    get,
    path = "/v1/reports/{id}/{period}/{file}",
    tag = "reports",
    params(
        ("id" = String, Path, description = "the report's rule, for example `daily_bulletin`"),
        ("period" = String, Path, description = "the period, as the list names it"),
        ("file" = String, Path, description = "a table's key with `.zh.csv`, `.en.csv` or `.parquet`"),
    ),
    responses(
        (status = 200, description = "the file", content(
            (String = "text/csv"), (Vec<u8> = "application/vnd.apache.parquet")
        )),
        (status = 404, description = "no such report is kept, or it has no such file", body = ErrorBody),
    )
)]
pub(in crate::api) async fn file(
    State(server): State<Arc<Server>>,
    ApiPath((id, period, name)): ApiPath<(String, String, String)>,
) -> Result<Response, ApiError> {
    let report = kept(&server, &id, &period)?;
    let table = |key: &str| report.tables.iter().find(|table| table.key == key);
    let in_language = |language| Reader::of(&report, language);
    let (kind, bytes) = match name.split_once('.').map(|(key, kind)| (table(key), kind)) {
        Some((Some(table), "zh.csv")) => (CSV, csv(table, &in_language(Language::Zh)).into_bytes()),
        Some((Some(table), "en.csv")) => (CSV, csv(table, &in_language(Language::En)).into_bytes()),
        Some((Some(table), "parquet")) => {
            let bytes = parquet(table).map_err(|error| ApiError::internal(error.to_string()))?;
            (PARQUET, bytes)
        }
        _ => {
            let keys: Vec<&str> = report.tables.iter().map(|table| &*table.key).collect();
            let keys = keys.join(", ");
            return Err(ApiError::not_found(format!(
                "the report has no file {name:?}: its tables are {keys}, each as .zh.csv, .en.csv and .parquet"
            )));
        }
    };
    Ok(([(CONTENT_TYPE, kind)], bytes).into_response())
}

fn kept(server: &Server, id: &str, period: &str) -> Result<Arc<Report>, ApiError> {
    let snapshot = server.snapshot();
    let mut reports = snapshot.reports.newest.iter().rev();
    let report = reports.find(|report| report.id == id && report.period.key == period);
    let report = report.cloned();
    report.ok_or_else(|| ApiError::not_found(format!("no report {id:?} of {period:?} is kept")))
}
