//! What is known of single subscribers. Every reading is journaled before it is answered, so the audit has
//! who asked what; who has not the role sees masked numbers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};

use crate::api::access::{Caller, Role};
use crate::api::error::ApiError;
use crate::api::extract::{ApiJson, ApiPath};
use crate::api::router::{Server, now_ms};
use crate::api::routes::asking::unknown;
use crate::api::views::{AffectedView, ErrorBody, MessagesRequest, MessagesView};
use crate::dataflow::{Found, Inquiry};
use crate::engine::{Command, Snapshot};
use crate::event::Stream;
use crate::journal::{Record, Submit};
use crate::masking::mask;
use crate::triggers::{Place, Trigger};

/// Characters of a number.
const NUMBER_CHARS: std::ops::RangeInclusive<usize> = 3..=32;

/// Who is affected by a trigger's trouble: who filed its tickets, and whose messages did not arrive, or not
/// by the deadline of their edition, at its place since it began. Masked without the role `subscribers`; each reading is in the audit history.
#[utoipa::path(
    get,
    path = "/v1/triggers/{id}/affected",
    tag = "subscribers",
    params(("id" = String, Path, description = "the trigger, for example `T-000017`")),
    responses(
        (status = 200, description = "those who are known", body = AffectedView),
        (status = 404, description = "there is no such trigger", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping, the workers do not answer, or the engine starts (`starting`)", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn affected(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<AffectedView>, ApiError> {
    let snapshot = server.snapshot();
    let mut triggers = snapshot.triggers.iter();
    let trigger = triggers.find(|trigger| trigger.id == id);
    let trigger = trigger.ok_or_else(|| unknown(&id))?;
    let is_masked = !caller.has(Role::Subscribers);
    note(&server, &caller, "affected", &id, is_masked).await?;
    let serials = trigger.tickets.iter().map(|ticket| ticket.serial.clone());
    let serials = Inquiry::Callers {
        serials: serials.collect(),
    };
    let callers = inquire(&server, serials).await?;
    let missed = match missed_messages(trigger, &snapshot) {
        Some(inquiry) => inquire(&server, inquiry).await?,
        None => Found::default(),
    };
    let tickets = trigger.tickets.len() as u64 + trigger.tickets_beyond;
    let view = AffectedView::of(&id, tickets, &callers, &missed, is_masked);
    Ok(Json(view))
}

/// The messages of a number, with how each ended and how long it took (domain fact H19). Masked without the
/// role `subscribers`; each reading is in the audit history.
#[utoipa::path(
    post,
    path = "/v1/subscribers/messages",
    tag = "subscribers",
    request_body = MessagesRequest,
    responses(
        (status = 200, description = "its messages, the newest first", body = MessagesView),
        (status = 400, description = "the body is wrong", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "the body is not application/json", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping, the workers do not answer, or the engine starts (`starting`)", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn messages(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiJson(asked): ApiJson<MessagesRequest>,
) -> Result<Json<MessagesView>, ApiError> {
    let number = asked.number.trim().to_owned();
    let digits = number.chars().filter(char::is_ascii_digit).count();
    if !NUMBER_CHARS.contains(&number.chars().count()) || digits < *NUMBER_CHARS.start() {
        let words = "number must have 3 to 32 characters, 3 of them digits";
        return Err(ApiError::bad_request("bad_body", words));
    }
    let (from_ms, to_ms) = (
        asked.from_ms.unwrap_or(i64::MIN),
        asked.to_ms.unwrap_or(i64::MAX),
    );
    if from_ms >= to_ms {
        let words = format!("from_ms {from_ms} is not before to_ms {to_ms}");
        return Err(ApiError::bad_request("bad_body", words));
    }
    let is_masked = !caller.has(Role::Subscribers);
    note(&server, &caller, "messages", &mask(&number), is_masked).await?;
    let inquiry = Inquiry::Messages {
        number: number.clone(),
        from_ms,
        to_ms,
    };
    let mut found = inquire(&server, inquiry).await?;
    found
        .messages
        .retain(|message| caller.sees(message.city.as_deref()));
    let snapshot = server.snapshot();
    let view = MessagesView::of(
        &number,
        &found,
        asked.from_ms,
        kept_from(&snapshot),
        is_masked,
        &snapshot.plan.zone,
    );
    Ok(Json(view.of_cities(caller.cities())))
}

/// Since when every message is kept, ms; none before any was heard of.
fn kept_from(snapshot: &Snapshot) -> Option<i64> {
    let rule = snapshot.plan.book.streams.get(&Stream::MmsReceipt)?;
    let clocks = [Stream::MmsSubmit, Stream::MmsReceipt].map(|of| snapshot.watermarks.clock(of));
    let clock_ms = clocks.into_iter().max().filter(|ms| *ms != i64::MIN)?;
    Some(clock_ms.saturating_sub(rule.retention_ms))
}

/// Journals a reading. It is durable when this returns, and the audit history has it soon after.
pub(super) async fn note(
    server: &Server,
    caller: &Caller,
    reading: &str,
    of: &str,
    masked: bool,
) -> Result<(), ApiError> {
    let command = Command::NoteReading {
        reading: reading.to_owned(),
        of: of.to_owned(),
        masked,
    };
    let body =
        serde_json::to_vec(&command).map_err(|error| ApiError::internal(error.to_string()))?;
    let record = Record::Command {
        at_ms: now_ms(),
        actor: caller.name().to_owned(),
        body,
    };
    let submit = Submit {
        record,
        attachment: None,
    };
    server.state.submitter.submit(submit).await?;
    Ok(())
}

pub(super) async fn inquire(server: &Server, inquiry: Inquiry) -> Result<Found, ApiError> {
    server.caught_up()?;
    let queries = server.state.queries.clone();
    let found = tokio::task::spawn_blocking(move || queries.subscribers(inquiry)).await;
    found.ok().flatten().ok_or_else(ApiError::workers_late)
}

/// The messages that a trigger's trouble concerns; none where it is not about messages.
fn missed_messages(trigger: &Trigger, snapshot: &Snapshot) -> Option<Inquiry> {
    let book = &snapshot.plan.book;
    // Complaints may have opened it, and receipts speak for it since.
    let sources = trigger.sources.iter().map(|source| source.kqi.as_str());
    let mut known = std::iter::once(trigger.kqi.as_str()).chain(sources);
    let kqi = known.find_map(|id| {
        let kqi = book.kqis.iter().find(|kqi| kqi.id == id)?;
        matches!(kqi.stream, Stream::MmsSubmit | Stream::MmsReceipt).then_some(kqi)
    })?;
    let place = &trigger.cause.place;
    let cities = match place {
        Place::City(city) => Some(vec![city.clone()]),
        Place::Province(_) => {
            let all = book.places.cities.keys();
            let covered =
                all.filter(|city| place.covers(&Place::City((*city).clone()), &book.places));
            Some(covered.cloned().collect())
        }
        Place::Whole | Place::Site(_) => None,
    };
    Some(Inquiry::Missed {
        service: trigger.service.clone()?,
        cities,
        // The window that opened it began before its end.
        from_ms: trigger.since_ms - kqi.window.size_ms,
        to_ms: i64::MAX,
    })
}
