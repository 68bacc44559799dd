//! What the notifier has done since it started, for metrics. Counts only.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::backend::Failure;
use crate::alerting::NoticeReason;
use crate::store::{DEMANDS, DIGEST, Fault, LedgerError, REPORT, WEBHOOK};

/// Counts since the start of the process; each but `waiting`, `dead_letters`,
/// `in_flight`, `minute_most` and `ledger_bytes` only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotifyCounts {
    /// Notices recorded to be sent.
    pub recorded: u64,
    /// Notices that the ledger knew already: second copies that were not sent.
    pub known: u64,
    /// Notices made into messages. A later attempt sends the message that is there.
    pub composed: u64,
    /// Notices that could not be made into a message: dead letters.
    pub refused: u64,
    /// Mails sent, by the name of their reason.
    pub sent: Vec<(&'static str, u64)>,
    /// Attempts that failed, by the name of the kind of failure.
    pub failed: Vec<(&'static str, u64)>,
    /// Mails given up after attempts.
    pub dead: u64,
    /// Of them, those that failed as often as they may.
    pub exhausted: u64,
    /// Mails on their way now.
    pub in_flight: u64,
    /// Rounds that had as many mails as may be on their way, and perhaps more.
    pub rounds_full: u64,
    /// The most that one recipient had in the minute of the last round.
    pub minute_most: u64,
    /// Digests sent.
    pub digests: u64,
    /// Mails sent that tell several triggers.
    pub groups: u64,
    /// Reports sent.
    pub reports: u64,
    /// Deliveries to webhooks.
    pub webhooks: u64,
    /// Notices that are told by a digest and not by a mail of their own.
    pub folded: u64,
    /// Times that a notice was held for the next minute by a recipient's cap.
    pub held: u64,
    /// Mails given up because too many were waiting.
    pub shed: u64,
    /// Attempts left open by an earlier process or a failing ledger; their mails may have two copies.
    pub requeued: u64,
    /// Notices that wait now.
    pub waiting: u64,
    /// Dead letters now.
    pub dead_letters: u64,
    /// Times that the ledger failed the delivery loop.
    pub ledger_failures: u64,
    /// What the database said when the ledger was damaged or a sync of it failed, and nothing was delivered any more.
    pub ledger_end: Option<String>,
    /// Size of the ledger, bytes.
    pub ledger_bytes: u64,
    /// Mails that went from the ledger because it was as large as it may be.
    pub ledger_forgotten: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) recorded: AtomicU64,
    pub(super) known: AtomicU64,
    pub(super) composed: AtomicU64,
    pub(super) refused: AtomicU64,
    sent: [AtomicU64; NoticeReason::ALL.len()],
    failed: [AtomicU64; 3],
    pub(super) dead: AtomicU64,
    pub(super) exhausted: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) rounds_full: AtomicU64,
    pub(super) minute_most: AtomicU64,
    digests: AtomicU64,
    groups: AtomicU64,
    reports: AtomicU64,
    webhooks: AtomicU64,
    pub(super) folded: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) shed: AtomicU64,
    pub(super) requeued: AtomicU64,
    pub(super) waiting: AtomicU64,
    pub(super) dead_letters: AtomicU64,
    pub(super) ledger_failures: AtomicU64,
    ledger_end: OnceLock<String>,
    pub(super) ledger_bytes: AtomicU64,
    pub(super) ledger_forgotten: AtomicU64,
}

const FAILURES: [Failure; 3] = [Failure::Transient, Failure::Setup, Failure::Permanent];

impl Counters {
    /// Counts a mail by the name of its reason. A name that an older program wrote has no place.
    pub(super) fn sent(&self, reason: &str) {
        match reason {
            DIGEST => add(&self.digests, 1),
            DEMANDS => add(&self.groups, 1),
            REPORT => add(&self.reports, 1),
            WEBHOOK => add(&self.webhooks, 1),
            _ => {}
        }
        let at = NoticeReason::ALL
            .iter()
            .position(|known| known.name() == reason);
        if let Some(counter) = at.and_then(|at| self.sent.get(at)) {
            add(counter, 1);
        }
    }

    pub(super) fn failed(&self, failure: Failure) {
        let at = FAILURES.iter().position(|known| *known == failure);
        if let Some(counter) = at.and_then(|at| self.failed.get(at)) {
            add(counter, 1);
        }
    }

    /// Leaves word for whoever ends the process (`app`): the ledger can be used no more, and nothing is delivered.
    pub(super) fn note_end(&self, failure: &LedgerError) {
        let what = match failure.fault() {
            Fault::Unsynced => "the disk failed under the ledger",
            _ => "the ledger is damaged",
        };
        let words = match std::error::Error::source(failure) {
            Some(cause) => format!("{what}: {failure}: {cause}"),
            None => format!("{what}: {failure}"),
        };
        tracing::error!("nothing is delivered any more: {words}");
        // Another lane may have met it before.
        let _ = self.ledger_end.set(words);
    }

    pub(super) fn snapshot(&self) -> NotifyCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        NotifyCounts {
            recorded: get(&self.recorded),
            known: get(&self.known),
            composed: get(&self.composed),
            refused: get(&self.refused),
            sent: NoticeReason::ALL
                .map(NoticeReason::name)
                .into_iter()
                .zip(self.sent.iter().map(get))
                .collect(),
            failed: FAILURES
                .map(Failure::name)
                .into_iter()
                .zip(self.failed.iter().map(get))
                .collect(),
            dead: get(&self.dead),
            exhausted: get(&self.exhausted),
            in_flight: get(&self.in_flight),
            rounds_full: get(&self.rounds_full),
            minute_most: get(&self.minute_most),
            digests: get(&self.digests),
            groups: get(&self.groups),
            reports: get(&self.reports),
            webhooks: get(&self.webhooks),
            folded: get(&self.folded),
            held: get(&self.held),
            shed: get(&self.shed),
            requeued: get(&self.requeued),
            waiting: get(&self.waiting),
            dead_letters: get(&self.dead_letters),
            ledger_failures: get(&self.ledger_failures),
            ledger_end: self.ledger_end.get().cloned(),
            ledger_bytes: get(&self.ledger_bytes),
            ledger_forgotten: get(&self.ledger_forgotten),
        }
    }
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::notify::{MailConfig, Mailer, Notifier};
    use crate::store::Ledger;

    #[tokio::test]
    async fn damage_in_the_ledger_ends_the_delivery_and_is_told_with_what_the_database_says() {
        let ledger = Ledger::in_memory().await.unwrap();
        let config = MailConfig {
            from: "chrysalis@example.com".to_owned(),
            ..MailConfig::default()
        };
        let mailer = Mailer::Memory(Arc::default());
        let clock = Arc::new(|| 1_000_i64);
        let notifier = Notifier::start(ledger.clone(), mailer, config, clock).await;
        let notifier = notifier.unwrap();
        assert_eq!(notifier.counts().ledger_end, None);
        // The schema that SQLite reads next is none: SQLITE_CORRUPT, as for a page of zeroes.
        for sql in [
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_schema SET sql = 'none' WHERE name = 'notices'",
            "PRAGMA writable_schema = OFF",
            "PRAGMA schema_version = 77",
        ] {
            ledger.execute(sql).await;
        }
        for _ in 0..500 {
            notifier.wake();
            if let Some(words) = notifier.counts().ledger_end {
                assert!(words.contains("malformed"), "{words}");
                assert!(notifier.counts().ledger_failures > 0);
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never told: {:?}", notifier.counts());
    }
}
