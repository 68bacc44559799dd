//! What a department is told to expect of its mend when it is done: when it is judged, by what, and that it cannot be.

use serde_json::{Value, json};

use crate::effects::{LOGIN, moved, trigger};
use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY};

/// Complaints about logging in, evenly from one instant to another, from 长沙.
fn logins(from: i64, to: i64, count: i64) -> Vec<Value> {
    (0..count)
        .map(|at| {
            let ts = from + (to - from) * at / count + MINUTE;
            json!({"type": "complaint", "ts": ts, "serial": format!("{ts}"), "state": "filed", "city": "长沙",
                "service": "mobile_mail", "node": "O010104", "path": "手机邮箱/使用/登录/无法登录"})
        })
        .collect()
}

/// The demand about logging in, accepted, worked at and mended: its number.
async fn mended(engine: &Engine) -> String {
    let open = trigger(engine, "mobile_mail", |trigger| {
        trigger["state"] == "dispatched"
    })
    .await;
    let id = open["id"].as_str().unwrap();
    for to in ["accepted", "in_progress", "mended"] {
        moved(engine, id, to).await;
    }
    id.to_owned()
}

/// Windows of an hour, and a mend within three: nobody waits four weeks to hear that nothing can be said.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_data_can_prove_is_said_when_the_work_is_done() {
    let hourly = LOGIN
        .replace("login_complaints_day", "login_complaints_hour")
        .replace("window: 1d", "window: 1h")
        .replace("max: 10", "max: 3");
    let engine = Engine::with_rules(&[("login.yaml", &hourly)]).await;
    let (began, done) = (MONDAY + 8 * HOUR, MONDAY + 11 * HOUR);
    engine.tell(&logins(began, done, 30)).await;
    engine.pass(done - 30 * MINUTE).await;
    let id = mended(&engine).await;
    let path = format!("/v1/triggers/{id}");
    let told = engine
        .until(&path, |trigger| trigger["effect"] == "unprovable")
        .await;
    assert_eq!(told["state"], "feedback_given", "{told:#}");
    let (zh, en) = (&told["effect_text"]["zh"], &told["effect_text"]["en"]);
    let (zh, en) = (zh.as_str().unwrap(), en.as_str().unwrap());
    assert!(
        zh.starts_with("数据无法证明：登录投诉：整改前可对比的时段只有")
            && zh.contains("每个 1h")
            && zh.contains("至少需要 4 个"),
        "{zh}"
    );
    assert!(
        en.starts_with("not provable by data: Login complaints:") && en.contains("4 are needed"),
        "{en}"
    );
    // Four weeks after the mend, by the clock of the stream.
    let due = told["effect_due_ms"].as_i64().unwrap();
    assert!(
        (done - HOUR..done + HOUR).contains(&(due - 28 * DAY)),
        "{told:#}"
    );
    let history = told["history"].as_array().unwrap();
    let reasons = history.iter().filter_map(|step| step["reason"].as_str());
    assert_eq!(
        reasons
            .filter(|why| why.starts_with("unprovable: "))
            .count(),
        1
    );
    // In the mail that tells of the answer, and on the console.
    let mails = engine.mails("已有答复；其效果数据无法证明", 1).await;
    assert!(
        mails
            .iter()
            .any(|mail| mail.contains("整改前可对比的时段只有")),
        "{mails:?}"
    );
    let (_, page) = engine.ask(&format!("/triggers/{id}")).await;
    assert!(
        page.contains("数据无法证明") && page.contains("not provable by data"),
        "{page}"
    );
    engine.stop().await;
}

/// Of days one is known before the mend, of the same complaints by the hour nine are.
#[tokio::test(flavor = "multi_thread")]
async fn complaints_prove_what_longer_windows_cannot() {
    let engine = Engine::with_rules(&[("login.yaml", LOGIN)]).await;
    let done = MONDAY + DAY + 9 * HOUR;
    engine.tell(&logins(MONDAY, done, 33 * 20)).await;
    engine.pass(done - 30 * MINUTE).await;
    let id = mended(&engine).await;
    let path = format!("/v1/triggers/{id}");
    let waits = engine
        .until(&path, |trigger| trigger["effect"] == "too_early")
        .await;
    let said = waits["effect_text"]["zh"].as_str().unwrap();
    assert!(said.contains("之后仅按投诉评估效果：登录投诉："), "{said}");
    assert!(
        waits["effect_due_ms"].as_i64().unwrap() < done + 8 * DAY,
        "{waits:#}"
    );
    for day in 2..9 {
        let midnight = MONDAY + day * DAY;
        engine.tell(&logins(midnight, midnight + 9 * HOUR, 3)).await;
    }
    engine.pass(done + 8 * DAY).await;
    let closed = engine
        .until(&path, |trigger| trigger["state"] == "closed")
        .await;
    assert_eq!(closed["effect"], "effective", "{closed:#}");
    assert_eq!(closed["effect_due_ms"], Value::Null);
    let indicators = closed["effect_report"]["indicators"].as_array().unwrap();
    let deciding = indicators
        .iter()
        .find(|of| of["verdict"] == "effective")
        .unwrap();
    assert_eq!(deciding["kqi"], "complaint_surge", "{deciding:#}");
    engine.stop().await;
}
