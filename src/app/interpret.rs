//! What an epoch of the journal means: work for the dataflow, commands for the engine, a rule book.
//!
//! Pure, so that a simulation reads journals as the running engine does.

use std::sync::Arc;

use crate::app::rulebook::{RuleFiles, plan_of};
use crate::dataflow::{EpochInput, Work};
use crate::engine::{Command, JournaledCommand};
use crate::ingest::Attachment;
use crate::journal::{Epoch, Position, Record};
use crate::rules::Plan;

/// Reads epochs in order; knows the rule book in force.
#[derive(Default)]
pub struct Interpreter {
    in_force: Option<(Arc<Plan>, Arc<RuleFiles>)>,
}

/// What one epoch means.
pub struct Meaning {
    /// For the dataflow.
    pub input: EpochInput,
    /// For the engine.
    pub commands: Vec<JournaledCommand>,
}

impl Interpreter {
    /// Goes on with a plan, and its texts, that came into force earlier.
    pub fn with(plan: Arc<Plan>, files: RuleFiles) -> Interpreter {
        Interpreter {
            in_force: Some((plan, Arc::new(files))),
        }
    }

    /// The plan in force and its texts; none before the journal's first book.
    pub fn in_force(&self) -> Option<&(Arc<Plan>, Arc<RuleFiles>)> {
        self.in_force.as_ref()
    }

    /// Reads the next epoch. What this version does not understand is left out, loudly.
    pub fn read(&mut self, epoch: Epoch<Attachment>) -> Meaning {
        let mut input = EpochInput {
            now_ms: epoch.now_ms,
            ..EpochInput::default()
        };
        let mut commands = Vec::new();
        for (position, record, attachment) in epoch.records {
            match &*record {
                Record::Batch { lines, .. } => input.work.push(match attachment {
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
                    commands.extend(command(position, *at_ms, actor, body));
                }
                // The last book of an epoch is in force for the whole of it.
                Record::RuleBook { files, .. } => {
                    let before = self.in_force.as_ref().map(|(plan, _)| &**plan);
                    match plan_of(files, before) {
                        Ok(plan) => {
                            self.in_force = Some((plan.clone(), Arc::new(files.clone())));
                            input.plan = Some(plan);
                        }
                        Err(error) => {
                            tracing::error!(position = position.0, %error, "a journaled rule book is not accepted by this version, the one before stays");
                        }
                    }
                }
                Record::Tick { .. } => {}
            }
        }
        Meaning { input, commands }
    }
}

fn command(position: Position, at_ms: i64, actor: &str, body: &[u8]) -> Option<JournaledCommand> {
    match serde_json::from_slice::<Command>(body) {
        Ok(command) => Some(JournaledCommand {
            position: position.0,
            at_ms,
            actor: actor.to_owned(),
            command,
        }),
        Err(error) => {
            tracing::error!(position = position.0, %error, "a journaled command is not understood by this version, it is left out");
            None
        }
    }
}
