//! The complaint system's full file of a day (日投诉全量信息; domain fact G6): set against what the stream told, so
//! that both come to the same totals, and whatever one of them lacks has a name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::ApiQuery;
use crate::api::router::{Server, now_ms};
use crate::api::routes::events::check_not_stopping;
use crate::api::routes::subscribers::inquire;
use crate::api::views::{ErrorBody, FullFileView};
use crate::complaints::Word;
use crate::dataflow::{FILED_MAX, Inquiry, TicketDetail};
use crate::ingest::Sender;

/// Which day, and what becomes of tickets that the file does not name.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct FullFileQuery {
    /// The day, as 2026-03-02, in the rule book's zone.
    day: String,
    /// Only this city's tickets, where each city has a file of its own.
    city: Option<String>,
    /// `name` (default) or `withdraw` tickets on record that the file does not name.
    missing: Option<String>,
}

/// What of a line is read here; all else is the intake's.
#[derive(Deserialize)]
struct Line {
    serial: Option<String>,
}

/// Takes the full file of a day, as `complaint` lines, and says what it and the record lack of each other.
///
/// Its tickets are taken like those of the stream; the same serial counts once. Tickets of that day on record that the
/// file does not name are named in the answer, or withdrawn where the query says so; nothing is withdrawn by a file of
/// which a line was refused.
#[utoipa::path(
    post,
    path = "/v1/complaints/full",
    tag = "complaints",
    params(FullFileQuery),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "taken, and durable", body = FullFileView),
        (status = 400, description = "the query or the body is wrong, or the day is not over", body = ErrorBody),
        (status = 413, description = "the body is too large, or the day has too many tickets", body = ErrorBody),
        (status = 415, description = "the body is compressed", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping, or the workers do not answer", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn take(
    State(server): State<Arc<Server>>,
    sender: Sender,
    ApiQuery(query): ApiQuery<FullFileQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FullFileView>, ApiError> {
    check_not_stopping(&server)?;
    let bad = |words: String| ApiError::bad_request("bad_query", words);
    let withdraws = match query.missing.as_deref() {
        None | Some("name") => false,
        Some("withdraw") => true,
        Some(other) => {
            return Err(bad(format!(
                "missing is {other:?}, wanted name or withdraw"
            )));
        }
    };
    let (from_ms, to_ms) = day_of(&server, &query.day)
        .ok_or_else(|| bad(format!("day is {:?}, wanted one as 2026-03-02", query.day)))?;
    if to_ms > now_ms() {
        return Err(bad(format!("{} is not over", query.day)));
    }
    if headers.contains_key(CONTENT_ENCODING) {
        let words = "a full file is sent as it is, not compressed";
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            words,
        ));
    }
    let bytes_max = server.state.config.body_bytes_max;
    let body = to_bytes(body, bytes_max).await.map_err(|_| {
        let words = format!("the body is no whole one of at most {bytes_max} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", words)
    })?;
    let named = serials(&body);
    let inquiry = Inquiry::Filed {
        city: query.city.clone(),
        from_ms,
        to_ms,
    };
    let known = inquire(&server, inquiry).await?;
    if known.beyond > 0 {
        let words = format!("more than {FILED_MAX} tickets of that day are on record: give a city");
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_many_tickets",
            words,
        ));
    }
    let known: BTreeMap<String, TicketDetail> = known
        .tickets
        .into_iter()
        .map(|(_, ticket)| (ticket.serial.to_string(), ticket))
        .collect();
    let taken = server
        .intake
        .take(sender.clone(), &headers, Body::from(body), now_ms());
    let refused = taken.await?.refused_total;
    let lost: Vec<&TicketDetail> = known
        .iter()
        .filter(|(serial, _)| !named.contains(*serial))
        .map(|(_, ticket)| ticket)
        .collect();
    let is_whole = refused == 0;
    let mut withdrawn = 0;
    if withdraws && is_whole && !lost.is_empty() {
        let lines: Vec<String> = lost
            .iter()
            .map(|ticket| withdrawal(ticket, to_ms).line())
            .collect();
        let no_headers = HeaderMap::new();
        let body = Body::from(lines.join("\n"));
        server
            .intake
            .take(sender, &no_headers, body, now_ms())
            .await?;
        withdrawn = lost.len();
    }
    let only_in_file = named.iter().filter(|serial| !known.contains_key(*serial));
    Ok(Json(FullFileView::of(
        &query.day,
        (named.len(), known.len(), refused as usize, withdrawn),
        only_in_file.map(String::as_str),
        lost.iter().map(|ticket| &*ticket.serial),
    )))
}

/// The serials that a file names.
fn serials(body: &[u8]) -> BTreeSet<String> {
    let lines = body.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok()?.serial)
        .filter(|serial| !serial.is_empty())
        .collect()
}

/// A ticket is taken back as of the end of its day, or of its newest version where that came later.
fn withdrawal(ticket: &TicketDetail, to_ms: i64) -> Word {
    Word {
        serial: ticket.serial.to_string(),
        ts_ms: to_ms.max(ticket.ts_ms.saturating_add(1)),
        version: ticket.version.map(|version| version.saturating_add(1)),
        state: "withdrawn",
        cause: Some("not_in_full_file".to_owned()),
        ..Word::default()
    }
}

/// Begin and end of a day in the rule book's zone, ms.
fn day_of(server: &Server, day: &str) -> Option<(i64, i64)> {
    let date: jiff::civil::Date = day.parse().ok()?;
    let zone = server.snapshot().plan.zone.clone();
    let start = |date: jiff::civil::Date| {
        let start = date.to_zoned(zone.clone()).ok()?;
        Some(start.timestamp().as_millisecond())
    };
    Some((start(date)?, start(date.tomorrow().ok()?)?))
}
