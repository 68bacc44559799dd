//! The table of routes, and what surrounds every request: a time limit, a measurement, JSON errors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::Guard;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use crate::api::ServerState;
use crate::api::access::{Access, guard};
use crate::api::current::{Current, CurrentCache};
use crate::api::error::ApiError;
use crate::api::inlet::Inlet;
use crate::api::routes::{
    actions, alerts, asking, complaints, connections, crossings, events, frontline, full_file,
    health, history, kqis, machine, mm7, notices, reports, rules, status, subscribers, tickets,
    trees, triggers, windows,
};
use crate::api::unread::Reading;
use crate::engine::Snapshot;
use crate::ingest::{Intake, Quarantine};
use crate::metrics::Metrics;
use crate::{console, time};

/// Largest JSON body of a command, bytes.
pub(super) const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// The server's state with what only requests need.
pub(crate) struct Server {
    pub(crate) state: Arc<ServerState>,
    pub(crate) inlet: Arc<Inlet>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) quarantine: Arc<Quarantine>,
    current: CurrentCache,
}

impl Server {
    fn new(state: Arc<ServerState>) -> Server {
        let config = &state.config;
        let inlet = Arc::clone(&state.inlet);
        let intake = Arc::clone(&inlet.intake);
        Server {
            inlet,
            quarantine: Arc::clone(intake.quarantine()),
            intake,
            current: CurrentCache::new(
                state.queries.clone(),
                Duration::from_millis(config.current_max_age_ms),
                config.kqi_objects_max,
            ),
            state,
        }
    }

    /// The engine's state now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Guard::into_inner(self.state.snapshot.load())
    }

    /// Whether what is known is of now: not while a start catches up. The workers are not asked meanwhile, for they would
    /// not answer for as long as that lasts.
    ///
    /// # Errors
    /// That it starts, and how far that is.
    pub(crate) fn caught_up(&self) -> Result<(), ApiError> {
        let health = self.state.health.now();
        if health.is_catching_up() {
            return Err(ApiError::starting(&health, now_ms()));
        }
        Ok(())
    }

    /// The windows of every KQI now.
    ///
    /// # Errors
    /// As [`Server::caught_up`], or that a worker does not answer in time.
    pub(crate) async fn current(&self, snapshot: &Arc<Snapshot>) -> Result<Arc<Current>, ApiError> {
        self.caught_up()?;
        self.current.get(snapshot).await
    }

    /// [`Server::current`] for who has much else to tell: nothing while a start catches up.
    ///
    /// # Errors
    /// A worker does not answer in time.
    pub(crate) async fn current_if_known(
        &self,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Option<Arc<Current>>, ApiError> {
        match self.caught_up() {
            Ok(()) => self.current.get(snapshot).await.map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// What surrounds every request goes by this.
pub(super) trait Edge: Send + Sync + 'static {
    /// Who may do what now.
    fn access(&self) -> Arc<Access>;
    /// Where it is counted.
    fn metrics(&self) -> &Arc<Metrics>;
    /// How long a request may take.
    fn patience(&self) -> Duration;
}

impl Edge for Server {
    fn access(&self) -> Arc<Access> {
        self.state.access.load_full()
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.state.metrics
    }

    fn patience(&self) -> Duration {
        self.state.config.request_timeout()
    }
}

/// Every route with its methods; the OpenAPI document lists the same, which a test holds.
pub(in crate::api) fn table() -> Vec<(&'static str, MethodRouter<Arc<Server>>)> {
    vec![
        ("/", get(console::page)),
        ("/triggers/{id}", get(console::trigger)),
        ("/v1/events", post(events::post)),
        ("/v1/quarantine", get(events::quarantine)),
        ("/mm7", post(mm7::post)),
        ("/v1/complaints", post(complaints::file)),
        ("/v1/complaints/full", post(full_file::take)),
        ("/v1/complaints/forms", get(complaints::forms)),
        ("/v1/complaints/forms/{id}", get(complaints::form)),
        ("/v1/complaints/trees", get(trees::list)),
        ("/v1/complaints/trees/{id}", get(trees::one)),
        ("/v1/complaints/trees/{id}/counts", get(trees::counts)),
        ("/v1/complaints/sample", get(tickets::sample)),
        ("/v1/complaints/tickets/{id}", get(tickets::one)),
        (
            "/v1/complaints/tickets/{id}/confirmation",
            post(tickets::confirm),
        ),
        ("/v1/complaints/tickets/{id}/closing", post(tickets::close)),
        ("/v1/connections", get(connections::list)),
        ("/v1/status", get(status::status)),
        ("/v1/services", get(kqis::services)),
        ("/v1/kqis", get(kqis::list)),
        ("/v1/kqis/{id}/windows", get(windows::list)),
        ("/v1/kqis/{id}/contributions", get(health::shares)),
        ("/v1/health", get(health::list)),
        ("/v1/health/{service}", get(health::one)),
        ("/v1/boards/{by}", get(health::boards)),
        ("/v1/alerts", get(alerts::list)),
        ("/v1/alerts/{incident}", get(alerts::one)),
        ("/v1/crossings", get(crossings::list)),
        ("/v1/triggers", get(triggers::list)),
        ("/v1/triggers/process", get(asking::process)),
        ("/v1/triggers/{id}", get(triggers::one)),
        ("/v1/triggers/{id}/tickets", get(asking::tickets)),
        ("/v1/triggers/{id}/moves", post(triggers::advance)),
        ("/v1/triggers/{id}/affected", get(subscribers::affected)),
        ("/v1/subscribers/messages", post(subscribers::messages)),
        ("/v1/notices", get(notices::list)),
        ("/v1/notices/resend", post(notices::resend_all)),
        ("/v1/notices/{id}/resend", post(notices::resend)),
        ("/v1/history/{table}", get(history::list)),
        ("/v1/triggers/{id}/hand-over", post(asking::hand_over)),
        ("/v1/triggers/{id}/acknowledge", post(asking::acknowledge)),
        ("/actions/{token}", get(actions::ask).post(actions::act)),
        ("/v1/frontline/{service}", get(frontline::explain)),
        ("/v1/reports", get(reports::list)),
        ("/v1/reports/{id}/{period}", get(reports::one)),
        ("/v1/reports/{id}/{period}/{file}", get(reports::file)),
        ("/v1/rules/reload", post(rules::reload)),
        ("/v1/rules/schema", get(rules::schema)),
        ("/v1/openapi.json", get(machine::openapi)),
        ("/metrics", get(machine::metrics)),
        ("/ready", get(status::ready)),
        ("/healthz", get(status::healthz)),
    ]
}

/// The HTTP service.
pub fn router(state: Arc<ServerState>) -> Router {
    let server = Arc::new(Server::new(state));
    let mut router = Router::new();
    for (path, methods) in table() {
        router = router.route(path, methods);
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&server),
            guard::<Server>,
        ))
        // Events have limits of their own.
        .layer(DefaultBodyLimit::max(COMMAND_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&server),
            around::<Server>,
        ))
        .with_state(server)
}

