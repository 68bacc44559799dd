//! What is known of causes: each remedy of the method reaches whoever is asked, and agents (S3's G7 and G15).

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, SECOND, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;
/// Of the fifth week, when four weeks of complaints are known.
const FIFTH: i64 = MONDAY + 28 * DAY;

/// Probes that fail, or answer far too late.
fn failing(service: &str, city: &str, step: &str, at_ms: i64) -> Vec<Value> {
    let probe = json!({"type": "dial_test", "service": service, "city": city, "step": step, "ok": false, "latency_ms": 90_000});
    series(at_ms, 10 * SECOND, 400, &probe)
}

fn mail_ticket(serial: &str, city: &str, leaf: &str) -> Value {
    let path = format!("投诉/数据业务/自有业务/手机邮箱/使用/收发/{leaf}");
    json!({"type": "complaint", "serial": format!("{serial}-{{n}}"), "state": "filed", "service": "mobile_mail", "city": city, "path": path})
}

/// Four weeks in which hardly anybody complains of the mailbox, and a noon at which many do: of spam in one city, of the list
/// of recipients in another, of what no entry names in a third.
async fn surge_of_complaints(engine: &Engine) {
    let mut events = series(MONDAY, 6 * HOUR, 114, &mail_ticket("K", "永州", "别的问题"));
    for week in 0..4 {
        let noon = MONDAY + week * 7 * DAY + 12 * HOUR;
        for city in ["长沙", "衡阳", "株洲"] {
            let ticket = mail_ticket(&format!("W{week}{city}"), city, "别的问题");
            events.extend(series(noon, 20 * MINUTE, 2, &ticket));
        }
    }
    let noon = FIFTH + 12 * HOUR;
    for (city, leaf, count) in [
        ("长沙", "垃圾邮件", 80),
        ("长沙", "别的问题", 20),
        ("衡阳", "收件人列表", 80),
        ("株洲", "别的问题", 80),
    ] {
        let ticket = mail_ticket(&format!("{city}{leaf}"), city, leaf);
        events.extend(series(noon, 40 * SECOND, count, &ticket));
    }
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    engine.pass(FIFTH + 13 * HOUR).await;
}

