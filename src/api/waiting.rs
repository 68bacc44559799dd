//! What a process answers that has no engine yet: it waits for the data folder of another (`standby`), or has it and
//! loads checkpoint, journal and ledger (`starting`). That it lives and does not serve, and how far it is, is told at
//! once, and so is whoever wants something of the engine: to come back. Nobody waits, for nobody knows how long; events,
//! reports and contacts are taken as soon as the journal may be written (`early`). One server answers all along, so nobody
//! is hung up on in between.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{Html, IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::api::access::{Access, role_for, unauthorized};
use crate::api::early::is_early;
use crate::api::error::ApiError;
use crate::api::loading::{Loading, LoadingNow};
use crate::api::router::now_ms;
use crate::metrics::Metrics;

/// How far the process is.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Another process holds the data folder.
    Standby,
    /// It is loaded.
    Loading,
    /// It is still loaded, and lines are taken by this ([`crate::api::early`]).
    Taking(Router),
    /// The engine is there, and answers by this.
    Serving(Router),
}

impl Stage {
    /// The name of the state in `/v1/status` and in the metrics.
    fn name(&self) -> &'static str {
        match self {
            Stage::Standby => "standby",
            Stage::Loading | Stage::Taking(_) | Stage::Serving(_) => "starting",
        }
    }
}

/// What it is asked about.
struct Waiting {
    access: Access,
    metrics: Arc<Metrics>,
    since_ms: i64,
    stage: watch::Receiver<Stage>,
    loading: Arc<Loading>,
}

/// The HTTP service of a process until its engine is there: `/healthz` 200, `/ready` 503, `/v1/status`, `/metrics` and,
/// during a start, the page at `/` with the state, and what becomes lines as soon as it can be taken. Everything else is told to ask
/// again, 503. Tokens hold here as on the engine.
pub fn waiting(
    access: Access,
    metrics: Arc<Metrics>,
    stage: watch::Receiver<Stage>,
    loading: Arc<Loading>,
) -> Router {
    let waiting = Waiting {
        access,
        metrics,
        since_ms: now_ms(),
        stage,
        loading,
    };
    Router::new().fallback(answer).with_state(Arc::new(waiting))
}

async fn answer(State(waiting): State<Arc<Waiting>>, request: Request) -> Response {
    let stage = waiting.stage.borrow().clone();
    if let Stage::Serving(engine) = stage {
        return match engine.oneshot(request).await {
            Ok(response) => response,
        };
    }
    let path = request.uri().path();
    let takes_events = matches!(stage, Stage::Taking(_));
    if let Stage::Taking(early) = &stage
        && is_early(request.method(), path)
    {
        return match early.clone().oneshot(request).await {
            Ok(response) => response,
        };
    }
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
        ("/v1/status", _) => {
            let now = waiting.loading.now(Instant::now());
            Json(json!({
                "state": stage.name(),
                "version": env!("CARGO_PKG_VERSION"),
                "starting_step": now.step.name(),
                "starting_percent": now.percent(),
                "starting_read_bytes": now.read_bytes,
                "starting_all_bytes": now.all_bytes,
                "starting_left_s": now.left_s(),
                "starting_takes_events": takes_events,
                "now_ms": now_ms(),
            }))
            .into_response()
        }
        ("/metrics", _) => match waiting.metrics.page_of(stage.name()) {
            Ok(page) => ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], page).into_response(),
            Err(error) => {
                ApiError::internal(format!("cannot make the page: {error}")).into_response()
            }
        },
        ("/", Stage::Loading | Stage::Taking(_) | Stage::Serving(_)) => {
            page(&waiting.loading.now(Instant::now()))
        }
        (_, Stage::Standby) => {
            let words = "this process stands by for the one that holds the data folder: ask that one, or ask again";
            ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, stage.name(), words)
                .into_response()
        }
        (_, Stage::Loading | Stage::Taking(_) | Stage::Serving(_)) => {
            let now = waiting.loading.now(Instant::now());
            let taken = match takes_events {
                true => {
                    "nothing but events (/v1/events), reports (/mm7) and contacts (/v1/complaints) is taken before that"
                }
                false => "nothing is taken before that",
            };
            let words = format!(
                "starting: {}; {taken}; /v1/status says how far it is",
                now.words()
            );
            ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, stage.name(), words)
                .into_response()
        }
    }
}

