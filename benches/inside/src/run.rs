//! A dataflow under a book, fed one epoch at a time, with the clocks that rows are made of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use chrysalis::dataflow::{
    Cuts, Dataflow, DataflowConfig, DataflowState, EpochInput, Feed, Limits, Work,
};
use chrysalis::engine::Engine;
use chrysalis::rules::{Plan, RuleBook, parse};
use rustix::time::{ClockId, clock_gettime};

/// Bytes of lines in one piece of work: as much as `replay` reads at once.
const PIECE_BYTES: usize = 2 * 1024 * 1024;

/// A running dataflow with its engine, as `serve` has them: tuple panes are kept.
pub(crate) struct Run {
    feed: Feed<()>,
    cuts: Cuts<()>,
    engine: Engine,
    plan: Option<Arc<Plan>>,
}

/// What an epoch took.
pub(crate) struct Took {
    /// From handing it in to its cut.
    pub(crate) dataflow: Duration,
    /// The engine's step.
    pub(crate) engine: Duration,
    /// Windows that were told.
    pub(crate) windows: usize,
    /// The state, where it was wanted.
    pub(crate) state: Option<DataflowState>,
}

impl Run {
    pub(crate) fn start(book: RuleBook, workers: usize) -> Result<Run> {
        let plan = Arc::new(Plan::new(Arc::new(book), None)?);
        let config = DataflowConfig {
            workers,
            keeps_history: true,
            limits: Limits {
                groups_max: 4_000_000,
                ..Limits::default()
            },
        };
        let Dataflow { feed, cuts, .. } = Dataflow::start(config)?;
        Ok(Run {
            feed,
            cuts,
            engine: Engine::new(plan.clone()),
            plan: Some(plan),
        })
    }

    /// Feeds lines as one epoch and waits until the engine has acted on it.
    pub(crate) fn epoch(&mut self, lines: String, checkpoint: bool) -> Result<Took> {
        let work = pieces(lines).map(|lines| Work::Lines {
            lines,
            first_line: 1,
            limits: None,
            owner: Default::default(),
        });
        self.give(work.collect(), checkpoint)
    }

    /// The same with work that was prepared.
    pub(crate) fn give(&mut self, work: Vec<Work>, checkpoint: bool) -> Result<Took> {
        let input = EpochInput {
            plan: self.plan.take(),
            work,
            checkpoint,
            ..EpochInput::default()
        };
        let began = Instant::now();
        if !self.feed.submit(input, ()) {
            bail!("the dataflow takes nothing more");
        }
        let (cut, ()) = self.cuts.next_cut().context("the dataflow has ended")?;
        let dataflow = began.elapsed();
        if let Some(refusal) = cut.refused.first() {
            bail!("a line is refused: {}", refusal.reason);
        }
        let began = Instant::now();
        let _effects = self.engine.step(&cut, &[]);
        Ok(Took {
            dataflow,
            engine: began.elapsed(),
            windows: cut.updates.len(),
            state: self.cuts.take_state(),
        })
    }

    /// What the operators hold.
    pub(crate) fn counts(&self) -> chrysalis::dataflow::Counts {
        self.cuts.counts()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Stops the workers, in the order in which they can be.
    pub(crate) fn stop(self) {
        let Run { feed, cuts, .. } = self;
        drop(feed);
        drop(cuts);
    }
}

/// A book from its text.
pub(crate) fn book(text: &str) -> Result<RuleBook> {
    let (book, problems) = parse(&[("bench.yaml".to_owned(), text.to_owned())]);
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    book.with_context(|| words.join("\n"))
}

fn pieces(lines: String) -> impl Iterator<Item = Bytes> {
    let mut rest = Bytes::from(lines);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let from = PIECE_BYTES.min(rest.len());
        let end = rest[from..].iter().position(|byte| *byte == b'\n');
        Some(rest.split_to(end.map_or(rest.len(), |end| from + end + 1)))
    })
}

/// Time of all threads of this process on the cores, ns: neighbours do not show in it.
pub(crate) fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Resident memory, bytes.
pub(crate) fn resident_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text
        .split_whitespace()
        .nth(1)
        .context("no second field in statm")?
        .parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}
