//! What can go wrong with the journal, told with the file and the place.
//! Not the answers to producers: those are `writer::SubmitError`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cursor::TornTail;
use super::lines::LinesError;
use super::record::Position;

/// Why the journal could not be opened, read or written.
///
/// It can be cloned because a journal that has failed once returns the same error for ever.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// Another process, or another `Journal` in this one, holds the directory.
    #[error("journal {dir} is already in use: {lock} is locked by a running engine")]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
        /// The lock file in it.
        lock: PathBuf,
    },
    /// The file system refused. From `append` or `commit` this is fatal: see [`JournalError::is_fatal`].
    #[error("cannot {action} {path}")]
    Io {
        /// What was being done, as a verb: "read", "sync".
        action: &'static str,
        /// The file or directory it was done to.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// No space. Nothing of the group was kept; the journal can be used again once there is space.
    #[error("no space left to write {path}")]
    Full {
        /// The segment that could not grow or be created.
        path: PathBuf,
    },
    /// Bytes that were once durable are not what was written.
    #[error("journal segment {path} is damaged at offset {offset}: {damage}")]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// The segment was written by a newer Chrysalis.
    #[error(
        "journal segment {path} has format version {found}, this program reads up to {supported}: \
         start the newer program"
    )]
    NewerFormat {
        /// The segment.
        path: PathBuf,
        /// The version in its header.
        found: u32,
        /// The newest version understood here.
        supported: u32,
    },
    /// The record is larger than the journal takes. Nothing was appended.
    #[error("a record of {bytes} bytes is over the limit of {bytes_max}")]
    TooLarge {
        /// Uncompressed size of the record.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Lines that stayed in a journal cannot be read there any more. Nothing was appended.
    #[error(transparent)]
    Lines(#[from] LinesError),
    /// The producer's sequence went back to one that is not known to have been appended. Nothing was
    /// appended.
    #[error(
        "sequence {sequence} is below {newest}, the newest of this producer, and not among the \
         {before} before it that are remembered: nothing was kept; number batches upwards, or \
         begin again under another name"
    )]
    SequenceBack {
        /// The sequence that came.
        sequence: u64,
        /// The newest that was appended.
        newest: u64,
        /// How many before it are remembered.
        before: u64,
    },
    /// The producer's name is another token's. Nothing was appended.
    #[error(
        "Chrysalis-Producer {name:?} belongs to another token, which used it first: nothing was kept; send under a \
         name of your own. It is free again when it is remembered no more (journal.producers_keep_h)"
    )]
    ProducerTaken {
        /// The name.
        name: String,
    },
    /// The producer is new, and there is no room to remember it. Nothing was appended.
    #[error(
        "this producer is new, and {known} are remembered already{}: nothing was kept; who spoke lately is not \
         forgotten for a new name, so that no repeat counts twice. Send under a name that is known, or come \
         back later",
        if *.of_peer { ", with the fair share of its token or address among them" } else { ", as many as may be" }
    )]
    ProducersFull {
        /// Producers remembered.
        known: usize,
        /// Not all the room is used, but the share of the token or address that it came from.
        of_peer: bool,
    },
    /// The position asked for has been cut away by retention.
    #[error("journal position {asked} is gone: the oldest kept is {first}")]
    Gone {
        /// What was asked for.
        asked: Position,
        /// The oldest record kept.
        first: Position,
    },
    /// The journal ends before what is known to have been in it: it is not the one that the checkpoint
    /// is of, or its newest segments are missing.
    #[error(
        "journal {dir} ends below record {next}, but the checkpoint is of record {asked}: its newest \
         segments are missing, or it is another journal; put them back, or restore both from one backup{}",
        half_written(.torn)
    )]
    Short {
        /// The journal's directory.
        dir: PathBuf,
        /// Where the checkpoint ends.
        asked: Position,
        /// Where the journal ends.
        next: Position,
        /// What is there of the next record.
        torn: Option<TornTail>,
    },
    /// A limit in the configuration cannot work.
    #[error("journal setting {name} = {value} must be {rule}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: u64,
        /// What it must be.
        rule: String,
    },
}

/// What the newest segment ends with, if that is no whole record.
fn half_written(torn: &Option<TornTail>) -> String {
    match torn {
        Some(torn) => format!(
            ". The {} bytes of {} from offset {} on are no whole record: they were, so the file is damaged. \
             Nothing was changed",
            torn.bytes,
            torn.path.display(),
            torn.offset
        ),
        None => String::new(),
    }
}

/// What is wrong with a place in a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The first 64 bytes are not a segment header.
    #[error("the header does not check")]
    Header,
    /// The header names another first record than the file name.
    #[error("the header says its first record is {found}, the file name says otherwise")]
    Name {
        /// What the header says.
        found: Position,
    },
    /// The header does not continue what the segment before ended with.
    #[error("it does not continue the segment before, which ends below record {expected}")]
    Gap {
        /// Where the segment before ends.
        expected: Position,
    },
    /// A frame's length cannot be.
    #[error("a record cannot be {bytes} bytes long")]
    Length {
        /// The length found.
        bytes: u32,
    },
    /// A frame's checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// The file ends inside a frame.
    #[error("the file ends inside a record")]
    Cut,
    /// A whole frame, but not the one that belongs here.
    #[error("record {found} stands where record {expected} belongs")]
    Order {
        /// The frame's own position.
        found: Position,
        /// The position that belongs here.
        expected: Position,
    },
    /// A whole frame whose content is no record.
    #[error("the record does not decode: {reason}")]
    Body {
        /// What the decoder said.
        reason: String,
    },
}

impl JournalError {
    /// True when the journal that returned this must not be used again: only restarting, which
    /// reads back what the disk really holds, tells what is durable.
    pub fn is_fatal(&self) -> bool {
        !matches!(
            self,
            Self::Full { .. }
                | Self::TooLarge { .. }
                | Self::Lines(_)
                | Self::SequenceBack { .. }
                | Self::ProducerTaken { .. }
                | Self::ProducersFull { .. }
        )
    }

    /// What it means that the journal ended with this.
    pub(super) fn meaning_at_the_end(&self) -> &'static str {
        if matches!(self, Self::Full { .. }) {
            return "the journal ends on a full disk: all that was acknowledged is in it, and its last epoch, which did \
                    not fit, is closed by the next start; make room before";
        }
        "the journal has failed: what it holds is not certain until it is opened again, so the engine ends"
    }

    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    pub(super) fn damaged(path: &Path, offset: u64, damage: Damage) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            offset,
            damage,
        }
    }
}

/// True for the errors that mean "no space": the disk's, or the user's quota.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
