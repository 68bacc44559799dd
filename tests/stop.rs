//! A stop that takes its time, because a mail server does not answer, and a second SIGTERM: the process ends at once,
//! and nothing acknowledged or decided is lost.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "crash/server.rs"]
mod server;

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use server::Server;

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