/// The console of a start: asked for again by itself, until the engine's is there. 503, so that no monitor of pages takes
/// it for the engine's.
fn page(now: &LoadingNow) -> Response {
    // Names and numbers of ours: nothing of it comes from outside.
    let percent = now
        .percent()
        .map_or(String::new(), |percent| format!(" {percent} %"));
    let words = now.words();
    let page = format!(
        "<!doctype html>\n<html lang=\"zh-CN\">\n<head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" \
         content=\"2\"><title>Chrysalis</title></head>\n<body><p>启动中，载入{percent}</p>\
         <p lang=\"en\">starting: {words}</p></body>\n</html>\n"
    );
    let retry = [(RETRY_AFTER, "2")];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::{Body, to_bytes};

    use super::*;
    use crate::api::loading::Step;
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
        let loading = Arc::new(Loading::new(Instant::now()));
        (tell, waiting(access, metrics, stage, loading))
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
    async fn a_start_says_how_far_it_is_and_sends_others_away_at_once() {
        let (tell, stage) = watch::channel(Stage::Loading);
        let loading = Arc::new(Loading::new(Instant::now()));
        let metrics = Arc::new(Metrics::new().unwrap());
        let router = waiting(Access::default(), metrics, stage, Arc::clone(&loading));
        let began = Instant::now() - Duration::from_secs(10);
        loading.begin(Step::Checkpoint, Some(4_000), began);
        loading.note_read(1_000);
        assert_eq!(ask(&router, "/healthz", None).await.0, 200);
        let (status, body) = ask(&router, "/v1/status", None).await;
        assert_eq!(status, 200);
        for part in [
            "\"state\":\"starting\"",
            "\"starting_step\":\"checkpoint\"",
            "\"starting_percent\":25",
            "\"starting_read_bytes\":1000",
            "\"starting_all_bytes\":4000",
            "\"starting_left_s\":30.",
            "\"starting_takes_events\":false",
        ] {
            assert!(body.contains(part), "{part}: {body}");
        }
        let (_, page) = ask(&router, "/metrics", None).await;
        assert!(
            page.contains("chrysalis_state{state=\"starting\"} 1"),
            "{page}"
        );
        let (status, page) = ask(&router, "/", None).await;
        assert_eq!(status, 503);
        for part in ["启动中，载入 25 %", "checkpoint: 25 %, 1000 of 4000 bytes"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        // Who wants something of the engine is not kept waiting for it.
        for path in ["/ready", "/v1/events", "/v1/alerts"] {
            let asked = ask(&router, path, None);
            let answer = tokio::time::timeout(Duration::from_secs(1), asked).await;
            let (status, body) = answer.unwrap();
            assert_eq!(status, 503, "{path}");
            assert!(body.contains("\"code\":\"starting\""), "{body}");
            assert!(body.contains("checkpoint: 25 %"), "{body}");
        }
        // What becomes lines is taken before there is an engine, and nothing else is.
        let early = Router::new().fallback(|| async { "journaled" });
        tell.send_replace(Stage::Taking(early));
        let post = async |path: &str| {
            let request = Request::post(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            response.status().as_u16()
        };
        for path in ["/v1/events", "/mm7", "/v1/complaints"] {
            assert_eq!(post(path).await, 200, "{path}");
        }
        for path in ["/v1/complaints/full", "/v1/rules/reload"] {
            assert_eq!(post(path).await, 503, "{path}");
        }
        for path in ["/ready", "/v1/events", "/mm7", "/v1/alerts", "/"] {
            assert_eq!(ask(&router, path, None).await.0, 503, "{path}");
        }
        let (_, body) = ask(&router, "/v1/alerts", None).await;
        assert!(
            body.contains("nothing but events (/v1/events), reports (/mm7) and contacts (/v1/complaints) is taken"),
            "{body}"
        );
        let (_, body) = ask(&router, "/v1/status", None).await;
        for part in ["\"state\":\"starting\"", "\"starting_takes_events\":true"] {
            assert!(body.contains(part), "{part}: {body}");
        }
        let engine = Router::new().fallback(|| async { "taken" });
        tell.send_replace(Stage::Serving(engine));
        for path in ["/ready", "/v1/events", "/"] {
            assert_eq!(
                ask(&router, path, None).await,
                (200, "taken".to_owned()),
                "{path}"
            );
        }
    }
}
