//! Checkpoints of the running engine: when one is due, who writes it, and where a start begins.
//!
//! * The feed marks an epoch; the dataflow hands its state over with that epoch's cut, by sharing; the
//!   engine adds its own, likewise; a thread of its own encodes and writes. Nothing waits for the disk.
//! * One is under way at a time. One that fails is counted and told, and the next is due as ever.
//! * One is written when the CSV sink and the history have all that it covers, for what a start does not decide again is not
//!   recorded again either. A history that does not take it in time costs that checkpoint; the next is due as ever, the journal
//!   stays, and a start replays more of it. Beyond `history.hold_epochs_max` epochs one is written all the same, counted and alarmed.
//! * What a start does not need any more is cut off the journal after a checkpoint, never before.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use crate::api::{CheckpointNow, Health, Lifecycle};
use crate::app::beginning::Opening;
use crate::app::recording::{Backlog, Mark};
use crate::app::rulebook::RuleFiles;
use crate::checkpoint::{CheckpointError, Folder, Head, Section};
use crate::dataflow::DataflowState;
use crate::engine::{EngineState, SaveError};
use crate::ingest::Attachment;
use crate::journal::writer::Submitter;
use crate::journal::{Disk, Position, Producers, RealDisk, Retention, cut, oldest};
use crate::rules::Plan;
use crate::time::now_ms;

/// How long a checkpoint waits for the history; one of an engine that stops, until the history is given up. Judgement: much longer
/// than a database that works takes for what was decided meanwhile, and its state is held, and cloned where it is touched, for
/// no longer.
const HISTORY_PATIENCE: Duration = Duration::from_secs(10);

/// Says when a checkpoint is due.
pub(super) struct Due {
    interval: Duration,
    last: Instant,
    under_way: Arc<AtomicBool>,
}

/// A marked epoch with its state, on the way to the thread that writes it.
struct Job {
    head: Head,
    engine: EngineState,
    dataflow: DataflowState,
    before: Before,
}

/// What must be durable before a checkpoint.
pub(super) struct Before {
    /// What the history was handed.
    pub(super) recorded: Mark,
    /// The file of the CSV sink; or why it cannot be.
    pub(super) exported: anyhow::Result<Option<File>>,
}

/// What checkpoints wait for: a history that works its backlog off, but for no more than so many epochs.
pub(super) struct Hold {
    pub(super) backlog: Backlog,
    pub(super) epochs_max: u64,
    /// Epochs that the checkpoint which was begun from covers.
    pub(super) covered: u64,
}

/// Takes what is to be written.
pub(super) struct Keeper {
    jobs: SyncSender<Job>,
}

/// Writes, and cuts the journal.
pub(super) struct Scribe {
    jobs: Receiver<Job>,
    under_way: Arc<AtomicBool>,
    folder: Folder,
    journal: PathBuf,
    retention: Retention,
    submitter: Submitter<Attachment>,
    health: Arc<Health>,
    hold: Hold,
}

/// The three ends of keeping checkpoints of the engine whose journal is in `journal`.
pub(super) fn keeping(
    folder: Folder,
    journal: &Path,
    interval: Duration,
    retention: Retention,
    edges: (Submitter<Attachment>, Arc<Health>),
    hold: Hold,
) -> (Due, Keeper, Scribe) {
    let (submitter, health) = edges;
    let under_way = Arc::new(AtomicBool::new(false));
    let (jobs_in, jobs) = sync_channel(1);
    let due = Due {
        interval,
        last: Instant::now(),
        under_way: under_way.clone(),
    };
    let keeper = Keeper { jobs: jobs_in };
    let scribe = Scribe {
        jobs,
        under_way,
        folder,
        journal: journal.to_owned(),
        retention,
        submitter,
        health,
        hold,
    };
    (due, keeper, scribe)
}

impl Due {
    /// Whether to mark an epoch now; `last` is the one that the journal closes with.
    pub(super) fn now(&mut self, last: bool) -> bool {
        if !last && self.last.elapsed() < self.interval {
            return false;
        }
        if self.under_way.swap(true, Ordering::AcqRel) && !last {
            return false;
        }
        self.last = Instant::now();
        true
    }
}

impl Keeper {
    /// Hands over what belongs to a marked epoch.
    pub(super) fn keep(
        &self,
        head: Head,
        engine: EngineState,
        dataflow: DataflowState,
        before: Before,
    ) {
        let job = Job {
            head,
            engine,
            dataflow,
            before,
        };
        if self.jobs.send(job).is_err() {
            tracing::error!("nobody writes checkpoints any more");
        }
    }
}

