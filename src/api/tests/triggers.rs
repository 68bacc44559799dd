//! A KQI breaks, a trigger opens, operators move it.

use std::time::Duration;

use serde_json::json;

use crate::api::HttpConfig;
use crate::api::testing::{BOOK, Harness, T0, minute};
use crate::journal::JournalConfig;
use crate::journal::writer::WriterConfig;

/// A harness in which one alert fires and one trigger is open.
async fn broken() -> Harness {
    broken_in(Harness::new()).await
}

async fn broken_in(harness: Harness) -> Harness {
    let body = minute("news", "长沙", T0, 3, 4) + &minute("news", "长沙", T0 + 60_000, 0, 1);
    assert_eq!(harness.events(&[], body).await.json()["accepted"], 5);
    harness.until(|snapshot| !snapshot.triggers.is_empty());
    harness
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_triggers_tell_what_is_wrong_and_who_is_asked() {
    let harness = broken().await;
    let alerts = harness
        .get("/v1/alerts?state=firing&service=news")
        .await
        .json();
    let alert = &alerts["alerts"][0];
    assert_eq!(alert["kqi"], "news_success");
    assert_eq!(alert["group"], json!({"service": "news", "city": "长沙"}));
    assert_eq!(alert["group_label"], "service=news;city=长沙");
    assert_eq!(
        (&alert["value"], &alert["limit_min"]),
        (&json!(25.0), &json!(95.0))
    );
    assert_eq!(
        (&alert["severity"], &alert["unit"]),
        (&json!("critical"), &json!("%"))
    );
    assert_eq!(alert["active_since_ms"], T0 + 60_000);
    assert_eq!(alert["active_since"], "2025-11-25T00:01:00.000+08:00");
    assert_eq!(alert["trigger"], "T-000001");
    let incident = alert["incident"].as_str().unwrap();
    let one = harness.get(&format!("/v1/alerts/{incident}")).await;
    assert_eq!(one.json(), *alert);
    for none in ["state=resolved", "severity=minor", "service=mail"] {
        let alerts = harness.get(&format!("/v1/alerts?{none}")).await.json();
        assert_eq!(alerts, json!({"alerts": []}), "{none}");
    }

    let trigger = harness.get("/v1/triggers/T-000001").await.json();
    assert_eq!(trigger["state"], "dispatched");
    assert_eq!(trigger["next"], json!(["accepted", "not_optimised"]));
    assert_eq!(trigger["owner"], "值班");
    assert_eq!(trigger["history"][3]["actor"], "engine");
    let factors = &trigger["urgency"];
    assert_eq!(factors["total"], 4 * 5 + 3 * 3 + 3 + 4 * 4);
    assert!(trigger["due_ms"].is_i64(), "{trigger:#}");
    assert_eq!(trigger["department_name"]["zh"], "网络部");
    assert_eq!(trigger["evidence"][0]["value"], 25.0);
    let listed = harness.get("/v1/triggers?state=open&department=NET").await;
    assert_eq!(listed.json()["triggers"][0], trigger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_is_moved_through_the_journal() {
    let harness = broken().await;
    let path = "/v1/triggers/T-000001/moves";
    for (to, next) in [
        ("accepted", json!(["in_progress", "not_optimised"])),
        ("in_progress", json!(["mended", "not_optimised"])),
        // The earlier word for mended; the engine tells the front line at once.
        ("done", json!(["reopened"])),
    ] {
        let body = json!({"to": to, "actor": "王工"}).to_string();
        let reply = harness.post(path, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let state = if to == "done" { "feedback_given" } else { to };
        assert_eq!(reply.json()["state"], state);
        assert_eq!(reply.json()["next"], next);
    }
    let trigger = harness.get("/v1/triggers/T-000001").await.json();
    let history = trigger["history"].as_array().unwrap();
    // When the effect will be measured is only remarked.
    let moves: Vec<_> = history
        .iter()
        .filter(|step| step["from"] != step["to"])
        .map(|step| step["to"].as_str().unwrap())
        .collect();
    let early = ["detected", "classified", "analysed", "dispatched"];
    let late = ["accepted", "in_progress", "mended", "feedback_given"];
    assert_eq!(moves, [early, late].concat());
    assert_eq!(history[6]["actor"], "王工");
    assert_eq!(trigger["outcome"], "mended");
    let by_hand = |to, reason| json!({"to": to, "actor": "王工", "reason": reason}).to_string();
    // The data close it, nobody else.
    let reply = harness.post(path, &by_hand("closed", "现场确认")).await;
    assert_eq!(
        (reply.status.as_u16(), &*reply.error().1),
        (409, "illegal_move")
    );
    let reply = harness.post(path, &by_hand("reopened", "")).await;
    assert_eq!(reply.error().1, "reason_missing");
    let reply = harness.post(path, &by_hand("reopened", "现场仍异常")).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["state"]),
        (200, &json!("dispatched"))
    );
    let refused = json!({
        "to": "not_optimised", "actor": "王工", "reason": "扩容无预算", "kind": "uneconomic"
    });
    let reply = harness.post(path, &refused.to_string()).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["state"]),
        (200, &json!("closed"))
    );
    for (state, count) in [("open", 0), ("closed", 1), ("done", 0)] {
        let listed = harness
            .get(&format!("/v1/triggers?state={state}&order=urgency"))
            .await;
        let listed = listed.json()["triggers"].as_array().unwrap().len();
        assert_eq!(listed, count, "{state}");
    }
    let process = harness.get("/v1/triggers/process").await.json();
    assert_eq!(
        (&process["opened"], &process["hops"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(process["closed"][0]["name"], "not_optimised");
    let metrics = harness.get("/metrics").await.text;
    let line = "chrysalis_triggers_closed_total{department=\"NET\",outcome=\"not_optimised\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_is_handed_over_and_acknowledged() {
    let harness = broken().await;
    let path = "/v1/triggers/T-000001/acknowledge";
    let reply = harness.post(path, r#"{"actor": "王工"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(reply.json()["acknowledged_until_ms"].is_i64());
    let path = "/v1/triggers/T-000001/hand-over";
    let over = |department: &str, reason: &str| {
        json!({"department": department, "reason": reason, "actor": "王工"}).to_string()
    };
    for (body, status, code) in [
        // It is there: that would only set its due time back.
        (over("NET", "换人"), 409, "illegal_move"),
        (over("BSC", "r"), 422, "unknown_desk"),
        (over("NET", " "), 422, "reason_missing"),
    ] {
        let reply = harness.post(path, &body).await;
        assert_eq!((reply.status.as_u16(), &*reply.error().1), (status, code));
    }
    let reply = harness
        .post("/v1/triggers/T-9/acknowledge", r#"{"actor": "a"}"#)
        .await;
    assert_eq!(reply.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_told_what_to_say_from_the_snapshot() {
    let harness = broken().await;
    let say = harness.get("/v1/frontline/news?city=长沙").await.json();
    assert_eq!(say["impaired"], true);
    let text = say["explanations"][0]["text"]["zh"].as_str().unwrap();
    assert!(text.contains("长沙") && text.contains("网络部"), "{text}");
    let none = harness.get("/v1/frontline/news?city=永州").await.json();
    assert_eq!(
        (&none["impaired"], &none["explanations"]),
        (&json!(false), &json!([]))
    );
    assert_eq!(harness.get("/v1/frontline/fax").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_that_cannot_be_are_refused_with_what_can() {
    let harness = broken().await;
    let path = "/v1/triggers/T-000001/moves";
    let cases = [
        (
            path,
            json!({"to": "done", "actor": "王工"}),
            (
                409,
                "illegal_move",
                "trigger T-000001 is dispatched, it can become accepted or not_optimised, not mended",
            ),
        ),
        (
            path,
            json!({"to": "not_optimised", "actor": "王工", "reason": " "}),
            (
                422,
                "reason_missing",
                "trigger T-000001 cannot become not_optimised without a reason",
            ),
        ),
        (
            path,
            json!({"to": "not_optimised", "actor": "王工", "reason": "r"}),
            (
                422,
                "kind_missing",
                "trigger T-000001 cannot become not_optimised without saying whether it is technically_infeasible or uneconomic",
            ),
        ),
        (
            "/v1/triggers/T-9/moves",
            json!({"to": "done", "actor": "王工"}),
            (404, "not_found", "there is no trigger \"T-9\""),
        ),
        (
            path,
            json!({"to": "open", "actor": "王工"}),
            (
                400,
                "bad_body",
                "to is \"open\", wanted detected, classified, analysed, reviewed, dispatched, accepted, in_progress, mended, not_optimised, feedback_given, effect_measured, closed, reopened",
            ),
        ),
        (
            path,
            json!({"to": "done", "actor": " "}),
            (400, "bad_body", "actor must have 1 to 100 characters"),
        ),
        (
            path,
            json!({"to": "done", "actor": "王工", "reason": "x".repeat(2_001)}),
            (400, "bad_body", "reason must have at most 2000 characters"),
        ),
    ];
    for (path, body, (status, code, message)) in cases {
        let reply = harness.post(path, &body.to_string()).await;
        assert_eq!(reply.error(), (status, code.to_owned(), message.to_owned()));
    }
    for (body, words) in [
        (
            "{\"to\": 1}",
            "the body does not fit: to: invalid type: integer `1`, expected a string at line 1 column 8",
        ),
        ("{\"to\": \"done\"}", "actor must have 1 to 100 characters"),
        (
            "7",
            "the body does not fit: invalid type: integer `7`, expected a JSON object at line 1 column 1",
        ),
        (
            "{\"to\"",
            "the body is not JSON: EOF while parsing an object at line 1 column 5",
        ),
    ] {
        let reply = harness.post(path, body).await;
        assert_eq!(
            reply.error(),
            (400, "bad_body".to_owned(), words.to_owned())
        );
    }
    let reply = harness
        .post(path, &format!("\"{}\"", "x".repeat(70_000)))
        .await;
    let words = "the body is larger than the limit of 65536 bytes";
    assert_eq!(
        reply.error(),
        (413, "body_too_large".to_owned(), words.to_owned())
    );
    let plain = axum::http::Request::post(path)
        .body(axum::body::Body::from("{}"))
        .unwrap();
    let reply = harness.send(plain).await;
    let words = "the body must come with content-type: application/json";
    assert_eq!(
        reply.error(),
        (415, "unsupported_media_type".to_owned(), words.to_owned())
    );
    let trigger = harness.get("/v1/triggers/T-000001").await.json();
    assert_eq!(trigger["history"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the guard is the stall; only the engine's own thread waits for it"
)]
async fn a_move_that_the_engine_has_not_answered_yet_is_told_to_be_journaled() {
    let config = HttpConfig {
        answer_timeout_ms: 100,
        ..HttpConfig::default()
    };
    let (journal, writer) = (JournalConfig::default(), WriterConfig::default());
    let harness = broken_in(Harness::with(BOOK, config, journal, writer)).await;
    let stalled = harness.stall();
    let body = json!({"to": "accepted", "actor": "王工"}).to_string();
    let reply = harness.post("/v1/triggers/T-000001/moves", &body).await;
    let (status, code, message) = reply.error();
    assert_eq!((status, &*code), (504, "answer_late"));
    assert!(
        message.starts_with("the move is journaled at position ")
            && message.ends_with(", the trigger's history will show what came of it"),
        "{message}"
    );
    drop(stalled);
    // And so it does.
    harness.until(|snapshot| snapshot.triggers[0].history.len() == 5);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::await_holding_lock,
    reason = "the guard is the stall; only the engine's own thread waits for it"
)]
async fn a_client_that_hangs_up_is_measured_as_well() {
    let harness = broken().await;
    let stalled = harness.stall();
    let body = json!({"to": "accepted", "actor": "王工"}).to_string();
    let asked = harness.post("/v1/triggers/T-000001/moves", &body);
    let gone = tokio::time::timeout(Duration::from_millis(100), asked).await;
    assert!(gone.is_err());
    drop(stalled);
    let metrics = harness.get("/metrics").await.text;
    let line = "chrysalis_http_request_duration_seconds_count{method=\"POST\",route=\"/v1/triggers/{id}/moves\",status=\"499\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}
