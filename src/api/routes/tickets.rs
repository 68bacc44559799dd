//! Complaint tickets on record: as they stand, confirmed into a class by the engine's own evidence, closed, and
//! sampled for inspection.
//!
//! What is decided here becomes a line in the journal, as if the ticket's source had said it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::access::{Caller, Role};
use crate::api::clock::time;
use crate::api::error::ApiError;
use crate::api::extract::{ApiJson, ApiPath, ApiQuery};
use crate::api::router::{Server, now_ms};
use crate::api::routes::events::check_not_stopping;
use crate::api::routes::neighbours::neighbours;
use crate::api::routes::subscribers::{inquire, note};
use crate::api::views::{
    CloseRequest, ConfirmRequest, ConfirmationView, ErrorBody, SampleView, TicketOnRecordView,
    class_named,
};
use crate::complaints::{Ended, Evidence, Neighbours, Word, answer_of, find};
use crate::dataflow::{Inquiry, SAMPLE_MAX, TicketDetail};
use crate::engine::Snapshot;
use crate::event::TicketState;
use crate::ingest::Sender;
use crate::rules::{Answer, ConfirmRule};

/// Tickets of a sample unless another number is asked for.
const SAMPLE_DEFAULT: usize = 20;

/// How often, and how long, a word is looked for on record. Ten seconds are two of the longest epochs
/// (`journal.epoch_interval_ms` is at most 5,000).
const HEARD_EVERY: Duration = Duration::from_millis(20);
const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// Which tickets, and which sample of them.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct SampleQuery {
    /// The same number draws the same tickets of the same set; 0 unless given.
    seed: Option<u64>,
    /// Tickets in the sample, at most 1,000; 20 unless given.
    size: Option<usize>,
    /// Filed from then on, milliseconds or RFC 3339.
    from: Option<String>,
    /// Filed before then.
    to: Option<String>,
    /// Only of this service.
    service: Option<String>,
    /// Only of this city.
    city: Option<String>,
    /// `json`, or `csv`; json unless given.
    format: Option<String>,
}

/// A seeded sample of the tickets that count, for inspection of their quality.
#[utoipa::path(
    get,
    path = "/v1/complaints/sample",
    tag = "complaints",
    params(SampleQuery),
    responses(
        (status = 200, description = "the sample; with `format=csv` as CSV", body = SampleView),
        (status = 400, description = "the query cannot be read", body = ErrorBody),
        (status = 503, description = "the workers do not answer, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn sample(
    State(server): State<Arc<Server>>,
    ApiQuery(query): ApiQuery<SampleQuery>,
) -> Result<Response, ApiError> {
    let bad = |words: String| ApiError::bad_request("bad_query", words);
    let size = query.size.unwrap_or(SAMPLE_DEFAULT);
    if !(1..=SAMPLE_MAX).contains(&size) {
        return Err(bad(format!("size is {size}, wanted 1 to {SAMPLE_MAX}")));
    }
    let is_csv = match query.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(other) => return Err(bad(format!("format is {other:?}, wanted json or csv"))),
    };
    let seed = query.seed.unwrap_or_default();
    let inquiry = Inquiry::Sample {
        service: query.service,
        city: query.city,
        from_ms: time("from", query.from.as_deref())?.unwrap_or(i64::MIN),
        to_ms: time("to", query.to.as_deref())?.unwrap_or(i64::MAX),
        seed,
        size,
    };
    let found = inquire(&server, inquiry).await?;
    let plan = &server.snapshot().plan;
    let tickets = found.tickets.iter();
    let sample = SampleView {
        seed,
        tickets: tickets
            .map(|(_, ticket)| TicketOnRecordView::of(ticket, plan))
            .collect(),
    };
    if is_csv {
        let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8")];
        return Ok((headers, sample.csv()).into_response());
    }
    Ok(Json(sample).into_response())
}

