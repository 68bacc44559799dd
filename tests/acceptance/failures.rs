//! Failed dial tests (S1: C1, C2, C5): the closed list of failure classes, time-outs, and what a test was made with.

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, SECOND, near, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;

const TIMES: &str = "
kqis:
  - {id: waited_p95, service: sms_hall, name: n, layer: experience, stream: dial_test, filter: step == 'query', aggregate: p95, timeout: 90s, unit: s, anchors: [10, 17.3, 30, 52, 90], scale: log, group_by: [city], window: 10m, min_samples: 10, department: BSC, alert: none, provenance: [{of: anchors, kind: judgement, reference: t}, {of: timeout, kind: judgement, reference: t}]}
  - {id: waited_mean, service: sms_hall, name: n, layer: experience, stream: dial_test, filter: step == 'query', aggregate: mean, timeout: 90s, unit: s, group_by: [city], window: 10m, department: BSC}
  - {id: came_mean, service: sms_hall, name: n, layer: experience, stream: dial_test, filter: step == 'query' && ok, aggregate: mean, unit: s, group_by: [city], window: 10m, department: BSC}
  - {id: came_in_time, service: sms_hall, name: n, layer: experience, stream: dial_test, filter: step == 'query', good: ok, good_within: 90s, aggregate: ratio, unit: percent, group_by: [city], window: 10m, department: BSC}
  - {id: called_mean, name: n, layer: platform, stream: boss_call, aggregate: mean, timeout: 60s, unit: s, group_by: [host], window: 10m, department: BSC}
";

