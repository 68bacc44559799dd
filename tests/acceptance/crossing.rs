//! Complaints against their own past, and against the KQIs of the same service, place and time.

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, SECOND, near, series, weather};

const EIGHT: i64 = MONDAY + 8 * HOUR;
const NOT_RECEIVED: &str = "投诉/数据业务/自有业务/手机报/使用/接收异常/没有收到手机报";

/// Two hundred messages of the morning, of which the last so many expire.
async fn morning(engine: &Engine, city: &str, expired: i64) {
    messages(engine, city, expired, EIGHT).await;
}

/// As many messages at another time of the day, which are of no edition.
async fn messages(engine: &Engine, city: &str, expired: i64, at_ms: i64) {
    let id = format!("{city} {at_ms} {{n}}");
    let mut submit = json!({"type": "mms_submit", "message_id": id, "service": "mobile_newspaper", "city": city});
    if at_ms == EIGHT {
        submit["edition"] = "morning".into();
    }
    engine.tell(&series(at_ms, SECOND, 200, &submit)).await;
    for (from, count, status) in [
        (0, 200 - expired, "Retrieved"),
        (200 - expired, expired, "Expired"),
    ] {
        let receipts: Vec<Value> = (from..from + count)
            .map(|n| {
                json!({"type": "mms_receipt", "message_id": format!("{city} {at_ms} {}", n + 1), "status": status, "ts": at_ms + MINUTE + n * SECOND})
            })
            .collect();
        engine.tell(&receipts).await;
    }
}

/// Ten people of a city of a hundred thousand subscribers complain of one thing.
async fn ten_complain(engine: &Engine, city: &str) {
    ten_complain_at(engine, city, EIGHT + 30 * MINUTE).await;
}

async fn ten_complain_at(engine: &Engine, city: &str, at_ms: i64) {
    engine
        .tell(&[json!({"type": "gauge", "name": "subscriber_base", "value": 100_000, "dims": {"service": "mobile_newspaper", "city": city}, "ts": MONDAY})])
        .await;
    let ticket = json!({"type": "complaint", "serial": format!("{city}-{{n}}"), "state": "filed", "service": "mobile_newspaper", "city": city, "path": NOT_RECEIVED});
    engine.tell(&series(at_ms, MINUTE, 10, &ticket)).await;
}

