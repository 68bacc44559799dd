//! The closed loop of optimization triggers: flow, owners, feedback (S2's H13 to H29, S3's G13, S0's E7).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::engine::{Engine, HOUR, MINUTE, MONDAY, SECOND, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;

/// Replies that come too late, and whatever else fails: enough of it to fire every KQI that reads it.
fn bad(service: &str, city: &str, step: &str) -> Vec<Value> {
    let comes_late = step == "query";
    let probe = json!({"type": "dial_test", "service": service, "city": city, "step": step, "ok": comes_late, "latency_ms": 90_000});
    series(EIGHT, 10 * SECOND, 400, &probe)
}

/// Slow replies of the experience card in one city.
async fn slow_card(engine: &Engine, city: &str) -> Value {
    engine.tell(&bad("experience_card", city, "query")).await;
    engine.pass(EIGHT + 30 * MINUTE).await;
    first_trigger(engine, "experience_card").await
}

async fn first_trigger(engine: &Engine, service: &str) -> Value {
    let path = format!("/v1/triggers?service={service}&state=open");
    let asked = engine
        .until(&path, |answer| answer["triggers"] != json!([]))
        .await;
    asked["triggers"][0].clone()
}

async fn moved(engine: &Engine, trigger: &Value, to: &str) -> Value {
    let body = json!({"to": to, "actor": "王工", "reason": "r", "kind": "uneconomic"});
    let body = if to == "not_optimised" {
        body
    } else {
        json!({"to": to, "actor": "王工", "reason": "r"})
    };
    command(engine, trigger, "moves", body).await
}

