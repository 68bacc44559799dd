//! Runs a journal through the dataflow and the engine, epoch by epoch.

use std::sync::Arc;

use bytes::Bytes;
use chrysalis::dataflow::{
    Batches, Counts, Cut, Dataflow, DataflowConfig, Digested, Digester, EpochInput, Limits, Origin,
    Queries, RestoredState, Work,
};
use chrysalis::engine::{Effect, Engine, EngineLimits, SaveError, Snapshot};
use chrysalis::event::{DecodeLimits, Decoder, Unpacker, pack};
use chrysalis::rules::Plan;

use crate::generate::{Epoch, Handing, Journal};

/// What a run told.
pub(crate) struct Outcome {
    pub(crate) cuts: Vec<Cut>,
    /// Effects of each epoch.
    pub(crate) effects: Vec<Vec<Effect>>,
    pub(crate) snapshot: Snapshot,
    pub(crate) counts: Counts,
}

/// Runs a journal; `after` sees every cut, and can ask about windows as of it.
pub(crate) fn run(
    journal: &Journal,
    workers: usize,
    after: impl FnMut(usize, &Cut, &Plan, &Queries),
) -> Outcome {
    run_restarting(journal, &mut |_| workers, &mut |_| false, after)
}

/// [`run`], with a checkpoint and a restart after each epoch for which `restart` says so, each time at
/// the number of workers that `workers` gives.
pub(crate) fn run_restarting(
    journal: &Journal,
    workers: &mut dyn FnMut(usize) -> usize,
    restart: &mut dyn FnMut(usize) -> bool,
    after: impl FnMut(usize, &Cut, &Plan, &Queries),
) -> Outcome {
    run_limited(journal, Bounds::default(), workers, restart, after)
}

/// [`run_restarting`] where nobody asks.
pub(crate) fn run_unasked(
    journal: &Journal,
    mut limits: Bounds,
    workers: &mut dyn FnMut(usize) -> usize,
    restart: &mut dyn FnMut(usize) -> bool,
) -> Outcome {
    limits.unasked = true;
    run_limited(journal, limits, workers, restart, |_, _, _, _| {})
}

/// Bounds of both, put in force at the beginning and after every restart.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) dataflow: Limits,
    pub(crate) engine: EngineLimits,
    /// Nobody asks about windows between epochs, as while a start reads back: what shows only in open ones waits.
    pub(crate) unasked: bool,
}

/// [`run_restarting`] under limits.
pub(crate) fn run_limited(
    journal: &Journal,
    limits: Bounds,
    workers: &mut dyn FnMut(usize) -> usize,
    restart: &mut dyn FnMut(usize) -> bool,
    mut after: impl FnMut(usize, &Cut, &Plan, &Queries),
) -> Outcome {
    let config = |index: usize, workers: &mut dyn FnMut(usize) -> usize| DataflowConfig {
        workers: workers(index),
        keeps_history: true,
        limits: limits.dataflow,
    };
    // Cuts bound first, so dropped last, also when a check fails: workers stop when nobody can write.
    let Dataflow {
        mut cuts,
        mut feed,
        mut queries,
    } = Dataflow::<()>::start(config(0, workers)).unwrap();
    let mut plan: Option<Arc<Plan>> = None;
    let mut engine: Option<Engine> = None;
    let (mut told, mut effects) = (Vec::new(), Vec::new());
    let mut line = 1;
    let mut digester = Digester::default();
    for (index, epoch) in journal.epochs.iter().enumerate() {
        let before = plan.clone();
        let replacing = epoch
            .book
            .as_ref()
            .map(|book| Arc::new(Plan::new(book.clone(), before.as_deref()).unwrap()));
        plan = replacing.clone().or(plan);
        let plan = plan.clone().unwrap();
        let before = before.unwrap_or_else(|| plan.clone());
        let mut work = works(epoch, &plan, &before, &mut line);
        let mut digest = None;
        if index % 3 != 0 {
            // Nor must it show whether what they came to stands in the place of batches.
            let (batches, lines): (Vec<_>, Vec<_>) = work
                .into_iter()
                .partition(|work| !matches!(work, Work::Lines { .. }));
            work = lines;
            let mut bytes = digester.digest(&batches, &plan).unwrap();
            if index % 5 == 0 {
                // What cannot be read after all: its batches are.
                bytes.truncate(bytes.len() - 1);
            }
            digest = Some(Digested {
                bytes: bytes.into(),
                batches: Arc::new(Kept(batches)),
            });
        }
        let checkpoint = restart(index);
        let next = journal.epochs.get(index + 1);
        let is_followed = next.is_some_and(|next| next.book.is_none());
        let input = EpochInput {
            now_ms: epoch.now_ms,
            plan: replacing,
            work,
            digest,
            end: epoch.end,
            checkpoint,
            holds_back: limits.unasked && is_followed && !checkpoint,
        };
        assert!(feed.submit(input, ()));
        let (cut, ()) = cuts.next_cut().unwrap();
        let acting = engine.get_or_insert_with(|| {
            let mut engine = Engine::new(plan.clone());
            engine.set_limits(limits.engine);
            engine
        });
        effects.push(acting.step(&cut, &epoch.commands));
        after(index, &cut, &plan, &queries);
        told.push(cut);
        if let Some(state) = cuts.take_state() {
            // The same epoch counts on, and the plan keeps its numbers.
            assert_eq!(state.epoch(), index as u64);
            let again = Plan::after(plan.book.clone(), &plan.own_lineage()).unwrap();
            let again = Arc::new(again);
            let mut restored = RestoredState::new(state.epoch(), again.clone());
            state.pieces(|piece| restored.take(&piece)).unwrap();
            let mut pieces = Vec::new();
            let acting = engine.as_ref().unwrap();
            let keep = |piece| {
                pieces.push(piece);
                Ok::<(), SaveError>(())
            };
            acting.state().pieces(keep).unwrap();
            let mut saved = Engine::restored(again, pieces.iter().map(Vec::as_slice)).unwrap();
            saved.set_limits(limits.engine);
            assert_eq!(saved.snapshot().alerts, acting.snapshot().alerts);
            assert_eq!(saved.snapshot().triggers, acting.snapshot().triggers);
            engine = Some(saved);
            // In this order, as a running dataflow is dropped.
            drop((feed, queries));
            drop(cuts);
            let resumed = Dataflow::resume(config(index, workers), Some(restored)).unwrap();
            (feed, queries, cuts) = (resumed.feed, resumed.queries, resumed.cuts);
        }
    }
    Outcome {
        cuts: told,
        effects,
        snapshot: engine.unwrap().snapshot().clone(),
        counts: cuts.counts(),
    }
}

