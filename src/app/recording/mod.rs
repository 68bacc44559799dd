//! The history is written behind the engine's back: rows of each epoch go into a bounded queue, and one
//! task writes them.
//!
//! * A checkpoint is written when the history has what it covers ([`Backlog`]): what a death takes from the queue is
//!   decided again, and recorded then.
//! * A live engine never waits for the history. A database that does not answer is tried again for
//!   ever; while the queue is full, by epochs or by rows, rows of further epochs are left out, counted and said in the log.
//! * While the journal is read back nobody waits for the engine, and it waits for room in the queue, as long as the
//!   history makes any progress.
//! * Of a trigger that changed comes what is new since it was recorded last, so what was left out comes with the next change.

mod backlog;
mod rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::api::Lifecycle;
use crate::config::HistorySettings;
use crate::engine::{Effect, JournaledCommand, Snapshot};
use crate::metrics::{HistoryCounts, HistorySource};
use crate::store::{History, HistoryError, HistoryRow};
use crate::triggers::Trigger;

pub(super) use backlog::{Backlog, Mark};

/// How long a write that was under way may still take when it is given up. Judgement: a transaction of a few rows.
const GIVING_UP: Duration = Duration::from_secs(1);
/// Marks of checkpoints that may wait beside the epochs: of one that is under way, and of the last one. There are never more.
const MARKS_MAX: usize = 2;
/// How long a history may stand still before an engine that reads the journal back goes on without it. Judgement: longer than a
/// database takes to restart.
const STANDSTILL: Duration = Duration::from_secs(30);
/// Between two looks at the size.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Wait after a failure: doubled with each, up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// What became of the rows.
#[derive(Debug, Default)]
struct Counters {
    recorded: AtomicU64,
    left_out: AtomicU64,
    /// Those among them that met the bound of rows, and not that of epochs.
    left_out_by_rows: AtomicU64,
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
    backlog: Backlog,
    epochs_max: u64,
    rows_max: u64,
    /// What was handed over so far, marks included.
    sent: u64,
    /// Marks among them that wait.
    marks: Vec<u64>,
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

/// What a history has at a start.
pub(super) struct Found {
    /// It has everything up to this epoch, or did not say.
    pub(super) recorded_upto: Option<u64>,
    /// Triggers that are in it whole; none where that is not sure.
    pub(super) triggers: Arc<Vec<Arc<Trigger>>>,
    /// Epochs that the journal had then.
    pub(super) epochs: u64,
}

impl Recorder {
    /// Starts writing into a history. A file of our own is kept at `bytes_max`; at most `queue_epochs_max` epochs and
    /// `queue_rows_max` rows wait, or one epoch of more. Must be called within the runtime.
    pub(super) fn start(
        history: History,
        found: Found,
        settings: &HistorySettings,
    ) -> (Recorder, Recording) {
        let (sender, receiver) = mpsc::channel(settings.queue_epochs_max.max(1) + MARKS_MAX);
        let (giving_up, given_up) = watch::channel(false);
        let (done_in, done) = watch::channel(0);
        let counters = Arc::new(Counters::default());
        let upto = found
            .recorded_upto
            .and_then(|epoch| i64::try_from(epoch).ok());
        counters.epoch.store(upto.unwrap_or(-1), Ordering::Relaxed);
        let writing = Writing {
            history,
            epochs: receiver,
            given_up,
            done: done_in,
            counters: counters.clone(),
            epochs_found: found.epochs,
            bytes_max: settings.bytes_max,
        };
        let task = tokio::spawn(writing.run());
        let recorder = Recorder {
            sender,
            counters: counters.clone(),
            backlog: Backlog::new(done, counters.clone()),
            epochs_max: settings.queue_epochs_max as u64,
            rows_max: settings.queue_rows_max as u64,
            sent: 0,
            marks: Vec::new(),
            recorded_upto: found.recorded_upto,
            triggers: found.triggers,
            leaves_out: false,
        };
        let recording = Recording {
            task,
            giving_up,
            counters,
        };
        (recorder, recording)
    }

