//! Roll-ups city → province → group (S1, C12), and what is configuration only (S3, G21).

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, SECOND, near, series, weather};

const EIGHT: i64 = MONDAY + 8 * HOUR;

/// One measure at three levels.
const LEVELS: &str = "
kqis:
  - {id: by_city, service: sms_hall, name: {zh: 地市, en: By city}, layer: experience, stream: dial_test, filter: step == 'query', aggregate: ratio, good: ok, group_by: [city], window: 15m, department: BSC}
  - {id: by_province, service: sms_hall, name: {zh: 省, en: By province}, layer: experience, stream: dial_test, filter: step == 'query', aggregate: ratio, good: ok, group_by: [province], window: 15m, department: BSC}
  - {id: by_group, service: sms_hall, name: {zh: 集团, en: By group}, layer: experience, stream: dial_test, filter: step == 'query', aggregate: ratio, good: ok, group_by: [group], window: 15m, department: BSC}
  - {id: complaints_per_10k, service: sms_hall, name: {zh: 万投比, en: Complaints per 10k}, layer: experience, stream: complaint, aggregate: rate_per_10k, base: subscriber_base, per: 1d, group_by: [province], window: 1d, department: CS}
";

/// A second province is another entry.
const GUANGDONG: &str = "
places:
  - {province: 广东, group: 集团, cities: [广州, 深圳]}
";

const CITIES: [(&str, &str, i64, i64); 5] = [
    ("长沙", "湖南", 40, 3),
    ("永州", "湖南", 31, 7),
    ("湘西", "湖南", 12, 0),
    ("广州", "广东", 50, 1),
    ("深圳", "广东", 44, 5),
];