/// Batches in memory.
#[derive(Debug)]
struct Kept(Vec<Work>);

impl Batches for Kept {
    fn work(&self) -> Result<Vec<Work>, String> {
        Ok(self.0.clone())
    }
}

/// What was packed under the plan in force is unpacked without them.
#[derive(Debug)]
struct NoLines;

impl Origin for NoLines {
    fn lines(&self) -> Result<Bytes, String> {
        Err("nobody should want them".to_owned())
    }
}

fn works(epoch: &Epoch, plan: &Plan, before: &Plan, line: &mut u64) -> Vec<Work> {
    let mut works = Vec::new();
    for (handing, lines) in &epoch.works {
        let text = Bytes::from(lines.join("\n"));
        let first_line = *line;
        *line += lines.len() as u64;
        let layout = match handing {
            Handing::Lines => {
                works.push(Work::Lines {
                    lines: text,
                    first_line,
                    limits: None,
                    owner: Default::default(),
                });
                continue;
            }
            Handing::Decoded => &plan.layout,
            Handing::DecodedBefore => &before.layout,
        };
        let decoded = Decoder::new(layout.clone(), DecodeLimits::default()).decode(&text);
        works.push(if decoded.batch.layout == plan.layout.version {
            let packed = pack(&decoded.batch).unwrap();
            // Whether a worker unpacks it or it comes as it was decoded must not show.
            if first_line.is_multiple_of(2) {
                Work::Packed {
                    packed: packed.into(),
                    origin: Arc::new(NoLines),
                    owner: Default::default(),
                }
            } else {
                let mut unpacker = Unpacker::default();
                let unpacked = unpacker.unpack(&packed, plan.layout.version);
                Work::Decoded {
                    batch: Arc::new(unpacked.unwrap().whole()),
                    owner: Default::default(),
                }
            }
        } else {
            Work::Lines {
                lines: text,
                first_line,
                limits: None,
                owner: Default::default(),
            }
        });
    }
    works
}

impl Outcome {
    /// Transitions of all epochs, in order.
    pub(crate) fn transitions(&self) -> impl Iterator<Item = &chrysalis::alerting::Transition> {
        self.effects
            .iter()
            .flatten()
            .filter_map(|effect| match effect {
                Effect::Transition(transition) => Some(transition),
                _ => None,
            })
    }

    /// Notices of all epochs, in order.
    pub(crate) fn notices(&self) -> impl Iterator<Item = &chrysalis::alerting::Notice> {
        self.effects
            .iter()
            .flatten()
            .filter_map(|effect| match effect {
                Effect::Notice(notice) => Some(&**notice),
                _ => None,
            })
    }
}
