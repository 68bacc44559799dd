//! BOSS: the experience card's slow replies and the one who holds an interface (S2).

use serde_json::json;

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, SECOND, near, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;
/// Three hosts, five pairs, four services: where S2's addresses and names stand.
const PAIRS: [(&str, &str); 5] = [
    ("10.154.50.51", "ITF_CCOSVC"),
    ("10.154.50.51", "ITF_CCDSVC"),
    ("10.154.50.52", "ITF_CCOSVC"),
    ("10.154.50.52", "ITF_SBHSVC"),
    ("10.154.50.53", "ITF_CCHSVC"),
];
const HOLDER: (&str, &str) = ("10.154.50.52", "ITF_CCOSVC");

#[tokio::test(flavor = "multi_thread")]
async fn h21_h22_slow_replies_and_the_pair_that_holds_an_interface_are_told_and_clear() {
    let engine = Engine::start().await;
    let probe = |ms: i64| json!({"type": "dial_test", "service": "experience_card", "city": "长沙", "step": "query", "ok": true, "latency_ms": ms});
    let mut events = series(EIGHT, 20 * SECOND, 90, &probe(80_000));
    events.extend(series(
        EIGHT + 30 * MINUTE,
        20 * SECOND,
        180,
        &probe(45_000),
    ));
    for (at, (host, interface)) in (1..).zip(PAIRS) {
        let change = |state: &str| json!({"type": "boss_connection", "host": host, "interface": interface, "connection": "c{n}", "state": state});
        let mut from = EIGHT + at * 5 * SECOND;
        if (host, interface) == HOLDER {
            let released = EIGHT + 30 * MINUTE + 30 * SECOND;
            let mut taken = change("acquired");
            taken["client"] = "batch_job".into();
            events.extend(series(EIGHT + MINUTE, 0, 1, &taken));
            events.extend(series(released, 0, 1, &change("released")));
            from = EIGHT + 31 * MINUTE;
        }
        // Everybody else, and afterwards the holder too, gives back within three seconds.
        let change = |state: &str| json!({"type": "boss_connection", "host": host, "interface": interface, "connection": "short {n}", "state": state});
        events.extend(series(from, 30 * SECOND, 100, &change("acquired")));
        events.extend(series(
            from + 3 * SECOND,
            30 * SECOND,
            100,
            &change("released"),
        ));
    }
    engine.tell(&events).await;
    engine.pass(EIGHT + 80 * MINUTE).await;

    let slow = engine.alerts("xcard_sms_reply_time_p95", "resolved").await;
    assert_eq!(slow.len(), 1, "{slow:?}");
    near(&slow[0]["limit_max"], 50.0, 0.0);
    let held = engine.alerts("xcard_boss_hold_max", "resolved").await;
    assert_eq!(held.len(), 1, "one pair of five: {held:?}");
    assert_eq!(held[0]["group"]["host"], HOLDER.0);
    assert_eq!(held[0]["group"]["interface"], HOLDER.1);
    // The whole of it, as it was when it was given back.
    near(&held[0]["worst_value"], 29.5 * 60.0, 0.0);
    // The holder is named, and after the release too; as in what was mailed when it fired and when it ended.
    let holder = &held[0]["holder"];
    assert_eq!(
        (&holder["client"], &holder["connection"]),
        (&json!("batch_job"), &json!("c1"))
    );
    assert_eq!(holder["held_ms"], 29 * MINUTE + 30 * SECOND);
    assert_eq!(holder["released_ms"], EIGHT + 30 * MINUTE + 30 * SECOND);
    let mails = engine.mails("接口占用者", 2).await;
    for words in ["batch_job", "c1", "已释放"] {
        assert!(
            mails.iter().all(|mail| mail.contains(words)),
            "{words}: {mails:#?}"
        );
    }

    // One cause, one trigger: the slow probes are evidence for the demand on the holder's department.
    let asked = engine.get("/v1/triggers").await;
    let all = asked["triggers"].as_array().unwrap();
    let open: Vec<_> = all
        .iter()
        .filter(|trigger| trigger["outcome"] != "absorbed")
        .collect();
    assert_eq!(open.len(), 1, "{asked:#}");
    let trigger = open[0];
    assert_eq!(trigger["kqi"], "xcard_boss_hold_max");
    assert_eq!(trigger["department"], "BSC");
    assert_eq!(trigger["place"], "host=10.154.50.52;interface=ITF_CCOSVC");
    let sources = trigger["sources"].as_array().unwrap();
    let of = |kqi: &str| sources.iter().filter(|source| source["kqi"] == kqi).count();
    assert_eq!(of("xcard_boss_hold_max"), 1);
    assert_eq!(of("xcard_sms_reply_time_p95"), 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h4_refusals_of_the_application_are_not_failures_of_the_system() {
    let engine = Engine::start().await;
    let call = |tperrno: i64| json!({"type": "boss_call", "host": HOLDER.0, "interface": HOLDER.1, "client": "experience_card", "latency_ms": 200, "tperrno": tperrno});
    let mut events = series(EIGHT, SECOND, 510, &call(0));
    // TPESVCFAIL is an answer; TPETIME and TPESYSTEM are none.
    events.extend(series(EIGHT, SECOND, 60, &call(11)));
    events.extend(series(EIGHT, SECOND, 18, &call(13)));
    events.extend(series(EIGHT, SECOND, 12, &call(12)));
    engine.tell(&events).await;
    engine.pass(EIGHT + HOUR).await;
    let group = "host=10.154.50.52;interface=ITF_CCOSVC";
    let end = EIGHT + 15 * MINUTE;
    let row = engine
        .window("xcard_boss_system_failure_ratio", group, end)
        .await;
    near(&row["value"], 5.0, 1e-9);
    assert_eq!(row["count"], 600);
    // The application's refusals have a ratio of their own.
    let refused = engine.window("xcard_boss_refusal_ratio", group, end).await;
    near(&refused["value"], 10.0, 1e-9);
    // What passes to the BOSS is told apart from what a platform does by itself.
    let kqis = engine.get("/v1/kqis").await;
    let scope = |id: &str| {
        let mut kqis = kqis["kqis"].as_array().unwrap().iter();
        kqis.find(|kqi| kqi["id"] == id).unwrap()["scope"].clone()
    };
    assert_eq!(scope("xcard_boss_latency_p95"), "inter_platform");
    assert_eq!(scope("shall_busy_ratio"), "in_platform");
    assert_eq!(scope("xcard_sms_reply_time_p95"), serde_json::Value::Null);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h22_who_waits_in_the_queue_how_much_is_held_and_by_whom() {
    let engine = Engine::start().await;
    let call = |interface: &str, wait_ms: i64| json!({"type": "boss_call", "host": HOLDER.0, "interface": interface, "client": "experience_card", "latency_ms": 300, "wait_ms": wait_ms});
    let mut events = Vec::new();
    for (interface, wait_ms) in [(HOLDER.1, 6_000), ("ITF_SBHSVC", 50)] {
        events.extend(series(EIGHT, 5 * SECOND, 120, &call(interface, wait_ms)));
    }
    let change = |connection: &str, client: &str, state: &str| json!({"type": "boss_connection", "host": HOLDER.0, "interface": HOLDER.1, "connection": connection, "client": client, "state": state});
    events.extend(series(
        EIGHT,
        0,
        1,
        &change("c-17", "batch_job", "acquired"),
    ));
    events.extend(series(EIGHT, 0, 1, &change("c-18", "web_hall", "acquired")));
    events.extend(series(
        EIGHT + MINUTE,
        0,
        1,
        &json!({"type": "boss_connection", "host": HOLDER.0, "interface": HOLDER.1, "connection": "c-18", "state": "active"}),
    ));
    // Eight short ones a minute, given back in time.
    for (at, state) in [(SECOND, "acquired"), (3 * SECOND, "released")] {
        let short = change("s{n}", "experience_card", state);
        events.extend(series(EIGHT + at, 7 * SECOND, 80, &short));
    }
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    let last = EIGHT + 10 * MINUTE;
    engine
        .tell(&[json!({"type": "boss_call", "ts": last + HOUR, "host": "clock", "interface": "clock", "latency_ms": 1, "wait_ms": 1})])
        .await;
    engine.pass(last).await;
    let group = |interface: &str| format!("host={};interface={interface}", HOLDER.0);
    let end = EIGHT + 6 * MINUTE;
    let waits = engine
        .window("xcard_boss_wait_p95", &group(HOLDER.1), end)
        .await;
    near(&waits["value"], 6.0, 0.1);
    assert_eq!(waits["verdict"], "abnormal_major");
    let other = engine
        .window("xcard_boss_wait_p95", &group("ITF_SBHSVC"), end)
        .await;
    assert_eq!(other["verdict"], "normal");
    // Five minutes: two connections all the time, and some 43 that are held for two seconds each.
    let share = engine
        .window("xcard_boss_held_share", &group(HOLDER.1), end)
        .await;
    let held_ms = share["count"].as_f64().unwrap();
    let (long_ms, short_ms) = (600_000.0, held_ms - 600_000.0);
    assert!((80_000.0..90_000.0).contains(&short_ms), "{share}");
    let mean = (long_ms + short_ms * 2.0 / 60.0) / held_ms;
    // Some of the short ones run over the end of a minute.
    near(&share["value"], 100.0 * mean, 0.05);
    // The holder by name, the longest first.
    let holds = engine
        .until("/v1/connections", |answer| answer["holds"] != json!([]))
        .await;
    let holds = holds["holds"].as_array().unwrap();
    let known: Vec<_> = holds
        .iter()
        .map(|hold| (hold["connection"].clone(), hold["client"].clone()))
        .collect();
    assert_eq!(
        known,
        [
            (json!("c-17"), json!("batch_job")),
            (json!("c-18"), json!("web_hall"))
        ]
    );
    // The second said who it is when it took the connection, and not again.
    assert_eq!(holds[0]["since_ms"], EIGHT);
    assert_eq!(holds[1]["since_ms"], EIGHT + MINUTE);
    let elsewhere = engine.get("/v1/connections?interface=ITF_CCHSVC").await;
    assert_eq!(elsewhere["holds"], json!([]));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h21_holds_are_measured_by_time_wherever_minutes_end() {
    let engine = Engine::start().await;
    let change = |host: &str, connection: &str, state: &str| json!({"type": "boss_connection", "host": host, "interface": "ITF_CCOSVC", "connection": connection, "client": "batch", "state": state});
    let mut hold = Vec::new();
    let mut held = |host: &str, connection: &str, from_ms: i64, to_ms: i64| {
        hold.extend(series(
            EIGHT + from_ms,
            0,
            1,
            &change(host, connection, "acquired"),
        ));
        hold.extend(series(
            EIGHT + to_ms,
            0,
            1,
            &change(host, connection, "released"),
        ));
    };
    for n in 0..20 {
        let at = 2 * n * MINUTE;
        // 58 s of every minute, never over its end; and 118 s of every two.
        held("h1", &format!("q{n}"), at + SECOND, at + 59 * SECOND);
        held("h1", &format!("r{n}"), at + 61 * SECOND, at + 119 * SECOND);
        held("h2", &format!("k{n}"), at + SECOND, at + 119 * SECOND);
    }
    // One that is stuck, beside thirty short calls a minute that are given back in a tenth of a second.
    for n in 0..1_200 {
        held(
            "h3",
            &format!("z{n}"),
            n * 2 * SECOND + 600,
            n * 2 * SECOND + 700,
        );
    }
    // Healthy: the short calls alone.
    for n in 0..1_200 {
        held(
            "h4",
            &format!("y{n}"),
            n * 2 * SECOND + 600,
            n * 2 * SECOND + 700,
        );
    }
    hold.extend(series(EIGHT, 0, 1, &change("h3", "stuck", "acquired")));
    hold.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&hold).await;
    engine.pass(EIGHT + 40 * MINUTE).await;
    let end = EIGHT + 30 * MINUTE;
    for (host, share, score_max, longest_s) in [
        ("h1", 58.0 / 60.0, 1.1, 58.0),
        ("h2", 59.0 / 60.0, 1.1, 118.0),
        ("h3", 60_000.0 / 63_000.0, 1.1, 1_800.0),
        ("h4", 0.1 / 60.0, 5.0, 0.1),
    ] {
        let group = format!("host={host};interface=ITF_CCOSVC");
        let row = engine.window("xcard_boss_held_share", &group, end).await;
        if host == "h4" {
            // Three seconds a minute are too little to be judged.
            near(&row["value"], 100.0 * share, 1e-3);
        } else {
            near(&row["value"], 100.0 * share, 0.1);
            assert!(row["score"].as_f64().unwrap() <= score_max, "{host}: {row}");
        }
        let row = engine.window("xcard_boss_hold_max", &group, end).await;
        near(&row["value"], longest_s, 1e-6);
    }
    engine.stop().await;
}
