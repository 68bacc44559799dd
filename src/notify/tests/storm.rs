//! Many notices at once: the engine goes on, and each becomes a mail when it is due, once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::delivering::{Bench, failure, numbered};
use crate::notify::testing::{START_MS, notice};
use crate::notify::{Clock, Failure, Mailer, Notifier};
use crate::rules::Severity;
use crate::store::{DeliveryState, Ledger, Resent};

async fn until_sent(ledger: &Ledger, count: u64) {
    for _ in 0..6_000 {
        if ledger.counts().await.unwrap().sent == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {count} sent: {:?}", ledger.counts().await.unwrap());
}

#[tokio::test]
async fn a_storm_is_written_down_at_once_and_composed_afterwards() {
    let mut bench = Bench::new().await;
    bench.config.per_recipient_minute_max = u32::MAX;
    let notifier = bench.start().await;
    let storm: Vec<_> = (0..500).map(numbered).collect();
    assert_eq!(notifier.decide(1, &storm).await.unwrap().new, 500);
    // Nothing may run between the answer and this line: the engine did not wait for a single mail.
    assert_eq!(notifier.counts().composed, 0);
    assert!(bench.memory.sent().is_empty());
    until_sent(&bench.ledger, 500).await;
    assert_eq!(notifier.counts().composed, 500);
    let mut ids: Vec<String> = bench
        .memory
        .sent()
        .into_iter()
        .map(|mail| mail.message_id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 500);
}

#[tokio::test]
async fn a_storm_that_is_more_than_may_wait_is_told_by_digests_and_not_given_up() {
    let mut bench = Bench::new().await;
    bench.config.queued_max = 20;
    // All are written down before anybody delivers.
    let composer = crate::notify::Composer::new(&bench.config).unwrap();
    let storm: Vec<_> = (0..200)
        .map(|number| {
            let mut notice = numbered(number);
            notice.alert.severity = Severity::Critical;
            notice.recipient.email = format!("{}@example.com", ["a", "b"][number % 2]);
            notice
        })
        .collect();
    let entries: Vec<_> = storm.iter().map(|notice| composer.entry(notice)).collect();
    bench.ledger.record(1, &entries).await.unwrap();
    let notifier = bench.start().await;
    for _ in 0..2_000 {
        bench.now_ms.fetch_add(1_000, Ordering::SeqCst);
        notifier.wake();
        if bench.ledger.counts().await.unwrap().queued == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let counts = bench.ledger.counts().await.unwrap();
    assert_eq!((counts.queued, counts.dead), (0, 0));
    assert_eq!(notifier.counts().shed, 0);
    let sent = bench.memory.sent();
    assert!(sent.len() <= 22, "{} mails", sent.len());
    for reader in ["a@example.com", "b@example.com"] {
        assert!(sent.iter().any(|mail| mail.to == reader), "{reader}");
    }
    // Every one of them ends with the mail that told it.
    assert!(counts.sent >= 200, "{counts:?}");
}

#[tokio::test]
async fn a_later_program_sends_the_bytes_that_were_composed_first() {
    let mut bench = Bench::new().await;
    bench.memory.fail_with([failure(Failure::Transient)]);
    let notifier = bench.start().await;
    notifier.decide(1, &[notice()]).await.unwrap();
    bench.until_failed(&notifier, 1).await;
    drop(notifier);
    let first = bench.ledger.eml("n-1").await.unwrap().unwrap();

    bench.config.from = "Another <other@example.org>".to_owned();
    bench.now_ms.fetch_add(60_000, Ordering::SeqCst);
    let notifier = bench.start().await;
    bench.until(DeliveryState::Sent, 1).await;
    assert_eq!(bench.memory.sent()[0].eml, first);
    assert_eq!(notifier.counts().composed, 0);
}

#[tokio::test]
async fn a_later_program_keeps_the_message_id_that_was_decided() {
    let mut bench = Bench::new().await;
    // Decided, and then the process ended before the mail was due.
    let composer = crate::notify::Composer::new(&bench.config).unwrap();
    let entry = composer.entry(&notice());
    let first = entry.message_id.clone();
    bench.ledger.record(1, &[entry]).await.unwrap();
    bench.config.from = "Another <other@example.org>".to_owned();
    let _notifier = bench.start().await;
    bench.until(DeliveryState::Sent, 1).await;
    let sent = &bench.memory.sent()[0];
    let parsed = mail_parser::MessageParser::default()
        .parse(&sent.eml)
        .unwrap();
    assert_eq!(parsed.message_id(), Some(first.as_str()));
    assert_eq!(sent.message_id, first);
}

#[tokio::test]
async fn what_was_never_composed_can_be_resent() {
    let bench = Bench::new().await;
    let mut unreadable = crate::notify::Composer::new(&bench.config)
        .unwrap()
        .entry(&notice());
    unreadable.notice = b"{}".to_vec();
    bench.ledger.record(1, &[unreadable]).await.unwrap();
    bench.ledger.shed(0, START_MS).await.unwrap();
    let notifier = bench.start().await;
    assert_eq!(bench.resend(&notifier, "n-1").await, Resent::Queued);
    for refused in 1..=2 {
        bench.until(DeliveryState::Dead, 1).await;
        assert_eq!(notifier.counts().refused, refused);
        let dead = &bench.ledger.list(None, 9, 0).await.unwrap()[0];
        let said = dead.last_error.as_deref().unwrap();
        assert!(
            said.starts_with("cannot read the stored notice: missing field"),
            "{said}"
        );
        assert_eq!((dead.attempts, &dead.subject), (0, &None));
        if refused == 1 {
            bench.resend(&notifier, "n-1").await;
            while notifier.counts().refused == 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// `cargo test --lib -- --ignored --nocapture storm_in_numbers`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and asserts nothing about time"]
async fn storm_in_numbers() {
    let mut bench = Bench::new().await;
    bench.config.per_recipient_minute_max = u32::MAX;
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).await.unwrap();
    let mailer = Mailer::open(&bench.config, dir.path()).unwrap();
    let clock: Clock = Arc::new(|| START_MS);
    let notifier = Notifier::start(ledger.clone(), mailer, bench.config.clone(), clock)
        .await
        .unwrap();
    for epoch in 0..2 {
        let storm: Vec<_> = (0..1_000).map(|n| numbered(epoch * 1_000 + n)).collect();
        let started = Instant::now();
        notifier.decide(epoch as u64 + 1, &storm).await.unwrap();
        println!("1000 notices decided in {:?}", started.elapsed());
    }
    let started = Instant::now();
    until_sent(&ledger, 2_000).await;
    let rate = 2_000.0 / started.elapsed().as_secs_f64();
    println!("{rate:.0} mails/s into the outbox");
}
