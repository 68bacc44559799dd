//! Who is away, who is late, and whom it climbs to: due times of seconds, through the API and the mails (S2's H26 to H28).

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MONDAY, SECOND, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;

/// The shipped policy, day and night, with forty seconds to accept whatever it is.
fn hurried(absences: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/triggers.yaml");
    let shipped = std::fs::read_to_string(path).unwrap();
    let mut text = String::new();
    let mut is_calendar = false;
    for line in shipped.lines() {
        is_calendar = line == "  calendar:" || (is_calendar && line.starts_with("    "));
        let severities = ["critical", "major", "minor", "warning"];
        let due = severities
            .iter()
            .find(|severity| line.starts_with(&format!("    {severity}: {{")));
        match (line, due) {
            _ if is_calendar => {}
            (_, Some(severity)) => {
                writeln!(text, "    {severity}: {{accept: 40s, mend: 1h}}").unwrap();
            }
            ("  remind_before: 15m", _) => text.push_str("  remind_before: 20s\n"),
            ("  absences: []", _) => writeln!(text, "  absences: [{absences}]").unwrap(),
            _ => writeln!(text, "{line}").unwrap(),
        }
    }
    assert!(text.contains("40s") && text.contains("20s") && !text.contains("calendar:\n"));
    text
}

async fn failing(engine: &Engine, service: &str, step: &str) -> Value {
    let probe = json!({"type": "dial_test", "service": service, "city": "长沙", "step": step, "ok": false, "latency_ms": 90_000});
    engine.tell(&series(EIGHT, 10 * SECOND, 400, &probe)).await;
    engine.pass(EIGHT + HOUR).await;
    let path = format!("/v1/triggers?service={service}");
    let asked = engine
        .until(&path, |answer| answer["triggers"] != json!([]))
        .await;
    asked["triggers"][0].clone()
}

fn path_of(trigger: &Value) -> String {
    format!("/v1/triggers/{}", trigger["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn h28_a_reminder_and_an_escalation_go_to_who_stands_in_today_and_to_the_leader() {
    let engine = Engine::with_rules(&[("triggers.yaml", hurried("").as_str())]).await;
    let trigger = failing(&engine, "crbt", "play").await;
    assert_eq!(
        (&trigger["owner_email"], &trigger["stand_in"]),
        (&json!("net-contact@example.com"), &Value::Null)
    );
    engine.mails_to("net-contact@", "已派发", 1).await;
    // Whom it was given to is away from now on: it stays with him, and who sits there today is told.
    let away = "{email: net-contact@example.com, from: '2000-01-01', to: '2099-12-31'}";
    engine.reload_with("triggers.yaml", &hurried(away)).await;
    let shown = engine
        .until(&path_of(&trigger), |shown| !shown["stand_in"].is_null())
        .await;
    assert_eq!(
        (&shown["owner_email"], &shown["stand_in_email"]),
        (&trigger["owner_email"], &json!("noc-duty@example.com"))
    );
    let reminder = engine.mails_to("noc-duty@", "is due soon", 1).await;
    assert!(
        reminder[0].contains("网络部接口人 → NOC duty"),
        "{}",
        reminder[0]
    );
    engine.mails_to("noc-duty@", "is overdue", 1).await;
    engine.mails_to("net-leader@", "已超时", 1).await;
    let late = engine.outbox();
    let mut late = late.iter().filter(|(to, _)| to.starts_with("net-contact@"));
    assert!(late.all(|(_, mail)| !mail.contains("即将到期") && !mail.contains("已超时")));
    let history = engine.get(&path_of(&trigger)).await["history"].to_string();
    assert!(
        history.contains("overdue: escalated to leader of NET"),
        "{history}"
    );
    let process = engine.get("/v1/triggers/process").await;
    assert_eq!(process["reminders"], 1, "{process:#}");
    assert!(process["escalations"].as_u64().unwrap() >= 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h26_an_overdue_review_climbs_above_the_lead() {
    let engine = Engine::with_rules(&[("triggers.yaml", hurried("").as_str())]).await;
    let trigger = failing(&engine, "fetion", "login").await;
    assert_eq!(trigger["state"], "analysed");
    engine.mails_to("data-lead@", "即将到期", 1).await;
    engine.mails_to("data-director@", "已超时", 1).await;
    let history = engine.get(&path_of(&trigger)).await["history"].to_string();
    assert!(
        history.contains("overdue: escalated to leader of DATA"),
        "{history}"
    );
    engine.stop().await;
}
