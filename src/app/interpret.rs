//! What an epoch of the journal means: work for the dataflow, commands for the engine, a rule book.
//!
//! Pure, so that a simulation reads journals as the running engine does.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::app::rulebook::{RuleFiles, plan_of};
use crate::dataflow::{EpochInput, Origin, Owner, Work};
use crate::engine::{Command, JournaledCommand};
use crate::event::is_packed_under;
use crate::ingest::Attachment;
use crate::journal::{Epoch, Lines, LinesError, Position, Record};
use crate::rules::Plan;

/// Reads epochs in order; knows the rule book in force.
#[derive(Default)]
pub struct Interpreter {
    in_force: Option<(Arc<Plan>, Arc<RuleFiles>)>,
}

/// The lines of a batch that the dataflow unpacks.
#[derive(Debug)]
struct KeptLines {
    position: Position,
    lines: Lines,
}

impl Origin for KeptLines {
    fn lines(&self) -> Result<Bytes, String> {
        let unreadable = |source| UnreadableBatch {
            position: self.position,
            source,
        };
        let plain = self.lines.plain().map_err(unreadable);
        plain.map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })
    }
}

/// A batch of the journal has neither what it was decoded to nor lines that can be unpacked.
#[derive(Debug, Error)]
#[error("the batch at journal position {position} cannot be read")]
pub struct UnreadableBatch {
    /// Where it is.
    pub position: Position,
    /// Why.
    #[source]
    pub source: LinesError,
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

    /// Reads the next epoch. Commands and books that this version does not understand are left out,
    /// loudly.
    ///
    /// # Errors
    /// A batch cannot be read: without it nothing that comes after is right.
    pub fn read(&mut self, epoch: Epoch<Attachment>) -> Result<Meaning, UnreadableBatch> {
        let mut input = EpochInput {
            now_ms: epoch.now_ms,
            ..EpochInput::default()
        };
        let (mut commands, mut batches) = (Vec::new(), Vec::new());
        for (position, record, attachment) in epoch.records {
            match &*record {
                Record::Batch {
                    producer,
                    sender,
                    lines,
                    decoded,
                    ..
                } => {
                    let name = producer.as_ref().map(|(name, _)| name.as_str());
                    let owner = Owner::of(sender.as_deref(), name);
                    let lines = lines.clone();
                    batches.push((position, owner, lines, decoded.clone(), attachment));
                }
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
        for (position, owner, lines, decoded, attachment) in batches {
            let layout = self.layout_in_force();
            let batch = attachment.filter(|batch| Some(batch.layout) == layout);
            let is_packed = |packed: &Bytes| layout.is_some_and(|of| is_packed_under(packed, of));
            input.work.push(match (batch, decoded.filter(is_packed)) {
                (Some(batch), _) => Work::Decoded { batch, owner },
                (None, Some(packed)) => Work::Packed {
                    packed,
                    origin: Arc::new(KeptLines { position, lines }),
                    owner,
                },
                // They were decoded before a reload, or nobody kept what they were decoded to.
                (None, None) => Work::Lines {
                    lines: lines
                        .plain()
                        .map_err(|source| UnreadableBatch { position, source })?,
                    first_line: 1,
                    limits: None,
                    owner,
                },
            });
        }
        Ok(Meaning { input, commands })
    }

    fn layout_in_force(&self) -> Option<u64> {
        let in_force = self.in_force.as_ref();
        in_force.map(|(plan, _)| plan.layout.version)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Batch, DecodeLimits, Decoder, Unpacker, pack};
    use crate::journal::LineFormat;
    use crate::rules::testing::{MINIMAL, plan};

    const LINES: &str = r#"{"type":"gauge","ts":1,"name":"a","value":1}"#;

    fn decoded(plan: &Plan) -> Batch {
        let mut decoder = Decoder::new(plan.layout.clone(), DecodeLimits::default());
        decoder.decode(LINES.as_bytes()).batch
    }

    /// What becomes of one batch of the journal, in an epoch under `MINIMAL`.
    fn work(attachment: Option<Batch>, packed: Option<Batch>) -> Work {
        let mut interpreter = Interpreter::with(plan(MINIMAL), Vec::new());
        let record = Record::Batch {
            producer: None,
            sender: None,
            received_ms: 0,
            format: LineFormat::Ndjson,
            events: 1,
            lines: LINES.as_bytes().into(),
            decoded: packed.and_then(|batch| pack(&batch)).map(Bytes::from),
        };
        let epoch = Epoch {
            epoch: 0,
            now_ms: 0,
            records: vec![(Position(0), Arc::new(record), attachment.map(Arc::new))],
            next: Position(1),
            last: false,
        };
        interpreter.read(epoch).unwrap().input.work.remove(0)
    }

    #[test]
    fn what_was_decoded_under_the_layout_in_force_is_not_decoded_again() {
        let own = decoded(&plan(MINIMAL));
        let mut other = own.clone();
        other.layout ^= 1;
        for (attachment, packed) in [
            (Some(own.clone()), None),
            (Some(other.clone()), Some(own.clone())),
            (None, Some(own.clone())),
        ] {
            let batch = match work(attachment, packed) {
                Work::Decoded { batch, .. } => (*batch).clone(),
                Work::Packed { packed, origin, .. } => {
                    assert_eq!(origin.lines().unwrap(), LINES, "they stand behind it");
                    let mut unpacker = Unpacker::default();
                    unpacker.unpack(&packed, own.layout).unwrap().whole()
                }
                Work::Lines { .. } => panic!("it is decoded again"),
            };
            assert_eq!(batch, own);
        }
        for (attachment, packed) in [(None, None), (Some(other.clone()), Some(other))] {
            let Work::Lines { lines, .. } = work(attachment, packed) else {
                panic!("it is taken as it was decoded");
            };
            assert_eq!(lines, LINES);
        }
    }
}
