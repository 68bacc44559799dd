//! The rule book: reload, and its schema for editors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::ReloadProblems;
use crate::api::error::ApiError;
use crate::api::router::Server;
use crate::api::views::{ErrorBody, ReloadView};
use crate::rules::json_schema;

/// Reads the access tokens and the rule book again and puts them in force, or changes nothing of a book and lists
/// all its problems.
#[utoipa::path(
    post,
    path = "/v1/rules/reload",
    tag = "rules",
    responses(
        (status = 200, description = "in force", body = ReloadView),
        (status = 422, description = "the book cannot be used; `problems` lists all that is wrong, with file, line and column", body = ErrorBody),
        (status = 503, description = "the book could not be read or journaled", body = ErrorBody),
    )
)]
pub(in crate::api) async fn reload(
    State(server): State<Arc<Server>>,
) -> Result<Json<ReloadView>, ApiError> {
    let tokens = server.state.reload_access();
    tokens.map_err(|why| {
        let words = format!("the access tokens cannot be read, those in force stay: {why}");
        ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, "reload_failed", words)
    })?;
    match (server.state.reload)().await {
        Ok(report) => Ok(Json((&report).into())),
        Err(ReloadProblems::Rules(problems)) => {
            let count = problems.len();
            let plural = if count == 1 { "" } else { "s" };
            let words =
                format!("the rule book has {count} problem{plural}, the one in force stays");
            let listed = problems.iter().map(ToString::to_string).collect();
            Err(
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_rules", words)
                    .with_problems(listed),
            )
        }
        Err(ReloadProblems::Failed(reason)) => Err(ApiError::retry_later(
            StatusCode::SERVICE_UNAVAILABLE,
            "reload_failed",
            reason,
        )),
    }
}

/// The JSON Schema of rule files, for editors.
#[utoipa::path(
    get,
    path = "/v1/rules/schema",
    tag = "rules",
    responses((status = 200, description = "JSON Schema, 2020-12", body = Object))
)]
pub(in crate::api) async fn schema() -> Json<serde_json::Value> {
    Json(json_schema())
}
