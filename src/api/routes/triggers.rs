//! Optimization triggers: listed, shown, moved. A move is journaled first and decided by the engine.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::{ApiJson, ApiQuery};
use crate::api::router::{Server, now_ms};
use crate::api::routes::alerts::one_of;
use crate::api::views::{ErrorBody, MoveRequest, TriggerView, TriggersView};
use crate::engine::Command;
use crate::journal::{Record, Submit};
use crate::triggers::TriggerState;

/// Longest name of who moves a trigger, characters.
const ACTOR_CHARS_MAX: usize = 100;
/// Longest reason, characters.
const REASON_CHARS_MAX: usize = 2_000;

/// Which triggers to list.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct TriggersQuery {
    /// `open`, `accepted`, `in_progress`, `done` or `not_optimised`.
    state: Option<String>,
    /// Identifier of the service.
    service: Option<String>,
    /// Identifier of the department.
    department: Option<String>,
}

/// Triggers, oldest first.
#[utoipa::path(
    get,
    path = "/v1/triggers",
    tag = "triggers",
    params(TriggersQuery),
    responses(
        (status = 200, description = "those that the filters let through", body = TriggersView),
        (status = 400, description = "a filter names no such state", body = ErrorBody),
    )
)]
pub(in crate::api) async fn list(
    State(server): State<Arc<Server>>,
    ApiQuery(query): ApiQuery<TriggersQuery>,
) -> Result<Json<TriggersView>, ApiError> {
    let names = TriggerState::ALL.map(TriggerState::name);
    one_of("state", query.state.as_deref(), &names)?;
    let snapshot = server.snapshot();
    let fits = |wanted: &Option<String>, is: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| Some(wanted) == is)
    };
    let triggers = snapshot.triggers.iter().filter(|trigger| {
        fits(&query.state, Some(trigger.state.name()))
            && fits(&query.service, trigger.service.as_deref())
            && fits(&query.department, Some(&trigger.department))
    });
    let zone = &snapshot.plan.zone;
    Ok(Json(TriggersView {
        triggers: triggers
            .map(|trigger| TriggerView::of(trigger, zone))
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
    Path(id): Path<String>,
) -> Result<Json<TriggerView>, ApiError> {
    let snapshot = server.snapshot();
    let trigger = snapshot
        .triggers
        .iter()
        .find(|trigger| trigger.id == id)
        .ok_or_else(|| unknown(&id))?;
    Ok(Json(TriggerView::of(trigger, &snapshot.plan.zone)))
}

/// Moves a trigger: `open → accepted → in_progress → done`, or `not_optimised` with a reason.
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
        (status = 422, description = "`not_optimised` without a reason", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping", body = ErrorBody),
        (status = 504, description = "journaled, but its outcome is not known yet", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn advance(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    ApiJson(asked): ApiJson<MoveRequest>,
) -> Result<Json<TriggerView>, ApiError> {
    let snapshot = server.snapshot();
    // What nobody can have seen need not be journaled.
    if !snapshot.triggers.iter().any(|trigger| trigger.id == id) {
        return Err(unknown(&id));
    }
    let (to, actor) = judged(&asked)?;
    let reason = asked.reason;
    let body = serde_json::to_vec(&Command::MoveTrigger { id, to, reason })
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let ack = server
        .state
        .submitter
        .submit(Submit {
            record: Record::Command {
                at_ms: now_ms(),
                actor,
                body,
            },
            attachment: None,
        })
        .await?;
    let answer = server.state.answers.wait(ack.position.0);
    let patience = Duration::from_millis(server.state.config.answer_timeout_ms);
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(Ok(trigger))) => Ok(Json(TriggerView::of(&trigger, &snapshot.plan.zone))),
        Ok(Ok(Err(refused))) => Err(refused.into()),
        Ok(Err(_)) | Err(_) => Err(ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "answer_late",
            format!(
                "the move is journaled at position {}, the trigger's history will show what came of it",
                ack.position
            ),
        )),
    }
}

fn judged(asked: &MoveRequest) -> Result<(TriggerState, String), ApiError> {
    let to = TriggerState::from_name(&asked.to).ok_or_else(|| {
        let names = TriggerState::ALL.map(TriggerState::name);
        ApiError::bad_request(
            "bad_body",
            format!("to is {:?}, wanted {}", asked.to, names.join(", ")),
        )
    })?;
    let actor = actor_of(&asked.actor)?;
    reason_of(asked.reason.as_deref())?;
    Ok((to, actor))
}

/// The name of who acts, within bounds.
pub(super) fn actor_of(given: &str) -> Result<String, ApiError> {
    let actor = given.trim();
    if actor.is_empty() || actor.chars().count() > ACTOR_CHARS_MAX {
        return Err(ApiError::bad_request(
            "bad_body",
            format!("actor must have 1 to {ACTOR_CHARS_MAX} characters"),
        ));
    }
    Ok(actor.to_owned())
}

/// Refuses a reason that is out of bounds.
pub(super) fn reason_of(given: Option<&str>) -> Result<(), ApiError> {
    let reason = given.unwrap_or_default();
    if reason.chars().count() > REASON_CHARS_MAX {
        return Err(ApiError::bad_request(
            "bad_body",
            format!("reason must have at most {REASON_CHARS_MAX} characters"),
        ));
    }
    Ok(())
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no trigger {id:?}"))
}
