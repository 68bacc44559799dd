//! What the journal holds: the closed list of records and their bytes. Not how the bytes are
//! framed or stored, and not what an event line means: lines and commands are opaque here.
//!
//! * A record decodes to exactly what was encoded; lines are kept verbatim.
//! * The uncompressed length is checked before memory is taken for it.
//! * A variant or field is never reordered or removed within a format version.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::lines::{Lines, Packing, Whence};

/// The largest record of the format, uncompressed. A property of the format and not a setting, so
/// that lowering a setting never makes an old journal unreadable.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// What a record costs beside its text, in the limits on queues: headers, reply, bookkeeping.
const RECORD_OVERHEAD_BYTES: usize = 256;

/// The sequence number of a record, counted from 0 since the journal began. Never reused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Position(
    /// Records before this one.
    pub u64,
);

impl Position {
    /// The position after this one. A number from a damaged file may be the last there is.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How the lines of a batch are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineFormat {
    /// One JSON event a line, as `POST /v1/events` takes them.
    Ndjson,
}

/// One thing the engine was told. Everything it ever decides is a function of these, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The accepted lines of one request, file slice or poll.
    Batch {
        /// Who sent it and its own number for it, for safe retries; `None` cannot be retried safely.
        producer: Option<(String, u64)>,
        /// The name of the token under which it came; `None` where the server asks for none.
        sender: Option<String>,
        /// When it was received, wall clock, epoch milliseconds.
        received_ms: i64,
        /// How `lines` is written.
        format: LineFormat,
        /// How many events `lines` holds.
        events: u64,
        /// The accepted lines, verbatim.
        lines: Lines,
        /// What they were decoded to, packed by who sent them in: opaque here, and not needed, for the
        /// lines say it all. It is only quicker.
        decoded: Option<Bytes>,
    },
    /// A command of an operator.
    Command {
        /// When it was given, wall clock, epoch milliseconds.
        at_ms: i64,
        /// Who gave it.
        actor: String,
        /// The command as JSON, opaque here.
        body: Vec<u8>,
    },
    /// A rule book, whole.
    RuleBook {
        /// When it was put in force, wall clock, epoch milliseconds.
        at_ms: i64,
        /// Path and text of each file, in the order they are read.
        files: Vec<(String, String)>,
    },
    /// Closes an epoch: the records since the tick before belong to it.
    Tick {
        /// The number of the epoch closed here.
        epoch: u64,
        /// The engine's clock from here on, epoch milliseconds; never goes back.
        now_ms: i64,
    },
}

impl Record {
    /// Events in the record: 0 for all but batches.
    pub fn events(&self) -> u64 {
        match self {
            Self::Batch { events, .. } => *events,
            Self::Command { .. } | Self::RuleBook { .. } | Self::Tick { .. } => 0,
        }
    }

    /// Uncompressed bytes of text in the record: what [`RECORD_BYTES_MAX`] limits.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Batch {
                producer,
                sender,
                lines,
                ..
            } => {
                let name = producer.as_ref().map_or(0, |(name, _)| name.len());
                lines.len() + name + sender.as_ref().map_or(0, String::len)
            }
            Self::Command { actor, body, .. } => actor.len() + body.len(),
            // Sixteen for the lengths of a pair, so that many empty files are not free.
            Self::RuleBook { files, .. } => files
                .iter()
                .map(|(path, text)| path.len() + text.len() + 16)
                .sum(),
            Self::Tick { .. } => 0,
        }
    }

    /// What the record counts for in limits on memory: its text, what that was decoded to, and a fixed
    /// share for the rest.
    pub fn weight_bytes(&self) -> usize {
        let decoded = match self {
            Self::Batch { decoded, .. } => decoded.as_ref().map_or(0, Bytes::len),
            Self::Command { .. } | Self::RuleBook { .. } | Self::Tick { .. } => 0,
        };
        self.text_bytes() + decoded + RECORD_OVERHEAD_BYTES
    }
}

