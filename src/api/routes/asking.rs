//! Commands on triggers beside moves, and the KQIs of the process.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;

use crate::api::access::{Caller, Role};
use crate::api::error::ApiError;
use crate::api::extract::{ApiJson, ApiPath};
use crate::api::router::{Server, now_ms};
use crate::api::views::{
    AcknowledgeRequest, ErrorBody, HandOverRequest, ProcessView, TicketsView, TriggerView,
};
use crate::engine::Command;
use crate::journal::{Record, Submit};
use crate::triggers::Trigger;

/// Longest name of who commands, characters.
const ACTOR_CHARS_MAX: usize = 100;
/// Longest reason, characters.
const REASON_CHARS_MAX: usize = 2_000;

/// Hands a trigger over to another department or role. Between departments that counts as a hop, and the
/// new one must accept it anew.
#[utoipa::path(
    post,
    path = "/v1/triggers/{id}/hand-over",
    tag = "triggers",
    params(("id" = String, Path, description = "the trigger, for example `T-000017`")),
    request_body = HandOverRequest,
    responses(
        (status = 200, description = "handed over", body = TriggerView),
        (status = 400, description = "the body is wrong", body = ErrorBody),
        (status = 404, description = "there is no such trigger", body = ErrorBody),
        (status = 409, description = "a department has answered it already", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "the body is not application/json", body = ErrorBody),
        (status = 422, description = "no reason, or no such department or role", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping", body = ErrorBody),
        (status = 504, description = "journaled, but its outcome is not known yet", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn hand_over(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
    ApiJson(asked): ApiJson<HandOverRequest>,
) -> Result<Json<TriggerView>, ApiError> {
    let actor = actor_of(&caller, asked.actor.as_deref())?;
    check_reason(Some(&asked.reason))?;
    let command = Command::HandOver {
        id,
        department: asked.department,
        role: asked.role,
        reason: asked.reason,
    };
    command_on(&server, &caller, actor, &command).await
}

/// Acknowledges a trigger: its reminders and its escalation are held back for the rule book's time.
#[utoipa::path(
    post,
    path = "/v1/triggers/{id}/acknowledge",
    tag = "triggers",
    params(("id" = String, Path, description = "the trigger, for example `T-000017`")),
    request_body = AcknowledgeRequest,
    responses(
        (status = 200, description = "acknowledged", body = TriggerView),
        (status = 400, description = "the body is wrong", body = ErrorBody),
        (status = 404, description = "there is no such trigger", body = ErrorBody),
        (status = 409, description = "it waits for nobody, or its history is so long that only moves lengthen it (`history_full`)", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "the body is not application/json", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping", body = ErrorBody),
        (status = 504, description = "journaled, but its outcome is not known yet", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn acknowledge(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
    ApiJson(asked): ApiJson<AcknowledgeRequest>,
) -> Result<Json<TriggerView>, ApiError> {
    let actor = actor_of(&caller, asked.actor.as_deref())?;
    let command = Command::Acknowledge { id };
    command_on(&server, &caller, actor, &command).await
}

/// Tickets that wait for a trigger's answer, or have it.
#[utoipa::path(
    get,
    path = "/v1/triggers/{id}/tickets",
    tag = "triggers",
    params(("id" = String, Path, description = "the trigger, for example `T-000017`")),
    responses(
        (status = 200, description = "its tickets, in the order in which they were linked", body = TicketsView),
        (status = 404, description = "there is no such trigger", body = ErrorBody),
    )
)]
pub(in crate::api) async fn tickets(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<TicketsView>, ApiError> {
    let snapshot = server.snapshot();
    let trigger = snapshot.triggers.iter().find(|trigger| trigger.id == id);
    let trigger = trigger.ok_or_else(|| unknown(&id))?;
    let is_masked = !caller.has(Role::Subscribers);
    Ok(Json(TicketsView::of(
        trigger,
        &snapshot.plan.zone,
        is_masked,
    )))
}

/// KQIs of the process: how long departments take, how often they hand on, what came of it.
#[utoipa::path(
    get,
    path = "/v1/triggers/process",
    tag = "triggers",
    responses((status = 200, description = "counted since the journal began", body = ProcessView))
)]
pub(in crate::api) async fn process(State(server): State<Arc<Server>>) -> Json<ProcessView> {
    Json(ProcessView::of(&server.snapshot()))
}

/// Journals a command on a trigger, and waits for what the engine makes of it.
pub(super) async fn command_on(
    server: &Server,
    caller: &Caller,
    actor: String,
    command: &Command,
) -> Result<Json<TriggerView>, ApiError> {
    let snapshot = server.snapshot();
    let id = command.trigger().unwrap_or_default();
    // What nobody can have seen need not be journaled.
    let trigger = snapshot.triggers.iter().find(|trigger| trigger.id == id);
    let trigger = trigger.ok_or_else(|| unknown(id))?;
    caller.check_department(trigger.decided_by(&snapshot.plan.book))?;
    let trigger = carry_out(server, actor, command).await?;
    let is_masked = !caller.has(Role::Subscribers);
    let snapshot = server.snapshot();
    Ok(Json(TriggerView::of(&trigger, &snapshot, is_masked)))
}

/// Journals a command, and waits for the trigger that the engine makes of it.
pub(super) async fn carry_out(
    server: &Server,
    actor: String,
    command: &Command,
) -> Result<Trigger, ApiError> {
    let body =
        serde_json::to_vec(command).map_err(|error| ApiError::internal(error.to_string()))?;
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
        Ok(Ok(Ok(Some(trigger)))) => Ok(trigger),
        Ok(Ok(Ok(None))) => Err(ApiError::internal("the command did nothing to a trigger")),
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

/// Who commands, if that is a usable name: the token's, or where the server is open the body's.
pub(super) fn actor_of(caller: &Caller, given: Option<&str>) -> Result<String, ApiError> {
    let actor = caller.actor(given)?.unwrap_or_default();
    let actor = actor.trim();
    if actor.is_empty() || actor.chars().count() > ACTOR_CHARS_MAX {
        return Err(ApiError::bad_request(
            "bad_body",
            format!("actor must have 1 to {ACTOR_CHARS_MAX} characters"),
        ));
    }
    if actor.contains(char::is_control) {
        return Err(ApiError::bad_request(
            "bad_body",
            "actor must be one line without control characters",
        ));
    }
    Ok(actor.to_owned())
}

/// Refuses a reason that nobody would read.
pub(super) fn check_reason(reason: Option<&str>) -> Result<(), ApiError> {
    if reason.unwrap_or_default().chars().count() > REASON_CHARS_MAX {
        return Err(ApiError::bad_request(
            "bad_body",
            format!("reason must have at most {REASON_CHARS_MAX} characters"),
        ));
    }
    Ok(())
}

/// There is no such trigger.
pub(super) fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no trigger {id:?}"))
}
