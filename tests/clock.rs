//! The real process on a clock that jumps: back and forward by hours while it runs, and older after a restart. What
//! it says of event time is what a process on a quiet clock says, and its ticks never go back. A shim before
//! `clock_gettime` moves the clock on the wall; it needs a C compiler.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail loudly, and says what it did"
)]

#[path = "crash/server.rs"]
mod server;
#[path = "crash/shim.rs"]
mod shim;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::Value;
use server::Server;
use shim::shim;

/// Midnight in Shanghai, ms.
const T0: i64 = 1_764_000_000_000;
const RULES: &str = "
book: {name: clock, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 0s, idle_timeout: 1h, retention: 26h}}
departments:
  - id: NET
    name: {zh: 网络部, en: Network}
    roles:
      - {id: duty, name: {zh: 值班, en: Duty}, contacts: [{name: A, email: a@example.com, language: en}]}
kqis:
  - {id: tests, name: Tests, layer: network, stream: dial_test, aggregate: count, group_by: [city], window: 1m, unit: count, department: NET, interval: {max: 5}}
alert_policies:
  default: {for: 0s, keep_firing_for: 1m, severity: major, missing: hold}
";
const CONFIG: &str = "
checkpoint: {interval_ms: 100}
journal: {epoch_interval_ms: 10}
";
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Seconds that the clock on the wall is wrong by, read from a file each time. */
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, at);
    const char *name = getenv("CLOCK_OFFSET_FILE");
    if (done == 0 && id == CLOCK_REALTIME && name) {
        FILE *file = fopen(name, "r");
        long offset = 0;
        if (file) {
            if (fscanf(file, "%ld", &offset) == 1) at->tv_sec += offset;
            fclose(file);
        }
    }
    return done;
}
"#;

fn set_up(folder: &Path) {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    std::fs::write(folder.join("config.yaml"), CONFIG).unwrap();
}

async fn send(server: &Server, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        let ts = T0 + minute * 60_000;
        let line = format!(
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"s\",\"city\":\"c\",\"ok\":true}}\n"
        );
        let sent = Client::new().post(format!("{}/v1/events", server.url));
        let body = line.repeat(minute as usize % 9 + 1);
        let answer = sent.body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Windows and alerts when nothing is behind any more, and the names of all mails about alerts. Those about triggers
/// are on the clock of the wall: five hours later is an overdue department.
async fn said(server: &Server, folder: &Path) -> (Value, Value, Vec<String>) {
    let begun = Instant::now();
    let ask = async || {
        let to = T0 + 7_200_000;
        let windows = format!("/v1/kqis/tests/windows?from={T0}&to={to}");
        let mails = std::fs::read_dir(folder.join("data/outbox"));
        let mails = mails.into_iter().flatten().flatten();
        let mut mails: Vec<String> = mails
            .map(|file| file.file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("T-"))
            .collect();
        mails.sort();
        let alerts = server.json("/v1/alerts").await;
        (server.json(&windows).await, alerts, mails)
    };
    let mut before = ask().await;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = ask().await;
        if now == before && server.json("/v1/status").await["epochs_behind"] == 0 {
            return now;
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
        before = now;
    }
}

/// The ticks of the journal, ms.
fn ticks(folder: &Path) -> Vec<i64> {
    let dumped = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(["journal", "dump", "--kind", "tick"])
        .arg(folder.join("data"))
        .output()
        .unwrap();
    assert!(dumped.status.success());
    let text = String::from_utf8(dumped.stdout).unwrap();
    let tick = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["at_ms"].as_i64().unwrap_or_else(|| panic!("{line}"))
    };
    text.lines().map(tick).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_changes_nothing_in_event_time_and_ticks_do_not_go_back() {
    let quiet = tempfile::tempdir().unwrap();
    set_up(quiet.path());
    let server = Server::start(quiet.path(), 1).await;
    send(&server, 0..100).await;
    let want = said(&server, quiet.path()).await;
    assert!(want.2.len() > 5, "{want:?}");
    drop(server);

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    set_up(folder);
    let (library, offset) = (shim(folder, SHIM), folder.join("offset"));
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("CLOCK_OFFSET_FILE", offset.to_str().unwrap()),
    ];
    let wrong_by_h = |hours: i64| std::fs::write(&offset, (hours * 3_600).to_string()).unwrap();
    wrong_by_h(0);
    let server = Server::start_with(folder, 1, &variables).await;
    send(&server, 0..20).await;
    wrong_by_h(5);
    send(&server, 20..40).await;
    wrong_by_h(-9);
    send(&server, 40..60).await;
    assert_eq!(server.stop(), Some(0));
    // Two starts with older clocks, the second after no time to say goodbye.
    wrong_by_h(-26);
    let server = Server::start_with(folder, 2, &variables).await;
    send(&server, 60..80).await;
    server.kill();
    wrong_by_h(-30);
    let server = Server::start_with(folder, 4, &variables).await;
    send(&server, 80..100).await;
    let got = said(&server, folder).await;
    assert_eq!(server.stop(), Some(0));
    assert_eq!(got.0, want.0, "windows");
    assert_eq!(got.1, want.1, "alerts");
    assert_eq!(got.2, want.2, "mails");
    let ticks = ticks(folder);
    assert!(ticks.len() > 20, "{ticks:?}");
    assert!(ticks.is_sorted(), "{ticks:?}");
    let far = ticks.last().unwrap() - ticks[0];
    assert!(far >= 5 * 3_600_000, "the shim moves no clock: {far} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_refuses_no_true_event_and_time_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    set_up(folder);
    let (library, offset) = (shim(folder, SHIM), folder.join("offset"));
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("CLOCK_OFFSET_FILE", offset.to_str().unwrap()),
    ];
    let wrong_by_s = |seconds: i64| std::fs::write(&offset, seconds.to_string()).unwrap();
    let true_event = async |server: &Server| {
        let ts = chrysalis::time::now_ms();
        let line = format!(
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"s\",\"city\":\"c\",\"ok\":true}}\n"
        );
        let sent = Client::new().post(format!("{}/v1/events", server.url));
        let answer = sent.body(line).send().await.unwrap();
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["accepted"], 1, "{told}");
    };
    wrong_by_s(0);
    let server = Server::start_with(folder, 1, &variables).await;
    true_event(&server).await;
    wrong_by_s(-7_200);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    true_event(&server).await;
    let page = reqwest::get(format!("{}/metrics", server.url));
    let page = page.await.unwrap().text().await.unwrap();
    let ahead = page
        .lines()
        .find_map(|line| line.strip_prefix("chrysalis_clock_ahead_seconds "));
    let ahead: f64 = ahead.unwrap().parse().unwrap();
    assert!((7_190.0..7_210.0).contains(&ahead), "{ahead} s");
    assert_eq!(server.stop(), Some(0));
    // A start on a clock that is older than the journal.
    wrong_by_s(-18_000);
    let server = Server::start_with(folder, 1, &variables).await;
    true_event(&server).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(server.stop(), Some(0));
    let ticks = ticks(folder);
    assert!(ticks.is_sorted(), "{ticks:?}");
    let moved: Vec<i64> = ticks.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(moved.iter().all(|ms| *ms < 60_000), "{moved:?}");
    // Time went on, at half its pace, before and after the second start.
    assert!(ticks.last().unwrap() - ticks[0] >= 1_500, "{ticks:?}");
}