async fn unknown(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::not_found(format!(
        "there is no {path:?} here: /v1/openapi.json lists what there is"
    ))
}

async fn not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{method} is not for {:?}", uri.path()),
    )
}

/// Answers in time, and measures how long that took.
pub(super) async fn around<E: Edge>(
    State(edge): State<Arc<E>>,
    request: Request,
    next: Next,
) -> Response {
    let mut measured = Measured {
        metrics: Arc::clone(edge.metrics()),
        route: request.extensions().get::<MatchedPath>().cloned(),
        method: known(request.method()),
        began: Instant::now(),
        status: None,
    };
    let limit = edge.patience();
    let (request, reading) = Reading::watch(request);
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => late(limit),
    };
    reading.tell(&mut response);
    measured.status = Some(response.status());
    response
}

/// A request that counts when it is over, answered or not.
struct Measured {
    metrics: Arc<Metrics>,
    route: Option<MatchedPath>,
    method: &'static str,
    began: Instant,
    /// The answer; without one the client hung up, and the request was dropped half-way.
    status: Option<StatusCode>,
}

/// What servers write for a client that did not wait for its answer.
const HUNG_UP: &str = "499";

impl Drop for Measured {
    fn drop(&mut self) {
        let route = self.route.as_ref().map_or("other", MatchedPath::as_str);
        let status = self.status.as_ref().map_or(HUNG_UP, StatusCode::as_str);
        self.metrics
            .answered(route, self.method, status, self.began.elapsed());
    }
}

fn late(limit: Duration) -> Response {
    let words = format!(
        "no answer within {} s: whether events were kept is not known, \
         retry them with the same Chrysalis-Sequence",
        limit.as_secs_f64()
    );
    ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, "timeout", words).into_response()
}

/// Methods are a label, so strange ones share one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The wall clock at the edge.
pub(crate) fn now_ms() -> i64 {
    time::now_ms()
}
