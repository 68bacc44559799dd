//! The status page at `/`: one plain page, made on the server, that works without scripts.
//!
//! Not a place to act: moves and reloads are the API's. Nothing is shown here that the API does not
//! tell as well. `action` lays out the pages behind the links of mails; what those do is the API's, too.

mod action;
mod page;
mod rows;
mod words;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;

pub(crate) use action::{ActionPage, Asked, Nothing};

use crate::api::{ApiError, Server, now_ms};
use crate::console::rows::PageView;

/// What the page may load: its own inline style and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'self'";

/// The status page.
#[utoipa::path(
    get,
    path = "/",
    tag = "engine",
    responses(
        (status = 200, description = "the page", body = String, content_type = "text/html"),
        (status = 500, description = "the page could not be made", body = crate::api::views::ErrorBody),
    )
)]
pub(crate) async fn page(State(server): State<Arc<Server>>) -> Result<impl IntoResponse, ApiError> {
    let snapshot = server.snapshot();
    let current = server.current.get(&snapshot).await?;
    let view = PageView::of(
        &snapshot,
        &current,
        &server.state.health.now(),
        &server.state.submitter.stats(),
        server.state.metrics.notify_counts().as_ref(),
        now_ms(),
    );
    let html = page::render(&view)
        .map_err(|error| ApiError::internal(format!("cannot make the page: {error}")))?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, html))
}
