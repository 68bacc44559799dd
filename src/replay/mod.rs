//! Files through the same dataflow and engine as live events, on their own time axis, without
//! effects: backtests, bulk checks, benchmarks.
//!
//! Same input, rules and `now` give the same bytes, whatever the number of workers: the input is cut
//! into epochs by size alone, and both files are written in an order that only contents decide.
//!
//! A line whose time lies beyond `now` is refused, as ingest refuses it: one bad clock would move the
//! watermark to the end of time, and what came after it would be too late.

mod input;
mod output;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::dataflow::{
    Ahead, Cut, Dataflow, DataflowConfig, DataflowError, EpochInput, Feed, Limits, Owner, Work,
};
use crate::engine::{Effect, Engine};
use crate::event::{CLOCK_SKEW_MS_MAX, DecodeLimits, Refusal};
use crate::rules::{Plan, RuleBook};

pub use input::InputError;
use input::{Chunk, Input, Places};
use output::{OutputFile, TransitionFile, WindowFile, kqi_file};

/// Refusals that a summary quotes.
const REFUSALS_SHOWN_MAX: usize = 10;
/// Chunks in an epoch. The more lines, the more facts come to one measure of a pane.
const CHUNKS_PER_EPOCH: usize = 16;
/// Chunks that are read before a worker takes them, where there is one.
const CHUNKS_AHEAD_MAX: usize = 4;
/// Workers that get an epoch each: for each beside the first, an epoch's chunks are read ahead. Judgement: 32 MiB each.
const EPOCHS_AHEAD_MAX: usize = 3;

/// What to replay, and how.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Worker threads.
    pub workers: usize,
    /// Folder for `windows.csv`, `alerts.csv`, and `kqis.csv` with what their values are held against; nothing is written
    /// without it.
    pub out: Option<PathBuf>,
    /// Leave `windows.csv` out.
    pub alerts_only: bool,
    /// The present of the replay, ms: what lies more than ten minutes after it is refused.
    pub now_ms: i64,
    /// Files in order; `-` is standard input.
    pub inputs: Vec<PathBuf>,
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplaySummary {
    /// Events counted.
    pub events: u64,
    /// Rows of `windows.csv`.
    pub windows: u64,
    /// Rows of `alerts.csv`.
    pub transitions: u64,
    /// Lines refused.
    pub refused: u64,
    /// The first refusals, each with its file.
    pub refusals: Vec<(PathBuf, Refusal)>,
    /// Names of unknown fields, with the number of lines.
    pub unknown_fields: Vec<(String, u64)>,
    /// Lines with a word that no rule maps: a receipt's status, or a failure of a dial test.
    pub unknown_words: u64,
    /// Facts that were older than their stream's retention.
    pub too_late: u64,
    /// Time from the first byte to the last row.
    pub elapsed: Duration,
}

