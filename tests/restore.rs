//! The real process and its checkpoints: what a start begins from, and what it says when it cannot.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "process/book.rs"]
mod book;
#[path = "history/place.rs"]
mod place;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use book::{RULES, T0};
use reqwest::{Client, StatusCode};
use serde_json::Value;

const CONFIG: &str = "
checkpoint: {interval_ms: 30}
journal: {epoch_interval_ms: 10, segment_bytes_max: 1024, retention_h: 0, retention_bytes: 0}
";

struct Server {
    child: Child,
    url: String,
}

fn chrysalis() -> Command {
    Command::new(env!("CARGO_BIN_EXE_chrysalis"))
}

fn serve(folder: &Path, listen: &str, workers: usize) -> Command {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    std::fs::write(folder.join("config.yaml"), CONFIG).unwrap();
    place::place_history(folder);
    let mut command = chrysalis();
    command
        .args(["serve", "--listen", listen])
        .args(["--workers", &workers.to_string()])
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--rules")
        .arg(folder.join("rules.yaml"))
        .arg("--config")
        .arg(folder.join("config.yaml"));
    command
}

impl Server {
    async fn start(folder: &Path, workers: usize) -> Server {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let listen = format!("127.0.0.1:{port}");
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut command = serve(folder, &listen, workers);
        let child = command.stderr(Stdio::from(log)).spawn().unwrap();
        let server = Server {
            child,
            url: format!("http://{listen}"),
        };
        let begun = Instant::now();
        loop {
            let ready = Client::new().get(format!("{}/ready", server.url));
            if (ready.send().await).is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return server;
            }
            let log = || std::fs::read_to_string(folder.join("log")).unwrap();
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends minutes of tests, more each minute than the one before.
    async fn send(&self, minutes: std::ops::Range<i64>) {
        for minute in minutes {
            let line = |n: i64| {
                let ts = T0 + minute * 60_000 + n;
                let city = n % 2;
                format!(
                    "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"s\",\"city\":\"c{city}\",\"ok\":true}}\n"
                )
            };
            let body: String = (0..minute % 17 + 1).map(line).collect();
            let sent = Client::new().post(format!("{}/v1/events", self.url));
            let answer = sent.body(body).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn json(&self, path: &str) -> Value {
        let answer = Client::new().get(format!("{}{path}", self.url));
        answer.send().await.unwrap().json().await.unwrap()
    }

    /// Windows and alerts, once the engine has caught up.
    async fn state(&self, until: i64) -> (Value, Value) {
        let begun = Instant::now();
        let end = T0 + until * 60_000;
        loop {
            let windows = self
                .json(&format!("/v1/kqis/tests/windows?from={T0}&to={end}"))
                .await;
            let all: i64 = windows["windows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["count"].as_i64().unwrap())
                .sum();
            let status = self.json("/v1/status").await;
            if all == (0..until).map(|minute| minute % 17 + 1).sum::<i64>()
                && status["epochs_behind"] == 0
            {
                return (windows, self.json("/v1/alerts").await);
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{all}: {status:#}"
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// SIGTERM, and the exit code.
    fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    checkpoints_of(&folder.join("data"))
}

fn checkpoints_of(data: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(data.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn spoil(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xA5);
    std::fs::write(path, bytes).unwrap();
}

/// A start that must fail by itself, and what it says.
fn fails(folder: &Path) -> String {
    let log = folder.join("failing");
    let mut command = serve(folder, "127.0.0.1:0", 1);
    let stderr = std::fs::File::create(&log).unwrap();
    let mut child = command.stderr(Stdio::from(stderr)).spawn().unwrap();
    let begun = Instant::now();
    let ended = loop {
        match child.try_wait().unwrap() {
            None if begun.elapsed() < Duration::from_secs(15) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            ended => break ended,
        }
    };
    let _ = child.kill();
    let words = std::fs::read_to_string(log).unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(1), "{words}");
    words
}

fn first_segment(folder: &Path) -> String {
    let files = std::fs::read_dir(folder.join("data/journal")).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.ends_with(".journal"))
        .min()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_keeps_everything_and_a_start_goes_on_at_any_number_of_workers() {
    let folder = tempfile::tempdir().unwrap();
    let unbroken = tempfile::tempdir().unwrap();
    let whole = Server::start(unbroken.path(), 2).await;
    whole.send(0..60).await;
    let want = whole.state(60).await;
    for (workers, minutes) in [(2, 0..20), (1, 20..40), (4, 40..60)] {
        let server = Server::start(folder.path(), workers).await;
        let until = minutes.end;
        server.send(minutes).await;
        server.state(until).await;
        if until == 60 {
            let (windows, alerts) = server.state(60).await;
            assert_eq!(windows, want.0);
            assert_eq!(alerts, want.1);
            let checkpoint = &server.json("/v1/status").await["checkpoint"];
            assert!(checkpoint["epoch"].as_u64().is_some(), "{checkpoint}");
            assert_eq!(checkpoint["failures"], 0);
        }
        assert_eq!(server.stop(), Some(0));
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(
            log.contains("beginning from checkpoint"),
            workers != 2,
            "{log}"
        );
    }
    assert_eq!(checkpoints(folder.path()).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_is_passed_over_loudly_and_none_at_all_is_no_fresh_start() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), 1).await;
    server.send(0..60).await;
    let want = server.state(60).await;
    server.stop();
    assert_ne!(first_segment(folder.path()), "00000000000000000000.journal");

    let newest = checkpoints(folder.path()).pop().unwrap();
    spoil(&newest);
    let server = Server::start(folder.path(), 1).await;
    assert_eq!(server.state(60).await, want);
    server.stop();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let name = newest.file_name().unwrap().to_str().unwrap();
    assert!(log.contains(name) && log.contains("passed over"), "{log}");

    checkpoints(folder.path())
        .iter()
        .for_each(|path| spoil(path));
    let words = fails(folder.path());
    for part in [
        "no checkpoint can be read",
        "begins at record",
        "Put a checkpoint back",
        "chrysalis restore",
        "Nothing was changed",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    std::fs::remove_dir_all(folder.path().join("data/checkpoints")).unwrap();
    let words = fails(folder.path());
    assert!(words.contains("there is no checkpoint"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_journal_or_of_a_newer_program_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), 1).await;
    server.send(0..10).await;
    server.state(10).await;
    server.stop();
    let newest = checkpoints(folder.path()).pop().unwrap();
    let journal = folder.path().join("data/journal");
    let aside = folder.path().join("aside");
    std::fs::rename(&journal, &aside).unwrap();
    let words = fails(folder.path());
    assert!(
        words.contains("has a ledger.sqlite, but no journal"),
        "{words}"
    );
    assert!(!journal.exists(), "nothing was changed");
    // Without its databases it is the checkpoint that knows better.
    let databases = folder.path().join("databases");
    std::fs::create_dir(&databases).unwrap();
    let held = || folder.path().join("data").read_dir().unwrap().flatten();
    for file in held().filter(|file| file.file_name().to_string_lossy().contains(".sqlite")) {
        std::fs::rename(file.path(), databases.join(file.file_name())).unwrap();
    }
    let words = fails(folder.path());
    assert!(words.contains("its newest segments are missing"), "{words}");
    std::fs::remove_dir_all(&journal).unwrap();
    std::fs::rename(&aside, &journal).unwrap();
    for file in databases.read_dir().unwrap().flatten() {
        std::fs::rename(
            file.path(),
            folder.path().join("data").join(file.file_name()),
        )
        .unwrap();
    }
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[8] = 200;
    let checksum = crc32c::crc32c(&bytes[..12]).to_le_bytes();
    bytes[12..16].copy_from_slice(&checksum);
    std::fs::write(&newest, bytes).unwrap();
    let words = fails(folder.path());
    assert!(
        words.contains("format version 200") && words.contains("newer program"),
        "{words}"
    );
}

fn run(what: &str, paths: [&Path; 2]) -> (Option<i32>, String) {
    let mut command = chrysalis();
    let output = command
        .arg(what)
        .arg(paths[0])
        .arg("--data")
        .arg(paths[1])
        .output()
        .unwrap();
    let words = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(words).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_live_engine_starts_elsewhere_with_everything_that_was_acknowledged_before() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), 2).await;
    server.send(0..40).await;
    let want = server.state(40).await;
    let sending = server.send(40..60);
    let taking = async {
        let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
        tokio::task::spawn_blocking(move || run("backup", [&to, &data]))
            .await
            .unwrap()
    };
    let ((), (code, words)) = tokio::join!(sending, taking);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("read through and whole"), "{words}");

    let elsewhere = tempfile::tempdir().unwrap();
    let data = elsewhere.path().join("data");
    let backup = folder.path().join("backup");
    let (code, words) = run("restore", [&backup, &data]);
    assert_eq!(code, Some(0), "{words}");
    let restored = Server::start(elsewhere.path(), 1).await;
    let end = T0 + 39 * 60_000;
    let windows = restored
        .json(&format!("/v1/kqis/tests/windows?from={T0}&to={end}"))
        .await;
    let of = |windows: &Value| {
        let rows = windows["windows"].as_array().unwrap().iter();
        rows.map(|row| (row["window_start_ms"].to_string(), row["count"].to_string()))
            .filter(|(start, _)| start.parse::<i64>().unwrap() < T0 + 39 * 60_000)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&windows), of(&want.0));
    drop(restored);

    // What was ended early may look whole: neither a backup nor a restore of that kind is begun from.
    for marked in [&backup, &data] {
        let mark = marked.join("UNFINISHED");
        assert!(!mark.exists(), "what is finished says nothing");
        std::fs::write(&mark, "").unwrap();
    }
    let (code, words) = run("restore", [&backup, &folder.path().join("third")]);
    assert!(
        code == Some(1) && words.contains("backup that was not finished"),
        "{words}"
    );
    let start = serve(elsewhere.path(), "127.0.0.1:0", 2)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&start.stderr);
    assert_eq!(start.status.code(), Some(1), "{words}");
    assert!(words.contains("restore that was not finished"), "{words}");
    for marked in [&backup, &data] {
        std::fs::remove_file(marked.join("UNFINISHED")).unwrap();
    }

    // A folder that holds something is left alone, and what is no backup is said to be none.
    let (code, words) = run("restore", [&backup, &data]);
    assert!(
        code == Some(1) && words.contains("is not empty: nothing was written"),
        "{words}"
    );
    let (code, words) = run("restore", [folder.path(), &elsewhere.path().join("other")]);
    assert!(code == Some(1) && words.contains("is no backup"), "{words}");
    // Without its ledger, or with a damaged one, nobody could say what was mailed.
    let third = elsewhere.path().join("third");
    let ledger = backup.join("ledger.sqlite");
    let whole = std::fs::read(&ledger).unwrap();
    let mut damaged = whole.clone();
    damaged[4096..].fill(0);
    std::fs::write(&ledger, damaged).unwrap();
    let (code, words) = run("restore", [&backup, &third]);
    assert!(
        code == Some(1) && words.contains("ledger.sqlite is damaged"),
        "{words}"
    );
    std::fs::remove_file(&ledger).unwrap();
    let (code, words) = run("restore", [&backup, &third]);
    assert!(
        code == Some(1) && words.contains("ledger.sqlite, but a journal"),
        "{words}"
    );
    assert!(!third.exists(), "nothing was written");
    std::fs::write(&ledger, whole).unwrap();
    spoil(&checkpoints_of(&backup).pop().unwrap());
    let (code, words) = run("restore", [&backup, &third]);
    assert!(
        code == Some(1) && words.contains("damaged at offset"),
        "{words}"
    );
    assert!(!third.exists());
}
