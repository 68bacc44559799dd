//! Reports through the API: the list of demands (S2's H13) and the weekly benchmark (S0's E9), which states
//! the count that its data support.
//!
//! Reports are due by the journal's clock, so these tests wait for the next minute.

use std::time::Duration;

use chrysalis::time::now_ms;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, SECOND, series};

/// Services and steps that a probe finds bad, each a cause of its own, and how often it looks: some long enough for alerts
/// in every city, the others for a judgement.
const PROBES: [(&str, &str, i64); 18] = [
    ("experience_card", "query", 400),
    ("sms_hall", "query", 400),
    ("gprs", "http", 400),
    ("wap", "page", 400),
    ("mms", "send", 400),
    ("mms", "e2e", 400),
    ("mobile_game", "download", 400),
    ("mobile_game", "start", 400),
    ("mobile_game", "session", 130),
    ("mms", "notification", 130),
    ("fetion", "login", 130),
    ("fetion", "message", 310),
    ("fetion", "download", 130),
    ("hotline", "answer", 130),
    ("hotline", "agent", 130),
    ("hotline", "bill_sms", 130),
    ("mobile_mail", "login", 130),
    ("crbt", "play", 130),
];

fn shanghai() -> Zoned {
    let now = Timestamp::from_millisecond(now_ms()).unwrap();
    now.in_tz("Asia/Shanghai").unwrap()
}

/// The next full minute that leaves time for a reload.
fn next_minute() -> Zoned {
    let at = shanghai() + SignedDuration::from_secs(75);
    let seconds = i64::from(at.second());
    (at - SignedDuration::from_secs(seconds))
        .with()
        .subsec_nanosecond(0)
        .build()
        .unwrap()
}

async fn report(engine: &Engine, id: &str) -> Value {
    let path = format!("/v1/reports?id={id}");
    let listed = engine
        .until(&path, |answer| answer["reports"] != json!([]))
        .await;
    let head = &listed["reports"][0];
    let report = engine.get(head["href"].as_str().unwrap()).await;
    assert_eq!(report["id"], id);
    report
}

