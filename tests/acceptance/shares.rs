//! Shares of complaints (S2, S3): value-added services, own services, and causes.

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, near, series};

fn tickets(serial: &str, city: &str, path: &str, count: i64) -> Vec<Value> {
    let ticket = json!({"type": "complaint", "serial": format!("{serial}-{{n}}"), "state": "filed", "city": city, "path": path});
    series(MONDAY + 9 * HOUR, MINUTE, count, &ticket)
}

#[tokio::test(flavor = "multi_thread")]
async fn g1_the_value_added_share_is_a_ratio_beside_the_escalated_one() {
    let engine = Engine::start().await;
    let mail = "投诉/数据业务/自有业务/手机邮箱/使用/登录/无法登录";
    let mut by_code = json!({"type": "complaint", "serial": "c {n}", "state": "filed", "node": "O010104", "city": "广州"});
    for (serial, path, count, escalated) in [
        ("added", mail, 40, true),
        ("calls", "投诉/语音业务/通话/掉话", 130, false),
    ] {
        let mut events = tickets(serial, "广州", path, count);
        for event in &mut events {
            event["escalated"] = escalated.into();
        }
        engine.tell(&events).await;
    }
    by_code["escalated"] = true.into();
    engine
        .tell(&series(MONDAY + 10 * HOUR, MINUTE, 30, &by_code))
        .await;
    let end = MONDAY + 7 * DAY;
    engine.pass(end).await;
    // 70 of 200 in either tree; all of them went over the first line's head.
    for kqi in ["complaint_value_added_ratio", "complaint_escalated_ratio"] {
        let row = engine.window(kqi, "city=广州", end).await;
        near(&row["value"], 35.0, 1e-9);
        assert_eq!(row["count"], 200, "{kqi}");
    }
    let usual = engine
        .window("complaint_value_added_ratio", "city=广州", end)
        .await;
    near(&usual["score"], 2.5, 1e-9);
    // A withdrawn ticket takes itself out of both.
    let withdrawn = json!({"type": "complaint", "serial": "added-{n}", "state": "withdrawn"});
    engine
        .tell(&series(MONDAY + 12 * HOUR, MINUTE, 20, &withdrawn))
        .await;
    let path = format!(
        "/v1/kqis/complaint_value_added_ratio/windows?from={}&to={end}",
        end - MINUTE
    );
    let corrected = engine
        .until(&path, |answer| answer["windows"][0]["count"] == 180)
        .await;
    near(
        &corrected["windows"][0]["value"],
        100.0 * 50.0 / 180.0,
        1e-9,
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h32_the_own_services_share_of_a_month_stands_beside_what_explains_it() {
    let engine = Engine::start().await;
    let snow = json!({"type": "annotation", "start": MONDAY + 10 * DAY, "end": MONDAY + 20 * DAY, "kind": "natural_disaster", "text": "冰雪自然灾害", "scope": {"province": "湖南"}});
    engine.tell(&[snow]).await;
    let own = "投诉/数据业务/自有业务/手机报/使用/接收异常/没有收到手机报";
    let others = "投诉/数据业务/合作业务/梦网短信/资费/扣费/梦网扣费争议";
    for (serial, city, path, count) in [
        ("a", "永州", own, 60),
        ("b", "长沙", own, 30),
        ("c", "常德", others, 60),
        ("d", "长沙", "投诉/语音业务/通话/掉话", 150),
        // Another province's, which is nobody's share here.
        ("e", "广州", own, 77),
    ] {
        engine.tell(&tickets(serial, city, path, count)).await;
    }
    let end = MONDAY + 30 * DAY;
    engine.pass(end).await;
    let row = engine
        .window("complaint_own_services_ratio", "province=湖南", end)
        .await;
    near(&row["value"], 30.0, 1e-9);
    assert_eq!(row["count"], 300);
    assert_eq!(row["annotations"][0]["text"], "冰雪自然灾害", "{row}");
    assert_eq!(row["annotations"][0]["start_ms"], MONDAY + 10 * DAY);
    // A month that the snow does not touch has none.
    let before = engine
        .window(
            "complaint_own_services_ratio",
            "province=湖南",
            MONDAY + 10 * DAY,
        )
        .await;
    assert_eq!(
        (&before["count"], &before["annotations"]),
        (&json!(300), &Value::Null)
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g12_charges_are_44_percent_of_all_complaints_and_products_and_service_41() {
    let engine = Engine::start().await;
    for (serial, path, count) in [
        (
            "a",
            "投诉/数据业务/合作业务/梦网短信/资费/扣费/梦网扣费争议",
            30,
        ),
        ("b", "数据业务/GPRS/资费原因/全部品牌/流量费争议", 58),
        (
            "c",
            "投诉/数据业务/自有业务/彩铃/使用/定制/定制后无法使用",
            52,
        ),
        ("d", "数据业务/手机邮箱/软件原因/全部品牌/无法登录", 30),
        ("e", "投诉/数据业务/自有业务/手机报/营销/推荐/未经同意", 30),
    ] {
        engine.tell(&tickets(serial, "广州", path, count)).await;
    }
    let end = MONDAY + 7 * DAY;
    engine.pass(end).await;
    for (kqi, value) in [
        ("complaint_tariff_ratio", 44.0),
        ("complaint_product_ratio", 41.0),
    ] {
        let row = engine.window(kqi, "city=广州", end).await;
        near(&row["value"], value, 1e-9);
        assert_eq!(row["count"], 200, "{kqi}");
    }
    engine.stop().await;
}
