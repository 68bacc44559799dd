//! What holds for every route: JSON errors, the OpenAPI document, the metrics text.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::api::router::table;
use crate::api::testing::{Harness, T0, minute};
use crate::api::{ReloadProblems, ServerState, router};
use crate::metrics::NotifyCounts;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_in_json() {
    let harness = Harness::new();
    let words = "there is no \"/v1/nothing\" here: /v1/openapi.json lists what there is";
    assert_eq!(
        harness.get("/v1/nothing").await.error(),
        (404, "not_found".to_owned(), words.to_owned())
    );
    let delete = Request::delete("/v1/alerts").body(Body::empty()).unwrap();
    let reply = harness.send(delete).await;
    let words = "DELETE is not for \"/v1/alerts\"";
    assert_eq!(
        reply.error(),
        (405, "method_not_allowed".to_owned(), words.to_owned())
    );
    assert_eq!(harness.get("/v1/events").await.error().0, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_lists_every_route_with_its_answers() {
    let harness = Harness::new();
    let document = harness.get("/v1/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    let documented: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    let routed: BTreeSet<&str> = table().iter().map(|(path, _)| *path).collect();
    assert_eq!(documented, routed);
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{what}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.contains_key("200"), "{what}");
            for (status, answer) in answers {
                assert!(answer["content"].is_object(), "{what} {status} has no body");
            }
            // The method is there: whatever it says, it is not 405.
            let concrete = path.replace("{id}", "x").replace("{incident}", "x");
            let request = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(concrete)
                .body(Body::empty())
                .unwrap();
            let reply = harness.send(request).await;
            let status = reply.status.as_u16();
            assert_ne!(status, 405, "{what}");
            assert!(
                answers.contains_key(&status.to_string()),
                "{what} answers {status}, which is not documented"
            );
        }
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in [
        "AlertView",
        "TriggerView",
        "WindowView",
        "StatusView",
        "ErrorBody",
    ] {
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rules_are_all_listed_and_the_schema_is_served() {
    let harness = Harness::new();
    let reply = harness.post("/v1/rules/reload", "").await;
    let (status, code, message) = reply.error();
    assert_eq!((status, &*code), (422, "bad_rules"));
    assert_eq!(
        message,
        "the rule book has 1 problem, the one in force stays"
    );
    assert_eq!(
        reply.json()["error"]["problems"][0],
        "book.yaml:1:57: unknown field \"pnae\", did you mean \"pane\"?"
    );
    let schema = harness.get("/v1/rules/schema").await.json();
    assert!(schema["$schema"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_could_not_be_journaled_can_be_asked_for_again() {
    let harness = Harness::new();
    let state = harness.state();
    let failing = Arc::new(ServerState {
        submitter: state.submitter.clone(),
        inlet: Arc::clone(&state.inlet),
        snapshot: Arc::clone(&state.snapshot),
        queries: state.queries.clone(),
        answers: Arc::clone(&state.answers),
        metrics: Arc::clone(&state.metrics),
        health: Arc::clone(&state.health),
        deliveries: state.deliveries.clone(),
        history: state.history.clone(),
        access: arc_swap::ArcSwap::new(state.access.load_full()),
        read_access: Box::new(|| Ok(crate::api::Access::default())),
        links: None,
        reload: Arc::new(|| {
            Box::pin(async { Err(ReloadProblems::Failed("the journal is closed".to_owned())) })
        }),
        config: state.config,
        connections: Arc::default(),
    });
    let request = Request::post("/v1/rules/reload").body(Body::empty());
    let answer = router(failing).oneshot(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        json["error"],
        json!({"code": "reload_failed", "message": "the journal is closed"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_page_is_what_prometheus_reads() {
    let harness = Harness::new();
    let metrics = &harness.state().metrics;
    metrics.set_notify_source(Box::new(|| NotifyCounts {
        queued: 1,
        dead_letters: 5,
        sent: 2,
        failed: vec![("transient", 1), ("setup", 0), ("permanent", 2)],
        dead: 4,
        ..NotifyCounts::default()
    }));
    let body = minute("news", "长\"沙\\", T0, 3, 4).replace("长\"沙\\", "长\\\"沙\\\\")
        + &minute("news", "长沙", T0 + 60_000, 0, 1);
    assert_eq!(harness.events(&[], body).await.json()["accepted"], 5);
    harness.until(|snapshot| !snapshot.alerts.is_empty());
    let reply = harness.get("/metrics").await;
    assert_eq!(
        reply.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let page = reply.text;
    check_text(&page);
    for line in [
        "chrysalis_notices_total{outcome=\"dead\"} 4",
        "chrysalis_notices_total{outcome=\"failed\"} 3",
        "chrysalis_limit_max{limit=\"limits.complaint_counts_max\"} 20000",
        "chrysalis_limit_held{limit=\"limits.open_triggers_max\"} 1",
        "chrysalis_limit_over_total{limit=\"limits.ended_alerts_max\"} 0",
        "chrysalis_limit_held{limit=\"mail.queued_max\"} 1",
        "chrysalis_notices_failed_attempts_total{failure=\"permanent\"} 2",
        "chrysalis_notices_dead_letters 5",
        "chrysalis_kqi_info{kqi=\"news_success\",service=\"news\",unit=\"%\",layer=\"platform\",department=\"NET\",limit_source=\"judgement: test\",rules=\"test 7\"} 1",
        "chrysalis_kqi_info{kqi=\"mail_latency\",service=\"mail\",unit=\"ms\",layer=\"network\",department=\"\",limit_source=\"\",rules=\"test 7\"} 1",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    assert!(page.contains("chrysalis_http_request_duration_seconds_bucket{method=\"POST\",route=\"/v1/events\",status=\"200\",le=\"0.001\"}"));
    promtool(&page);
}

/// Every series belongs to a family that was announced, and none is there twice.
fn check_text(page: &str) {
    let mut families = BTreeSet::new();
    let mut series = BTreeSet::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.split(' ');
            let (kind, name) = (words.next().unwrap(), words.next().unwrap());
            let is_usual = name.starts_with("chrysalis_") || name.starts_with("process_");
            assert!(is_usual, "{line}");
            if kind == "TYPE" {
                assert!(
                    families.insert(name.to_owned()),
                    "{name} is announced twice"
                );
            } else {
                assert!(words.next().is_some(), "{name} has no help");
            }
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(series.insert(key.to_owned()), "{key} is there twice");
        let name = key.split('{').next().unwrap();
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .filter(|base| families.contains(*base))
            .unwrap_or(name);
        assert!(families.contains(base), "{name} is not announced");
    }
    assert!(series.len() > 100);
}

/// Asks Prometheus's own tool, where there is one.
fn promtool(page: &str) {
    let Ok(mut tool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return;
    };
    tool.stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = tool.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && words.is_empty(),
        "{words}\n{page}"
    );
}
