//! What a process answers that waits for the data folder of another: that it lives, that it does not serve, and
//! nothing of the engine's, because it has no engine.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;

use crate::api::access::{Access, role_for, unauthorized};
use crate::api::error::ApiError;
use crate::api::router::now_ms;
use crate::metrics::Metrics;

/// The name of the state in `/v1/status` and in the metrics.
const NAME: &str = "standby";

/// What it is asked about.
struct Waiting {
    access: Access,
    metrics: Arc<Metrics>,
    since_ms: i64,
}

/// The HTTP service of a process that stands by: `/healthz` 200, `/ready` 503, `/v1/status` and `/metrics` with the
/// state `standby`; everything else is told to ask again, 503. Tokens hold here as on the engine.
pub fn standby(access: Access, metrics: Arc<Metrics>) -> Router {
    let waiting = Waiting {
        access,
        metrics,
        since_ms: now_ms(),
    };
    Router::new().fallback(answer).with_state(Arc::new(waiting))
}

async fn answer(State(waiting): State<Arc<Waiting>>, request: Request) -> Response {
    let path = request.uri().path();
    let is_known = role_for(request.method(), path).is_none() || waiting.access.is_open();
    if !is_known && waiting.access.caller(request.headers()).is_none() {
        return unauthorized();
    }
    match path {
        "/healthz" => "ok\n".into_response(),
        "/v1/status" => Json(json!({
            "state": NAME,
            "version": env!("CARGO_PKG_VERSION"),
            "standby_since_ms": waiting.since_ms,
            "now_ms": now_ms(),
        }))
        .into_response(),
        "/metrics" => match waiting.metrics.standby_page() {
            Ok(page) => ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], page).into_response(),
            Err(error) => {
                ApiError::internal(format!("cannot make the page: {error}")).into_response()
            }
        },
        _ => {
            let words = "this process stands by for the one that holds the data folder: ask that one, or ask again";
            ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, NAME, words).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    use super::*;
    use crate::api::{Grant, sha256};

    async fn ask(router: &Router, path: &str, token: Option<&str>) -> (u16, String) {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_lives_and_does_not_serve() {
        let router = standby(Access::default(), Arc::new(Metrics::new().unwrap()));
        assert_eq!(ask(&router, "/healthz", None).await.0, 200);
        assert_eq!(ask(&router, "/ready", None).await.0, 503);
        let (status, body) = ask(&router, "/v1/status", None).await;
        assert_eq!(status, 200);
        assert!(body.contains("\"state\":\"standby\""), "{body}");
        let (status, page) = ask(&router, "/metrics", None).await;
        assert_eq!(status, 200);
        for line in [
            "chrysalis_state{state=\"standby\"} 1",
            "chrysalis_state{state=\"ready\"} 0",
        ] {
            assert!(page.contains(line), "{page}");
        }
        for path in ["/", "/v1/events", "/v1/alerts", "/nothing"] {
            let (status, body) = ask(&router, path, None).await;
            assert_eq!(status, 503, "{path}");
            assert!(body.contains("\"code\":\"standby\""), "{body}");
        }
    }

    #[tokio::test]
    async fn tokens_hold_as_on_the_engine() {
        let grant = Grant {
            name: "a".to_owned(),
            sha256: sha256("secret-of-sixteen"),
            roles: Vec::new(),
            departments: Vec::new(),
            cities: Vec::new(),
        };
        let metrics = Arc::new(Metrics::new().unwrap());
        let router = standby(Access::of(vec![grant]), metrics);
        assert_eq!(ask(&router, "/healthz", None).await.0, 200);
        assert_eq!(ask(&router, "/ready", None).await.0, 503);
        for path in ["/v1/status", "/metrics", "/v1/alerts"] {
            assert_eq!(ask(&router, path, None).await.0, 401, "{path}");
        }
        let told = ask(&router, "/v1/status", Some("secret-of-sixteen")).await;
        assert_eq!(told.0, 200);
    }
}