impl Scribe {
    /// Writes until nobody hands over anything more.
    pub(super) fn run(mut self) {
        while let Ok(job) = self.jobs.recv() {
            if !self.may_write(&job) {
                self.under_way.store(false, Ordering::Release);
                continue;
            }
            let began = Instant::now();
            let (epoch, keys) = (job.head.epoch, job.dataflow.keys());
            match self.write(job) {
                Ok((bytes, cut_segments)) => {
                    self.hold.covered = epoch + 1;
                    let took = began.elapsed();
                    tracing::debug!(epoch, keys, bytes, cut_segments, ?took, "checkpoint");
                    let written = CheckpointNow {
                        epoch,
                        at_ms: now_ms(),
                        bytes,
                        keys: keys as u64,
                        took_ms: took.as_millis() as u64,
                    };
                    self.health.note_checkpoint(written, cut_segments);
                }
                Err(error) => {
                    self.health.note_checkpoint_failure();
                    tracing::error!(
                        epoch,
                        "no checkpoint: {error:#}; the one before stays, and the journal is not cut"
                    );
                }
            }
            self.under_way.store(false, Ordering::Release);
        }
    }

    /// Whether the history has what a checkpoint covers, for which it waits, or holds checkpoints back for too long.
    fn may_write(&self, job: &Job) -> bool {
        let stops = || self.health.now().lifecycle == Lifecycle::Stopping;
        let Hold {
            backlog,
            epochs_max,
            covered,
        } = &self.hold;
        if backlog.has_taken(job.before.recorded, HISTORY_PATIENCE, stops) {
            return true;
        }
        let epoch = job.head.epoch;
        let held = (epoch + 1).saturating_sub(*covered);
        let is_too_much = held >= *epochs_max;
        if is_too_much {
            tracing::error!(
                epoch,
                held,
                epochs_max,
                "a checkpoint is written without the history, which has held them back for too long: what waits for it is not \
                 recorded any more where the process ends first"
            );
        } else {
            tracing::warn!(
                epoch,
                held,
                "no checkpoint: the history has not taken what it would cover; the one before stays, the journal is not \
                 cut, and a start decides and records what follows again"
            );
        }
        self.health.note_checkpoint_held(held, is_too_much);
        is_too_much
    }

    fn write(&self, job: Job) -> anyhow::Result<(u64, u64)> {
        let Job {
            head,
            engine,
            dataflow,
            before,
        } = job;
        if let Some(file) = before.exported? {
            let synced = file.sync_data();
            synced.context("the CSV sink cannot be made durable")?;
        }
        let producers = self.submitter.producers();
        let bytes = keep(&self.folder, &head, &producers, &engine, &dataflow)?;
        // Nobody need clone what it touches any more.
        drop((engine, dataflow));
        let Some((below, _)) = self.folder.oldest()? else {
            return Ok((bytes, 0));
        };
        // A clock that is wrong for a moment must not end the time for which segments are kept.
        let believed_ms = self.health.now().believed_ms;
        let cut = cut(&RealDisk, &self.journal, below, self.retention, believed_ms)?;
        if cut.segments > 0 {
            tracing::info!(
                segments = cut.segments,
                bytes = cut.bytes,
                "the journal is cut below record {}",
                below.0
            );
        }
        Ok((bytes, cut.segments))
    }
}

/// Writes a checkpoint: its head, the journal's producers as of its epoch or later, the engine and the
/// dataflow. Returns its size in bytes.
///
/// # Errors
/// As [`Folder::write`].
pub fn keep(
    folder: &Folder,
    head: &Head,
    producers: &Producers,
    engine: &EngineState,
    dataflow: &DataflowState,
) -> Result<u64, CheckpointError> {
    let producers = postcard::to_allocvec(producers)
        .map_err(|error| CheckpointError::content("the journal's producers", error))?;
    folder.write(head, |add| {
        add(Section::Producers, &producers)?;
        engine
            .pieces(|piece| add(Section::Engine, &piece).map_err(Unwritten))
            .map_err(|Unwritten(error)| error)?;
        dataflow.pieces(|piece| add(Section::Dataflow, &piece))
    })
}

/// Why the engine's state was not written: the room of checkpoints knows of no engine.
struct Unwritten(CheckpointError);

impl From<SaveError> for Unwritten {
    fn from(error: SaveError) -> Self {
        Unwritten(CheckpointError::content("the engine", error))
    }
}

