//! The history over HTTP: filters that fit their table, pages, and no address in full.

use crate::api::testing::Harness;
use crate::store::{NOTICES, TRIGGER_MOVES};

fn notice(number: i64) -> crate::store::HistoryRow {
    NOTICES.row([
        ("id", format!("incident.{number}.duty@example.com").into()),
        ("at_ms", (1_764_000_000_000 + number).into()),
        ("thread", "incident".into()),
        ("revision", number.into()),
        ("reason", "first".into()),
        ("recipient", "duty@example.com".into()),
        ("alert", "shall_reply_slow".into()),
        ("severity", "major".into()),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_paged_and_addresses_are_masked() {
    let harness = Harness::new();
    let moved = TRIGGER_MOVES.row([
        ("trigger_id", "T-000001".into()),
        ("ordinal", 0.into()),
        ("at_ms", 7.into()),
        ("to_state", "open".into()),
        ("actor", "王工".into()),
        ("reason", "用户 13800138000 来电".into()),
    ]);
    let rows = [notice(1), notice(2), notice(3), moved];
    harness.state().history.record(5, &rows).await.unwrap();
    let page = harness
        .get("/v1/history/notices?limit=2&alert=shall_reply_slow&from=2025-11-24T16:00:00Z")
        .await
        .json();
    assert_eq!(page["rows"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&page["has_more"], &page["rows"][0]["revision"]),
        (&true.into(), &3.into())
    );
    assert_eq!(page["rows"][0]["recipient"], "d***@example.com");
    assert!(!page.to_string().contains("duty@"), "{page}");
    let moves = harness
        .get("/v1/history/trigger_moves?actor=%E7%8E%8B%E5%B7%A5")
        .await
        .json();
    assert_eq!(moves["rows"][0]["epoch"], 5);
    assert_eq!(moves["rows"][0]["reason"], "用户 138******00 来电");
    for (state, count) in [("open", 1), ("closed", 0)] {
        let path = format!("/v1/history/trigger_moves?state={state}");
        let moves = harness.get(&path).await.json();
        assert_eq!(moves["rows"].as_array().unwrap().len(), count, "{state}");
    }
    assert!(
        moves["about"]
            .as_str()
            .unwrap()
            .contains("who, when and why")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_said() {
    let harness = Harness::new();
    for (path, status, words) in [
        (
            "moves",
            404,
            "the history has no table \"moves\", it has alert_transitions, notices, ",
        ),
        ("audit?alert=x", 400, "audit has no column \"alert\""),
        ("audit?limit=0", 400, "limit is 0, wanted 1 to 1000"),
        (
            "audit?from=yesterday",
            400,
            "from is \"yesterday\", wanted milliseconds or RFC 3339",
        ),
        ("audit?form=1", 400, "unknown query parameter \"form\""),
    ] {
        let answer = harness.get(&format!("/v1/history/{path}")).await;
        assert_eq!(answer.status, status, "{path}");
        let json = answer.json();
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(words), "{message}");
    }
}
