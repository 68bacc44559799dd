//! The real process, and checkpoints that cannot be read over a journal that is whole: no start begins anew by
//! itself, and what an operator is told to do works.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "crash/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrysalis::store::Ledger;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use server::{Server, refused};

/// Midnight in Shanghai, ms.
const T0: i64 = 1_764_000_000_000;
const RULES: &str = "
book: {name: checkpoints, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 0s, idle_timeout: 1h, retention: 26h}}
departments:
  - id: NET
    name: {zh: 网络部, en: Network}
    roles:
      - {id: duty, name: {zh: 值班, en: Duty}, contacts: [{name: A, email: a@example.com, language: en}]}
kqis:
  - {id: tests, name: Tests, layer: network, stream: dial_test, aggregate: count, group_by: [city], window: 1m, unit: count, department: NET, interval: {max: 5}}
alert_policies:
  default: {for: 0s, keep_firing_for: 0s, severity: major, missing: hold}
";
const CONFIG: &str = "
checkpoint: {interval_ms: 30}
journal: {epoch_interval_ms: 10, segment_bytes_max: 1024, RETENTION}
";

fn set_up(folder: &Path, retention: &str) {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    let config = CONFIG.replace("RETENTION", retention);
    std::fs::write(folder.join("config.yaml"), config).unwrap();
}

