//! The two threads between the journal and the outside: one feeds epochs to the dataflow, the other
//! lets the engine act on each cut and hands its effects on.
//!
//! Order is everything here: an epoch's notices are in the ledger before the next cut is looked at,
//! and answers and the snapshot go out only after that.

use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::app::checkpoints::{Due, Keeper, head_of};
use crate::app::interpret::{Interpreter, Meaning};
use crate::app::rulebook::RuleFiles;
use crate::checkpoint::Head;
use crate::dataflow::{Counts, Cuts, Feed};
use crate::engine::{CommandResult, Effect, Engine, JournaledCommand, Snapshot};
use crate::ingest::Attachment;
use crate::journal::Epoch;
use crate::notify::Told;
use crate::reports::ReportTold;

/// What travels with an epoch to its cut.
pub(super) struct EpochTag {
    pub(super) commands: Vec<JournaledCommand>,
    /// A checkpoint is wanted as of this epoch.
    pub(super) checkpoint: Option<Head>,
}

/// Where effects go.
pub(super) trait Outlet {
    /// Makes an epoch's notices and reports durable; false ends the pipeline.
    fn tell(&mut self, epoch: u64, told: Told) -> bool;
    /// A report was decided, and its mails are durable.
    fn report(&mut self, told: &ReportTold);
    /// An operator's command has been carried out or refused.
    fn answer(&mut self, position: u64, result: CommandResult);
    /// What was decided, for the history.
    fn record(&mut self, commands: &[JournaledCommand], effects: &[Effect], snapshot: &Snapshot);
    /// A checkpoint is taken as of this cut: what was decided before it will not be decided again. Tells what must be
    /// durable before the checkpoint is, or why it cannot be.
    fn mark(&mut self, epoch: u64) -> anyhow::Result<Option<File>>;
    /// Everything of this cut is done.
    fn done(&mut self, snapshot: &Snapshot, effects: Vec<Effect>, counts: Counts);
}

/// Feeds journaled epochs to the dataflow until the journal closes; `applied` always holds the texts
/// of the book in force.
pub(super) fn feed(
    epochs: &Receiver<Epoch<Attachment>>,
    mut feed: Feed<EpochTag>,
    applied: &ArcSwapOption<RuleFiles>,
    mut interpreter: Interpreter,
    mut due: Due,
) {
    while let Ok(epoch) = epochs.recv() {
        if epoch.epoch != feed.next_epoch() {
            tracing::error!(
                epoch = epoch.epoch,
                expected = feed.next_epoch(),
                "the journal's epochs do not follow the checkpoint"
            );
            return;
        }
        let (number, now_ms, next, last) = (epoch.epoch, epoch.now_ms, epoch.next, epoch.last);
        let Meaning {
            mut input,
            commands,
        } = match interpreter.read(epoch) {
            Ok(meaning) => meaning,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(epoch = number, error, "the engine cannot go on");
                return;
            }
        };
        let in_force = interpreter.in_force();
        if let (Some(_), Some((_, files))) = (&input.plan, in_force) {
            applied.store(Some(files.clone()));
        }
        let checkpoint = in_force
            .filter(|_| due.now(last))
            .map(|(plan, files)| head_of(number, now_ms, next, files.as_ref().clone(), plan));
        input.checkpoint = checkpoint.is_some();
        let tag = EpochTag {
            commands,
            checkpoint,
        };
        if !feed.submit(input, tag) {
            return;
        }
    }
}

/// Lets the engine act on cuts until the feed ends.
pub(super) fn act(
    mut cuts: Cuts<EpochTag>,
    mut engine: Engine,
    snapshots: &ArcSwap<Snapshot>,
    outlet: &mut impl Outlet,
    mut keeper: Keeper,
) {
    while let Some((cut, tag)) = cuts.next_cut() {
        let effects = engine.step(&cut, &tag.commands);
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
                return;
            }
            keeper.told_upto = Some(cut.epoch);
        }
        let snapshot = engine.snapshot().clone();
        snapshots.store(Arc::new(snapshot));
        for effect in &effects {
            match effect {
                Effect::Answer { position, result } => {
                    outlet.answer(*position, (**result).clone());
                }
                Effect::Report(told) => outlet.report(told),
                Effect::Notice(_) | Effect::Transition(_) | Effect::Feedback(_) => {}
            }
        }
        outlet.record(&tag.commands, &effects, engine.snapshot());
        outlet.done(engine.snapshot(), effects, cuts.counts());
        if let (Some(head), Some(state)) = (tag.checkpoint, cuts.take_state()) {
            let exported = outlet.mark(cut.epoch);
            keeper.keep(head, engine.state(), state, exported);
        }
    }
}
