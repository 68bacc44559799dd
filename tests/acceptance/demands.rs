//! From what is measured to what is asked of whom (S2's H1, H3, H11, H12; S0's E6; S4's X12).

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, SECOND, near, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;
const NOT_RECEIVED: &str = "投诉/数据业务/自有业务/手机报/使用/接收异常/没有收到手机报";

/// Two hundred messages of the morning, reported from `at_ms` on; the last so many expire.
async fn issue(engine: &Engine, city: &str, at_ms: i64, expired: i64) {
    let submit = json!({"type": "mms_submit", "message_id": format!("{city} {{n}}"), "service": "mobile_newspaper", "city": city, "edition": "morning"});
    engine.tell(&series(EIGHT, SECOND, 200, &submit)).await;
    let receipts: Vec<Value> = (1..=200)
        .map(|n| {
            let status = if n <= 200 - expired { "Retrieved" } else { "Expired" };
            json!({"type": "mms_receipt", "message_id": format!("{city} {n}"), "status": status, "ts": at_ms + n * SECOND})
        })
        .collect();
    engine.tell(&receipts).await;
}

async fn ten_complain(engine: &Engine, city: &str) {
    engine
        .tell(&[json!({"type": "gauge", "name": "subscriber_base", "value": 100_000, "dims": {"service": "mobile_newspaper", "city": city}, "ts": MONDAY})])
        .await;
    let ticket = json!({"type": "complaint", "serial": format!("{city}-{{n}}"), "state": "filed", "service": "mobile_newspaper", "city": city, "path": NOT_RECEIVED});
    engine
        .tell(&series(EIGHT + 30 * MINUTE, MINUTE, 10, &ticket))
        .await;
}

fn all<'a>(answer: &'a Value, of: &str) -> &'a Vec<Value> {
    answer[of].as_array().unwrap()
}

