//! Whether a mend worked, measured from events: S3's G14, S0's E8, S2's H21.

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, SECOND};

/// Moves a trigger; the engine must agree.
pub(crate) async fn moved(engine: &Engine, id: &str, to: &str) {
    let body = json!({"to": to, "actor": "王工", "reason": "处理"});
    let path = format!("/v1/triggers/{id}/moves");
    let (status, text) = engine.post(&path, body.to_string()).await;
    assert!(status.is_success(), "{to}: {text}");
}

/// The first trigger of a service, once it is as wished.
pub(crate) async fn trigger(
    engine: &Engine,
    service: &str,
    wish: impl Fn(&Value) -> bool,
) -> Value {
    let path = format!("/v1/triggers?service={service}");
    let wished = |answer: &Value| {
        let first = &answer["triggers"][0];
        first["id"].is_string() && wish(first)
    };
    engine.until(&path, wished).await["triggers"][0].clone()
}

/// Complaints about logging in, by the day.
pub(crate) const LOGIN: &str = "
kqis:
  - id: login_complaints_day
    service: mobile_mail
    name: {zh: 登录投诉, en: Login complaints}
    layer: platform
    stream: complaint
    filter: node == 'O010104'
    aggregate: count
    group_by: [service]
    window: 1d
    interval: {max: 10}
    department: BSC
    alert: complaints
";

