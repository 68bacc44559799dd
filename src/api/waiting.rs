//! What a process answers that has no engine yet: it waits for the data folder of another (`standby`), or has it and
//! loads checkpoint, journal and ledger (`starting`). That it lives and does not serve is told at once. Whoever wants
//! something of the engine is sent on by a standby, which may wait for weeks, and waits with a start, whose engine takes
//! him as soon as it is there. One server answers all along, so nobody is hung up on in between.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::api::access::{Access, role_for, unauthorized};
use crate::api::error::ApiError;
use crate::api::router::now_ms;
use crate::metrics::Metrics;

/// How far the process is.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Another process holds the data folder.
    Standby,
    /// It is loaded.
    Loading,
    /// The engine is there, and answers by this.
    Serving(Router),
}

impl Stage {
    /// The name of the state in `/v1/status` and in the metrics.
    fn name(&self) -> &'static str {
        match self {
            Stage::Standby => "standby",
            Stage::Loading | Stage::Serving(_) => "starting",
        }
    }
}

/// What it is asked about.
struct Waiting {
    access: Access,
    metrics: Arc<Metrics>,
    since_ms: i64,
    stage: watch::Receiver<Stage>,
    /// How long somebody may wait for the engine.
    wait_max: Duration,
}

/// The HTTP service of a process until its engine is there: `/healthz` 200, `/ready` 503, `/v1/status` and `/metrics`
/// with the state. Everything else is told to ask again, 503, by a standby; during a start it waits for the engine, for
/// `wait_max` at most. Tokens hold here as on the engine.
pub fn waiting(
    access: Access,
    metrics: Arc<Metrics>,
    stage: watch::Receiver<Stage>,
    wait_max: Duration,
) -> Router {
    let waiting = Waiting {
        access,
        metrics,
        since_ms: now_ms(),
        stage,
        wait_max,
    };
    Router::new().fallback(answer).with_state(Arc::new(waiting))
}

async fn answer(State(waiting): State<Arc<Waiting>>, request: Request) -> Response {
    let stage = waiting.stage.borrow().clone();
    if let Stage::Serving(engine) = stage {
        return serve(engine, request).await;
    }
    let path = request.uri().path();
    let is_known = role_for(request.method(), path).is_none() || waiting.access.is_open();
    if !is_known && waiting.access.caller(request.headers()).is_none() {
        return unauthorized();
    }
    match (path, &stage) {
        ("/healthz", _) => "ok\n".into_response(),
        ("/v1/status", Stage::Standby) => Json(json!({
            "state": stage.name(),
            "version": env!("CARGO_PKG_VERSION"),
            "standby_since_ms": waiting.since_ms,
            "now_ms": now_ms(),
        }))
        .into_response(),
        ("/v1/status", Stage::Loading | Stage::Serving(_)) => Json(json!({
            "state": stage.name(),
            "version": env!("CARGO_PKG_VERSION"),
            "starting_percent": 0,
            "starting_left_s": null,
            "loading": "checkpoint, journal and ledger",
            "now_ms": now_ms(),
        }))
        .into_response(),
        ("/metrics", _) => match waiting.metrics.page_of(stage.name()) {
            Ok(page) => ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], page).into_response(),
            Err(error) => {
                ApiError::internal(format!("cannot make the page: {error}")).into_response()
            }
        },
        ("/ready", Stage::Loading) => loading(),
        (_, Stage::Standby) => {
            let words = "this process stands by for the one that holds the data folder: ask that one, or ask again";
            ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, stage.name(), words)
                .into_response()
        }
        (_, Stage::Loading | Stage::Serving(_)) => match waiting.engine().await {
            Some(engine) => serve(engine, request).await,
            None => loading(),
        },
    }
}

impl Waiting {
    /// The engine's service, when it is there; none if it is not in time, or the start failed.
    async fn engine(&self) -> Option<Router> {
        let mut stage = self.stage.clone();
        let there = stage.wait_for(|stage| matches!(stage, Stage::Serving(_)));
        let there = tokio::time::timeout(self.wait_max, there)
            .await
            .ok()?
            .ok()?;
        match &*there {
            Stage::Serving(engine) => Some(engine.clone()),
            Stage::Standby | Stage::Loading => None,
        }
    }
}

async fn serve(engine: Router, request: Request) -> Response {
    match engine.oneshot(request).await {
        Ok(response) => response,
    }
}

fn loading() -> Response {
    let words = "starting: checkpoint, journal and ledger are loaded, nothing is read back yet; /v1/status says how far it is";
    ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, "starting", words).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};

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

    fn at(stage: Stage, access: Access) -> (watch::Sender<Stage>, Router) {
        let (tell, stage) = watch::channel(stage);
        let metrics = Arc::new(Metrics::new().unwrap());
        (
            tell,
            waiting(access, metrics, stage, Duration::from_millis(300)),
        )
    }

    #[tokio::test]
    async fn it_lives_and_does_not_serve() {
        let (_stage, router) = at(Stage::Standby, Access::default());
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
        let (_stage, router) = at(Stage::Standby, Access::of(vec![grant]));
        assert_eq!(ask(&router, "/healthz", None).await.0, 200);
        assert_eq!(ask(&router, "/ready", None).await.0, 503);
        for path in ["/v1/status", "/metrics", "/v1/alerts"] {
            assert_eq!(ask(&router, path, None).await.0, 401, "{path}");
        }
        let told = ask(&router, "/v1/status", Some("secret-of-sixteen")).await;
        assert_eq!(told.0, 200);
    }

    #[tokio::test]
    async fn a_start_says_how_far_it_is_and_lets_others_wait_for_the_engine() {
        let (tell, router) = at(Stage::Standby, Access::default());
        tell.send_replace(Stage::Loading);
        assert_eq!(ask(&router, "/healthz", None).await.0, 200);
        let (status, body) = ask(&router, "/ready", None).await;
        assert_eq!(status, 503);
        assert!(body.contains("\"code\":\"starting\""), "{body}");
        let (status, body) = ask(&router, "/v1/status", None).await;
        assert_eq!(status, 200);
        assert!(body.contains("\"starting_percent\":0"), "{body}");
        let (_, page) = ask(&router, "/metrics", None).await;
        assert!(
            page.contains("chrysalis_state{state=\"starting\"} 1"),
            "{page}"
        );
        // Not for ever.
        let (status, body) = ask(&router, "/v1/events", None).await;
        assert_eq!(status, 503);
        assert!(body.contains("\"code\":\"starting\""), "{body}");
        let events = ask(&router, "/v1/events", None);
        let comes = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let engine = Router::new().fallback(|| async { "taken" });
            tell.send_replace(Stage::Serving(engine));
        };
        let (answer, ()) = tokio::join!(events, comes);
        assert_eq!(answer, (200, "taken".to_owned()));
        assert_eq!(ask(&router, "/ready", None).await.1, "taken");
    }
}
