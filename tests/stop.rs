//! A stop that takes its time, because a mail server does not answer, and a second SIGTERM: the process ends at once,
//! and nothing acknowledged or decided is lost. A stop and a death while rows wait for the history: it has them in the end.
//! And an end that nobody wished for: a panic on any thread ends the process. A shim before `clock_gettime` provokes it, for
//! which it needs a C compiler.

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

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::json;
use server::Server;
use shim::shim;
use sqlx::{Connection, SqliteConnection};

/// Midnight in Shanghai, ms.
const T0: i64 = 1_764_000_000_000;
const RULES: &str = "
book: {name: stop, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 0s, idle_timeout: 1h, retention: 26h}}
departments:
  - id: NET
    name: {zh: 网络部, en: Network}
    roles:
      - {id: duty, name: {zh: 值班, en: Duty}, contacts: [{name: A, email: a@example.com, language: en}]}
kqis:
  - {id: tests, name: Tests, layer: network, stream: dial_test, aggregate: count, group_by: [city], window: 1m, unit: count, department: NET, interval: {max: 1}}
alert_policies:
  default: {for: 0s, keep_firing_for: 1h, severity: major, missing: hold}
";

fn set_up(folder: &Path, mail: &str) {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    let config = format!("shutdown_deadline_s: 25\nmail: {mail}\n");
    std::fs::write(folder.join("config.yaml"), config).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_slow_stop_at_once_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // It takes connections and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    set_up(
        folder,
        &format!("{{smtp: {{host: 127.0.0.1, port: {port}, security: none, timeout_s: 60}}}}"),
    );
    let mut server = Server::start(folder, 2).await;
    for minute in 0..5 {
        let ts = T0 + minute * 60_000;
        let line = format!(
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"s\",\"city\":\"c\",\"ok\":true}}\n"
        );
        let sent = Client::new().post(format!("{}/v1/events", server.url));
        let answer = sent.body(line.repeat(3)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let begun = Instant::now();
    while server.json("/v1/notices?state=sending").await["notices"][0].is_null() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "no mail is tried"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.terminate();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.ended(), None, "it waits for its mail");
    let begun = Instant::now();
    server.terminate();
    let status = loop {
        if let Some(status) = server.ended() {
            break status;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "it goes on to wait"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    // 128 and the number of SIGTERM.
    assert_eq!(status.code(), Some(143));

    // The next has all events, and sends the mail.
    set_up(folder, "{}");
    let server = Server::start(folder, 1).await;
    assert_eq!(
        server.json("/v1/status").await["journal"]["events_total"],
        15
    );
    let begun = Instant::now();
    while std::fs::read_dir(folder.join("data/outbox"))
        .unwrap()
        .count()
        == 0
    {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the mail is lost"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.stop(), Some(0));
}

/// SQLite in the folder, which somebody can lock, and checkpoints as often as can be.
fn set_up_sqlite(folder: &Path, deadline_s: u32) {
    set_up(folder, "{}");
    let file = folder.join("data/history.sqlite");
    let file = file.display();
    let config = format!(
        "shutdown_deadline_s: {deadline_s}\ncheckpoint: {{interval_ms: 100}}\n\
         history: {{url: \"sqlite://{file}?mode=rwc\"}}\n"
    );
    std::fs::write(folder.join("config.yaml"), config).unwrap();
}

/// Minutes that each make an alert, from the given one on.
async fn send(server: &Server, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        let ts = T0 + minute * 60_000;
        let line = format!(
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"s\",\"city\":\"c{minute}\",\"ok\":true}}\n"
        );
        let sent = Client::new().post(format!("{}/v1/events", server.url));
        let answer = sent.body(line.repeat(3)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

/// Acknowledges the first trigger so often.
async fn acknowledge(server: &Server, times: usize) {
    let client = Client::new();
    let url = format!("{}/v1/triggers/T-000001/acknowledge", server.url);
    for _ in 0..times {
        let asked = client.post(&url).json(&json!({"actor": "w"}));
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

/// Waits until there are so many rows in a table.
async fn until_rows(server: &Server, table: &str, want: usize) {
    let begun = Instant::now();
    loop {
        let path = format!("/v1/history/{table}?limit=1000");
        let found = server.json(&path).await;
        let rows = found["rows"].as_array().unwrap().len();
        if rows == want {
            return;
        }
        assert!(
            rows < want && begun.elapsed() < Duration::from_secs(20),
            "{table}: {rows} rows, and not {want}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An engine with alerts and a trigger in its history, which then is locked by somebody else while more is decided.
async fn with_a_locked_history(folder: &Path) -> (Server, SqliteConnection, usize) {
    let server = Server::start(folder, 1).await;
    send(&server, 0..5).await;
    let begun = Instant::now();
    while server.json("/v1/triggers").await["triggers"][0].is_null() {
        assert!(begun.elapsed() < Duration::from_secs(20), "no trigger");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    acknowledge(&server, 3).await;
    until_rows(&server, "audit", 3).await;
    let url = format!("sqlite://{}", folder.join("data/history.sqlite").display());
    let mut lock = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE")
        .execute(&mut lock)
        .await
        .unwrap();
    send(&server, 5..20).await;
    acknowledge(&server, 40).await;
    // Time for checkpoints that would be beyond the rows.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let notices = server.json("/v1/notices?limit=1").await;
    let counts = notices["counts"].as_object().unwrap().values();
    let told = counts.filter_map(serde_json::Value::as_u64).sum::<u64>();
    (server, lock, told as usize)
}

async fn everything_is_recorded(folder: &Path) {
    let server = Server::start(folder, 2).await;
    until_rows(&server, "audit", 43).await;
    let notices = server.json("/v1/notices?limit=1000").await;
    let told = notices["notices"].as_array().unwrap().iter();
    // What one mail has of many is how they are delivered, and not decided.
    let decided =
        told.filter(|notice| notice["reason"] != "digest" && notice["reason"] != "demands");
    until_rows(&server, "notices", decided.count()).await;
    let status = server.json("/v1/status").await;
    assert_eq!(status["checkpoint"]["history_misses_epochs"], 0);
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_rows_that_wait_for_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    set_up_sqlite(folder, 25);
    let (mut server, lock, told) = with_a_locked_history(folder).await;
    assert!(told > 5, "{told}");
    server.terminate();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.ended(), None, "it waits for its rows");
    lock.close().await.unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = server.ended() {
            break status;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it goes on to wait"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(status.code(), Some(0));
    everything_is_recorded(folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_stays_locked_gets_its_rows_from_the_next_engine() {
    for is_killed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        set_up_sqlite(folder, 3);
        let (server, lock, _) = with_a_locked_history(folder).await;
        if is_killed {
            server.kill();
        } else {
            assert_eq!(server.stop(), Some(1), "rows were left");
            let log = std::fs::read_to_string(folder.join("log")).unwrap();
            assert!(log.contains("no checkpoint: the history"), "{log}");
            assert!(log.contains("rows are not in the history"), "{log}");
        }
        lock.close().await.unwrap();
        everything_is_recorded(folder).await;
    }
}

/// A clock that cannot be read by the thread that a file names: the standard library panics there, wherever it is.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    const char *name = getenv("NO_CLOCK_FILE");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (file) {
        char wanted[32] = "", own[32] = "";
        int found = fscanf(file, "%31s", wanted);
        fclose(file);
        if (found == 1 && prctl(PR_GET_NAME, own) == 0 && strcmp(own, wanted) == 0) {
            errno = EIO;
            return -1;
        }
    }
    return real(id, at);
}
"#;
/// SIGABRT.
const ABORTED: i32 = 6;

/// Also one that the engine could live on without, such as that which writes checkpoints.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_on_any_thread_aborts_the_process_and_the_log_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    set_up(folder, "{}\ncheckpoint: {interval_ms: 100}");
    let (library, named) = (shim(folder, SHIM), folder.join("no-clock"));
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("NO_CLOCK_FILE", named.to_str().unwrap()),
    ];
    for thread in ["journal", "feed", "checkpoint"] {
        std::fs::remove_file(folder.join("log")).ok();
        let mut server = Server::start_with(folder, 2, &variables).await;
        std::fs::write(&named, thread).unwrap();
        let begun = Instant::now();
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        let status = loop {
            if let Some(status) = server.ended() {
                break status;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{thread} panics, and the process lives: {}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        std::fs::remove_file(&named).unwrap();
        assert_eq!(status.signal(), Some(ABORTED), "{thread}: {status}");
        let said = log();
        let reason = format!("thread '{thread}'");
        assert!(
            said.contains(&reason) && said.contains("panicked at") && said.contains("code: 5"),
            "the reason is not in the log:\n{said}"
        );
        // The start after it is a start like any other.
        let server = Server::start(folder, 2).await;
        assert_eq!(server.stop(), Some(0));
    }
}
