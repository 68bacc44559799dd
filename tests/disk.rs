//! A real disk that fills up, and one whose sync fails: a tmpfs of a few megabytes, and a shim before
//! `fdatasync`. Needs root for the mount, and a C compiler; without them it fails and says so. Where nothing can be
//! mounted `./check disk` runs the failing sync alone, and its summary says that.

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

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use server::{Server, count_all, now_ms};
use shim::shim;

const RULES: &str = "
book: {name: disk, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams:
  # Silence is told after two seconds: a notice that is decided while nothing can be taken.
  dial_test: {allowed_lateness: 1s, idle_timeout: 2s, retention: 26h}
departments:
  - id: NET
    name: {zh: 网络部, en: Network}
    roles:
      - id: duty
        name: {zh: 值班, en: Duty}
        contacts: [{name: 值班, email: duty@example.com, language: en}]
kqis:
  - id: tests_1m
    name: {zh: 拨测量, en: Tests a minute}
    layer: network
    stream: dial_test
    aggregate: count
    unit: count
    group_by: [service]
    window: 1m
    department: NET
";
/// Lines in a batch.
const BATCH: u64 = 1_000;

/// A file system of its own that is full before long, and gone when this is.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(megabytes: u64) -> SmallDisk {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "chrysalis-disk-test"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(done) if done.status.success() => SmallDisk { folder },
            Ok(done) => panic!(
                "this test fills a disk of its own, and may not mount one (run it as root): {}",
                String::from_utf8_lossy(&done.stderr)
            ),
            Err(error) => panic!("this test needs `mount`: {error}"),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file that takes room away until it is removed.
    fn ballast(&self, bytes: u64) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        let block = vec![1u8; 64 << 10];
        let mut left = bytes;
        while left > 0 {
            let some = left.min(block.len() as u64) as usize;
            match file.write(&block[..some]) {
                Ok(written) if written > 0 => left -= written as u64,
                _ => break,
            }
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
    }
}

fn set_up(folder: &Path, config: &str) {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    std::fs::write(folder.join("config.yaml"), config).unwrap();
}

/// A producer that counts what it was told.
struct Producer {
    client: Client,
    base_ms: i64,
    sequence: u64,
    acknowledged: u64,
}

impl Producer {
    fn new() -> Producer {
        Producer {
            client: Client::builder()
                .timeout(Duration::from_secs(10))
                .build()
                .unwrap(),
            base_ms: (now_ms() - 2 * 3_600_000) / 60_000 * 60_000,
            sequence: 1,
            acknowledged: 0,
        }
    }

    /// Sends the next batch, or again the one that was not acknowledged. None where nobody answers.
    async fn send(&mut self, server: &Server) -> Option<(StatusCode, String)> {
        let mut lines = String::new();
        for n in 0..BATCH {
            let ts = self.base_ms + ((self.sequence * 2_000 + n) % 3_600_000) as i64;
            lines.push_str(&format!(
                "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"sms\",\"ok\":true,\"latency_ms\":{n}}}\n"
            ));
        }
        let answer = self
            .client
            .post(format!("{}/v1/events", server.url))
            .header("Chrysalis-Producer", "disk")
            .header("Chrysalis-Sequence", self.sequence.to_string())
            .body(lines)
            .send()
            .await
            .ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        if status == StatusCode::OK {
            self.acknowledged += BATCH;
            self.sequence += 1;
        }
        Some((status, text))
    }

    /// Sends until a batch is refused for want of room, and gives the refusal.
    async fn fill(&mut self, server: &Server) -> String {
        for _ in 0..5_000 {
            match self.send(server).await {
                Some((StatusCode::OK, _)) => {}
                Some((StatusCode::TOO_MANY_REQUESTS, _)) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Some((StatusCode::INSUFFICIENT_STORAGE, text)) => return text,
                other => panic!("not an answer of a disk that fills up: {other:?}"),
            }
        }
        panic!("the disk never filled up");
    }

