//! The links of mails: a page that asks, and one that acts. Reading never acts, because mail scanners
//! follow links; acting goes through the journal like any move.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::error::ApiError;
use crate::api::router::{Server, now_ms};
use crate::api::routes::asking::{carry_out, check_reason};
use crate::console::{ActionPage, Asked, Nothing};
use crate::engine::{Command, Snapshot};
use crate::links::{ACKNOWLEDGE, Link, Links};
use crate::rules::{Contact, Language};
use crate::triggers::{Refusal, Trigger, TriggerState};

/// What the page may load, and where its form may go.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// What the history says where the reader gave no reason.
const BY_LINK: &str = "by the link of a mail";

/// What the page's form asks.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(in crate::api) struct ActionForm {
    /// Why; required for `not_optimised`.
    #[serde(default)]
    reason: Option<String>,
    /// `technically_infeasible` or `uneconomic`; required for `not_optimised`.
    #[serde(default)]
    kind: Option<String>,
    /// Remedy of the knowledge base, for `mended`.
    #[serde(default)]
    remedy: Option<String>,
}

/// A link that may be used now.
struct Good<'a> {
    snapshot: &'a Snapshot,
    trigger: &'a Trigger,
    reader: &'a Contact,
    link: Link,
    to: Option<TriggerState>,
}

impl<'a> Good<'a> {
    fn asked(&self) -> Asked<'a> {
        Asked {
            snapshot: self.snapshot,
            trigger: self.trigger,
            reader: self.reader,
            to: self.to,
        }
    }
}

/// The page that asks before anything is done: what, by whom, and what follows. Changes nothing.
#[utoipa::path(
    get,
    path = "/actions/{token}",
    tag = "actions",
    params(("token" = String, Path, description = "the signed token of a mail's link")),
    responses(
        (status = 200, description = "the page with its form", body = String, content_type = "text/html"),
        (status = 403, description = "the link is none of this engine's", body = String, content_type = "text/html"),
        (status = 404, description = "no links here, or the trigger is kept no more", body = String, content_type = "text/html"),
        (status = 409, description = "the link was used, or the trigger stands otherwise since", body = String, content_type = "text/html"),
        (status = 410, description = "the link has expired", body = String, content_type = "text/html"),
    )
)]
pub(in crate::api) async fn ask(
    State(server): State<Arc<Server>>,
    token: Result<Path<String>, PathRejection>,
) -> Response {
    let snapshot = server.snapshot();
    match read(&server, &snapshot, &written(token)) {
        Ok(good) => {
            server.state.metrics.came_by_link("asked");
            page(StatusCode::OK, &ActionPage::ask(good.asked(), None))
        }
        Err(refused) => *refused,
    }
}

/// Does what the page asked about, once, in the name of the mail's reader.
#[utoipa::path(
    post,
    path = "/actions/{token}",
    tag = "actions",
    params(("token" = String, Path, description = "the signed token of a mail's link")),
    request_body(content = ActionForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "done", body = String, content_type = "text/html"),
        (status = 400, description = "the form cannot be read", body = String, content_type = "text/html"),
        (status = 403, description = "the link is none of this engine's", body = String, content_type = "text/html"),
        (status = 404, description = "no links here, or the trigger is kept no more", body = String, content_type = "text/html"),
        (status = 409, description = "the link was used, or the trigger stands otherwise since", body = String, content_type = "text/html"),
        (status = 410, description = "the link has expired", body = String, content_type = "text/html"),
        (status = 413, description = "the form is too large", body = String, content_type = "text/html"),
        (status = 415, description = "the form is not application/x-www-form-urlencoded", body = String, content_type = "text/html"),
        (status = 422, description = "a reason, or its kind, is missing: the page asks again", body = String, content_type = "text/html"),
        (status = 429, description = "the engine or the disk is behind", body = String, content_type = "text/html"),
        (status = 503, description = "stopping", body = String, content_type = "text/html"),
        (status = 504, description = "journaled, but its outcome is not known yet", body = String, content_type = "text/html"),
        (status = 507, description = "the disk is full", body = String, content_type = "text/html"),
    )
)]
pub(in crate::api) async fn act(
    State(server): State<Arc<Server>>,
    token: Result<Path<String>, PathRejection>,
    form: Result<Form<ActionForm>, FormRejection>,
) -> Response {
    let snapshot = server.snapshot();
    let token = written(token);
    let good = match read(&server, &snapshot, &token) {
        Ok(good) => good,
        Err(refused) => return *refused,
    };
    let form = match form {
        Ok(Form(form)) => form,
        Err(error) => {
            let status = match error.status() {
                StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
                status => status,
            };
            return page(
                status,
                &ActionPage::ask(good.asked(), Some(error.body_text())),
            );
        }
    };
    let act = match wanted(&good, form) {
        Ok(act) => act,
        Err(problem) => {
            let again = ActionPage::ask(good.asked(), Some(problem));
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let command = Command::ByLink {
        revision: good.link.revision,
        act: Box::new(act),
    };
    match carry_out(&server, good.reader.name.clone(), &command).await {
        Ok(trigger) => {
            server.state.metrics.came_by_link("acted");
            done(&server, &good, &trigger)
        }
        Err(refused) => {
            // Somebody was faster: between our look and the journal's order there is a moment.
            let now = server.snapshot();
            if refused.status() == StatusCode::CONFLICT
                && let Err(over) = read(&server, &now, &token)
            {
                return *over;
            }
            server.state.metrics.came_by_link("failed");
            let failed = ActionPage::failed(good.asked(), refused.message());
            page(refused.status(), &failed)
        }
    }
}

/// The token of a path; one that cannot be read is none of ours.
fn written(token: Result<Path<String>, PathRejection>) -> String {
    token.map_or_else(|_| String::new(), |Path(token)| token)
}

/// What a token may do now, or the page that says why nothing.
fn read<'a>(
    server: &Server,
    snapshot: &'a Snapshot,
    token: &str,
) -> Result<Good<'a>, Box<Response>> {
    let refuse = |outcome: &'static str, status, why: Nothing, asked: Option<Asked<'_>>| {
        server.state.metrics.came_by_link(outcome);
        Box::new(page(status, &ActionPage::nothing(why, asked)))
    };
    let Some(links) = &server.state.links else {
        return Err(refuse("off", StatusCode::NOT_FOUND, Nothing::Off, None));
    };
    let forged = || refuse("forged", StatusCode::FORBIDDEN, Nothing::Forged, None);
    let link = links.read(token).map_err(|_| forged())?;
    let gone = || refuse("gone", StatusCode::NOT_FOUND, Nothing::Gone, None);
    let mut triggers = snapshot.triggers.iter();
    let trigger = triggers.find(|trigger| trigger.id == link.trigger);
    let trigger: &'a Trigger = trigger.ok_or_else(gone)?;
    let mut told = trigger.told.iter();
    let reader = told.find(|who| links.is_for(&link, &who.email));
    let reader = reader.ok_or_else(forged)?;
    let to = match &*link.act {
        ACKNOWLEDGE => None,
        state => Some(TriggerState::from_name(state).ok_or_else(forged)?),
    };
    let good = Good {
        snapshot,
        trigger,
        reader,
        link,
        to,
    };
    if now_ms() >= good.link.expires_ms {
        let asked = Some(good.asked());
        return Err(refuse("expired", StatusCode::GONE, Nothing::Expired, asked));
    }
    let is_legal = match to {
        Some(to) => trigger.next().contains(&to),
        None => trigger.deadline.is_some(),
    };
    if trigger.is_link_over(good.link.revision, to) || !is_legal {
        let why = match was_used(&good) {
            true => ("used", Nothing::Used),
            false => ("over", Nothing::Over),
        };
        return Err(refuse(
            why.0,
            StatusCode::CONFLICT,
            why.1,
            Some(good.asked()),
        ));
    }
    Ok(good)
}

