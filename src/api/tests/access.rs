//! Tokens: who may ask what, in whose name, and what those see who may not see numbers.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::api::testing::{Harness, Reply, T0, minute};
use crate::api::{Access, Grant, Role, sha256};

const EVERYTHING: &str = "token-of-the-administrator";
const WANG: &str = "token-of-engineer-wang";
const LI: &str = "token-of-li-in-support";
const AGENT: &str = "token-of-a-desk-agent";
const PROBE: &str = "token-of-the-probes";
const CARE: &str = "token-of-customer-care";

fn harness() -> Harness {
    let grant = |name: &str, token, roles: &[Role], departments: &[&str]| Grant {
        cities: Vec::new(),
        name: name.to_owned(),
        sha256: sha256(token),
        roles: roles.to_vec(),
        departments: departments.iter().map(|id| (*id).to_owned()).collect(),
    };
    Harness::guarded(Access::of(vec![
        grant("管理员", EVERYTHING, &[Role::Administrator], &[]),
        grant("王工", WANG, &[Role::Operator], &["NET"]),
        grant("李工", LI, &[Role::Operator], &["BSC"]),
        grant("坐席", AGENT, &[Role::Reader], &[]),
        grant("拨测", PROBE, &[Role::Producer], &[]),
        grant("客服", CARE, &[Role::Subscribers], &[]),
    ]))
}

async fn ask(harness: &Harness, token: &str, path: &str, body: Option<Value>) -> Reply {
    let request = match &body {
        None => Request::get(path),
        Some(_) => Request::post(path).header("content-type", "application/json"),
    };
    let request = request.header("authorization", format!("Bearer {token}"));
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    harness.send(request.body(body).unwrap()).await
}

