//! What machines read: the metrics page and the OpenAPI document.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::api::error::ApiError;
use crate::api::openapi::document;
use crate::api::router::{Server, now_ms};
use crate::api::views::ErrorBody;
use crate::engine::Bound;
use crate::metrics::{Metrics, Scrape};
use crate::time::ahead_ms;

/// Metrics in the Prometheus text format. While a start catches up without the series of KQIs, services and cities:
/// `chrysalis_kqis_known` is 0.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "engine",
    responses(
        (status = 200, description = "the page", body = String, content_type = "text/plain; version=0.0.4"),
        (status = 500, description = "the page could not be made", body = ErrorBody),
        (status = 503, description = "a worker does not answer in time", body = ErrorBody),
    )
)]
pub(in crate::api) async fn metrics(
    State(server): State<Arc<Server>>,
) -> Result<impl IntoResponse, ApiError> {
    let snapshot = server.snapshot();
    let current = server.current_if_known(&snapshot).await?;
    let made = tokio::task::spawn_blocking(move || {
        server.state.metrics.page(&Scrape {
            now_ms: now_ms(),
            clock_ahead_ms: ahead_ms(),
            snapshot: &snapshot,
            journal: &server.state.submitter.stats(),
            health: &server.state.health.now(),
            current: current.as_deref(),
            in_flight: server.intake.in_flight(),
            connections: server.state.connections.load(Ordering::Relaxed),
            bounds: &bounds(&server),
        })
    });
    let failed = |reason: String| ApiError::internal(format!("cannot make the page: {reason}"));
    let text = made
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))?;
    Ok(([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], text))
}

/// Bounds of what the server itself keeps, and of what it asks.
fn bounds(server: &Server) -> [Bound; 5] {
    let named = |name, (held, max, over_total)| Bound {
        name,
        held: Some(held),
        max,
        over_total,
    };
    [
        server.state.answers.bound(),
        named("limits.questions_max", server.state.queries.bound()),
        named(
            "limits.epochs_in_flight_max",
            server.state.queries.epochs_bound(),
        ),
        named("http.quarantined_lines_max", server.quarantine.bound()),
        named("http.stamped_sources_max", server.inlet.stamped_sources()),
    ]
}

/// This document.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "engine",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub(in crate::api) async fn openapi() -> impl IntoResponse {
    Json(document())
}
