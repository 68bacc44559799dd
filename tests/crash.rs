//! Kill -9 in the middle of ingest and of starts, again and again: every acknowledged event is counted once, and no
//! mail exists twice; the history has every row (`crash/history.rs`); another process that stands by takes over (`crash/standby.rs`); at a real mail server (`-- --include-ignored`) every mail that was decided has arrived.
//!
//! `CRASH_KILLS=200 ./check crash` is the long form: so many kills, shared out to 1, 2 and 4 workers.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it did"
)]

#[path = "crash/decided.rs"]
mod decided;
#[path = "crash/history.rs"]
mod history;
#[path = "crash/server.rs"]
mod server;
#[path = "mail/servers.rs"]
mod servers;
#[path = "crash/smtp.rs"]
mod smtp;
#[path = "crash/standby.rs"]
mod standby;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::Value;
use server::{Server, count_all, now_ms};

const RULES: &str = "
book: {name: crash, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams:
  dial_test: {allowed_lateness: 5s, idle_timeout: 1h, retention: 26h}
departments:
  - id: NET
    name: {zh: 网络部, en: Network}
    roles:
      - id: duty
        name: {zh: 值班, en: Duty}
        contacts: [{name: 值班, email: duty@example.com, language: zh}]
kqis:
  - id: tests_1m
    name: {zh: 拨测量, en: Tests a minute}
    layer: network
    stream: dial_test
    aggregate: count
    unit: count
    group_by: [service, city]
    window: 1m
    department: NET
    # Busy minutes have three times as much, so alerts fire and resolve all the time.
    interval: {max: 175}
alert_policies:
  default: {for: 0s, keep_firing_for: 0s, severity: major, missing: hold}
";
/// Checkpoints and segments as often as can be, and nothing kept that no start needs.
const CONFIG: &str = "
checkpoint: {interval_ms: 40}
journal: {segment_bytes_max: 8192, retention_h: 0, retention_bytes: 0}
";
/// Lines in a batch.
const BATCH: u64 = 100;
/// Batches that a run acknowledges at least, however early it is killed: many segments of the journal.
const LEAST_BATCHES: u64 = 200;

/// Batch number `sequence`: a second of event time a batch, so that a day holds more batches than any run
/// sends (later lines would be refused as of the future); cities in turn busy and calm.
fn batch(sequence: u64, base_ms: i64) -> String {
    let mut lines = String::new();
    for n in 0..BATCH {
        let ts = base_ms + (sequence * 1_000 + n * 10) as i64;
        let minute = ts / 60_000;
        let city = if minute % 3 == 0 { n % 20 } else { n % 60 };
        lines.push_str(&format!(
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"sms\",\"city\":\"c{city}\",\"ok\":true,\"latency_ms\":{n}}}\n"
        ));
    }
    lines
}

/// A small generator, so that a failing run can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn set_up(folder: &Path) {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    std::fs::write(folder.join("config.yaml"), CONFIG).unwrap();
}

/// Kills it so often under load, now and then before it is ready, and oftener until `least` batches are
/// acknowledged; answers how many are. One more may be in the journal without its producer having heard of it.
async fn kill_under_load(
    folder: &Path,
    workers: usize,
    (kills, least): (u64, u64),
    seed: u64,
    base_ms: i64,
) -> u64 {
    let client = Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let mut dice = Dice(seed);
    let mut sequence = 1;
    let mut deaths = 0;
    while deaths < kills || sequence <= least {
        deaths += 1;
        // A checkpoint is begun from at any number of workers.
        let workers = [workers, 1, 2, 4][dice.roll(4) as usize];
        if dice.roll(4) == 0 {
            // At any moment of a start: from the first instruction to well within the replay.
            let server = Server::spawn(folder, workers, &[], &[]);
            tokio::time::sleep(Duration::from_millis(dice.roll(150))).await;
            server.kill();
            continue;
        }
        let server = Server::start(folder, workers).await;
        let url = format!("{}/v1/events", server.url);
        let die_at = Instant::now() + Duration::from_millis(30 + dice.roll(700));
        let killer = tokio::spawn(async move {
            tokio::time::sleep_until(die_at.into()).await;
            server.kill();
        });
        // The same sequence is tried until it is acknowledged, whoever died in between.
        loop {
            let sent = client
                .post(&url)
                .header("Chrysalis-Producer", "crash")
                .header("Chrysalis-Sequence", sequence.to_string())
                .body(batch(sequence, base_ms))
                .send()
                .await;
            match sent {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    // A death may come between the head of the answer and its body.
                    if let Ok(told) = answer.json::<Value>().await {
                        let whole = told["duplicate"] == true || told["accepted"] == BATCH;
                        assert!(whole, "batch {sequence}: {told}");
                    }
                    sequence += 1;
                }
                Ok(answer) => assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS),
                Err(_) => break,
            }
        }
        killer.await.unwrap();
    }
    sequence - 1
}

