//! Paths, query strings and JSON bodies whose refusals are JSON as well.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::router::COMMAND_BYTES_MAX;
use crate::ingest::Sender;

/// What stands in a path in place of its braces.
pub(crate) struct ApiPath<T>(pub(crate) T);

/// A query string. A parameter that the documents do not have is refused: a misspelt filter that was
/// ignored would answer another question than the one asked.
pub(super) struct ApiQuery<T>(pub(super) T);

/// A JSON body.
pub(super) struct ApiJson<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(ApiPath(value)),
            // Names are the only thing that a path can hold, so the one thing wrong with it is how it is written.
            Err(_) => Err(ApiError::bad_request(
                "bad_path",
                "the path cannot be read: percent signs must stand for UTF-8",
            )),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let caller = parts.extensions.get::<Caller>();
        Ok(Sender {
            peer: peer.map(|ConnectInfo(address)| address.ip()),
            token: caller.and_then(Caller::token).map(str::to_owned),
        })
    }
}

impl<T: DeserializeOwned + IntoParams, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refused = |words: String| ApiError::bad_request("bad_query", words);
        if let Ok(Query(given)) =
            Query::<Vec<(String, String)>>::from_request_parts(parts, state).await
        {
            let known: Vec<String> = T::into_params(|| None)
                .into_iter()
                .map(|parameter| parameter.name)
                .collect();
            if let Some((name, _)) = given.iter().find(|(name, _)| !known.contains(name)) {
                let name: String = name.chars().take(80).collect();
                return Err(refused(format!(
                    "unknown query parameter {name:?}, known are {}",
                    known.join(", ")
                )));
            }
        }
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(ApiQuery(value)),
            Err(error) => {
                let words = error.body_text();
                let words = words.strip_prefix("Failed to deserialize query string: ");
                Err(refused(format!(
                    "the query cannot be read: {}",
                    words.unwrap_or("it is no list of name=value")
                )))
            }
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
    ApiError::new(status, code, words(refused))
}

/// What is wrong with a body, in words of ours and with the place.
fn words(refused: &JsonRejection) -> String {
    let told = refused.body_text();
    let reason = |prefix: &str| told.strip_prefix(prefix).unwrap_or(&told).to_owned();
    match refused {
        JsonRejection::JsonDataError(_) => {
            let reason = reason("Failed to deserialize the JSON body into the target type: ");
            format!("the body does not fit: {reason}")
        }
        JsonRejection::JsonSyntaxError(_) => {
            let reason = reason("Failed to parse the request body as JSON: ");
            format!("the body is not JSON: {reason}")
        }
        JsonRejection::MissingJsonContentType(_) => {
            "the body must come with content-type: application/json".to_owned()
        }
        JsonRejection::BytesRejection(BytesRejection::FailedToBufferBody(_)) => {
            format!("the body is larger than the limit of {COMMAND_BYTES_MAX} bytes")
        }
        _ => "the body could not be read".to_owned(),
    }
}
