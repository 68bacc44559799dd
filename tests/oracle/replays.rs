//! `replay` writes the same bytes at any number of workers, and for input that comes in another
//! order within the allowed lateness, cut into other files: the shipped book over mixed input.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrysalis::replay::{ReplayOptions, replay};
use chrysalis::rules::{Plan, load};
use serde_json::{Value, json};

use crate::generate::{BEGIN_MS, event};
use crate::rng::Rng;

const SPAN_MS: i64 = 3 * 3_600_000;
/// The shortest allowed lateness of the shipped book, less a little.
const DISORDER_MS: i64 = 34_000;

#[test]
fn replay_writes_the_same_bytes() {
    let book = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"))
        .0
        .unwrap();
    let plan = Arc::new(Plan::new(Arc::new(book), None).unwrap());
    let mut rng = Rng::new(7);
    let story = mixed(&mut rng);
    let folder = tempfile::tempdir().unwrap();
    let orders: Vec<Vec<PathBuf>> = [1, 25, 40]
        .map(|files| written(&mut rng, folder.path(), &story, files))
        .into();
    let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
    for (inputs, workers) in [(0, 1), (1, 1), (1, 2), (1, 4), (2, 2)] {
        let out = folder.path().join(format!("out-{inputs}-{workers}"));
        let options = ReplayOptions {
            workers,
            out: Some(out.clone()),
            alerts_only: false,
            // The stories have a time axis of their own.
            now_ms: i64::MAX,
            inputs: orders[inputs].clone(),
        };
        let summary = replay(&plan, &options).unwrap();
        assert_eq!((summary.refused, summary.events), (0, story.len() as u64));
        assert!(
            summary.windows > 1_000 && summary.transitions > 20,
            "{summary:?}"
        );
        let read = |name: &str| std::fs::read(out.join(name)).unwrap();
        let bytes = (read("windows.csv"), read("alerts.csv"));
        let first = first.get_or_insert_with(|| bytes.clone());
        let what = format!("input {inputs}, {workers} workers");
        assert_eq!(difference(&first.0, &bytes.0), None, "windows.csv, {what}");
        assert_eq!(difference(&first.1, &bytes.1), None, "alerts.csv, {what}");
    }
}

/// The first line in which two files differ.
fn difference(one: &[u8], other: &[u8]) -> Option<(String, String)> {
    let lines = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (one, other) = (lines(one), lines(other));
    let differs = one.lines().zip(other.lines()).find(|(a, b)| a != b);
    let shorter = || (one.len() != other.len()).then_some(("lengths", "differ"));
    differs
        .or_else(shorter)
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
}

/// Writes the lines in a random order within the lateness, over some files.
fn written(rng: &mut Rng, folder: &Path, story: &[Value], files: usize) -> Vec<PathBuf> {
    let mut lines: Vec<(i64, &Value)> = story
        .iter()
        .map(|line| (line["ts"].as_i64().unwrap() + rng.below(DISORDER_MS), line))
        .collect();
    lines.sort_by_key(|(at_ms, _)| *at_ms);
    let share = lines.len().div_ceil(files);
    let write = |(number, lines): (usize, &[(i64, &Value)])| {
        let path = folder.join(format!("{files}-{number}.ndjson"));
        let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        std::fs::write(&path, text).unwrap();
        path
    };
    lines.chunks(share).enumerate().map(write).collect()
}

