//! Two processes on one data folder, by turns: who holds it is killed, the other takes over, and the killed one comes
//! back to stand by. A producer sends to whoever is ready; what was acknowledged is counted once, and what was
//! decided is mailed once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use tokio::sync::watch;

use crate::decided::{CONFIG, decided, exported, rows, told_of, until_sent};
use crate::server::{Server, count_all, now_ms};
use crate::{BATCH, batch, course, set_up, undisturbed};

/// Take-overs.
const TURNS: u64 = 6;
/// Batches of a turn at least: together more than six busy minutes.
const LEAST: u64 = 70;

/// What a server answers at a path, as long as it answers.
async fn status_at(server: &str, path: &str) -> Option<StatusCode> {
    let answer = Client::new().get(format!("{server}{path}")).send().await;
    answer.ok().map(|answer| answer.status())
}

/// Waits until `path` of the server is answered with this status; what it and the other one say is in the folder.
async fn until_answered(folder: &Path, server: &str, path: &str, want: StatusCode) {
    let begun = Instant::now();
    loop {
        let status = status_at(server, path).await;
        if status == Some(want) {
            return;
        }
        if begun.elapsed() >= Duration::from_secs(60) {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(40)..].join("\n");
            panic!("{server}{path} is {status:?} and not {want}:\n{last}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process that stands by, and says so.
async fn standing_by(folder: &Path, workers: usize) -> Server {
    let server = Server::spawn(folder, workers, &["--standby"], &[]);
    until_answered(folder, &server.url, "/healthz", StatusCode::OK).await;
    let status = server.json("/v1/status").await;
    assert_eq!(status["state"], "standby", "{status}");
    let ready = status_at(&server.url, "/ready").await;
    assert_eq!(ready, Some(StatusCode::SERVICE_UNAVAILABLE));
    server
}

/// Sends batch after batch to whoever takes it, each until it is acknowledged, and tells how many are. Ends when
/// nobody listens to that any more, after the batch on hand.
async fn produce(addresses: watch::Receiver<[String; 2]>, told: watch::Sender<u64>, base_ms: i64) {
    let client = Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let mut sequence = 1;
    while !told.is_closed() {
        let [first, second] = addresses.borrow().clone();
        for url in [first, second] {
            let sent = client
                .post(format!("{url}/v1/events"))
                .header("Chrysalis-Producer", "pair")
                .header("Chrysalis-Sequence", sequence.to_string())
                .body(batch(sequence, base_ms))
                .send()
                .await;
            match sent.map(|answer| answer.status()) {
                Ok(StatusCode::OK) => {
                    let _ = told.send(sequence);
                    sequence += 1;
                    break;
                }
                // Who stands by says so; who is dead says nothing.
                Ok(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) | Err(_) => {}
                Ok(other) => assert_eq!(other, StatusCode::OK),
            }
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x3_who_stands_by_takes_over_and_nothing_is_lost_or_told_twice() {
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    std::fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
    let base_ms = (now_ms() - 25 * 3_600_000) / 60_000 * 60_000;

    // The first of two that stand by finds the folder free.
    let mut holder = Server::start_as(folder.path(), 2, &["--standby"], &[]).await;
    let mut waiting = standing_by(folder.path(), 1).await;
    let both = |a: &Server, b: &Server| [a.url.clone(), b.url.clone()];
    let (tell_addresses, addresses) = watch::channel(both(&holder, &waiting));
    let (tell, mut told) = watch::channel(0);
    let producing = tokio::spawn(produce(addresses, tell, base_ms));
    let mut slowest = Duration::ZERO;
    for turn in 1..=TURNS {
        let before = *told.borrow();
        let enough = told.wait_for(|sequence| *sequence >= before + LEAST).await;
        drop(enough.unwrap());
        assert_eq!(
            status_at(&waiting.url, "/ready").await,
            Some(StatusCode::SERVICE_UNAVAILABLE),
            "two serve at once"
        );
        let begun = Instant::now();
        // The last one goes in order: a stop gives the folder free as a death does.
        if turn == TURNS {
            assert_eq!(holder.stop(), Some(0));
        } else {
            holder.kill();
        }
        until_answered(folder.path(), &waiting.url, "/ready", StatusCode::OK).await;
        slowest = slowest.max(begun.elapsed());
        holder = waiting;
        waiting = standing_by(folder.path(), 1 + (turn % 3) as usize).await;
        tell_addresses.send_replace(both(&holder, &waiting));
    }
    let last = *told.borrow() + 1;
    drop(told.wait_for(|sequence| *sequence >= last).await.unwrap());
    drop(told);
    producing.await.unwrap();

    // The producer stopped after an acknowledgement, so nothing is on its way that it does not know of.
    let status = holder.json("/v1/status").await;
    let events = status["journal"]["events_total"].as_u64().unwrap();
    let batches = events / BATCH;
    assert!(events % BATCH == 0 && batches >= last, "{status:#}");
    assert_eq!(count_all(&holder, events, base_ms).await, events);
    let alerts_course = course(&holder).await;
    assert_eq!(alerts_course, undisturbed(2, batches, base_ms).await);
    assert!(!alerts_course.is_empty(), "no alert at all");

    until_sent(&holder).await;
    let rows = rows(&holder).await;
    let alerts = holder.json("/v1/alerts").await;
    assert_eq!(holder.stop(), Some(0));
    let data = folder.path().join("data");
    let have = mails(&data.join("outbox"));
    assert_eq!(have, rows.keys().cloned().collect());
    let (want, want_exported) = decided(&data.join("journal")).await;
    assert_eq!(have, want, "what was mailed, and what the journal decides");
    assert!(exported(&data) == want_exported, "the CSV sink's rows");
    let (fired, ended) = told_of(&alerts, &rows, &have);
    // Only now: the last one must have been able to take over, too.
    until_answered(folder.path(), &waiting.url, "/ready", StatusCode::OK).await;
    println!(
        "{TURNS} take-overs, the slowest within {slowest:?}; {events} events counted once, {} mails of {fired} \
         alerts that fired and {ended} that ended",
        have.len()
    );
}

/// Message-IDs of the mails in a folder, each of which is there once.
fn mails(outbox: &Path) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(outbox).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let id = lines.find_map(|line| line.strip_prefix("Message-ID: "));
        assert!(ids.insert(id.unwrap().to_owned()), "{id:?} twice");
    }
    ids
}