fn probe(city: &str, ok: bool) -> Value {
    json!({"type": "dial_test", "service": "sms_hall", "city": city, "step": "query", "ok": ok, "latency_ms": 3_000})
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_a_province_is_exactly_the_sum_of_its_cities_and_the_group_of_its_provinces() {
    let more = [("levels.yaml", LEVELS), ("guangdong.yaml", GUANGDONG)];
    let engine = Engine::with_rules(&more).await;
    let mut events = Vec::new();
    for (city, _, good, bad) in CITIES {
        events.extend(series(EIGHT, SECOND, good, &probe(city, true)));
        events.extend(series(EIGHT, SECOND, bad, &probe(city, false)));
        // Late ones, which turn sealed windows at every level alike.
        events.extend(series(EIGHT + 2 * MINUTE, SECOND, 2, &probe(city, false)));
    }
    let (late, early): (Vec<Value>, Vec<Value>) = events
        .into_iter()
        .partition(|event| event["ts"].as_i64() >= Some(EIGHT + 2 * MINUTE));
    engine.tell(&early).await;
    let end = EIGHT + 15 * MINUTE;
    engine.pass(end).await;
    engine.window("by_group", "group=集团", end).await;
    engine.tell(&late).await;

    let counted = |row: &Value| {
        let count = row["count"].as_i64().unwrap();
        (count, row["value"].as_f64().unwrap() * count as f64)
    };
    let total: i64 = CITIES.iter().map(|(_, _, good, bad)| good + bad + 2).sum();
    let path = format!("/v1/kqis/by_group/windows?from={}&to={end}", end - MINUTE);
    engine
        .until(&path, |answer| answer["windows"][0]["count"] == total)
        .await;
    let of_group = engine.window("by_group", "group=集团", end).await;
    let cities = engine.windows("by_city", "city=深圳", end).await;
    let provinces = engine.windows("by_province", "province=湖南", end).await;
    assert_eq!((cities.len(), provinces.len()), (5, 2));
    let sum = |of: &str| {
        let own = CITIES.iter().filter(|(_, province, ..)| *province == of);
        let rows = own.map(|(city, ..)| {
            let group = format!("city={city}");
            counted(cities.iter().find(|row| row["group"] == group).unwrap())
        });
        rows.fold((0, 0.0), |(count, good), row| (count + row.0, good + row.1))
    };
    let (mut count_all, mut good_all) = (0, 0.0);
    for row in &provinces {
        let province = row["group"]
            .as_str()
            .unwrap()
            .trim_start_matches("province=");
        let (count, good) = counted(row);
        let (count_sum, good_sum) = sum(province);
        assert_eq!(count, count_sum, "{province}");
        assert!(
            (good - good_sum).abs() < 1e-6,
            "{province}: {good} {good_sum}"
        );
        count_all += count;
        good_all += good;
    }
    let (count, good) = counted(&of_group);
    assert_eq!(count, count_all);
    assert!((good - good_all).abs() < 1e-6);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_a_provinces_rate_divides_by_the_users_of_all_its_cities() {
    let engine = Engine::with_rules(&[("levels.yaml", LEVELS)]).await;
    let mut events = Vec::new();
    for (city, users) in [("长沙", 600_000), ("永州", 400_000), ("广州", 9_000_000)] {
        let base = json!({"type": "gauge", "name": "subscriber_base", "value": users, "dims": {"service": "sms_hall", "city": city}});
        events.extend(series(MONDAY, 0, 1, &base));
        let ticket = json!({"type": "complaint", "serial": format!("{city} {{n}}"), "state": "filed", "service": "sms_hall", "city": city, "path": "投诉/短信营业厅"});
        events.extend(series(EIGHT, SECOND, 25, &ticket));
    }
    engine.tell(&events).await;
    let end = MONDAY + 24 * HOUR;
    engine.pass(end).await;
    let row = engine
        .window("complaints_per_10k", "province=湖南", end)
        .await;
    // Fifty tickets of a million users.
    near(&row["value"], 0.5, 1e-9);
    engine.stop().await;
}

/// KQIs of a seventeenth service.
const WEATHER: &str = "
      - id: weather_response_ratio
        name: {zh: 点播返回率, en: Reply ratio}
        layer: platform
        stream: dial_test
        filter: step == 'order'
        good: ok
        aggregate: ratio
        group_by: [service, province]
        window: 15m
        anchors: S99
        min_samples: 30
        department: DATA
";

#[tokio::test(flavor = "multi_thread")]
async fn g21_a_second_province_and_a_seventeenth_service_are_configuration_only() {
    let weather = weather(WEATHER);
    let more = [
        ("services/weather.yaml", &*weather),
        ("guangdong.yaml", GUANGDONG),
    ];
    let engine = Engine::with_rules(&more).await;
    let services = engine.get("/v1/services").await;
    assert_eq!(services["services"].as_array().unwrap().len(), 17);
    let order = |ok: bool| json!({"type": "dial_test", "service": "weather", "city": "深圳", "step": "order", "ok": ok, "latency_ms": 900});
    let mut events = series(EIGHT, SECOND, 36, &order(true));
    events.extend(series(EIGHT, SECOND, 4, &order(false)));
    engine.tell(&events).await;
    engine.pass(EIGHT + HOUR).await;
    let row = engine.window(
        "weather_response_ratio",
        "service=weather;province=广东",
        EIGHT + 15 * MINUTE,
    );
    let row = row.await;
    near(&row["value"], 90.0, 1e-9);
    assert_eq!(row["verdict"], "abnormal_critical");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_a_province_that_the_map_learns_of_later_has_its_cities_history() {
    let engine = Engine::with_rules(&[("levels.yaml", LEVELS)]).await;
    let mut events = series(EIGHT, SECOND, 30, &probe("广州", true));
    events.extend(series(EIGHT, SECOND, 20, &probe("深圳", false)));
    events.extend(series(EIGHT, SECOND, 10, &probe("长沙", true)));
    engine.tell(&events).await;
    let end = EIGHT + 15 * MINUTE;
    engine.pass(end).await;
    // A city of no province is in a group without a name, not in somebody else's sum.
    let nowhere = engine.window("by_province", "province=", end).await;
    assert_eq!(nowhere["count"], 50);
    engine.reload_with("guangdong.yaml", GUANGDONG).await;
    let learnt = engine.window("by_province", "province=广东", end).await;
    assert_eq!(learnt["count"], 50);
    near(&learnt["value"], 0.6, 1e-9);
    let rows = engine.windows("by_province", "province=湖南", end).await;
    assert!(
        rows.iter().all(|row| row["group"] != "province="),
        "{rows:#?}"
    );
    engine.stop().await;
}

/// A misspelt city is a line of its own in no province: who reads the board is told which.
#[tokio::test(flavor = "multi_thread")]
async fn c12_cities_that_the_map_does_not_know_are_named_on_every_board() {
    let engine = Engine::with_rules(&[("levels.yaml", LEVELS)]).await;
    for city in ["长沙", "长沙市"] {
        engine
            .tell(&series(EIGHT, SECOND, 40, &probe(city, true)))
            .await;
    }
    engine.pass(EIGHT + HOUR).await;
    for board in ["cities", "provinces"] {
        engine
            .until(&format!("/v1/boards/{board}"), |answer| {
                answer["unmapped_cities"] == json!(["长沙市"])
            })
            .await;
    }
    engine.stop().await;
}
