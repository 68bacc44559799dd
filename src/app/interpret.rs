//! What an epoch of the journal means: work for the dataflow, commands for the engine, a rule book.
//!
//! Pure, so that a simulation reads journals as the running engine does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use thiserror::Error;

use crate::app::digests::DigestCounts;
use crate::app::rulebook::{RuleFiles, plan_of};
use crate::dataflow::{Batches, Digested, EpochInput, Origin, Owner, Work, is_digest_under};
use crate::engine::{Command, JournaledCommand};
use crate::event::is_packed_under;
use crate::ingest::Attachment;
use crate::journal::{
    Digest, Epoch, JournalError, Lines, LinesError, Position, Record, Undigested,
};
use crate::rules::Plan;

/// Reads epochs in order; knows the rule book in force.
#[derive(Default)]
pub struct Interpreter {
    in_force: Option<(Arc<Plan>, Arc<RuleFiles>)>,
    digests: Arc<DigestCounts>,
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

/// The batches that a digest stands for, where the journal has them.
#[derive(Debug)]
struct KeptBatches {
    epoch: u64,
    digest: Digest,
    layout: u64,
    counts: Arc<DigestCounts>,
    /// It has been told: each worker may want them.
    is_counted: AtomicBool,
}

impl Batches for KeptBatches {
    fn work(&self) -> Result<Vec<Work>, String> {
        if !self.is_counted.swap(true, Ordering::Relaxed) {
            let epoch = self.epoch;
            tracing::warn!(
                epoch,
                "a digest is not what its first bytes say: its epoch is read"
            );
            DigestCounts::add(&self.counts.unreadable);
        }
        let records = self.digest.records().map_err(|error| error.to_string())?;
        let work = records.into_iter().filter_map(|(position, record)| {
            work_of(position, &record, None, Some(self.layout)).transpose()
        });
        let work: Result<_, _> = work.collect();
        work.map_err(|error| error.to_string())
    }
}

/// Why an epoch cannot be read.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// One of its batches.
    #[error(transparent)]
    Batch(#[from] UnreadableBatch),
    /// What a digest stands for, which is of another layout.
    #[error("the batches of an epoch cannot be read")]
    Epoch(#[from] JournalError),
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
    /// Whose digest may be written: it came in just now, and is nothing but batches.
    pub undigested: Option<Undigested>,
}

impl Interpreter {
    /// Goes on with a plan, and its texts, that came into force earlier.
    pub fn with(plan: Arc<Plan>, files: RuleFiles) -> Interpreter {
        Interpreter {
            in_force: Some((plan, Arc::new(files))),
            digests: Arc::default(),
        }
    }

    /// Lets it count there which digests were of no use.
    pub(super) fn count_digests(&mut self, counts: Arc<DigestCounts>) {
        self.digests = counts;
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
    pub fn read(&mut self, mut epoch: Epoch<Attachment>) -> Result<Meaning, Unreadable> {
        let mut input = EpochInput {
            now_ms: epoch.now_ms,
            ..EpochInput::default()
        };
        if let Some(digest) = epoch.digest.take() {
            let plan = self.in_force.as_ref().map(|(plan, _)| plan);
            if let Some(plan) = plan.filter(|plan| is_digest_under(digest.bytes(), plan)) {
                input.digest = Some(Digested {
                    bytes: digest.bytes().clone(),
                    batches: Arc::new(KeptBatches {
                        epoch: epoch.epoch,
                        digest,
                        layout: plan.layout.version,
                        counts: self.digests.clone(),
                        is_counted: AtomicBool::new(false),
                    }),
                });
            } else {
                DigestCounts::add(&self.digests.foreign);
                let records = digest.records()?.into_iter();
                epoch.records = records.map(|(at, record)| (at, record, None)).collect();
            }
        }
        let first = epoch.records.first().map(|(position, ..)| *position);
        let is_batch =
            |(_, record, _): &(_, Arc<Record>, _)| matches!(**record, Record::Batch { .. });
        let undigested = first
            .filter(|_| epoch.records.iter().all(is_batch))
            .map(|first| Undigested {
                epoch: epoch.epoch,
                first,
                next: epoch.next,
                seal: epoch.seal,
            });
        let (mut commands, mut batches) = (Vec::new(), Vec::new());
        for (position, record, attachment) in epoch.records {
            match &*record {
                // Under the book that is in force at the epoch's end.
                Record::Batch { .. } => batches.push((position, record, attachment)),
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
        let layout = self.layout_in_force();
        for (position, record, attachment) in batches {
            let work = work_of(position, &record, attachment, layout)?;
            input.work.extend(work);
        }
        Ok(Meaning {
            input,
            commands,
            undigested,
        })
    }

    fn layout_in_force(&self) -> Option<u64> {
        let in_force = self.in_force.as_ref();
        in_force.map(|(plan, _)| plan.layout.version)
    }
}

/// What there is to count in a batch, under the layout in force; `None` of what is no batch.
fn work_of(
    position: Position,
    record: &Record,
    attachment: Attachment,
    layout: Option<u64>,
) -> Result<Option<Work>, UnreadableBatch> {
    let Record::Batch {
        producer,
        sender,
        lines,
        decoded,
        ..
    } = record
    else {
        return Ok(None);
    };
    let name = producer.as_ref().map(|(name, _)| name.as_str());
    let owner = Owner::of(sender.as_deref(), name);
    let batch = attachment.filter(|batch| Some(batch.layout) == layout);
    let is_packed = |packed: &&Bytes| layout.is_some_and(|of| is_packed_under(packed, of));
    let packed = decoded.as_ref().filter(is_packed).cloned();
    Ok(Some(match (batch, packed) {
        (Some(batch), _) => Work::Decoded { batch, owner },
        (None, Some(packed)) => Work::Packed {
            packed,
            origin: Arc::new(KeptLines {
                position,
                lines: lines.clone(),
            }),
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
    }))
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
    use crate::journal::{LineFormat, Seal};
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
            seal: Seal::default(),
            digest: None,
            is_followed: false,
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
