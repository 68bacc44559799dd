//! `POST /v1/events` and the refused lines.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::Lifecycle;
use crate::api::error::ApiError;
use crate::api::extract::ApiQuery;
use crate::api::router::{Server, now_ms};
use crate::api::views::{ErrorBody, QuarantineView, QuarantinedView, ReceiptView};
use crate::ingest::Sender;

/// Takes events: one JSON object a line.
///
/// The answer comes when the accepted lines are durable. A line that cannot be taken is refused
/// alone; only a line over the size limit refuses the whole body, so that nothing of it is counted
/// and it can be sent again without that line. A receipt whose status word no rule maps is taken as
/// Indeterminate, counted and shown in the quarantine. An event older than its stream's retention is
/// accepted and kept in the journal, and changes no window: `facts_too_late` counts its facts.
///
/// With both headers a batch can be sent again safely: a producer numbers its batches upwards. A
/// number equal to the newest, or among the 64 before it and known, is answered
/// `accepted: 0, duplicate: true` and counted once. Any other number below the newest may never have
/// been seen, and is refused with 409. Where the server asks for tokens, a name belongs to the token that used it
/// first, as long as it is remembered: under another's the batch is refused with 409 (`producer_taken`).
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "events",
    params(
        ("Content-Encoding" = Option<String>, Header, description = "`gzip` or `zstd`"),
        ("Chrysalis-Producer" = Option<String>, Header, description = "name of the producer, up to 128 bytes"),
        ("Chrysalis-Sequence" = Option<u64>, Header, description = "the producer's own number for the batch, counting upwards, 0 to 9223372036854775807; one that is known already is answered as a repeat, whatever is in the body", minimum = 0, maximum = 9223372036854775807i64),
    ),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "judged, and what was accepted is durable", body = ReceiptView),
        (status = 400, description = "the body cannot be read, or a header is wrong", body = ErrorBody),
        (status = 408, description = "nothing more of the body came for a while", body = ErrorBody),
        (status = 409, description = "the sequence goes back to one that is not known (`sequence_back`; the message says which is the newest), or the producer's name is another token's (`producer_taken`)", body = ErrorBody),
        (status = 413, description = "the body is too large, packed or unpacked, or has too many lines, or a line over the limit", body = ErrorBody),
        (status = 415, description = "the content coding is not known", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind, or much waits and this producer has its fair share of it; Retry-After says when to come back", body = ErrorBody),
        (status = 503, description = "stopping, or no answer in time", body = ErrorBody),
        (status = 507, description = "the disk is full (`disk_full`), or has less room than is kept free (`disk_low`), or comes near that and this producer has filled its fair share of what is left (`disk_share`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn post(
    State(server): State<Arc<Server>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ReceiptView>, ApiError> {
    check_not_stopping(&server)?;
    let receipt = server.intake.take(sender, &headers, body, now_ms()).await?;
    Ok(Json((&receipt).into()))
}

/// Refuses what comes after the engine's end. What comes while it starts is journaled and answered, and
/// counted after the past.
pub(super) fn check_not_stopping(server: &Server) -> Result<(), ApiError> {
    match server.state.health.now().lifecycle {
        Lifecycle::Stopping => Err(ApiError::retry_later(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            "the engine is stopping",
        )),
        Lifecycle::Starting { .. } | Lifecycle::Ready => Ok(()),
    }
}

/// How many lines to list.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct QuarantineQuery {
    /// At most this many lines; 100 when left out.
    #[serde(default)]
    limit: Option<usize>,
}

/// The newest refused lines, receipts whose status word no rule maps (class `unknown_status`), and dial tests
/// whose failure no rule maps (`unknown_failure`);
/// numbers of subscribers masked.
#[utoipa::path(
    get,
    path = "/v1/quarantine",
    tag = "events",
    params(QuarantineQuery),
    responses(
        (status = 200, description = "newest first; at most 1,000 are kept, in memory", body = QuarantineView),
        (status = 400, description = "the query is wrong", body = ErrorBody),
    )
)]
pub(in crate::api) async fn quarantine(
    State(server): State<Arc<Server>>,
    ApiQuery(query): ApiQuery<QuarantineQuery>,
) -> Json<QuarantineView> {
    let zone = &server.snapshot().plan.zone;
    let (lines, total) = server.quarantine.newest(query.limit.unwrap_or(100));
    Json(QuarantineView {
        total,
        lines: lines
            .iter()
            .map(|line| QuarantinedView::of(line, zone))
            .collect(),
    })
}