/// Why a replay failed.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The output cannot be written.
    #[error("cannot write {path}")]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The dataflow did not start or ended early.
    #[error(transparent)]
    Dataflow(#[from] DataflowError),
    /// A thread of the replay is gone.
    #[error("the {0} thread stopped before its work was done")]
    Thread(&'static str),
}

/// Replays files under a plan.
///
/// # Errors
/// Input that cannot be read, output that cannot be written; refused lines are no error. After an
/// error there are no output files of this replay, complete or not. Nor are there when there were
/// lines and none was taken: empty files would look like a quiet day.
pub fn replay(plan: &Arc<Plan>, options: &ReplayOptions) -> Result<ReplaySummary, ReplayError> {
    let started = Instant::now();
    // Before the workers start: a folder that cannot be written must not leave them running.
    let outputs = open_outputs(options, &plan.book)?;
    let config = DataflowConfig {
        workers: options.workers,
        keeps_history: false,
        limits: Limits::default(),
    };
    let Dataflow {
        feed,
        mut cuts,
        queries,
    } = Dataflow::<()>::start(config)?;
    // Nobody asks about windows here.
    drop(queries);
    let input = Input::new(options.inputs.clone());
    let mut taking = Taking {
        plan,
        places: input.places(),
        engine: Engine::new(plan.clone()),
        outputs,
        summary: ReplaySummary::default(),
    };
    let limits = DecodeLimits {
        ts_ms_max: Some(options.now_ms.saturating_add(CLOCK_SKEW_MS_MAX)),
        ..DecodeLimits::default()
    };
    let first_plan = plan.clone();
    let epochs_ahead = options.workers.saturating_sub(1).min(EPOCHS_AHEAD_MAX);
    let ahead = Ahead::new(CHUNKS_AHEAD_MAX + epochs_ahead * CHUNKS_PER_EPOCH);
    let feeder = std::thread::spawn(move || feed_all(input, limits, first_plan, &ahead, feed));
    while let Some((cut, ())) = cuts.next_cut() {
        if let Err(error) = taking.take(cut) {
            // Dropping the cuts waits for the workers, and they for the reader, and that may be
            // waiting for a pipe that says nothing more. The error does not wait for all of them.
            std::thread::spawn(move || drop(cuts));
            return Err(error);
        }
    }
    feeder
        .join()
        .map_err(|_| ReplayError::Thread("reading"))??;
    let mut summary = taking.finish()?;
    summary.too_late = cuts.counts().facts_too_late;
    summary.unknown_fields = cuts
        .unknown_fields()
        .iter()
        .map(|(name, count)| (name.clone(), *count))
        .collect();
    summary.unknown_words = cuts.unknown_words();
    summary.elapsed = started.elapsed();
    Ok(summary)
}

/// Feeds all input, and ends event time behind it; input that fails ends the feed without.
fn feed_all(
    mut input: Input,
    limits: DecodeLimits,
    plan: Arc<Plan>,
    ahead: &Ahead,
    mut feed: Feed<()>,
) -> Result<(), InputError> {
    let mut next = input.next_chunk()?;
    let mut plan = Some(plan);
    while next.is_some() {
        let epoch = EpochInput {
            plan: plan.take(),
            ..EpochInput::default()
        };
        let Some(pile) = feed.begin(epoch, ahead, ()) else {
            return Ok(());
        };
        for _ in 0..CHUNKS_PER_EPOCH {
            let Some(Chunk { lines, first_line }) = next else {
                break;
            };
            let work = Work::Lines {
                lines,
                first_line,
                limits: Some(limits),
                owner: Owner::default(),
            };
            if !pile.add(work) {
                return Ok(());
            }
            next = input.next_chunk()?;
        }
    }
    let end = EpochInput {
        plan,
        end: true,
        ..EpochInput::default()
    };
    feed.submit(end, ());
    Ok(())
}

/// The files of a replay.
struct Outputs {
    kqis: Option<OutputFile>,
    windows: Option<WindowFile>,
    transitions: TransitionFile,
}

/// What becomes of cuts.
struct Taking<'a> {
    plan: &'a Plan,
    places: Places,
    engine: Engine,
    outputs: Outputs,
    summary: ReplaySummary,
}

impl Taking<'_> {
    fn take(&mut self, cut: Cut) -> Result<(), ReplayError> {
        self.summary.events += cut.events;
        for refusal in &cut.refused {
            self.summary.refused += 1;
            if self.summary.refusals.len() < REFUSALS_SHOWN_MAX {
                self.summary.refusals.push(self.places.locate(refusal));
            }
        }
        for effect in self.engine.step(&cut, &[]) {
            if let Effect::Transition(transition) = effect {
                self.outputs.transitions.add(transition);
            }
        }
        match &mut self.outputs.windows {
            Some(windows) => windows.take(self.plan, cut),
            None => Ok(()),
        }
    }

    /// The files get their names only when all are complete.
    fn finish(mut self) -> Result<ReplaySummary, ReplayError> {
        let mut complete: Vec<_> = self.outputs.kqis.into_iter().collect();
        if let Some(windows) = self.outputs.windows {
            let (rows, file) = windows.finish(self.plan)?;
            self.summary.windows = rows;
            complete.push(file);
        }
        let (rows, file) = self.outputs.transitions.finish()?;
        self.summary.transitions = rows;
        complete.extend(file);
        if self.summary.events == 0 && self.summary.refused > 0 {
            return Ok(self.summary);
        }
        for file in complete {
            file.publish()?;
        }
        Ok(self.summary)
    }
}

fn open_outputs(options: &ReplayOptions, book: &RuleBook) -> Result<Outputs, ReplayError> {
    let Some(folder) = &options.out else {
        return Ok(Outputs {
            kqis: None,
            windows: None,
            transitions: TransitionFile::discard(),
        });
    };
    std::fs::create_dir_all(folder).map_err(|source| ReplayError::Output {
        path: folder.clone(),
        source,
    })?;
    let path = |name: &str| Path::new(folder).join(name);
    let windows = match options.alerts_only {
        true => None,
        false => Some(WindowFile::create(path("windows.csv"))?),
    };
    Ok(Outputs {
        kqis: Some(kqi_file(path("kqis.csv"), book)?),
        windows,
        transitions: TransitionFile::create(path("alerts.csv"))?,
    })
}

#[cfg(test)]
mod tests;