fn of<'a>(answer: &'a Value, crossing: &str) -> Vec<&'a Value> {
    let all = answer["crossings"].as_array().unwrap().iter();
    all.filter(|of| of["crossing"] == crossing).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_to_six_at_night_is_no_alert_and_300_to_420_at_noon_is() {
    let engine = Engine::start().await;
    let ticket = |serial: &str, city: &str| json!({"type": "complaint", "serial": format!("{serial}-{{n}}"), "state": "filed", "service": "sms", "city": city, "path": "投诉/数据业务"});
    // Somebody somewhere complains every six hours, so the weeks are known.
    let mut events = series(MONDAY, 6 * HOUR, 114, &ticket("K", "株洲"));
    for week in 0..5 {
        let (noon, night) = if week < 4 { (300, 3) } else { (420, 6) };
        let day = MONDAY + week * 7 * DAY;
        events.extend(series(
            day + 12 * HOUR,
            8 * SECOND,
            noon,
            &ticket(&format!("N{week}"), "长沙"),
        ));
        events.extend(series(
            day + 3 * HOUR,
            MINUTE,
            night,
            &ticket(&format!("D{week}"), "长沙"),
        ));
    }
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    let fifth = MONDAY + 28 * DAY;
    engine.pass(fifth + 13 * HOUR).await;
    let noon = engine
        .window(
            "complaint_surge",
            "service=sms;city=长沙",
            fifth + 13 * HOUR,
        )
        .await;
    near(&noon["value"], 5.6737, 1e-3);
    near(&noon["expected"], 300.0, 1e-9);
    let night = engine
        .window("complaint_surge", "service=sms;city=长沙", fifth + 4 * HOUR)
        .await;
    near(&night["value"], 1.2303, 1e-3);
    let alerts = engine.alerts("complaint_surge", "firing").await;
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!(alerts[0]["fired_at_ms"], fifth + 13 * HOUR);
    near(&alerts[0]["expected"], 300.0, 1e-9);
    engine.mail(&["往周同时段平均", "300"]).await;
    // Of a week before nobody could say anything, which is neither good nor bad.
    let second = engine
        .window(
            "complaint_surge",
            "service=sms;city=长沙",
            MONDAY + 7 * DAY + 13 * HOUR,
        )
        .await;
    assert_eq!(
        (&second["value"], &second["verdict"]),
        (&Value::Null, &json!("insufficient"))
    );
    // A ticket that comes late corrects the week that it belongs to, and the weeks after.
    engine
        .tell(&series(
            MONDAY + 21 * DAY + 12 * HOUR + MINUTE,
            SECOND,
            40,
            &ticket("L", "长沙"),
        ))
        .await;
    let path = format!(
        "/v1/kqis/complaint_surge/windows?group=service%3Dsms%3Bcity%3D长沙&from={}&to={}",
        fifth + 12 * HOUR,
        fifth + 13 * HOUR
    );
    let corrected = engine
        .until(&path, |answer| answer["windows"][0]["expected"] == 310.0)
        .await;
    near(&corrected["windows"][0]["value"], 5.1515, 0.1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_complaints_with_the_kqi_over_its_limit_are_one_trigger_with_ten_tickets() {
    let engine = Engine::start().await;
    morning(&engine, "长沙", 20).await;
    ten_complain(&engine, "长沙").await;
    engine.pass(EIGHT + 2 * HOUR).await;
    let path = "/v1/triggers?service=mobile_newspaper";
    let answer = engine
        .until(path, |answer| {
            answer["triggers"][0]["crossing"] == "confirmed"
        })
        .await;
    let triggers = answer["triggers"].as_array().unwrap();
    assert_eq!(triggers.len(), 1, "{answer:#}");
    let trigger = &triggers[0];
    assert_eq!(trigger["department"], "NET");
    assert_eq!(trigger["tickets"], 10);
    let crossings = engine.get("/v1/crossings?service=mobile_newspaper").await;
    let confirmed = of(&crossings, "confirmed");
    assert!(confirmed.len() >= 2 && of(&crossings, "blind_spot").is_empty());
    let complaint = confirmed
        .iter()
        .find(|of| of["kqi"] == "mnews_nonreceipt_complaint_rate")
        .unwrap();
    let against = complaint["against"].as_array().unwrap().iter();
    assert!(against.clone().any(|of| of["kqi"] == "mnews_expired_ratio"));
    let urgency = trigger["urgency"]["total"].as_i64().unwrap();
    // The same trouble somewhere else, of which nobody complains for half a day, is less urgent.
    morning(&engine, "永州", 20).await;
    engine.pass(EIGHT + 14 * HOUR).await;
    let answer = engine
        .until(path, |answer| {
            let triggers = answer["triggers"].as_array().unwrap();
            triggers
                .iter()
                .any(|of| of["crossing"] == "silent_degradation")
        })
        .await;
    let triggers = answer["triggers"].as_array().unwrap().iter();
    let silent = triggers.clone().find(|of| of["place"] == "永州").unwrap();
    assert_eq!(silent["crossing"], "silent_degradation");
    assert!(silent["urgency"]["total"].as_i64().unwrap() < urgency);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_each_of_ten_newspaper_tickets_gets_feedback_when_its_trigger_is_mended_or_closed() {
    let engine = Engine::start().await;
    for city in ["长沙", "永州"] {
        morning(&engine, city, 20).await;
        ten_complain(&engine, city).await;
    }
    engine.pass(EIGHT + 2 * HOUR).await;
    let answer = engine
        .until("/v1/triggers?service=mobile_newspaper", |answer| {
            let triggers = answer["triggers"].as_array().unwrap();
            triggers.len() == 2 && triggers.iter().all(|of| of["tickets"] == 10)
        })
        .await;
    let refusal =
        json!({"to": "not_optimised", "actor": "李工", "reason": "r", "kind": "uneconomic"});
    let step = |to: &str| json!({"to": to, "actor": "李工", "reason": "r"});
    let mend = ["accepted", "in_progress", "mended"].map(step).to_vec();
    for (city, moves, state, words) in [
        ("长沙", mend, "feedback_given", ""),
        ("永州", vec![refusal], "closed", "暂不优化"),
    ] {
        let mut triggers = answer["triggers"].as_array().unwrap().iter();
        let trigger = triggers.find(|of| of["place"] == city).unwrap();
        let path = format!("/v1/triggers/{}", trigger["id"].as_str().unwrap());
        let of_trigger = format!("{path}/tickets");
        let waiting = engine.get(&of_trigger).await;
        let all = |answer: &Value| answer["tickets"].as_array().unwrap().clone();
        assert!(all(&waiting).iter().all(|of| of["answer"].is_null()));
        for body in moves {
            let (status, text) = engine
                .post(&format!("{path}/moves"), body.to_string())
                .await;
            assert!(status.is_success(), "{body}: {text}");
        }
        assert_eq!(engine.get(&path).await["state"], state, "{city}");
        let answered = all(&engine.get(&of_trigger).await);
        let mut serials: Vec<&str> = answered
            .iter()
            .map(|of| of["serial"].as_str().unwrap())
            .collect();
        serials.sort_unstable();
        let mut wanted: Vec<String> = (1..=10).map(|n| format!("{city}-{n}")).collect();
        wanted.sort_unstable();
        assert_eq!(serials, wanted);
        for ticket in &answered {
            let said = ticket["answer"]["zh"].as_str().unwrap_or_default();
            assert!(!said.is_empty() && said.contains(words), "{ticket}");
        }
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn complaints_without_a_red_kqi_are_a_blind_spot_until_a_kqi_confirms_them() {
    let engine = Engine::start().await;
    morning(&engine, "长沙", 0).await;
    ten_complain(&engine, "长沙").await;
    engine.pass(EIGHT + 3 * HOUR).await;
    let alerts = engine.alerts("blind_spot", "firing").await;
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!(alerts[0]["group"]["city"], "长沙");
    assert_eq!(alerts[0]["department"], "DATA");
    let spot = engine.mail(&["盲点", "没有被监测到"]).await;
    // Its value stands beside a limit, and that has a source.
    assert!(spot.contains("limit_source = "), "{spot}");
    let crossings = engine.get("/v1/crossings?crossing=blind_spot").await;
    assert_eq!(
        crossings["crossings"][0]["kqi"],
        "mnews_nonreceipt_complaint_rate"
    );
    let trigger = engine.get("/v1/triggers?service=mobile_newspaper").await;
    assert_eq!(trigger["triggers"][0]["crossing"], "blind_spot");
    // Receipts that came late show that messages had expired after all.
    let late: Vec<Value> = (0..60)
        .map(|n| json!({"type": "mms_receipt", "message_id": format!("late {n}"), "status": "Expired", "service": "mobile_newspaper", "city": "长沙", "submitted_at": EIGHT, "ts": EIGHT + 20 * MINUTE}))
        .collect();
    engine.tell(&late).await;
    let over = engine.alerts("blind_spot", "resolved").await;
    assert_eq!(over[0]["reason"], "confirmed");
    // It never was one: whoever was told hears that, with what had been said.
    engine.mail(&["当时不构成告警", "盲点"]).await;
    let trigger = engine
        .until("/v1/triggers?service=mobile_newspaper", |answer| {
            answer["triggers"][0]["crossing"] == "confirmed"
        })
        .await;
    assert_eq!(
        trigger["triggers"].as_array().unwrap().len(),
        1,
        "{trigger:#}"
    );
    engine.stop().await;
}

/// Windows of a day reach back to it; what people complain of now does not.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_was_over_a_day_ago_confirms_no_complaints() {
    let engine = Engine::start().await;
    morning(&engine, "长沙", 20).await;
    messages(&engine, "长沙", 0, EIGHT + 3 * HOUR).await;
    let next = EIGHT + 28 * HOUR;
    messages(&engine, "长沙", 0, next).await;
    ten_complain_at(&engine, "长沙", next + 30 * MINUTE).await;
    engine.pass(next + 3 * HOUR).await;
    let alerts = engine.alerts("blind_spot", "firing").await;
    assert_eq!(alerts[0]["group"]["city"], "长沙", "{alerts:#?}");
    let crossings = engine.get("/v1/crossings?service=mobile_newspaper").await;
    assert_eq!(of(&crossings, "confirmed"), Vec::<&Value>::new());
    // It began with the hour of the first complaint, and not a day before.
    let spot = of(&crossings, "blind_spot")[0];
    let from_ms = spot["from_ms"].as_i64().unwrap();
    assert!((next..=next + HOUR).contains(&from_ms), "{spot}");
    engine.stop().await;
}

/// Somebody complained seven hours before; nobody has since.
#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_of_before_does_not_hide_that_nobody_complains() {
    let engine = Engine::start().await;
    let ticket = json!({"type": "complaint", "serial": "early", "state": "filed", "service": "mobile_newspaper", "city": "株洲", "path": NOT_RECEIVED, "ts": MONDAY + HOUR});
    engine.tell(&[ticket]).await;
    morning(&engine, "株洲", 20).await;
    engine.pass(EIGHT + 14 * HOUR).await;
    engine
        .until("/v1/triggers?service=mobile_newspaper", |answer| {
            answer["triggers"][0]["crossing"] == "silent_degradation"
        })
        .await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_kqis_have_no_data_has_no_blind_spot() {
    let engine = Engine::start().await;
    ten_complain(&engine, "长沙").await;
    engine.pass(EIGHT + 3 * HOUR).await;
    engine
        .alerts("mnews_nonreceipt_complaint_rate", "firing")
        .await;
    let crossings = engine.get("/v1/crossings").await;
    assert_eq!(
        crossings["crossings"],
        json!([]),
        "no data is neither red nor green"
    );
    let trigger = engine.get("/v1/triggers?service=mobile_newspaper").await;
    assert_eq!(trigger["triggers"][0]["crossing"], Value::Null);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blind_spot_whose_complaints_are_taken_back_never_was_and_its_readers_hear_so() {
    let engine = Engine::start().await;
    morning(&engine, "长沙", 0).await;
    ten_complain(&engine, "长沙").await;
    engine.pass(EIGHT + 3 * HOUR).await;
    let alerts = engine.alerts("blind_spot", "firing").await;
    let incident = alerts[0]["incident"].clone();
    // All of them turn out to be none: excluded after the second look.
    let path = "/v1/complaints/sample?size=100";
    let sample = engine.get(path).await;
    let tickets = sample["tickets"].as_array().unwrap();
    let excluded: Vec<Value> = tickets
        .iter()
        .map(|ticket| json!({"type": "complaint", "ts": EIGHT + 3 * HOUR, "serial": ticket["serial"], "state": "excluded"}))
        .collect();
    engine.tell(&excluded).await;
    let over = engine.alerts("blind_spot", "resolved").await;
    assert_eq!(
        (&over[0]["reason"], &over[0]["incident"]),
        (&json!("corrected"), &incident)
    );
    let mail = engine.mail(&["当时不构成告警", "盲点"]).await;
    // Nobody complains any more, so nothing is over its limit now.
    assert!(
        mail.contains("无法判断") && !mail.contains("超出"),
        "{mail}"
    );
    engine.stop().await;
}

/// KQIs of a service: one that alerts nobody, one that is always normal, and one that wants more probes than there are.
const WEATHER: &str = "
      - {id: weather_in_time, name: {zh: 点播及时率, en: Forecasts in time}, layer: experience, stream: dial_test, aggregate: ratio, good: ok, good_within: 30s, unit: percent, group_by: [service, city], window: {size: 15m, hop: 5m}, interval: {min: 95}, min_samples: 10, department: DATA, alert: none}
      - {id: weather_reply_ratio, name: {zh: 点播返回率, en: Reply ratio}, layer: platform, stream: dial_test, aggregate: ratio, good: ok, unit: percent, group_by: [service, city], window: {size: 15m, hop: 5m}, interval: {min: 95}, min_samples: 10, department: DATA}
      - {id: weather_reply_p95, name: {zh: 点播时延, en: Reply time}, layer: platform, stream: dial_test, aggregate: p95, unit: s, group_by: [service, city], window: {size: 5m, hop: 1m}, interval: {max: 30}, min_samples: 10, department: DATA}
      - {id: weather_complaints, name: {zh: 天气投诉, en: Complaints of the weather}, layer: experience, stream: complaint, aggregate: count, unit: count, group_by: [service, city], window: {size: 1h, hop: 15m}, interval: {max: 5}, department: CS, alert: complaints}
";

/// What nobody is alerted by is seen all the same: beside a KQI at 0 % not all are normal.
#[tokio::test(flavor = "multi_thread")]
async fn no_blind_spot_beside_a_kqi_that_is_abnormal_and_alerts_nobody() {
    let engine = Engine::with_rules(&[("services/weather.yaml", &weather(WEATHER))]).await;
    let probe = |city: &str, ms: i64| json!({"type": "dial_test", "service": "weather", "city": city, "step": "order", "ok": true, "latency_ms": ms});
    let mut events = Vec::new();
    for (city, ms) in [("娄底", 40_000), ("长沙", 9_000)] {
        events.extend(series(EIGHT, MINUTE, 180, &probe(city, ms)));
        let ticket = json!({"type": "complaint", "serial": format!("{city}-{{n}}"), "state": "filed", "service": "weather", "city": city, "path": "投诉/天气"});
        events.extend(series(EIGHT + 30 * MINUTE, MINUTE, 10, &ticket));
    }
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    engine.pass(EIGHT + 3 * HOUR).await;
    let late = "service=weather;city=娄底";
    let row = engine.window("weather_in_time", late, EIGHT + HOUR).await;
    assert_eq!(
        (&row["value"], &row["verdict"]),
        (&json!(0.0), &json!("abnormal_major"))
    );
    let alerts = engine.alerts("blind_spot", "firing").await;
    let cities: Vec<&Value> = alerts.iter().map(|alert| &alert["group"]["city"]).collect();
    assert_eq!(cities, [&json!("长沙")]);
    // Two KQIs could be judged where people complain without one: the third never had its samples.
    for words in [
        "能判断的指标（2 项）都正常",
        "另有 1 项没有数据或样本不足，无法判断：点播时延。",
    ] {
        engine.mail(&["盲点", words]).await;
    }
    engine.stop().await;
}
