//! The status page at `/` and a page for each trigger: plain pages, made on the server, that work without scripts.
//!
//! Not a place to act: moves and reloads are the API's. Nothing is shown here that the API does not
//! tell as well. `action` lays out the pages behind the links of mails; what those do is the API's, too.

mod action;
mod course;
mod page;
mod process;
mod rows;
mod trigger_page;
mod trigger_rows;
mod words;

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use axum::response::IntoResponse;

pub(crate) use action::{ActionPage, Asked, Nothing};

use crate::api::{ApiError, ApiPath, Caller, Role, Server, now_ms};
use crate::console::rows::PageView;
use crate::console::trigger_page::TriggerPage;

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
    let current = server.current_if_known(&snapshot).await?;
    let view = PageView::of(
        &snapshot,
        current.as_deref(),
        &server.state.health.now(),
        &server.state.submitter.stats(),
        server.state.metrics.notify_counts().as_ref(),
        now_ms(),
    );
    laid_out(page::status(&view))
}

/// The page of a trigger: why it is urgent, what is known of its cause, what speaks for it, what was done and what
/// that came to.
#[utoipa::path(
    get,
    path = "/triggers/{id}",
    tag = "triggers",
    params(("id" = String, Path, description = "the trigger, for example `T-000017`")),
    responses(
        (status = 200, description = "the page", body = String, content_type = "text/html"),
        (status = 404, description = "a page that says that there is no such trigger", body = String, content_type = "text/html"),
        (status = 500, description = "the page could not be made", body = crate::api::views::ErrorBody),
    )
)]
pub(crate) async fn trigger(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
) -> Result<impl IntoResponse, ApiError> {
    let snapshot = server.snapshot();
    let found = snapshot
        .triggers
        .iter()
        .find(|trigger| trigger.id == id && caller.sees_group(&trigger.group));
    let Some(found) = found else {
        // A browser asks here, so a person reads the answer.
        let page = laid_out(page::no_trigger(&id))?;
        return Ok((StatusCode::NOT_FOUND, page));
    };
    let is_masked = !caller.has(Role::Subscribers);
    let page = laid_out(page::trigger(&TriggerPage::of(
        found,
        &snapshot,
        is_masked,
        now_ms(),
    )))?;
    Ok((StatusCode::OK, page))
}

/// A page with its headers.
type Page = ([(HeaderName, &'static str); 3], String);

fn laid_out(html: Result<String, String>) -> Result<Page, ApiError> {
    let html =
        html.map_err(|error| ApiError::internal(format!("cannot make the page: {error}")))?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, html))
}
