//! Delivery reports as gateways really send them (domain notes B4, H19): words nobody knows, clocks that are wrong, and
//! one message id for many recipients.

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, SECOND, near, series};

const SEVEN: i64 = MONDAY + 7 * HOUR;

/// What is known of a number's messages.
async fn messages_of(engine: &Engine, number: &str) -> Value {
    let body = json!({"number": number}).to_string();
    let (status, answer) = engine.post("/v1/subscribers/messages", body).await;
    assert!(status.is_success(), "{answer}");
    serde_json::from_str(&answer).unwrap()
}

const BY_STATUS: &str = "
kqis:
  - {id: by_status, service: mobile_newspaper, name: n, layer: network, stream: mms_receipt, aggregate: count, unit: count, group_by: [city, status, early], window: 1d, department: NET}
  - {id: came, service: mobile_newspaper, name: n, layer: network, stream: mms_submit, filter: status != 'pending', good: status == 'Retrieved', aggregate: ratio, unit: percent, group_by: [city], window: 1d, department: NET}
";

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_word_that_nobody_knows_takes_no_final_report_back() {
    let engine = Engine::with_rules(&[("by.yaml", BY_STATUS)]).await;
    let submit = json!({"type": "mms_submit", "message_id": "m{n}", "service": "mobile_newspaper", "city": "长沙"});
    let receipt =
        |status: &str| json!({"type": "mms_receipt", "message_id": "m{n}", "status": status});
    let mut events = series(SEVEN, SECOND, 100, &submit);
    events.extend(series(SEVEN + 5 * MINUTE, SECOND, 100, &receipt("Expired")));
    // As a gateway's status text slips into the status: later, for almost all of them.
    events.extend(series(SEVEN + 10 * MINUTE, SECOND, 98, &receipt("1000")));
    // Where nothing else is known, the word stands: neither delivered nor lost.
    let other = json!({"type": "mms_submit", "message_id": "o{n}", "service": "mobile_newspaper", "city": "株洲"});
    events.extend(series(SEVEN, SECOND, 10, &other));
    let unknown = json!({"type": "mms_receipt", "message_id": "o{n}", "status": "1000"});
    events.extend(series(SEVEN + 10 * MINUTE, SECOND, 10, &unknown));
    engine.tell(&events).await;
    engine.pass(MONDAY + DAY).await;
    let end = MONDAY + DAY;
    let row = engine
        .window("by_status", "city=长沙;status=Expired;early=false", end)
        .await;
    assert_eq!(row["count"], 100);
    near(
        &engine.window("came", "city=长沙", end).await["value"],
        0.0,
        0.0,
    );
    let row = engine
        .window(
            "by_status",
            "city=株洲;status=Indeterminate;early=false",
            end,
        )
        .await;
    assert_eq!(row["count"], 10);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_reports_before_their_submission_are_flagged_and_counted() {
    let engine = Engine::with_rules(&[("by.yaml", BY_STATUS)]).await;
    let submit = json!({"type": "mms_submit", "message_id": "m{n}", "service": "mobile_newspaper", "city": "娄底", "edition": "morning", "recipient": "13900000000"});
    let receipt = json!({"type": "mms_receipt", "message_id": "m{n}", "status": "Retrieved"});
    let mut events = series(SEVEN, SECOND, 50, &submit);
    // A clock by twelve hours, or another's: two hours early for forty; a minute for the others.
    let early = series(SEVEN - 2 * HOUR, SECOND, 40, &receipt);
    let late: Vec<_> = series(SEVEN - MINUTE, SECOND, 50, &receipt);
    events.extend(early);
    events.extend(late.into_iter().skip(40));
    engine.tell(&events).await;
    engine.pass(MONDAY + DAY).await;
    let end = MONDAY + DAY;
    for (early, count) in [("true", 40), ("false", 10)] {
        let group = format!("city=娄底;status=Retrieved;early={early}");
        assert_eq!(
            engine.window("by_status", &group, end).await["count"],
            count,
            "{early}"
        );
    }
    let metrics = engine.ask("/metrics").await.1;
    assert!(
        metrics.contains("chrysalis_mms_reports_early_total 40"),
        "{metrics}"
    );
    let detail = messages_of(&engine, "13900000000").await;
    let messages = detail["messages"].as_array().unwrap();
    let flagged = messages
        .iter()
        .filter(|message| message["early"] == true)
        .count();
    assert_eq!((messages.len(), flagged), (50, 40), "{detail}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_reports_whose_submission_nobody_told_are_counted_as_waiting_until_it_is() {
    let engine = Engine::with_rules(&[("by.yaml", BY_STATUS)]).await;
    let receipt = json!({"type": "mms_receipt", "message_id": "w{n}", "status": "Retrieved"});
    engine.tell(&series(SEVEN, SECOND, 50, &receipt)).await;
    engine.pass(SEVEN + HOUR).await;
    let waiting =
        |wanted: i64| move |status: &Value| status["dataflow"]["receipts_waiting"] == wanted;
    engine.until("/v1/status", waiting(50)).await;
    let metrics = engine.ask("/metrics").await.1;
    let series_of = "chrysalis_mms_receipts_without_submission 50";
    assert!(metrics.contains(series_of), "{metrics}");
    // A start knows of them; told their submissions, they count.
    let engine = engine.restart().await;
    engine.until("/v1/status", waiting(50)).await;
    let submit = json!({"type": "mms_submit", "message_id": "w{n}", "service": "mobile_newspaper", "city": "娄底"});
    engine
        .tell(&series(SEVEN - MINUTE, SECOND, 20, &submit))
        .await;
    engine.until("/v1/status", waiting(30)).await;
    // Those that nobody told of are forgotten after 146 hours, and counted.
    engine.pass(SEVEN + 148 * HOUR).await;
    let gone = |status: &Value| status["dataflow"]["receipts_unclaimed"] == 30;
    let status = engine.until("/v1/status", gone).await;
    assert_eq!(status["dataflow"]["receipts_waiting"], 0, "{status}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_report_that_is_sent_again_moves_no_delivery() {
    const TOOK: &str = "
kqis:
  - {id: took, service: mobile_newspaper, name: n, layer: network, stream: mms_submit, aggregate: mean, unit: s, group_by: [city], window: 1d, department: NET}
";
    let engine = Engine::with_rules(&[("took.yaml", TOOK)]).await;
    let submit = json!({"type": "mms_submit", "message_id": "m{n}", "service": "mobile_newspaper", "city": "长沙"});
    let receipt =
        |status: &str| json!({"type": "mms_receipt", "message_id": "m{n}", "status": status});
    let mut events = series(SEVEN, SECOND, 10, &submit);
    events.extend(series(
        SEVEN + 20 * SECOND,
        SECOND,
        10,
        &receipt("Retrieved"),
    ));
    // Again, because its answer was lost; in the gateway's other word for it; with something else in between; and
    // with an hour of the night, which says nothing of when.
    events.extend(series(
        SEVEN + 26 * SECOND,
        SECOND,
        10,
        &receipt("Retrieved"),
    ));
    events.extend(series(SEVEN + HOUR, SECOND, 5, &receipt("Delivered")));
    events.extend(series(SEVEN + MINUTE, SECOND, 3, &receipt("Expired")));
    events.extend(series(SEVEN + 2 * MINUTE, SECOND, 3, &receipt("Retrieved")));
    events.extend(series(SEVEN - 5 * HOUR, SECOND, 2, &receipt("Retrieved")));
    engine.tell(&events).await;
    engine.pass(MONDAY + DAY).await;
    let row = engine.window("took", "city=长沙", MONDAY + DAY).await;
    assert_eq!(row["count"], 10, "{row}");
    near(&row["value"], 20.0, 1e-9);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h19_recipients_of_one_message_id_are_counted_and_shown_each() {
    let engine = Engine::with_rules(&[("by.yaml", BY_STATUS)]).await;
    let number = |n: i64| format!("139{n:08}");
    let mut events = Vec::new();
    for n in 0..60 {
        let submit = json!({"type": "mms_submit", "message_id": "bulk", "service": "mobile_newspaper", "city": "张家界", "recipient": number(n)});
        events.extend(series(SEVEN + n, 0, 1, &submit));
        let status = if n < 30 { "Expired" } else { "Retrieved" };
        // The gateway writes the country's code.
        let receipt = json!({"type": "mms_receipt", "message_id": "bulk", "status": status, "recipient": format!("+86{}", number(n))});
        events.extend(series(SEVEN + MINUTE + n, 0, 1, &receipt));
    }
    // Submitted once for all, and reported on one by one.
    let submit = json!({"type": "mms_submit", "message_id": "once", "service": "mobile_newspaper", "city": "湘西"});
    events.extend(series(SEVEN, 0, 1, &submit));
    for n in 0..5 {
        let receipt = json!({"type": "mms_receipt", "message_id": "once", "status": "Retrieved", "recipient": number(100 + n)});
        events.extend(series(SEVEN + MINUTE + n, 0, 1, &receipt));
    }
    // Who names nobody speaks of the one there is.
    let submit = json!({"type": "mms_submit", "message_id": "one", "service": "mobile_newspaper", "city": "怀化", "recipient": number(200)});
    events.extend(series(SEVEN, 0, 1, &submit));
    let receipt = json!({"type": "mms_receipt", "message_id": "one", "status": "Retrieved"});
    events.extend(series(SEVEN + MINUTE, 0, 1, &receipt));
    engine.tell(&events).await;
    engine.pass(MONDAY + DAY).await;
    let end = MONDAY + DAY;
    for (city, status, count) in [
        ("张家界", "Expired", 30),
        ("张家界", "Retrieved", 30),
        ("湘西", "Retrieved", 5),
        ("怀化", "Retrieved", 1),
    ] {
        let group = format!("city={city};status={status};early=false");
        assert_eq!(
            engine.window("by_status", &group, end).await["count"],
            count,
            "{group}"
        );
    }
    near(
        &engine.window("came", "city=张家界", end).await["value"],
        50.0,
        0.0,
    );
    for (n, status) in [
        (7, "Expired"),
        (37, "Retrieved"),
        (102, "Retrieved"),
        (200, "Retrieved"),
    ] {
        let detail = messages_of(&engine, &number(n)).await;
        assert_eq!(detail["total"], 1, "{detail}");
        assert_eq!(detail["messages"][0]["status"], status, "{n}");
    }
    engine.stop().await;
}
