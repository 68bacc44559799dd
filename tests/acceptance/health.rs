//! Scores up the tree, and down again to the place that they come from.

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, SECOND, near, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;

/// A hundred messages of which the last so many expire, all within eight minutes.
async fn morning(engine: &Engine, city: &str, expired: i64) {
    let submit = json!({"type": "mms_submit", "message_id": format!("{city} {{n}}"), "service": "mobile_newspaper", "city": city, "edition": "morning"});
    engine.tell(&series(EIGHT, SECOND, 100, &submit)).await;
    let receipts: Vec<Value> = (0..100)
        .map(|n| {
            let status = if n < 100 - expired { "Retrieved" } else { "Expired" };
            json!({"type": "mms_receipt", "message_id": format!("{city} {}", n + 1), "status": status, "ts": EIGHT + MINUTE + n * SECOND})
        })
        .collect();
    engine.tell(&receipts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g8_h15_a_red_service_is_traced_to_its_layer_kqi_and_city() {
    let engine = Engine::start().await;
    morning(&engine, "长沙", 16).await;
    morning(&engine, "株洲", 0).await;
    engine.pass(EIGHT + 20 * MINUTE).await;
    let path = "/v1/health/mobile_newspaper";
    let health = engine.until(path, |answer| answer["min"] == 1.0).await;
    let layers = health["layers"].as_array().unwrap();
    let [experience, platform, network] = layers.as_slice() else {
        panic!("{health:#}");
    };
    // H15: the platform is elsewhere. It shows as empty, and takes no part.
    assert_eq!(
        (&platform["mean"], &platform["min"]),
        (&Value::Null, &Value::Null)
    );
    near(&platform["share"], 0.0, 0.0);
    near(&experience["share"], 2.0 / 3.0, 1e-12);
    let mean = |of: &Value| of["mean"].as_f64().unwrap();
    near(
        &health["mean"],
        (2.0 * mean(experience) + mean(network)) / 3.0,
        1e-9,
    );
    assert!(mean(experience) > mean(network), "{health:#}");
    // The worst KQI of the worst layer, and whose fault it is: counts, exactly.
    let kqis = network["kqis"].as_array().unwrap();
    let mut pairs = kqis
        .windows(2)
        .filter(|pair| pair[1]["mean"] != Value::Null);
    assert!(
        pairs.all(|pair| mean(&pair[0]) <= mean(&pair[1])),
        "{network:#}"
    );
    let worst = kqis
        .iter()
        .find(|of| of["kqi"] == "mnews_expired_ratio")
        .unwrap();
    assert_eq!(
        worst["mean"], kqis[0]["mean"],
        "it fell as deep as the success ratio did"
    );
    near(&worst["min"], 1.0, 0.0);
    near(&worst["mean"], 3.0, 1e-9);
    let shares = engine.get(worst["contributions"].as_str().unwrap()).await;
    assert_eq!(
        (&shares["counted"], &shares["total"]),
        (&json!("bad_facts"), &json!(16))
    );
    let of_cities = &shares["dimensions"][0];
    assert_eq!(of_cities["dimension"], "city");
    let first = &of_cities["values"][0];
    assert_eq!(
        (&first["value"], &first["count"]),
        (&json!("长沙"), &json!(16))
    );
    near(&first["share"], 1.0, 0.0);
    near(&first["share_of_facts"], 0.5, 0.0);
    let cities = engine.get("/v1/boards/cities").await;
    // Whose limit made it the worst, wherever a number is shown.
    let by = &cities["lines"][0]["worst"];
    assert_eq!(by["service"], "mobile_newspaper", "{cities:#}");
    let said = |of: &Value| of["limit_source"]["reference"].as_str().map(str::to_owned);
    let of_kqi = kqis.iter().find(|of| of["kqi"] == by["kqi"]);
    assert!(of_kqi.is_none_or(|of| said(of) == said(by)), "{by:#}");
    assert!(
        said(by).is_some() && said(&shares) == said(worst),
        "{shares:#}"
    );
    let names: Vec<&Value> = cities["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| &of["name"])
        .collect();
    assert_eq!(names, ["长沙", "株洲"], "the worst first");
    // Wider places hold what their cities hold.
    for (by, name) in [("provinces", "湖南"), ("groups", "集团")] {
        let board = engine.get(&format!("/v1/boards/{by}")).await;
        let lines = board["lines"].as_array().unwrap();
        assert_eq!(
            (lines.len(), &lines[0]["name"]),
            (1, &json!(name)),
            "{board:#}"
        );
        let objects = |line: &Value| line["abnormal"].as_u64().unwrap();
        let of_cities = cities["lines"].as_array().unwrap().iter().map(objects);
        assert_eq!(objects(&lines[0]), of_cities.sum::<u64>(), "{board:#}");
    }
    let services = engine.get("/v1/boards/services").await;
    assert_eq!(services["lines"][0]["name"], "mobile_newspaper");
    near(
        &services["lines"][0]["mean"],
        health["mean"].as_f64().unwrap(),
        1e-9,
    );
    // Nobody is served by the newspaper: channels are the halls and the hotline (C12).
    assert_eq!(engine.get("/v1/boards/channels").await["lines"], json!([]));
    let page = json!({"type": "dial_test", "service": "web_hall", "city": "长沙", "step": "page", "ok": true, "latency_ms": 2_000});
    let from = MONDAY + 12 * HOUR;
    let mut pages = series(from, 10 * SECOND, 60, &page);
    pages.extend(Engine::clock(from + HOUR));
    engine.tell(&pages).await;
    let is_there = |board: &Value| board["lines"][0]["name"] == "web_hall";
    let channels = engine.until("/v1/boards/channels", is_there).await;
    assert_eq!(
        channels["lines"].as_array().unwrap().len(),
        1,
        "{channels:#}"
    );
    // Nothing of the edition has been under way for hours, and its alert fires: what it came to is still there to see.
    let health = engine.get(path).await;
    near(&health["min"], 1.0, 0.0);
    let shares = engine.get(worst["contributions"].as_str().unwrap()).await;
    assert_eq!(shares["total"], 16, "{shares:#}");
    // H20: why they failed is asked from there. It has no alert that could hold it, so the window that was the newest when
    // the last of them failed is told, by its name.
    let unscored = health["unscored"].as_array().unwrap();
    let failures = unscored.iter().find(|of| of["kqi"] == "mnews_failures");
    let path = failures.unwrap()["contributions"].as_str().unwrap();
    let shares = engine.get(path).await;
    assert_eq!(shares["total"], 16, "{shares:#}");
    assert_eq!(
        (&shares["from_ms"], &shares["to_ms"]),
        (&json!(EIGHT - 45 * MINUTE), &json!(EIGHT + 15 * MINUTE))
    );
    for dimension in ["status", "cause", "city"] {
        let mut dimensions = shares["dimensions"].as_array().unwrap().iter();
        let of = dimensions.find(|of| of["dimension"] == dimension).unwrap();
        assert_eq!(of["values"][0]["count"], 16, "{dimension}: {shares:#}");
    }
    // A service that nobody measured is neither good nor bad.
    let quiet = engine.get("/v1/health/crbt").await;
    assert_eq!(
        (&quiet["mean"], &quiet["min"]),
        (&Value::Null, &Value::Null)
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g11_three_products_have_seventy_percent_of_all_complaints() {
    let engine = Engine::start().await;
    let of = [
        ("gprs", 32),
        ("mms", 22),
        ("monternet_sms", 16),
        ("sms", 15),
        ("crbt", 10),
        ("wap", 5),
    ];
    for (service, count) in of {
        let ticket = json!({"type": "complaint", "serial": format!("{service}-{{n}}"), "state": "filed", "service": service, "city": "广州", "path": "投诉/数据业务"});
        engine.tell(&series(EIGHT, MINUTE, count, &ticket)).await;
    }
    engine.pass(MONDAY + 24 * HOUR).await;
    let path = "/v1/kqis/complaint_service_week/contributions";
    let shares = engine.until(path, |answer| answer["total"] == 100).await;
    let services = &shares["dimensions"][0];
    near(&services["top3_share"], 0.70, 1e-12);
    let values = services["values"].as_array().unwrap();
    assert_eq!(values[0]["value"], "gprs");
    let sum: i64 = values.iter().map(|of| of["count"].as_i64().unwrap()).sum();
    assert_eq!(sum, 100);
    engine.stop().await;
}

/// One dimension of what a KQI is made of: value and what is counted of it.
fn parts(shares: &Value, dimension: &str) -> Vec<(String, f64)> {
    let mut dimensions = shares["dimensions"].as_array().unwrap().iter();
    let of = dimensions.find(|of| of["dimension"] == dimension);
    let values = of.unwrap_or_else(|| panic!("no {dimension}: {shares:#}"))["values"].as_array();
    let values = values.unwrap().iter();
    values
        .map(|of| {
            (
                of["value"].as_str().unwrap().to_owned(),
                of["count"].as_f64().unwrap(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_whole_province_is_traced_to_the_city_that_made_it() {
    let engine = Engine::start().await;
    let week = 7 * 24 * HOUR;
    let mut tickets = Vec::new();
    for (from, city, count) in [
        (MONDAY, "长沙", 400),
        (MONDAY, "永州", 60),
        (MONDAY + week, "长沙", 40),
        (MONDAY + week, "永州", 150),
    ] {
        let ticket = json!({"type": "complaint", "serial": format!("{from} {city} {{n}}"), "state": "filed", "service": "mobile_mail", "city": city, "path": "投诉/数据业务/自有业务/手机邮箱/使用/登录/无法登录"});
        tickets.extend(series(from + 8 * HOUR, MINUTE / 2, count, &ticket));
    }
    // Others complain of something else: the day a week before was heard.
    let other = json!({"type": "complaint", "serial": "other {n}", "state": "filed", "service": "sms", "city": "株洲", "path": "投诉/数据业务"});
    tickets.extend(series(MONDAY, 6 * HOUR, 32, &other));
    tickets.sort_by_key(|ticket| ticket["ts"].as_i64());
    engine.tell(&tickets).await;
    engine.pass(MONDAY + week + 24 * HOUR).await;
    let path = "/v1/kqis/mmail_login_complaint_change/contributions";
    let shares = engine.until(path, |answer| answer["total"] == -270).await;
    assert_eq!(shares["counted"], "facts_more");
    // It groups by its service alone; its tickets have cities all the same. The one that came is named, not the large one.
    let cities = parts(&shares, "city");
    let wanted = [("永州".to_owned(), 90.0), ("长沙".to_owned(), -360.0)];
    assert_eq!(cities, wanted);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_mean_the_city_that_makes_its_excess_is_named_and_of_probes_the_network_too() {
    let kqi = "
kqis:
  - {id: slow, name: {zh: 慢, en: Slow}, layer: network, stream: dial_test, filter: step == 'page', aggregate: mean, group_by: [city], window: 1d, unit: s, interval: {max: 6}, department: NET}
";
    let engine = Engine::with_rules(&[("slow.yaml", kqi)]).await;
    for (city, network, count, latency_ms) in [
        ("长沙", "3G", 300, 6_300),
        ("永州", "2G", 60, 60_000),
        ("株洲", "3G", 10, 3_000),
    ] {
        let page = json!({"type": "dial_test", "service": "web_hall", "city": city, "network": network, "step": "page", "ok": true, "latency_ms": latency_ms});
        engine.tell(&series(EIGHT, SECOND, count, &page)).await;
    }
    engine.pass(MONDAY + 24 * HOUR).await;
    let path = "/v1/kqis/slow/contributions";
    let shares = engine
        .until(path, |answer| answer["total"] == 3_300.0)
        .await;
    let wanted = |of: &[(&str, f64)]| -> Vec<(String, f64)> {
        of.iter()
            .map(|(value, count)| ((*value).to_owned(), *count))
            .collect()
    };
    let cities = [("永州", 3_240.0), ("长沙", 90.0), ("株洲", -30.0)];
    assert_eq!(parts(&shares, "city"), wanted(&cities));
    near(
        &shares["dimensions"][0]["values"][0]["share"],
        3_240.0 / 3_330.0,
        1e-12,
    );
    // Nothing groups by the network, and it tells all the same that it is 2G.
    assert_eq!(
        parts(&shares, "network"),
        wanted(&[("2G", 3_240.0), ("3G", 60.0)])
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_down_adds_up_windows_of_one_time_and_names_who_was_last_seen_at_another() {
    let rules = "
alert_policies:
  held: {for: 0s, missing: hold}
kqis:
  - {id: opened, name: {zh: 打开, en: Opened}, layer: network, stream: dial_test, filter: step == 'open', good: ok, aggregate: ratio, group_by: [city], window: 15m, unit: percent, interval: {min: 95}, min_samples: 10, department: NET, alert: held}
";
    let engine = Engine::with_rules(&[("opened.yaml", rules)]).await;
    let noon = MONDAY + 12 * HOUR;
    for (city, at, failed) in [("长沙", EIGHT, 20), ("株洲", noon, 5), ("永州", noon, 0)] {
        for (ok, from, count) in [(false, at, failed), (true, at + 10 * MINUTE, 20 - failed)] {
            let page = json!({"type": "dial_test", "service": "web_hall", "city": city, "step": "open", "ok": ok, "latency_ms": 900});
            engine.tell(&series(from, SECOND, count, &page)).await;
        }
    }
    // Event time is at the end of the noon's window: both alerts fire, and that of the morning is held.
    engine.pass(noon - 5 * MINUTE).await;
    let path = "/v1/kqis/opened/contributions";
    let shares = engine.until(path, |answer| answer["total"] == 5).await;
    let quarter = 15 * MINUTE;
    assert_eq!(
        (&shares["from_ms"], &shares["to_ms"]),
        (&json!(noon), &json!(noon + quarter))
    );
    let of = |shares: &Value| parts(shares, "city");
    let wanted = [("株洲".to_owned(), 5.0), ("永州".to_owned(), 0.0)];
    assert_eq!(of(&shares), wanted, "{shares:#}");
    let elsewhere = |city: &str, start: i64, verdict: &str| json!({"group": format!("city={city}"), "from_ms": start, "to_ms": start + quarter, "verdict": verdict});
    let morning = elsewhere("长沙", EIGHT, "abnormal_major");
    assert_eq!(
        (&shares["left_out"], &shares["left_out_total"]),
        (&json!([morning]), &json!(1))
    );
    // Asked for, it is told, and the others are not.
    let then = format!("{path}?at={}", EIGHT + quarter + MINUTE);
    // The workers may be an epoch ahead of the engine, whose watermark says what is over.
    let shares = engine.until(&then, |answer| answer["total"] == 20).await;
    assert_eq!(of(&shares), [("长沙".to_owned(), 20.0)]);
    assert_eq!(
        shares["left_out"],
        json!([
            elsewhere("株洲", noon, "abnormal_major"),
            elsewhere("永州", noon, "normal")
        ])
    );
    // Nobody was seen then.
    let shares = engine.get(&format!("{path}?at={}", EIGHT + HOUR)).await;
    assert_eq!(
        (
            &shares["total"],
            &shares["to_ms"],
            &shares["left_out_total"]
        ),
        (&json!(0), &Value::Null, &json!(3))
    );
    let (status, _) = engine.ask(&format!("{path}?at=yesterday")).await;
    assert_eq!(status, 400);
    engine.stop().await;
}
