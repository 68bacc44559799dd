//! Where the engine stands in its life, as `app` tells it: read by `/ready`, status and metrics.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::dataflow::{Counts, Epoch};
use crate::journal::writer::WriterStats;

/// Part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Replaying the journal.
    Starting {
        /// How much of it is done.
        percent: u8,
    },
    /// Serving.
    Ready,
    /// Ending: nothing new is taken.
    Stopping,
}

impl Lifecycle {
    /// The name in the API and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Lifecycle::Starting { .. } => "starting",
            Lifecycle::Ready => "ready",
            Lifecycle::Stopping => "stopping",
        }
    }
}

/// The state at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthNow {
    /// Part of the run.
    pub lifecycle: Lifecycle,
    /// The newest epoch that the engine acted on.
    pub epoch: Option<Epoch>,
    /// What the dataflow has counted.
    pub counts: Counts,
    /// When the server started, wall clock, ms.
    pub started_at_ms: i64,
    /// The newest checkpoint that this process wrote.
    pub checkpoint: Option<CheckpointNow>,
    /// Checkpoints that could not be written since the start.
    pub checkpoint_failures: u64,
    /// Problems of the rule book on disk, as it was last read; while there are any, another is in force.
    pub rule_problems: usize,
    /// Reports whose files could not be written since the start.
    pub report_failures: u64,
    /// Segments that were cut off the journal since the start.
    pub segments_cut: u64,
    /// Tries to write into a ledger whose disk was full, since the start.
    pub full_ledger_tries: u64,
}

/// A checkpoint that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointNow {
    /// The epoch that it is the end of.
    pub epoch: Epoch,
    /// When it was complete, wall clock, ms.
    pub at_ms: i64,
    /// Size of the file.
    pub bytes: u64,
    /// Keys in it: entities, tuples and groups.
    pub keys: u64,
    /// How long encoding and writing took, beside the engine, ms.
    pub took_ms: u64,
}

impl HealthNow {
    /// How long the start still takes if it goes on as so far, ms; `None` before that can be told.
    pub fn starting_left_ms(&self, now_ms: i64) -> Option<i64> {
        match self.lifecycle {
            Lifecycle::Starting { percent } if percent > 0 => {
                let took_ms = now_ms - self.started_at_ms;
                Some(took_ms.max(0) * i64::from(100 - percent.min(100)) / i64::from(percent))
            }
            _ => None,
        }
    }

    /// Epochs closed in the journal that the engine has not acted on.
    pub fn epochs_behind(&self, journal: &WriterStats) -> u64 {
        let done = self.epoch.map_or(0, |epoch| epoch + 1);
        journal.epochs_total.saturating_sub(done)
    }
}

/// The state, for many readers.
#[derive(Debug)]
pub struct Health {
    now: ArcSwap<HealthNow>,
}

impl Health {
    /// A server that starts.
    pub fn new(started_at_ms: i64) -> Health {
        Health {
            now: ArcSwap::from_pointee(HealthNow {
                lifecycle: Lifecycle::Starting { percent: 0 },
                epoch: None,
                counts: Counts::default(),
                started_at_ms,
                checkpoint: None,
                checkpoint_failures: 0,
                rule_problems: 0,
                report_failures: 0,
                segments_cut: 0,
                full_ledger_tries: 0,
            }),
        }
    }

    /// Another part of the run begins.
    pub fn set_lifecycle(&self, lifecycle: Lifecycle) {
        self.now.rcu(|now| HealthNow { lifecycle, ..**now });
    }

    /// The engine acted on an epoch (the journal's number for it).
    pub fn note_epoch(&self, epoch: Epoch, counts: Counts) {
        self.now.rcu(|now| HealthNow {
            epoch: Some(epoch),
            counts,
            ..**now
        });
    }

    /// A checkpoint was written, and segments cut off the journal.
    pub fn note_checkpoint(&self, checkpoint: CheckpointNow, segments_cut: u64) {
        self.now.rcu(|now| HealthNow {
            checkpoint: Some(checkpoint),
            segments_cut: now.segments_cut + segments_cut,
            ..**now
        });
    }

    /// A checkpoint could not be written.
    pub fn note_checkpoint_failure(&self) {
        self.now.rcu(|now| HealthNow {
            checkpoint_failures: now.checkpoint_failures + 1,
            ..**now
        });
    }

    /// The rule book on disk was read, and has so many problems.
    pub fn set_rule_problems(&self, rule_problems: usize) {
        self.now.rcu(|now| HealthNow {
            rule_problems,
            ..**now
        });
    }

    /// The files of a report could not be written.
    pub fn note_report_failure(&self) {
        self.now.rcu(|now| HealthNow {
            report_failures: now.report_failures + 1,
            ..**now
        });
    }

    /// The ledger's disk is full, and it will be tried again.
    pub fn note_full_ledger(&self) {
        self.now.rcu(|now| HealthNow {
            full_ledger_tries: now.full_ledger_tries + 1,
            ..**now
        });
    }

    /// The state now.
    pub fn now(&self) -> Arc<HealthNow> {
        self.now.load_full()
    }
}
