//! Single subscribers: receipts by number (H19), and who is affected by a trouble (G16).

use serde_json::{Value, json};

use chrysalis::config::Config;

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, SECOND, series};

const CARE: &str = "token-of-customer-care";
const PROBE: &str = "token-of-the-probes";
const AGENT: &str = "token-of-a-desk-agent";
const HALF_PAST_SEVEN: i64 = MONDAY + 7 * HOUR + 30 * MINUTE;

fn tokens(config: &mut Config) {
    std::fs::create_dir_all(&config.data).unwrap();
    let token = |name: &str, secret: &str, roles: &str| {
        let path = config.data.join(format!("{roles}.token"));
        std::fs::write(&path, secret).unwrap();
        json!({"name": name, "token_file": path, "roles": [roles]})
    };
    let all = json!({"tokens": [
        token("客服", CARE, "subscribers"),
        token("拨测", PROBE, "producer"),
        token("坐席", AGENT, "reader"),
    ]});
    config.access = serde_json::from_value(all).unwrap();
}

/// 100 messages of one minute, 60 of which expire, two for each subscriber.
fn edition() -> Vec<Value> {
    let submit = json!({"type": "mms_submit", "message_id": "m{n}", "service": "mobile_newspaper", "city": "株洲", "edition": "morning"});
    let mut events = series(HALF_PAST_SEVEN, SECOND / 2, 100, &submit);
    for (at, event) in events.iter_mut().enumerate() {
        event["recipient"] = format!("139{:08}", at / 2).into();
    }
    let report = |at: usize, status: &str, ts: i64| json!({"type": "mms_receipt", "ts": ts, "message_id": format!("m{}", at + 1), "status": status});
    events.extend((0..40).map(|at| report(at, "Retrieved", HALF_PAST_SEVEN + 2 * MINUTE)));
    events.extend((40..100).map(|at| report(at, "Expired", HALF_PAST_SEVEN + 5 * MINUTE)));
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn h19_receipts_of_a_number_are_for_the_role_and_every_reading_is_in_the_audit() {
    let engine = Engine::with(&[], tokens).await;
    engine.tell_with(PROBE, &edition()).await;
    let asked = |number: &str| Some(json!({"number": number}));
    let path = "/v1/subscribers/messages";
    // Durable is not counted yet: the dataflow has them an epoch later, and its clock is published after that.
    let mut answer = Value::Null;
    for _ in 0..200 {
        let (status, told) = engine.with_token(CARE, path, asked("139 0000 0010")).await;
        assert_eq!(status.as_u16(), 200, "{told}");
        answer = told;
        if answer["delivered"] == 2 && answer["kept_from_ms"].is_i64() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(answer["total"], 2, "{answer:#}");
    assert_eq!(answer["delivered_percent"], 100.0);
    // No message is no proof where they are kept no more.
    assert_eq!(answer["complete"], true);
    let kept_ms = answer["kept_from_ms"].as_i64().unwrap();
    for (from_ms, is_complete) in [(kept_ms, true), (kept_ms - DAY, false)] {
        let asked = json!({"number": "13900009999", "from_ms": from_ms});
        let (_, told) = engine.with_token(CARE, path, Some(asked)).await;
        assert_eq!(
            (&told["total"], &told["complete"]),
            (&json!(0), &json!(is_complete))
        );
    }
    let newest = &answer["messages"][0];
    assert_eq!(
        (&newest["message_id"], &newest["status"]),
        (&json!("m22"), &json!("Retrieved"))
    );
    assert_eq!(newest["edition"], "morning");
    assert_eq!(newest["delay_ms"], 2 * MINUTE - 21 * SECOND / 2);
    let (_, lost) = engine.with_token(CARE, path, asked("+8613900000045")).await;
    assert_eq!(
        (&lost["total"], &lost["delivered_percent"]),
        (&json!(2), &json!(0.0))
    );
    let (_, then) = engine
        .with_token(
            CARE,
            path,
            Some(json!({"number": "13900000045", "to_ms": HALF_PAST_SEVEN})),
        )
        .await;
    assert_eq!(then["total"], 0);
    let (_, masked) = engine.with_token(AGENT, path, asked("13900000045")).await;
    assert_eq!(
        (&masked["number"], &masked["masked"]),
        (&json!("139******45"), &json!(true))
    );
    let (status, _) = engine
        .with_token("nobody-has-this-token", path, asked("139"))
        .await;
    assert_eq!(status.as_u16(), 401);
    // Who asked what, without the number itself.
    let mut rows = Vec::new();
    for _ in 0..200 {
        let (_, audit) = engine
            .with_token(CARE, "/v1/history/audit?limit=1000", None)
            .await;
        rows = audit["rows"].as_array().cloned().unwrap_or_default();
        if rows.iter().any(|row| row["actor"] == "坐席") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let own = rows.iter().find(|row| row["actor"] == "坐席").unwrap();
    let words = own["command"].to_string();
    assert!(
        words.contains("note_reading") && words.contains("139******45"),
        "{words}"
    );
    assert!(rows.iter().any(|row| row["actor"] == "客服"));
    assert!(!json!(rows).to_string().contains("13900000045"));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g16_those_whose_messages_failed_and_who_complained_are_listed_for_the_role() {
    let engine = Engine::with(&[], tokens).await;
    engine.tell_with(PROBE, &edition()).await;
    let clock = HALF_PAST_SEVEN + 3 * HOUR;
    engine.tell_with(PROBE, &Engine::clock(clock)).await;
    let mut trigger = Value::Null;
    for _ in 0..400 {
        let (_, all) = engine
            .with_token(CARE, "/v1/triggers?service=mobile_newspaper", None)
            .await;
        if all["triggers"] != json!([]) {
            trigger = all["triggers"][0].clone();
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let path = format!("/v1/triggers/{}/affected", trigger["id"].as_str().unwrap());
    let (status, affected) = engine.with_token(CARE, &path, None).await;
    assert_eq!(status.as_u16(), 200, "{affected}");
    let listed = affected["subscribers"].as_array().unwrap();
    // 60 messages of 30 subscribers did not arrive.
    assert_eq!(listed.len(), 30, "{affected:#}");
    assert!(
        listed
            .iter()
            .all(|one| one["status"] == "Expired" && one["known_by"] == "receipt")
    );
    let (_, masked) = engine.with_token(AGENT, &path, None).await;
    assert_eq!(masked["masked"], true);
    let numbers = masked["subscribers"].to_string();
    assert!(
        !numbers.contains("13900000045") && numbers.contains("139******45"),
        "{numbers}"
    );
    engine.stop().await;
}

/// H17's late ones are no failures, and their readers are affected all the same.
#[tokio::test(flavor = "multi_thread")]
async fn g16_those_whose_issue_came_late_are_listed() {
    let engine = Engine::start().await;
    let submit = json!({"type": "mms_submit", "message_id": "m{n}", "service": "mobile_newspaper", "city": "株洲", "edition": "morning"});
    let mut events = series(HALF_PAST_SEVEN, SECOND, 100, &submit);
    for (at, event) in events.iter_mut().enumerate() {
        event["recipient"] = format!("139{at:08}").into();
    }
    let late = HALF_PAST_SEVEN + 6 * HOUR;
    events.extend((1..=100).map(|at| {
        // The first ten are in time.
        let ts = if at <= 10 { HALF_PAST_SEVEN + 2 * MINUTE } else { late };
        json!({"type": "mms_receipt", "ts": ts, "message_id": format!("m{at}"), "status": "Retrieved"})
    }));
    engine.tell(&events).await;
    engine.pass(late + 2 * HOUR).await;
    let found = engine
        .until("/v1/triggers?service=mobile_newspaper", |answer| {
            answer["triggers"] != json!([])
        })
        .await;
    let id = found["triggers"][0]["id"].as_str().unwrap();
    let affected = engine.get(&format!("/v1/triggers/{id}/affected")).await;
    let listed = affected["subscribers"].as_array().unwrap();
    assert_eq!(listed.len(), 90, "{affected:#}");
    assert!(
        listed
            .iter()
            .all(|one| one["late"] == true && one["status"] == "Retrieved")
    );
    engine.stop().await;
}
