//! Batches before there is an engine: a start takes them as soon as the journal is open and known to be the folder's, while
//! it still loads what they will be counted by.
//!
//! * They are judged by the rule book that is in force as of the checkpoint, as during a replay, and journaled with their
//!   lines: whatever book is in force when their turn comes reads them as it must.
//! * Nothing but `POST /v1/events`: all else asks something of the engine, the time of its sources at least.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use axum::{Json, Router, middleware};

use crate::api::access::{Access, guard};
use crate::api::error::ApiError;
use crate::api::router::{Edge, around, now_ms};
use crate::api::views::ReceiptView;
use crate::ingest::{Intake, Sender};
use crate::metrics::Metrics;

const EVENTS: &str = "/v1/events";

/// What batches need.
struct Early {
    intake: Arc<Intake>,
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
    *method == Method::POST && path == EVENTS
}

/// The HTTP service of batches before there is an engine, with the answers and rights that they have on it. `access` is as
/// of the start; no request takes longer than `patience`.
pub fn early(
    intake: Arc<Intake>,
    access: Access,
    metrics: Arc<Metrics>,
    patience: Duration,
) -> Router {
    let early = Arc::new(Early {
        intake,
        access: Arc::new(access),
        metrics,
        patience,
    });
    Router::new()
        .route(EVENTS, post(take))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&early),
            guard::<Early>,
        ))
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
    let receipt = early.intake.take(sender, &headers, body, now_ms()).await?;
    Ok(Json((&receipt).into()))
}
