//! The history: everything that was decided, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Cell};
use utoipa::IntoParams;

use crate::api::access::{Caller, Role};
use crate::api::clock::time;
use crate::api::error::ApiError;
use crate::api::extract::{ApiPath, ApiQuery};
use crate::api::router::Server;
use crate::api::views::{ErrorBody, HistoryView, masked};
use crate::masking::mask;
use crate::store::{Column, Filter, TABLES, Table};

/// Rows of an answer, unless told otherwise.
const ROWS: u32 = 100;
/// Most rows of an answer.
const ROWS_MAX: u32 = 1_000;

/// Which rows to list. A column that the table does not have is refused.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(in crate::api) struct HistoryQuery {
    /// From this time on, milliseconds or RFC 3339.
    from: Option<String>,
    /// Before this time.
    to: Option<String>,
    /// Most rows, 1 to 1,000; 100 without it.
    limit: Option<u32>,
    /// Rows to leave out before the first.
    offset: Option<u32>,
    /// Only rows with this value in the column of that name.
    alert: Option<String>,
    /// Likewise.
    object: Option<String>,
    /// Likewise.
    kqi: Option<String>,
    /// Likewise.
    service: Option<String>,
    /// Likewise.
    city: Option<String>,
    /// Likewise.
    department: Option<String>,
    /// Likewise; of moves the state that they lead to.
    state: Option<String>,
    /// Likewise.
    severity: Option<String>,
    /// Likewise.
    reason: Option<String>,
    /// Likewise.
    trigger_id: Option<String>,
    /// Likewise.
    thread: Option<String>,
    /// Likewise.
    actor: Option<String>,
    /// Likewise.
    verdict: Option<String>,
}

/// Rows of one table of the history, newest first: `alert_transitions`, `notices`, `triggers`,
/// `trigger_moves`, `feedback`, `effects` or `audit`. A row is there shortly after the decision.
#[utoipa::path(
    get,
    path = "/v1/history/{table}",
    tag = "history",
    params(("table" = String, Path, description = "the table"), HistoryQuery),
    responses(
        (status = 200, description = "rows as objects", body = HistoryView),
        (status = 400, description = "a filter cannot be read, or is none of this table", body = ErrorBody),
        (status = 404, description = "there is no such table", body = ErrorBody),
        (status = 503, description = "the history does not answer", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<HistoryQuery>,
) -> Result<Json<HistoryView>, ApiError> {
    let table = Table::named(&name).ok_or_else(|| {
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        let names = names.join(", ");
        ApiError::not_found(format!("the history has no table {name:?}, it has {names}"))
    })?;
    let is_masked = !caller.has(Role::Subscribers);
    let limit = query.limit.unwrap_or(ROWS);
    if !(1..=ROWS_MAX).contains(&limit) {
        let words = format!("limit is {limit}, wanted 1 to {ROWS_MAX}");
        return Err(ApiError::bad_request("bad_query", words));
    }
    let filter = Filter {
        from_ms: time("from", query.from.as_deref())?,
        to_ms: time("to", query.to.as_deref())?,
        offset: query.offset.unwrap_or(0),
        equals: equals(table, query)?,
        limit,
    };
    let page = server.state.history.read(table, &filter).await;
    let page = page.map_err(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the history does not answer"
        );
        let words = "the history does not answer now, try again";
        ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, "history_failed", words)
    })?;
    Ok(Json(HistoryView {
        table: table.name.to_owned(),
        about: table.about.to_owned(),
        rows: page
            .rows
            .into_iter()
            .map(without_addresses)
            .map(|row| match is_masked {
                true => without_numbers(row),
                false => row,
            })
            .collect(),
        has_more: page.has_more,
    }))
}

fn equals(
    table: &'static Table,
    query: HistoryQuery,
) -> Result<Vec<(&'static Column, crate::store::Value)>, ApiError> {
    let given = [
        ("alert", query.alert),
        ("object", query.object),
        ("kqi", query.kqi),
        ("service", query.service),
        ("city", query.city),
        ("department", query.department),
        ("state", query.state),
        ("severity", query.severity),
        ("reason", query.reason),
        ("trigger_id", query.trigger_id),
        ("thread", query.thread),
        ("actor", query.actor),
        ("verdict", query.verdict),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    given
        .map(|(name, value)| {
            // The state that a move leads to.
            let to_state = || table.column("to_state").filter(|_| name == "state");
            let column = table.column(name).or_else(to_state).ok_or_else(|| {
                let words = format!("{} has no column {name:?}", table.name);
                ApiError::bad_request("bad_query", words)
            })?;
            Ok((column, value.into()))
        })
        .collect()
}

/// What people write freely, by its names in rows and in their documents.
const WRITTEN: [&str; 7] = ["reason", "text_zh", "text_en", "zh", "en", "text", "words"];

/// Numbers of subscribers that somebody wrote into a reason are for who may see them.
fn without_numbers(mut row: Map<String, Cell>) -> Map<String, Cell> {
    for (name, value) in &mut row {
        hide_numbers(name, value);
    }
    row
}

fn hide_numbers(name: &str, value: &mut Cell) {
    match value {
        Cell::String(text) if WRITTEN.contains(&name) => *text = mask(text),
        Cell::Array(items) => items.iter_mut().for_each(|item| hide_numbers(name, item)),
        Cell::Object(fields) => {
            for (name, value) in fields {
                hide_numbers(name, value);
            }
        }
        _ => {}
    }
}

/// People's addresses are shown as everywhere: enough to know which.
fn without_addresses(mut row: Map<String, Cell>) -> Map<String, Cell> {
    let address = row.get("recipient").and_then(Cell::as_str);
    let Some(address) = address.filter(|address| address.contains('@')) else {
        return row;
    };
    let (address, shown) = (address.to_owned(), masked(address));
    for value in row.values_mut() {
        if let Cell::String(text) = value {
            *text = text.replace(&address, &shown);
        }
    }
    row
}