/// Three hours of the four services: dial tests, messages, BOSS calls and connections, tickets and
/// the subscriber base, with an hour in which much fails.
fn mixed(rng: &mut Rng) -> Vec<Value> {
    let mut lines = Vec::new();
    let cities = ["长沙", "永州", "常德"];
    for city in cities {
        let mut line = event("gauge", BEGIN_MS - 3_600_000);
        line["name"] = json!("subscriber_base");
        line["value"] = json!(20_000);
        line["dims"] = json!({"city": city});
        lines.push(line);
    }
    for _ in 0..5_000 {
        let ts_ms = BEGIN_MS + rng.below(SPAN_MS);
        let bad = (BEGIN_MS + SPAN_MS / 3..BEGIN_MS + 2 * SPAN_MS / 3).contains(&ts_ms);
        let line = match rng.below(10) {
            0 => boss_call(rng, ts_ms, bad),
            1 => message(rng, ts_ms, bad, &cities, &mut lines),
            2 if rng.chance(20) => ticket(rng, ts_ms, &cities),
            3 if rng.chance(20) => connection(rng, ts_ms),
            _ => dial_test(rng, ts_ms, bad, &cities),
        };
        lines.push(line);
    }
    lines
}

fn dial_test(rng: &mut Rng, ts_ms: i64, bad: bool, cities: &[&'static str]) -> Value {
    let mut line = event("dial_test", ts_ms);
    line["service"] = json!(rng.pick(&["sms_hall", "experience_card", "mobile_mail"]));
    line["city"] = json!(rng.pick(cities));
    line["channel"] = json!("sms");
    line["step"] = json!(rng.pick(&["query", "query", "login", "e2e", "charset"]));
    let ok = rng.chance(if bad { 70 } else { 99 });
    line["ok"] = json!(ok);
    line["content_ok"] = json!(ok);
    line["latency_ms"] = json!(rng.below(if bad { 90_000 } else { 9_000 }));
    line
}

fn boss_call(rng: &mut Rng, ts_ms: i64, bad: bool) -> Value {
    let mut line = event("boss_call", ts_ms);
    line["host"] = json!(rng.pick(&["h1", "h2"]));
    line["interface"] = json!(rng.pick(&["q", "b"]));
    line["client"] = json!(rng.pick(&["experience_card", "mobile_newspaper", "sms_hall"]));
    line["latency_ms"] = json!(rng.below(if bad { 9_000 } else { 900 }));
    line["tperrno"] = json!(if bad && rng.chance(20) { 13 } else { 0 });
    line
}

/// A submission; its only receipt, when it has one, goes to the lines.
fn message(
    rng: &mut Rng,
    ts_ms: i64,
    bad: bool,
    cities: &[&'static str],
    lines: &mut Vec<Value>,
) -> Value {
    let id = format!("m{}", lines.len());
    let mut submit = event("mms_submit", ts_ms);
    submit["message_id"] = json!(id);
    submit["service"] = json!("mobile_newspaper");
    submit["city"] = json!(rng.pick(cities));
    submit["edition"] = json!("morning");
    submit["valid_until"] = json!(ts_ms + 3_600_000);
    if rng.chance(90) {
        let mut receipt = event("mms_receipt", ts_ms + rng.below(1_200_000));
        receipt["message_id"] = json!(id);
        let fails = rng.chance(if bad { 40 } else { 3 });
        receipt["status"] = json!(if fails { "Rejected" } else { "Retrieved" });
        receipt["status_text"] = json!(rng.pick(&["", "终端内存不足", "超时"]));
        lines.push(receipt);
    }
    submit
}

fn ticket(rng: &mut Rng, ts_ms: i64, cities: &[&'static str]) -> Value {
    let mut line = event("complaint", ts_ms);
    line["serial"] = json!(format!("t{}", rng.next()));
    line["service"] = json!(rng.pick(&["mobile_newspaper", "experience_card", "mobile_mail"]));
    line["city"] = json!(rng.pick(cities));
    let leaf = rng.pick(&["没有收到手机报", "短信回复慢", "无法登录"]);
    line["path"] = json!(format!("业务/{leaf}"));
    line
}

fn connection(rng: &mut Rng, ts_ms: i64) -> Value {
    let mut line = event("boss_connection", ts_ms);
    line["host"] = json!(rng.pick(&["h1", "h2"]));
    line["interface"] = json!("q");
    line["connection"] = json!(rng.pick(&["c1", "c2", "c3"]));
    line["state"] = json!(rng.pick(&["acquired", "active", "released"]));
    line
}
