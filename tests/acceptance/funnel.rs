//! S3's funnel (G10) as the product itself tells it: the shipped monthly report on effects, of events and of what
//! departments said.
//!
//! A report is about a month of the journal's clock that is over, so the clock must go on by a day while the test runs.
//! It is the whole process's: the test runs itself again, alone in a process of its own.

use std::process::Command;

use chrysalis::time::{begin_at, now_ms};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, SECOND, series};

/// Says to the test that it is alone.
const ALONE: &str = "CHRYSALIS_FUNNEL_ALONE";
const NAME: &str = "funnel::g10_the_months_report_tells_29_9_percent_valid_records_and_54_9_percent_demands_carried_out";

/// A thousandth of S3's 157,000 records, of which 47,000 are valid; its 122 demands and the 67 that were carried out as
/// they are.
const RECORDS: i64 = 157;
const VALID: i64 = 47;
const DEMANDS: usize = 122;
const EXECUTED: usize = 67;
/// What departments would not do, and what they have taken and not done: S3 does not part the other 55.
const REFUSED: usize = 20;
const TAKEN: usize = 10;
/// Of the records that are none, those that the form's answers exclude; the others come excluded.
const BY_FORM: i64 = 10;

/// Probes that fail by one KQI each, and each by its own cause.
const PROBES: [(&str, &str); 21] = [
    ("experience_card", "query"),
    ("hotline", "answer"),
    ("hotline", "agent"),
    ("hotline", "bill_sms"),
    ("mms", "send"),
    ("mms", "e2e"),
    ("mms", "notification"),
    ("crbt", "play"),
    ("fetion", "login"),
    ("fetion", "download"),
    ("mobile_mail", "login"),
    ("mobile_mail", "e2e"),
    ("mobile_stock", "login"),
    ("mobile_stock", "quote"),
    ("gprs", "http"),
    ("wap", "page"),
    ("mobile_game", "download"),
    ("mobile_game", "start"),
    ("web_hall", "page"),
    ("web_hall", "login"),
    ("wap_hall", "page"),
];
/// Fewer than half of the province: what is wrong in these stays a demand for each.
const CITIES: [&str; 6] = ["长沙", "株洲", "湘潭", "衡阳", "邵阳", "岳阳"];