fn week(start: i64, count: i64) -> Vec<Value> {
    (0..count)
        .map(|at| {
            let ts = start + at * 7 * DAY / count + HOUR;
            json!({"type": "complaint", "ts": ts, "serial": format!("{ts}"), "state": "filed",
                "service": "mobile_mail", "node": "O010104", "path": "手机邮箱/使用/登录/无法登录"})
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn g14_e8_the_effect_of_the_login_mend_is_minus_77_94_percent() {
    let engine = Engine::with_rules(&[("login.yaml", LOGIN)]).await;
    engine.tell(&week(MONDAY - 7 * DAY, 105)).await;
    engine.tell(&week(MONDAY, 106)).await;
    engine.tell(&week(MONDAY + 7 * DAY, 98)).await;
    engine.pass(MONDAY + 14 * DAY - 50 * MINUTE).await;
    let open = trigger(&engine, "mobile_mail", |_| true).await;
    let id = open["id"].as_str().unwrap();
    for to in ["accepted", "in_progress", "mended"] {
        moved(&engine, id, to).await;
    }
    let waits = trigger(&engine, "mobile_mail", |trigger| {
        trigger["effect"] == "too_early"
    })
    .await;
    let until = waits["effect_text"]["zh"].as_str().unwrap();
    assert_eq!(until, "2026-03-30 00:00 CST 之后评估效果");
    engine.tell(&week(MONDAY + 14 * DAY, 24)).await;
    engine.tell(&week(MONDAY + 21 * DAY, 21)).await;
    engine.pass(MONDAY + 27 * DAY).await;
    let path = format!("/v1/triggers/{id}");
    assert_eq!(engine.get(&path).await["effect"], "too_early");
    engine.pass(MONDAY + 28 * DAY).await;
    let closed = engine
        .until(&path, |trigger| trigger["state"] == "closed")
        .await;
    assert_eq!(closed["effect"], "effective");
    let login = &closed["effect_report"]["indicators"][0];
    assert_eq!(
        (&login["before"], &login["after"]),
        (&json!(204.0), &json!(45.0))
    );
    let effect = login["effect"].as_f64().unwrap() * 100.0;
    assert_eq!(format!("{effect:.2}"), "-77.94");
    assert_eq!(login["period_before"][0], "2026-03-02T00:00:00.000+08:00");
    assert_eq!(login["period_after"][1], "2026-03-30T00:00:00.000+08:00");
    assert_eq!(
        (&login["pairs"], &login["controls"]),
        (&json!(14), &json!([]))
    );
    let text = closed["effect_text"]["zh"].as_str().unwrap();
    assert!(
        text.starts_with("登录投诉 204 → 45，效果 −77.94 %（95 % 区间 −8"),
        "{text}"
    );
    engine.mail(&["已关闭", "有效", "204 → 45"]).await;
    // A ticket that is late changes the numbers, not the verdict.
    let late = json!({"type": "complaint", "ts": MONDAY + 20 * DAY, "serial": "late", "state": "filed",
        "service": "mobile_mail", "node": "O010104", "path": "手机邮箱/使用/登录/无法登录"});
    engine.tell(&[late]).await;
    let again = engine
        .until(&path, |trigger| {
            trigger["effect_report"]["indicators"][0]["after"] == 46.0
        })
        .await;
    assert_eq!(
        (&again["effect"], &again["state"]),
        (&json!("effective"), &json!("closed"))
    );
    engine.stop().await;
}

const CITIES: [&str; 6] = ["长沙", "株洲", "湘潭", "衡阳", "邵阳", "岳阳"];

/// Replies of the experience card from all cities, one in ten seconds each.
fn replies(from: i64, to: i64, latency_ms: impl Fn(&str, i64) -> i64) -> Vec<Value> {
    let mut events = Vec::new();
    for ts in (from..to).step_by(10 * SECOND as usize) {
        for city in CITIES {
            let latency_ms = latency_ms(city, ts);
            events.push(
                json!({"type": "dial_test", "ts": ts, "service": "experience_card", "city": city,
                "channel": "sms", "step": "query", "ok": true, "latency_ms": latency_ms}),
            );
        }
    }
    events
}

/// Slow in 长沙 for three hours; `mended` says what it is afterwards. What the others are changes too.
async fn slow_card(mended: i64) -> Value {
    let engine = Engine::start().await;
    let (began, done) = (MONDAY + 9 * HOUR, MONDAY + 12 * HOUR);
    let latency = move |city: &str, ts: i64| {
        let jitter = ts / 10_000 % 7 * 400;
        match (city, ts) {
            ("长沙", ts) if ts >= done => mended + jitter,
            ("长沙", ts) if ts >= began => 70_000 + jitter,
            _ => 9_000 + jitter,
        }
    };
    engine
        .tell(&replies(MONDAY + 8 * HOUR, done, latency))
        .await;
    engine.pass(done - 30 * MINUTE).await;
    let open = trigger(&engine, "experience_card", |trigger| {
        trigger["state"] == "dispatched"
    })
    .await;
    let id = open["id"].as_str().unwrap().to_owned();
    for to in ["accepted", "in_progress", "mended"] {
        moved(&engine, &id, to).await;
    }
    engine.tell(&replies(done, done + 5 * HOUR, latency)).await;
    engine.pass(done + 5 * HOUR).await;
    let measured = |trigger: &Value| !trigger["effect_report"].is_null();
    let trigger = trigger(&engine, "experience_card", measured).await;
    let history = engine.get("/v1/history/effects").await;
    assert_eq!(history["rows"][0]["trigger_id"], id, "{history:#}");
    engine.stop().await;
    trigger
}

#[tokio::test(flavor = "multi_thread")]
async fn h21_slow_replies_that_fell_are_effective_against_the_other_cities() {
    let trigger = slow_card(11_000).await;
    assert_eq!(
        (&trigger["state"], &trigger["effect"]),
        (&json!("closed"), &json!("effective")),
        "{trigger:#}"
    );
    let reply = &trigger["effect_report"]["indicators"][0];
    assert_eq!(reply["controls"].as_array().unwrap().len(), 5, "{reply:#}");
    let effect = reply["effect"].as_f64().unwrap();
    assert!((-62.0..-56.0).contains(&effect), "{reply:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mend_that_changed_nothing_reopens_its_trigger() {
    let trigger = slow_card(70_000).await;
    assert_eq!(trigger["effect"], "no_effect", "{trigger:#}");
    let history = trigger["history"].as_array().unwrap();
    let reopened = history
        .iter()
        .find(|step| step["to"] == "reopened")
        .unwrap();
    assert!(
        reopened["reason"]
            .as_str()
            .unwrap()
            .starts_with("no_effect: "),
        "{reopened}"
    );
    assert_eq!(trigger["state"], "dispatched");
}

/// The same mend, while replies are lost in 株洲: another KQI of the service, with a demand of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_city_with_another_demand_on_the_service_is_no_control() {
    let engine = Engine::start().await;
    let (began, done) = (MONDAY + 9 * HOUR, MONDAY + 12 * HOUR);
    let events = |from: i64, to: i64| {
        let mut events = replies(from, to, |city, ts| {
            let jitter = ts / 10_000 % 7 * 400;
            match (city, ts) {
                ("长沙", ts) if (began..done).contains(&ts) => 70_000 + jitter,
                _ => 9_000 + jitter,
            }
        });
        for ts in (from.max(began)..to).step_by(10 * SECOND as usize) {
            events.push(
                json!({"type": "dial_test", "ts": ts, "service": "experience_card", "city": "株洲",
                "channel": "sms", "step": "query", "ok": false, "code": "no_reply", "latency_ms": 90_000}),
            );
        }
        events.sort_by_key(|event| event["ts"].as_i64());
        events
    };
    engine.tell(&events(MONDAY + 8 * HOUR, done)).await;
    engine.pass(done - 30 * MINUTE).await;
    let path = "/v1/triggers?service=experience_card";
    let of = |answer: &Value, city: &str| {
        let all = answer["triggers"].as_array().unwrap().clone();
        all.into_iter().find(|of| of["place"] == city)
    };
    let asked = engine
        .until(path, |answer| {
            let own = of(answer, "长沙");
            own.is_some_and(|own| own["state"] == "dispatched") && of(answer, "株洲").is_some()
        })
        .await;
    let id = of(&asked, "长沙").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for to in ["accepted", "in_progress", "mended"] {
        moved(&engine, &id, to).await;
    }
    engine.tell(&events(done, done + 5 * HOUR)).await;
    engine.pass(done + 5 * HOUR).await;
    let measured = engine
        .until(&format!("/v1/triggers/{id}"), |trigger| {
            !trigger["effect_report"].is_null()
        })
        .await;
    assert_eq!(measured["effect"], "effective", "{measured:#}");
    let reply = &measured["effect_report"]["indicators"][0];
    assert_eq!(reply["kqi"], "xcard_sms_reply_time_p95", "{reply:#}");
    assert_eq!(
        reply["controls"],
        json!(["岳阳", "湘潭", "衡阳", "邵阳"]),
        "{reply:#}"
    );
    // As many as the sentence counts.
    let said = measured["effect_text"]["zh"].as_str().unwrap();
    assert!(said.contains("4 个未处理地市"), "{said}");
    engine.stop().await;
}

const HUNAN: [&str; 14] = [
    "长沙",
    "株洲",
    "湘潭",
    "衡阳",
    "邵阳",
    "岳阳",
    "常德",
    "张家界",
    "益阳",
    "郴州",
    "永州",
    "怀化",
    "娄底",
    "湘西",
];

/// Slow in eight of fourteen cities: one trouble of the province, measured by those eight against the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_trouble_of_a_province_is_measured_by_its_cities_together() {
    let engine = Engine::start().await;
    let queries = |from: i64, to: i64, slow: bool| -> Vec<Value> {
        let mut events = Vec::new();
        for ts in (from..to).step_by(20 * SECOND as usize) {
            for (at, city) in HUNAN.iter().enumerate() {
                let jitter = (ts / 20_000 + at as i64) % 7 * 300;
                let latency_ms = if slow && at < 8 { 80_000 } else { 8_000 } + jitter;
                events.push(
                    json!({"type": "dial_test", "ts": ts, "service": "sms_hall", "city": city,
                    "step": "query", "ok": true, "latency_ms": latency_ms}),
                );
            }
        }
        events
    };
    let eight = MONDAY + 8 * HOUR;
    engine.tell(&queries(eight, eight + 2 * HOUR, false)).await;
    engine
        .tell(&queries(eight + 2 * HOUR, eight + 4 * HOUR, true))
        .await;
    let path = "/v1/triggers?service=sms_hall";
    let of_province = |answer: &Value| {
        let all = answer["triggers"].as_array().unwrap().clone();
        all.into_iter().find(|trigger| trigger["place"] == "湖南")
    };
    let asked = engine
        .until(path, |answer| {
            of_province(answer).is_some_and(|of| of["state"] == "dispatched")
        })
        .await;
    let id = of_province(&asked).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for to in ["accepted", "in_progress", "mended"] {
        moved(&engine, &id, to).await;
    }
    engine
        .tell(&queries(eight + 4 * HOUR, eight + 9 * HOUR, false))
        .await;
    engine.pass(eight + 9 * HOUR).await;
    let closed = engine
        .until(&format!("/v1/triggers/{id}"), |trigger| {
            trigger["state"] == "closed"
        })
        .await;
    assert_eq!(closed["effect"], "effective", "{closed:#}");
    let times = &closed["effect_report"]["indicators"][0];
    assert_eq!(times["controls"].as_array().unwrap().len(), 6, "{times:#}");
    let cities = times["group"].as_str().unwrap();
    assert_eq!(cities.matches('、').count(), 7, "{cities}");
    assert!(times["samples"][0].as_i64().unwrap() > 1_000, "{times:#}");
    engine.stop().await;
}

/// An interface that is held from nine to noon of the first day, and the slow replies that come of it.
fn held_interface(from: i64, to: i64) -> Vec<Value> {
    let is_bad = |ts: i64| (MONDAY + 9 * HOUR..MONDAY + 12 * HOUR).contains(&ts);
    let mut events = replies(from, to, |city, ts| {
        let jitter = ts / 10_000 % 7 * 400;
        match city == "长沙" && is_bad(ts) {
            true => 70_000 + jitter,
            false => 9_000 + jitter,
        }
    });
    for ts in (from..to).step_by(5 * SECOND as usize) {
        let latency_ms = if is_bad(ts) { 7_000 } else { 300 } + ts / 5_000 % 7 * 20;
        events.push(json!({"type": "boss_call", "ts": ts, "host": "10.154.50.52",
            "interface": "ITF_CCOSVC", "client": "experience_card", "latency_ms": latency_ms, "tperrno": 0}));
    }
    events.sort_by_key(|event| event["ts"].as_i64());
    events
}

/// The trigger that two KQIs of it speak for, mended at noon, with five hours of data after that.
async fn mended_interface(engine: &Engine) -> String {
    let done = MONDAY + 12 * HOUR;
    engine.tell(&held_interface(MONDAY + 8 * HOUR, done)).await;
    engine.pass(done - 30 * MINUTE).await;
    let path = "/v1/triggers?service=experience_card";
    let of_host = |answer: &Value| {
        let all = answer["triggers"].as_array().unwrap().clone();
        let is_both = |of: &Value| of["sources"].as_array().unwrap().len() >= 2;
        all.into_iter()
            .find(|of| of["state"] == "dispatched" && is_both(of))
    };
    let asked = engine.until(path, |answer| of_host(answer).is_some()).await;
    let id = of_host(&asked).unwrap()["id"].as_str().unwrap().to_owned();
    for to in ["accepted", "in_progress", "mended"] {
        moved(engine, &id, to).await;
    }
    engine.tell(&held_interface(done, done + 5 * HOUR)).await;
    engine.pass(done + 5 * HOUR).await;
    id
}

/// The same hours of the next week, and the trigger when it is closed.
async fn closed_a_week_later(engine: &Engine, path: &str) -> Value {
    let from = MONDAY + 7 * DAY + 8 * HOUR;
    engine.tell(&held_interface(from, from + 5 * HOUR)).await;
    engine.pass(from + 5 * HOUR).await;
    engine
        .until(path, |trigger| trigger["state"] == "closed")
        .await
}

/// Both are measured, each when it can be. The city has others beside it, the host has none and waits for the same hours
/// of the next week.
#[tokio::test(flavor = "multi_thread")]
async fn every_kqi_that_spoke_for_a_trigger_is_measured() {
    let engine = Engine::start().await;
    let id = mended_interface(&engine).await;
    let path = format!("/v1/triggers/{id}");
    let waits = engine
        .until(&path, |trigger| trigger["effect"] == "too_early")
        .await;
    assert_eq!(waits["state"], "feedback_given", "{waits:#}");
    let closed = closed_a_week_later(&engine, &path).await;
    assert_eq!(closed["effect"], "effective", "{closed:#}");
    let indicators = closed["effect_report"]["indicators"].as_array().unwrap();
    let of = |kqi: &str| {
        let found = indicators.iter().find(|of| of["kqi"] == kqi);
        found.unwrap_or_else(|| panic!("{kqi}: {closed:#}")).clone()
    };
    let (boss, reply) = (of("xcard_boss_latency_p95"), of("xcard_sms_reply_time_p95"));
    assert_eq!(boss["matching"], "same_hours_of_week");
    assert!(boss["effect"].as_f64().unwrap() < -6.0, "{boss:#}");
    assert_eq!(reply["matching"], "other_places");
    assert!(reply["effect"].as_f64().unwrap() < -55.0, "{reply:#}");
    engine.stop().await;
}

/// With room for one, that is the KQI of the trigger; what else spoke for it is left out, and counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_mend_is_measured_by_no_more_kqis_than_there_may_be() {
    let engine = Engine::with(&[], |config| config.limits.effect_kqis_max = 1).await;
    let id = mended_interface(&engine).await;
    let closed = closed_a_week_later(&engine, &format!("/v1/triggers/{id}")).await;
    assert!(closed["sources"].as_array().unwrap().len() >= 2);
    let indicators = closed["effect_report"]["indicators"].as_array().unwrap();
    let measured: Vec<&Value> = indicators.iter().map(|of| &of["kqi"]).collect();
    assert_eq!(measured, [&closed["kqi"]], "{closed:#}");
    let (_, page) = engine.ask("/metrics").await;
    let series = "chrysalis_limit_over_total{limit=\"limits.effect_kqis_max\"} ";
    let over = page.lines().find_map(|line| line.strip_prefix(series));
    let over: f64 = over.unwrap_or_default().parse().unwrap();
    assert!(over >= 1.0, "{over}");
    engine.stop().await;
}
