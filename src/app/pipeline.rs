//! The two threads between the journal and the outside: one feeds epochs to the dataflow, the other
//! lets the engine act on each cut and hands its effects on.
//!
//! Order is everything here: an epoch's notices are in the ledger before the next cut is looked at,
//! and answers and the snapshot go out only after that. Each is a step that can be taken alone, so that a
//! simulation takes the same steps as the threads do.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::app::checkpoints::{Due, head_of};
use crate::app::digests::DigestDesk;
use crate::app::interpret::{Interpreter, Meaning};
use crate::app::rulebook::RuleFiles;
use crate::checkpoint::Head;
use crate::dataflow::{Counts, Cuts, DataflowState, Feed};
use crate::engine::{CommandResult, Effect, Engine, EngineState, JournaledCommand, Snapshot};
use crate::handover::Taker;
use crate::ingest::Attachment;
use crate::journal::Epoch;
use crate::notify::Told;
use crate::reports::ReportTold;

/// What travels with an epoch to its cut.
#[derive(Debug)]
pub struct EpochTag {
    commands: Vec<JournaledCommand>,
    /// A checkpoint is wanted as of this epoch.
    checkpoint: Option<Head>,
}

/// Where effects go.
pub trait Outlet {
    /// Makes an epoch's notices and reports durable; false ends the pipeline.
    fn tell(&mut self, epoch: u64, told: Told) -> bool;
    /// A report was decided, and its mails are durable.
    fn report(&mut self, told: &ReportTold);
    /// An operator's command has been carried out or refused.
    fn answer(&mut self, position: u64, result: CommandResult);
    /// What was decided, for the history.
    fn record(&mut self, commands: &[JournaledCommand], effects: &[Effect], snapshot: &Snapshot);
    /// Everything of this cut is done.
    fn done(&mut self, snapshot: &Snapshot, effects: Vec<Effect>, counts: Counts);
    /// A checkpoint is taken as of this cut: what was decided before it will not be decided again.
    fn keep(&mut self, head: Head, engine: EngineState, dataflow: DataflowState);
}

/// Gives journaled epochs to the dataflow.
pub struct Feeder {
    feed: Feed<EpochTag>,
    interpreter: Interpreter,
    /// Always the texts of the book in force.
    applied: Arc<ArcSwapOption<RuleFiles>>,
    digests: DigestDesk,
}

impl Feeder {
    /// Goes on where `interpreter` and the dataflow behind `feed` are.
    pub fn new(
        feed: Feed<EpochTag>,
        mut interpreter: Interpreter,
        applied: Arc<ArcSwapOption<RuleFiles>>,
        digests: DigestDesk,
    ) -> Feeder {
        interpreter.count_digests(digests.counts());
        Feeder {
            feed,
            interpreter,
            applied,
            digests,
        }
    }

    /// What it has in force.
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// Takes the next epoch; waits while too many are in flight. `is_due` says whether a checkpoint is wanted as
    /// of it, and is asked only where there can be one. False ends the pipeline.
    pub fn take(&mut self, epoch: Epoch<Attachment>, is_due: impl FnOnce() -> bool) -> bool {
        if epoch.epoch != self.feed.next_epoch() {
            tracing::error!(
                epoch = epoch.epoch,
                expected = self.feed.next_epoch(),
                "the journal's epochs do not follow the checkpoint"
            );
            return false;
        }
        let (number, now_ms, next) = (epoch.epoch, epoch.now_ms, epoch.next);
        let is_followed = epoch.is_followed;
        let Meaning {
            mut input,
            commands,
            undigested,
        } = match self.interpreter.read(epoch) {
            Ok(meaning) => meaning,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(epoch = number, error, "the engine cannot go on");
                return false;
            }
        };
        let in_force = self.interpreter.in_force();
        if let (Some(of), Some((plan, _))) = (undigested, in_force) {
            self.digests.offer(of, plan, &input.work);
        }
        if let (Some(_), Some((_, files))) = (&input.plan, in_force) {
            self.applied.store(Some(files.clone()));
        }
        let checkpoint = in_force
            .filter(|_| is_due())
            .map(|(plan, files)| head_of(number, now_ms, next, files.as_ref().clone(), plan));
        input.checkpoint = checkpoint.is_some();
        input.holds_back = is_followed && checkpoint.is_none();
        let tag = EpochTag {
            commands,
            checkpoint,
        };
        self.feed.submit(input, tag)
    }
}

