//! Scores up the tree, and down again to what they come from.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::clock::time;
use crate::api::drill::{Wanted, drill};
use crate::api::error::ApiError;
use crate::api::extract::{ApiPath, ApiQuery};
use crate::api::router::Server;
use crate::api::views::{BoardView, ErrorBody, HealthView, HealthsView, RuleBookView, SharesView};
use crate::event::{GROUP, PROVINCE};
use crate::rules::Places;
use crate::scores::{Measured, board, contributions, health};

/// Dimension values that are listed when nothing else is asked for.
const VALUES_DEFAULT: usize = 20;
/// Cities outside the map that are named.
const UNMAPPED_MAX: usize = 100;

/// The health of every service: weighted mean and minimum, by layer.
#[utoipa::path(
    get,
    path = "/v1/health",
    tag = "kqis",
    responses(
        (status = 200, description = "in catalogue order", body = HealthsView),
        (status = 503, description = "a worker does not answer in time, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
) -> Result<Json<HealthsView>, ApiError> {
    let current = server.current(&server.snapshot()).await?;
    let (book, objects) = (&current.plan.book, current.measured());
    let services = book.services.iter();
    let healths = services.map(|service| health(book, &service.id, &objects));
    Ok(Json(HealthsView {
        rules: RuleBookView::of(book),
        services: healths
            .map(|health| HealthView::of(&health, book))
            .collect(),
    }))
}

/// Which layer and KQI the health of a service comes from; the worst KQI of a layer first.
#[utoipa::path(
    get,
    path = "/v1/health/{service}",
    tag = "kqis",
    params(("service" = String, Path, description = "the service, for example `mobile_newspaper`")),
    responses(
        (status = 200, description = "its layers with their KQIs", body = HealthView),
        (status = 404, description = "there is no such service", body = ErrorBody),
        (status = 503, description = "a worker does not answer in time, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn one(
    State(server): State<Arc<Server>>,
    ApiPath(service): ApiPath<String>,
) -> Result<Json<HealthView>, ApiError> {
    let current = server.current(&server.snapshot()).await?;
    let book = &current.plan.book;
    if !book.services.iter().any(|known| known.id == service) {
        return Err(ApiError::not_found(format!(
            "there is no service {service:?} in the rule book"
        )));
    }
    let health = health(book, &service, &current.measured());
    Ok(Json(HealthView::of(&health, book)))
}

/// How many of them.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct ContributionsQuery {
    /// Only facts of this service, for KQIs over several.
    service: Option<String>,
    /// At most this many values of each dimension; 20 when left out.
    limit: Option<usize>,
    /// Of the newest window that had ended by then, milliseconds or RFC 3339; of the newest that holds something when left
    /// out.
    at: Option<String>,
}

/// Which dimension values a KQI's trouble comes from: exact parts, which sum to the whole; of its own dimensions first, then
/// of every other that its facts have. Of one window: the newest that stands, also of objects that were last abnormal and
/// whose alert still fires; where none does, the one that was the newest when the last fact came. `left_out` names objects
/// that have no such window.
#[utoipa::path(
    get,
    path = "/v1/kqis/{id}/contributions",
    tag = "kqis",
    params(("id" = String, Path, description = "the KQI"), ContributionsQuery),
    responses(
        (status = 200, description = "by dimension, the largest share first", body = SharesView),
        (status = 400, description = "`at` cannot be read", body = ErrorBody),
        (status = 404, description = "there is no such KQI", body = ErrorBody),
        (status = 503, description = "a worker does not answer in time, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn shares(
    State(server): State<Arc<Server>>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<ContributionsQuery>,
) -> Result<Json<SharesView>, ApiError> {
    let at_ms = time("at", query.at.as_deref())?;
    server.caught_up()?;
    let snapshot = server.snapshot();
    let book = &snapshot.plan.book;
    let Some(index) = book.kqis.iter().position(|kqi| kqi.id == id) else {
        return Err(ApiError::not_found(format!(
            "there is no KQI {id:?} in the rule book"
        )));
    };
    let (queries, asked) = (server.state.queries.clone(), Arc::clone(&snapshot));
    let drilled = tokio::task::spawn_blocking(move || {
        let wanted = Wanted {
            service: query.service.as_deref(),
            at_ms,
        };
        drill(&queries, &asked, index, wanted)
    });
    let drilled = drilled.await.ok().flatten();
    let drilled = drilled.ok_or_else(ApiError::workers_late)?;
    let kqi = &book.kqis[index];
    let objects = drilled.groups.iter().map(|of| of.measured(kqi));
    let objects: Vec<Measured<'_>> = objects.collect();
    let shares = contributions(kqi, &drilled.parts.whole, &drilled.parts.by, &objects);
    let limit = query.limit.unwrap_or(VALUES_DEFAULT);
    let view = SharesView::of(kqi, &shares, drilled.span_ms, limit, book);
    Ok(Json(view.without(&drilled.left_out)))
}

/// The wider place of an object: that of its city, or the one that it is counted by.
fn within(of: &Measured<'_>, name: &str, places: &Places) -> Option<String> {
    let city = of.dimension("city");
    let by_city = city.and_then(|city| places.derive(name, city));
    by_city.or_else(|| of.dimension(name)).map(str::to_owned)
}

/// Cities of objects that the map does not know; a book without places maps none.
fn unmapped(objects: &[Measured<'_>], places: &Places) -> Vec<String> {
    if places.cities.is_empty() {
        return Vec::new();
    }
    let cities = objects.iter().filter_map(|of| of.dimension("city"));
    let unknown: BTreeSet<&str> = cities
        .filter(|city| !city.is_empty() && !places.cities.contains_key(*city))
        .collect();
    unknown
        .into_iter()
        .take(UNMAPPED_MAX)
        .map(str::to_owned)
        .collect()
}

/// Cities, wider places, or channels, side by side: the worst first, those without data last.
#[utoipa::path(
    get,
    path = "/v1/boards/{by}",
    tag = "kqis",
    params(("by" = String, Path, description = "`cities`, `provinces`, `groups`, `channels` (services that customers are served by) or `services`")),
    responses(
        (status = 200, description = "the board", body = BoardView),
        (status = 404, description = "there is no such board", body = ErrorBody),
        (status = 503, description = "a worker does not answer in time, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn boards(
    State(server): State<Arc<Server>>,
    ApiPath(by): ApiPath<String>,
) -> Result<Json<BoardView>, ApiError> {
    let current = server.current(&server.snapshot()).await?;
    let (book, objects) = (&current.plan.book, current.measured());
    let lines = match by.as_str() {
        "cities" => board(book, &objects, |of| of.dimension("city").map(str::to_owned)),
        "provinces" => board(book, &objects, |of| within(of, PROVINCE, &book.places)),
        "groups" => board(book, &objects, |of| within(of, GROUP, &book.places)),
        "channels" => board(book, &objects, |of| {
            let mut services = book.services.iter();
            let is_channel = services.any(|one| one.is_channel && one.id == of.service);
            is_channel.then(|| of.service.to_owned())
        }),
        "services" => board(book, &objects, |of| Some(of.service.to_owned())),
        _ => {
            return Err(ApiError::not_found(format!(
                "there is no board {by:?}, but cities, provinces, groups, channels and services"
            )));
        }
    };
    let unmapped = unmapped(&objects, &book.places);
    Ok(Json(BoardView::of(&by, &lines, unmapped, book)))
}