fn table<'a>(report: &'a Value, key: &str) -> &'a Vec<Value> {
    let tables = report["tables"].as_array().unwrap();
    let table = tables.iter().find(|table| table["key"] == key);
    table.unwrap()["rows"].as_array().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn h13_e9_demands_are_listed_and_as_many_suggestions_ranked_as_the_data_support() {
    // Without the shipped ones, which would come on their own at their times of the day.
    let engine = Engine::with_rules(&[("reports.yaml", "reports: []\n")]).await;
    let due = next_minute();
    let yesterday = due.date().yesterday().unwrap();
    let morning = yesterday.at(8, 0, 0, 0).in_tz("Asia/Shanghai").unwrap();
    let from_ms = morning.timestamp().as_millisecond();
    for city in ["长沙", "衡阳", "永州"] {
        for (service, step, count) in PROBES {
            let probe = json!({"type": "dial_test", "service": service, "city": city, "step": step, "ok": false, "code": "no_reply", "latency_ms": 90_000});
            engine
                .tell(&series(from_ms, 10 * SECOND, count, &probe))
                .await;
        }
    }
    engine.pass(from_ms + 10 * HOUR).await;
    engine
        .until("/v1/triggers", |answer| {
            answer["triggers"].as_array().unwrap().len() >= 6
        })
        .await;

    let weekday = due.strftime("%a").to_string().to_lowercase();
    let at = due.strftime("%H:%M");
    let to = "recipients: [{department: DATA, role: lead}, {department: NET, role: contact}]";
    let rules = format!(
        "reports:
  - {{id: h13, name: {{zh: 需求清单, en: Demands}}, kind: demand_list, period: daily, at: '{at}', {to}}}
  - {{id: e9, name: {{zh: 渠道周报, en: Benchmark}}, kind: benchmark, period: weekly, weekday: {weekday}, at: '{at}', {to}}}
  - {{id: e9_few, name: {{zh: 体验卡周报, en: One channel}}, kind: benchmark, period: weekly, weekday: {weekday}, at: '{at}', services: [experience_card], {to}}}
"
    );
    engine.reload_with("more_reports.yaml", &rules).await;
    assert_eq!(
        engine.get("/v1/reports").await["reports"],
        json!([]),
        "not yet"
    );
    let wait_ms = due.timestamp().as_millisecond() - now_ms();
    tokio::time::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))).await;

    // H13: every open demand, the most urgent first, with its owner and due time.
    let h13 = report(&engine, "h13").await;
    assert_eq!(h13["period"], yesterday.to_string());
    let demands = table(&h13, "demands");
    let asked = engine.get("/v1/triggers?order=urgency").await;
    let asked = asked["triggers"].as_array().unwrap();
    let open: Vec<&Value> = asked
        .iter()
        .filter(|trigger| trigger["state"] != "closed")
        .collect();
    assert_eq!(demands.len(), open.len());
    for (row, trigger) in demands.iter().zip(open) {
        assert_eq!(row["trigger"], trigger["id"], "{row}");
        assert_eq!(row["urgency"], trigger["urgency"]["total"]);
        assert_eq!(row["person"], trigger["owner"]);
        assert_eq!(row["hops"], trigger["hops"]);
        assert!(
            row["due"].is_string() && row["state"]["zh"].is_string(),
            "{row}"
        );
        assert!(row["evidence"].as_i64().unwrap() > 0, "{row}");
    }

    // E9: at least fifteen, ranked, each with what to do and whom to ask.
    let e9 = report(&engine, "e9").await;
    let week_before = due.date() - 7.days();
    assert_eq!(e9["period"], week_before.to_string());
    let suggestions = table(&e9, "suggestions");
    assert!(suggestions.len() >= 15, "{}", suggestions.len());
    let priorities: Vec<i64> = suggestions
        .iter()
        .map(|row| row["priority"].as_i64().unwrap())
        .collect();
    assert!(priorities.is_sorted_by(|a, b| a >= b), "{priorities:?}");
    // One row a service and cause, with its cities, and the demand that was opened for it.
    let causes: std::collections::BTreeSet<String> = suggestions
        .iter()
        .map(|row| format!("{} {}", row["service"], row["problem"]))
        .collect();
    assert_eq!(causes.len(), suggestions.len());
    for row in suggestions {
        assert!(row["suggestion"]["zh"].is_string(), "{row}");
        assert!(row["department"]["zh"].is_string(), "{row}");
        assert_eq!(row["trigger"].is_string(), row["state"]["en"].is_string());
    }
    let is_wide = |row: &&Value| {
        let places = row["places"]["zh"].as_str().unwrap_or_default();
        places.contains("3 个地市：")
    };
    let wide = suggestions.iter().filter(is_wide);
    assert!(wide.count() >= 15, "{suggestions:?}");
    let held = suggestions.iter().filter(|row| row["trigger"].is_string());
    assert!(held.count() >= 6, "{suggestions:?}");
    let said = e9["remarks"][0]["zh"].as_str().unwrap();
    let count = format!("数据支持 {} 条优化建议", suggestions.len());
    assert!(said.starts_with(&count), "{said}");
    let channels = table(&e9, "channels");
    assert!(
        channels.len() >= 5 && channels[0]["rank"] == 1,
        "{channels:?}"
    );
    assert_eq!(table(&e9, "cities").len(), 3);

    // And with fewer grounds the report says how many, and makes none up.
    let few = report(&engine, "e9_few").await;
    let suggestions = table(&few, "suggestions");
    assert!((1..15).contains(&suggestions.len()), "{suggestions:?}");
    let said = few["remarks"][0]["zh"].as_str().unwrap();
    let count = format!(
        "数据只支持 {} 条优化建议，少于要求的 15 条",
        suggestions.len()
    );
    assert!(said.starts_with(&count), "{said}");

    // Three reports for three people, each in a language; files beside the journal.
    let mails = engine.mails("[报告]", 6).await;
    assert_eq!(mails.len(), 6);
    let english = engine.mails("[Report] Benchmark", 1).await;
    assert!(english[0].contains("The data support"), "{}", english[0]);
    let place = format!("reports/e9/{week_before}");
    let file: Value = serde_json::from_str(&engine.file(&format!("{place}/report.json"))).unwrap();
    assert_eq!(file, e9);
    assert!(
        engine
            .file(&format!("{place}/suggestions.zh.csv"))
            .starts_with('\u{feff}')
    );
    engine.stop().await;
}
