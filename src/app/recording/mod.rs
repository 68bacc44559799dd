//! The history is written behind the engine's back: rows of each epoch go into a bounded queue, and one
//! task writes them.
//!
//! Policy: the engine never waits for the history. A database that does not answer is tried again for
//! ever; while the queue is full, rows of further epochs are left out, counted and said in the log.
//! Triggers come with all their moves whenever they change, so that they are whole again afterwards.

mod rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::HistorySettings;
use crate::engine::{Effect, JournaledCommand, Snapshot};
use crate::metrics::{HistoryCounts, HistorySource};
use crate::store::{History, HistoryError, HistoryRow};
use crate::triggers::Trigger;

/// How long a write that was under way may still take when it is given up. Judgement: a transaction of a few rows.
const GIVING_UP: Duration = Duration::from_secs(1);
/// Between two looks at the size.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Wait after a failure: doubled with each, up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// What became of the rows.
#[derive(Debug, Default)]
struct Counters {
    recorded: AtomicU64,
    left_out: AtomicU64,
    failures: AtomicU64,
    waiting: AtomicU64,
    waiting_epochs: AtomicU64,
    epoch: AtomicI64,
    bytes: AtomicU64,
    forgotten: AtomicU64,
}

/// Rows of one epoch.
type Rows = (u64, Vec<HistoryRow>);

/// Makes rows of what the engine decides.
pub(super) struct Recorder {
    sender: mpsc::Sender<Rows>,
    counters: Arc<Counters>,
    /// Epochs up to here are in the database.
    recorded_upto: Option<u64>,
    /// Triggers as they were recorded last.
    triggers: Arc<Vec<Arc<Trigger>>>,
    /// Whether rows were left out since one was taken last.
    leaves_out: bool,
}

/// The task that writes.
pub(super) struct Recording {
    task: JoinHandle<()>,
    giving_up: watch::Sender<bool>,
    counters: Arc<Counters>,
}

impl Recorder {
    /// Starts writing into a history that has everything up to `recorded_upto`. A file of our own is kept at
    /// `bytes_max`; at most `queue_epochs_max` epochs wait.
    pub(super) fn start(
        history: History,
        recorded_upto: Option<u64>,
        settings: &HistorySettings,
    ) -> (Recorder, Recording) {
        let (sender, receiver) = mpsc::channel(settings.queue_epochs_max.max(1));
        let (giving_up, given_up) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let upto = recorded_upto.and_then(|epoch| i64::try_from(epoch).ok());
        counters.epoch.store(upto.unwrap_or(-1), Ordering::Relaxed);
        let task = tokio::spawn(write(
            history,
            receiver,
            given_up,
            counters.clone(),
            settings.bytes_max,
        ));
        let recorder = Recorder {
            sender,
            counters: counters.clone(),
            recorded_upto,
            triggers: Arc::default(),
            leaves_out: false,
        };
        let recording = Recording {
            task,
            giving_up,
            counters,
        };
        (recorder, recording)
    }

    /// Takes what an epoch brought.
    pub(super) fn take(
        &mut self,
        commands: &[JournaledCommand],
        effects: &[Effect],
        snapshot: &Snapshot,
    ) {
        let Some(epoch) = snapshot.epoch else {
            return;
        };
        if self.recorded_upto.is_some_and(|upto| epoch <= upto) {
            self.triggers = snapshot.triggers.clone();
            return;
        }
        let mut rows = rows::of_effects(commands, effects, snapshot.now_ms);
        if !Arc::ptr_eq(&self.triggers, &snapshot.triggers) {
            rows.extend(rows::of_triggers(&self.triggers, &snapshot.triggers));
        }
        if rows.is_empty() {
            self.triggers = snapshot.triggers.clone();
            return;
        }
        let count = rows.len() as u64;
        self.counters.waiting.fetch_add(count, Ordering::Relaxed);
        match self.sender.try_send((epoch, rows)) {
            Ok(()) => {
                let waiting = self.sender.max_capacity() - self.sender.capacity();
                let epochs = &self.counters.waiting_epochs;
                epochs.store(waiting as u64, Ordering::Relaxed);
                self.triggers = snapshot.triggers.clone();
                self.leaves_out = false;
            }
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                // Changed triggers stay changed, and come with the next epoch that is taken.
                self.counters.waiting.fetch_sub(count, Ordering::Relaxed);
                self.counters.left_out.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut self.leaves_out, true) {
                    tracing::error!(
                        epoch,
                        "the history does not keep up: rows are left out from here on"
                    );
                }
            }
        }
    }
}

