//! A number that is compared with an earlier one says nothing until that one is known.

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, near, series};

const CHANGE: &str = "mms_complaint_change";

/// Ten complaints an hour from one time to another.
fn ten_an_hour(name: &str, from_ms: i64, to_ms: i64) -> Vec<Value> {
    let ticket = json!({"type": "complaint", "serial": format!("{name} {{n}}"), "state": "filed", "service": "mms", "city": "长沙", "path": "投诉/数据业务/自有业务/彩信/使用/接收异常/无法接收"});
    let every_ms = 6 * MINUTE;
    series(from_ms, every_ms, (to_ms - from_ms) / every_ms, &ticket)
}

/// What the day that ends then has become, compared with the same day a week before.
async fn day(engine: &Engine, end_ms: i64) -> Value {
    engine.window(CHANGE, "service=mms", end_ms).await
}

fn is_unknown(row: &Value) -> bool {
    row["value"].is_null() && row["score"].is_null() && row["verdict"] == "insufficient"
}

/// Alerts of the change that there are, in whatever state.
async fn alerts(engine: &Engine) -> usize {
    let asked = engine.get("/v1/alerts").await;
    let all = asked["alerts"].as_array().unwrap().iter();
    all.filter(|row| row["alert"] == CHANGE).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_number_of_complaints_is_no_growth_on_a_new_installation_and_real_growth_is_told()
 {
    let engine = Engine::start().await;
    let begin = MONDAY + 9 * HOUR + 30 * MINUTE;
    engine
        .tell(&ten_an_hour("A", begin, MONDAY + 9 * DAY))
        .await;
    engine.pass(MONDAY + 9 * DAY).await;
    let full = day(&engine, MONDAY + 9 * DAY).await;
    near(&full["value"], 0.0, 1e-9);
    assert_eq!(full["verdict"], "normal");
    // 240 tickets against the 25 of a morning would be +860 %.
    let half = day(&engine, MONDAY + 7 * DAY + 12 * HOUR).await;
    assert!(is_unknown(&half), "{half:#}");
    assert_eq!(half["count"], 240);
    assert_eq!(alerts(&engine).await, 0);
    let mails = engine.outbox();
    let told = mails.iter().filter(|(_, mail)| mail.contains("投诉变化率"));
    assert_eq!(told.count(), 0, "{mails:#?}");

    for name in ["B", "C"] {
        let more = ten_an_hour(name, MONDAY + 9 * DAY, MONDAY + 10 * DAY);
        engine.tell(&more).await;
    }
    engine.pass(MONDAY + 10 * DAY).await;
    let grown = day(&engine, MONDAY + 10 * DAY).await;
    near(&grown["value"], 100.0, 1e-9);
    assert_eq!(grown["verdict"], "abnormal_critical");
    engine.alerts(CHANGE, "firing").await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_of_the_source_is_no_growth_a_week_later_and_what_comes_late_makes_it_known() {
    let engine = Engine::start().await;
    let (gap, again) = (MONDAY + 2 * DAY, MONDAY + 2 * DAY + 12 * HOUR);
    engine.tell(&ten_an_hour("A", MONDAY, gap)).await;
    let end = MONDAY + 10 * DAY;
    engine.tell(&ten_an_hour("B", again, end)).await;
    engine.pass(end).await;
    // 240 against 120 would be +100 %.
    let half = day(&engine, end).await;
    assert!(is_unknown(&half), "{half:#}");
    near(&day(&engine, end - DAY).await["value"], 0.0, 1e-9);
    assert_eq!(alerts(&engine).await, 0);

    engine.tell(&ten_an_hour("late", gap, again)).await;
    let path = format!("/v1/kqis/{CHANGE}/windows?from={}&to={end}", end - MINUTE);
    let is_known = |answer: &Value| {
        let mut rows = answer["windows"].as_array().unwrap().iter();
        rows.any(|row| row["window_end_ms"] == end && row["value"] == 0.0)
    };
    engine.until(&path, is_known).await;
    assert_eq!(alerts(&engine).await, 0);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_died_is_no_fall_and_what_comes_late_makes_it_known() {
    let engine = Engine::start().await;
    let (dead, end) = (MONDAY + 8 * DAY + 4 * HOUR, MONDAY + 9 * DAY);
    engine.tell(&ten_an_hour("A", MONDAY, dead)).await;
    // A word after it ends the day.
    engine.pass(end).await;
    // 40 after 240 would be -83 %.
    let silent = day(&engine, end).await;
    assert!(is_unknown(&silent), "{silent:#}");
    // A change is based on the greater of the two.
    assert_eq!(silent["count"], 240);
    // Up to its last word it was heard.
    near(&day(&engine, dead).await["value"], 0.0, 1e-9);

    engine.tell(&ten_an_hour("late", dead, end)).await;
    let path = format!("/v1/kqis/{CHANGE}/windows?from={}&to={end}", end - MINUTE);
    let is_known = |answer: &Value| {
        let mut rows = answer["windows"].as_array().unwrap().iter();
        rows.any(|row| row["window_end_ms"] == end && row["value"] == 0.0)
    };
    engine.until(&path, is_known).await;
    engine.stop().await;
}