/// Starts it for good, and says the last batch once more: all that was acknowledged is counted once.
async fn come_back(folder: &Path, workers: usize, acknowledged: u64, base_ms: i64) -> Server {
    let server = Server::start(folder, workers).await;
    let sequence = acknowledged + 1;
    let answer = Client::new()
        .post(format!("{}/v1/events", server.url))
        .header("Chrysalis-Producer", "crash")
        .header("Chrysalis-Sequence", sequence.to_string())
        .body(batch(sequence, base_ms))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let events = sequence * BATCH;
    let status = server.json("/v1/status").await;
    assert_eq!(
        status["journal"]["events_total"], events,
        "{workers} workers"
    );
    let counted = count_all(&server, events, base_ms).await;
    let status = server.json("/v1/status").await;
    assert_eq!(counted, events, "{workers} workers: {status:#}");
    server
}

async fn survive(workers: usize, kills: u64, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let base_ms = (now_ms() - 25 * 3_600_000) / 60_000 * 60_000;
    let load = (kills, LEAST_BATCHES);
    let sequence = 1 + kill_under_load(folder.path(), workers, load, seed, base_ms).await;
    let acknowledged = sequence * BATCH;
    let server = come_back(folder.path(), workers, sequence - 1, base_ms).await;
    let checkpoints = std::fs::read_dir(folder.path().join("data/checkpoints")).unwrap();
    assert!(checkpoints.count() > 0, "no checkpoint was ever written");
    // With a checkpoint, which comes by itself.
    let oldest = folder
        .path()
        .join("data/journal/00000000000000000000.journal");
    let begun = Instant::now();
    while oldest.exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is cut");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let undisturbed = undisturbed(workers, sequence, base_ms).await;
    assert!(!undisturbed.is_empty(), "no alert at all");
    assert_eq!(
        course(&server).await,
        undisturbed,
        "workers {workers} seed {seed}"
    );
    let alerts = server.json("/v1/alerts").await;
    check_mails(&folder.path().join("data/outbox"), &alerts).await;
    println!(
        "{workers} workers: {kills} kills, {acknowledged} events acknowledged, all counted once"
    );
}

/// What became of every alert, in event time.
async fn course(server: &Server) -> Vec<String> {
    let alerts = server.json("/v1/alerts").await;
    let alerts = alerts["alerts"].as_array().unwrap();
    let mut course: Vec<String> = alerts
        .iter()
        .map(|alert| {
            let of = |name: &str| alert[name].to_string();
            [
                "alert",
                "group_label",
                "state",
                "severity",
                "active_since_ms",
                "fired_at_ms",
                "resolved_at_ms",
                "worst_value",
            ]
            .map(of)
            .join(" ")
        })
        .collect();
    course.sort();
    course
}

/// The course of alerts in an engine that nobody killed.
async fn undisturbed(workers: usize, batches: u64, base_ms: i64) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let server = Server::start(folder.path(), workers).await;
    for sequence in 1..=batches {
        let answer = Client::new()
            .post(format!("{}/v1/events", server.url))
            .body(batch(sequence, base_ms))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let all = batches * BATCH;
    assert_eq!(count_all(&server, all, base_ms).await, all);
    course(&server).await
}

/// Every mail is there once: no Message-ID twice, no two mails for one turn of an incident.
async fn check_mails(outbox: &Path, alerts: &Value) {
    let begun = Instant::now();
    let files = loop {
        let mut files: Vec<PathBuf> = std::fs::read_dir(outbox)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        if !files.is_empty() {
            break files;
        }
        // Mails leave behind the decisions; the run must have told something.
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "no mail at all; alerts: {alerts:#}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let mut ids = BTreeSet::new();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        let id = text
            .lines()
            .find(|line| line.starts_with("Message-ID:"))
            .unwrap()
            .to_owned();
        assert!(ids.insert(id.clone()), "{id} twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_is_counted_twice() {
    let kills = std::env::var("CRASH_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(9);
    for (workers, seed) in [(1, 11), (2, 22), (4, 44)] {
        survive(workers, u64::div_ceil(kills, 3), seed).await;
    }
}