impl Recorder {
    /// Lets the history know that it has everything up to an epoch, so that the next start can tell
    /// whether it misses something.
    pub(super) fn mark(&mut self, epoch: u64) {
        if !self.leaves_out {
            // Without room it is said with the next checkpoint.
            let _ = self.sender.try_send((epoch, Vec::new()));
        }
    }
}

impl Recording {
    /// The counts for metrics.
    pub(super) fn counts(&self) -> HistorySource {
        let counters = self.counters.clone();
        Box::new(move || HistoryCounts {
            recorded: counters.recorded.load(Ordering::Relaxed),
            left_out: counters.left_out.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            waiting: counters.waiting.load(Ordering::Relaxed),
            waiting_epochs: counters.waiting_epochs.load(Ordering::Relaxed),
            epoch: counters.epoch.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            forgotten: counters.forgotten.load(Ordering::Relaxed),
        })
    }

    /// Waits until everything is written, after the [`Recorder`] is gone, for at most so long.
    pub(super) async fn stop(mut self, patience: Duration) {
        if tokio::time::timeout(patience, &mut self.task)
            .await
            .is_err()
        {
            let waiting = self.counters.waiting.load(Ordering::Relaxed);
            tracing::error!(
                waiting,
                "the history does not answer: these rows are not recorded"
            );
            let _ = self.giving_up.send(true);
            // What is under way at a database that hangs is rolled back there.
            if tokio::time::timeout(GIVING_UP, &mut self.task)
                .await
                .is_err()
            {
                self.task.abort();
            }
        }
    }
}

/// Writes epochs in order until there are no more.
async fn write(
    history: History,
    mut epochs: mpsc::Receiver<Rows>,
    mut given_up: watch::Receiver<bool>,
    counters: Arc<Counters>,
    bytes_max: u64,
) {
    let mut failing = Failing::new(counters.clone());
    while let Err(error) = history.prepare().await {
        if failing.wait(&error, "open", &mut given_up).await {
            return;
        }
    }
    failing.is_over();
    let mut looked: Option<Instant> = None;
    while let Some((epoch, rows)) = epochs.recv().await {
        counters
            .waiting_epochs
            .store(epochs.len() as u64, Ordering::Relaxed);
        while let Err(error) = history.record(epoch, &rows).await {
            if failing.wait(&error, "take rows", &mut given_up).await {
                return;
            }
        }
        failing.is_over();
        let count = rows.len() as u64;
        counters.recorded.fetch_add(count, Ordering::Relaxed);
        counters.waiting.fetch_sub(count, Ordering::Relaxed);
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        counters.epoch.store(epoch, Ordering::Relaxed);
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            looked = Some(Instant::now());
            if let Err(error) = keep_size(&history, bytes_max, &counters).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the size of the history cannot be told or kept");
            }
        }
    }
}

/// Looks at the size, and lets the oldest go that is too much.
async fn keep_size(
    history: &History,
    bytes_max: u64,
    counters: &Counters,
) -> Result<(), HistoryError> {
    let forgotten = history.forget_beyond(bytes_max).await?;
    if forgotten > 0 {
        counters.forgotten.fetch_add(forgotten, Ordering::Relaxed);
        tracing::warn!(
            forgotten,
            bytes_max,
            "the history is as large as it may be: its oldest rows are gone"
        );
    }
    let bytes = history.bytes().await?;
    counters.bytes.store(bytes, Ordering::Relaxed);
    Ok(())
}

/// A database that fails: said when it begins and when it is over, and tried again ever more slowly meanwhile.
struct Failing {
    counters: Arc<Counters>,
    failures: u64,
    pause: Duration,
}

impl Failing {
    fn new(counters: Arc<Counters>) -> Failing {
        Failing {
            counters,
            failures: 0,
            pause: PAUSE.0,
        }
    }

    /// Waits before the next try; true if there is to be none.
    async fn wait(
        &mut self,
        error: &HistoryError,
        what: &str,
        given_up: &mut watch::Receiver<bool>,
    ) -> bool {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        if self.failures == 0 {
            let error = error as &dyn std::error::Error;
            tracing::error!(
                error,
                "the history does not {what}; it is tried again until it does"
            );
        }
        self.failures += 1;
        tokio::select! {
            () = tokio::time::sleep(self.pause) => {}
            _ = given_up.wait_for(|given_up| *given_up) => return true,
        }
        self.pause = (self.pause * 2).min(PAUSE.1);
        false
    }

    fn is_over(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "the history is written again");
        }
        (self.failures, self.pause) = (0, PAUSE.0);
    }
}

#[cfg(test)]
mod tests;
