//! What agents tell customers, made for a pop-up: read from the snapshot, nobody is asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::ApiQuery;
use crate::api::router::Server;
use crate::api::views::{ErrorBody, FrontlineView};

/// Of which city.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct FrontlineQuery {
    /// City of the customer; every place of the service without it.
    city: Option<String>,
    /// Serial number of the customer's ticket: only what that waits for.
    ticket: Option<String>,
}

/// Explanations for agents, the most urgent first; what is over stays for a week.
#[utoipa::path(
    get,
    path = "/v1/frontline/{service}",
    tag = "frontline",
    params(
        ("service" = String, Path, description = "the service, for example `mobile_newspaper`"),
        FrontlineQuery
    ),
    responses(
        (status = 200, description = "what to tell customers; none when nothing is known to be wrong", body = FrontlineView),
        (status = 404, description = "there is no such service", body = ErrorBody),
    )
)]
pub(in crate::api) async fn explain(
    State(server): State<Arc<Server>>,
    Path(service): Path<String>,
    ApiQuery(query): ApiQuery<FrontlineQuery>,
) -> Result<Json<FrontlineView>, ApiError> {
    let snapshot = server.snapshot();
    let book = &snapshot.plan.book;
    let known = book.any_service || book.services.iter().any(|known| known.id == service);
    if !known {
        return Err(ApiError::not_found(format!(
            "there is no service {service:?}"
        )));
    }
    let (city, ticket) = (query.city.as_deref(), query.ticket.as_deref());
    Ok(Json(FrontlineView::of(&snapshot, &service, city, ticket)))
}
