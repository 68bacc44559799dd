//! The engine's state, and the two answers that supervisors poll.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::Lifecycle;
use crate::api::error::ApiError;
use crate::api::router::{Server, now_ms};
use crate::api::views::{ErrorBody, StatusView};

/// How long the ledger is waited for.
const LEDGER_PATIENCE: Duration = Duration::from_secs(1);

/// The state of the engine: event time, journal, queues.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "engine",
    responses((status = 200, description = "the state", body = StatusView))
)]
pub(in crate::api) async fn status(State(server): State<Arc<Server>>) -> Json<StatusView> {
    // What stands in the ledger is no reason not to tell the rest.
    let unsettled = server.state.deliveries.ledger.unsettled();
    let unsettled = tokio::time::timeout(LEDGER_PATIENCE, unsettled).await;
    let unsettled = unsettled.ok().and_then(Result::ok);
    Json(StatusView::of(
        &server.snapshot(),
        &server.state.health.now(),
        &server.state.submitter.stats(),
        (server.intake.in_flight().bytes, server.inlet.stamps()),
        &server.state.access.load(),
        unsettled,
        now_ms(),
    ))
}

/// Whether the engine serves: the journal is replayed and it is not stopping.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "engine",
    responses(
        (status = 200, description = "it serves", body = String),
        (status = 503, description = "starting or stopping", body = ErrorBody),
    )
)]
pub(in crate::api) async fn ready(
    State(server): State<Arc<Server>>,
) -> Result<&'static str, ApiError> {
    let words = match server.state.health.now().lifecycle {
        Lifecycle::Ready => return Ok("ready\n"),
        Lifecycle::Starting { percent } => format!("starting: {percent} % of the journal replayed"),
        Lifecycle::Stopping => "stopping".to_owned(),
    };
    Err(ApiError::retry_later(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        words,
    ))
}

/// Whether the process answers at all.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "engine",
    responses((status = 200, description = "it does", body = String))
)]
pub(in crate::api) async fn healthz() -> &'static str {
    "ok\n"
}
