//! While a start catches up: what needs no worker is answered, and who needs them is told at once to come back.

use crate::api::Lifecycle;
use crate::api::testing::{Harness, T0, minute};
use crate::journal::ReplayNow;

/// An engine that has read 40 % of its journal back.
fn catching_up() -> Harness {
    let harness = Harness::new();
    let health = &harness.state().health;
    health.set_lifecycle(Lifecycle::Starting { percent: 0 });
    let replay = ReplayNow {
        read_bytes: 400,
        all_bytes: 1_000,
        ends_before: None,
    };
    health.note_replay(replay, 0);
    harness
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_the_workers_is_told_how_far_the_start_is() {
    let harness = catching_up();
    for path in [
        "/v1/kqis",
        "/v1/services",
        "/v1/health",
        "/v1/health/news",
        "/v1/boards/cities",
        "/v1/kqis/news_success/contributions",
        "/v1/kqis/news_success/windows",
        "/v1/kqis/news_success/windows?group=service=news;city=x",
        // What would tell the past as if it were now.
        "/v1/alerts",
        "/v1/triggers",
        "/v1/crossings",
        "/v1/frontline/news",
    ] {
        let reply = harness.get(path).await;
        let (status, code, message) = reply.error();
        assert_eq!((status, &*code), (503, "starting"), "{path}: {message}");
        let words = "starting: 40 % of the journal is read back, about ";
        assert!(message.starts_with(words), "{path}: {message}");
        assert_eq!(reply.headers["retry-after"], "1", "{path}");
    }
    // What is wrong in any case is said.
    assert_eq!(harness.get("/v1/kqis?kqi=none").await.status, 404);

    // All is read back, and one epoch of it is not counted yet.
    let replay = ReplayNow {
        read_bytes: 1_000,
        all_bytes: 1_000,
        ends_before: Some(3),
    };
    let health = &harness.state().health;
    health.note_replay(replay, 2);
    assert_eq!(harness.get("/ready").await.status, 503);
    health.note_replay(replay, 3);
    assert_eq!(harness.get("/ready").await.status, 200);
    assert_eq!(harness.get("/v1/kqis").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_nothing_to_read_back_asks_the_workers() {
    let harness = Harness::new();
    let health = &harness.state().health;
    health.set_lifecycle(Lifecycle::Starting { percent: 0 });
    health.note_replay(ReplayNow::default(), 0);
    assert_eq!(harness.get("/v1/kqis").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_the_metrics_say_how_far_it_is_and_all_that_needs_no_worker() {
    let harness = catching_up();
    let taken = harness.events(&[], minute("news", "长沙", T0, 3, 4)).await;
    assert_eq!(taken.status, 200);
    harness.until(|snapshot| snapshot.watermarks.sources().next().is_some());

    let page = harness.get("/metrics").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for line in [
        "chrysalis_kqis_known 0\n",
        "chrysalis_state{state=\"starting\"} 1\n",
        "chrysalis_replay_progress_ratio 0.4\n",
        "chrysalis_replay_left_seconds ",
        "chrysalis_events_accepted_total{type=\"dial_test\"} 4\n",
        "chrysalis_kqi_limit{kqi=\"news_success\",service=\"news\",bound=\"min\"} 0.95\n",
        "chrysalis_limit_held{limit=\"http.kqi_objects_max\"} 0\n",
    ] {
        assert!(page.text.contains(line), "{line:?} in {}", page.text);
    }
    // What is not known is not there, and no zero.
    for name in [
        "kqi_value",
        "kqi_verdict",
        "kqi_objects{",
        "service_health",
        "alerts{",
        "triggers{",
    ] {
        let name = format!("\nchrysalis_{name}");
        assert!(!page.text.contains(&name), "{name:?} in {}", page.text);
    }

    let page = harness.get("/").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for words in [
        "启动中，日志回放 40%，约剩 ",
        "starting, 40 % of the journal replayed, about ",
        // Of the services nothing is known yet; of the sources all is.
        "手机报",
        "dial_test",
    ] {
        assert!(page.text.contains(words), "{words}\n{}", page.text);
    }
    let status = harness.get("/v1/status").await.json();
    assert_eq!(status["starting_percent"], 40);
    assert!(status["starting_left_s"].as_f64().is_some(), "{status}");

    harness.state().health.set_lifecycle(Lifecycle::Ready);
    let page = harness.get("/metrics").await.text;
    assert!(page.contains("chrysalis_kqis_known 1\n"), "{page}");
    assert!(page.contains("\nchrysalis_kqi_objects{"), "{page}");
    assert!(page.contains("\nchrysalis_triggers{"), "{page}");
    assert!(!page.contains("chrysalis_replay_left_seconds"), "{page}");
}
