//! Golden restore, with the real process: an engine at two workers writes checkpoints, stops, and goes on at
//! one and at four from what it left. All that it says and mails must be, byte for byte, what an engine says and
//! mails that took the same journal in one go.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail loudly, and says what it did"
)]

#[path = "crash/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use server::Server;
use server::place::{COPIED, KNOWN, place_history};

/// Midnight in Shanghai, ms.
const T0: i64 = 1_764_000_000_000;
const MINUTE_MS: i64 = 60_000;
const MINUTES: i64 = 60;
const KQIS: [&str; 6] = ["success", "slow", "delivered", "tickets", "refused", "held"];
const HISTORY: [&str; 4] = ["alert_transitions", "trigger_moves", "notices", "audit"];
const RULES: &str = "
book: {name: unbroken, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams:
  dial_test: {allowed_lateness: 20s, idle_timeout: 1h, retention: 26h}
  mms_submit: {allowed_lateness: 20s, idle_timeout: 1h, retention: 26h}
  mms_receipt: {allowed_lateness: 20s, idle_timeout: 1h, retention: 26h}
  boss_call: {allowed_lateness: 20s, idle_timeout: 1h, retention: 26h}
  boss_connection: {allowed_lateness: 20s, idle_timeout: 1h, retention: 26h}
  complaint: {allowed_lateness: 20s, idle_timeout: 1h, retention: 26h}
mms: {validity: 30m, statuses: {Retrieved: [Delivered], Expired: [Unreachable]}}
departments:
  - id: NET
    name: {zh: 网络部, en: Network}
    roles:
      - {id: duty, name: {zh: 值班, en: Duty}, contacts: [{name: A, email: a@example.com, language: zh}, {name: B, email: b@example.com, language: en}]}
kqis:
  - {id: success, name: Success, layer: network, stream: dial_test, aggregate: ratio, good: ok, group_by: [city], window: 1m, unit: percent, department: NET, interval: {min: LIMIT}}
  - {id: slow, name: Slow, layer: network, stream: dial_test, aggregate: p95, group_by: [city], window: {size: 3m, hop: 1m}, unit: ms, department: NET, interval: {max: 700}}
  - {id: delivered, name: Delivered, layer: platform, stream: mms_submit, aggregate: ratio, good: \"status == 'Retrieved'\", group_by: [], window: 1m, unit: percent, department: NET, interval: {min: 50}}
  - {id: tickets, name: Tickets, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: 2m, unit: count, department: NET, interval: {max: 3}}
  - {id: refused, name: Refused, layer: platform, stream: boss_call, aggregate: ratio, good: tperrno == 0, group_by: [host], window: 2m, unit: percent, department: NET, interval: {min: 50}}
  - {id: held, name: Held, layer: platform, stream: boss_connection, aggregate: max, group_by: [host, interface], window: 2m, unit: ms, department: NET, interval: {max: 90000}}
alert_policies:
  default: {for: 1m, keep_firing_for: 1m, severity: major, missing: hold}
";

fn set_up(folder: &Path, limit: u64, checkpoint_ms: u64) {
    let rules = RULES.replace("LIMIT", &limit.to_string());
    std::fs::write(folder.join("rules.yaml"), rules).unwrap();
    // No digests: what is folded into one depends on when mails are due, by the clock on the wall.
    let config = format!(
        "checkpoint: {{interval_ms: {checkpoint_ms}}}\n\
         journal: {{epoch_interval_ms: 20, segment_bytes_max: 65536}}\n\
         mail: {{per_recipient_minute_max: 1000000, queued_max: 1000000}}\n"
    );
    std::fs::write(folder.join("config.yaml"), config).unwrap();
}

/// One minute of all streams: late lines, tickets that are filed elsewhere later, bad times by place, connections that
/// are held over the restarts, deliveries of which parts are missing.
fn lines(minute: i64) -> String {
    let ts = T0 + minute * MINUTE_MS;
    let mut all = Vec::new();
    for n in 0..24 {
        let city = ["cs", "zz"][(n % 2) as usize];
        let is_bad = (minute / 7 + n % 2) % 2 == 0;
        let late_ms = if n % 11 == 0 { (n + 3) * MINUTE_MS } else { 0 };
        all.push(json!({
            "type": "dial_test", "ts": ts + n * 2_000 - late_ms, "service": "news", "city": city,
            "ok": !is_bad || n % 5 == 0, "latency_ms": if is_bad { 900 } else { 200 } + n,
        }));
    }
    for n in 0..6 {
        let id = format!("m{minute}-{n}");
        all.push(json!({"type": "mms_submit", "ts": ts + n, "message_id": id, "service": "news", "city": "cs"}));
        if (minute / 5) % 2 == 0 || n == 0 {
            all.push(json!({"type": "mms_receipt", "ts": ts + 5_000, "message_id": id, "status": "Retrieved"}));
        }
    }
    for n in 0..if minute % 9 < 3 { 4 } else { 1 } {
        all.push(json!({
            "type": "complaint", "ts": ts + n, "serial": format!("t{minute}-{n}"), "version": 0, "state": "filed",
            "path": "数据业务/手机报", "service": "news", "city": "zz",
        }));
        if minute > 4 && n == 2 {
            all.push(json!({
                "type": "complaint", "ts": ts + n, "serial": format!("t{}-{n}", minute - 1), "version": 1,
                "state": "reclassified", "path": "数据业务/其他", "service": "news", "city": "zz",
            }));
        }
    }
    for n in 0..4 {
        let host = ["h1", "h2"][(n % 2) as usize];
        all.push(json!({
            "type": "boss_call", "ts": ts + n * 9_000, "host": host, "interface": "i", "client": "news",
            "tperrno": if (minute / 6 + n) % 3 == 0 { 11 } else { 0 }, "latency_ms": 40 + n,
        }));
        // Each is given back after seven minutes; one never is.
        let change = |state: &str, ts: i64, minute: i64| {
            json!({
                "type": "boss_connection", "ts": ts, "host": host, "interface": "i",
                "connection": format!("c{minute}-{n}"), "client": "news", "state": state,
            })
        };
        all.push(change("acquired", ts + n, minute));
        if n > 0 && minute >= 7 {
            all.push(change("released", ts + n, minute - 7));
        }
        if n < 2 || minute % 8 < 4 {
            all.push(json!({
                "type": "dial_test", "ts": ts + n * 5_000, "service": "news", "city": "cs", "delivery": format!("d{minute}"),
                "part": n + 1, "parts": 4, "ok": true, "latency_ms": 300 + n,
            }));
        }
    }
    all.iter().map(|line| format!("{line}\n")).collect()
}

async fn send(server: &Server, minutes: std::ops::Range<i64>) {
    let client = Client::new();
    for minute in minutes {
        let sent = client
            .post(format!("{}/v1/events", server.url))
            .header("Chrysalis-Producer", "unbroken")
            .header("Chrysalis-Sequence", (minute + 1).to_string())
            .body(lines(minute));
        assert_eq!(sent.send().await.unwrap().status(), StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// A department says something of the oldest open trigger.
async fn move_a_trigger(server: &Server) {
    let begun = Instant::now();
    let id = loop {
        let open = server.json("/v1/triggers?state=open").await;
        if let Some(id) = open["triggers"][0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{open:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let url = format!("{}/v1/triggers/{id}/acknowledge", server.url);
    let asked = Client::new().post(url).json(&json!({"actor": "duty"}));
    let answer = asked.send().await.unwrap();
    let status = answer.status();
    assert_eq!(status, StatusCode::OK, "{}", answer.text().await.unwrap());
}

/// What the engine says of windows, alerts, triggers, and of what it decided.
///
/// How long each trigger has been in its present state is left out: it grows while one asks.
async fn said(server: &Server) -> BTreeMap<String, Value> {
    let (from, to) = (T0 - 60 * MINUTE_MS, T0 + MINUTES * MINUTE_MS);
    let mut paths: Vec<String> = KQIS
        .iter()
        .map(|kqi| format!("/v1/kqis/{kqi}/windows?from={from}&to={to}"))
        .collect();
    paths.extend(["/v1/alerts".to_owned(), "/v1/triggers".to_owned()]);
    paths.extend(HISTORY.map(|table| format!("/v1/history/{table}?limit=1000")));
    let mut said = BTreeMap::new();
    for path in paths {
        let answer = server.json(&path).await;
        for trigger in answer["triggers"].as_array().into_iter().flatten() {
            let path = format!("/v1/triggers/{}", trigger["id"].as_str().unwrap());
            said.insert(path.clone(), server.json(&path).await);
        }
        for alert in answer["alerts"].as_array().into_iter().flatten() {
            let path = format!("/v1/alerts/{}", alert["incident"].as_str().unwrap());
            said.insert(path.clone(), server.json(&path).await);
        }
        said.insert(path, answer);
    }
    said.values_mut().for_each(without_ages);
    said
}

fn without_ages(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("time_in_states");
            fields.values_mut().for_each(without_ages);
        }
        Value::Array(values) => values.iter_mut().for_each(without_ages),
        _ => {}
    }
}

/// The mails in an outbox, by name.
fn mails(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder.join("data/outbox")).unwrap();
    files
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap().is_dir() {
            true => copy(&from, &to),
            false => std::fs::copy(from, to).map(drop).unwrap(),
        }
    }
}

/// Waits until everything is through, asks everything, stops; what was said, and what was mailed.
async fn outcome(
    server: Server,
    folder: &Path,
) -> (BTreeMap<String, Value>, BTreeMap<String, Vec<u8>>) {
    let begun = Instant::now();
    let mut before = BTreeMap::new();
    // The history is written beside the engine: asked until it says the same twice.
    loop {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let status = server.json("/v1/status").await;
        let now = said(&server).await;
        if now == before && status["epochs_behind"] == 0 {
            break;
        }
        before = now;
        assert!(begun.elapsed() < Duration::from_secs(60), "{status:#}");
    }
    assert_eq!(server.stop(), Some(0));
    (before, mails(folder))
}

/// One value a line, so that a difference is seen where it is.
trait Lines {
    fn lines(&self) -> String;
}

impl Lines for Value {
    fn lines(&self) -> String {
        format!("{self:#}")
    }
}

impl Lines for Vec<u8> {
    fn lines(&self) -> String {
        String::from_utf8_lossy(self).into_owned()
    }
}

fn same<T: PartialEq + Lines>(what: &str, got: &BTreeMap<String, T>, want: &BTreeMap<String, T>) {
    let names = |all: &BTreeMap<String, T>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(got), names(want), "{what}");
    for (name, value) in want {
        if got[name] == *value {
            continue;
        }
        let (got, want) = (got[name].lines(), value.lines());
        let pairs = got.lines().zip(want.lines());
        let first = pairs.enumerate().find(|(_, (got, want))| got != want);
        panic!("{what}: {name} is another, first at {first:?}\n{got}\nwanted\n{want}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_at_one_and_at_four_workers_it_says_and_mails_what_an_unbroken_run_does() {
    // Two workers, three checkpoints, a stop.
    let first = tempfile::tempdir().unwrap();
    set_up(first.path(), 80, 40);
    let server = Server::start(first.path(), 2).await;
    send(&server, 0..20).await;
    move_a_trigger(&server).await;
    set_up(first.path(), 90, 40);
    let reload = Client::new().post(format!("{}/v1/rules/reload", server.url));
    assert_eq!(reload.send().await.unwrap().status(), StatusCode::OK);
    send(&server, 20..MINUTES / 2).await;
    assert_eq!(server.stop(), Some(0));
    let kept = std::fs::read_dir(first.path().join("data/checkpoints")).unwrap();
    assert_eq!(kept.count(), 3);
    let four = tempfile::tempdir().unwrap();
    copy(first.path(), four.path());
    set_up(four.path(), 90, 40);
    let _ = std::fs::rename(four.path().join(KNOWN), four.path().join(COPIED));
    // Now, before the first one goes on.
    place_history(four.path());

    // On at one worker.
    let server = Server::start(first.path(), 1).await;
    send(&server, MINUTES / 2..MINUTES).await;
    move_a_trigger(&server).await;
    let (said_by_one, mailed_by_one) = outcome(server, first.path()).await;

    // On at four, from the same checkpoint, with what the one took: the same ticks, to the millisecond.
    std::fs::remove_dir_all(four.path().join("data/journal")).unwrap();
    let journal = first.path().join("data/journal");
    copy(&journal, &four.path().join("data/journal"));
    let server = Server::start(four.path(), 4).await;
    let (said_by_four, mailed_by_four) = outcome(server, four.path()).await;
    let log = std::fs::read_to_string(four.path().join("log")).unwrap();
    assert!(log.contains("beginning from checkpoint"), "{log}");

    // The same journal in one go: no checkpoint, no ledger, nothing that was known before.
    let unbroken = tempfile::tempdir().unwrap();
    set_up(unbroken.path(), 90, 3_600_000);
    copy(&journal, &unbroken.path().join("data/journal"));
    let anew = ["--new-ledger", "untold"];
    let server = Server::start_as(unbroken.path(), 2, &anew, &[]).await;
    let (said, mailed) = outcome(server, unbroken.path()).await;

    let transitions = &said["/v1/history/alert_transitions?limit=1000"];
    println!(
        "{} answers, {} mails, {} transitions",
        said.len(),
        mailed.len(),
        transitions["rows"].as_array().map_or(0, Vec::len)
    );
    assert!(mailed.len() > 20, "{} mails", mailed.len());
    for (what, said_by, mailed_by) in [
        ("one worker", said_by_one, mailed_by_one),
        ("four workers", said_by_four, mailed_by_four),
    ] {
        same(&format!("said by {what}"), &said_by, &said);
        same(&format!("mailed by {what}"), &mailed_by, &mailed);
    }
}