/// Whether the reader has done what the link is for, since it was sent.
fn was_used(good: &Good<'_>) -> bool {
    let mut history = good.trigger.history.iter().rev();
    match good.to {
        None => good.link.revision <= good.trigger.acknowledged_revision,
        Some(to) => history
            .find(|step| step.to == to && step.from != Some(to))
            .is_some_and(|step| step.actor == good.reader.name),
    }
}

/// The command of a filled form, or what is missing in it, in the reader's language.
fn wanted(good: &Good<'_>, form: ActionForm) -> Result<Command, String> {
    let said = |zh: &str, en: &str| match good.reader.language {
        Language::Zh => zh.to_owned(),
        Language::En => en.to_owned(),
    };
    let id = good.trigger.id.clone();
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let Some(to) = good.to else {
        return Ok(Command::Acknowledge { id });
    };
    let reason = given(form.reason);
    check_reason(reason.as_deref()).map_err(|error| error.message().to_owned())?;
    let kind = given(form.kind).and_then(|kind| Refusal::from_name(&kind));
    if to == TriggerState::NotOptimised {
        if kind.is_none() {
            return Err(said("请选择原因类别。", "Please choose the kind."));
        }
        if reason.is_none() {
            return Err(said("请填写原因。", "Please give the reason."));
        }
    }
    Ok(Command::MoveTrigger {
        id,
        to,
        reason: Some(reason.unwrap_or_else(|| BY_LINK.to_owned())),
        kind,
        review_at_ms: None,
        remedy: given(form.remedy).filter(|_| to == TriggerState::Mended),
    })
}

/// What was done, with links to what can follow for whom works on it.
fn done(server: &Server, good: &Good<'_>, trigger: &Trigger) -> Response {
    let asked = Asked {
        trigger,
        ..good.asked()
    };
    let today = good.snapshot.plan.book.at_work(&trigger.owner, now_ms());
    let owners = [&trigger.owner.person.email, &today.person.email];
    let is_owner = owners.contains(&&good.reader.email);
    let links = server.state.links.as_ref();
    let links = links.filter(|_| is_owner && trigger.state.is_unanswered() && good.to.is_some());
    let next = links.map(|links| following(links, trigger, good.reader));
    let next = next.unwrap_or_default();
    page(StatusCode::OK, &ActionPage::done(asked, next))
}

fn following(links: &Links, trigger: &Trigger, reader: &Contact) -> Vec<(TriggerState, String)> {
    let url = |to: TriggerState| {
        let (id, revision) = (&trigger.id, trigger.revision);
        links.url(id, to.name(), revision, &reader.email, now_ms())
    };
    let next = trigger.next().into_iter();
    next.map(|to| (to, url(to))).collect()
}

fn page(status: StatusCode, page: &ActionPage) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            return ApiError::internal(format!("cannot make the page: {error}")).into_response();
        }
    };
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        // The address holds the token.
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, html).into_response()
}