    /// How far the history is.
    pub(super) fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    /// Takes what an epoch brought. While the engine starts it waits for room, and must not be called within the runtime.
    pub(super) fn take(
        &mut self,
        commands: &[JournaledCommand],
        effects: &[Effect],
        snapshot: &Snapshot,
        lifecycle: impl Fn() -> Lifecycle,
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
        let stops = lifecycle() == Lifecycle::Stopping;
        if rows.is_empty() {
            self.triggers = snapshot.triggers.clone();
            // Nothing of triggers waits to come whole again.
            self.leaves_out &= stops;
            return;
        }
        let count = rows.len() as u64;
        let reads_back = || matches!(lifecycle(), Lifecycle::Starting { .. });
        // Behind a gap nothing is recorded by who ends: the next start fills it, where the history does not seem to be past it.
        let has_room = !(stops && self.leaves_out) && self.make_room(count, reads_back);
        if has_room && self.sender.try_send((epoch, rows)).is_ok() {
            self.sent += 1;
            self.triggers = snapshot.triggers.clone();
            self.leaves_out = false;
            return;
        }
        // Changed triggers stay changed, and come with the next epoch that is taken.
        if has_room {
            self.counters.came(count, false);
        }
        // Nor is a checkpoint written, so that these wait for the next start.
        let fate = match lifecycle() {
            Lifecycle::Stopping => &self.counters.waiting,
            _ => &self.counters.left_out,
        };
        fate.fetch_add(count, Ordering::Relaxed);
        if !std::mem::replace(&mut self.leaves_out, true) {
            tracing::error!(
                epoch,
                "the history does not keep up: rows are left out from here on"
            );
        }
    }

    /// Whether so many rows of an epoch may wait, too; they are counted as waiting then.
    fn make_room(&mut self, count: u64, reads_back: impl Fn() -> bool) -> bool {
        loop {
            // Before the look: what goes in between must not be waited for.
            let done = self.backlog.done();
            let rows = self.counters.waiting.load(Ordering::Relaxed);
            let epochs = self.counters.waiting_epochs.load(Ordering::Relaxed);
            let rows_fit = rows == 0 || rows.saturating_add(count) <= self.rows_max;
            if rows_fit && epochs < self.epochs_max {
                self.counters.waits(count);
                return true;
            }
            let may_wait = !self.leaves_out && reads_back();
            if !may_wait || !self.backlog.moves(done, STANDSTILL, &reads_back) {
                if !rows_fit {
                    let by_rows = &self.counters.left_out_by_rows;
                    by_rows.fetch_add(count, Ordering::Relaxed);
                }
                return false;
            }
        }
    }

    /// Lets the history know that it has everything up to an epoch, so that the next start can tell
    /// whether it misses something; by the mark others see that it has.
    pub(super) fn mark(&mut self, epoch: u64) -> Mark {
        if self.leaves_out {
            return Mark(None);
        }
        let done = self.backlog.done();
        self.marks.retain(|mark| *mark > done);
        // Without room it is said with the next checkpoint.
        let has_room = self.marks.len() < MARKS_MAX;
        if has_room && self.sender.try_send((epoch, Vec::new())).is_ok() {
            self.sent += 1;
            self.marks.push(self.sent);
        }
        Mark(Some(self.sent))
    }
}

impl Counters {
    /// Rows of an epoch wait.
    fn waits(&self, count: u64) {
        self.waiting.fetch_add(count, Ordering::Relaxed);
        self.waiting_epochs.fetch_add(1, Ordering::Relaxed);
    }

