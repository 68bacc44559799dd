//! Notices as they leave the building: listed with how far they have come; dead letters sent again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{ApiJson, ApiPath, ApiQuery};
use crate::api::router::Server;
use crate::api::routes::alerts::one_of;
use crate::api::routes::asking::{actor_of, check_reason};
use crate::api::views::{
    ErrorBody, NoticeView, NoticesView, ResendAllRequest, ResendAllView, ResendRequest, ResendView,
};
use crate::store::{DeadLetters, DeliveryState, LedgerError, Resent, Wanted};

/// Rows of an answer, unless told otherwise.
const ROWS: u32 = 100;
/// Most rows of an answer.
const ROWS_MAX: u32 = 1_000;

/// Which notices to list.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct NoticesQuery {
    /// `queued`, `sending`, `sent` or `dead`.
    state: Option<String>,
    /// The incident that it tells of.
    incident: Option<String>,
    /// The digest or group that tells it.
    digest: Option<String>,
    /// Most rows, 1 to 1,000; 100 without it.
    limit: Option<u32>,
    /// Rows to leave out before the first.
    offset: Option<u32>,
}

/// Notices, newest decision first; those that were sent or given up are kept for `mail.keep_days`.
#[utoipa::path(
    get,
    path = "/v1/notices",
    tag = "notices",
    params(NoticesQuery),
    responses(
        (status = 200, description = "those that the filters let through", body = NoticesView),
        (status = 400, description = "a filter cannot be read", body = ErrorBody),
        (status = 503, description = "the ledger does not answer", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    ApiQuery(query): ApiQuery<NoticesQuery>,
) -> Result<Json<NoticesView>, ApiError> {
    let names = DeliveryState::ALL.map(DeliveryState::name);
    one_of("state", query.state.as_deref(), &names)?;
    let limit = query.limit.unwrap_or(ROWS);
    if !(1..=ROWS_MAX).contains(&limit) {
        let words = format!("limit is {limit}, wanted 1 to {ROWS_MAX}");
        return Err(ApiError::bad_request("bad_query", words));
    }
    let ledger = &server.state.deliveries.ledger;
    let wanted = Wanted {
        state: query.state.as_deref().and_then(DeliveryState::from_name),
        incident: query.incident,
        digest: query.digest,
        limit,
        offset: query.offset.unwrap_or(0),
    };
    let rows = ledger.find(&wanted).await.map_err(unanswered)?;
    let counts = ledger.counts().await.map_err(unanswered)?;
    let zone = &server.snapshot().plan.zone;
    Ok(Json(NoticesView {
        counts: counts.into(),
        notices: rows.iter().map(|row| NoticeView::of(row, zone)).collect(),
    }))
}

/// Sends a dead letter again. Asking twice sends once; who asked and why is kept.
#[utoipa::path(
    post,
    path = "/v1/notices/{id}/resend",
    tag = "notices",
    params(("id" = String, Path, description = "the notice, as the list names it")),
    request_body = ResendRequest,
    responses(
        (status = 200, description = "it waits for its attempts, or was sent again already", body = ResendView),
        (status = 400, description = "the body is wrong", body = ErrorBody),
        (status = 404, description = "there is no such notice", body = ErrorBody),
        (status = 409, description = "it never was a dead letter", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "the body is not application/json", body = ErrorBody),
        (status = 503, description = "the ledger does not answer", body = ErrorBody),
    )
)]
pub(in crate::api) async fn resend(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
    ApiJson(asked): ApiJson<ResendRequest>,
) -> Result<Json<ResendView>, ApiError> {
    let actor = actor_of(&caller, asked.actor.as_deref())?;
    check_reason(asked.reason.as_deref())?;
    let deliveries = &server.state.deliveries;
    let resent = deliveries
        .resend(&id, &actor, asked.reason.as_deref())
        .await
        .map_err(unanswered)?;
    let (resent, state) = match resent {
        Resent::Queued => (true, DeliveryState::Queued),
        Resent::Before(state) => (false, state),
        Resent::NotDead(state) => {
            let words = format!("notice {id:?} is {}, not a dead letter", state.name());
            return Err(ApiError::new(StatusCode::CONFLICT, "not_dead", words));
        }
        Resent::Unknown => return Err(ApiError::not_found(format!("there is no notice {id:?}"))),
    };
    Ok(Json(ResendView {
        id,
        state: state.name().to_owned(),
        resent,
    }))
}

/// Sends all dead letters again that the filters let through, the oldest first, at most 1,000 mails at once: ask
/// again while some are left. A digest goes with all that it tells; of an `incident`, only its own notices do. Who asked and why is kept with each.
#[utoipa::path(
    post,
    path = "/v1/notices/resend",
    tag = "notices",
    request_body = ResendAllRequest,
    responses(
        (status = 200, description = "they wait for their attempts", body = ResendAllView),
        (status = 400, description = "the body is wrong", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "the body is not application/json", body = ErrorBody),
        (status = 503, description = "the ledger does not answer", body = ErrorBody),
    )
)]
pub(in crate::api) async fn resend_all(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiJson(asked): ApiJson<ResendAllRequest>,
) -> Result<Json<ResendAllView>, ApiError> {
    let actor = actor_of(&caller, asked.actor.as_deref())?;
    check_reason(asked.reason.as_deref())?;
    let failures = ["transient", "setup", "permanent"];
    one_of("failure", asked.failure.as_deref(), &failures)?;
    let wanted = DeadLetters {
        incident: asked.incident,
        recipient: asked.recipient,
        failure: asked.failure,
        limit: ROWS_MAX,
    };
    let resent = server
        .state
        .deliveries
        .resend_all(&wanted, &actor, asked.reason.as_deref())
        .await
        .map_err(unanswered)?;
    Ok(Json(ResendAllView {
        resent: resent.dead_letters,
        mails: resent.mails,
        left: resent.left,
    }))
}

fn unanswered(error: LedgerError) -> ApiError {
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        "the ledger does not answer"
    );
    // Its path is the operator's business; it is in the log.
    let words = "the delivery ledger does not answer now, try again";
    ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, "ledger_failed", words)
}
