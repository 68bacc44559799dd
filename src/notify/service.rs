//! The notifier's handle: decisions go in, and the caller goes on once they are durable.
//!
//! At-least-once, openly: between a server's `250` and our note of it there is a moment in which a
//! crash makes a second copy. Both copies have one Message-ID.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use super::backend::Mailer;
use super::config::MailConfig;
use super::counters::{Counters, NotifyCounts, add};
use super::delivery::Delivery;
use super::email::{Composer, EmailError};
use super::hooks::Hooks;
use super::minute::Minute;
use crate::alerting::{Feedback, Notice};
use crate::reports::ReportNotice;
use crate::store::{Counts, Entry, Lane, Ledger, LedgerError, Recorded};

/// Reads the wall clock, ms.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The present.
#[derive(Clone)]
pub struct Clocks {
    /// As the clock has it.
    pub now: Clock,
    /// As far as it is believed: what cannot be undone goes by this.
    pub believed: Clock,
}

impl Clocks {
    /// A clock that is believed.
    pub fn one(clock: Clock) -> Clocks {
        Clocks {
            now: clock.clone(),
            believed: clock,
        }
    }
}

/// An epoch without notices is recorded only after this time: it saves a disk flush each epoch, and
/// costs a replay no more than looking at ids.
const EMPTY_EPOCH_EVERY_MS: i64 = 1_000;

/// What an epoch wants told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Notices, in the order of their decision.
    pub notices: Vec<Notice>,
    /// Reports, one for each recipient.
    pub reports: Vec<ReportNotice>,
    /// New explanations for the front line, for webhooks.
    pub feedback: Vec<Feedback>,
}

/// Why the notifier did not do what it was asked.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// The ledger failed: nothing of the epoch was recorded, and the caller must not go on.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It has been stopped.
    #[error("the notifier has stopped")]
    Stopped,
}

impl NotifyError {
    /// The ledger's disk is full: nothing was recorded, and the same can be tried again.
    pub fn is_full(&self) -> bool {
        matches!(self, NotifyError::Ledger(error) if error.is_full())
    }
}