fn of_cause<'a>(asked: &'a Value, cause: &str) -> &'a Value {
    let mut triggers = asked["triggers"].as_array().unwrap().iter();
    let trigger = triggers.find(|trigger| trigger["cause"] == cause);
    trigger.unwrap_or_else(|| panic!("no {cause} in {asked:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn g15_each_mailbox_problem_has_its_remedy() {
    let engine = Engine::start().await;
    surge_of_complaints(&engine).await;
    let at_ms = FIFTH + 14 * HOUR;
    let mut events = failing("mobile_mail", "湘潭", "login", at_ms);
    let unreadable = json!({"type": "dial_test", "service": "mobile_mail", "city": "湘潭", "step": "charset", "ok": true, "content_ok": false, "latency_ms": 900});
    events.extend(series(at_ms, 10 * SECOND, 400, &unreadable));
    engine.tell(&events).await;
    engine.pass(at_ms + 3 * HOUR).await;
    let path = "/v1/triggers?service=mobile_mail";
    let all = |answer: &Value| answer["triggers"].as_array().unwrap().len() >= 5;
    let asked = engine.until(path, all).await;
    for (cause, remedy) in [
        ("mmail_login", "登录提速"),
        ("mmail_charset", "字符集兼容"),
        ("mmail_spam", "垃圾邮件过滤"),
        ("mmail_recipients", "显示收件人列表"),
    ] {
        let trigger = of_cause(&asked, cause);
        assert_eq!(trigger["role_id"], "mail_owner", "{cause}");
        let known = trigger["suggestion"]["remedies"][0]["text"]["zh"]
            .as_str()
            .unwrap();
        assert!(known.contains(remedy), "{known}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_complains_in_a_surge_gets_its_answer_whatever_of() {
    let engine = Engine::start().await;
    surge_of_complaints(&engine).await;
    let path = "/v1/triggers?service=mobile_mail";
    let all = |answer: &Value| answer["triggers"].as_array().unwrap().len() >= 3;
    let asked = engine.until(path, all).await;
    let spam = of_cause(&asked, "mmail_spam");
    assert_eq!(
        (&spam["place"], &spam["kqi"]),
        (&json!("长沙"), &json!("complaint_surge"))
    );
    // All that were counted, also those of a leaf that nobody knows.
    assert_eq!(spam["tickets"], 100, "{spam:#}");
    let counts = spam["complaints"].as_array().unwrap().iter();
    let most = counts.filter_map(|of| of["count"].as_i64()).max();
    assert_eq!(most, Some(100), "{spam:#}");
    let others = of_cause(&asked, "complaints_surge");
    assert_eq!(
        (&others["place"], &others["tickets"]),
        (&json!("株洲"), &json!(80))
    );
    assert!(!others["suggestion"].is_null());
    for serial in ["长沙垃圾邮件-1", "长沙别的问题-20"] {
        let path = format!("/v1/frontline/mobile_mail?city=长沙&ticket={serial}");
        let say = engine.get(&path).await;
        assert_eq!(say["impaired"], true);
        assert_eq!(say["explanations"][0]["trigger"], spam["id"], "{say:#}");
    }
    let id = spam["id"].as_str().unwrap();
    let refusal = json!({"to": "not_optimised", "kind": "uneconomic", "reason": "过滤另行建设", "actor": "王工"});
    let (status, text) = engine
        .post(&format!("/v1/triggers/{id}/moves"), refusal.to_string())
        .await;
    assert!(status.is_success(), "{text}");
    let tickets = engine.get(&format!("/v1/triggers/{id}/tickets")).await;
    let mut tickets = tickets["tickets"].as_array().unwrap().iter();
    assert!(tickets.all(|ticket| !ticket["answer"].is_null()));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g7_the_alerts_mail_and_the_assignments_mail_carry_the_knowledge_base() {
    let engine = Engine::start().await;
    let slow = json!({"type": "dial_test", "service": "experience_card", "city": "长沙", "step": "query", "ok": true, "latency_ms": 90_000});
    engine.tell(&series(EIGHT, 10 * SECOND, 400, &slow)).await;
    engine.pass(EIGHT + 30 * MINUTE).await;
    let assigned = engine
        .mail(&["已派单", "业务支撑", "触发单 T-000001"])
        .await;
    for words in ["已派单", "释放被占用的接口连接", "客服解释口径", "到期"] {
        assert!(assigned.contains(words), "{words} in {assigned}");
    }
    let alert = engine.mail(&["短信回复时延", "[告警]"]).await;
    assert!(alert.contains("释放被占用的接口连接"), "{alert}");
    engine.stop().await;
}

/// Also of services that no source names a remedy for.
#[tokio::test(flavor = "multi_thread")]
async fn g7_every_service_has_its_likely_causes_and_words_for_agents() {
    let engine = Engine::start().await;
    let cases = [
        (
            "web_hall",
            "login",
            "whall_login",
            "恢复认证服务和验证码下发",
        ),
        (
            "sms_hall",
            "query",
            "shall_slow",
            "优化BOSS查询，释放被占用的接口",
        ),
        ("mms", "send", "mms_send", "恢复彩信中心处理能力"),
        (
            "hotline",
            "agent",
            "hotline_agent",
            "调整排班，启用后备坐席",
        ),
    ];
    for (service, step, _, _) in cases {
        engine.tell(&failing(service, "长沙", step, EIGHT)).await;
    }
    engine.pass(EIGHT + 3 * HOUR).await;
    for (service, _, cause, remedy) in cases {
        let path = format!("/v1/triggers?service={service}");
        let has = |answer: &Value| {
            let mut triggers = answer["triggers"].as_array().unwrap().iter();
            triggers.any(|trigger| trigger["cause"] == cause)
        };
        let asked = engine.until(&path, has).await;
        let trigger = of_cause(&asked, cause);
        let known = trigger["suggestion"]["remedies"][0]["text"]["zh"].as_str();
        assert_eq!(known, Some(remedy), "{trigger:#}");
        let say = engine
            .get(&format!("/v1/frontline/{service}?city=长沙"))
            .await;
        let title = trigger["title"]["zh"].as_str().unwrap();
        let said = say["explanations"].to_string();
        assert!(said.contains(title), "{title} in {said}");
        engine.mails(remedy, 1).await;
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_or_silent_sms_hall_is_one_demand_and_not_one_for_each_number_that_says_so() {
    let engine = Engine::start().await;
    let query = |city: &str, ok: bool, code: &str| json!({"type": "dial_test", "service": "sms_hall", "city": city, "step": "query", "ok": ok, "code": code, "latency_ms": 4_000});
    let mut events = Vec::new();
    for (city, code) in [("湘潭", "busy"), ("永州", "no_reply")] {
        events.extend(series(EIGHT, MINUTE, 390, &query(city, true, "ok")));
        let bad = query(city, false, code);
        events.extend(series(EIGHT + SECOND, 5 * MINUTE, 78, &bad));
    }
    for event in &mut events {
        // What went well has no class of failure.
        let fields = event.as_object_mut().unwrap();
        fields.retain(|name, value| name != "code" || value != "ok");
    }
    events.sort_by_key(|event| event["ts"].as_i64());
    engine.tell(&events).await;
    engine.pass(EIGHT + 6 * HOUR + 5 * MINUTE).await;
    for alert in [
        "shall_busy_ratio",
        "shall_reply_ratio",
        "shall_reply_within_30s_ratio",
    ] {
        engine.alerts(alert, "firing").await;
    }
    let asked = engine.get("/v1/triggers?service=sms_hall").await;
    let triggers = asked["triggers"].as_array().unwrap();
    assert_eq!(triggers.len(), 2, "one a city: {asked:#}");
    for city in ["湘潭", "永州"] {
        let trigger = triggers.iter().find(|trigger| trigger["place"] == city);
        assert_eq!(trigger.unwrap()["cause"], "shall_slow", "{city}");
    }
    engine.stop().await;
}
