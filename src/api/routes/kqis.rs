//! The catalogue: KQIs and services, with how they stand now.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::Standing;
use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::ApiQuery;
use crate::api::router::Server;
use crate::api::views::{ErrorBody, KqiView, KqisView, RuleBookView, ServiceView, ServicesView};

/// Objects of a KQI that are listed when nothing else is asked for.
const GROUPS_DEFAULT: usize = 100;

/// Which KQIs to list.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct KqisQuery {
    /// Identifier of the service.
    service: Option<String>,
    /// Identifier of the KQI.
    kqi: Option<String>,
    /// At most this many objects a KQI; 100 when left out.
    limit: Option<usize>,
}

/// The catalogue with current values.
#[utoipa::path(
    get,
    path = "/v1/kqis",
    tag = "kqis",
    params(KqisQuery),
    responses(
        (status = 200, description = "in catalogue order", body = KqisView),
        (status = 400, description = "the query is wrong", body = ErrorBody),
        (status = 404, description = "the rule book has no such service or KQI", body = ErrorBody),
        (status = 503, description = "a worker does not answer in time, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiQuery(query): ApiQuery<KqisQuery>,
) -> Result<Json<KqisView>, ApiError> {
    let snapshot = server.snapshot();
    let book = &snapshot.plan.book;
    if let Some(service) = &query.service
        && !book.services.iter().any(|known| known.id == *service)
    {
        return Err(ApiError::not_found(format!(
            "there is no service {service:?} in the rule book"
        )));
    }
    if let Some(kqi) = &query.kqi
        && !book.kqis.iter().any(|known| known.id == *kqi)
    {
        return Err(ApiError::not_found(format!(
            "there is no KQI {kqi:?} in the rule book"
        )));
    }
    let current = server.current(&snapshot).await?;
    let limit = query.limit.unwrap_or(GROUPS_DEFAULT);
    let wanted = |value: &Option<String>, is: Option<&str>| {
        value.as_deref().is_none_or(|value| Some(value) == is)
    };
    let book = &current.plan.book;
    let kqis = current
        .kqis
        .iter()
        .map(|now| (&book.kqis[now.index], now))
        .filter(|(kqi, _)| {
            wanted(&query.service, kqi.service.as_deref()) && wanted(&query.kqi, Some(&kqi.id))
        })
        .map(|(kqi, now)| {
            if !caller.is_of_cities() {
                return KqiView::of(kqi, Some(now), limit, &current.plan);
            }
            let mut own = now.clone();
            own.groups.retain(|of| caller.sees_group(&of.group.values));
            KqiView::of(kqi, Some(&own), limit, &current.plan)
        })
        .collect();
    Ok(Json(KqisView {
        rules: RuleBookView::of(book),
        kqis,
    }))
}

/// Services with their worst verdict.
#[utoipa::path(
    get,
    path = "/v1/services",
    tag = "kqis",
    responses(
        (status = 200, description = "in catalogue order", body = ServicesView),
        (status = 503, description = "a worker does not answer in time, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn services(
    State(server): State<Arc<Server>>,
) -> Result<Json<ServicesView>, ApiError> {
    let snapshot = server.snapshot();
    let current = server.current(&snapshot).await?;
    let book = &current.plan.book;
    let services = book
        .services
        .iter()
        .map(|service| {
            let own = |kqi: &&crate::rules::Kqi| kqi.service.as_ref() == Some(&service.id);
            let kqis = book.kqis.iter().filter(own).map(|kqi| kqi.id.clone());
            let standing = Standing::of(&current, &service.id);
            ServiceView::of(service, kqis.collect(), &standing, book)
        })
        .collect();
    Ok(Json(ServicesView {
        rules: RuleBookView::of(book),
        services,
    }))
}
