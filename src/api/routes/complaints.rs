//! Forms of complaint leaves, and contacts filed by their answers.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use crate::api::Inlet;
use crate::api::error::ApiError;
use crate::api::extract::{ApiJson, ApiPath};
use crate::api::router::{Server, now_ms};
use crate::api::routes::events::check_not_stopping;
use crate::api::routes::subscribers::inquire;
use crate::api::views::{ContactRequest, ContactView, ErrorBody, FormView, FormsView};
use crate::complaints::{Contact, decide, line, period};
use crate::dataflow::Inquiry;
use crate::event::TicketState;
use crate::ingest::Sender;

/// Every leaf that has a form.
#[utoipa::path(
    get,
    path = "/v1/complaints/forms",
    tag = "complaints",
    responses((status = 200, description = "in the order of the rule book", body = FormsView))
)]
pub(in crate::api) async fn forms(State(server): State<Arc<Server>>) -> Json<FormsView> {
    let snapshot = server.snapshot();
    let leaves = snapshot.plan.book.leaves.iter();
    Json(FormsView {
        forms: leaves.map(|leaf| leaf.form().into()).collect(),
    })
}

/// The form of a leaf or of a node, made of its exclusion and leaf conditions.
#[utoipa::path(
    get,
    path = "/v1/complaints/forms/{id}",
    tag = "complaints",
    params(("id" = String, Path, description = "the leaf, for example `newspaper_not_received`, or the code of a node of a tree, for example `O010104`")),
    responses(
        (status = 200, description = "the form", body = FormView),
        (status = 404, description = "the rule book has no such leaf", body = ErrorBody),
    )
)]
pub(in crate::api) async fn form(
    State(server): State<Arc<Server>>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<FormView>, ApiError> {
    let snapshot = server.snapshot();
    let form = snapshot.plan.book.form(&id);
    Ok(Json(FormView::from(form.ok_or_else(|| unknown(&id))?)))
}

/// Files a contact by its answers.
///
/// An answer that excludes gives guidance: the contact is kept as `excluded` and counts nothing.
/// Otherwise it is a complaint, and the answer says where its causes may lie; "unclear" and missing
/// answers never decide. The same serial again is the same ticket.
#[utoipa::path(
    post,
    path = "/v1/complaints",
    tag = "complaints",
    request_body = ContactRequest,
    responses(
        (status = 200, description = "decided, and durable", body = ContactView),
        (status = 400, description = "the body is wrong, or its answers do not fit the form", body = ErrorBody),
        (status = 404, description = "the rule book has no such leaf", body = ErrorBody),
        (status = 409, description = "the ticket of that serial is closed", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        (status = 415, description = "the body is not application/json", body = ErrorBody),
        (status = 429, description = "the engine or the disk is behind", body = ErrorBody),
        (status = 503, description = "stopping", body = ErrorBody),
        (status = 507, description = "the disk is full", body = ErrorBody),
    )
)]
pub(in crate::api) async fn file(
    State(server): State<Arc<Server>>,
    sender: Sender,
    ApiJson(asked): ApiJson<ContactRequest>,
) -> Result<Json<ContactView>, ApiError> {
    check_not_stopping(&server)?;
    let decided = decided(&server.inlet, asked)?;
    let on_record = Inquiry::ticket(&decided.view.serial);
    // A start that catches up takes contacts, as it takes events: whether the serial is closed it does not know yet.
    let on_record = match server.caught_up() {
        Ok(()) => inquire(&server, on_record).await?.tickets,
        Err(_) => Vec::new(),
    };
    let on_record = on_record.into_iter().next();
    if on_record.is_some_and(|(_, ticket)| ticket.state == TicketState::Closed) {
        let words = "the ticket of that serial is closed: a new contact has a serial of its own";
        return Err(ApiError::new(StatusCode::CONFLICT, "closed", words));
    }
    decided.take(&server.inlet, sender).await
}

/// A contact that its answers decided, by the rule book alone.
pub(in crate::api) struct Decided {
    line: String,
    view: ContactView,
}

impl Decided {
    /// Answers once its line is durable.
    pub(in crate::api) async fn take(
        self,
        inlet: &Inlet,
        sender: Sender,
    ) -> Result<Json<ContactView>, ApiError> {
        let no_headers = HeaderMap::new();
        let taken = inlet
            .intake
            .take(sender, &no_headers, Body::from(self.line), now_ms());
        if let Some(refusal) = taken.await?.refused.into_iter().next() {
            return Err(bad(refusal.reason));
        }
        Ok(Json(self.view))
    }
}

/// Decides a contact; what is on record of its serial is not looked at.
pub(in crate::api) fn decided(inlet: &Inlet, asked: ContactRequest) -> Result<Decided, ApiError> {
    let plan = &inlet.snapshot().plan;
    let form = plan.book.form(&asked.leaf);
    let form = form.ok_or_else(|| unknown(&asked.leaf))?;
    let leaf = form.leaf;
    let decision = decide(leaf, &asked.answers).map_err(|error| bad(error.to_string()))?;
    let ts_ms = asked.ts.unwrap_or_else(|| inlet.ticket_stamp_ms());
    let element = leaf.confirm.as_ref().and_then(|rule| rule.period.as_ref());
    let said = element.and_then(|id| asked.answers.get(id)?.as_str());
    let contact = Contact {
        serial: asked.serial,
        ts_ms,
        period_ms: said.and_then(|text| period(text, ts_ms, &plan.zone)),
        subscriber: asked.subscriber,
        city: asked.city,
        channel: asked.channel,
        escalated: asked.escalated,
    };
    Ok(Decided {
        line: line(form, &contact, &decision, &asked.answers),
        view: ContactView::of(contact.serial, &decision),
    })
}

fn bad(words: String) -> ApiError {
    ApiError::bad_request("bad_answers", words)
}

fn unknown(id: &str) -> ApiError {
    let id: String = id.chars().take(80).collect();
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("there is no leaf {id:?} with a form in the rule book"),
    )
}