async fn command(engine: &Engine, trigger: &Value, what: &str, body: Value) -> Value {
    let path = format!("/v1/triggers/{}/{what}", trigger["id"].as_str().unwrap());
    let (status, text) = engine.post(&path, body.to_string()).await;
    assert!(status.is_success(), "{path} {body}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn h23_h24_the_flow_runs_from_detection_to_feedback_and_every_move_is_kept() {
    let engine = Engine::start().await;
    let trigger = slow_card(&engine, "长沙").await;
    assert_eq!(trigger["state"], "dispatched");
    for to in ["accepted", "in_progress", "mended"] {
        moved(&engine, &trigger, to).await;
    }
    let path = format!("/v1/triggers/{}", trigger["id"].as_str().unwrap());
    let trigger = engine.get(&path).await;
    let history = trigger["history"].as_array().unwrap();
    // When the effect will be measured is only remarked.
    let steps: Vec<&str> = history
        .iter()
        .filter(|step| step["from"] != step["to"])
        .map(|step| step["to"].as_str().unwrap())
        .collect();
    assert_eq!(
        steps,
        [
            "detected",
            "classified",
            "analysed",
            "dispatched",
            "accepted",
            "in_progress",
            "mended",
            "feedback_given"
        ]
    );
    for step in history {
        assert!(
            step["at_ms"].as_i64().unwrap() > 0 && step["actor"] != "",
            "{step}"
        );
    }
    // An illegal move is refused, and the legal ones are named.
    let (status, text) = engine
        .post(
            &format!("{path}/moves"),
            json!({"to": "accepted", "actor": "王工"}).to_string(),
        )
        .await;
    assert_eq!(status.as_u16(), 409);
    assert!(text.contains("can become reopened, not accepted"), "{text}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h14_h23_h25_each_step_tells_agents_what_to_say_and_a_refusal_answers_its_tickets() {
    let engine = Engine::start().await;
    let ticket = json!({"type": "complaint", "serial": "C-{n}", "state": "filed", "service": "experience_card", "city": "长沙", "path": "投诉/数据业务/自有业务/体验卡/使用/速度/短信回复慢"});
    engine.tell(&series(EIGHT, MINUTE, 10, &ticket)).await;
    let trigger = slow_card(&engine, "长沙").await;
    let path = "/v1/frontline/experience_card?city=长沙";
    let said = |answer: &Value| {
        answer["explanations"][0]["text"]["zh"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let say = engine.get(path).await;
    assert_eq!(say["impaired"], true);
    assert!(said(&say).contains("已转业务支撑中心"), "{say:#}");
    moved(&engine, &trigger, "accepted").await;
    assert!(said(&engine.get(path).await).contains("已受理"));
    // Another city of the same service is not concerned.
    let other = engine.get("/v1/frontline/experience_card?city=永州").await;
    assert_eq!(other["explanations"], json!([]));
    let of_trigger = format!("/v1/triggers/{}/tickets", trigger["id"].as_str().unwrap());
    let waiting = engine.get(&of_trigger).await;
    let tickets = waiting["tickets"].as_array().unwrap();
    assert_eq!(tickets.len(), 10, "{waiting:#}");
    assert!(tickets.iter().all(|ticket| ticket["answer"].is_null()));

    // H25: a refusal needs its reason, is explained, and answers every ticket.
    let path_of_moves = format!("/v1/triggers/{}/moves", trigger["id"].as_str().unwrap());
    let bare = json!({"to": "not_optimised", "actor": "李", "kind": "uneconomic"}).to_string();
    let (status, _) = engine.post(&path_of_moves, bare).await;
    assert_eq!(status.as_u16(), 422);
    let closed = moved(&engine, &trigger, "not_optimised").await;
    assert_eq!(
        (&closed["state"], &closed["refusal"]),
        (&json!("closed"), &json!("uneconomic"))
    );
    let say = engine.get(path).await;
    assert_eq!(
        say["impaired"], true,
        "refused is not mended: it still fires"
    );
    assert!(said(&say).contains("不经济"), "{say:#}");
    let answered = engine.get(&of_trigger).await;
    for ticket in answered["tickets"].as_array().unwrap() {
        let answer = ticket["answer"]["zh"].as_str().unwrap();
        assert!(answer.contains("暂不优化"), "{ticket}");
    }

    // The same cause does not trigger again at once.
    let probe = json!({"type": "dial_test", "service": "experience_card", "city": "长沙", "step": "query", "ok": true, "latency_ms": 5_000});
    engine
        .tell(&series(EIGHT + 2 * HOUR, 10 * SECOND, 400, &probe))
        .await;
    let mut again = bad("experience_card", "长沙", "query");
    for event in &mut again {
        event["ts"] = (event["ts"].as_i64().unwrap() + 4 * HOUR).into();
    }
    engine.tell(&again).await;
    engine.pass(EIGHT + 5 * HOUR).await;
    engine
        .until("/v1/triggers/process", |process| process["rested"] == 1)
        .await;
    let all = engine.get("/v1/triggers?service=experience_card").await;
    assert_eq!(all["triggers"].as_array().unwrap().len(), 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h14_the_answer_for_a_pop_up_takes_less_than_20_ms() {
    let engine = Engine::start().await;
    for city in ["长沙", "永州", "常德"] {
        engine.tell(&bad("experience_card", city, "query")).await;
    }
    engine.pass(EIGHT + 30 * MINUTE).await;
    first_trigger(&engine, "experience_card").await;
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        engine.get("/v1/frontline/experience_card?city=长沙").await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    // The median: a machine that is busy with other tests may hold any single one back.
    let median = times[times.len() / 2];
    assert!(
        median.as_millis() < 20,
        "{median:?}, worst {:?}",
        times.last()
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h26_what_goes_to_the_group_is_reviewed_by_the_lead_and_copies_are_recorded() {
    let engine = Engine::start().await;
    engine.tell(&bad("fetion", "长沙", "login")).await;
    engine.pass(EIGHT + HOUR).await;
    let trigger = first_trigger(&engine, "fetion").await;
    assert_eq!(
        (&trigger["state"], &trigger["review_required"]),
        (&json!("analysed"), &json!(true))
    );
    assert_eq!(trigger["next"], json!(["reviewed", "not_optimised"]));
    assert_eq!(trigger["copies"], json!(["市场数据部领导"]));
    let reviewed = moved(&engine, &trigger, "reviewed").await;
    assert_eq!(reviewed["state"], "dispatched");
    assert_eq!(reviewed["owner"], "飞信基地");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h27_h28_g13_four_causes_go_to_four_outlets_each_to_one_person_with_the_known_remedy() {
    let engine = Engine::start().await;
    let mut events = bad("fetion", "长沙", "login");
    events.extend(bad("gprs", "长沙", "attach"));
    let order = json!({"type": "boss_call", "host": "10.154.50.51", "interface": "ITF_CRBT", "client": "crbt", "latency_ms": 200, "tperrno": 13});
    events.extend(series(EIGHT, 10 * SECOND, 400, &order));
    let quota = json!({"type": "boss_call", "host": "10.154.50.51", "interface": "ITF_QUOTASVC", "client": "sms", "latency_ms": 200, "tperrno": 13});
    events.extend(series(EIGHT, 10 * SECOND, 400, &quota));
    engine.tell(&events).await;
    engine.pass(EIGHT + 3 * HOUR).await;
    for (service, cause, department, outlet, remedy) in [
        (
            "crbt",
            "crbt_boss_sync",
            "BSC",
            "support",
            "BOSS与彩铃平台同步",
        ),
        ("fetion", "fetion_login", "GROUP", "group", "飞信基地"),
        ("gprs", "gprs_access", "NET", "network", "网管维护中心"),
        ("sms", "sms_quota", "MKT", "data", "短信条数限额提醒"),
    ] {
        let trigger = first_trigger(&engine, service).await;
        assert_eq!(trigger["cause"], cause);
        assert_eq!(
            (&trigger["department"], &trigger["outlet"]),
            (&json!(department), &json!(outlet))
        );
        assert_eq!(trigger["owner_by"], "knowledge");
        assert!(
            trigger["owner_email"].as_str().unwrap().contains('@'),
            "{trigger:#}"
        );
        let known = trigger["suggestion"]["remedies"][0]["text"]["zh"]
            .as_str()
            .unwrap();
        assert!(known.contains(remedy), "{known}");
    }
    engine.stop().await;
}

/// The hand-overs of the process as the rule book judges them, once they are looked at: the process is looked at every
/// minute.
async fn hops_of_process(engine: &Engine, wanted: f64) -> Value {
    for _ in 0..900 {
        let process = engine.get("/v1/triggers/process").await;
        let mut kqis = process["kqis"].as_array().unwrap().iter();
        let hops = kqis.find(|kqi| kqi["id"] == "process_hops" && kqi["value"] == wanted);
        if let Some(hops) = hops {
            return hops.clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the process is not judged");
}

/// A KQI that no department answers for.
const ORPHAN: &str = "
kqis:
  - {id: orphan, service: sms, name: {zh: 无主, en: Nobody's}, layer: platform, stream: boss_call, filter: client == 'orphan', good: 'tperrno == 0', aggregate: ratio, unit: percent, group_by: [host], window: 5m, interval: {min: 95}, min_samples: 5}
";

#[tokio::test(flavor = "multi_thread")]
async fn h28_what_nobody_owns_falls_to_the_coordinator_and_h29_hand_overs_are_counted_as_hops() {
    let engine = Engine::with_rules(&[("orphan.yaml", ORPHAN)]).await;
    let call = |client: &str| json!({"type": "boss_call", "host": "h1", "interface": "i", "client": client, "latency_ms": 200, "tperrno": 13});
    engine
        .tell(&series(EIGHT, 10 * SECOND, 200, &call("orphan")))
        .await;
    engine.pass(EIGHT + HOUR).await;
    let trigger = first_trigger(&engine, "sms").await;
    assert_eq!(
        (&trigger["role_id"], &trigger["owner"]),
        (&json!("coordinator"), &json!("监督协调岗"))
    );
    assert_eq!(trigger["owner_by"], "coordinator");
    assert_eq!(
        trigger["state"], "classified",
        "its owner is still to be found"
    );
    let over = |to: &str| json!({"department": to, "reason": "非本部门", "actor": "监督协调岗"});
    let handed = command(&engine, &trigger, "hand-over", over("BSC")).await;
    assert_eq!(
        (&handed["hops"], &handed["state"]),
        (&json!(1), &json!("dispatched"))
    );
    let handed = command(&engine, &trigger, "hand-over", over("NET")).await;
    assert_eq!(
        (&handed["hops"], &handed["department"]),
        (&json!(2), &json!("NET"))
    );
    // The second correction is the third hand-over: the coordinator and the lead hear that nobody keeps it.
    command(&engine, &trigger, "hand-over", over("BSC")).await;
    for to in ["data-coordination@", "data-lead@"] {
        engine.mails_to(to, "一直没有部门承接", 1).await;
    }
    let handed = command(&engine, &trigger, "hand-over", over("NET")).await;
    assert_eq!(handed["hops"], 4);
    // What is open counts as what ended does, in the counters and in the KQI of the process.
    let open = hops_of_process(&engine, 4.0).await;
    assert_eq!((&open["value"], &open["samples"]), (&json!(4.0), &json!(1)));
    let process = engine.get("/v1/triggers/process").await;
    assert_eq!(
        (&process["hops_mean"], &process["escalations"]),
        (&json!(4.0), &json!(2))
    );
    moved(&engine, &trigger, "accepted").await;
    moved(&engine, &trigger, "not_optimised").await;
    let path = format!("/v1/triggers/{}", trigger["id"].as_str().unwrap());
    let times = engine.get(&path).await["time_in_states"].clone();
    for state in ["classified", "dispatched", "accepted"] {
        assert!(times[state].as_f64().unwrap() >= 0.0, "{times}");
    }
    let process = engine.get("/v1/triggers/process").await;
    assert_eq!(
        (&process["hops"], &process["hops_mean"]),
        (&json!(4), &json!(4.0))
    );
    let closed = &process["closed"][0];
    assert_eq!(
        (&closed["department"], &closed["name"]),
        (&json!("NET"), &json!("not_optimised"))
    );
    assert!(closed["mean_seconds"].as_f64().unwrap() > 0.0);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e7_triggers_are_ranked_by_four_factors_that_are_shown() {
    let engine = Engine::start().await;
    let mut events = bad("experience_card", "长沙", "query");
    events.extend(bad("mobile_game", "长沙", "start"));
    events.extend(bad("gprs", "长沙", "attach"));
    engine.tell(&events).await;
    engine.pass(EIGHT + 3 * HOUR).await;
    let many = |answer: &Value| answer["triggers"].as_array().unwrap().len() >= 3;
    let asked = engine.until("/v1/triggers?order=urgency", many).await;
    let mut before = u64::MAX;
    for trigger in asked["triggers"].as_array().unwrap() {
        let of = |name: &str| trigger["urgency"][name].as_u64().unwrap();
        let factors = ["impact", "keyness", "simplicity", "pressing"].map(of);
        assert!(
            factors.iter().all(|factor| (1..=5).contains(factor)),
            "{trigger:#}"
        );
        let [impact, keyness, simplicity, pressing] = factors;
        let total = 4 * impact + 3 * keyness + simplicity + 4 * pressing;
        assert_eq!(of("total"), total);
        assert!(total <= before, "the most urgent first");
        before = total;
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h21_slow_probes_complaints_and_the_holder_are_one_trigger_whatever_came_first() {
    let engine = Engine::start().await;
    let city = slow_card(&engine, "长沙").await;
    let acquired = json!({"type": "boss_connection", "host": "10.154.50.52", "interface": "ITF_CCOSVC", "connection": "c1", "state": "acquired"});
    engine.tell(&series(EIGHT + HOUR, 0, 1, &acquired)).await;
    // Customers say the same.
    let path = "投诉/数据业务/自有业务/体验卡/使用/短信回复/短信回复慢";
    let ticket = json!({"type": "complaint", "serial": "X{n}", "state": "filed", "service": "experience_card", "city": "长沙", "path": path});
    engine
        .tell(&series(EIGHT + 20 * MINUTE, MINUTE, 40, &ticket))
        .await;
    engine.pass(EIGHT + 2 * HOUR).await;
    let one = |answer: &Value| {
        let triggers = answer["triggers"].as_array().unwrap();
        triggers.len() == 2
    };
    let asked = engine
        .until("/v1/triggers?service=experience_card", one)
        .await;
    let [absorbed, site] = [&asked["triggers"][0], &asked["triggers"][1]];
    assert_eq!(absorbed["id"], city["id"]);
    assert_eq!(
        (&absorbed["state"], &absorbed["outcome"]),
        (&json!("closed"), &json!("absorbed"))
    );
    assert_eq!(absorbed["absorbed_into"], site["id"]);
    assert_eq!(
        (&site["kqi"], &site["department"]),
        (&json!("xcard_boss_hold_max"), &json!("BSC"))
    );
    assert_eq!(site["absorbed"], json!([city["id"]]));
    let path = format!("/v1/triggers/{}", site["id"].as_str().unwrap());
    let linked = engine
        .until(&path, |trigger| trigger["tickets"] == 40)
        .await;
    assert_eq!(linked["tickets"], 40);
    let all = engine.get("/v1/triggers?service=experience_card").await;
    assert_eq!(all["triggers"].as_array().unwrap().len(), 2, "{all:#}");
    let sources = site["sources"].as_array().unwrap();
    assert!(
        sources
            .iter()
            .any(|source| source["kqi"] == "xcard_sms_reply_time_p95")
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_mended_and_stays_red_is_asked_again_long_before_its_effect_could_be_measured()
 {
    let engine = Engine::start().await;
    let trigger = slow_card(&engine, "长沙").await;
    let path = format!("/v1/triggers/{}", trigger["id"].as_str().unwrap());
    for to in ["accepted", "in_progress", "mended"] {
        let body = json!({"to": to, "actor": "王工"}).to_string();
        let (status, text) = engine.post(&format!("{path}/moves"), body).await;
        assert_eq!(status.as_u16(), 200, "{text}");
    }
    // The replies are as slow as before, hour after hour.
    let probe = json!({"type": "dial_test", "service": "experience_card", "city": "长沙", "step": "query", "ok": true, "latency_ms": 90_000});
    engine
        .tell(&series(
            EIGHT + 400 * 10 * SECOND,
            10 * SECOND,
            6 * 360,
            &probe,
        ))
        .await;
    engine.pass(EIGHT + 8 * HOUR).await;
    let reopened = |trigger: &Value| {
        let mut steps = trigger["history"].as_array().unwrap().iter();
        steps.any(|step| {
            step["to"] == "reopened"
                && step["reason"]
                    .as_str()
                    .unwrap()
                    .contains("in windows after the mend")
        })
    };
    let trigger = engine.until(&path, reopened).await;
    assert_eq!(trigger["state"], "dispatched", "{trigger:#}");
    engine.stop().await;
}