/// An exporter that answers every question alike, as long as the test runs.
fn exporter() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4_096];
            let _ = std::io::Read::read(&mut stream, &mut head);
            let body = "probe_success 1\nprobe_duration_seconds 0.1\n";
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = std::io::Write::write_all(&mut stream, answer.as_bytes());
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_engine_stamps_itself_does_not_follow_a_clock_that_was_set_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    set_up(folder);
    let probe = format!(
        "blackbox: [{{name: p, url: 'http://127.0.0.1:{}/probe', service: s, city: c, interval_s: 1}}]\n",
        exporter()
    );
    std::fs::write(folder.join("config.yaml"), format!("{CONFIG}{probe}")).unwrap();
    let (library, offset) = (shim(folder, SHIM), folder.join("offset"));
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("CLOCK_OFFSET_FILE", offset.to_str().unwrap()),
    ];
    let wrong_by_s = |seconds: i64| std::fs::write(&offset, seconds.to_string()).unwrap();
    wrong_by_s(0);
    let server = Server::start_with(folder, 1, &variables).await;
    // A producer whose clock is right, and what the probe's newest test is ahead of it by; so many stamps were held.
    let look = async || {
        let ts = chrysalis::time::now_ms();
        let line = format!(
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"source\":\"true\",\"service\":\"s\",\"city\":\"c\",\"ok\":true}}\n"
        );
        let sent = Client::new().post(format!("{}/v1/events", server.url));
        assert_eq!(
            sent.body(line).send().await.unwrap().status(),
            StatusCode::OK
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
        let status = server.json("/v1/status").await;
        let sources = status["sources"].as_array().unwrap();
        let newest = |name: &str| {
            let mut of = sources.iter().filter(|source| source["source"] == name);
            of.next()?["newest_event_ms"].as_i64()
        };
        let ahead = newest("blackbox").zip(newest("true"));
        let held = status["stamps"]["held_total"].as_u64().unwrap();
        let events = sources.iter().find(|of| of["source"] == "blackbox");
        let events = events.map_or(0, |of| of["events"].as_u64().unwrap());
        (
            ahead.map_or(0, |(own, other)| own - other),
            held,
            events,
            status,
        )
    };
    let begun = Instant::now();
    while look().await.2 < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "no probe");
    }
    wrong_by_s(18_000);
    let before = look().await.2;
    let begun = Instant::now();
    loop {
        let (ahead_ms, held, events, status) = look().await;
        assert!(ahead_ms < 10_000, "it follows the clock: {status}");
        if events >= before + 3 && held >= 3 {
            let by_ms = status["stamps"]["held_by_ms"].as_i64().unwrap();
            assert!((17_990_000..18_010_000).contains(&by_ms), "{status}");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{status}");
    }
    assert_eq!(server.stop(), Some(0));
}
