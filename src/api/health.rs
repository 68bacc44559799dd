//! Where the engine stands in its life, as `app` tells it: read by `/ready`, status and metrics.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::dataflow::{Counts, Epoch};
use crate::journal::ReplayNow;
use crate::journal::writer::WriterStats;

/// How long the journal has been read back before it is said how long that still takes, ms. Judgement: what the first few
/// epochs took says nothing of the others.
const LEFT_AFTER_MS: i64 = 500;

/// Part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Replaying the journal.
    Starting {
        /// How much of it is done, by the bytes that there are to read: an idle epoch has next to none.
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
    /// How far the start is, or was when it was over, with reading the journal back.
    pub replay: ReplayNow,
    /// The newest epoch that the engine acted on.
    pub epoch: Option<Epoch>,
    /// The present as far as sources tell of it, ms: what cannot be undone goes by it, for a clock may be wrong. 0 before
    /// the first epoch.
    pub believed_ms: i64,
    /// What the dataflow has counted.
    pub counts: Counts,
    /// When the server started, wall clock, ms.
    pub started_at_ms: i64,
    /// The newest checkpoint that this process wrote.
    pub checkpoint: Option<CheckpointNow>,
    /// Checkpoints that could not be written since the start.
    pub checkpoint_failures: u64,
    /// Checkpoints that were not written since the start, because the history had not taken what they cover.
    pub checkpoints_held: u64,
    /// Checkpoints that were written since the start although the history had not, after
    /// `history.hold_epochs_max` epochs without one.
    pub checkpoints_without_history: u64,
    /// Epochs since the newest checkpoint, where the history holds the next one back; else 0.
    pub epochs_held: u64,
    /// Epochs before the checkpoint that this process began from of which the history did not know.
    pub history_misses: u64,
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
        let took_ms = now_ms.saturating_sub(self.started_at_ms);
        match self.lifecycle {
            Lifecycle::Starting { .. } if took_ms >= LEFT_AFTER_MS => self.replay.left_ms(took_ms),
            Lifecycle::Starting { .. } | Lifecycle::Ready | Lifecycle::Stopping => None,
        }
    }

    /// The journal is being read back, as fast as the workers go: they have no time for questions. A start with
    /// nothing to read is none.
    pub fn is_catching_up(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Starting { .. }) && self.replay.all_bytes > 0
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
                replay: ReplayNow::default(),
                epoch: None,
                believed_ms: 0,
                counts: Counts::default(),
                started_at_ms,
                checkpoint: None,
                checkpoint_failures: 0,
                checkpoints_held: 0,
                checkpoints_without_history: 0,
                epochs_held: 0,
                history_misses: 0,
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

    /// The start is so far, and the engine has acted on every epoch below `done`. It is ready once that is all that
    /// was durable when the journal's end was met: what came in during the start is counted then, too.
    pub fn note_replay(&self, replay: ReplayNow, done: Epoch) {
        self.now.rcu(|now| {
            let lifecycle = match now.lifecycle {
                Lifecycle::Starting { .. } if replay.ends_before.is_some_and(|end| done >= end) => {
                    Lifecycle::Ready
                }
                Lifecycle::Starting { .. } => Lifecycle::Starting {
                    percent: replay.percent(),
                },
                // A stop does not wait for the start.
                later => later,
            };
            HealthNow {
                lifecycle,
                replay,
                ..**now
            }
        });
    }

    /// The engine acted on an epoch (the journal's number for it); how far its clock is believed, ms.
    pub fn note_epoch(&self, epoch: Epoch, believed_ms: i64, counts: Counts) {
        self.now.rcu(|now| HealthNow {
            epoch: Some(epoch),
            believed_ms,
            counts,
            ..**now
        });
    }

    /// A checkpoint was written, and segments cut off the journal.
    pub fn note_checkpoint(&self, checkpoint: CheckpointNow, segments_cut: u64) {
        self.now.rcu(|now| HealthNow {
            checkpoint: Some(checkpoint),
            epochs_held: 0,
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

    /// The history has not taken what a checkpoint covers, so many epochs since the one before; it is written all the
    /// same, or not.
    pub fn note_checkpoint_held(&self, epochs_held: u64, is_written: bool) {
        self.now.rcu(|now| HealthNow {
            checkpoints_held: now.checkpoints_held + u64::from(!is_written),
            checkpoints_without_history: now.checkpoints_without_history + u64::from(is_written),
            epochs_held,
            ..**now
        });
    }

    /// The history does not know of so many epochs before the checkpoint that was begun from.
    pub fn note_history_misses(&self, history_misses: u64) {
        self.now.rcu(|now| HealthNow {
            history_misses,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(read_bytes: u64, ends_before: Option<u64>) -> ReplayNow {
        ReplayNow {
            read_bytes,
            all_bytes: 1_000,
            ends_before,
        }
    }

    #[test]
    fn a_start_is_over_when_all_that_was_durable_at_its_end_is_counted() {
        let health = Health::new(10_000);
        assert!(!health.now().is_catching_up(), "there is nothing to read");
        health.note_replay(at(0, None), 7);
        assert!(health.now().is_catching_up());
        assert_eq!(health.now().starting_left_ms(11_000), None);
        // Bytes count, and not how many epochs they are in.
        health.note_replay(at(250, None), 1_000_000);
        let now = health.now();
        assert_eq!(now.lifecycle, Lifecycle::Starting { percent: 25 });
        assert_eq!(now.starting_left_ms(11_000), Some(3_000));
        assert_eq!(now.starting_left_ms(10_100), None, "too early to tell");
        // All is read, and two epochs are under way.
        health.note_replay(at(1_000, Some(1_000_003)), 1_000_001);
        assert_eq!(health.now().lifecycle, Lifecycle::Starting { percent: 99 });
        health.note_replay(at(1_000, Some(1_000_003)), 1_000_002);
        assert!(health.now().is_catching_up());
        health.note_replay(at(1_000, Some(1_000_003)), 1_000_003);
        let now = health.now();
        assert_eq!(
            (now.lifecycle, now.is_catching_up()),
            (Lifecycle::Ready, false)
        );
        assert_eq!(now.starting_left_ms(12_000), None);
    }

    #[test]
    fn a_stop_during_a_start_stays_one() {
        let health = Health::new(0);
        health.set_lifecycle(Lifecycle::Stopping);
        health.note_replay(at(1_000, Some(3)), 3);
        assert_eq!(health.now().lifecycle, Lifecycle::Stopping);
    }
}
