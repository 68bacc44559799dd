//! Who holds BOSS interfaces now (domain facts H21, H22).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::ApiQuery;
use crate::api::router::Server;
use crate::api::routes::subscribers::inquire;
use crate::api::views::{ErrorBody, HoldsView};
use crate::dataflow::Inquiry;

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct ConnectionsQuery {
    /// Only those to this host.
    host: Option<String>,
    /// Only those to this interface.
    interface: Option<String>,
}

/// Connections that were taken and not given back, the longest hold first: who the holder is.
#[utoipa::path(
    get,
    path = "/v1/connections",
    tag = "kqis",
    params(ConnectionsQuery),
    responses(
        (status = 200, description = "at most 100, as of event time", body = HoldsView),
        (status = 400, description = "a query parameter is unknown", body = ErrorBody),
        (status = 503, description = "the workers do not answer, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    ApiQuery(query): ApiQuery<ConnectionsQuery>,
) -> Result<Json<HoldsView>, ApiError> {
    let inquiry = Inquiry::Holds {
        host: query.host,
        interface: query.interface,
    };
    let found = inquire(&server, inquiry).await?;
    Ok(Json(HoldsView::of(&found, &server.snapshot().plan.zone)))
}
