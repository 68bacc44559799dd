//! The complaint system's full file of a day (日投诉全量信息; domain fact G6): set against what the stream told, so
//! that both come to the same totals, and whatever one of them lacks has a name.

use std::collections::BTreeSet;
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
use crate::complaints::{Scope, Word, reconcile, withdrawal};
use crate::dataflow::{FILED_MAX, Inquiry, SERIALS_MAX, TicketDetail};
use crate::event::{Complaint, DecodeLimits, Decoder, Record};
use crate::ingest::Sender;

/// Words that are taken at a time: with some 200 bytes each they fit into a batch of any configuration that takes a file.
const WORDS_MAX: usize = 1_000;

/// Which day, and what becomes of tickets that the file does not name.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct FullFileQuery {
    /// The day, as 2026-03-02, in the rule book's zone.
    day: String,
    /// Only this city's tickets, where each city has a file of its own.
    city: Option<String>,
    /// `name` (default) or `withdraw` tickets on record that the file does not name.
    missing: Option<String>,
    /// How many tickets the file has, by whoever wrote it: one that was cut off on the way is refused whole. A file without
    /// any withdraws nothing unless this says 0.
    tickets: Option<usize>,
}

/// Takes the full file of a day, as `complaint` lines, and says what it and the record lack of each other.
///
/// Its tickets are taken like those of the stream; the same serial counts once. Tickets of that day on record that the
/// file does not name are named in the answer, or withdrawn where the query says so; nothing is withdrawn by a file of
/// which a line was refused or is no ticket. What an earlier file took back counts again once a file names it, of whatever
/// day; it counts on the day of its first filing on record, whose files withdraw it no more. Where file and record differ
/// in a ticket's path, or in whether it counts at all, the newer version is right, and the file's where neither is newer;
/// what was confirmed or closed stays so. The answer names each ticket on which both do not come to the same.
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
        (status = 422, description = "the file has another number of tickets than the query says, or none where it would withdraw a day", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping, the workers do not answer, or the engine starts (`starting`)", body = ErrorBody),
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
    let (from_ms, to_ms) = day_of(&server, &query.day)?;
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
    let (mut record, _) = filed_on(&server, &query.day, query.city.as_deref()).await?;
    let snapshot = server.snapshot();
    let book = &snapshot.plan.book;
    let (versions, not_tickets) = versions(&server, &body);
    check_whole(&query, versions.len(), withdraws)?;
    record.extend(elsewhere(&server, &versions, &record).await?);
    let scope = Scope {
        day_ms: from_ms..to_ms,
        city: query.city.clone(),
    };
    let found = reconcile(versions.into_iter(), record.into_iter(), &scope, book);
    let taken = server
        .intake
        .take(sender.clone(), &headers, Body::from(body), now_ms());
    let refused = taken.await?.refused_total;
    let mut words: Vec<String> = found.words.iter().map(Word::line).collect();
    let mut withdrawn = 0;
    if withdraws && refused == 0 && not_tickets == 0 {
        let lost: Vec<String> = found
            .lost()
            .map(|of| withdrawal(of, to_ms).line())
            .collect();
        withdrawn = lost.len();
        words.extend(lost);
    }
    let mut is_said = true;
    for words in words.chunks(WORDS_MAX) {
        let no_headers = HeaderMap::new();
        let body = Body::from(words.join("\n"));
        let taken = server
            .intake
            .take(sender.clone(), &no_headers, body, now_ms());
        is_said &= taken.await?.refused_total == 0;
    }
    Ok(Json(FullFileView::of(
        &query.day,
        &found,
        (refused as usize, not_tickets),
        (withdrawn, is_said),
        &snapshot.plan.zone,
    )))
}

