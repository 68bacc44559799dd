//! The delivery loop: takes what is due from the ledger, makes it a mail, tries, and writes down how it
//! went.
//!
//! Invariants:
//! * an attempt and its bytes are in the ledger before the mailer is called, and its outcome after;
//! * every attempt for a notice sends the bytes of the first;
//! * a mail leaves the queue only as sent or as a dead letter with a reason;
//! * no recipient is sent more than the cap within one minute of the clock (by one process; `minute`);
//! * what is beyond the cap waits for the end of the minute, and is told by one digest then, a group's notices one by one;
//! * a webhook that hangs holds up its own lane only;
//! * a ledger that fails is tried again, and one that is damaged ends the loop, and by it the process: it would find
//!   the same for ever, and nobody would be told anything.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lettre::Address;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::backend::{DeliveryError, Failure, Mail, Mailer};
use super::composing::{Composed, Made, compose};
use super::config::MailConfig;
use super::counters::{Counters, add};
use super::email::{Composer, urgency};
use super::hooks::Hooks;
use super::identity;
use super::minute::Minute;
use super::service::Clock;
use crate::rules::Severity;
use crate::store::{
    Attempt, DIGEST, Due, Failed, Fold, Lane, Ledger, LedgerError, REPORT, WEBHOOK,
};

const DAY_MS: i64 = 86_400_000;

/// Longest sleep, so that a clock that was set does not leave mails waiting.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Shortest sleep, so that a ledger that says "now" and gives nothing does not cost a core.
const SLEEP_MIN: Duration = Duration::from_millis(20);
/// Sleep after the ledger failed.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);
/// Distance between two countings of what waits.
const COUNT_EVERY_MS: i64 = 1_000;
/// Distance between rounds of forgetting.
const FORGET_EVERY_MS: i64 = 3_600_000;

pub(super) struct Delivery {
    /// Whose notices it sends.
    pub(super) lane: Lane,
    /// It looks after the ledger for all lanes.
    pub(super) keeps_house: bool,
    pub(super) ledger: Ledger,
    pub(super) mailer: Mailer,
    pub(super) hooks: Hooks,
    pub(super) composer: Arc<Composer>,
    pub(super) config: MailConfig,
    pub(super) from: Address,
    pub(super) clock: Clock,
    /// What of it is believed.
    pub(super) believed: Clock,
    pub(super) counters: Arc<Counters>,
    /// Something new is in the ledger.
    pub(super) wake: Arc<Notify>,
    /// When set: send what is due, and be gone by then.
    pub(super) stop: watch::Receiver<Option<Instant>>,
    pub(super) minute: Minute,
    pub(super) forgot_at_ms: i64,
    /// The clock at the last round; before the first it is later than any.
    pub(super) looked_at_ms: i64,
    pub(super) counted_at_ms: i64,
    /// A round ended early, so rows may say `sending` though nothing is on its way.
    pub(super) uncertain: bool,
}

