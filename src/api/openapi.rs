//! The OpenAPI document: collected from the routes, whose own attributes say what they answer.

use axum::http::Method;
use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::api::access::role_for;

use crate::api::routes::{
    actions, alerts, asking, complaints, connections, crossings, events, frontline, full_file,
    health, history, kqis, machine, mm7, notices, reports, rules, status, subscribers, tickets,
    trees, triggers, windows,
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
        console::trigger,
        events::post,
        events::quarantine,
        mm7::post,
        complaints::file,
        complaints::forms,
        complaints::form,
        trees::list,
        trees::one,
        trees::counts,
        full_file::take,
        tickets::sample,
        tickets::one,
        tickets::confirm,
        tickets::close,
        connections::list,
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
        notices::resend_all,
        history::list,
        asking::hand_over,
        asking::acknowledge,
        asking::tickets,
        asking::process,
        subscribers::affected,
        subscribers::messages,
        actions::ask,
        actions::act,
        frontline::explain,
        reports::list,
        reports::one,
        reports::file,
        rules::reload,
        rules::schema,
        machine::openapi,
        machine::metrics,
    ),
    tags(
        (name = "events", description = "What the engine is told"),
        (name = "complaints", description = "Trees and forms, contacts filed by them, tickets and their confirmation"),
        (name = "kqis", description = "Key quality indicators and their windows"),
        (name = "alerts", description = "Conditions on objects, with a life cycle"),
        (name = "triggers", description = "Demands on departments"),
        (name = "actions", description = "Pages behind the links of mails"),
        (name = "notices", description = "Mails, and those that could not be delivered"),
        (name = "history", description = "Everything that was decided, in SQL"),
        (name = "frontline", description = "What agents tell customers"),
        (name = "reports", description = "Reports that come by themselves"),
        (name = "subscribers", description = "Single subscribers, for who may see them"),
        (name = "rules", description = "The rule book"),
        (name = "engine", description = "The engine's own health"),
    )
)]
struct Document;

/// The document, with what every guarded route answers to who may not ask it, and every route with a name in its
/// path to one that cannot be read.
pub(super) fn document() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    let refusals = [
        (
            "401",
            "no token, where tokens are configured, or an unknown one",
        ),
        (
            "403",
            "the token has not the role, is of another name, or of another department",
        ),
    ];
    let error = json!({"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}});
    let paths = document["paths"].as_object_mut();
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap_or_default();
            let is_page = path.starts_with("/actions/");
            if path.contains('{') && !is_page && operation["responses"]["400"].is_null() {
                operation["responses"]["400"] =
                    json!({"description": "the path is not UTF-8", "content": error});
            }
            if role_for(&method, path).is_none() {
                continue;
            }
            for (status, description) in refusals {
                operation["responses"][status] =
                    json!({"description": description, "content": error});
            }
            operation["security"] = json!([{}, {"bearer": []}, {"basic": []}]);
        }
    }
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer"},
        "basic": {"type": "http", "scheme": "basic", "description": "the token as the password"},
    });
    document
}