/// All that is known before the epoch is through of what the head of a marked epoch's checkpoint says.
pub fn head_of(epoch: u64, epoch_ms: i64, next: Position, rules: RuleFiles, plan: &Plan) -> Head {
    Head {
        epoch,
        now_ms: epoch_ms,
        next,
        told_upto: None,
        created_at_ms: now_ms(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        rules,
        lineage: plan.own_lineage(),
    }
}

/// Finds where to begin: the newest checkpoint that can be read, or, where none was ever written or
/// `replay_everything` asks for it, the journal's beginning. With it what is not begun from although it is newer: it goes
/// aside in its folder ([`set_aside`]) once nothing refuses the start any more. Of the checkpoint every byte was looked at,
/// and no more was taken from it than the journal needs to go on.
///
/// # Errors
/// There are checkpoints and none can be read, or the journal alone is not enough, or the newest is of
/// a newer program. Never a fresh start in place of an error, and then nothing was changed.
pub fn begin(
    folder: &Folder,
    disk: &dyn Disk,
    journal: &Path,
    replay_everything: bool,
) -> anyhow::Result<(Option<Opening>, Vec<PathBuf>)> {
    let first = oldest(disk, journal)?;
    if replay_everything {
        return begin_anew(folder, journal, first);
    }
    let found = folder.newest()?;
    let damaged: Vec<PathBuf> = found
        .passed_over
        .iter()
        .map(|(path, _)| path.clone())
        .collect();
    let Some(opened) = found.newest else {
        return match (found.passed_over.as_slice(), first) {
            ([], None) => Ok((None, Vec::new())),
            ([], Some(Position(0))) => {
                // A young engine has none yet; an old one has lost them, and starts more slowly.
                tracing::warn!(
                    "there is no checkpoint: the whole journal {} is replayed; what the ledger knows as told is \
                     not told again",
                    journal.display()
                );
                Ok((None, Vec::new()))
            }
            ([], Some(first)) => Err(no_beginning("there is no checkpoint", journal, first)),
            (damaged, first) => Err(nothing_readable(folder, journal, first, damaged)),
        };
    };
    let path = opened.path.clone();
    let opening = Opening::of(opened)?;
    for (_, error) in &found.passed_over {
        tracing::error!("{error}: passed over, more is replayed");
    }
    tracing::info!(
        epoch = opening.epoch - 1,
        "beginning from checkpoint {}, record {} of the journal",
        path.display(),
        opening.resume.next.0
    );
    Ok((Some(opening), damaged))
}

/// Gives what a start does not begin from another name, under which it is no checkpoint.
///
/// # Errors
/// The file system.
pub fn set_aside(folder: &Folder, paths: &[PathBuf]) -> anyhow::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    for path in folder.set_aside(paths)? {
        tracing::warn!("{} was a checkpoint: set aside", path.display());
    }
    Ok(())
}

/// From the journal's first record, as an operator asked. The checkpoints go aside: the new ones are of
/// earlier epochs.
fn begin_anew(
    folder: &Folder,
    journal: &Path,
    first: Option<Position>,
) -> anyhow::Result<(Option<Opening>, Vec<PathBuf>)> {
    let epochs = folder.epochs()?;
    match first {
        Some(Position(0)) => {}
        None if epochs.is_empty() => {}
        None => {
            return Err(anyhow!(
                "there are checkpoints, but the journal {} has nothing to replay. {WAYS_OUT}",
                journal.display()
            ));
        }
        Some(first) => {
            return Err(no_beginning(
                "everything cannot be replayed",
                journal,
                first,
            ));
        }
    }
    let paths = epochs.iter().map(|epoch| folder.path_of(*epoch));
    tracing::warn!(
        "the whole journal is replayed; what the ledger knows as told is not told again"
    );
    Ok((None, paths.collect()))
}

const WAYS_OUT: &str = "Put a checkpoint back, or `chrysalis restore` a backup into an empty data folder. \
                        Nothing was changed";

fn no_beginning(what: &str, journal: &Path, first: Position) -> anyhow::Error {
    anyhow!(
        "{what}: the journal {} begins at record {first}, and what came before is in no file here. {WAYS_OUT}",
        journal.display()
    )
}

/// All files that there are, what is wrong with each, and what can be done about it.
fn nothing_readable(
    folder: &Folder,
    journal: &Path,
    first: Option<Position>,
    damaged: &[(PathBuf, CheckpointError)],
) -> anyhow::Error {
    let mut words = "no checkpoint can be read:".to_owned();
    for (_, error) in damaged {
        words.push_str(&format!("\n  {error}"));
    }
    if first != Some(Position(0)) {
        return no_beginning(&words, journal, first.unwrap_or_default());
    }
    let path = folder.path_of(0);
    let folder = path.parent().unwrap_or(&path);
    anyhow!(
        "{words}\nNothing is begun anew by itself. The journal {} is whole from its first record on: \
         `chrysalis serve --replay-everything`, or a start with {} moved away, builds the same state from it, \
         which takes longer; what the ledger knows as told is not told again. Or put a checkpoint back. Nothing was \
         changed",
        journal.display(),
        folder.display()
    )
}