fn query(city: &str, ok: bool, more: &Value) -> Value {
    let mut event = json!({"type": "dial_test", "service": "sms_hall", "city": city, "step": "query", "ok": ok});
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_failed_test_counts_with_the_time_out_of_the_kqi_however_soon_it_failed() {
    let engine = Engine::with_rules(&[("times.yaml", TIMES)]).await;
    let mut events = Vec::new();
    // Total loss, told at once; total loss without a word on time; half of it; answers that took their time.
    for (city, tests) in [
        (
            "长沙",
            [(false, json!({"latency_ms": 0, "code": "no_reply"}))].as_slice(),
        ),
        ("株洲", &[(false, json!({}))]),
        (
            "湘潭",
            &[
                (true, json!({"latency_ms": 10_000})),
                (false, json!({"latency_ms": 300})),
            ],
        ),
        ("衡阳", &[(true, json!({"latency_ms": 120_000}))]),
        ("邵阳", &[(true, json!({"latency_ms": 10_000}))]),
    ] {
        for (ok, more) in tests {
            events.extend(series(EIGHT, 20 * SECOND, 30, &query(city, *ok, more)));
        }
    }
    for (host, tperrno) in [("good", 0), ("down", 12)] {
        let call = json!({"type": "boss_call", "host": host, "interface": "i", "latency_ms": 2_000, "tperrno": tperrno});
        events.extend(series(EIGHT, 20 * SECOND, 30, &call));
    }
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    engine.pass(EIGHT + 20 * MINUTE).await;
    let end = EIGHT + 10 * MINUTE;
    for (city, p95, mean, in_time) in [
        ("长沙", 90.0, 90.0, 0.0),
        ("株洲", 90.0, 90.0, 0.0),
        ("湘潭", 90.0, 50.0, 50.0),
        ("衡阳", 120.0, 120.0, 0.0),
        ("邵阳", 10.0, 10.0, 100.0),
    ] {
        let group = format!("city={city}");
        let row = engine.window("waited_p95", &group, end).await;
        near(&row["value"], p95, 0.02 * p95);
        if p95 > 30.0 {
            assert!(row["score"].as_f64().unwrap() < 1.1, "{city}: {row}");
            assert_eq!(row["verdict"], "abnormal_critical", "{city}");
        }
        near(
            &engine.window("waited_mean", &group, end).await["value"],
            mean,
            1e-9,
        );
        near(
            &engine.window("came_in_time", &group, end).await["value"],
            in_time,
            1e-9,
        );
    }
    // Who asks for answers only, on the same facts, is not told of those that never came.
    near(
        &engine.window("came_mean", "city=湘潭", end).await["value"],
        10.0,
        1e-9,
    );
    near(
        &engine.window("called_mean", "host=good", end).await["value"],
        2.0,
        1e-9,
    );
    near(
        &engine.window("called_mean", "host=down", end).await["value"],
        60.0,
        1e-9,
    );
    let shown = engine.get("/v1/kqis").await;
    let kqis = shown["kqis"].as_array().unwrap();
    let kqi = kqis.iter().find(|kqi| kqi["id"] == "waited_p95").unwrap();
    assert_eq!(kqi["timeout_ms"], 90_000.0);
    engine.stop().await;
}

const BY_CODE: &str = "
kqis:
  - {id: by_code, service: sms_hall, name: n, layer: platform, stream: dial_test, filter: step == 'query', aggregate: count, unit: count, group_by: [code], window: 1h, department: BSC}
  - {id: answered, service: sms_hall, name: n, layer: platform, stream: dial_test, filter: step == 'query', good: ok, aggregate: ratio, unit: percent, group_by: [city], window: 1h, department: BSC}
";

#[tokio::test(flavor = "multi_thread")]
async fn c5_failure_classes_are_a_closed_list_and_no_unknown_word_is_a_success() {
    let engine = Engine::with_rules(&[("by_code.yaml", BY_CODE)]).await;
    let mut events = Vec::new();
    for (ok, more) in [
        (true, json!({"latency_ms": 5_000})),
        (true, json!({"code": "200"})),
        (false, json!({"code": "系统繁忙"})),
        (false, json!({"code": "BUSY"})),
        (false, json!({"code": "banana"})),
        (true, json!({"code": "banana"})),
        (true, json!({"code": "no_reply"})),
        (false, json!({})),
    ] {
        events.extend(series(EIGHT, MINUTE, 5, &query("长沙", ok, &more)));
    }
    engine.tell(&events).await;
    engine.pass(EIGHT + HOUR).await;
    for (code, count) in [("", 10), ("busy", 10), ("other", 15), ("no_reply", 5)] {
        let row = engine
            .window("by_code", &format!("code={code}"), EIGHT + HOUR)
            .await;
        assert_eq!(row["count"], count, "{code}");
    }
    let row = engine.window("answered", "city=长沙", EIGHT + HOUR).await;
    near(&row["value"], 25.0, 1e-9);
    let metrics = engine.ask("/metrics").await.1;
    assert!(
        metrics.contains("chrysalis_dial_test_unknown_failure_total 10"),
        "{metrics}"
    );
    let kept = engine.get("/v1/quarantine?limit=1").await;
    assert_eq!(kept["lines"][0]["class"], "unknown_failure", "{kept}");
    assert!(kept.to_string().contains("banana"), "{kept}");
    // A rule that asks for a class that is none would never hold.
    let rule = BY_CODE.replace("good: ok,", "good: \"code != 'banana'\",");
    let files = [("m.yaml".to_owned(), rule)];
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/dial_tests.yaml");
    let shipped = std::fs::read_to_string(shipped).unwrap();
    let (_, problems) =
        chrysalis::rules::parse(&[files[0].clone(), ("d.yaml".to_owned(), shipped)]);
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        words
            .iter()
            .any(|words| words.contains("\"banana\" is no failure class")),
        "{words:?}"
    );
    engine.stop().await;
}

const BY_ENVIRONMENT: &str = "
kqis:
  - {id: by_environment, service: sms_hall, name: n, layer: experience, stream: dial_test, filter: \"method == 'consistency'\", aggregate: count, unit: count, group_by: [network, speed, method], window: 1h, department: BSC}
";

#[tokio::test(flavor = "multi_thread")]
async fn c1_c2_speed_and_method_are_dimensions_of_a_dial_test() {
    let engine = Engine::with_rules(&[("environment.yaml", BY_ENVIRONMENT)]).await;
    let mut events = Vec::new();
    for (speed, method, times) in [
        (json!("64k"), "consistency", 3),
        (json!(384), "consistency", 4),
        (json!("64k"), "experience", 5),
    ] {
        let test = json!({"network": "gprs", "speed": speed, "method": method, "latency_ms": 1});
        events.extend(series(EIGHT, MINUTE, times, &query("长沙", true, &test)));
    }
    engine.tell(&events).await;
    engine.pass(EIGHT + HOUR).await;
    for (speed, count) in [("64k", 3), ("384", 4)] {
        let group = format!("network=gprs;speed={speed};method=consistency");
        let row = engine.window("by_environment", &group, EIGHT + HOUR).await;
        assert_eq!(row["count"], count, "{speed}");
    }
    engine.stop().await;
}
