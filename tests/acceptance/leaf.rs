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