impl Delivery {
    /// Runs until it is told to stop and nothing is due any more, or the deadline has come.
    pub(super) async fn run(mut self) {
        loop {
            let deadline = *self.stop.borrow_and_update();
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            let mut failed = false;
            let pause = match self.round().await {
                Ok(0) if deadline.is_some() => break,
                Ok(0) => {
                    // What the rounds before changed; a failure is met and counted by the next round.
                    self.counted_at_ms = i64::MIN / 2;
                    if self.keeps_house {
                        let _ = self.count((self.clock)()).await;
                    }
                    self.until_due().await
                }
                Ok(_) => continue,
                Err(failure) => {
                    add(&self.counters.ledger_failures, 1);
                    if failure.ends_process() {
                        self.counters.note_end(&failure);
                        break;
                    }
                    error!(
                        error = &failure as &dyn std::error::Error,
                        "delivery cannot use the ledger, will retry"
                    );
                    failed = true;
                    LEDGER_PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Mails may have left without our note: new notices are no reason to send second copies
                // sooner than the ledger has had time to recover.
                () = self.wake.notified(), if !failed => {}
                _ = self.stop.changed() => {}
            }
        }
        if self.keeps_house {
            self.mailer.close().await;
        }
    }

    /// Composes and sends what is due, at most `in_flight_max`, and says how many it looked at.
    async fn round(&mut self) -> Result<usize, LedgerError> {
        let now_ms = (self.clock)();
        if self.uncertain {
            // Nothing is in flight here, so whatever is `sending` was left by the round that failed.
            add(
                &self.counters.requeued,
                self.ledger.requeue(&self.lane).await?,
            );
            self.uncertain = false;
        }
        if self.keeps_house {
            self.tidy(now_ms).await?;
            self.count(now_ms).await?;
        }
        let limit = self.config.in_flight_max.max(1);
        let due = self.ledger.due(now_ms, limit, &self.lane).await?;
        let looked_at = due.len();
        if looked_at >= self.config.in_flight_max.max(1) as usize {
            add(&self.counters.rounds_full, 1);
        }
        let cap = self.config.per_recipient_minute_max.max(1);
        let (mut free, mut held) = (Vec::with_capacity(looked_at), Vec::new());
        for due in due {
            let is_critical = due.urgency >= urgency(Severity::Critical);
            // Programs read as fast as they answer.
            if due.reason == WEBHOOK || self.minute.take(&due.recipient, now_ms, cap, is_critical) {
                free.push(due);
            } else {
                held.push(due);
            }
        }
        if self.keeps_house {
            let most = u64::from(self.minute.most());
            self.counters.minute_most.store(most, Ordering::Relaxed);
        }
        let composed = compose(&self.composer, &self.ledger, &self.counters, free).await?;
        self.uncertain = !composed.is_empty();
        let claimed = self.claim(composed).await?;
        // After the claim: what is sent alone must not be told by a digest as well.
        self.hold(held, now_ms).await?;
        self.attempt(claimed).await?;
        self.uncertain = false;
        Ok(looked_at)
    }

    /// Lets what is over a recipient's cap wait for the next minute: in a digest, unless it is a message
    /// already, or a report.
    async fn hold(&self, held: Vec<Due>, now_ms: i64) -> Result<(), LedgerError> {
        let until_ms = Minute::end_ms(now_ms);
        let mut waits = Vec::new();
        for due in held {
            let is_alone = [DIGEST, REPORT].contains(&&*due.reason);
            let folded = match (is_alone, &due.eml) {
                (false, None) => {
                    let critical = urgency(Severity::Critical);
                    // Where something critical is over the cap, everything is; else what is critical is sent.
                    let urgency_max = match due.urgency >= critical {
                        true => critical,
                        false => critical - 1,
                    };
                    let of = (due.recipient.as_str(), due.id.as_str());
                    self.fold(of, urgency_max, now_ms, until_ms).await?
                }
                _ => None,
            };
            match folded {
                Some(folded) => {
                    add(&self.counters.held, folded);
                    add(&self.counters.folded, folded);
                }
                None => waits.push(due.id),
            }
        }
        if waits.is_empty() {
            return Ok(());
        }
        add(&self.counters.held, waits.len() as u64);
        self.ledger.hold(&waits, until_ms).await
    }

    /// Folds all that waits for the recipient of a notice, as far as it is no more urgent.
    async fn fold(
        &self,
        (recipient, notice): (&str, &str),
        urgency_max: u8,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<Option<u64>, LedgerError> {
        let (id, message_id) = self.composer.digest_identity(recipient, notice);
        let fold = Fold {
            id: &id,
            message_id: &message_id,
            recipient,
            urgency_max,
            now_ms,
            until_ms,
        };
        self.ledger.fold(&fold).await
    }

    /// Puts the attempts and their new messages into the ledger, and what cannot be sent aside.
    async fn claim(&self, composed: Vec<Composed>) -> Result<Vec<(Due, Vec<u8>)>, LedgerError> {
        let mut ready = Vec::with_capacity(composed.len());
        for Composed { due, made } in composed {
            match made {
                Made::Before(eml) => ready.push((due, None, eml)),
                Made::Now(message) => ready.push((due, Some(message.subject), message.eml)),
                Made::Refused(reason) => self.refuse(&due, &reason).await?,
            }
        }
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        let attempts: Vec<Attempt<'_>> = ready
            .iter()
            .map(|(due, subject, eml)| Attempt {
                id: &due.id,
                message: subject.as_deref().map(|subject| (subject, eml.as_slice())),
            })
            .collect();
        let marked = self.ledger.mark_sending(&attempts).await?;
        Ok(ready
            .into_iter()
            .zip(marked)
            .filter_map(|((due, _, eml), marked)| marked.then_some((due, eml)))
            .collect())
    }

    async fn refuse(&self, due: &Due, reason: &str) -> Result<(), LedgerError> {
        let now_ms = (self.clock)();
        if self.ledger.mark_refused(&due.id, reason, now_ms).await? {
            add(&self.counters.refused, 1);
            error!(notice.id = due.id, reason, "notice cannot be mailed");
        }
        Ok(())
    }

    /// Tries each once, side by side. A ledger that fails for one does not cut off the others.
    async fn attempt(&mut self, claimed: Vec<(Due, Vec<u8>)>) -> Result<(), LedgerError> {
        let mut attempts = JoinSet::new();
        add(&self.counters.in_flight, claimed.len() as u64);
        for (due, eml) in claimed {
            let (mailer, hooks) = (self.mailer.clone(), self.hooks.clone());
            let mail = Mail {
                message_id: due.message_id.clone(),
                from: self.from.clone(),
                to: due.recipient.clone(),
                eml,
            };
            attempts.spawn(async move {
                let delivered = match due.reason.as_str() {
                    WEBHOOK => hooks.deliver(&mail).await,
                    _ => mailer.deliver(&mail).await,
                };
                (due, delivered)
            });
        }
        let mut outcome = Ok(());
        while let Some(done) = attempts.join_next().await {
            self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
            // A task that panicked leaves its row as `sending`; the next start requeues it.
            if let Ok((due, delivered)) = done {
                outcome = outcome.and(self.settle(&due, delivered).await);
            }
        }
        outcome
    }

    async fn settle(
        &mut self,
        due: &Due,
        outcome: Result<(), DeliveryError>,
    ) -> Result<(), LedgerError> {
        let now_ms = (self.clock)();
        let attempt = due.attempts + 1;
        let Err(failed) = outcome else {
            self.ledger.mark_sent(&due.id, now_ms).await?;
            self.counters.sent(&due.reason);
            info!(
                notice.id = due.id,
                incident = due.incident,
                attempt,
                "mail sent"
            );
            return Ok(());
        };
        self.counters.failed(failed.failure);
        self.minute.give_back(&due.recipient, now_ms);
        let next = next_attempt(&self.config, &due.id, attempt, failed.failure, now_ms);
        self.ledger
            .mark_failed(&due.id, next, &failed.message, failed.failure.name())
            .await?;
        let kind = failed.failure.name();
        match next {
            Failed::Dead(_) => {
                add(&self.counters.dead, 1);
                let is_exhausted = failed.failure == Failure::Transient;
                add(&self.counters.exhausted, u64::from(is_exhausted));
                error!(notice.id = due.id, attempt, kind, reason = %failed, "delivery given up");
            }
            Failed::RetryAt(at_ms) => {
                let wait_ms = at_ms - now_ms;
                warn!(notice.id = due.id, attempt, kind, wait_ms, reason = %failed, "delivery failed, will retry");
            }
        }
        Ok(())
    }

    async fn tidy(&mut self, now_ms: i64) -> Result<(), LedgerError> {
        if now_ms < self.looked_at_ms {
            // The longest wait there is, its jitter, and a digest's minute.
            let horizon_ms = self.config.backoff_ms_max.max(1) * 6 / 5 + 60_000;
            let nearer = self.ledger.bring_nearer(now_ms, horizon_ms).await?;
            if nearer > 0 {
                warn!(
                    nearer,
                    "the clock was set back: mails that waited are tried now"
                );
            }
        }
        self.looked_at_ms = now_ms;
        self.relieve(now_ms).await?;
        let shed = self.ledger.shed(self.config.queued_max, now_ms).await?;
        if shed > 0 {
            add(&self.counters.shed, shed);
            error!(
                shed,
                queued_max = self.config.queued_max,
                "too many mails wait: the oldest are dead letters now"
            );
        }
        let bytes_max = self.config.ledger_bytes_max;
        if self.counters.ledger_bytes.load(Ordering::Relaxed) > bytes_max {
            let forgotten = self.ledger.forget_beyond(bytes_max).await?;
            add(&self.counters.ledger_forgotten, forgotten);
            warn!(
                forgotten,
                bytes_max, "the ledger is as large as it may be: the oldest mails are forgotten"
            );
            self.note_size().await?;
        }
        if now_ms - self.forgot_at_ms >= FORGET_EVERY_MS {
            self.forgot_at_ms = now_ms;
            // A clock that is wrong for a moment must not take away dead letters that nobody has seen.
            let before_ms =
                (self.believed)().min(now_ms) - i64::from(self.config.keep_days) * DAY_MS;
            self.ledger.forget(before_ms).await?;
            if let Err(error) = self.mailer.forget(before_ms).await {
                warn!(%error, "cannot clear the outbox of old mails");
            }
        }
        Ok(())
    }

    /// Folds what is more than may wait into digests, the most crowded recipient first: a storm is told shortly, and
    /// only what no digest can tell is given up.
    async fn relieve(&self, now_ms: i64) -> Result<(), LedgerError> {
        let queued_max = self.config.queued_max;
        while let Some((recipient, notice)) = self.ledger.crowd(queued_max).await? {
            let of = (recipient.as_str(), notice.as_str());
            let critical = urgency(Severity::Critical);
            let folded = self
                .fold(of, critical, now_ms, Minute::end_ms(now_ms))
                .await?;
            let folded = folded.unwrap_or(0);
            add(&self.counters.folded, folded);
            if folded == 0 {
                break;
            }
            warn!(
                folded,
                queued_max, "too many mails wait: a digest tells them"
            );
        }
        Ok(())
    }

    /// Tells the metrics what waits and what is dead: at most once a second while there is much to do.
    async fn count(&mut self, now_ms: i64) -> Result<(), LedgerError> {
        if (now_ms - self.counted_at_ms).abs() < COUNT_EVERY_MS {
            return Ok(());
        }
        self.counted_at_ms = now_ms;
        self.note_size().await?;
        let (waiting, dead) = self.ledger.unsettled().await?;
        self.counters.waiting.store(waiting, Ordering::Relaxed);
        self.counters.dead_letters.store(dead, Ordering::Relaxed);
        Ok(())
    }

    async fn note_size(&self) -> Result<(), LedgerError> {
        let bytes = self.ledger.bytes().await?;
        self.counters.ledger_bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    async fn until_due(&self) -> Duration {
        let next_ms = match self.ledger.next_due_at_ms(&self.lane).await {
            Ok(next_ms) => next_ms,
            // The next round meets the same failure and counts it.
            Err(_) => return LEDGER_PAUSE,
        };
        let wait_ms = next_ms.map_or(i64::MAX, |next_ms| next_ms.saturating_sub((self.clock)()));
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        wait.clamp(SLEEP_MIN, SLEEP_MAX)
    }
}

/// When, if ever, to try again after attempt number `attempt` failed.
fn next_attempt(
    config: &MailConfig,
    id: &str,
    attempt: u32,
    failure: Failure,
    now_ms: i64,
) -> Failed {
    let given_up = match failure {
        Failure::Permanent => true,
        Failure::Transient => attempt >= config.attempts_max,
        // A wrong password over a weekend must not turn every alert into a dead letter.
        Failure::Setup => false,
    };
    if given_up {
        return Failed::Dead(now_ms);
    }
    let doubled = config
        .backoff_ms_min
        .saturating_mul(1 << attempt.saturating_sub(1).min(40));
    let wait_ms = doubled.clamp(1, config.backoff_ms_max.max(1));
    // Up to a fifth later, by the notice's own hash: mails that failed together do not return together,
    // and a replay of the same failures waits the same times.
    let jitter = identity::hash(&[id, &attempt.to_string()]) % 1000;
    let jitter_ms = (wait_ms as f64 * 0.2 * jitter as f64 / 1000.0) as i64;
    Failed::RetryAt(now_ms + wait_ms + jitter_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_and_gives_up_in_the_end() {
        let config = MailConfig::default();
        let wait = |attempt, failure| match next_attempt(&config, "a", attempt, failure, 0) {
            Failed::RetryAt(at_ms) => at_ms,
            Failed::Dead(_) => -1,
        };
        for (attempt, least_ms) in [(1, 5_000), (2, 10_000), (3, 20_000), (9, 900_000)] {
            let ms = wait(attempt, Failure::Transient);
            assert!(
                (least_ms..=least_ms * 6 / 5).contains(&ms),
                "attempt {attempt}: {ms}"
            );
        }
        assert_eq!(wait(480, Failure::Transient), -1);
        // A server that is away is waited for as long as mail servers wait for each other.
        let days = (1..480)
            .map(|attempt| wait(attempt, Failure::Transient))
            .sum::<i64>()
            / DAY_MS;
        assert!((4..=5).contains(&days), "{days} days");
        assert_eq!(wait(1, Failure::Permanent), -1);
        assert!(
            wait(4_000_000, Failure::Setup) >= 900_000,
            "a wrong password never gives up"
        );
    }
}