/// The tickets that a file names and that are not among those of its day, wherever they were filed and whatever became
/// of them. A file has as many serials as a body has room for, and a question [`SERIALS_MAX`].
async fn elsewhere(
    server: &Server,
    versions: &[Complaint],
    record: &[TicketDetail],
) -> Result<Vec<TicketDetail>, ApiError> {
    let known: BTreeSet<&str> = record.iter().map(|ticket| &*ticket.serial).collect();
    let named: BTreeSet<&str> = versions.iter().map(|version| &*version.serial).collect();
    let named: Vec<String> = named
        .difference(&known)
        .map(|of| (*of).to_owned())
        .collect();
    let mut found = Vec::new();
    for serials in named.chunks(SERIALS_MAX) {
        let serials = serials.to_vec();
        let tickets = inquire(server, Inquiry::Tickets { serials }).await?.tickets;
        found.extend(tickets.into_iter().map(|(_, ticket)| ticket));
    }
    Ok(found)
}

/// Refuses a file that is not what its writer sent: an export that failed must not take a day's tickets back.
fn check_whole(query: &FullFileQuery, tickets: usize, withdraws: bool) -> Result<(), ApiError> {
    let words = match query.tickets {
        Some(wanted) if wanted != tickets => {
            format!(
                "the file has {tickets} tickets that can be read, and tickets={wanted} were sent"
            )
        }
        None if withdraws && tickets == 0 => {
            "a file without tickets would withdraw the whole day: say tickets=0 if it had none"
                .to_owned()
        }
        _ => return Ok(()),
    };
    Err(ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "incomplete_file",
        words,
    ))
}

/// The complaints that a file tells, and how many other events; lines that cannot be read are the intake's to refuse.
fn versions(server: &Server, body: &[u8]) -> (Vec<Complaint>, usize) {
    let limits = server.state.config.ingest_limits();
    let limits = DecodeLimits {
        line_bytes_max: limits.line_bytes_max,
        text_bytes_max: limits.text_bytes_max,
        ts_ms_max: Some(now_ms().saturating_add(limits.clock_skew_ms_max)),
    };
    let layout = server.snapshot().plan.layout.clone();
    let batch = Decoder::new(layout, limits).decode(body).batch;
    let records = batch.records.into_iter();
    let versions = records.filter_map(|record| match record {
        Record::Complaint(complaint) => Some(complaint),
        _ => None,
    });
    let versions: Vec<Complaint> = versions.collect();
    let not_tickets = (batch.events as usize).saturating_sub(versions.len());
    (versions, not_tickets)
}

/// The tickets that were filed on a day and count, or were taken back by a full file; and the day's end, ms.
pub(super) async fn filed_on(
    server: &Server,
    day: &str,
    city: Option<&str>,
) -> Result<(Vec<TicketDetail>, i64), ApiError> {
    let (from_ms, to_ms) = day_of(server, day)?;
    let inquiry = Inquiry::Filed {
        city: city.map(str::to_owned),
        from_ms,
        to_ms,
    };
    let found = inquire(server, inquiry).await?;
    if found.beyond > 0 {
        let words = format!("more than {FILED_MAX} tickets of that day are on record: give a city");
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_many_tickets",
            words,
        ));
    }
    let tickets = found.tickets.into_iter().map(|(_, ticket)| ticket);
    Ok((tickets.collect(), to_ms))
}

/// Begin and end of a day in the rule book's zone, ms.
fn day_of(server: &Server, day: &str) -> Result<(i64, i64), ApiError> {
    let zone = server.snapshot().plan.zone.clone();
    let start = |date: jiff::civil::Date| {
        let start = date.to_zoned(zone.clone()).ok()?;
        Some(start.timestamp().as_millisecond())
    };
    let bounds = |date: jiff::civil::Date| Some((start(date)?, start(date.tomorrow().ok()?)?));
    day.parse().ok().and_then(bounds).ok_or_else(|| {
        let day: String = day.chars().take(40).collect();
        let words = format!("day is {day:?}, wanted one as 2026-03-02");
        ApiError::bad_request("bad_query", words)
    })
}
