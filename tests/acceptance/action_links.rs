//! The loop by mail alone: every step of a trigger is taken by links that stand in the mails.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, SECOND, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;

/// The link below these words in a mail.
async fn link(engine: &Engine, words: &str) -> String {
    let began = Instant::now();
    loop {
        let mails = engine.mails("/actions/", 1).await;
        let found = mails.iter().find_map(|text| {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let at = lines.iter().position(|line| *line == words)?;
            lines[at + 1].strip_prefix("https://noc.example.com")
        });
        if let Some(path) = found {
            return path.to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no link {words}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_goes_from_dispatch_to_feedback_by_the_links_of_its_mails() {
    let engine = Engine::with(&[], |config| {
        config.server.public_url = Some("https://noc.example.com".to_owned());
    })
    .await;
    let probe = json!({"type": "dial_test", "service": "experience_card", "city": "长沙", "step": "query", "ok": true, "latency_ms": 90_000});
    engine.tell(&series(EIGHT, 10 * SECOND, 400, &probe)).await;
    engine.pass(EIGHT + 30 * MINUTE).await;
    let path = "/v1/triggers?service=experience_card";
    engine
        .until(path, |answer| answer["triggers"] != json!([]))
        .await;
    for (words, state) in [
        ("受理", "accepted"),
        ("开始处理", "in_progress"),
        ("处理完毕", "feedback_given"),
    ] {
        let link = link(&engine, words).await;
        // A scanner that follows the link changes nothing.
        let (status, page) = engine.ask(&link).await;
        assert!(status.is_success(), "{page}");
        let before = engine.get(path).await["triggers"][0]["state"].clone();
        assert_ne!(before, state);
        let (status, page) = engine.post_form(&link, "").await;
        assert!(status.is_success(), "{page}");
        let after = engine.get(path).await["triggers"][0].clone();
        assert_eq!(after["state"], state);
        let (status, _) = engine.post_form(&link, "").await;
        assert_eq!(status.as_u16(), 409);
    }
    let trigger = engine.get(path).await["triggers"][0].clone();
    let owner = trigger["owner"].clone();
    let by_owner = |step: &&Value| step["actor"] == owner && step["from"] != step["to"];
    let history = trigger["history"].as_array().unwrap();
    assert_eq!(history.iter().filter(by_owner).count(), 3, "{history:#?}");
    // Every move is in the audit, with the name and the link's revision.
    let audit = engine
        .until("/v1/history/audit", |audit| {
            audit["rows"].as_array().is_some_and(|rows| rows.len() >= 3)
        })
        .await;
    let words = audit["rows"][0]["command"].to_string();
    assert!(words.contains("by_link"), "{words}");
    engine.stop().await;
}