    /// Rows of an epoch wait no more: they are recorded, or never will be. A mark has none.
    fn came(&self, count: u64, recorded: bool) {
        if recorded {
            self.recorded.fetch_add(count, Ordering::Relaxed);
        }
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let epochs = u64::from(count > 0);
        self.waiting_epochs.fetch_sub(epochs, Ordering::Relaxed);
    }
}

impl Recording {
    /// The counts for metrics.
    pub(super) fn counts(&self) -> HistorySource {
        let counters = self.counters.clone();
        Box::new(move || HistoryCounts {
            recorded: counters.recorded.load(Ordering::Relaxed),
            left_out: counters.left_out.load(Ordering::Relaxed),
            left_out_by_rows: counters.left_out_by_rows.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            waiting: counters.waiting.load(Ordering::Relaxed),
            waiting_epochs: counters.waiting_epochs.load(Ordering::Relaxed),
            epoch: counters.epoch.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            forgotten: counters.forgotten.load(Ordering::Relaxed),
        })
    }

    /// Waits until everything is written, after the [`Recorder`] is gone, for at most so long; says how many rows are not.
    pub(super) async fn stop(mut self, patience: Duration) -> u64 {
        let ended = tokio::time::timeout(patience, &mut self.task).await;
        if ended.is_err() {
            let _ = self.giving_up.send(true);
            // What is under way at a database that hangs is rolled back there.
            if tokio::time::timeout(GIVING_UP, &mut self.task)
                .await
                .is_err()
            {
                self.task.abort();
            }
        }
        let waiting = self.counters.waiting.load(Ordering::Relaxed);
        if waiting > 0 {
            tracing::error!(
                waiting,
                "the history does not take these rows before the end: the next start decides and records again what \
                 follows its checkpoint"
            );
        }
        waiting
    }
}

/// Who writes.
struct Writing {
    history: History,
    epochs: mpsc::Receiver<Rows>,
    given_up: watch::Receiver<bool>,
    /// How many epochs and marks came out of the queue and are through; closes with this.
    done: watch::Sender<u64>,
    counters: Arc<Counters>,
    epochs_found: u64,
    bytes_max: u64,
}

impl Writing {
    /// Writes epochs in order until there are no more.
    async fn run(mut self) {
        let mut failing = Failing::new(self.counters.clone());
        let known = loop {
            let asked = async {
                self.history.prepare().await?;
                self.history.recorded_upto().await
            };
            match asked.await {
                Ok(known) => break known,
                Err(error) if failing.wait(&error, "open", &mut self.given_up).await => return,
                Err(_) => {}
            }
        };
        failing.is_over();
        if let Some(upto) = known.filter(|upto| *upto >= self.epochs_found) {
            // A start refuses that; this database did not answer then. What it knows of these numbers is something else.
            tracing::error!(
                upto,
                epochs_found = self.epochs_found,
                "the history knows epochs that the journal did not have at the start: it is another engine's, or the journal's \
                 newest part is missing; nothing is recorded"
            );
            while let Some((_, rows)) = self.epochs.recv().await {
                let count = rows.len() as u64;
                self.counters.left_out.fetch_add(count, Ordering::Relaxed);
                self.through(count, false);
            }
            return;
        }
        let mut looked: Option<Instant> = None;
        while let Some((epoch, rows)) = self.epochs.recv().await {
            while let Err(error) = self.history.record(epoch, &rows).await {
                if failing.wait(&error, "take rows", &mut self.given_up).await {
                    return;
                }
            }
            failing.is_over();
            let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
            self.counters.epoch.fetch_max(epoch, Ordering::Relaxed);
            self.through(rows.len() as u64, true);
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                looked = Some(Instant::now());
                let kept = keep_size(&self.history, self.bytes_max, &self.counters);
                if let Err(error) = kept.await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the size of the history cannot be told or kept");
                }
            }
        }
    }

    /// So many rows of an epoch need not be waited for any more.
    fn through(&self, count: u64, recorded: bool) {
        self.counters.came(count, recorded);
        self.done.send_modify(|done| *done += 1);
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