/// The part of a record that goes through postcard. Lines and command bodies follow it as they are:
/// serde would copy them byte by byte.
#[derive(Debug, Serialize, Deserialize)]
enum Head<'a> {
    #[serde(borrow)]
    Batch(BatchHead<'a>),
    Command {
        at_ms: i64,
        actor: &'a str,
    },
    RuleBook {
        at_ms: i64,
        #[serde(borrow)]
        files: Vec<(&'a str, &'a str)>,
    },
    Tick {
        epoch: u64,
        now_ms: i64,
    },
    /// A batch with what its lines were decoded to, which comes before them, and how many bytes that takes.
    DecodedBatch(#[serde(borrow)] BatchHead<'a>, u64),
    /// A batch that came under a token, by the token's name; with the bytes of what its lines were decoded to, where
    /// that is there.
    SentBatch(&'a str, #[serde(borrow)] BatchHead<'a>, Option<u64>),
}

/// What is written of a batch before its lines.
#[derive(Debug, Serialize, Deserialize)]
struct BatchHead<'a> {
    #[serde(borrow)]
    producer: Option<(&'a str, u64)>,
    received_ms: i64,
    format: LineFormat,
    events: u64,
    lines_bytes: u64,
    packing: Packing,
}

/// What is behind the head of a record that is read.
enum Rest<'a> {
    /// Bytes that the record shares.
    Shared(Bytes),
    /// Bytes that will be others: what is wanted of them is copied, and lines that are not wanted stay in the journal.
    Passing(&'a [u8], Whence),
}

impl Rest<'_> {
    fn len(&self) -> usize {
        match self {
            Rest::Shared(bytes) => bytes.len(),
            Rest::Passing(bytes, _) => bytes.len(),
        }
    }

    /// The first so many bytes, which are no longer in it.
    fn split_to(&mut self, bytes: usize) -> Bytes {
        match self {
            Rest::Shared(rest) => rest.split_to(bytes),
            Rest::Passing(rest, _) => {
                let (first, left) = rest.split_at(bytes);
                *rest = left;
                Bytes::copy_from_slice(first)
            }
        }
    }
}

impl BatchHead<'_> {
    /// The record, with its lines as they are packed.
    fn record(
        self,
        sender: Option<&str>,
        decoded_bytes: Option<u64>,
        mut rest: Rest<'_>,
    ) -> Result<Record, String> {
        let decoded = match decoded_bytes {
            None => None,
            Some(bytes) => {
                let split = usize::try_from(bytes).ok();
                let split = split.filter(|bytes| *bytes <= rest.len());
                let split =
                    split.ok_or_else(|| format!("{bytes} decoded bytes in {}", rest.len()))?;
                Some(rest.split_to(split))
            }
        };
        let (packing, bytes) = (self.packing, self.lines_bytes);
        let lines = match rest {
            Rest::Shared(rest) => Lines::kept(packing, bytes, rest)?,
            Rest::Passing(_, whence) if decoded.is_some() => Lines::apart(packing, bytes, whence)?,
            Rest::Passing(rest, _) => Lines::kept(packing, bytes, Bytes::copy_from_slice(rest))?,
        };
        Ok(Record::Batch {
            producer: self
                .producer
                .map(|(name, sequence)| (name.to_owned(), sequence)),
            sender: sender.map(str::to_owned),
            received_ms: self.received_ms,
            format: self.format,
            events: self.events,
            lines,
            decoded,
        })
    }
}

/// A record's bytes, ready to be framed. Made on the submitting thread, because compression is the
/// dear part and the journal's one thread is the scarce one.
#[derive(Debug)]
pub struct Encoded {
    pub(super) body: Vec<u8>,
    pub(super) summary: Summary,
}

/// What the journal itself keeps count of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) events: u64,
    /// Epoch and time, when the record is a tick.
    pub(super) tick: Option<(u64, i64)>,
}

/// Encodes a record of at most `bytes_max` bytes of text (and never more than [`RECORD_BYTES_MAX`]). What lines
/// were decoded to is left out where it would make more of them.
///
/// # Errors
/// [`JournalError::TooLarge`]; [`JournalError::Lines`] where lines that stayed in a journal cannot be read there any more.
pub fn encode(record: &Record, bytes_max: usize) -> Result<Encoded, JournalError> {
    let bytes_max = bytes_max.min(RECORD_BYTES_MAX);
    let bytes = record.text_bytes();
    if bytes > bytes_max {
        return Err(JournalError::TooLarge { bytes, bytes_max });
    }
    let packed;
    let mut before: &[u8] = &[];
    let (head, rest): (Head<'_>, &[u8]) = match record {
        Record::Batch {
            producer,
            sender,
            received_ms,
            format,
            events,
            lines,
            decoded,
        } => {
            let packing;
            (packing, packed) = lines.pack()?;
            let rest = packed.as_ref();
            let head = BatchHead {
                producer: producer
                    .as_ref()
                    .map(|(name, sequence)| (name.as_str(), *sequence)),
                received_ms: *received_ms,
                format: *format,
                events: *events,
                lines_bytes: lines.len() as u64,
                packing,
            };
            // The lines say it all; a frame that nobody reads back would lose them.
            let fits = |decoded: &&Bytes| decoded.len() <= RECORD_BYTES_MAX - rest.len();
            let decoded = decoded.as_ref().filter(fits);
            before = decoded.map_or(before, |decoded| decoded.as_ref());
            let decoded_bytes = decoded.map(|decoded| decoded.len() as u64);
            let head = match (sender, decoded_bytes) {
                (Some(sender), bytes) => Head::SentBatch(sender, head, bytes),
                (None, Some(bytes)) => Head::DecodedBatch(head, bytes),
                (None, None) => Head::Batch(head),
            };
            (head, rest)
        }
        Record::Command { at_ms, actor, body } => (
            Head::Command {
                at_ms: *at_ms,
                actor,
            },
            body,
        ),
        Record::RuleBook { at_ms, files } => {
            let files = files
                .iter()
                .map(|(path, text)| (path.as_str(), text.as_str()))
                .collect();
            (
                Head::RuleBook {
                    at_ms: *at_ms,
                    files,
                },
                &[],
            )
        }
        Record::Tick { epoch, now_ms } => (
            Head::Tick {
                epoch: *epoch,
                now_ms: *now_ms,
            },
            &[],
        ),
    };
    // Postcard fails only when its sink does or a length is unknown; neither happens here, and if
    // it did the record would be refused as one that cannot be taken.
    let mut body =
        postcard::to_stdvec(&head).map_err(|_| JournalError::TooLarge { bytes, bytes_max })?;
    body.reserve_exact(before.len() + rest.len());
    body.extend_from_slice(before);
    body.extend_from_slice(rest);
    let tick = match record {
        Record::Tick { epoch, now_ms } => Some((*epoch, *now_ms)),
        Record::Batch { .. } | Record::Command { .. } | Record::RuleBook { .. } => None,
    };
    Ok(Encoded {
        body,
        summary: Summary {
            events: record.events(),
            tick,
        },
    })
}