    /// Sends until a batch is taken again.
    async fn until_taken(&mut self, server: &Server) {
        let begun = Instant::now();
        loop {
            let answer = self.send(server).await;
            if matches!(answer, Some((StatusCode::OK, _))) {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "there is room, and still: {answer:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends until the answer has a word in it.
    async fn until_told(&mut self, server: &Server, word: &str) {
        let begun = Instant::now();
        while !self.send(server).await.unwrap().1.contains(word) {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "nobody says {word}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Everything that was acknowledged is there, once.
    async fn check(&mut self, server: &Server) {
        // The last batch may be in the journal although nobody could say so: it is said once more.
        self.until_taken(server).await;
        let status = server.json("/v1/status").await;
        assert_eq!(status["journal"]["events_total"], self.acknowledged);
        let counted = count_all(server, self.acknowledged, self.base_ms).await;
        assert_eq!(counted, self.acknowledged);
    }
}

/// What a supervisor was told since the last time.
fn heard(socket: &std::os::unix::net::UnixDatagram) -> Vec<String> {
    let mut words = Vec::new();
    let mut bytes = [0; 500];
    while let Ok(length) = socket.recv(&mut bytes) {
        words.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    words
}

/// Waits for a mail that says a word.
async fn until_mailed(folder: &Path, word: &str) {
    let begun = Instant::now();
    loop {
        let files = std::fs::read_dir(folder.join("data/outbox")).into_iter();
        let texts = files
            .flatten()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default());
        if texts.into_iter().any(|text| text.contains(word)) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "no mail says {word}: {}",
            log(folder)
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

async fn text(server: &Server, path: &str) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{}{path}", server.url)).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_its_mark_batches_are_refused_and_all_else_goes_on() {
    let disk = SmallDisk::mount(48);
    let folder = disk.path();
    set_up(
        folder,
        "journal: {disk_free_bytes_min: 16000000, segment_bytes_max: 1048576}\ncheckpoint: {interval_ms: 1000}\n",
    );
    disk.ballast(16 << 20);
    let server = Server::start(folder, 2).await;
    let mut producer = Producer::new();
    let refusal = producer.fill(&server).await;
    // Alone it gets its share of the last room, and the rest is for others: here for somebody else's file.
    assert!(refusal.contains("disk_share"), "{refusal}");
    println!("{} events before its share", producer.acknowledged);
    let status = server.json("/v1/status").await;
    assert_eq!(status["journal"]["refusing"], false, "{status:#}");
    assert_eq!(status["journal"]["refusing_over_share"], true, "{status:#}");
    let ballast = disk.ballast(26 << 20);
    producer.until_told(&server, "disk_low").await;
    let status = server.json("/v1/status").await;
    assert_eq!(status["journal"]["refusing"], true, "{status:#}");
    let (_, metrics) = text(&server, "/metrics").await;
    assert!(metrics.contains("\nchrysalis_journal_refusing 1\n"));
    assert_eq!(text(&server, "/").await.0, StatusCode::OK);
    // Decided now, and mailed now: the source is silent because nothing of it is taken.
    until_mailed(folder, "source_silent").await;
    // The operators are told by mail, while batches are refused, and see it among the alerts.
    until_mailed(folder, "Journal disk low").await;
    let disk_low = server.json("/v1/alerts?state=firing").await;
    let disk_low = disk_low["alerts"].as_array().unwrap().iter();
    let disk_low: Vec<_> = disk_low
        .filter(|alert| alert["alert"] == "disk_low")
        .collect();
    assert_eq!(disk_low.len(), 1);
    assert_eq!(disk_low[0]["severity"], "critical");
    let refused = producer.send(&server).await.unwrap();
    assert_eq!(refused.0, StatusCode::INSUFFICIENT_STORAGE, "still");
    std::fs::remove_file(&ballast).unwrap();
    producer.until_taken(&server).await;
    producer.check(&server).await;
    until_mailed(folder, "nothing is refused or left out any more").await;
    server.kill();
    let server = Server::start(folder, 1).await;
    producer.check(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_a_byte_left_costs_nothing_acknowledged() {
    let disk = SmallDisk::mount(48);
    let folder = disk.path();
    set_up(
        folder,
        "journal: {disk_free_bytes_min: 0, segment_bytes_max: 1048576}\ncheckpoint: {interval_ms: 300}\n",
    );
    let outside = tempfile::tempdir().unwrap();
    let supervisor = outside.path().join("notify");
    let told = std::os::unix::net::UnixDatagram::bind(&supervisor).unwrap();
    told.set_nonblocking(true).unwrap();
    let variables = [
        ("NOTIFY_SOCKET", supervisor.to_str().unwrap()),
        ("WATCHDOG_USEC", "4000000"),
    ];
    let mut server = Server::start_with(folder, 2, &variables).await;
    let mut producer = Producer::new();
    for _ in 0..20 {
        producer.until_taken(&server).await;
    }
    // Somebody else takes all of the disk.
    let ballast = disk.ballast(u64::MAX);
    let refusal = producer.fill(&server).await;
    assert!(refusal.contains("disk_full"), "{refusal}");
    // The source falls silent, and that cannot be written down; the engine goes on to answer.
    for round in 0..50 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if round == 10 {
            heard(&told);
        }
        assert_eq!(server.ended(), None, "{}", log(folder));
        assert_eq!(text(&server, "/v1/status").await.0, StatusCode::OK);
        let refused = producer.send(&server).await;
        let (status, _) = refused.unwrap_or_else(|| panic!("no answer: {}", log(folder)));
        assert_ne!(status, StatusCode::OK);
    }
    let words = heard(&told);
    assert!(
        words.iter().filter(|words| *words == "WATCHDOG=1").count() >= 2,
        "a supervisor would have killed it: {words:?}"
    );
    assert_eq!(text(&server, "/v1/alerts").await.0, StatusCode::OK);
    std::fs::remove_file(&ballast).unwrap();
    producer.until_taken(&server).await;
    until_mailed(folder, "source_silent").await;
    producer.check(&server).await;
    // And once more, with a death while it is full.
    let ballast = disk.ballast(u64::MAX);
    producer.fill(&server).await;
    server.kill();
    std::fs::remove_file(&ballast).unwrap();
    let server = Server::start(folder, 4).await;
    producer.check(&server).await;
}

/// The ledger on a disk of its own, which fills up: what is decided waits for it, and nothing else does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_without_room_holds_decisions_up_and_not_answers() {
    let (disk, folder) = (SmallDisk::mount(2), tempfile::tempdir().unwrap());
    let folder = folder.path();
    set_up(folder, "journal: {disk_free_bytes_min: 0}\n");
    assert_eq!(Server::start(folder, 1).await.stop(), Some(0));
    let (here, there) = (
        folder.join("data/ledger.sqlite"),
        disk.path().join("ledger.sqlite"),
    );
    std::fs::copy(&here, &there).unwrap();
    std::fs::remove_file(&here).unwrap();
    std::os::unix::fs::symlink(&there, &here).unwrap();
    let mut server = Server::start(folder, 1).await;
    let mut producer = Producer::new();
    producer.until_taken(&server).await;
    let ballast = disk.ballast(u64::MAX);
    // The source falls silent.
    let begun = Instant::now();
    while !log(folder).contains("the ledger's disk is full") {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", log(folder));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.ended(), None, "{}", log(folder));
        assert_eq!(text(&server, "/v1/alerts").await.0, StatusCode::OK);
        let mails = std::fs::read_dir(folder.join("data/outbox")).unwrap();
        assert_eq!(mails.count(), 0, "told although it cannot be recorded");
    }
    // Taken, and durable: the journal has room.
    producer.until_taken(&server).await;
    std::fs::remove_file(&ballast).unwrap();
    until_mailed(folder, "source_silent").await;
    producer.check(&server).await;
    let status = server.json("/v1/status").await;
    assert_eq!(status["state"], "ready", "{status:#}");
    // A stop does not wait for a disk without room.
    let _ballast = disk.ballast(u64::MAX);
    let begun = Instant::now();
    let code = server.stop();
    assert!(begun.elapsed() < Duration::from_secs(30), "{code:?}");
    // And says so where not all of it could be kept.
    let is_short = log(folder).contains("cannot be recorded");
    assert_eq!(code, Some(i32::from(is_short)), "{}", log(folder));
}

/// `fdatasync` that fails once, from the n-th call for a journal's segment on.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long calls;

int fdatasync(int fd) {
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(name, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  const char *at = getenv("FAIL_FDATASYNC_AT");
  if (at && strstr(path, ".journal") && atomic_fetch_add(&calls, 1) + 1 == atol(at)) {
    errno = EIO;
    return -1;
  }
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return real(fd);
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_ends_the_process_and_the_next_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    set_up(
        folder,
        "journal: {segment_bytes_max: 65536}\ncheckpoint: {interval_ms: 100}\n",
    );
    let library = shim(folder, SHIM);
    let mut producer = Producer::new();
    for (fails_at, workers) in [("7", 1), ("23", 2), ("40", 4), ("61", 2)] {
        let variables = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAIL_FDATASYNC_AT", fails_at),
        ];
        std::fs::remove_file(folder.join("log")).ok();
        let mut server = Server::start_with(folder, workers, &variables).await;
        let begun = Instant::now();
        let status = loop {
            // Whoever is under way when the sync fails is not acknowledged.
            producer.send(&server).await;
            if let Some(status) = server.ended() {
                break status;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "sync {fails_at} failed, and the process lives: {}",
                log(folder)
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(!status.success(), "{status}");
        let said = log(folder);
        assert!(
            said.contains("os error 5") && said.contains("the journal has failed"),
            "the reason is not in the log:\n{said}"
        );
        println!(
            "sync {fails_at} failed: {status}, {} acknowledged",
            producer.acknowledged
        );
        let server = Server::start(folder, workers).await;
        producer.check(&server).await;
        server.kill();
    }
}