/// A trigger of NET is open.
async fn broken() -> Harness {
    let harness = harness();
    let events = minute("news", "长沙", T0, 3, 4) + &minute("news", "长沙", T0 + 60_000, 0, 1);
    let bearer = format!("Bearer {PROBE}");
    let told = harness.events(&[("authorization", &bearer)], events).await;
    assert_eq!(told.json()["accepted"], 5);
    harness.until(|snapshot| !snapshot.triggers.is_empty());
    harness
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_without_a_token_but_to_supervisors() {
    let harness = harness();
    for path in [
        "/",
        "/v1/status",
        "/v1/triggers",
        "/metrics",
        "/v1/openapi.json",
        "/none",
    ] {
        let reply = harness.get(path).await;
        assert_eq!(reply.error().1, "unauthorized", "{path}");
        assert_eq!(reply.status, 401);
        let ways = reply.headers["www-authenticate"].to_str().unwrap();
        assert!(ways.contains("Bearer") && ways.contains("Basic"), "{ways}");
        let wrong = ask(&harness, "no-token-of-ours-here", path, None).await;
        assert_eq!(wrong.status, 401, "{path}");
    }
    for path in ["/ready", "/healthz"] {
        assert_eq!(harness.get(path).await.status, 200, "{path}");
    }
    assert_eq!(harness.get("/actions/x").await.status, 403);
    let page = ask(&harness, AGENT, "/", None).await;
    assert_eq!(page.status, 200);
    let status = ask(&harness, AGENT, "/v1/status", None).await.json();
    assert_eq!(status["access"], json!({"open": false, "tokens": 6}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_moves_what_its_role_and_department_allow_in_its_own_name() {
    let harness = broken().await;
    let path = "/v1/triggers/T-000001/moves";
    let accept = || Some(json!({"to": "accepted"}));
    for (token, words) in [
        (AGENT, "needs the role operator"),
        (PROBE, "needs the role operator"),
        (LI, "the trigger is with NET"),
    ] {
        let reply = ask(&harness, token, path, accept()).await;
        assert_eq!(reply.status, 403, "{}", reply.text);
        assert!(reply.error().2.contains(words), "{}", reply.text);
    }
    let other = Some(json!({"to": "accepted", "actor": "李工"}));
    let reply = ask(&harness, WANG, path, other).await;
    assert_eq!(reply.status, 403);
    assert!(
        reply.error().2.contains("leave actor out"),
        "{}",
        reply.text
    );
    let reply = ask(&harness, WANG, path, accept()).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let history = reply.json()["history"].as_array().unwrap().clone();
    assert_eq!(history.last().unwrap()["actor"], "王工");
    let reload = ask(&harness, WANG, "/v1/rules/reload", Some(json!({}))).await;
    assert_eq!(reload.status, 403);
    let reload = ask(&harness, EVERYTHING, "/v1/rules/reload", Some(json!({}))).await;
    assert_eq!(reload.status, 422);
    let body = minute("news", "长沙", T0, 0, 1);
    let bearer = format!("Bearer {AGENT}");
    let told = harness.events(&[("authorization", &bearer)], body).await;
    assert_eq!(told.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_role_sees_numbers_and_an_open_server_shows_none() {
    let guarded = harness();
    let open = Harness::new();
    let path = "/v1/subscribers/messages";
    let asked = || Some(json!({"number": "13912345678"}));
    for (harness, token, number) in [
        (&guarded, CARE, "13912345678"),
        (&guarded, AGENT, "139******78"),
        (&guarded, EVERYTHING, "139******78"),
        (&open, "", "139******78"),
    ] {
        let reply = ask(harness, token, path, asked()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let view = reply.json();
        assert_eq!(view["number"], number, "{token}");
        assert_eq!(view["masked"], number.contains('*'), "{token}");
        assert_eq!(view["delivered_percent"], Value::Null);
    }
    for bad in [
        json!({"number": "x"}),
        json!({"number": "139", "from_ms": 5, "to_ms": 5}),
        json!({"number": "1".repeat(33)}),
        json!({}),
    ] {
        let reply = ask(&open, "", path, Some(bad)).await;
        assert_eq!(reply.status, 400, "{}", reply.text);
    }
    let none = open.get("/v1/triggers/T-9/affected").await;
    assert_eq!(none.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_where_a_token_is_needed() {
    let harness = Harness::new();
    let document = harness.get("/v1/openapi.json").await.json();
    let answers = |path: &str, method: &str| document["paths"][path][method]["responses"].clone();
    assert!(answers("/v1/triggers", "get")["401"].is_object());
    assert!(answers("/v1/triggers/{id}/moves", "post")["403"].is_object());
    assert!(answers("/ready", "get")["401"].is_null());
    assert!(answers("/actions/{token}", "get")["401"].is_null());
    assert!(document["components"]["securitySchemes"]["bearer"].is_object());
}

/// What people write into a reason is kept whole, and shown whole to who may see numbers, and to nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_in_reasons_are_for_who_may_see_them() {
    let harness = broken().await;
    let path = "/v1/triggers/T-000001/moves";
    let refused = json!({"to": "not_optimised", "kind": "uneconomic",
        "reason": "只有用户 138 0013 8000 一人受影响"});
    let reply = ask(&harness, WANG, path, Some(refused)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(!reply.text.contains("0013"), "{}", reply.text);
    for (token, is_shown) in [(CARE, true), (AGENT, false), (EVERYTHING, false)] {
        for path in [
            "/v1/triggers",
            "/v1/triggers/T-000001",
            "/v1/frontline/news",
        ] {
            let text = ask(&harness, token, path, None).await.text;
            assert!(text.contains("一人受影响"), "{path}: {text}");
            assert_eq!(text.contains("138 0013 8000"), is_shown, "{token} {path}");
            assert_eq!(text.contains("138 **** **00"), !is_shown, "{token} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_token_cannot_make_a_producers_batches_repeats() {
    let harness = harness();
    let body = minute("news", "长沙", T0, 0, 1);
    let send = |token: &'static str, sequence: &'static str| {
        let (harness, body) = (&harness, body.clone());
        async move {
            let bearer = format!("Bearer {token}");
            let headers = [
                ("authorization", bearer.as_str()),
                ("Chrysalis-Producer", "gate-1"),
                ("Chrysalis-Sequence", sequence),
            ];
            harness.events(&headers, body).await
        }
    };
    assert_eq!(send(PROBE, "7").await.json()["accepted"], 1);
    for sequence in ["7", "9000000000000000000"] {
        let (status, code, words) = send(EVERYTHING, sequence).await.error();
        assert_eq!((status, code.as_str()), (409, "producer_taken"));
        assert!(
            words.contains("Chrysalis-Producer \"gate-1\" belongs to another token"),
            "{words}"
        );
    }
    assert_eq!(send(PROBE, "8").await.json()["accepted"], 1);
    assert_eq!(send(PROBE, "7").await.json()["duplicate"], true);
    let page = ask(&harness, EVERYTHING, "/metrics", None).await.text;
    let counted = "chrysalis_journal_refused_taken_total 2\n";
    assert!(page.contains(counted), "{page}");
}
