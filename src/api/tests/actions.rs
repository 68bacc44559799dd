//! Links of mails: reading asks, posting acts once, and every other link says why it does nothing.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::api::now_ms;
use crate::api::testing::{Harness, Reply, T0, links, minute};

const OWNER: &str = "duty@example.com";

/// A harness with one trigger that is dispatched.
async fn asked() -> Harness {
    let harness = Harness::new();
    let body = minute("news", "长沙", T0, 3, 4) + &minute("news", "长沙", T0 + 60_000, 0, 1);
    assert_eq!(harness.events(&[], body).await.json()["accepted"], 5);
    harness.until(|snapshot| !snapshot.triggers.is_empty());
    harness
}

fn path(act: &str, revision: u32, email: &str, decided_at_ms: i64) -> String {
    let url = links().url("T-000001", act, revision, email, decided_at_ms);
    url.strip_prefix("https://noc.example.com")
        .unwrap()
        .to_owned()
}

async fn post(harness: &Harness, path: &str, form: &str) -> Reply {
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    harness
        .send(request.body(Body::from(form.to_owned())).unwrap())
        .await
}

async fn trigger(harness: &Harness) -> Value {
    harness.get("/v1/triggers/T-000001").await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_link_asks_and_posting_acts_once_in_the_readers_name() {
    let harness = asked().await;
    let accept = path("accepted", 1, OWNER, now_ms());
    for _ in 0..3 {
        let page = harness.get(&accept).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        for words in [
            "受理：T-000001",
            "值班",
            "<form method=\"post\">",
            "处理时限开始计算",
        ] {
            assert!(page.text.contains(words), "{words}: {}", page.text);
        }
        assert_eq!(trigger(&harness).await["state"], "dispatched");
    }
    let page = post(&harness, &accept, "reason=%E5%B7%B2%E6%B4%BE%E4%BA%BA").await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("已完成"), "{}", page.text);
    let moved = trigger(&harness).await;
    assert_eq!(moved["state"], "accepted");
    let last = moved["history"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["actor"], &last["reason"]),
        (&json!("值班"), &json!("已派人"))
    );
    // Once.
    for page in [
        harness.get(&accept).await,
        post(&harness, &accept, "").await,
    ] {
        assert_eq!(page.status, 409);
        assert!(page.text.contains("您已用过此链接"), "{}", page.text);
        assert!(!page.text.contains("<form"));
    }
    let moves = |moved: &Value| {
        let history = moved["history"].as_array().unwrap().clone();
        history
            .iter()
            .filter(|step| step["from"] != step["to"])
            .count()
    };
    assert_eq!(moves(&trigger(&harness).await), moves(&moved));
    let counted = harness.get("/metrics").await.text;
    for line in [
        "chrysalis_action_links_total{outcome=\"acted\"} 1",
        "chrysalis_action_links_total{outcome=\"asked\"} 3",
        "chrysalis_action_links_total{outcome=\"used\"} 2",
    ] {
        assert!(counted.contains(line), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_after_a_step_leads_to_the_next_ones() {
    let harness = asked().await;
    let mut step = path("accepted", 1, OWNER, now_ms());
    for state in ["accepted", "in_progress", "feedback_given"] {
        let page = post(&harness, &step, "").await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(trigger(&harness).await["state"], state);
        let next = page.text.split("href=\"https://noc.example.com").nth(1);
        let Some(next) = next else {
            assert_eq!(state, "feedback_given", "{}", page.text);
            break;
        };
        step = next.split('"').next().unwrap().to_owned();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_link_asks_for_its_kind_and_reason() {
    let harness = asked().await;
    let refuse = path("not_optimised", 1, OWNER, now_ms());
    let page = harness.get(&refuse).await;
    for words in ["name=\"kind\"", "技术上不可行", "不经济", "required"] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    for (form, problem) in [
        ("", "请选择原因类别"),
        ("kind=never&reason=r", "请选择原因类别"),
        ("kind=uneconomic&reason=++", "请填写原因"),
    ] {
        let page = post(&harness, &refuse, form).await;
        assert_eq!(page.status, 422);
        assert!(page.text.contains(problem), "{}", page.text);
    }
    assert_eq!(trigger(&harness).await["state"], "dispatched");
    let page = post(&harness, &refuse, "kind=uneconomic&reason=too+dear").await;
    assert_eq!(page.status, 200, "{}", page.text);
    let refused = trigger(&harness).await;
    assert_eq!(
        (&refused["state"], &refused["refusal"]),
        (&json!("closed"), &json!("uneconomic"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_are_forged_expired_over_or_for_others_say_what_to_do() {
    let harness = asked().await;
    let now_ms = now_ms();
    let good = path("accepted", 1, OWNER, now_ms);
    let forged = good.replace("accepted", "not_optimised");
    let stranger = path("accepted", 1, "else@example.com", now_ms);
    let expired = path("accepted", 1, OWNER, now_ms - 3_600_001);
    let early = path("mended", 1, OWNER, now_ms);
    let before = path("accepted", 0, OWNER, now_ms);
    let unknown = good.replace("/actions/", "/actions/T-000009~");
    let other = links().url("T-000009", "accepted", 1, OWNER, now_ms);
    let other = other.strip_prefix("https://noc.example.com").unwrap();
    for (path, status, words) in [
        (&*forged, 403, "此链接无效"),
        (&*stranger, 403, "此链接无效"),
        (&*unknown, 403, "This link is not valid"),
        ("/actions/x", 403, "此链接无效"),
        (&*expired, 410, "此链接已过期"),
        (&*early, 409, "此链接已失效"),
        (&*before, 409, "此链接已失效"),
        (other, 404, "触发单已不在列表中"),
    ] {
        for page in [harness.get(path).await, post(&harness, path, "").await] {
            assert_eq!(page.status.as_u16(), status, "{path}: {}", page.text);
            assert!(page.text.contains(words), "{path}: {}", page.text);
            assert!(!page.text.contains("<form"), "{path}");
        }
    }
    assert_eq!(trigger(&harness).await["state"], "dispatched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_none_changes_nothing() {
    let harness = asked().await;
    let accept = path("accepted", 1, OWNER, now_ms());
    let reply = harness.post(&accept, "{}").await;
    assert_eq!(reply.status, 415);
    let long = format!("reason={}", "a".repeat(2_001));
    assert_eq!(post(&harness, &accept, &long).await.status, 422);
    let huge = format!("reason={}", "a".repeat(70_000));
    assert_eq!(post(&harness, &accept, &huge).await.status, 413);
    assert_eq!(trigger(&harness).await["state"], "dispatched");
}