/// A ticket as its versions leave it.
#[utoipa::path(
    get,
    path = "/v1/complaints/tickets/{id}",
    tag = "complaints",
    params(("id" = String, Path, description = "its serial number")),
    responses(
        (status = 200, description = "the ticket", body = TicketOnRecordView),
        (status = 404, description = "no such ticket is on record", body = ErrorBody),
        (status = 503, description = "the workers do not answer, or the engine starts (`starting`)", body = ErrorBody),
    )
)]
pub(in crate::api) async fn one(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    ApiPath(serial): ApiPath<String>,
) -> Result<Json<TicketOnRecordView>, ApiError> {
    let ticket = ticket(&server, &caller, &serial).await?;
    let plan = &server.snapshot().plan;
    Ok(Json(TicketOnRecordView::of(&ticket, plan)))
}

/// Confirms a ticket into one of nine classes.
///
/// The receipts of its number, its form's answers and the KQI of its city find what happened, and the leaf's
/// table says which class that is, who goes on, and whether it is filed again elsewhere. Evidence that decides
/// nothing yet leaves the ticket as it was. Where `class` is given, a person decided.
#[utoipa::path(
    post,
    path = "/v1/complaints/tickets/{id}/confirmation",
    tag = "complaints",
    params(("id" = String, Path, description = "its serial number")),
    request_body = ConfirmRequest,
    responses(
        (status = 200, description = "what was found; durable and on record where it is confirmed", body = ConfirmationView),
        (status = 400, description = "the body is wrong", body = ErrorBody),
        (status = 404, description = "no such ticket is on record", body = ErrorBody),
        (status = 409, description = "no complaint any more, closed, without a number, or of a leaf without a table", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "the body is not application/json", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping, the workers do not answer, durable and not on record in time (`not_on_record`), or the engine starts (`starting`)", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn confirm(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    sender: Sender,
    ApiPath(serial): ApiPath<String>,
    ApiJson(asked): ApiJson<ConfirmRequest>,
) -> Result<Json<ConfirmationView>, ApiError> {
    check_not_stopping(&server)?;
    let ticket = ticket(&server, &caller, &serial).await?;
    check_counts(&ticket)?;
    // What the stream closed without a class has none to keep.
    if ticket.state == TicketState::Closed && ticket.class.is_some() {
        let words = "the ticket is closed, in the one class that it was confirmed into";
        return Err(ApiError::new(StatusCode::CONFLICT, "closed", words));
    }
    let snapshot = server.snapshot();
    let mut word = Word {
        serial,
        ts_ms: asked.ts.unwrap_or_else(|| server.inlet.ticket_stamp_ms()),
        state: "confirmed",
        ..Word::default()
    };
    let view = if let Some(given) = &asked.class {
        let class = class_named(given).ok_or_else(|| {
            let words = format!("class is {given:?}, wanted one of the nine");
            ApiError::bad_request("bad_body", words)
        })?;
        let mut view = ConfirmationView::undecided(&word.serial, (0, 0));
        view.confirm(class);
        word.class = Some(class.names().0);
        view
    } else {
        by_evidence(&server, &caller, &snapshot, (&ticket, &asked), &mut word).await?
    };
    if view.confirmed {
        // What is earlier than what confirming follows would confirm nothing.
        word.follow(&ticket);
        say(&server, sender, &word).await?;
        heard(&server, &word).await?;
    }
    Ok(Json(view))
}

/// Closes a ticket that is confirmed: closing needs exactly one class.
#[utoipa::path(
    post,
    path = "/v1/complaints/tickets/{id}/closing",
    tag = "complaints",
    params(("id" = String, Path, description = "its serial number")),
    request_body = CloseRequest,
    responses(
        (status = 200, description = "closed, durable and on record; the ticket before that", body = TicketOnRecordView),
        (status = 400, description = "the body is wrong", body = ErrorBody),
        (status = 404, description = "no such ticket is on record", body = ErrorBody),
        (status = 409, description = "it is not confirmed, or no complaint any more", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "the body is not application/json", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping, the workers do not answer, durable and not on record in time (`not_on_record`), or the engine starts (`starting`)", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn close(
    State(server): State<Arc<Server>>,
    Extension(caller): Extension<Caller>,
    sender: Sender,
    ApiPath(serial): ApiPath<String>,
    ApiJson(asked): ApiJson<CloseRequest>,
) -> Result<Json<TicketOnRecordView>, ApiError> {
    check_not_stopping(&server)?;
    let ticket = ticket(&server, &caller, &serial).await?;
    check_counts(&ticket)?;
    if ticket.class.is_none() {
        let words = "it has no class: confirm it first";
        return Err(ApiError::new(StatusCode::CONFLICT, "unconfirmed", words));
    }
    let mut word = Word {
        serial,
        ts_ms: asked.ts.unwrap_or_else(|| server.inlet.ticket_stamp_ms()),
        state: "closed",
        ..Word::default()
    };
    // What is earlier than what closing follows would close nothing.
    word.follow(&ticket);
    say(&server, sender, &word).await?;
    // Who confirms it after that must be told that it is closed.
    heard(&server, &word).await?;
    let mut view = TicketOnRecordView::of(&ticket, &server.snapshot().plan);
    view.state = TicketState::Closed.name().to_owned();
    Ok(Json(view))
}

/// Looks at the evidence, and says in `word` what follows.
async fn by_evidence(
    server: &Server,
    caller: &Caller,
    snapshot: &Snapshot,
    (ticket, asked): (&TicketDetail, &ConfirmRequest),
    word: &mut Word,
) -> Result<ConfirmationView, ApiError> {
    let conflict =
        |code: &'static str, words: &str| ApiError::new(StatusCode::CONFLICT, code, words);
    let mut leaves = snapshot.plan.book.leaves.iter();
    let path = ticket.path.as_deref();
    let leaf = leaves.find(|leaf| path.is_some_and(|path| leaf.is_at(path)));
    let table = leaf.and_then(|leaf| Some((leaf, leaf.confirm.as_ref()?)));
    let (leaf, rule) = table
        .ok_or_else(|| conflict("no_table", "its leaf has no table of second confirmation"))?;
    let number = ticket.number.as_deref();
    let number =
        number.ok_or_else(|| conflict("no_number", "the ticket has no caller's number"))?;
    let filed_ms = ticket.filed_ms.unwrap_or(ticket.ts_ms);
    // What the customer says comes before what is usual.
    let said_end_ms = ticket.ended_ms.map(|ended_ms| ended_ms.min(filed_ms));
    let to_ms = asked.to_ms.or(said_end_ms).unwrap_or(filed_ms);
    let from_ms = asked.from_ms.or(ticket.began_ms);
    let from_ms = from_ms.unwrap_or_else(|| to_ms.saturating_sub(rule.within_ms));
    if from_ms >= to_ms {
        let words = format!("from_ms {from_ms} is not before to_ms {to_ms}");
        return Err(ApiError::bad_request("bad_body", words));
    }
    let [ordered, charged, consented, outside] = answers(ticket, rule, asked)?;
    let is_masked = !caller.has(Role::Subscribers);
    note(server, caller, "confirmation", &word.serial, is_masked).await?;
    let inquiry = Inquiry::Messages {
        number: number.to_owned(),
        from_ms,
        to_ms,
    };
    let known = inquire(server, inquiry).await?;
    let is_complete = !known.is_incomplete && known.beyond == 0;
    let mut messages = known.messages;
    messages.retain(|message| message.service.as_deref() == Some(leaf.service.as_str()));
    // What was submitted after the customer complained is not what is missed.
    messages.retain(|message| (from_ms..to_ms).contains(&message.ts_ms));
    let ended: Vec<Ended<'_>> = messages
        .iter()
        .map(|message| Ended {
            status: &message.status,
            is_reported: message.is_reported,
            on_time: message.on_time,
        })
        .collect();
    let mut view = ConfirmationView::undecided(&word.serial, (from_ms, to_ms));
    view.look_at(&messages, is_masked);
    let neighbours = neighbours(server, snapshot, (leaf, rule), ticket, &messages).await?;
    view.regional = neighbours == Neighbours::Breached;
    let found = find(&Evidence {
        messages: &ended,
        ordered,
        charged,
        consented,
        outside,
        neighbours,
        is_complete,
    });
    let mut verdicts = rule.verdicts.iter();
    let verdict = verdicts.find(|verdict| Ok(verdict.found) == found);
    view.decide(found, verdict);
    if let Some(verdict) = verdict {
        word.class = Some(verdict.class.names().0);
        word.path = verdict.refile.clone();
        word.cause = Some(verdict.found.name().to_owned());
    }
    Ok(view)
}

/// Whether there is an order, a charge, consent, a platform outside: as the request says, or else as the form did.
fn answers(
    ticket: &TicketDetail,
    rule: &ConfirmRule,
    asked: &ConfirmRequest,
) -> Result<[Answer; 4], ApiError> {
    let bad = |words: String| ApiError::bad_request("bad_body", words);
    const KNOWN: [&str; 4] = ["ordered", "charged", "consented", "outside"];
    if let Some(other) = asked.answers.keys().find(|key| !KNOWN.contains(&&***key)) {
        let other: String = other.chars().take(40).collect();
        return Err(bad(format!(
            "answers has {other:?}, wanted {}",
            KNOWN.join(", ")
        )));
    }
    let said = |name: &str| match asked.answers.get(name) {
        None => Ok(Answer::Unclear),
        Some(word) => answer_of(word)
            .ok_or_else(|| bad(format!("{name} is {word:?}, wanted yes, no or unclear"))),
    };
    let mut ordered = said("ordered")?;
    if let (Answer::Unclear, Some(question)) = (ordered, rule.order.as_deref()) {
        let mut answers = ticket.answers.iter();
        let given = answers.find(|(known, _)| **known == *question);
        ordered = match given {
            Some((_, true)) => Answer::Yes,
            Some((_, false)) => Answer::No,
            None => Answer::Unclear,
        };
    }
    Ok([
        ordered,
        said("charged")?,
        said("consented")?,
        said("outside")?,
    ])
}

/// Waits until what was said is on record, so that who asks next finds it; durable it is already.
///
/// # Errors
/// It is not there in time. Who asks again after that finds it, or says it again.
async fn heard(server: &Server, word: &Word) -> Result<(), ApiError> {
    let began = Instant::now();
    while began.elapsed() < HEARD_WITHIN {
        let found = inquire(server, Inquiry::ticket(&word.serial)).await;
        let tickets = found.map(|found| found.tickets).unwrap_or_default();
        if tickets.iter().any(|(_, ticket)| word.is_on_record(ticket)) {
            return Ok(());
        }
        tokio::time::sleep(HEARD_EVERY).await;
    }
    let words = "it is in the journal and not on record yet: look at the ticket, and say it again where that does not have it";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Err(ApiError::retry_later(status, "not_on_record", words))
}

/// Journals a line about a ticket.
async fn say(server: &Server, sender: Sender, word: &Word) -> Result<(), ApiError> {
    let no_headers = HeaderMap::new();
    let body = Body::from(word.line());
    let taken = server.intake.take(sender, &no_headers, body, now_ms());
    match taken.await?.refused.into_iter().next() {
        Some(refusal) => Err(ApiError::bad_request("bad_body", refusal.reason)),
        None => Ok(()),
    }
}

async fn ticket(server: &Server, caller: &Caller, serial: &str) -> Result<TicketDetail, ApiError> {
    let found = inquire(server, Inquiry::ticket(serial)).await?;
    let found = found.tickets.into_iter().next();
    let ticket = found.map(|(_, ticket)| ticket);
    let ticket = ticket.filter(|ticket| caller.sees(ticket.city.as_deref()));
    ticket.ok_or_else(|| {
        let serial: String = serial.chars().take(80).collect();
        ApiError::not_found(format!("there is no ticket {serial:?} on record"))
    })
}

/// Refuses what is no complaint any more.
fn check_counts(ticket: &TicketDetail) -> Result<(), ApiError> {
    if ticket.state.counts() {
        return Ok(());
    }
    let words = format!("it is {}, and so no complaint", ticket.state.name());
    Err(ApiError::new(
        StatusCode::CONFLICT,
        "not_a_complaint",
        words,
    ))
}