/// Tells people. Dropping it stops deliveries at once; what waits stays in the ledger.
pub struct Notifier {
    ledger: Ledger,
    composer: Arc<Composer>,
    hooks: Hooks,
    clock: Clock,
    counters: Arc<Counters>,
    /// One for each lane.
    wake: Vec<Arc<Notify>>,
    stop: watch::Sender<Option<Instant>>,
    stopped: AtomicBool,
    /// Epochs are recorded one after the other. This is the only queue before the ledger, it has one
    /// place, and who comes second waits.
    recorded_at_ms: Mutex<i64>,
    /// One for each lane.
    delivery: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier")
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Notifier {
    /// Takes up what an earlier process left, and starts to deliver.
    pub async fn start(
        ledger: Ledger,
        mailer: Mailer,
        config: MailConfig,
        clock: Clock,
    ) -> Result<Notifier, NotifyError> {
        let composer = Composer::new(&config)?;
        let clocks = Clocks::one(clock);
        Notifier::start_with(composer, Hooks::default(), ledger, mailer, config, clocks).await
    }

    /// [`Notifier::start`] with webhooks, and a composer of one's own that was made of the same configuration.
    pub async fn start_with(
        composer: Composer,
        hooks: Hooks,
        ledger: Ledger,
        mailer: Mailer,
        config: MailConfig,
        clocks: Clocks,
    ) -> Result<Notifier, NotifyError> {
        let composer = Arc::new(composer);
        let counters = Arc::new(Counters::default());
        let requeued = ledger.requeue(&Lane::ALL).await?;
        if requeued > 0 {
            add(&counters.requeued, requeued);
            warn!(
                requeued,
                "mails were on their way when the engine stopped: they may arrive twice"
            );
        }
        let (stop, stopping) = watch::channel(None);
        let own = hooks.recipients();
        let lanes = own.iter().cloned().map(Lane::Of);
        let lanes = [Lane::Besides(own.clone())].into_iter().chain(lanes);
        let (mut wake, mut delivery) = (Vec::new(), Vec::new());
        for lane in lanes {
            let woken = Arc::new(Notify::new());
            let of_lane = Delivery {
                keeps_house: matches!(lane, Lane::Besides(_)),
                lane,
                ledger: ledger.clone(),
                mailer: mailer.clone(),
                hooks: hooks.clone(),
                composer: Arc::clone(&composer),
                from: composer.sender().email.clone(),
                config: config.clone(),
                clock: Arc::clone(&clocks.now),
                believed: Arc::clone(&clocks.believed),
                counters: Arc::clone(&counters),
                wake: Arc::clone(&woken),
                stop: stopping.clone(),
                minute: Minute::default(),
                forgot_at_ms: i64::MIN / 2,
                // The process before may have had another clock.
                looked_at_ms: i64::MAX,
                counted_at_ms: i64::MIN / 2,
                uncertain: false,
            };
            wake.push(woken);
            delivery.push(tokio::spawn(of_lane.run()));
        }
        Ok(Notifier {
            ledger,
            composer,
            hooks,
            clock: clocks.now,
            counters,
            wake,
            stop,
            stopped: AtomicBool::new(false),
            recorded_at_ms: Mutex::new(i64::MIN / 2),
            delivery: Mutex::new(delivery),
        })
    }

    /// [`Notifier::tell`] of an epoch in which only notices are to be told.
    pub async fn decide(&self, epoch: u64, notices: &[Notice]) -> Result<Recorded, NotifyError> {
        self.record(epoch, notices, &[], &[]).await
    }

    /// Records what an epoch wants told. When it returns it is durable, and will be sent, once; a replay of the
    /// same epoch changes nothing. The engine waits for this, so it only writes down: mails are made when they
    /// are due.
    pub async fn tell(&self, epoch: u64, told: &Told) -> Result<Recorded, NotifyError> {
        self.record(epoch, &told.notices, &told.reports, &told.feedback)
            .await
    }

    async fn record(
        &self,
        epoch: u64,
        notices: &[Notice],
        reports: &[ReportNotice],
        feedback: &[Feedback],
    ) -> Result<Recorded, NotifyError> {
        let count = (notices.len() + reports.len() + feedback.len()) as u64;
        let mut recorded_at_ms = self.recorded_at_ms.lock().await;
        if self.stopped.load(Ordering::SeqCst) {
            return Err(NotifyError::Stopped);
        }
        let now_ms = (self.clock)();
        if count == 0 && (now_ms - *recorded_at_ms).abs() < EMPTY_EPOCH_EVERY_MS {
            return Ok(Recorded::default());
        }
        let recorded = if self
            .ledger
            .decided_upto()
            .await?
            .is_some_and(|upto| epoch <= upto)
        {
            // Not even encoded: a replay of a day of alerts should take no longer for its mails.
            Recorded {
                new: 0,
                known: count,
            }
        } else {
            let hooked = self.hooks.entries(notices, feedback);
            let mut entries: Vec<Entry> = self.composer.entries(notices);
            let reports = reports.iter();
            entries.extend(reports.map(|report| self.composer.entry_of_report(report)));
            entries.extend(hooked);
            self.ledger.record(epoch, &entries).await?
        };
        *recorded_at_ms = now_ms;
        add(&self.counters.recorded, recorded.new);
        add(&self.counters.known, recorded.known);
        if recorded.new > 0 {
            self.wake();
        }
        Ok(recorded)
    }

    /// Looks at the ledger now, for instance after the clock was set or a dead letter is to be sent again.
    pub fn wake(&self) {
        self.wake.iter().for_each(|lane| lane.notify_one());
    }

    /// Takes note of a failure that somebody else met in the ledger: one that it does not survive ends the process.
    pub fn note_failure(&self, failure: &LedgerError) {
        add(&self.counters.ledger_failures, 1);
        if failure.ends_process() {
            self.counters.note_end(failure);
        }
    }

    /// What was done since the start.
    pub fn counts(&self) -> NotifyCounts {
        self.counters.snapshot()
    }

    /// Sends what is due until `patience` is over, then stops. Says what is left in the ledger; the
    /// next start goes on with it.
    pub async fn shutdown(&self, patience: Duration) -> Result<Counts, NotifyError> {
        self.stopped.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + patience;
        // The loop may have ended already; then nobody listens, and that is as good.
        let _ = self.stop.send(Some(deadline));
        let lanes = std::mem::take(&mut *self.delivery.lock().await);
        for mut lane in lanes {
            if tokio::time::timeout_at(deadline, &mut lane).await.is_err() {
                warn!("mails are still on their way at the deadline: they may arrive twice");
                lane.abort();
            }
        }
        let left = self.ledger.counts().await?;
        info!(
            queued = left.queued,
            sending = left.sending,
            dead = left.dead,
            "notifier stopped"
        );
        Ok(left)
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.delivery.get_mut().iter().for_each(JoinHandle::abort);
    }
}