/// The one trigger of an issue that did not arrive in 永州, once it has the ten tickets that tell of it.
async fn of_ten_tickets(engine: &Engine) -> Value {
    issue(engine, "永州", EIGHT + MINUTE, 12).await;
    ten_complain(engine, "永州").await;
    engine.pass(EIGHT + 20 * HOUR).await;
    let one = |answer: &Value| {
        let triggers = all(answer, "triggers");
        triggers.len() == 1 && triggers[0]["tickets"] == 10
    };
    let path = "/v1/triggers?service=mobile_newspaper";
    engine.until(path, one).await["triggers"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_a_trigger_names_the_windows_that_caused_it_and_the_tickets_that_tell_of_it() {
    let engine = Engine::start().await;
    let trigger = of_ten_tickets(&engine).await;
    let id = trigger["id"].as_str().unwrap();
    // Information, evaluation, trigger: each window of the evidence is one that the KQI has, with its numbers.
    let evidence = all(&trigger, "evidence");
    assert!(!evidence.is_empty(), "{trigger:#}");
    for window in evidence {
        let kqi = window["kqi"].as_str().unwrap();
        let (group, end) = (&window["group_label"], &window["window_end_ms"]);
        let row = engine
            .window(kqi, group.as_str().unwrap(), end.as_i64().unwrap())
            .await;
        assert_eq!(
            (&row["value"], &row["score"], &row["window_start_ms"]),
            (
                &window["value"],
                &window["score"],
                &window["window_start_ms"]
            ),
            "{kqi} {group}"
        );
        assert!(
            row["verdict"].as_str().unwrap().starts_with("abnormal"),
            "{row}"
        );
    }
    // The events that people sent: every ticket by its serial number, and no other's.
    issue(&engine, "常德", EIGHT + MINUTE, 0).await;
    let tickets = engine.get(&format!("/v1/triggers/{id}/tickets")).await;
    let mut serials: Vec<&str> = all(&tickets, "tickets")
        .iter()
        .map(|ticket| ticket["serial"].as_str().unwrap())
        .collect();
    serials.sort_unstable();
    let mut sent: Vec<String> = (1..=10).map(|n| format!("永州-{n}")).collect();
    sent.sort_unstable();
    assert_eq!(serials, sent);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h3_what_is_wrong_on_three_layers_is_asked_of_three_departments() {
    let engine = Engine::start().await;
    // Late for the edition and too many expired; and its calls to the BOSS fail.
    issue(&engine, "长沙", EIGHT + 2 * HOUR, 40).await;
    let call = json!({"type": "boss_call", "host": "h1", "interface": "ITF_A", "client": "mobile_newspaper", "latency_ms": 300, "tperrno": 12});
    engine
        .tell(&series(EIGHT + 2 * HOUR, 5 * SECOND, 360, &call))
        .await;
    engine.pass(EIGHT + 4 * HOUR).await;
    let path = "/v1/triggers?service=mobile_newspaper";
    let asked = engine
        .until(path, |answer| all(answer, "triggers").len() >= 3)
        .await;
    let mut demands: Vec<(&str, &str)> = all(&asked, "triggers")
        .iter()
        .map(|trigger| {
            let word = |name: &str| trigger[name].as_str().unwrap();
            (word("layer"), word("department"))
        })
        .collect();
    demands.sort_unstable();
    assert_eq!(
        demands,
        [
            ("experience", "DATA"),
            ("network", "NET"),
            ("platform", "BSC")
        ]
    );
    let health = engine.get("/v1/health/mobile_newspaper").await;
    let layers: Vec<&str> = all(&health, "layers")
        .iter()
        .map(|layer| layer["layer"].as_str().unwrap())
        .collect();
    assert_eq!(layers, ["experience", "platform", "network"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h11_scores_fall_with_the_wait_from_5_to_1_and_what_leaves_the_interval_is_abnormal() {
    let engine = Engine::start().await;
    let waits = [
        ("长沙", 1_000),
        ("株洲", 10_000),
        ("湘潭", 14_000),
        ("衡阳", 29_000),
        ("邵阳", 31_000),
        ("岳阳", 60_000),
        ("常德", 89_000),
        ("益阳", 110_000),
    ];
    for (city, latency_ms) in waits {
        let probe = json!({"type": "dial_test", "service": "sms_hall", "city": city, "step": "query", "ok": true, "latency_ms": latency_ms});
        engine.tell(&series(EIGHT, 20 * SECOND, 30, &probe)).await;
    }
    let end = EIGHT + 10 * MINUTE;
    engine.pass(end).await;
    let mut before = 5.0;
    for (city, latency_ms) in waits {
        let group = format!("service=sms_hall;city={city}");
        let row = engine.window("shall_reply_time_p95", &group, end).await;
        let score = row["score"].as_f64().unwrap();
        assert!(
            (1.0..=before).contains(&score),
            "{city}: {score} after {before}"
        );
        before = score;
        let is_abnormal = row["verdict"].as_str().unwrap().starts_with("abnormal");
        assert_eq!(is_abnormal, latency_ms > 30_000, "{row}");
        assert_eq!(is_abnormal, score < 3.0, "{row}");
    }
    near(&json!(before), 1.0, 0.0);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h12_probes_and_complaints_of_one_branch_confirm_each_other_and_press_more() {
    let engine = Engine::start().await;
    // Two branches in the same trouble; the customers of one complain too.
    for city in ["长沙", "永州"] {
        issue(&engine, city, EIGHT + MINUTE, 12).await;
    }
    ten_complain(&engine, "永州").await;
    engine.pass(EIGHT + 20 * HOUR).await;
    let path = "/v1/triggers?service=mobile_newspaper";
    let both = |answer: &Value| {
        let triggers = all(answer, "triggers");
        triggers.len() == 2
            && triggers
                .iter()
                .all(|trigger| !trigger["crossing"].is_null())
    };
    let asked = engine.until(path, both).await;
    let of = |city: &str| {
        let mut triggers = all(&asked, "triggers").iter();
        triggers.find(|trigger| trigger["place"] == city).unwrap()
    };
    let (heard, unheard) = (of("永州"), of("长沙"));
    assert_eq!(heard["crossing"], "confirmed");
    assert_eq!(unheard["crossing"], "silent_degradation");
    let total = |trigger: &Value| trigger["urgency"]["total"].as_i64().unwrap();
    assert!(
        total(heard) > total(unheard),
        "{} {}",
        heard["urgency"],
        unheard["urgency"]
    );
    // Windows are the branch's: each of the evidence is of its own city.
    for trigger in [heard, unheard] {
        let city = trigger["place"].as_str().unwrap();
        for window in all(trigger, "evidence") {
            assert!(
                window["group_label"].as_str().unwrap().contains(city),
                "{window}"
            );
        }
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e6_eight_collection_sources_are_taken_and_each_is_counted() {
    let engine = Engine::start().await;
    // 日投诉量监控, 疑难问题, 客服信息反馈, 金点子, 其他省公司案例, 社会化聆听: tickets by the channel that they came by.
    let channels = [
        "日投诉量监控",
        "疑难问题",
        "客服信息反馈",
        "金点子",
        "其他省公司案例",
        "社会化聆听",
    ];
    for (count, channel) in (50..).zip(channels) {
        let ticket = json!({"type": "complaint", "serial": format!("{channel} {{n}}"), "state": "filed", "channel": channel, "city": "长沙", "path": NOT_RECEIVED});
        engine
            .tell(&series(MONDAY + 9 * HOUR, SECOND, count, &ticket))
            .await;
    }
    // 拨测（第三方）, and surveys.
    let probe = json!({"type": "dial_test", "service": "wap_hall", "city": "长沙", "step": "connect", "ok": true, "latency_ms": 900, "source": "第三方拨测"});
    engine
        .tell(&series(MONDAY + 9 * HOUR, MINUTE, 90, &probe))
        .await;
    let survey = json!({"type": "gauge", "name": "satisfaction", "value": 85, "dims": {"service": "web_hall", "city": "长沙"}});
    engine.tell(&series(MONDAY + 9 * HOUR, 0, 1, &survey)).await;
    // Who probes has a clock of its own.
    let mut later = probe.clone();
    later["step"] = "clock".into();
    engine
        .tell(&series(MONDAY + 12 * HOUR + 30 * MINUTE, 0, 1, &later))
        .await;
    engine.pass(MONDAY + 12 * HOUR).await;
    let probes = engine
        .window(
            "phall_connect_failure_ratio",
            "service=wap_hall;city=长沙",
            MONDAY + 11 * HOUR,
        )
        .await;
    assert_eq!(probes["count"], 90);
    let told = engine
        .window(
            "whall_satisfaction",
            "service=web_hall;city=长沙",
            MONDAY + 12 * HOUR,
        )
        .await;
    near(&told["value"], 85.0, 0.0);
    // Tickets are counted by the week.
    engine.pass(MONDAY + 7 * DAY).await;
    for (count, channel) in (50..).zip(channels) {
        let row = engine
            .window(
                "complaint_unclassified_ratio",
                &format!("channel={channel}"),
                MONDAY + 7 * DAY,
            )
            .await;
        assert_eq!(row["count"], count, "{channel}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x12_what_is_handed_over_keeps_its_history_and_its_tickets() {
    let engine = Engine::start().await;
    let trigger = of_ten_tickets(&engine).await;
    let path = format!("/v1/triggers/{}", trigger["id"].as_str().unwrap());
    for (department, actor, reason) in [
        ("BSC", "网络部张工", "平台问题"),
        ("DATA", "支撑李工", "转数据部协调"),
    ] {
        let body = json!({"department": department, "actor": actor, "reason": reason});
        let (status, text) = engine
            .post(&format!("{path}/hand-over"), body.to_string())
            .await;
        assert!(status.is_success(), "{text}");
    }
    let after = engine.get(&path).await;
    assert_eq!(
        (&after["department"], &after["hops"], &after["tickets"]),
        (&json!("DATA"), &json!(2), &json!(10))
    );
    // What was said before it went on stands unchanged, and each hand-over says who, when and why.
    let (was, is) = (all(&trigger, "history"), all(&after, "history"));
    assert_eq!(was[..], is[..was.len()]);
    let steps: Vec<(&str, &str)> = is[was.len()..]
        .iter()
        .map(|step| {
            assert!(step["at_ms"].as_i64().unwrap() > 0, "{step}");
            (
                step["actor"].as_str().unwrap(),
                step["reason"].as_str().unwrap(),
            )
        })
        .filter(|(actor, _)| *actor != "engine")
        .collect();
    assert_eq!(steps.len(), 2, "{after:#}");
    assert!(
        steps[0].0 == "网络部张工" && steps[0].1.contains("平台问题"),
        "{steps:?}"
    );
    assert!(
        steps[1].0 == "支撑李工" && steps[1].1.contains("转数据部协调"),
        "{steps:?}"
    );
    engine.stop().await;
}
