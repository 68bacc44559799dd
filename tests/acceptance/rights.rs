//! Who sees what (S4: X4, X5, X6), where numbers come from, and one name for a service (C13, H5).

use serde_json::{Value, json};

use chrysalis::config::Config;

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, SECOND, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;
const PROBE: &str = "token-of-the-probes";
const BRANCH: &str = "token-of-changsha-branch";
const ADMIN: &str = "token-of-the-administrator";
const RENEWED: &str = "another-token-of-the-branch";

fn tokens(config: &mut Config) {
    std::fs::create_dir_all(&config.data).unwrap();
    let token = |name: &str, secret: &str, roles: Value, cities: Value| {
        let path = config.data.join(format!("{name}.token"));
        std::fs::write(&path, secret).unwrap();
        json!({"name": name, "token_file": path, "roles": roles, "cities": cities})
    };
    let all = json!({"tokens": [
        token("probe", PROBE, json!(["producer"]), json!([])),
        token("branch", BRANCH, json!(["reader", "operator"]), json!(["长沙"])),
        token("admin", ADMIN, json!(["administrator"]), json!([])),
    ]});
    config.access = serde_json::from_value(all).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn x6_a_branch_sees_its_own_city_and_x4_who_is_refused_is_counted() {
    let engine = Engine::with(&[], tokens).await;
    let mut events = Vec::new();
    for city in ["长沙", "株洲"] {
        let slow = json!({"type": "dial_test", "service": "sms_hall", "city": city, "step": "query", "ok": true, "latency_ms": 60_000});
        events.extend(series(EIGHT, 20 * SECOND, 60, &slow));
        let ticket = json!({"type": "complaint", "serial": format!("S-{city}"), "city": city, "path": "投诉/数据业务/自有业务/飞信/使用/登录/飞信无法登录"});
        events.extend(series(EIGHT, 0, 1, &ticket));
    }
    events.extend(Engine::clock(EIGHT + 20 * MINUTE));
    engine.tell_with(PROBE, &events).await;
    let cities = async |token: &str| {
        let mut cities: Vec<String> = Vec::new();
        for _ in 0..400 {
            let (status, answer) = engine.with_token(token, "/v1/alerts", None).await;
            assert!(status.is_success(), "{answer}");
            let alerts = answer["alerts"].as_array().unwrap().iter();
            let own = alerts.filter(|alert| alert["alert"] == "shall_reply_time_p95");
            cities = own
                .map(|alert| alert["group"]["city"].to_string())
                .collect();
            if !cities.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        cities.sort();
        cities
    };
    assert_eq!(cities(ADMIN).await.len(), 2);
    assert_eq!(cities(BRANCH).await, ["\"长沙\""]);
    let path = format!(
        "/v1/kqis/shall_reply_time_p95/windows?from={EIGHT}&to={}",
        EIGHT + HOUR
    );
    let (_, windows) = engine.with_token(BRANCH, &path, None).await;
    let rows = windows["windows"].as_array().unwrap();
    assert!(
        !rows.is_empty()
            && rows
                .iter()
                .all(|row| row["group"] == "service=sms_hall;city=长沙"),
        "{windows}"
    );
    let (_, kqis) = engine
        .with_token(BRANCH, "/v1/kqis?kqi=shall_reply_time_p95", None)
        .await;
    assert_eq!(
        kqis["kqis"][0]["groups"].as_array().unwrap().len(),
        1,
        "{kqis}"
    );
    for (serial, seen) in [("S-长沙", 200), ("S-株洲", 404)] {
        let path = format!("/v1/complaints/tickets/{serial}");
        let (status, answer) = engine.with_token(BRANCH, &path, None).await;
        assert_eq!(status.as_u16(), seen, "{serial}: {answer}");
        let (status, _) = engine.with_token(ADMIN, &path, None).await;
        assert_eq!(status.as_u16(), 200);
    }
    // What shows the whole is not for a branch; and every refusal is counted by its reason.
    for (token, path, refused) in [
        (BRANCH, "/v1/health", 403),
        (BRANCH, "/metrics", 403),
        ("a-token-of-nobody-here", "/v1/alerts", 401),
        (PROBE, "/v1/rules/reload", 403),
    ] {
        let body = (path == "/v1/rules/reload").then(|| json!({}));
        let (status, _) = engine.with_token(token, path, body).await;
        assert_eq!(status.as_u16(), refused, "{path}");
    }
    let metrics = engine.ask_with(ADMIN, "/metrics").await;
    for (reason, count) in [("city", 2), ("unknown_token", 1), ("role", 1)] {
        let line = format!("chrysalis_access_refused_total{{reason=\"{reason}\"}} {count}");
        assert!(metrics.contains(&line), "{line}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x5_tokens_change_without_a_restart() {
    let engine = Engine::with(&[], tokens).await;
    let status = async |token: &str| {
        engine
            .with_token(token, "/v1/alerts", None)
            .await
            .0
            .as_u16()
    };
    assert_eq!((status(BRANCH).await, status(RENEWED).await), (200, 401));
    engine.write("branch.token", RENEWED);
    assert_eq!(status(RENEWED).await, 401, "not yet");
    let (reloaded, answer) = engine
        .with_token(ADMIN, "/v1/rules/reload", Some(json!({})))
        .await;
    assert!(reloaded.is_success(), "{answer}");
    assert_eq!((status(BRANCH).await, status(RENEWED).await), (401, 200));
    // A file that cannot be used changes nothing.
    engine.write("branch.token", "short");
    let (refused, answer) = engine
        .with_token(ADMIN, "/v1/rules/reload", Some(json!({})))
        .await;
    assert_eq!(refused.as_u16(), 503, "{answer}");
    assert_eq!(status(RENEWED).await, 200);
    engine.stop().await;
}

const ALIASES: &str = "
services:
  - {id: cloud_disk, name: {zh: 云盘, en: Cloud disk}, aliases: [CD01, 手机云盘], kqis: [{id: cloud_disk_tests, name: n, layer: experience, stream: dial_test, aggregate: count, unit: count, group_by: [service, channel], window: 1h, department: DATA}, {id: cloud_disk_tickets, name: n, layer: experience, stream: complaint, aggregate: count, unit: count, group_by: [service], window: 1d, department: DATA}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn c13_the_names_of_channels_merge_to_one_service_and_h5_data_say_whose_they_are() {
    let engine = Engine::with_rules(&[("aliases.yaml", ALIASES)]).await;
    let mut events = Vec::new();
    for (service, channel, times) in [
        ("cloud_disk", "web", 3),
        ("CD01", "sms", 4),
        ("手机云盘", "web", 5),
    ] {
        let test = json!({"type": "dial_test", "service": service, "channel": channel, "city": "长沙", "ok": true, "source": "p1"});
        events.extend(series(EIGHT, MINUTE, times, &test));
        let ticket = json!({"type": "complaint", "serial": format!("{service} {{n}}"), "service": service, "path": "投诉/云盘", "source": "crm"});
        events.extend(series(EIGHT, MINUTE, times, &ticket));
    }
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    for (kind, source) in [("dial_test", "p1"), ("complaint", "crm")] {
        let mut clock = json!({"type": kind, "ts": MONDAY + 26 * HOUR, "source": source, "service": "sms_hall", "step": "clock", "ok": true});
        if kind == "complaint" {
            clock = json!({"type": kind, "ts": MONDAY + 26 * HOUR, "source": source, "serial": "clock crm", "state": "withdrawn"});
        }
        engine.tell(&[clock]).await;
    }
    engine.pass(MONDAY + 25 * HOUR).await;
    for (channel, count) in [("web", 8), ("sms", 4)] {
        let group = format!("service=cloud_disk;channel={channel}");
        let row = engine
            .window("cloud_disk_tests", &group, EIGHT + HOUR)
            .await;
        assert_eq!(row["count"], count, "{channel}");
    }
    let row = engine
        .window(
            "cloud_disk_tickets",
            "service=cloud_disk",
            MONDAY + 24 * HOUR,
        )
        .await;
    assert_eq!(row["count"], 12);
    // Each source of events is the operator's own, or not (H5).
    let status = engine.get("/v1/status").await;
    let sources = status["sources"].as_array().unwrap();
    let internal = |name: &str| {
        sources
            .iter()
            .find(|known| known["source"] == name)
            .unwrap()["internal"]
            .clone()
    };
    assert_eq!(
        (internal("p1"), internal("crm")),
        (json!(true), json!(false))
    );
    // A name means one service.
    let twice = ALIASES.replace("CD01", "sms_hall");
    let shipped = chrysalis::rules::parse(&[
        ("a.yaml".to_owned(), twice),
        (
            "b.yaml".to_owned(),
            "services: [{id: sms_hall, name: n}]".to_owned(),
        ),
    ]);
    let words: Vec<String> = shipped.1.iter().map(ToString::to_string).collect();
    assert!(
        words
            .iter()
            .any(|words| words.contains("\"sms_hall\" exists already")),
        "{words:?}"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_say_which_book_judged_them_and_where_their_limits_come_from() {
    let engine = Engine::start().await;
    let slow = json!({"type": "dial_test", "service": "monternet_sms", "city": "长沙", "step": "order", "ok": false, "latency_ms": 60_000});
    engine.tell(&series(EIGHT, 20 * SECOND, 1_200, &slow)).await;
    engine.pass(EIGHT + 7 * HOUR).await;
    let book = &json!({"name": "chrysalis-sixteen-services", "version": "2026.2"});
    let alerts = engine.alerts("mtsms_response_ratio", "firing").await;
    assert_eq!(&alerts[0]["rules"], book);
    // The set's own limit is a standard's; here it is borrowed, which is a judgement and comes first.
    assert_eq!(alerts[0]["limit_source"]["kind"], "judgement", "{alerts:?}");
    let mails = engine.mails("limit_source", 1).await;
    assert!(
        mails
            .iter()
            .any(|mail| mail.contains("limit_source = judgement: ")),
        "{mails:#?}"
    );
    for path in [
        "/v1/kqis",
        "/v1/services",
        "/v1/health",
        "/v1/health/monternet_sms",
        "/v1/boards/cities",
        "/v1/kqis/mtsms_response_ratio/contributions",
    ] {
        assert_eq!(&engine.get(path).await["rules"], book, "{path}");
    }
    let path = format!(
        "/v1/kqis/mtsms_response_ratio/windows?from={EIGHT}&to={}",
        EIGHT + HOUR
    );
    let windows = engine.get(&path).await;
    assert_eq!(&windows["rules"], book);
    assert!(!windows["provenance"].as_array().unwrap().is_empty());
    let triggers = engine.get("/v1/triggers").await;
    assert_eq!(&triggers["triggers"][0]["rules"], book, "{triggers}");
    let services = engine.get("/v1/services").await;
    let mut services = services["services"].as_array().unwrap().iter();
    let service = services.find(|of| of["id"] == "monternet_sms").unwrap();
    for of in ["verdict_of", "score_of"] {
        assert_eq!(service[of]["kqi"], "mtsms_response_ratio", "{service}");
        assert_eq!(
            service[of]["limit_source"]["kind"], "judgement",
            "{service}"
        );
    }
    let kqis = engine.get("/v1/kqis?kqi=mtsms_response_ratio").await;
    let anchors = &kqis["kqis"][0]["anchors"];
    assert_eq!(anchors["provenance"][0]["kind"], "standard", "{anchors}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x4_who_is_refused_again_and_again_is_alerted_with_the_address() {
    let engine = Engine::with(&[], tokens).await;
    // A few are nobody's business.
    for _ in 0..20 {
        let (status, _) = engine
            .with_token("no-token-of-anybody", "/v1/alerts", None)
            .await;
        assert_eq!(status.as_u16(), 401);
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let alerts = async || {
        let (_, answer) = engine
            .with_token(ADMIN, "/v1/alerts?state=firing", None)
            .await;
        let mut alerts = answer["alerts"].as_array().unwrap().clone();
        alerts.retain(|alert| alert["alert"] == "access_refused");
        alerts
    };
    assert!(alerts().await.is_empty());
    // Who may do less than it wants counts like who is nobody: a branch that commands what is the whole's.
    let (status, _) = engine
        .with_token(BRANCH, "/v1/rules/reload", Some(json!({})))
        .await;
    assert_eq!(status.as_u16(), 403);
    let mut told = Vec::new();
    for _ in 0..200 {
        told = alerts().await;
        if !told.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0]["group"]["peer"], "127.0.0.1");
    assert_eq!(told[0]["group"]["limit"], "http.access_refused_minute_max");
    engine.mails("127.0.0.1", 1).await;
    engine.stop().await;
}