async fn send(server: &Server, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        let ts = T0 + minute * 60_000;
        let line = format!(
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"service\":\"s\",\"city\":\"c\",\"ok\":true}}\n"
        );
        let sent = Client::new().post(format!("{}/v1/events", server.url));
        let body = line.repeat(minute as usize % 7 + 1);
        let answer = sent.body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Windows and alerts when nothing is behind any more.
async fn said(server: &Server) -> [Value; 2] {
    while server.json("/v1/status").await["epochs_behind"] != 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let to = T0 + 3_600_000;
    let windows = format!("/v1/kqis/tests/windows?from={T0}&to={to}");
    [server.json(&windows).await, server.json("/v1/alerts").await]
}

/// A run of half an hour of event time that ended in order; what it said.
async fn half_an_hour(folder: &Path, retention: &str) -> [Value; 2] {
    set_up(folder, retention);
    let server = Server::start(folder, 1).await;
    send(&server, 0..30).await;
    let said = said(&server).await;
    assert_eq!(server.stop(), Some(0));
    said
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.join("data/checkpoints");
    let names = names(&folder).into_iter();
    let whole = names.filter(|name| name.ends_with(".chk"));
    whole.map(|name| folder.join(name)).collect()
}

fn last_segment(folder: &Path) -> PathBuf {
    let journal = folder.join("data/journal");
    let segments = names(&journal).into_iter();
    let last = segments.filter(|name| name.ends_with(".journal")).max();
    journal.join(last.unwrap())
}

fn spoil(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xA5);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_checkpoints_over_a_whole_journal_are_refused_until_an_operator_decides() {
    let folder = tempfile::tempdir().unwrap();
    let want = half_an_hour(folder.path(), "retention_h: 24").await;
    let mails = names(&folder.path().join("data/outbox"));
    assert!(!mails.is_empty());
    let damaged = checkpoints(folder.path());
    assert_eq!(damaged.len(), 3);
    damaged.iter().for_each(|path| spoil(path));
    let before = names(&folder.path().join("data/checkpoints"));

    let words = refused(folder.path(), &[]);
    for path in &damaged {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(words.contains(name), "{name}: {words}");
    }
    for part in [
        "no checkpoint can be read",
        "damaged at offset",
        "chrysalis serve --replay-everything",
        "Put a checkpoint back".to_lowercase().as_str(),
        "Nothing was changed",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(names(&folder.path().join("data/checkpoints")), before);

    // The first way out; the second is that of a folder that has none.
    let server = Server::start_as(folder.path(), 2, &["--replay-everything"], &[]).await;
    assert_eq!(said(&server).await, want);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(
        names(&folder.path().join("data/outbox")),
        mails,
        "told twice"
    );
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("the whole journal is replayed"), "{log}");
    let after = names(&folder.path().join("data/checkpoints"));
    let aside = after.iter().filter(|name| name.ends_with(".aside")).count();
    assert_eq!(aside, 3, "{after:?}");
    assert!(!checkpoints(folder.path()).is_empty(), "{after:?}");

    // And the new ones are whole: an ordinary start begins from them.
    let server = Server::start(folder.path(), 1).await;
    assert_eq!(said(&server).await, want);
    assert_eq!(server.stop(), Some(0));

    checkpoints(folder.path())
        .iter()
        .for_each(|path| spoil(path));
    let all = folder.path().join("data/checkpoints");
    std::fs::rename(&all, folder.path().join("away")).unwrap();
    let server = Server::start(folder.path(), 4).await;
    assert_eq!(said(&server).await, want);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(
        names(&folder.path().join("data/outbox")),
        mails,
        "told twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_cannot_be_replayed_from_a_journal_that_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let want = half_an_hour(folder.path(), "retention_h: 0, retention_bytes: 0").await;
    let before = names(&folder.path().join("data/checkpoints"));
    let words = refused(folder.path(), &["--replay-everything"]);
    assert!(
        words.contains("everything cannot be replayed") && words.contains("begins at record"),
        "{words}"
    );
    assert_eq!(names(&folder.path().join("data/checkpoints")), before);
    let server = Server::start(folder.path(), 1).await;
    assert_eq!(said(&server).await, want);
}

/// A crash may leave half a record, which nobody was told is kept. After a stop there is none: what is missing was
/// durable, and the checkpoint knows of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_lost_a_byte_after_a_stop_is_refused_by_name_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path(), "retention_h: 24");
    let server = Server::start(folder.path(), 1).await;
    send(&server, 0..10).await;
    let want = said(&server).await;
    assert_eq!(server.stop(), Some(0));
    let last = last_segment(folder.path());
    let whole = std::fs::read(&last).unwrap();
    for lost in [1, 5] {
        let cut = &whole[..whole.len() - lost];
        std::fs::write(&last, cut).unwrap();
        let words = refused(folder.path(), &[]);
        for part in [
            "ends below record",
            last.to_str().unwrap(),
            "are no whole record",
            "Nothing was changed",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert_eq!(std::fs::read(&last).unwrap(), cut);
    }
    std::fs::write(&last, &whole).unwrap();
    let server = Server::start(folder.path(), 2).await;
    assert_eq!(said(&server).await, want);
}

/// A record below the newest checkpoint that is not what was written: refused, with what can be done about it.
#[tokio::test(flavor = "multi_thread")]
async fn damage_below_the_newest_checkpoint_is_refused_with_instructions() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path(), "retention_h: 24");
    // One segment of many records, all of them below the checkpoint of the stop.
    let config = folder.path().join("config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("1024", "1048576")).unwrap();
    let server = Server::start(folder.path(), 1).await;
    send(&server, 0..10).await;
    let want = said(&server).await;
    assert_eq!(server.stop(), Some(0));
    let last = last_segment(folder.path());
    let whole = std::fs::read(&last).unwrap();
    let mut damaged = whole.clone();
    // In the body of the first record, behind the segment's header and the record's.
    damaged[64 + 30] ^= 1;
    std::fs::write(&last, &damaged).unwrap();
    let words = refused(folder.path(), &[]);
    for part in [
        last.to_str().unwrap(),
        "is damaged at offset 64: the checksum does not match. ",
        "`chrysalis journal verify ",
        "Put the named files back from a copy, or `chrysalis restore` a backup into an empty data folder",
        "Nothing was changed",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(std::fs::read(&last).unwrap(), damaged);
    std::fs::write(&last, &whole).unwrap();
    let server = Server::start(folder.path(), 2).await;
    assert_eq!(said(&server).await, want);
}

fn ledgers(folder: &Path) -> Vec<PathBuf> {
    let data = folder.join("data");
    let names = names(&data).into_iter();
    let ledgers = names.filter(|name| name.starts_with("ledger.sqlite"));
    ledgers.map(|name| data.join(name)).collect()
}

/// The older ledger in place of the newer.
fn put_back(folder: &Path, older: &[(PathBuf, Vec<u8>)]) {
    for path in ledgers(folder) {
        std::fs::remove_file(path).unwrap();
    }
    for (path, bytes) in older {
        std::fs::write(path, bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_ledger_and_a_lost_one_are_refused_until_somebody_says_what_counts_as_told() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path(), "retention_h: 24");
    let server = Server::start(folder.path(), 1).await;
    send(&server, 0..10).await;
    said(&server).await;
    assert_eq!(server.stop(), Some(0));
    let older: Vec<_> = ledgers(folder.path())
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    let server = Server::start(folder.path(), 1).await;
    send(&server, 10..30).await;
    let want = said(&server).await;
    assert_eq!(server.stop(), Some(0));
    let outbox = folder.path().join("data/outbox");
    let mails = names(&outbox);
    put_back(folder.path(), &older);
    // Also where everything is decided again, and a second time, when the checkpoints are set aside.
    for arguments in [&[][..], &["--replay-everything"], &[]] {
        let words = refused(folder.path(), arguments);
        for part in [
            "it is an older ledger",
            "Put the right one back",
            "--new-ledger told",
            "--new-ledger untold",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert_eq!(names(&outbox), mails);
    }
    put_back(folder.path(), &[]);
    for arguments in [&[][..], &["--replay-everything"]] {
        let words = refused(folder.path(), arguments);
        for part in [
            "there is no ",
            "ledger.sqlite, but a journal",
            "--new-ledger told",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert!(ledgers(folder.path()).is_empty(), "nothing was made");
    }
    // As often as it is started, before and after it has something new to tell.
    let mut arguments = &["--new-ledger", "told"][..];
    for minutes in [30..30, 30..30, 30..40] {
        let server = Server::start_as(folder.path(), 2, arguments, &[]).await;
        if minutes.is_empty() {
            assert_eq!(said(&server).await, want);
            assert_eq!(names(&outbox), mails);
        }
        let wants_mail = !minutes.is_empty();
        send(&server, minutes).await;
        said(&server).await;
        // Mails are delivered beside all that: on a busy machine a moment later.
        for _ in 0..500 {
            if !wants_mail || names(&outbox).len() > mails.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.kill();
        arguments = &[];
    }
    assert!(names(&outbox).len() > mails.len());
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        log.contains("all that was decided so far counts as told"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_begun_untold_mails_what_is_decided_again_and_the_next_start_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let want = half_an_hour(folder.path(), "retention_h: 24").await;
    let outbox = folder.path().join("data/outbox");
    let mails = names(&outbox);
    std::fs::remove_dir_all(&outbox).unwrap();
    let arguments = ["--replay-everything", "--new-ledger", "untold"];
    let server = Server::start_as(folder.path(), 1, &arguments, &[]).await;
    assert_eq!(said(&server).await, want);
    // The same mails, by their Message-IDs, and the ledger before stays for who wants to look.
    let begun = Instant::now();
    while names(&outbox) != mails && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(names(&outbox), mails);
    server.kill();
    let aside = names(&folder.path().join("data")).into_iter();
    assert_eq!(
        aside
            .filter(|name| name.starts_with("ledger.aside-") && name.ends_with(".sqlite"))
            .count(),
        1
    );
    let server = Server::start(folder.path(), 1).await;
    assert_eq!(said(&server).await, want);
    assert_eq!(names(&outbox), mails);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_checkpoints_that_is_gone_is_said() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path(), "retention_h: 24");
    let server = Server::start(folder.path(), 1).await;
    send(&server, 0..10).await;
    let want = said(&server).await;
    assert_eq!(server.stop(), Some(0));
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        !log().contains("there is no checkpoint"),
        "a first start lacks nothing"
    );
    std::fs::remove_dir_all(folder.path().join("data/checkpoints")).unwrap();
    let server = Server::start(folder.path(), 2).await;
    assert_eq!(said(&server).await, want);
    assert!(log().contains("WARN") && log().contains("there is no checkpoint: the whole journal"));
}

/// While it writes, checkpoints and cuts.
#[tokio::test(flavor = "multi_thread")]
async fn journal_commands_beside_a_busy_engine_find_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path(), "retention_h: 0, retention_bytes: 0");
    let server = Server::start(folder.path(), 1).await;
    let data = folder.path().join("data");
    let looking = tokio::task::spawn_blocking(move || {
        for round in 0..12 {
            for command in [&["verify"][..], &["stat"], &["dump", "--limit", "50"]] {
                let mut chrysalis = std::process::Command::new(env!("CARGO_BIN_EXE_chrysalis"));
                let told = chrysalis.arg("journal").args(command).arg(&data);
                let told = told.output().unwrap();
                let words = String::from_utf8_lossy(&told.stderr);
                let said = String::from_utf8_lossy(&told.stdout);
                assert!(
                    told.status.success(),
                    "{command:?}, {round}: {words}\n{said}"
                );
            }
        }
    });
    let mut minute = 0;
    while !looking.is_finished() {
        send(&server, minute..minute + 5).await;
        minute += 5;
    }
    looking.await.unwrap();
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_with_damaged_pages_is_refused_and_left_alone_until_somebody_says_what_counts() {
    let folder = tempfile::tempdir().unwrap();
    let want = half_an_hour(folder.path(), "retention_h: 24").await;
    let outbox = folder.path().join("data/outbox");
    let mails = names(&outbox);
    // What its log has would cover the damage: who closes it last brings that into the file.
    let whole = Ledger::open(&folder.path().join("data")).await.unwrap();
    whole.close().await;
    let ledger = ledgers(folder.path()).remove(0);
    let mut bytes = std::fs::read(&ledger).unwrap();
    assert!(bytes.len() > 3 * 4096, "{} bytes", bytes.len());
    bytes[4096..].fill(0);
    std::fs::write(&ledger, &bytes).unwrap();
    let words = refused(folder.path(), &[]);
    for part in [
        "the ledger is damaged",
        "--new-ledger told",
        "Nothing was changed",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // Also what an operator asks for changes nothing before the start is sure.
    let before = checkpoints(folder.path());
    refused(folder.path(), &["--replay-everything"]);
    assert_eq!(checkpoints(folder.path()), before);
    assert!(std::fs::read(&ledger).unwrap() == bytes);
    let server = Server::start_as(folder.path(), 1, &["--new-ledger", "told"], &[]).await;
    assert_eq!(said(&server).await, want);
    assert_eq!(names(&outbox), mails);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_no_start_reads_is_said_and_a_copy_of_it_is_kept_and_not_called_whole() {
    let folder = tempfile::tempdir().unwrap();
    let want = half_an_hour(folder.path(), "retention_h: 24").await;
    let journal = folder.path().join("data/journal");
    let mut segments = names(&journal);
    segments.retain(|name| name.ends_with(".journal"));
    assert!(segments.len() > 5, "{segments:?}");
    std::fs::remove_file(journal.join(&segments[1])).unwrap();
    let older = checkpoints(folder.path()).remove(0);
    spoil(&older);
    let older = older.file_name().unwrap().to_str().unwrap().to_owned();
    let server = Server::start(folder.path(), 1).await;
    let begun = Instant::now();
    loop {
        let page = reqwest::get(format!("{}/metrics", server.url)).await;
        let page = page.unwrap().text().await.unwrap();
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        if page.contains("\nchrysalis_damaged_files 2\n") {
            assert!(log.contains(&older) && log.contains(&segments[2]), "{log}");
            assert!(log.contains("lies below the checkpoint"), "{log}");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It is an alarm of its own, which is raised when the files have been read, and changes nothing else.
    let is_its_own = |alert: &Value| alert["alert"] == "files_damaged";
    let begun = Instant::now();
    let (windows, mut alerts) = loop {
        let [windows, alerts] = said(&server).await;
        let all = alerts["alerts"].as_array().unwrap();
        if all.iter().any(is_its_own) {
            break (windows, alerts);
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{all:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let all = alerts["alerts"].as_array_mut().unwrap();
    all.retain(|alert| !is_its_own(alert));
    assert_eq!([windows, alerts], want);
    assert_eq!(server.stop(), Some(0));

    let elsewhere = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let restored = elsewhere.path().join("data");
    for (command, place, data) in [("backup", &backup, &data), ("restore", &backup, &restored)] {
        let mut chrysalis = std::process::Command::new(env!("CARGO_BIN_EXE_chrysalis"));
        chrysalis.arg(command).arg(place).arg("--data").arg(data);
        let output = chrysalis.output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {words}");
        for part in ["the copy is not whole", segments[2].as_str(), "It is kept"] {
            assert!(words.contains(part), "{command}, {part}: {words}");
        }
    }
    set_up(elsewhere.path(), "retention_h: 24");
    let server = Server::start(elsewhere.path(), 2).await;
    assert_eq!(said(&server).await[0], want[0]);
}
