//! Optimization triggers: listed, shown, moved. A move is journaled first and decided by the engine.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::access::{Caller, Role};
use crate::api::error::ApiError;
use crate::api::extract::{ApiJson, ApiPath, ApiQuery};
use crate::api::router::{Server, now_ms};
use crate::api::routes::alerts::one_of;
use crate::api::routes::asking::{actor_of, check_reason, command_on, unknown};
use crate::api::views::{ErrorBody, MoveRequest, TriggerView, TriggersView};
use crate::engine::Command;
use crate::triggers::{REVIEW_WITHIN_MS, Refusal, Trigger, TriggerState, by_urgency};

/// What lists call everything that no department has accepted yet.
const OPEN: &str = "open";
/// The earlier word for `mended`.
const DONE: &str = "done";

/// Which triggers to list.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct TriggersQuery {
    /// A state, or `open` for every state before `accepted`; `done` is another word for `mended`.
    state: Option<String>,
    /// Identifier of the service.
    service: Option<String>,
    /// Identifier of the department.
    department: Option<String>,
    /// `opened` (the oldest first, unless given) or `urgency` (the most urgent first).
    order: Option<String>,
    /// At most so many; all without it.
    limit: Option<usize>,
    /// Leaves so many out, the first ones of the order.
    offset: Option<usize>,
}

/// Triggers, oldest first or most urgent first.
#[utoipa::path(
    get,
    path = "/v1/triggers",
    tag = "triggers",
    params(TriggersQuery),
    responses(
        (status = 200, description = "those that the filters let through", body = TriggersView),
        (status = 400, description = "a filter names no such state", body = ErrorBody),
        (status = 503, description = "the engine starts, and reads back what was (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiQuery(query): ApiQuery<TriggersQuery>,
) -> Result<Json<TriggersView>, ApiError> {
    server.caught_up()?;
    let mut names = TriggerState::ALL.map(TriggerState::name).to_vec();
    names.extend([OPEN, DONE]);
    one_of("state", query.state.as_deref(), &names)?;
    one_of("order", query.order.as_deref(), &["opened", "urgency"])?;
    let snapshot = server.snapshot();
    let fits = |wanted: &Option<String>, is: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| Some(wanted) == is)
    };
    let in_state = |state: TriggerState| match query.state.as_deref() {
        None => true,
        Some(OPEN) => state.is_before_accepted(),
        Some(name) => TriggerState::from_name(name) == Some(state),
    };
    let triggers = snapshot.triggers.iter().filter(|trigger| {
        in_state(trigger.state)
            && fits(&query.service, trigger.service.as_deref())
            && fits(&query.department, Some(&trigger.owner.department))
            && caller.sees_group(&trigger.group)
    });
    let is_masked = !caller.has(Role::Subscribers);
    let mut triggers: Vec<&Trigger> = triggers.map(|trigger| &**trigger).collect();
    if query.order.as_deref() == Some("urgency") {
        triggers.sort_by(|a, b| by_urgency(a, b));
    }
    let total = triggers.len();
    let page = triggers.into_iter().skip(query.offset.unwrap_or(0));
    Ok(Json(TriggersView {
        total,
        triggers: page
            .take(query.limit.unwrap_or(usize::MAX))
            .map(|trigger| TriggerView::of(trigger, &snapshot, is_masked))
            .collect(),
    }))
}

/// One trigger.
#[utoipa::path(
    get,
    path = "/v1/triggers/{id}",
    tag = "triggers",
    params(("id" = String, Path, description = "the trigger, for example `T-000017`")),
    responses(
        (status = 200, description = "the trigger", body = TriggerView),
        (status = 404, description = "there is no such trigger", body = ErrorBody),
    )
)]
pub(in crate::api) async fn one(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<TriggerView>, ApiError> {
    let snapshot = server.snapshot();
    let trigger = snapshot
        .triggers
        .iter()
        .find(|trigger| trigger.id == id && caller.sees_group(&trigger.group))
        .ok_or_else(|| unknown(&id))?;
    let is_masked = !caller.has(Role::Subscribers);
    Ok(Json(TriggerView::of(trigger, &snapshot, is_masked)))
}

/// Moves a trigger along its flow: `dispatched → accepted → in_progress → mended`, or `not_optimised` with
/// its kind and a reason. What follows by itself (feedback, closing a refusal) follows at once.
#[utoipa::path(
    post,
    path = "/v1/triggers/{id}/moves",
    tag = "triggers",
    params(("id" = String, Path, description = "the trigger, for example `T-000017`")),
    request_body = MoveRequest,
    responses(
        (status = 200, description = "moved", body = TriggerView),
        (status = 400, description = "the body is wrong", body = ErrorBody),
        (status = 404, description = "there is no such trigger", body = ErrorBody),
        (status = 409, description = "the state cannot follow; the message names those that can", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "the body is not application/json", body = ErrorBody),
        (status = 422, description = "`not_optimised` without kind or reason or with a review date that is over or more than two years away, or a remedy that is not known", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping", body = ErrorBody),
        (status = 504, description = "journaled, but its outcome is not known yet", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn advance(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
    ApiJson(asked): ApiJson<MoveRequest>,
) -> Result<Json<TriggerView>, ApiError> {
    let (to, kind, actor) = judged(&caller, &asked)?;
    check_review(asked.review_at_ms, now_ms())?;
    let command = Command::MoveTrigger {
        id,
        to,
        reason: asked.reason,
        kind,
        review_at_ms: asked.review_at_ms,
        remedy: asked.remedy,
    };
    command_on(&server, &caller, actor, &command).await
}

/// A review date is one on which somebody can still look.
fn check_review(at_ms: Option<i64>, now_ms: i64) -> Result<(), ApiError> {
    let last_ms = now_ms.saturating_add(REVIEW_WITHIN_MS);
    match at_ms {
        Some(at_ms) if !(now_ms..=last_ms).contains(&at_ms) => Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "review_date",
            format!(
                "review_at_ms is {at_ms}, wanted a moment between now ({now_ms}) and {last_ms}"
            ),
        )),
        _ => Ok(()),
    }
}

fn judged(
    caller: &Caller,
    asked: &MoveRequest,
) -> Result<(TriggerState, Option<Refusal>, String), ApiError> {
    let to = TriggerState::from_name(&asked.to).ok_or_else(|| {
        let names = TriggerState::ALL.map(TriggerState::name);
        ApiError::bad_request(
            "bad_body",
            format!("to is {:?}, wanted {}", asked.to, names.join(", ")),
        )
    })?;
    let kind = asked.kind.as_deref().map(|kind| {
        Refusal::from_name(kind).ok_or_else(|| {
            let names = Refusal::ALL.map(Refusal::name);
            let names = names.join(", ");
            ApiError::bad_request("bad_body", format!("kind is {kind:?}, wanted {names}"))
        })
    });
    let actor = actor_of(caller, asked.actor.as_deref())?;
    check_reason(asked.reason.as_deref())?;
    Ok((to, kind.transpose()?, actor))
}
