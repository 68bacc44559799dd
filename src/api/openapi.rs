//! The OpenAPI document: collected from the routes, whose own attributes say what they answer.

use utoipa::OpenApi;

use crate::api::routes::{
    alerts, asking, complaints, crossings, events, frontline, health, history, kqis, machine, mm7,
    notices, reports, rules, status, triggers, windows,
};
use crate::console;

/// Everything that answers over HTTP.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chrysalis",
        description = "Stream-processing monitoring: events in; KQI windows, alerts and optimization triggers out.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        console::page,
        events::post,
        events::quarantine,
        mm7::post,
        complaints::file,
        complaints::forms,
        complaints::form,
        status::status,
        status::ready,
        status::healthz,
        kqis::services,
        kqis::list,
        windows::list,
        health::shares,
        health::list,
        health::one,
        health::boards,
        alerts::list,
        alerts::one,
        crossings::list,
        triggers::list,
        triggers::one,
        triggers::advance,
        notices::list,
        notices::resend,
        history::list,
        asking::hand_over,
        asking::acknowledge,
        asking::tickets,
        asking::process,
        frontline::explain,
        reports::list,
        reports::one,
        rules::reload,
        rules::schema,
        machine::openapi,
        machine::metrics,
    ),
    tags(
        (name = "events", description = "What the engine is told"),
        (name = "complaints", description = "Forms of complaint leaves, and contacts filed by them"),
        (name = "kqis", description = "Key quality indicators and their windows"),
        (name = "alerts", description = "Conditions on objects, with a life cycle"),
        (name = "triggers", description = "Demands on departments"),
        (name = "notices", description = "Mails, and those that could not be delivered"),
        (name = "history", description = "Everything that was decided, in SQL"),
        (name = "frontline", description = "What agents tell customers"),
        (name = "reports", description = "Reports that come by themselves"),
        (name = "rules", description = "The rule book"),
        (name = "engine", description = "The engine's own health"),
    )
)]
pub(super) struct Document;