/// Decodes what [`encode`] made; the error says why the bytes are no record. A batch shares the bytes.
pub(super) fn decode(body: &Bytes) -> Result<Record, String> {
    let (head, rest) = split(body)?;
    record(head, Rest::Shared(body.slice_ref(rest)))
}

/// [`decode`] of bytes that will be others: of a batch what its lines were decoded to is copied, and the lines stay in
/// the journal, where the record is at `whence`. Recovery reads many whose lines nobody wants.
pub(super) fn decode_apart(body: &[u8], whence: Whence) -> Result<Record, String> {
    let (head, rest) = split(body)?;
    record(head, Rest::Passing(rest, whence))
}

fn record(head: Head<'_>, rest: Rest<'_>) -> Result<Record, String> {
    match head {
        Head::Batch(head) => head.record(None, None, rest),
        Head::DecodedBatch(head, bytes) => head.record(None, Some(bytes), rest),
        Head::SentBatch(sender, head, bytes) => head.record(Some(sender), bytes, rest),
        Head::Command { at_ms, actor } => Ok(Record::Command {
            at_ms,
            actor: actor.to_owned(),
            body: match rest {
                Rest::Shared(body) => body.to_vec(),
                Rest::Passing(body, _) => body.to_vec(),
            },
        }),
        Head::RuleBook { at_ms, files } => {
            let files = files
                .into_iter()
                .map(|(p, t)| (p.to_owned(), t.to_owned()))
                .collect();
            Ok(Record::RuleBook { at_ms, files })
        }
        Head::Tick { epoch, now_ms } => Ok(Record::Tick { epoch, now_ms }),
    }
}

/// What opening needs of a record.
pub(super) struct Peeked<'a> {
    pub(super) summary: Summary,
    /// Name and sequence, when the record is a batch that has them.
    pub(super) producer: Option<(&'a str, u64)>,
    /// The token's name, when it is a batch that came under one.
    pub(super) sender: Option<&'a str>,
    /// It is a rule book.
    pub(super) is_book: bool,
}

/// Decodes the counts and the producer of a record without unpacking its lines.
pub(super) fn peek(body: &[u8]) -> Result<Peeked<'_>, String> {
    let (head, _) = split(body)?;
    let sender = match head {
        Head::SentBatch(sender, ..) => Some(sender),
        _ => None,
    };
    let is_book = matches!(head, Head::RuleBook { .. });
    let (events, tick, producer) = match head {
        Head::Batch(head) | Head::DecodedBatch(head, _) | Head::SentBatch(_, head, _) => {
            (head.events, None, head.producer)
        }
        Head::Command { .. } | Head::RuleBook { .. } => (0, None, None),
        Head::Tick { epoch, now_ms } => (0, Some((epoch, now_ms)), None),
    };
    Ok(Peeked {
        summary: Summary { events, tick },
        producer,
        sender,
        is_book,
    })
}

/// The head and the bytes after it, which only batches and commands may have.
fn split(body: &[u8]) -> Result<(Head<'_>, &[u8]), String> {
    let (head, rest) = postcard::take_from_bytes::<Head<'_>>(body).map_err(|e| e.to_string())?;
    match head {
        Head::RuleBook { .. } | Head::Tick { .. } if !rest.is_empty() => {
            Err(format!("{} bytes too many", rest.len()))
        }
        _ => Ok((head, rest)),
    }
}
