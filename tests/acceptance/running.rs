//! An engine that goes on while what is around it changes (S0's E1 and E2, S4's X1, X2 and X7).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, SECOND, near, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;
const GROUP: &str = "service=sms_hall;city=长沙";

fn reply(latency_ms: i64) -> Value {
    json!({"type": "dial_test", "service": "sms_hall", "city": "长沙", "step": "query", "ok": true, "latency_ms": latency_ms})
}

/// Every sealed window of a KQI within the first two hours.
async fn windows(engine: &Engine, kqi: &str) -> Value {
    let path = format!(
        "/v1/kqis/{kqi}/windows?from={EIGHT}&to={}",
        EIGHT + 2 * HOUR
    );
    engine.get(&path).await["windows"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn e1_a_new_limit_is_in_force_at_once_without_a_restart_or_a_lost_window() {
    let engine = Engine::start().await;
    let started = engine.get("/v1/status").await["started_at_ms"].clone();
    // Within half of an open hour the limit falls from 30 s to 20 s.
    let half = EIGHT + 30 * MINUTE;
    engine
        .tell(&series(EIGHT, MINUTE, 30, &reply(25_000)))
        .await;
    engine
        .tell(&series(EIGHT, 20 * SECOND, 90, &reply(25_000)))
        .await;
    let anchors = engine.rules("anchors.yaml");
    let tighter = anchors.replace("[10, 17.3, 30, 52, 90]", "[5, 10, 20, 40, 80]");
    assert_ne!(anchors, tighter);
    engine.reload_with("anchors.yaml", &tighter).await;
    engine
        .tell(&series(half, 20 * SECOND, 90, &reply(25_000)))
        .await;
    engine.pass(EIGHT + HOUR).await;
    let row = engine
        .window("shall_reply_time_p95", GROUP, EIGHT + 50 * MINUTE)
        .await;
    near(&row["value"], 25.0, 0.5);
    assert!(
        row["verdict"].as_str().unwrap().starts_with("abnormal"),
        "{row}"
    );
    let alerts = engine.alerts("shall_reply_time_p95", "firing").await;
    near(&alerts[0]["limit_max"], 20.0, 0.0);
    // The window that was open over the change has every fact of before and after it.
    let hour = engine
        .window("shall_reply_within_30s_ratio", GROUP, EIGHT + HOUR)
        .await;
    assert_eq!(hour["count"], 30 + 90 + 90);
    assert_eq!(
        engine.get("/v1/status").await["started_at_ms"],
        started,
        "it was not started again"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e2_what_comes_in_is_on_the_reports_within_two_seconds() {
    let engine = Engine::start().await;
    let bound = Duration::from_secs(2);
    let path = format!(
        "/v1/kqis/shall_reply_time_p95/windows?from={EIGHT}&to={}",
        EIGHT + HOUR
    );
    // While its window is open it shows as provisional.
    engine
        .tell(&series(EIGHT, SECOND, 120, &reply(6_000)))
        .await;
    let began = Instant::now();
    let shows = |answer: &Value| {
        let rows = answer["windows"].as_array().unwrap();
        rows.iter()
            .any(|row| row["sealed"] == false && row["count"] == 120)
    };
    engine.until(&path, shows).await;
    assert!(began.elapsed() < bound, "{:?}", began.elapsed());
    // Once event time has passed its end it is judged, and the service's health has it.
    let judged = |answer: &Value| {
        let rows = answer["windows"].as_array().unwrap();
        rows.iter()
            .any(|row| row["sealed"] == true && row["score"] == 5.0)
    };
    engine
        .tell(&series(
            EIGHT + 6 * MINUTE,
            SECOND,
            1,
            &json!({"type": "dial_test", "service": "sms_hall", "city": "长沙", "step": "clock", "ok": true}),
        ))
        .await;
    let began = Instant::now();
    engine.until(&path, judged).await;
    assert!(began.elapsed() < bound, "{:?}", began.elapsed());
    let health = "/v1/health/sms_hall";
    engine.until(health, |answer| answer["min"] == 5.0).await;
    assert!(began.elapsed() < bound, "{:?}", began.elapsed());
    engine.stop().await;
}

const KIOSKS: &str = "
kqis:
  - {id: kiosk_up, name: {zh: 自助终端可用率, en: Kiosks in service}, layer: experience, stream: gauge, filter: name == 'kiosk_up', aggregate: mean, group_by: [city], window: 5m, unit: percent}
";

#[tokio::test(flavor = "multi_thread")]
async fn x1_a_source_is_added_without_a_change_to_what_the_others_said() {
    let engine = Engine::start().await;
    engine
        .tell(&series(EIGHT, 20 * SECOND, 180, &reply(31_000)))
        .await;
    engine.pass(EIGHT + HOUR).await;
    // The last that has facts: what is not sealed yet would be another answer.
    engine
        .window("shall_reply_time_p95", GROUP, EIGHT + 64 * MINUTE)
        .await;
    let before = windows(&engine, "shall_reply_time_p95").await;
    let alerts = engine.get("/v1/alerts").await;
    engine.reload_with("kiosks.yaml", KIOSKS).await;
    let kiosk = json!({"type": "gauge", "name": "kiosk_up", "value": 98, "source": "kiosks", "dims": {"city": "长沙"}});
    engine
        .tell(&series(EIGHT + 2 * HOUR, MINUTE, 10, &kiosk))
        .await;
    engine.tell(&series(EIGHT + 4 * HOUR, 0, 1, &kiosk)).await;
    engine.pass(EIGHT + 3 * HOUR).await;
    // While the book comes into force, readers are told to ask again.
    let began = Instant::now();
    while !engine.ask("/v1/kqis/kiosk_up/windows").await.0.is_success() {
        assert!(began.elapsed() < Duration::from_secs(30), "never in force");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let added = engine
        .window("kiosk_up", "city=长沙", EIGHT + 2 * HOUR + 5 * MINUTE)
        .await;
    near(&added["value"], 98.0, 1e-9);
    assert_eq!(windows(&engine, "shall_reply_time_p95").await, before);
    let ids = |answer: &Value| -> Vec<Value> {
        let alerts = answer["alerts"].as_array().unwrap().iter();
        alerts.map(|alert| alert["incident"].clone()).collect()
    };
    assert_eq!(ids(&engine.get("/v1/alerts").await), ids(&alerts));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x2_an_engine_that_is_started_again_under_load_says_what_an_unbroken_one_says() {
    let mut events = series(EIGHT, 10 * SECOND, 360, &reply(6_000));
    events.extend(series(
        EIGHT + 20 * MINUTE,
        10 * SECOND,
        120,
        &reply(60_000),
    ));
    let submit = json!({"type": "mms_submit", "message_id": "m{n}", "service": "mobile_newspaper", "city": "长沙", "edition": "morning"});
    events.extend(series(EIGHT, SECOND, 300, &submit));
    let receipt = json!({"type": "mms_receipt", "message_id": "m{n}", "status": "Retrieved"});
    events.extend(series(EIGHT + MINUTE, 5 * SECOND, 270, &receipt));
    events.sort_by_key(|event| event["ts"].as_i64());
    let unbroken = Engine::start().await;
    unbroken.tell(&events).await;
    // In three pieces: messages wait for their receipts and windows are open when it ends.
    let mut broken = Engine::start().await;
    for (at, piece) in events.chunks(events.len().div_ceil(3)).enumerate() {
        if at > 0 {
            broken = broken.restart().await;
        }
        broken.tell(piece).await;
    }
    let mut said = Vec::new();
    for engine in [unbroken, broken] {
        engine.pass(EIGHT + 2 * HOUR).await;
        engine
            .window("shall_reply_time_p95", GROUP, EIGHT + 59 * MINUTE)
            .await;
        let of = "service=mobile_newspaper;city=长沙";
        engine
            .window("mnews_delivery_success_ratio", of, EIGHT + HOUR)
            .await;
        let mut rows = Vec::new();
        for kqi in [
            "shall_reply_time_p95",
            "shall_reply_within_30s_ratio",
            "mnews_delivery_success_ratio",
            "mnews_delivery_time_mean",
        ] {
            let all = windows(&engine, kqi).await;
            let sealed = all.as_array().unwrap().iter();
            rows.extend(sealed.filter(|row| row["sealed"] == true).map(|row| {
                let of = |name: &str| row[name].clone();
                [
                    kqi.into(),
                    of("group"),
                    of("window_end_ms"),
                    of("value"),
                    of("count"),
                    of("verdict"),
                ]
            }));
        }
        let alerts = engine.alerts("shall_reply_time_p95", "resolved").await;
        let alerts: Vec<Value> = alerts
            .iter()
            .map(|alert| {
                json!([
                    alert["incident"],
                    alert["fired_at_ms"],
                    alert["worst_value"]
                ])
            })
            .collect();
        said.push((rows, alerts));
        engine.stop().await;
    }
    assert!(said[0].0.len() > 50, "{}", said[0].0.len());
    assert_eq!(said[0], said[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn x7_a_source_that_falls_silent_is_alarmed_by_itself_and_so_is_its_return() {
    let book = std::fs::read_to_string("rules/book.yaml").unwrap();
    let impatient = book.replacen("idle_timeout: 5m", "idle_timeout: 2s", 1);
    assert_ne!(book, impatient);
    let engine = Engine::with_rules(&[("book.yaml", &impatient)]).await;
    let now = engine.get("/v1/status").await["now_ms"].as_i64().unwrap();
    let of = |source: &str| {
        let mut reply = reply(6_000);
        reply["source"] = source.into();
        reply
    };
    engine
        .tell(&series(now - MINUTE, SECOND, 60, &of("vendor-a")))
        .await;
    // The other one goes on.
    let began = Instant::now();
    let firing = loop {
        let ts = now + i64::try_from(began.elapsed().as_millis()).unwrap();
        engine.tell(&series(ts, 0, 1, &of("vendor-b"))).await;
        let answer = engine.get("/v1/alerts").await;
        let alerts = answer["alerts"].as_array().unwrap().clone();
        if !alerts.is_empty() {
            break alerts;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "nobody said so");
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    assert_eq!(firing.len(), 1, "{firing:#?}");
    assert_eq!(
        (&firing[0]["alert"], &firing[0]["state"]),
        (&json!("source_silent"), &json!("firing"))
    );
    assert_eq!(
        firing[0]["group"],
        json!({"stream": "dial_test", "source": "vendor-a"})
    );
    engine.mails("vendor-a", 1).await;
    // The engine's own parts say that they live.
    let status = engine.get("/v1/status").await;
    let idle = |source: &str| {
        let mut sources = status["sources"].as_array().unwrap().iter();
        sources.find(|of| of["source"] == source).unwrap()["idle"].clone()
    };
    assert_eq!(
        (idle("vendor-a"), idle("vendor-b")),
        (json!(true), json!(false))
    );
    assert!(status["tick_ms"].as_i64().unwrap() > now);
    // It ends by itself too.
    let ts = now + i64::try_from(began.elapsed().as_millis()).unwrap();
    engine.tell(&series(ts, 0, 1, &of("vendor-a"))).await;
    let back = engine.alerts("source_silent", "resolved").await;
    assert!(
        back.iter().any(|alert| alert["reason"] == "source_back"),
        "{back:#?}"
    );
    engine.stop().await;
}
