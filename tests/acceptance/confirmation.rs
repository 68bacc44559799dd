//! Second confirmation of the leaf 没有收到手机报: each row of part D's table, from receipts, answers and the
//! city's KQI (S2, H8).

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, SECOND, series};

const SEVEN: i64 = MONDAY + 7 * HOUR;
const NOON: i64 = MONDAY + 12 * HOUR;

/// A subscriber's edition.
fn message(number: &str, city: &str) -> Value {
    json!({"type": "mms_submit", "message_id": format!("m{number}"), "service": "mobile_newspaper", "city": city, "recipient": number, "edition": "morning"})
}

fn receipt(number: &str, status: &str) -> Value {
    json!({"type": "mms_receipt", "message_id": format!("m{number}"), "status": status})
}

/// Files a contact of a number by the form.
async fn file(engine: &Engine, number: &str, city: &str, answers: Value) {
    let contact = json!({"leaf": "newspaper_not_received", "serial": format!("S{number}"), "city": city, "ts": NOON, "subscriber": number, "answers": answers});
    let (status, answer) = engine.post("/v1/complaints", contact.to_string()).await;
    assert!(status.is_success(), "{answer}");
    let path = format!("/v1/complaints/tickets/S{number}");
    let began = std::time::Instant::now();
    while !engine.ask(&path).await.0.is_success() {
        assert!(began.elapsed().as_secs() < 30, "never on record");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn confirm(engine: &Engine, number: &str, body: Value) -> Value {
    let mut body = body;
    body["ts"] = (NOON + MINUTE).into();
    let path = format!("/v1/complaints/tickets/S{number}/confirmation");
    let (status, answer) = engine.post(&path, body.to_string()).await;
    assert!(status.is_success(), "{answer}");
    serde_json::from_str(&answer).unwrap()
}

/// The ticket, once it is as wished.
async fn ticket(engine: &Engine, number: &str, wish: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/v1/complaints/tickets/S{number}");
    engine.until(&path, wish).await
}

const BY_LEAF: &str = "
kqis:
  - {id: by_leaf, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [leaf], window: 1d, unit: count}
  - {id: by_class, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [class], window: 1d, unit: count}
";

#[tokio::test(flavor = "multi_thread")]
async fn d_h8_each_row_of_the_table_is_found_from_evidence_and_closing_needs_a_class() {
    let engine = Engine::with_rules(&[("by.yaml", BY_LEAF)]).await;
    engine.tell(&heard_since(NOON - 3 * DAY)).await;
    // 株洲: one in a hundred expires; 永州: half of them.
    for (city, expired, prefix) in [("株洲", 1, "z"), ("永州", 50, "y")] {
        let number = format!("{prefix}{{n}}");
        let mut events = series(SEVEN, SECOND, 100, &message(&number, city));
        events.extend(series(
            SEVEN + MINUTE,
            SECOND,
            100,
            &receipt(&number, "Retrieved"),
        ));
        events.extend(series(
            SEVEN + 20 * MINUTE,
            SECOND,
            expired,
            &receipt(&number, "Expired"),
        ));
        engine.tell(&events).await;
    }
    // Numbers with digits: those that complain.
    let mut events = Vec::new();
    for (number, city, status, after) in [
        ("13900000002", "株洲", "Expired", 20 * MINUTE),
        ("13900000003", "永州", "Expired", 20 * MINUTE),
        ("13900000004", "株洲", "Rejected", MINUTE),
        ("13900000005", "株洲", "Retrieved", 4 * HOUR),
        ("13900000006", "株洲", "Retrieved", MINUTE),
        ("13900000009", "株洲", "Forwarded", MINUTE),
    ] {
        events.extend(series(SEVEN, 0, 1, &message(number, city)));
        events.extend(series(SEVEN + after, 0, 1, &receipt(number, status)));
    }
    // Without a final report until its validity was over.
    let mut relayed = message("13900000001", "株洲");
    relayed["valid_until"] = (SEVEN + HOUR).into();
    events.extend(series(SEVEN, 0, 1, &relayed));
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    engine.pass(NOON).await;

    let none = json!({});
    let rows = [
        // number, city, answers of the form, what is said at confirmation, finding, class, owner
        (
            "13900000000",
            "株洲",
            json!({"order_in_boss": "yes"}),
            none.clone(),
            ("nothing_submitted", "平台类", "DATA"),
        ),
        (
            "13900000001",
            "株洲",
            none.clone(),
            none.clone(),
            ("no_final_report", "平台类", "DATA"),
        ),
        (
            "13900000002",
            "株洲",
            none.clone(),
            none.clone(),
            ("expired_alone", "使用类", "CS"),
        ),
        (
            "13900000003",
            "永州",
            none.clone(),
            none.clone(),
            ("expired_together", "网络类", "NET"),
        ),
        (
            "13900000004",
            "株洲",
            none.clone(),
            none.clone(),
            ("rejected", "终端问题类", "CS"),
        ),
        (
            "13900000005",
            "株洲",
            none.clone(),
            none.clone(),
            ("late", "服务质量类", "DATA"),
        ),
        (
            "13900000006",
            "株洲",
            none.clone(),
            none.clone(),
            ("delivered", "使用类", "CS"),
        ),
        (
            "13900000007",
            "株洲",
            json!({"order_in_boss": "no"}),
            json!({"answers": {"charged": "yes"}}),
            ("charged_without_order", "计费类", "BSC"),
        ),
        (
            "13900000008",
            "株洲",
            json!({"order_in_boss": "yes"}),
            json!({"answers": {"consented": "no"}}),
            ("ordered_without_consent", "营销类", "MKT"),
        ),
        (
            "13900000010",
            "株洲",
            json!({"order_in_boss": "否"}),
            none.clone(),
            ("no_order", "支撑类", "BSC"),
        ),
    ];
    for (number, city, answers, said, (found, class, department)) in &rows {
        file(&engine, number, city, answers.clone()).await;
        let decided = confirm(&engine, number, said.clone()).await;
        assert_eq!(decided["found"], *found, "{number}: {decided}");
        assert_eq!(decided["class_name"], *class, "{number}");
        assert_eq!(decided["department"], *department, "{number}");
        assert_eq!(decided["confirmed"], true);
        assert_ne!(decided["action"]["zh"], "");
    }
    let regional = confirm(&engine, "13900000003", none.clone()).await;
    assert_eq!(regional["regional"], true);
    assert_eq!(regional["messages"].as_array().unwrap().len(), 1);
    let shown = regional["messages"][0]["message_id"].as_str().unwrap();
    assert!(shown.contains('*') && !shown.contains("0000000"), "{shown}");

    // Late is not missing: the ticket stands under the neighbour now.
    let late = ticket(&engine, "13900000005", |ticket| {
        ticket["class"] == "service_quality"
    });
    let late = late.await;
    assert!(
        late["path"].as_str().unwrap().ends_with("接收时间不合理"),
        "{late}"
    );
    // What is on its way decides nothing, and the ticket stays as it was.
    file(&engine, "13900000009", "株洲", none.clone()).await;
    let open = confirm(&engine, "13900000009", none.clone()).await;
    assert_eq!(
        (&open["confirmed"], &open["found"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(open["messages"][0]["status"], "pending");

    // Closing needs exactly one class.
    let closing = async |number: &str| {
        let path = format!("/v1/complaints/tickets/S{number}/closing");
        let body = json!({"ts": NOON + 2 * MINUTE});
        engine.post(&path, body.to_string()).await
    };
    let (status, answer) = closing("13900000009").await;
    assert_eq!(status.as_u16(), 409, "{answer}");
    assert!(answer.contains("unconfirmed"), "{answer}");
    // Where evidence says nothing, a person may.
    let decided = confirm(&engine, "13900000009", json!({"class": "usage"})).await;
    assert_eq!(decided["class_name"], "使用类");
    ticket(&engine, "13900000009", |ticket| ticket["class"] == "usage").await;
    let (status, answer) = closing("13900000009").await;
    assert!(status.is_success(), "{answer}");
    let closed = ticket(&engine, "13900000009", |ticket| ticket["state"] == "closed");
    assert_eq!(closed.await["class"], "usage");

    engine.pass(MONDAY + DAY).await;
    let end = MONDAY + DAY;
    let count =
        async |kqi: &str, group: &str| engine.window(kqi, group, end).await["count"].clone();
    assert_eq!(count("by_leaf", "leaf=没有收到手机报").await, 10);
    assert_eq!(count("by_leaf", "leaf=接收时间不合理").await, 1);
    assert_eq!(count("by_class", "class=usage").await, 3);
    assert_eq!(count("by_class", "class=network").await, 1);
    engine.stop().await;
}

/// Messages of somebody else, so that the engine has heard of messages since then.
fn heard_since(from_ms: i64) -> Vec<Value> {
    series(
        from_ms - HOUR,
        6 * HOUR,
        12,
        &message("somebody else {n}", "益阳"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn d_unclear_never_decides_and_what_nobody_heard_of_is_no_evidence() {
    let engine = Engine::start().await;
    engine.pass(NOON).await;
    let ordered = json!({"order_in_boss": "yes"});
    let unclear = async |number: &str, answers: Value, said: Value, why: &str| {
        file(&engine, number, "湘西", answers).await;
        let decided = confirm(&engine, number, said).await;
        assert_eq!(decided["confirmed"], false, "{number}: {decided}");
        assert_eq!(
            (&decided["found"], &decided["unclear"]),
            (&Value::Null, &json!(why)),
            "{number}"
        );
    };
    let none = json!({});
    unclear("13900001001", none.clone(), none.clone(), "order_unknown").await;
    let asked = json!({"order_in_boss": "unclear"});
    unclear("13900001002", asked, none.clone(), "order_unknown").await;
    // There is an order; but the engine has only just begun to hear of messages.
    unclear(
        "13900001003",
        ordered.clone(),
        none.clone(),
        "messages_unknown",
    )
    .await;
    // Now it has, for days: the same evidence decides.
    engine.tell(&heard_since(NOON - 3 * DAY)).await;
    engine.pass(NOON + MINUTE).await;
    let path = "/v1/complaints/tickets/S13900001003/confirmation";
    let began = std::time::Instant::now();
    loop {
        let (_, answer) = engine
            .post(path, json!({"ts": NOON + MINUTE}).to_string())
            .await;
        let decided: Value = serde_json::from_str(&answer).unwrap();
        if decided["confirmed"] == true {
            assert_eq!(
                (&decided["found"], &decided["class"]),
                (&json!("nothing_submitted"), &json!("platform"))
            );
            break;
        }
        assert!(began.elapsed().as_secs() < 30, "{decided}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // Who confirms knows that the platform stands outside: to the group, as a third party's.
    file(&engine, "13900001004", "湘西", ordered.clone()).await;
    let outside = json!({"answers": {"outside": "yes"}});
    let decided = confirm(&engine, "13900001004", outside).await;
    assert_eq!(decided["class_name"], "第三方类", "{decided}");
    assert_eq!(decided["outlet"], "group");
    // What the customer says of since when is looked at: too long ago for what is kept, and within it.
    let mut said = ordered.clone();
    said["began_and_lasted"] = "2026-02-16 起，持续3天".into();
    unclear(
        "13900001005",
        said.clone(),
        none.clone(),
        "messages_unknown",
    )
    .await;
    said["began_and_lasted"] = "2026-02-28 起，持续两天".into();
    file(&engine, "13900001006", "湘西", said).await;
    let decided = confirm(&engine, "13900001006", none.clone()).await;
    let day = MONDAY - 2 * DAY;
    assert_eq!(
        (&decided["from_ms"], &decided["to_ms"]),
        (&json!(day), &json!(day + 2 * DAY))
    );
    assert_eq!(decided["found"], "nothing_submitted", "{decided}");
    let of_1006 = engine.get("/v1/complaints/tickets/S13900001006").await;
    assert_eq!(of_1006["began_ms"], day);
    // Who confirms need not be quick: two and a half days after the complaint the evidence is still there.
    file(&engine, "13900001007", "湘西", ordered.clone()).await;
    file(&engine, "13900001008", "湘西", ordered).await;
    engine.pass(NOON + 60 * HOUR).await;
    let decided = confirm(&engine, "13900001007", none.clone()).await;
    assert_eq!(decided["found"], "nothing_submitted", "{decided}");
    // What the stream closed before anybody confirmed it has no class to stay in.
    let closed = json!({"type": "complaint", "ts": NOON + 60 * HOUR, "serial": "S13900001008", "state": "closed", "version": 9,
        "city": "湘西", "path": "投诉/数据业务/自有业务/手机报/使用/接收异常/没有收到手机报"});
    engine.tell(&[closed]).await;
    let is_closed = |ticket: &Value| ticket["state"] == "closed";
    let seen = ticket(&engine, "13900001008", is_closed).await;
    assert_eq!(seen["class"], Value::Null, "{seen}");
    let late = json!({"class": "marketing"});
    let decided = confirm(&engine, "13900001008", late).await;
    assert_eq!(decided["confirmed"], true, "{decided}");
    let is_classed = |ticket: &Value| ticket["class"] == "marketing";
    ticket(&engine, "13900001008", is_classed).await;
    // What is closed stays in its class.
    let (status, answer) = engine
        .post(
            "/v1/complaints/tickets/S13900001007/closing",
            "{}".to_owned(),
        )
        .await;
    assert!(status.is_success(), "{answer}");
    // At once: who closed it was answered when that was known.
    let path = "/v1/complaints/tickets/S13900001007/confirmation";
    let again = json!({"class": "marketing"}).to_string();
    let (status, answer) = engine.post(path, again).await;
    assert_eq!(status.as_u16(), 409, "{answer}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_a_mass_failure_is_not_the_customers_handset_whatever_keeps_its_verdict_back() {
    let engine = Engine::start().await;
    // Under planned work in 岳阳, without it in 衡阳, too few to judge in 湘西; 株洲 is well but for one.
    let work = json!({"type": "annotation", "start": MONDAY, "end": MONDAY + DAY, "kind": "cut_over", "text": "割接", "scope": {"city": "岳阳"}});
    engine.tell(&[work]).await;
    let cities = [
        ("岳阳", 60, 50, "1360000"),
        ("衡阳", 60, 50, "1370000"),
        ("湘西", 12, 12, "1350000"),
        ("株洲", 60, 1, "1380000"),
    ];
    for (city, sent, expired, prefix) in cities {
        let number = format!("{prefix}{{n}}");
        let mut events = series(SEVEN, SECOND, sent, &message(&number, city));
        let ended = series(
            SEVEN + 5 * MINUTE,
            SECOND,
            sent,
            &receipt(&number, "Expired"),
        );
        events.extend(ended.into_iter().take(expired));
        let came = series(
            SEVEN + 5 * MINUTE,
            SECOND,
            sent,
            &receipt(&number, "Retrieved"),
        );
        events.extend(came.into_iter().skip(expired));
        engine.tell(&events).await;
    }
    engine.pass(NOON).await;
    let mut windows = Vec::new();
    for city in ["岳阳", "湘西"] {
        let group = format!("service=mobile_newspaper;city={city}");
        let row = engine
            .window("mnews_expired_ratio", &group, SEVEN + HOUR)
            .await;
        windows.push(row["verdict"].clone());
    }
    assert_eq!(windows, ["suppressed", "insufficient"]);
    for (number, city, found) in [
        ("13600001", "岳阳", "expired_together"),
        ("13700001", "衡阳", "expired_together"),
        ("13500001", "湘西", "neighbours_unknown"),
        ("13800001", "株洲", "expired_alone"),
    ] {
        file(&engine, number, city, json!({})).await;
        let decided = confirm(&engine, number, json!({})).await;
        let is_decided = found != "neighbours_unknown";
        let said = if is_decided { "found" } else { "unclear" };
        assert_eq!(decided[said], found, "{city}: {decided}");
        assert_eq!(decided["confirmed"], is_decided, "{city}");
        assert_eq!(decided["regional"], found == "expired_together", "{city}");
        assert_eq!(
            decided["unclear_words"].is_object(),
            !is_decided,
            "{decided}"
        );
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_of_a_contact_whose_clock_is_ahead_is_on_record_when_it_is_answered() {
    let engine = Engine::start().await;
    let leaf = "投诉/数据业务/自有业务/手机报/使用/接收异常/没有收到手机报";
    let ahead = json!({"type": "complaint", "ts": NOON + 5 * MINUTE, "serial": "S13900002001", "path": leaf, "city": "长沙"});
    engine.tell(&[ahead]).await;
    let is_there = |ticket: &Value| ticket["state"] == "filed";
    ticket(&engine, "13900002001", is_there).await;
    // It is said four minutes before the contact's own time, and answered when it counts.
    let decided = confirm(&engine, "13900002001", json!({"class": "usage"})).await;
    assert_eq!(decided["confirmed"], true, "{decided}");
    let path = "/v1/complaints/tickets/S13900002001";
    let seen = engine.get(path).await;
    assert_eq!(
        (&seen["state"], &seen["class"]),
        (&json!("confirmed"), &json!("usage"))
    );
    let body = json!({"ts": NOON + MINUTE}).to_string();
    let (status, answer) = engine.post(&format!("{path}/closing"), body).await;
    assert!(status.is_success(), "{answer}");
    assert_eq!(engine.get(path).await["state"], "closed");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_what_cannot_be_confirmed_says_why() {
    let engine = Engine::start().await;
    let conflict = async |serial: &str, code: &str| {
        let path = format!("/v1/complaints/tickets/{serial}/confirmation");
        let (status, answer) = engine.post(&path, "{}".to_owned()).await;
        assert!(answer.contains(code), "{status} {answer}");
    };
    conflict("nobody", "not_found").await;
    let leaf = "投诉/数据业务/自有业务/手机报/使用/接收异常/没有收到手机报";
    let ticket = |serial: &str, path: &str| json!({"type": "complaint", "ts": NOON, "serial": serial, "path": path});
    let mut excluded = ticket("excluded", leaf);
    excluded["state"] = "excluded".into();
    engine
        .tell(&[
            ticket("nameless", leaf),
            ticket(
                "elsewhere",
                "投诉/数据业务/自有业务/飞信/使用/登录/飞信无法登录",
            ),
            excluded,
        ])
        .await;
    engine
        .until("/v1/complaints/sample", |answer| {
            answer["tickets"].as_array().unwrap().len() == 2
        })
        .await;
    conflict("nameless", "no_number").await;
    conflict("elsewhere", "no_table").await;
    conflict("excluded", "not_a_complaint").await;
    // One of nine, and no other.
    let path = "/v1/complaints/tickets/elsewhere/confirmation";
    let (status, answer) = engine
        .post(path, json!({"class": "other"}).to_string())
        .await;
    assert_eq!(status.as_u16(), 400, "{answer}");
    let line = json!({"type": "complaint", "ts": NOON, "serial": "x", "state": "confirmed", "class": "other"});
    let (_, answer) = engine.post("/v1/events", line.to_string()).await;
    assert!(answer.contains("third_party"), "{answer}");
    engine.stop().await;
}