/// Lets the engine act on cuts.
pub struct Actor {
    cuts: Cuts<EpochTag>,
    engine: Engine,
    snapshots: Arc<ArcSwap<Snapshot>>,
    /// The newest epoch of which something is in the ledger.
    told_upto: Option<u64>,
    updates_total: u64,
}

impl Actor {
    /// Goes on where `engine` and the dataflow behind `cuts` are; `told_upto` is the newest epoch of which
    /// something is known to be in the ledger.
    pub fn new(
        cuts: Cuts<EpochTag>,
        engine: Engine,
        snapshots: Arc<ArcSwap<Snapshot>>,
        told_upto: Option<u64>,
    ) -> Actor {
        Actor {
            cuts,
            engine,
            snapshots,
            told_upto,
            updates_total: 0,
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to set its bounds.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// What the operators hold.
    pub fn counts(&self) -> Counts {
        self.cuts.counts()
    }

    /// Updates of windows that it has acted on.
    pub fn updates_total(&self) -> u64 {
        self.updates_total
    }

    /// Acts on the next cut, for which it waits. False ends the pipeline.
    pub fn act(&mut self, outlet: &mut impl Outlet) -> bool {
        let Some((cut, tag)) = self.cuts.next_cut() else {
            return false;
        };
        self.updates_total += cut.updates.len() as u64;
        let effects = self.engine.step(&cut, &tag.commands);
        let mut told = Told::default();
        for effect in &effects {
            match effect {
                Effect::Notice(notice) => told.notices.push((**notice).clone()),
                Effect::Report(report) => told.reports.extend(report.notices()),
                Effect::Feedback(feedback) => told.feedback.push((**feedback).clone()),
                Effect::Transition(_) | Effect::Answer { .. } => {}
            }
        }
        let is_quiet =
            told.notices.is_empty() && told.reports.is_empty() && told.feedback.is_empty();
        if !is_quiet {
            if !outlet.tell(cut.epoch, told) {
                return false;
            }
            self.told_upto = Some(cut.epoch);
        }
        let snapshot = self.engine.snapshot();
        self.snapshots.store(Arc::new(snapshot.clone()));
        for effect in &effects {
            match effect {
                Effect::Answer { position, result } => {
                    outlet.answer(*position, (**result).clone());
                }
                Effect::Report(told) => outlet.report(told),
                Effect::Notice(_) | Effect::Transition(_) | Effect::Feedback(_) => {}
            }
        }
        outlet.record(&tag.commands, &effects, snapshot);
        outlet.done(snapshot, effects, self.cuts.counts());
        if let (Some(head), Some(state)) = (tag.checkpoint, self.cuts.take_state()) {
            let told_upto = self.told_upto;
            outlet.keep(Head { told_upto, ..head }, self.engine.state(), state);
        }
        true
    }
}

/// Feeds journaled epochs to the dataflow until the journal closes.
pub(super) fn feed(epochs: &Taker<Epoch<Attachment>>, mut feeder: Feeder, mut due: Due) {
    while let Some(epoch) = epochs.take() {
        let last = epoch.last;
        if !feeder.take(epoch, || due.now(last)) {
            return;
        }
    }
}

/// Lets the engine act on cuts until the feed ends.
pub(super) fn act(mut actor: Actor, outlet: &mut impl Outlet) {
    while actor.act(outlet) {}
}