#[test]
fn g10_the_months_report_tells_29_9_percent_valid_records_and_54_9_percent_demands_carried_out() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(funnel());
    }
    let itself = std::env::current_exe().unwrap();
    let alone = Command::new(itself)
        .args([NAME, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = [alone.stdout, alone.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        alone.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

/// A time of a day in Shanghai, ms.
fn at(day: Date, hour: i8, minute: i8) -> i64 {
    let at = day.at(hour, minute, 0, 0).in_tz("Asia/Shanghai").unwrap();
    at.timestamp().as_millisecond()
}

/// Tickets of which some are valid; one that is reclassified is no second record.
fn records(from_ms: i64) -> Vec<Value> {
    let ticket = |state: &str, serial: &str| json!({"type": "complaint", "serial": format!("{serial} {{n}}"), "state": state, "city": "广州", "path": "投诉/数据业务/自有业务/彩信/使用"});
    let mut events = series(from_ms, SECOND, VALID, &ticket("filed", "valid"));
    let excluded = RECORDS - VALID - BY_FORM;
    events.extend(series(
        from_ms,
        SECOND,
        excluded,
        &ticket("excluded", "excluded"),
    ));
    // The full file of the day says them again: the same serials are the same records, in this breath and in a later one.
    events.extend_from_within(..20);
    events.extend(series(from_ms, SECOND, VALID, &ticket("filed", "valid")));
    events.extend(series(
        from_ms + HOUR,
        SECOND,
        7,
        &ticket("reclassified", "valid"),
    ));
    events
}

fn triggers(answer: &Value) -> &Vec<Value> {
    answer["triggers"].as_array().unwrap()
}

async fn walk(engine: &Engine, ids: &[String], states: &[&str]) {
    for id in ids {
        for to in states {
            let mut body = json!({"to": to, "actor": "王工", "reason": "处理"});
            if *to == "not_optimised" {
                body["kind"] = "uneconomic".into();
            }
            let path = format!("/v1/triggers/{id}/moves");
            let (status, text) = engine.post(&path, body.to_string()).await;
            assert!(status.is_success(), "{to}: {text}");
        }
    }
}

async fn funnel() {
    // Noon of the last day of the next month, which is ahead of any clock.
    let now = Timestamp::from_millisecond(now_ms()).unwrap();
    let today = now.in_tz("Asia/Shanghai").unwrap().date();
    let last = (today + 1.month()).last_of_month();
    begin_at(at(last, 12, 0));
    let engine = Engine::with(&[], |config| config.journal.epoch_interval_ms = 20).await;

    let morning = at(last, 8, 0);
    engine.tell(&records(morning)).await;
    engine.tell(&records(morning)).await;
    for number in 0..BY_FORM {
        let contact = json!({"leaf": "newspaper_not_received", "serial": format!("form {number}"), "city": "永州", "ts": morning, "answers": {"mms_capable": "no"}});
        let (status, answer) = engine.post("/v1/complaints", contact.to_string()).await;
        assert!(status.is_success(), "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["state"], "excluded");
    }
    let places = PROBES
        .iter()
        .flat_map(|probe| CITIES.map(|city| (probe, city)));
    let mut events = Vec::new();
    for ((service, step), city) in places.take(DEMANDS) {
        let probe = json!({"type": "dial_test", "service": service, "city": city, "step": step, "ok": false, "code": "no_reply", "latency_ms": 90_000});
        events.extend(series(morning, 10 * SECOND, 100, &probe));
    }
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    engine.pass(morning + 2 * HOUR).await;

    // Probes open the demands, and departments answer them.
    let asked = engine
        .until("/v1/triggers", |answer| triggers(answer).len() >= DEMANDS)
        .await;
    let dispatched = triggers(&asked)
        .iter()
        .filter(|trigger| trigger["state"] == "dispatched");
    let ids: Vec<String> = dispatched
        .map(|trigger| trigger["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(ids.len() >= EXECUTED + REFUSED + TAKEN, "{}", ids.len());
    let (executed, others) = ids.split_at(EXECUTED);
    let (refused, others) = others.split_at(REFUSED);
    let (first, second) = executed.split_at(EXECUTED / 2);
    let done = ["accepted", "in_progress", "mended"];
    tokio::join!(
        walk(&engine, first, &done),
        walk(&engine, second, &done),
        walk(&engine, refused, &["not_optimised"]),
        walk(&engine, &others[..TAKEN], &["accepted"]),
    );
    // A refusal rests: the same alert asks nobody again.
    let asked = engine.get("/v1/triggers").await;
    assert_eq!(triggers(&asked).len(), DEMANDS);

    // The month is over, and its report due: the first at 09:30.
    let due = at(last.tomorrow().unwrap(), 9, 30) + 5 * SECOND;
    begin_at(due);
    // A probe knows of the new day, too: a clock that nobody confirms is not believed at once.
    let probe = json!({"type": "dial_test", "service": "sms_hall", "city": "长沙", "step": "query", "ok": true, "latency_ms": 900});
    engine.tell(&series(due, SECOND, 1, &probe)).await;
    let listed = engine
        .until("/v1/reports?id=monthly_effects", |answer| {
            answer["reports"] != json!([])
        })
        .await;
    let href = listed["reports"][0]["href"].as_str().unwrap();
    let report = engine.get(href).await;
    assert_eq!(report["period"], last.strftime("%Y-%m").to_string());
    let figures = report["figures"].as_array().unwrap();
    let stages: Vec<(&Value, &Value, &Value)> = figures
        .iter()
        .map(|figure| (&figure["key"], &figure["value"], &figure["beside"]["zh"]))
        .collect();
    assert_eq!(
        stages,
        [
            (&json!("records"), &json!(RECORDS), &Value::Null),
            (&json!("valid"), &json!(VALID), &json!("29.9 %")),
            (&json!("demands"), &json!(DEMANDS), &Value::Null),
            (&json!("executed"), &json!(EXECUTED), &json!("54.9 %")),
        ]
    );
    let tables = report["tables"].as_array().unwrap();
    let departments = tables.iter().find(|table| table["key"] == "departments");
    let rows = departments.unwrap()["rows"].as_array().unwrap();
    let refusals: i64 = rows
        .iter()
        .map(|row| row["refused"].as_i64().unwrap())
        .sum();
    assert_eq!(refusals, REFUSED as i64, "{rows:?}");
    engine.stop().await;
}
