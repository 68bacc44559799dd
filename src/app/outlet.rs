//! Where the engine's effects go: ledger, files, history, readers.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};

use crate::api::{Answers, Health, Lifecycle};
use crate::app::pipeline;
use crate::app::recording::Recorder;
use crate::app::report_files::ReportFiles;
use crate::dataflow::Counts;
use crate::engine::{CommandResult, Effect, JournaledCommand, Snapshot};
use crate::notify::{Notifier, Told};
use crate::reports::ReportTold;

/// Hands effects to the edges, from the engine's thread.
pub(super) struct Outlet {
    pub(super) runtime: Handle,
    pub(super) notifier: Arc<Notifier>,
    pub(super) answers: Arc<Answers>,
    pub(super) recorder: Recorder,
    pub(super) report_files: ReportFiles,
    pub(super) health: Arc<Health>,
    pub(super) effects: broadcast::Sender<Arc<Vec<Effect>>>,
    /// Epochs that the checkpoint covers.
    pub(super) epochs_before: u64,
    pub(super) epochs_recovered: u64,
    pub(super) fail: watch::Sender<Option<String>>,
}

impl pipeline::Outlet for Outlet {
    fn tell(&mut self, epoch: u64, told: Told) -> bool {
        match self.runtime.block_on(self.notifier.tell(epoch, told)) {
            Ok(_) => true,
            Err(error) => {
                let words = format!("notices cannot be recorded: {error}");
                let _ = self.fail.send(Some(words));
                false
            }
        }
    }

    fn report(&mut self, told: &ReportTold) {
        if let Err(error) = self.report_files.keep(&told.report) {
            self.health.note_report_failure();
            let (id, period) = (&told.report.id, &told.report.period.key);
            tracing::error!(
                id,
                period,
                "the files of a report are not written: {error:#}"
            );
        }
    }

    fn answer(&mut self, position: u64, result: CommandResult) {
        self.answers.deliver(position, result);
    }

    fn record(&mut self, commands: &[JournaledCommand], effects: &[Effect], snapshot: &Snapshot) {
        self.recorder.take(commands, effects, snapshot);
    }

    fn done(&mut self, snapshot: &Snapshot, effects: Vec<Effect>, counts: Counts) {
        let epoch = snapshot.epoch.unwrap_or_default();
        self.health.note_epoch(epoch, counts);
        let done = epoch + 1;
        match self.health.now().lifecycle {
            Lifecycle::Starting { .. } if done >= self.epochs_recovered => {
                self.health.set_lifecycle(Lifecycle::Ready);
            }
            Lifecycle::Starting { .. } => {
                let all = self.epochs_recovered.saturating_sub(self.epochs_before);
                let done = done.saturating_sub(self.epochs_before);
                let percent = (done * 100 / all.max(1)) as u8;
                self.health.set_lifecycle(Lifecycle::Starting { percent });
            }
            _ => {}
        }
        if !effects.is_empty() {
            // Nobody need listen.
            let _ = self.effects.send(Arc::new(effects));
        }
    }
}
