//! Where the engine's effects leave the pure core: notices and reports into the ledger, reports
//! into files, answers to who asked, the rest to who listens.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};

use super::checkpoints::{Before, Keeper};
use super::csv_sink::CsvSink;
use super::pipeline;
use super::recording::Recorder;
use super::report_files::ReportFiles;
use crate::api::{Answers, Health, Lifecycle};
use crate::checkpoint::Head;
use crate::dataflow::{Counts, DataflowState};
use crate::engine::{CommandResult, Effect, EngineState, JournaledCommand, Snapshot};
use crate::ingest::Attachment;
use crate::journal::writer::Submitter;
use crate::metrics::{EdgeLimit, Metrics};
use crate::notify::{Notifier, Told};
use crate::reports::ReportTold;
use crate::time::now_ms;

/// Between two tries to write into a ledger whose disk is full.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// Hands effects to the edges, from the engine's thread.
pub(super) struct EngineOutlet {
    pub(super) runtime: Handle,
    pub(super) notifier: Arc<Notifier>,
    pub(super) answers: Arc<Answers>,
    pub(super) recorder: Recorder,
    pub(super) report_files: ReportFiles,
    pub(super) csv_sink: CsvSink,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) effects: broadcast::Sender<Arc<Vec<Effect>>>,
    /// How many of them are kept for who is slow.
    pub(super) effects_max: usize,
    /// Knows how far the start is with reading the journal back.
    pub(super) submitter: Submitter<Attachment>,
    pub(super) fail: watch::Sender<Option<String>>,
    pub(super) keeper: Keeper,
}

impl pipeline::Outlet for EngineOutlet {
    fn tell(&mut self, epoch: u64, told: Told) -> bool {
        let mut waits = false;
        loop {
            let decided = self.notifier.tell(epoch, &told);
            match self.runtime.block_on(decided) {
                Ok(_) => return true,
                // Nothing was recorded, and nothing is decided further until it is: a disk that is full
                // is no reason to stop answering what is known.
                Err(error) if error.is_full() && !self.is_stopping() => {
                    if !waits {
                        tracing::error!(
                            epoch,
                            "the ledger's disk is full: nothing is decided until there is room"
                        );
                        waits = true;
                    }
                    self.health.note_full_ledger();
                    std::thread::sleep(FULL_PAUSE);
                }
                Err(error) => {
                    let words = match std::error::Error::source(&error) {
                        Some(cause) => format!("notices cannot be recorded: {error}: {cause}"),
                        None => format!("notices cannot be recorded: {error}"),
                    };
                    tracing::error!(epoch, "{words}");
                    let _ = self.fail.send(Some(words));
                    return false;
                }
            }
        }
    }

    fn report(&mut self, told: &ReportTold) {
        match self.report_files.keep(&told.report) {
            Ok(gone) => self.metrics.went_over_by(EdgeLimit::ReportPeriods, gone),
            Err(error) => {
                self.health.note_report_failure();
                let (id, period) = (&told.report.id, &told.report.period.key);
                tracing::error!(
                    id,
                    period,
                    "the files of a report are not written: {error:#}"
                );
            }
        }
    }

    fn answer(&mut self, position: u64, result: CommandResult) {
        self.answers.deliver(position, result);
    }

    fn record(&mut self, commands: &[JournaledCommand], effects: &[Effect], snapshot: &Snapshot) {
        // Nobody waits for an engine that reads the journal back, and what it leaves out then is never decided again.
        let lifecycle = || self.health.now().lifecycle;
        self.recorder.take(commands, effects, snapshot, lifecycle);
        self.csv_sink.take(effects, snapshot);
    }

    fn done(&mut self, snapshot: &Snapshot, effects: Vec<Effect>, counts: Counts) {
        let epoch = snapshot.epoch.unwrap_or_default();
        let believed_ms = snapshot.watermarks.believed_ms();
        self.health.note_epoch(epoch, believed_ms, counts);
        let done = epoch + 1;
        match self.health.now().lifecycle {
            Lifecycle::Ready => {
                let after_ms = now_ms().saturating_sub(snapshot.now_ms);
                // A wall clock that was set back has no delay to tell.
                if let Ok(after_ms) = u64::try_from(after_ms) {
                    self.metrics.verdicts_told(Duration::from_millis(after_ms));
                }
            }
            Lifecycle::Starting { .. } => {
                self.health.note_replay(self.submitter.stats().replay, done);
            }
            Lifecycle::Stopping => {}
        }
        if !effects.is_empty() && tell_listeners(&self.effects, self.effects_max, effects) {
            self.metrics.went_over(EdgeLimit::Effects);
        }
    }

    fn keep(&mut self, head: Head, engine: EngineState, dataflow: DataflowState) {
        let before = Before {
            recorded: self.recorder.mark(head.epoch),
            exported: self.csv_sink.unsynced(),
        };
        self.keeper.keep(head, engine, dataflow, before);
    }
}

/// Tells whoever listens; true where somebody is so slow that he misses the oldest for it, which he is told.
fn tell_listeners<T>(effects: &broadcast::Sender<Arc<T>>, effects_max: usize, told: T) -> bool {
    let is_full = effects.len() >= effects_max;
    // Nobody need listen.
    let is_heard = effects.send(Arc::new(told)).is_ok();
    is_full && is_heard
}

impl EngineOutlet {
    fn is_stopping(&self) -> bool {
        self.health.now().lifecycle == Lifecycle::Stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_listener_misses_the_oldest_and_that_is_counted() {
        let (effects, mut quick) = broadcast::channel(2);
        let mut tell = |number: u32| {
            let missed = tell_listeners(&effects, 2, number);
            assert!(quick.try_recv().is_ok());
            missed
        };
        assert!(!(1..=4).any(&mut tell), "all were heard");
        let slow = effects.subscribe();
        let missed: Vec<bool> = (5..=8).map(tell).collect();
        assert_eq!(missed, [false, false, true, true]);
        drop(slow);
        assert!(!tell_listeners(&effects, 2, 9));
    }
}
