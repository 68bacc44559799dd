//! Query strings and JSON bodies whose refusals are JSON as well.

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::api::error::ApiError;

/// A query string.
pub(super) struct ApiQuery<T>(pub(super) T);

/// A JSON body.
pub(super) struct ApiJson<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(ApiQuery(value)),
            Err(refused) => Err(ApiError::bad_request("bad_query", refused.body_text())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(ApiJson(value)),
            Err(refused) => Err(of(&refused)),
        }
    }
}

fn of(refused: &JsonRejection) -> ApiError {
    let code = match refused {
        JsonRejection::MissingJsonContentType(_) => "unsupported_media_type",
        JsonRejection::BytesRejection(BytesRejection::FailedToBufferBody(_)) => "body_too_large",
        _ => "bad_body",
    };
    // What cannot be parsed is the caller's error in the same way as what has the wrong shape.
    let status = match refused.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    ApiError::new(status, code, refused.body_text())
}
