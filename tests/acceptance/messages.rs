//! The mobile newspaper's receipts (S2): delivery, lateness, causes, and a layer without data.

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, SECOND, near, series};

const HALF_PAST_SEVEN: i64 = MONDAY + 7 * HOUR + 30 * MINUTE;

/// Messages of the morning edition, numbered from 1 behind `prefix`.
fn submitted(prefix: &str, city: &str, count: i64) -> Vec<Value> {
    let event = json!({"type": "mms_submit", "message_id": format!("{prefix}{{n}}"), "service": "mobile_newspaper", "city": city, "edition": "morning"});
    series(HALF_PAST_SEVEN, SECOND, count, &event)
}

/// Their reports.
fn reported(prefix: &str, at_ms: i64, count: i64, status: &str, text: &str) -> Vec<Value> {
    let event = json!({"type": "mms_receipt", "message_id": format!("{prefix}{{n}}"), "status": status, "status_text": text});
    series(at_ms, SECOND, count, &event)
}

fn group(city: &str) -> String {
    format!("service=mobile_newspaper;city={city}")
}

#[tokio::test(flavor = "multi_thread")]
async fn h15_a_platform_outside_the_province_has_no_data_which_is_neither_0_nor_5() {
    let engine = Engine::start().await;
    engine.tell(&submitted("m", "长沙", 60)).await;
    engine
        .tell(&reported(
            "m",
            HALF_PAST_SEVEN + MINUTE,
            60,
            "Retrieved",
            "",
        ))
        .await;
    engine.pass(MONDAY + 8 * HOUR).await;
    engine
        .window(
            "mnews_delivery_success_ratio",
            &group("长沙"),
            MONDAY + 8 * HOUR,
        )
        .await;
    let answer = engine
        .get("/v1/kqis?kqi=mnews_platform_success_ratio")
        .await;
    let kqi = &answer["kqis"][0];
    assert_eq!(kqi["layer"], "platform");
    assert_eq!(kqi["groups"].as_array().map(Vec::len), Some(0), "{kqi:#}");
    let alerts = engine.get("/v1/alerts").await;
    assert_eq!(alerts["alerts"], json!([]));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h17_the_morning_edition_in_the_afternoon_is_late_and_not_lost() {
    let engine = Engine::start().await;
    engine.tell(&submitted("m", "株洲", 100)).await;
    let three = MONDAY + 15 * HOUR;
    engine
        .tell(&reported("m", three, 100, "Retrieved", ""))
        .await;
    engine.pass(three + HOUR).await;
    let success = engine
        .window("mnews_delivery_success_ratio", &group("株洲"), three + HOUR)
        .await;
    near(&success["value"], 100.0, 0.0);
    assert_eq!(success["verdict"], "normal");
    let ontime = engine
        .window("mnews_ontime_ratio", &group("株洲"), three + HOUR)
        .await;
    near(&ontime["value"], 0.0, 0.0);
    assert_eq!(ontime["verdict"], "abnormal_critical");
    engine.alerts("mnews_ontime_ratio", "firing").await;
    engine.stop().await;
}

/// The deadline of what is pushed the evening before is the next morning's.
#[tokio::test(flavor = "multi_thread")]
async fn h17_the_morning_edition_of_the_evening_before_is_on_time() {
    let engine = Engine::start().await;
    let at = MONDAY + 23 * HOUR;
    let mut edition = submitted("m", "株洲", 100);
    for submit in &mut edition {
        submit["ts"] = at.into();
    }
    engine.tell(&edition).await;
    engine
        .tell(&reported("m", at + 20 * SECOND, 100, "Retrieved", ""))
        .await;
    let end = MONDAY + 24 * HOUR;
    engine.pass(end + HOUR).await;
    let ontime = engine
        .window("mnews_ontime_ratio", &group("株洲"), end)
        .await;
    near(&ontime["value"], 100.0, 0.0);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h16_h18_both_ratios_are_published_with_and_without_what_the_user_caused() {
    let engine = Engine::start().await;
    engine.tell(&submitted("m", "永州", 90)).await;
    engine
        .tell(&reported(
            "m",
            HALF_PAST_SEVEN + MINUTE,
            90,
            "Retrieved",
            "",
        ))
        .await;
    for (prefix, text) in [("off", "关机"), ("flat", "手机没电"), ("weak", "信号较差")] {
        engine.tell(&submitted(prefix, "永州", 3)).await;
        engine
            .tell(&reported(
                prefix,
                HALF_PAST_SEVEN + 20 * MINUTE,
                3,
                "Expired",
                text,
            ))
            .await;
    }
    engine.tell(&submitted("old", "永州", 1)).await;
    engine
        .tell(&reported(
            "old",
            HALF_PAST_SEVEN + 20 * MINUTE,
            1,
            "Rejected",
            "手机不支持彩信",
        ))
        .await;
    engine.pass(MONDAY + 8 * HOUR).await;
    for (kqi, value, count) in [
        ("mnews_delivery_success_ratio_raw", 90.0, 100),
        ("mnews_delivery_success_ratio", 9_000.0 / 94.0, 94),
        ("mnews_expired_ratio", 9.0, 100),
        ("mnews_terminal_failure_ratio", 1.0, 100),
    ] {
        let row = engine.window(kqi, &group("永州"), MONDAY + 8 * HOUR).await;
        near(&row["value"], value, 1e-9);
        assert_eq!(row["count"], count, "{kqi}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h20_failures_by_status_cause_and_city_sum_to_the_failures() {
    let engine = Engine::start().await;
    let failed = [
        ("a", "长沙", 7, "Expired", "关机"),
        ("b", "长沙", 5, "Expired", "信号较差"),
        ("c", "永州", 11, "Expired", "信号较差"),
        ("d", "永州", 3, "Rejected", "手机不支持彩信"),
        ("e", "株洲", 2, "Unrecognized", ""),
    ];
    for (prefix, city, count, status, text) in failed {
        engine.tell(&submitted(prefix, city, count)).await;
        engine
            .tell(&reported(
                prefix,
                HALF_PAST_SEVEN + 10 * MINUTE,
                count,
                status,
                text,
            ))
            .await;
    }
    engine.pass(MONDAY + 8 * HOUR).await;
    let end = MONDAY + 8 * HOUR;
    // Not one of them was retrieved, so the raw ratio counts the failures.
    let mut failures = 0;
    for (city, count) in [("长沙", 12), ("永州", 14), ("株洲", 2)] {
        let raw = engine
            .window("mnews_delivery_success_ratio_raw", &group(city), end)
            .await;
        assert_eq!(raw["count"], count, "{city}");
        failures += count;
    }
    let parts = engine
        .windows(
            "mnews_failures",
            "status=Expired;cause=coverage;city=永州",
            end,
        )
        .await;
    assert_eq!(parts.len(), failed.len(), "{parts:#?}");
    let sum: f64 = parts.iter().map(|row| row["value"].as_f64().unwrap()).sum();
    assert!((sum - f64::from(failures)).abs() < 1e-9, "{parts:#?}");
    // Which status, which cause and which city: each dimension sums to the same failures.
    let path = "/v1/kqis/mnews_failures/contributions";
    let shares = engine.until(path, |answer| answer["total"] == 28).await;
    for (dimension, first, count) in [
        ("status", "Expired", 23),
        ("cause", "coverage", 16),
        ("city", "永州", 14),
    ] {
        let mut dimensions = shares["dimensions"].as_array().unwrap().iter();
        let of = dimensions.find(|of| of["dimension"] == dimension).unwrap();
        let values = of["values"].as_array().unwrap();
        assert_eq!(
            (&values[0]["value"], &values[0]["count"]),
            (&json!(first), &json!(count))
        );
        let sum: i64 = values.iter().map(|of| of["count"].as_i64().unwrap()).sum();
        assert_eq!(sum, 28, "{dimension}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_reports_over_mm7_count_as_receipts_and_repeats_change_nothing() {
    let engine = Engine::start().await;
    engine.tell(&submitted("m", "长沙", 40)).await;
    // Forwarded first, then the final word; every report twice, as gateways do that had no answer.
    for (at, status, count) in [
        ("07:40:00", "Second:mmssc Retrieved", 40),
        ("07:45:00", "Third:User Retrieved", 38),
        ("07:50:00", "Expired", 2),
    ] {
        let first = if status == "Expired" { 39 } else { 1 };
        for number in (first..first + count).flat_map(|number| [number, number]) {
            let report = format!(
                "<?xml version=\"1.0\"?><e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Header/><e:Body>\
                 <DeliveryReportReq><MM7Version>6.3.0</MM7Version><MMSRelayServerID>600003</MMSRelayServerID>\
                 <MessageID>m{number}</MessageID><Recipient><Number>+8613900000001</Number></Recipient>\
                 <TimeStamp>2026-03-02T{at}+08:00</TimeStamp><MMStatus>{status}</MMStatus>\
                 <StatusText>信号较差</StatusText></DeliveryReportReq></e:Body></e:Envelope>"
            );
            let (status, answer) = engine.post("/mm7", report).await;
            assert!(status.is_success() && answer.contains(">1000<"), "{answer}");
        }
    }
    engine.pass_gateway(MONDAY + 8 * HOUR, "600003").await;
    let end = MONDAY + 8 * HOUR;
    let row = engine
        .window("mnews_delivery_success_ratio", &group("长沙"), end)
        .await;
    near(&row["value"], 95.0, 1e-9);
    assert_eq!(row["count"], 40);
    engine.stop().await;
}
