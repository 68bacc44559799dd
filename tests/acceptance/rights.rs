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
async fn a_branch_asks_for_its_own_tree_counts_and_front_line_and_is_told_what_was_looked_at() {
    let engine = Engine::with(&[], tokens).await;
    let mut events = Vec::new();
    for city in ["长沙", "株洲"] {
        let ticket = json!({"type": "complaint", "serial": format!("S-{city}"), "city": city, "path": "投诉/数据业务/自有业务/飞信/使用/登录/飞信无法登录"});
        events.extend(series(EIGHT, 0, 1, &ticket));
        let message = json!({"type": "mms_submit", "message_id": city, "service": "mobile_newspaper", "city": city, "recipient": "13900000077"});
        events.extend(series(EIGHT, 0, 1, &message));
    }
    events.extend(Engine::clock(EIGHT + 20 * MINUTE));
    engine.tell_with(PROBE, &events).await;
    let counts = "/v1/complaints/trees/seven_levels/counts?day=2026-03-02";
    // Both are on record once who sees the whole counts both.
    for _ in 0..400 {
        let (_, all) = engine.with_token(ADMIN, counts, None).await;
        if all["total"] == 2 {
            assert_eq!(all["cities"], Value::Null);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for path in [counts.to_owned(), format!("{counts}&city=长沙")] {
        let (status, own) = engine.with_token(BRANCH, &path, None).await;
        assert!(status.is_success(), "{own}");
        assert_eq!(
            (&own["total"], &own["cities"]),
            (&json!(1), &json!(["长沙"])),
            "{path}"
        );
    }
    let line = "/v1/frontline/fetion";
    for path in [line.to_owned(), format!("{line}?city=长沙")] {
        let (status, own) = engine.with_token(BRANCH, &path, None).await;
        assert!(status.is_success(), "{own}");
        assert_eq!(own["city"], "长沙", "{path}");
    }
    for path in [format!("{counts}&city=株洲"), format!("{line}?city=株洲")] {
        let (status, answer) = engine.with_token(BRANCH, &path, None).await;
        assert_eq!(status.as_u16(), 403, "{answer}");
        assert!(answer.to_string().contains("长沙"), "{answer}");
    }
    let (status, _) = engine
        .with_token(BRANCH, "/v1/complaints/trees", None)
        .await;
    assert!(status.is_success());
    let metrics = engine.ask_with(ADMIN, "/metrics").await;
    assert!(metrics.contains("chrysalis_access_refused_total{reason=\"city\"} 2"));
    // Of a number's messages a branch sees those of its city, and is not told that these are all.
    let asked = async |token: &str| {
        let body = json!({"number": "13900000077"});
        let (_, answer) = engine
            .with_token(token, "/v1/subscribers/messages", Some(body))
            .await;
        ["total", "complete", "cities"].map(|name| answer[name].clone())
    };
    assert_eq!(asked(ADMIN).await, [json!(2), json!(true), Value::Null]);
    assert_eq!(
        asked(BRANCH).await,
        [json!(1), json!(false), json!(["长沙"])]
    );
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

const WHOSE: &str = "
kqis:
  - {id: tests_by_source, name: n, layer: experience, stream: dial_test, aggregate: count, unit: count, filter: service == 'sms_hall', group_by: [internal, source], window: 1h, department: DATA}
  - {id: tickets_by_source, name: n, layer: experience, stream: complaint, aggregate: count, unit: count, filter: service == 'sms_hall', group_by: [internal, source], window: 1h, department: DATA}
  - {id: messages_by_source, name: n, layer: experience, stream: mms_receipt, aggregate: count, unit: count, group_by: [internal, source], window: 1h, department: DATA}
  - {id: holds_by_source, name: n, layer: experience, stream: boss_connection, aggregate: count, unit: count, filter: state == 'released', group_by: [internal, source], window: 1h, department: DATA}
  - {id: readings_of_others, name: n, layer: experience, stream: gauge, aggregate: count, unit: count, filter: \"!internal\", group_by: [name, source], window: 1h, department: DATA}
";

/// Tickets, messages and connections, of which several events tell: of whom they are, and what others say of them.
fn of_entities() -> Vec<Value> {
    let mut events = Vec::new();
    let later = EIGHT + 2 * HOUR;
    for (source, tickets) in [("金点子", 3), ("crm", 2)] {
        let serial = format!("{source} {{n}}");
        let ticket = json!({"type": "complaint", "serial": serial, "state": "filed", "service": "sms_hall", "path": "投诉/短信厅", "source": source});
        events.extend(series(EIGHT, MINUTE, tickets, &ticket));
        // Who closes it did not bring it.
        let closed =
            json!({"type": "complaint", "serial": serial, "state": "closed", "source": "crm"});
        events.extend(series(EIGHT + 10 * MINUTE, MINUTE, tickets, &closed));
        events.push(json!({"type": "complaint", "ts": later, "serial": format!("later {source}"), "state": "withdrawn", "source": source}));
    }
    let submit = json!({"type": "mms_submit", "message_id": "m{n}", "service": "mobile_newspaper", "source": "其他省公司"});
    events.extend(series(EIGHT, MINUTE, 4, &submit));
    let report = json!({"type": "mms_receipt", "message_id": "m{n}", "status": "Retrieved", "service": "mobile_newspaper", "source": "mmsc"});
    // The fifth was told by its report alone.
    events.extend(series(EIGHT + 20 * SECOND, MINUTE, 5, &report));
    for (kind, source) in [("mms_submit", "其他省公司"), ("mms_receipt", "mmsc")] {
        events.push(json!({"type": kind, "ts": later, "message_id": "later", "service": "mobile_newspaper", "status": "Forwarded", "source": source}));
    }
    for (source, holds) in [("第三方拨测", 2), ("boss", 3)] {
        let name = format!("{source} {{n}}");
        for (after_ms, state) in [(0, "acquired"), (5 * SECOND, "released")] {
            let change = json!({"type": "boss_connection", "host": "h", "interface": "i", "connection": name, "state": state, "source": source});
            events.extend(series(EIGHT + after_ms, MINUTE, holds, &change));
        }
        events.push(json!({"type": "boss_connection", "ts": later, "host": "h", "interface": "i", "connection": "later", "state": "released", "source": source}));
    }
    events
}

/// Two sources of one stream, of which one is an outsider's: each event says so, by its source.
#[tokio::test(flavor = "multi_thread")]
async fn h5_of_two_sources_of_a_stream_one_is_the_operators_own_and_the_other_is_not() {
    let engine = Engine::with_rules(&[("whose.yaml", WHOSE)]).await;
    let test = |source: &str| json!({"type": "dial_test", "service": "sms_hall", "city": "长沙", "step": "query", "ok": true, "source": source});
    let survey = |source: &str| json!({"type": "gauge", "name": "satisfaction", "value": 90, "dims": {"service": "web_hall", "city": "长沙"}, "source": source});
    let mut events = series(EIGHT, MINUTE, 3, &test("第三方拨测"));
    events.extend(series(EIGHT + SECOND, MINUTE, 4, &test("分公司拨测")));
    events.extend(series(EIGHT, MINUTE, 2, &survey("市场调研")));
    events.extend(series(EIGHT + SECOND, MINUTE, 5, &survey("自有问卷")));
    for source in ["第三方拨测", "分公司拨测"] {
        let mut later = test(source);
        later["ts"] = json!(EIGHT + 2 * HOUR);
        events.push(later);
    }
    for source in ["市场调研", "自有问卷"] {
        let mut later = survey(source);
        later["ts"] = json!(EIGHT + 2 * HOUR);
        events.push(later);
    }
    events.extend(of_entities());
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    engine.pass(EIGHT + HOUR).await;
    for (kqi, group, count) in [
        ("tickets_by_source", "internal=true;source=金点子", 3),
        ("tickets_by_source", "internal=false;source=crm", 2),
        ("messages_by_source", "internal=false;source=其他省公司", 4),
        ("messages_by_source", "internal=true;source=mmsc", 1),
        ("holds_by_source", "internal=false;source=第三方拨测", 2),
        ("holds_by_source", "internal=true;source=boss", 3),
        ("tests_by_source", "internal=false;source=第三方拨测", 3),
        ("tests_by_source", "internal=true;source=分公司拨测", 4),
        ("readings_of_others", "name=satisfaction;source=市场调研", 2),
    ] {
        let row = engine.window(kqi, group, EIGHT + HOUR).await;
        assert_eq!(row["count"], count, "{kqi} {group}");
    }
    // No other object: what stands now is a copy that is a moment old.
    let known = engine
        .until("/v1/kqis?kqi=readings_of_others", |answer| {
            answer["kqis"][0]["groups_total"] != 0
        })
        .await;
    assert_eq!(known["kqis"][0]["groups_total"], 1, "{known}");
    let status = engine.get("/v1/status").await;
    for (stream, source, internal) in [
        ("dial_test", "第三方拨测", false),
        ("dial_test", "分公司拨测", true),
        ("gauge", "市场调研", false),
        ("gauge", "自有问卷", true),
    ] {
        let mut known = status["sources"].as_array().unwrap().iter();
        let row = known.find(|row| row["stream"] == stream && row["source"] == source);
        assert_eq!(row.unwrap()["internal"], internal, "{source}");
    }
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
    engine.mail(&["limit_source = judgement: "]).await;
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
