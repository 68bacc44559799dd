//! Files through the same dataflow and engine as live events, on their own time axis, without
//! effects: backtests, bulk checks, benchmarks.
//!
//! Same input and rules give the same bytes, whatever the number of workers: the input is cut into
//! epochs by size alone, and both files are written in an order that only contents decide.

mod input;
mod output;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::dataflow::{Dataflow, DataflowConfig, DataflowError, EpochInput, Limits, Work};
use crate::engine::{Effect, Engine};
use crate::event::{DecodeLimits, Refusal};
use crate::rules::Plan;

pub use input::InputError;
use input::{Chunk, Input};
use output::{TransitionFile, WindowFile};

/// Refusals that a summary quotes.
const REFUSALS_SHOWN_MAX: usize = 10;
/// Chunks in an epoch: enough for every worker to have its share.
const CHUNKS_PER_EPOCH: usize = 8;

/// What to replay, and how.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Worker threads.
    pub workers: usize,
    /// Folder for `windows.csv` and `alerts.csv`; nothing is written without it.
    pub out: Option<PathBuf>,
    /// Leave `windows.csv` out.
    pub alerts_only: bool,
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
/// Input that cannot be read, output that cannot be written; refused lines are no error.
pub fn replay(plan: &Arc<Plan>, options: &ReplayOptions) -> Result<ReplaySummary, ReplayError> {
    let started = Instant::now();
    // Before the workers start: a folder that cannot be written must not leave them running.
    let (mut windows, mut transitions) = open_outputs(options)?;
    let config = DataflowConfig {
        workers: options.workers,
        keeps_history: false,
        limits: Limits::default(),
    };
    let Dataflow {
        mut feed, mut cuts, ..
    } = Dataflow::<()>::start(config)?;
    let mut input = Input::new(options.inputs.clone());
    let places = input.places();

    let (failed_in, failed) = sync_channel(1);
    let first_plan = plan.clone();
    let feeder = std::thread::spawn(move || {
        let mut plan = Some(first_plan);
        loop {
            let mut work = Vec::with_capacity(CHUNKS_PER_EPOCH);
            let mut end = false;
            while work.len() < CHUNKS_PER_EPOCH && !end {
                match input.next_chunk() {
                    Ok(Some(Chunk { lines, first_line })) => {
                        let limits = Some(DecodeLimits::default());
                        work.push(Work::Lines {
                            lines,
                            first_line,
                            limits,
                        });
                    }
                    Ok(None) => end = true,
                    Err(error) => {
                        let _ = failed_in.send(error);
                        return;
                    }
                }
            }
            let epoch = EpochInput {
                now_ms: 0,
                plan: plan.take(),
                work,
                end,
                checkpoint: false,
            };
            if !feed.submit(epoch, ()) || end {
                return;
            }
        }
    });

    let mut engine = Engine::new(plan.clone());
    let mut summary = ReplaySummary::default();
    while let Some((cut, ())) = cuts.next_cut() {
        summary.events += cut.events;
        for refusal in &cut.refused {
            summary.refused += 1;
            if summary.refusals.len() < REFUSALS_SHOWN_MAX {
                summary.refusals.push(places.locate(refusal));
            }
        }
        for effect in engine.step(&cut, &[]) {
            if let Effect::Transition(transition) = effect {
                transitions.add(transition);
            }
        }
        if let Some(windows) = &mut windows {
            windows.take(plan, cut)?;
        }
    }
    feeder.join().map_err(|_| ReplayError::Thread("reading"))?;
    if let Ok(error) = failed.try_recv() {
        return Err(error.into());
    }
    summary.windows = windows.map_or(Ok(0), |windows| windows.finish(plan))?;
    summary.transitions = transitions.finish()?;
    summary.too_late = cuts.counts().facts_too_late;
    summary.unknown_fields = cuts
        .unknown_fields()
        .iter()
        .map(|(name, count)| (name.clone(), *count))
        .collect();
    summary.elapsed = started.elapsed();
    Ok(summary)
}

fn open_outputs(
    options: &ReplayOptions,
) -> Result<(Option<WindowFile>, TransitionFile), ReplayError> {
    let Some(folder) = &options.out else {
        return Ok((None, TransitionFile::discard()));
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
    Ok((windows, TransitionFile::create(path("alerts.csv"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{MINIMAL, plan};

    #[test]
    fn an_output_folder_that_is_a_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (out, input) = (folder.path().join("out"), folder.path().join("in.ndjson"));
        std::fs::write(&out, "").unwrap();
        std::fs::write(&input, "").unwrap();
        let options = ReplayOptions {
            workers: 2,
            out: Some(out.clone()),
            alerts_only: false,
            inputs: vec![input],
        };
        let error = replay(&plan(MINIMAL), &options).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write {}", out.display()));
    }
}
