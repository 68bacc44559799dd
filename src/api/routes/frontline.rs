//! What agents tell customers, made for a pop-up: read from the snapshot, nobody is asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::access::{Caller, Role};
use crate::api::error::ApiError;
use crate::api::extract::{ApiPath, ApiQuery};
use crate::api::router::Server;
use crate::api::views::{ErrorBody, FrontlineView};
use crate::engine::Snapshot;

/// Of which city.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct FrontlineQuery {
    /// City of the customer; every place of the service without it, and the token's own where that is for one.
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
        (status = 403, description = "the token is for other cities, or for several and none is asked for", body = ErrorBody),
        (status = 404, description = "there is no such service, or no such city; the message names those that there are", body = ErrorBody),
        (status = 503, description = "the engine starts, and reads back what was (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn explain(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(service): ApiPath<String>,
    ApiQuery(query): ApiQuery<FrontlineQuery>,
) -> Result<Json<FrontlineView>, ApiError> {
    // Of the past that is read back nobody is told as if it were now.
    server.caught_up()?;
    let snapshot = server.snapshot();
    let book = &snapshot.plan.book;
    let known = book.any_service || book.services.iter().any(|known| known.id == service);
    if !known {
        return Err(ApiError::not_found(format!(
            "there is no service {service:?}"
        )));
    }
    let city = caller.city(query.city)?;
    let (city, ticket) = (city.as_deref(), query.ticket.as_deref());
    if let Some(city) = city {
        check_city(&snapshot, city)?;
    }
    let is_masked = !caller.has(Role::Subscribers);
    let mut view = FrontlineView::of(&snapshot, &service, city, ticket, is_masked);
    // Where else it was seen is for who sees the whole.
    for said in &mut view.explanations {
        said.cities.retain(|city| caller.sees(Some(city)));
    }
    Ok(Json(view))
}

/// Refuses a city that nobody knows: a misspelt one must not read as one in which all is well. A book without
/// places knows none, and takes every name.
fn check_city(snapshot: &Snapshot, city: &str) -> Result<(), ApiError> {
    let known = &snapshot.plan.book.places.cities;
    let is_met = || {
        let mut triggers = snapshot.triggers.iter();
        triggers.any(|trigger| trigger.cities().contains(&city))
    };
    if known.is_empty() || known.contains_key(city) || is_met() {
        return Ok(());
    }
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    let known = known.join(", ");
    Err(ApiError::not_found(format!(
        "there is no city {city:?}, known are {known}"
    )))
}
