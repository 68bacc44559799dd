//! Lines before there is an engine: a start takes them as soon as the journal is open and known to be the folder's, while
//! it still loads what they will be counted by.
//!
//! * They are judged by the rule book that is in force as of the checkpoint, as during a replay, and journaled with their
//!   lines: whatever book is in force when their turn comes reads them as it must.
//! * What becomes lines by the book and the clock alone, and nothing else: events, reports of MMSCs, and contacts, of which
//!   nobody can tell yet whether their ticket is closed, as during a replay. All else asks something of the engine.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router, middleware};

use crate::api::Inlet;
use crate::api::access::{Access, guard};
use crate::api::error::ApiError;
use crate::api::extract::ApiJson;
use crate::api::router::{COMMAND_BYTES_MAX, Edge, around, now_ms};
use crate::api::routes::{complaints, mm7};
use crate::api::views::{ContactRequest, ContactView, ReceiptView};
use crate::ingest::Sender;
use crate::metrics::Metrics;

const EVENTS: &str = "/v1/events";
const REPORTS: &str = "/mm7";
const CONTACTS: &str = "/v1/complaints";

/// What lines need.
struct Early {
    inlet: Arc<Inlet>,
    access: Arc<Access>,
    metrics: Arc<Metrics>,
    patience: Duration,
}

impl Edge for Early {
    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}

/// Whether a request is one that [`early`] answers.
pub(super) fn is_early(method: &Method, path: &str) -> bool {
    *method == Method::POST && [EVENTS, REPORTS, CONTACTS].contains(&path)
}

/// The HTTP service of lines before there is an engine, with the answers, limits and rights that they have on it. `access`
/// is as of the start.
pub fn early(inlet: Arc<Inlet>, access: Access, metrics: Arc<Metrics>) -> Router {
    let early = Arc::new(Early {
        patience: inlet.config.request_timeout(),
        inlet,
        access: Arc::new(access),
        metrics,
    });
    Router::new()
        .route(EVENTS, post(take))
        .route(REPORTS, post(report))
        .route(CONTACTS, post(file))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&early),
            guard::<Early>,
        ))
        // Events have limits of their own, and so have reports.
        .layer(DefaultBodyLimit::max(COMMAND_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&early),
            around::<Early>,
        ))
        .with_state(early)
}

async fn take(
    State(early): State<Arc<Early>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ReceiptView>, ApiError> {
    let intake = &early.inlet.intake;
    let receipt = intake.take(sender, &headers, body, now_ms()).await?;
    Ok(Json((&receipt).into()))
}

async fn report(
    State(early): State<Arc<Early>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // A journal that is closed says so itself.
    let stops = false;
    mm7::answer(&early.inlet, stops, sender, &headers, body).await
}

async fn file(
    State(early): State<Arc<Early>>,
    sender: Sender,
    ApiJson(asked): ApiJson<ContactRequest>,
) -> Result<Json<ContactView>, ApiError> {
    let decided = complaints::decided(&early.inlet, asked)?;
    decided.take(&early.inlet, sender).await
}
