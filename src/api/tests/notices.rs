//! Notices over HTTP: who could not be told is seen, and is told when somebody wishes it, once.

use serde_json::json;

use crate::api::testing::Harness;
use crate::metrics::NotifyCounts;
use crate::store::{Attempt, Entry, Failed, Ledger};

fn entry(id: &str) -> Entry {
    Entry {
        id: id.to_owned(),
        incident: format!("incident of {id}"),
        revision: 1,
        reason: "first".to_owned(),
        recipient: "duty@example.com".to_owned(),
        urgency: 2,
        message_id: format!("{id}@example.com"),
        notice: b"{}".to_vec(),
        decided_at_ms: 1_764_000_000_000,
        digest: None,
    }
}

/// One that is sent, one that waits after a failure, one dead letter.
async fn three(ledger: &Ledger) {
    let entries = ["sent", "waits", "dead"].map(entry);
    ledger.record(1, &entries).await.unwrap();
    let attempts = ["sent", "waits", "dead"].map(|id| Attempt {
        id,
        message: Some(("[告警] 体验卡", b"eml")),
    });
    ledger.mark_sending(&attempts).await.unwrap();
    ledger.mark_sent("sent", 1_764_000_001_000).await.unwrap();
    let again = Failed::RetryAt(1_764_000_009_000);
    let said = "450 4.2.1 try later";
    ledger
        .mark_failed("waits", again, said, "transient")
        .await
        .unwrap();
    let dead = Failed::Dead(1_764_000_002_000);
    let said = "550 5.1.1 <duty@example.com>: no such user";
    ledger
        .mark_failed("dead", dead, said, "permanent")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_seen_with_its_reason_and_without_the_address() {
    let harness = Harness::new();
    three(&harness.state().deliveries.ledger).await;
    let answer = harness.get("/v1/notices?state=dead").await.json();
    assert_eq!(
        answer["counts"],
        json!({"queued": 1, "sending": 0, "sent": 1, "dead": 1})
    );
    let rows = answer["notices"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    for (field, is) in [
        ("id", json!("dead")),
        ("recipient", json!("d***@example.com")),
        ("attempts", json!(1)),
        ("failure", json!("permanent")),
        (
            "last_error",
            json!("550 5.1.1 <d***@example.com>: no such user"),
        ),
        ("settled_at", json!("2025-11-25T00:00:02.000+08:00")),
        ("next_attempt_at", json!(null)),
    ] {
        assert_eq!(rows[0][field], is, "{field}");
    }
    let waits = harness.get("/v1/notices?state=queued").await.json();
    let row = &waits["notices"][0];
    assert_eq!(
        (&row["failure"], &row["next_attempt_at"]),
        (&json!("transient"), &json!("2025-11-25T00:00:09.000+08:00"))
    );
    let all = harness.get("/v1/notices").await.json();
    assert_eq!(all["notices"].as_array().unwrap().len(), 3);
    let page = harness.get("/v1/notices?limit=1&offset=1").await.json();
    assert_eq!(page["notices"][0]["id"], "waits");
    let one = harness
        .get("/v1/notices?incident=incident+of+sent")
        .await
        .json();
    assert_eq!(one["notices"][0]["state"], "sent");
    for (query, code) in [
        ("state=gone", "bad_query"),
        ("limit=0", "bad_query"),
        ("limit=1001", "bad_query"),
        ("recipient=x", "bad_query"),
    ] {
        let (status, told, words) = harness.get(&format!("/v1/notices?{query}")).await.error();
        assert_eq!((status, &*told), (400, code), "{query}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_resent_once_however_often_it_is_asked_for() {
    let harness = Harness::new();
    let ledger = harness.state().deliveries.ledger.clone();
    three(&ledger).await;
    let wish = r#"{"actor":"王工","reason":"the address is mended"}"#;
    for resent in [true, false, false] {
        let answer = harness.post("/v1/notices/dead/resend", wish).await.json();
        assert_eq!(
            answer,
            json!({"id": "dead", "state": "queued", "resent": resent})
        );
    }
    let row = &harness.get("/v1/notices?state=queued").await.json()["notices"][0];
    assert_eq!(
        (&row["id"], &row["resent_by"]),
        (&json!("dead"), &json!("王工"))
    );
    assert!(row["resent_at_ms"].is_i64());
    for (path, body, status) in [
        ("/v1/notices/sent/resend", wish, 409),
        ("/v1/notices/nobody/resend", wish, 404),
        ("/v1/notices/dead/resend", r#"{"actor":" "}"#, 400),
        ("/v1/notices/dead/resend", r#"{"actor":"a","x":1}"#, 400),
        ("/v1/notices/dead/resend", "", 400),
    ] {
        let reply = harness.post(path, body).await;
        assert_eq!(
            reply.status.as_u16(),
            status,
            "{path} {body}: {}",
            reply.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_are_resent_by_one_request_and_the_status_counts_them() {
    let harness = Harness::new();
    let ledger = harness.state().deliveries.ledger.clone();
    three(&ledger).await;
    let notices = &harness.get("/v1/status").await.json()["notices"];
    assert_eq!(notices, &json!({"waiting": 1, "dead_letters": 1}));
    let path = "/v1/notices/resend";
    for (body, resent, left) in [
        (r#"{"actor":"王工","failure":"transient"}"#, 0, 0),
        (r#"{"actor":"王工","incident":"another"}"#, 0, 0),
        (r#"{"actor":"王工","recipient":"DUTY@example.com"}"#, 1, 0),
        (r#"{"actor":"王工"}"#, 0, 0),
    ] {
        let answer = harness.post(path, body).await.json();
        assert_eq!(
            answer,
            json!({"resent": resent, "mails": resent, "left": left}),
            "{body}"
        );
    }
    let notices = &harness.get("/v1/status").await.json()["notices"];
    assert_eq!(notices, &json!({"waiting": 2, "dead_letters": 0}));
    for body in [
        r#"{"actor":" "}"#,
        r#"{"actor":"a","failure":"dead"}"#,
        r#"{"actor":"a","state":"sent"}"#,
        "",
    ] {
        assert_eq!(
            harness.post(path, body).await.status.as_u16(),
            400,
            "{body}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_how_many_could_not_be_told() {
    let harness = Harness::new();
    assert!(harness.get("/").await.text.contains("没有死信"));
    harness
        .state()
        .metrics
        .set_notify_source(Box::new(|| NotifyCounts {
            dead_letters: 17,
            ..NotifyCounts::default()
        }));
    let page = harness.get("/").await.text;
    assert!(
        page.contains("死信 17") && page.contains("/v1/notices?state=dead"),
        "{page}"
    );
}
