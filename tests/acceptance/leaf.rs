//! The leaf 没有收到手机报 (S2; part D of the domain notes), as far as the engine holds its evidence.

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, SECOND, near, series};

const LEAF: &str = "投诉/数据业务/自有业务/手机报/使用/接收异常/没有收到手机报";

fn ticket(state: &str) -> Value {
    json!({"type": "complaint", "serial": "C-{n}", "state": state, "service": "mobile_newspaper", "city": "永州", "path": LEAF})
}

#[tokio::test(flavor = "multi_thread")]
async fn d_ten_complaints_and_a_breached_ratio_in_one_prefecture_are_one_demand_on_the_network() {
    let engine = Engine::start().await;
    let base = json!({"type": "gauge", "name": "subscriber_base", "value": 9_000_000, "dims": {"service": "mobile_newspaper", "city": "永州"}});
    engine.tell(&series(MONDAY, 0, 1, &base)).await;
    engine
        .tell(&series(MONDAY + 7 * HOUR, MINUTE, 10, &ticket("filed")))
        .await;
    engine.pass(MONDAY + 8 * HOUR).await;
    let morning = MONDAY + 9 * HOUR;
    let message = json!({"type": "mms_submit", "message_id": "m{n}", "service": "mobile_newspaper", "city": "永州"});
    let mut events = series(morning, SECOND, 200, &message);
    let receipt = |status: &str, text: &str| json!({"type": "mms_receipt", "message_id": "m{n}", "status": status, "status_text": text});
    events.extend(series(
        morning + MINUTE,
        SECOND,
        200,
        &receipt("Retrieved", ""),
    ));
    // A later report decides: twenty of them ran out with the handset off.
    events.extend(series(
        morning + 20 * MINUTE,
        SECOND,
        20,
        &receipt("Expired", "关机"),
    ));
    engine.tell(&events).await;
    engine.pass(MONDAY + 11 * HOUR).await;
    let asked = engine
        .until("/v1/triggers", |answer| answer["triggers"] != json!([]))
        .await;
    let triggers = asked["triggers"].as_array().unwrap();
    assert_eq!(triggers.len(), 1, "{triggers:#?}");
    let trigger = &triggers[0];
    assert_eq!(trigger["kqi"], "mnews_expired_ratio");
    assert_eq!(trigger["department"], "NET");
    assert_eq!(trigger["group"]["city"], "永州");
    let beside = &trigger["complaints"][0];
    assert_eq!(beside["count"], 10, "{trigger:#}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_h6_an_excluded_contact_never_was_a_complaint_and_a_withdrawn_one_is_taken_back() {
    let engine = Engine::start().await;
    let base = json!({"type": "gauge", "name": "subscriber_base", "value": 100_000, "dims": {"service": "mobile_newspaper", "city": "永州"}});
    engine.tell(&series(MONDAY, 0, 1, &base)).await;
    engine
        .tell(&series(MONDAY + 9 * HOUR, MINUTE, 20, &ticket("filed")))
        .await;
    engine
        .tell(&series(MONDAY + 10 * HOUR, MINUTE, 5, &ticket("excluded")))
        .await;
    let mut withdrawn = series(MONDAY + 11 * HOUR, MINUTE, 8, &ticket("withdrawn"));
    withdrawn.drain(..5);
    engine.tell(&withdrawn).await;
    engine.pass(MONDAY + DAY).await;
    let group = "service=mobile_newspaper;city=永州";
    let row = engine
        .window("mnews_nonreceipt_complaint_rate", group, MONDAY + DAY)
        .await;
    assert_eq!(row["count"], 12);
    near(&row["value"], 1.2, 1e-9);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_a_ticket_that_is_filed_again_under_another_leaf_counts_there() {
    let engine = Engine::with_rules(&[("leaves.yaml", LEAVES)]).await;
    engine
        .tell(&series(MONDAY + 9 * HOUR, MINUTE, 10, &ticket("filed")))
        .await;
    let moved = json!({"type": "complaint", "serial": "C-{n}", "state": "reclassified", "path": LEAF.replace("没有收到手机报", "接收时间不合理")});
    engine
        .tell(&series(MONDAY + 12 * HOUR, MINUTE, 4, &moved))
        .await;
    engine.pass(MONDAY + DAY).await;
    for (leaf, count) in [("没有收到手机报", 6.0), ("接收时间不合理", 4.0)] {
        let row = engine
            .window("by_leaf", &format!("leaf={leaf}"), MONDAY + DAY)
            .await;
        near(&row["value"], count, 0.0);
    }
    engine.stop().await;
}

const LEAVES: &str = "
kqis:
  - {id: by_leaf, service: mobile_newspaper, name: {zh: 末级投诉量, en: Complaints by leaf}, layer: experience, stream: complaint, aggregate: count, group_by: [leaf], window: 1d, department: CS}
";

/// Files one contact by the form; what was decided.
async fn file(engine: &Engine, serial: &str, answers: Value) -> Value {
    let contact = json!({"leaf": "newspaper_not_received", "serial": serial, "city": "永州", "ts": MONDAY + 9 * HOUR, "answers": answers});
    let (status, answer) = engine.post("/v1/complaints", contact.to_string()).await;
    assert!(status.is_success(), "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn d_h6_h7_the_form_excludes_with_guidance_and_unclear_never_decides() {
    let engine = Engine::with_rules(&[("leaves_count.yaml", LEAVES)]).await;
    let form = engine
        .get("/v1/complaints/forms/newspaper_not_received")
        .await;
    assert_eq!(form["path"], LEAF);
    // The source has fifteen questions, of which 10 and 11 are not legible.
    let questions = form["questions"].as_array().unwrap();
    assert_eq!(questions.len(), 13);

    // A bad answer to 1, 2, 4, 5 or 7 is guidance and no complaint.
    for (question, bad) in [
        ("mms_capable", "no"),
        ("settings_right", "no"),
        ("ordered_within_a_day", "yes"),
        ("memory_full", "yes"),
        ("account_normal", "no"),
    ] {
        let answers = json!({question: bad, "coverage_normal": "no"});
        let decided = file(&engine, question, answers).await;
        assert_eq!(decided["state"], "excluded", "{question}");
        assert_eq!(decided["guidance"][0]["question"], question);
        assert_ne!(decided["guidance"][0]["text"]["zh"], "");
        assert_eq!(decided["suspicions"], json!([]));
    }
    // 不清楚 to 13, or to everything, decides nothing.
    let decides = questions
        .iter()
        .filter(|question| question["role"] != "element");
    let all = decides.map(|question| question["id"].as_str().unwrap().to_owned());
    let all: serde_json::Map<String, Value> = all.map(|id| (id, json!("unclear"))).collect();
    for (serial, answers) in [
        ("U-1", json!({"product_changed": "不清楚"})),
        ("U-2", all.into()),
    ] {
        let decided = file(&engine, serial, answers).await;
        assert_eq!(decided["state"], "filed");
        assert_eq!(decided["suspicions"], json!([]));
    }
    // Weak coverage and a changed product point to two departments.
    let answers = json!({"coverage_normal": "no", "product_changed": "yes", "wish": "尽快解决"});
    let decided = file(&engine, "F-1", answers).await;
    for (at, class, department, kqi) in [
        (0, "网络类", "NET", "mnews_expired_ratio"),
        (1, "支撑类", "BSC", "mnews_platform_success_ratio"),
    ] {
        let suspicion = &decided["suspicions"][at];
        assert_eq!(suspicion["class_name"], class);
        assert_eq!(suspicion["department"], department);
        assert_eq!(suspicion["kqi"], kqi);
    }

    // Answers that do not fit are refused, and file nothing.
    for answers in [
        json!({"no_such": "yes"}),
        json!({"gprs_open": 1}),
        json!({"wish": ["x"]}),
    ] {
        let contact =
            json!({"leaf": "newspaper_not_received", "serial": "B-1", "answers": answers});
        let (status, answer) = engine.post("/v1/complaints", contact.to_string()).await;
        assert_eq!(status.as_u16(), 400, "{answer}");
        assert!(answer.contains("bad_answers"), "{answer}");
    }
    engine.pass(MONDAY + DAY).await;
    let row = engine
        .window("by_leaf", "leaf=没有收到手机报", MONDAY + DAY)
        .await;
    near(&row["value"], 3.0, 0.0);
    engine.stop().await;
}
