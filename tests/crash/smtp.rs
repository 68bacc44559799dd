//! The same deaths, and mails to a real Postfix: what it holds in the end is exactly what an engine that nobody
//! killed decides from the same journal. A copy more has the same Message-ID, and there are no more copies than
//! attempts that a death cut off between the server's `250` and the ledger's note of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::decided::{CONFIG, decided, exported, rows, told_of, until_sent};
use crate::server::now_ms;
use crate::servers::{ACCOUNT, MailServer};
use crate::{come_back, kill_under_load, set_up};

/// Batches, each of a second: three busy minutes and what comes between them.
const LEAST: u64 = 400;
const MAILBOX: &str = "duty@example.com";
fn config(server: &MailServer) -> String {
    format!(
        "{CONFIG}  smtp: {{host: 127.0.0.1, port: {}, security: starttls, username: {}, password_file: {}, \
         ca_file: {}}}\n",
        server.smtp_port,
        ACCOUNT.0,
        server.password_file("password", ACCOUNT.1).display(),
        server.ca_file().display()
    )
}

/// How many attempts deaths cut off, as each start said.
fn cut_off(log: &str) -> u64 {
    let told = log
        .lines()
        .filter(|line| line.contains("they may arrive twice"));
    let counts = told.map(|line| {
        let plain = without_colours(line);
        let after = plain.split("requeued=").nth(1).unwrap();
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap()
    });
    counts.sum()
}

/// A line of the log without escape sequences.
fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut in_escape = false;
    for c in line.chars() {
        match (in_escape, c) {
            (false, '\u{1b}') => in_escape = true,
            (true, 'm') => in_escape = false,
            (true, _) => {}
            (false, c) => plain.push(c),
        }
    }
    plain
}

async fn survive(workers: usize, kills: u64, seed: u64) {
    let mail = MailServer::start(&[MAILBOX]);
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    std::fs::write(folder.path().join("config.yaml"), config(&mail)).unwrap();
    let base_ms = (now_ms() - 25 * 3_600_000) / 60_000 * 60_000;
    let batches = kill_under_load(folder.path(), workers, (kills, LEAST), seed, base_ms).await;
    let server = come_back(folder.path(), workers, batches, base_ms).await;
    until_sent(&server).await;
    let rows = rows(&server).await;
    let alerts = server.json("/v1/alerts").await;
    assert_eq!(server.stop(), Some(0));

    // The mail server hands on to its mailbox in its own time.
    let begun = Instant::now();
    let mails = loop {
        let mails = mail.mails(MAILBOX);
        let ids: BTreeSet<&String> = mails.iter().map(|(id, _)| id).collect();
        if ids.len() >= rows.len() {
            // A copy may be on its way still.
            tokio::time::sleep(Duration::from_secs(1)).await;
            break mail.mails(MAILBOX);
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{} of {} mails:\n{}",
            ids.len(),
            rows.len(),
            mail.logs()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let mut copies: BTreeMap<&String, u64> = BTreeMap::new();
    for (id, reason) in &mails {
        *copies.entry(id).or_default() += 1;
        assert_eq!(&rows[id]["reason"], reason, "{id}");
    }
    let data = folder.path().join("data");
    let (want, want_exported) = decided(&data.join("journal")).await;
    assert!(exported(&data) == want_exported, "the CSV sink's rows");
    assert!(!want.is_empty(), "no mail at all; alerts: {alerts:#}");
    let have: BTreeSet<String> = copies.keys().map(|id| (*id).clone()).collect();
    let (missing, extra): (Vec<_>, Vec<_>) = (
        want.difference(&have).collect(),
        have.difference(&want).collect(),
    );
    assert!(
        missing.is_empty() && extra.is_empty(),
        "workers {workers} seed {seed}: missing {missing:?}, nobody decided {extra:?}"
    );
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let (twice, cut_off) = (mails.len() - copies.len(), cut_off(&log));
    assert!(
        twice as u64 <= cut_off,
        "{twice} copies, {cut_off} attempts cut off"
    );
    for (id, count) in &copies {
        let attempts = rows[*id]["attempts"].as_u64().unwrap();
        assert!(
            *count <= attempts,
            "{id}: {count} copies, {attempts} attempts"
        );
    }
    let (fired, ended) = told_of(&alerts, &rows, &have);
    println!(
        "{workers} workers: {kills} kills, {} mails of {} alerts that fired and {} that ended, all at the mail \
         server; {twice} copies for {cut_off} attempts cut off",
        want.len(),
        fired,
        ended
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "starts real servers, which tests/mail/install.sh installs"]
async fn every_mail_that_was_decided_is_at_the_mail_server() {
    let kills = std::env::var("CRASH_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(9);
    for (workers, seed) in [(1, 111), (2, 222), (4, 444)] {
        survive(workers, u64::div_ceil(kills, 3), seed).await;
    }
}
