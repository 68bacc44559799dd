//! The two threads between the journal and the outside: one feeds epochs to the dataflow, the other
//! lets the engine act on each cut and hands its effects on.
//!
//! Order is everything here: an epoch's notices are in the ledger before the next cut is looked at,
//! and answers and the snapshot go out only after that.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::alerting::Notice;
use crate::app::checkpoints::{Due, Keeper, head_of};
use crate::app::rulebook::{RuleFiles, plan_of};
use crate::checkpoint::Head;
use crate::dataflow::{Counts, Cuts, EpochInput, Feed, Work};
use crate::engine::{Command, CommandResult, Effect, Engine, JournaledCommand, Snapshot};
use crate::ingest::Attachment;
use crate::journal::{Epoch, Record};
use crate::rules::Plan;

/// What travels with an epoch to its cut.
pub(super) struct EpochTag {
    pub(super) commands: Vec<JournaledCommand>,
    /// A checkpoint is wanted as of this epoch.
    pub(super) checkpoint: Option<Head>,
}

/// Where effects go.
pub(super) trait Outlet {
    /// Makes an epoch's notices durable; false ends the pipeline.
    fn notices(&mut self, epoch: u64, notices: Vec<Notice>) -> bool;
    /// An operator's command has been carried out or refused.
    fn answer(&mut self, position: u64, result: CommandResult);
    /// Everything of this cut is done.
    fn done(&mut self, snapshot: &Snapshot, effects: Vec<Effect>, counts: Counts);
}

/// Feeds journaled epochs to the dataflow until the journal closes; `applied` always holds the texts
/// of the book in force, `plan` begins as what was in force before the first epoch.
pub(super) fn feed(
    epochs: &Receiver<Epoch<Attachment>>,
    mut feed: Feed<EpochTag>,
    applied: &ArcSwapOption<RuleFiles>,
    mut plan: Option<Arc<Plan>>,
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
        let mut work = Vec::new();
        let mut commands = Vec::new();
        let mut changed = false;
        for (position, record, attachment) in epoch.records {
            match &*record {
                Record::Batch { lines, .. } => work.push(match attachment {
                    Some(batch) => Work::Decoded {
                        batch,
                        lines: lines.clone(),
                    },
                    None => Work::Lines {
                        lines: lines.clone(),
                        first_line: 1,
                        limits: None,
                    },
                }),
                Record::Command { at_ms, actor, body } => {
                    match serde_json::from_slice::<Command>(body) {
                        Ok(command) => commands.push(JournaledCommand {
                            position: position.0,
                            at_ms: *at_ms,
                            actor: actor.clone(),
                            command,
                        }),
                        Err(error) => {
                            tracing::error!(position = position.0, %error, "a journaled command is not understood by this version, it is left out");
                        }
                    }
                }
                // The last book of an epoch is in force for the whole of it.
                Record::RuleBook { files, .. } => match plan_of(files, plan.as_deref()) {
                    Ok(new) => {
                        plan = Some(new);
                        changed = true;
                        applied.store(Some(Arc::new(files.clone())));
                    }
                    Err(error) => {
                        tracing::error!(position = position.0, %error, "a journaled rule book is not accepted by this version, the one before stays");
                    }
                },
                Record::Tick { .. } => {}
            }
        }
        let checkpoint = match (&plan, &*applied.load()) {
            (Some(plan), Some(files)) if due.now(epoch.last) => {
                let files = files.as_ref().clone();
                let head = head_of(epoch.epoch, epoch.now_ms, epoch.next, files, plan);
                Some(head)
            }
            _ => None,
        };
        let input = EpochInput {
            now_ms: epoch.now_ms,
            plan: plan.clone().filter(|_| changed),
            work,
            end: false,
            checkpoint: checkpoint.is_some(),
        };
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
    keeper: &Keeper,
) {
    while let Some((cut, tag)) = cuts.next_cut() {
        let effects = engine.step(&cut, &tag.commands);
        let mut notices = Vec::new();
        for effect in &effects {
            if let Effect::Notice(notice) = effect {
                notices.push((**notice).clone());
            }
        }
        if !notices.is_empty() && !outlet.notices(cut.epoch, notices) {
            return;
        }
        let snapshot = engine.snapshot().clone();
        snapshots.store(Arc::new(snapshot));
        for effect in &effects {
            if let Effect::Answer { position, result } = effect {
                outlet.answer(*position, (**result).clone());
            }
        }
        outlet.done(engine.snapshot(), effects, cuts.counts());
        if let (Some(head), Some(state)) = (tag.checkpoint, cuts.take_state()) {
            keeper.keep(head, &engine, state);
        }
    }
}
