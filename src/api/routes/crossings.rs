//! Complaints set against KQIs: read from the snapshot, nobody is asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::ApiQuery;
use crate::api::router::Server;
use crate::api::routes::alerts::one_of;
use crate::api::views::{CrossingsView, ErrorBody};
use crate::triggers::Crossing;

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct CrossingsQuery {
    /// Service.
    service: Option<String>,
    /// `confirmed`, `blind_spot` or `silent_degradation`.
    crossing: Option<String>,
}

/// What fires now, with what the other side says: complaints against KQIs of the same service, place and time.
#[utoipa::path(
    get,
    path = "/v1/crossings",
    tag = "alerts",
    params(CrossingsQuery),
    responses(
        (status = 200, description = "objects whose alerts fire and whose other side has data", body = CrossingsView),
        (status = 400, description = "there is no such crossing", body = ErrorBody),
        (status = 503, description = "the engine starts, and reads back what was (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    ApiQuery(query): ApiQuery<CrossingsQuery>,
) -> Result<Json<CrossingsView>, ApiError> {
    server.caught_up()?;
    one_of(
        "crossing",
        query.crossing.as_deref(),
        &Crossing::ALL.map(Crossing::name),
    )?;
    let snapshot = server.snapshot();
    let fits = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|of| of == is);
    let crossed = snapshot.crossed.iter().filter(|of| {
        fits(&query.service, &of.service) && fits(&query.crossing, of.crossing.name())
    });
    Ok(Json(CrossingsView::of(&snapshot, crossed)))
}
