//! Why a whole body is not taken. A single bad line is no error: it is refused alone.

use thiserror::Error;

use crate::journal::writer::SubmitError;
use crate::metrics::EdgeLimit;

/// Why a body is not taken. Nothing of it was kept, unless the variant says otherwise.
#[derive(Clone, Debug, Error)]
pub enum IngestError {
    /// The content coding is not one of ours.
    #[error("content-encoding {0:?} is not supported: send the lines plain, gzip or zstd")]
    Encoding(String),
    /// The body as sent is over its limit.
    #[error("the body is larger than the limit of {bytes_max} bytes: send smaller batches")]
    BodyTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The body unpacks to more than its limit.
    #[error("the body unpacks to more than the limit of {bytes_max} bytes: send smaller batches")]
    PlainTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// More lines than one batch may have.
    #[error("the body has {lines} lines, more than the limit of {lines_max}: send smaller batches")]
    TooManyLines {
        /// Lines found.
        lines: usize,
        /// The limit.
        lines_max: usize,
    },
    /// A line is over its limit. Nothing of the body was taken, so that it can be sent again whole.
    #[error(
        "line {line} has {bytes} bytes, more than the limit of {bytes_max}: nothing of the body was \
         taken, send it without that line"
    )]
    LineTooLong {
        /// The first such line, from 1.
        line: u64,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The body is not what its content coding says.
    #[error("the body does not unpack as {encoding}: {reason}")]
    Unpack {
        /// The coding.
        encoding: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// The connection broke while the body came.
    #[error("the body could not be read: {0}")]
    Read(String),
    /// The sender stopped in the middle of the body.
    #[error(
        "nothing more of the body came for {waited_s} s, {bytes} bytes were there: send it again"
    )]
    BodyLate {
        /// How long was waited, seconds.
        waited_s: f64,
        /// Bytes that had come.
        bytes: usize,
    },
    /// A header is not what it should be.
    #[error("{0}")]
    Header(String),
    /// Bodies under way have used up the memory set aside for them.
    #[error(
        "{requests} bodies of {bytes} bytes are under way, as many as may be: come back in a second"
    )]
    Crowded {
        /// Bodies under way.
        requests: usize,
        /// Bytes under way.
        bytes: usize,
        /// The limit that is reached.
        limit: EdgeLimit,
    },
    /// Many bodies are under way, and their sender has its share of them.
    #[error(
        "many bodies are under way, and this producer's fair share is used up: {requests} bodies of \
         {bytes} bytes are its own; come back in a second"
    )]
    Share {
        /// Bodies of this sender.
        requests: usize,
        /// Their bytes.
        bytes: usize,
        /// The limit of which it has its share.
        limit: EdgeLimit,
    },
    /// The journal did not take the batch.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The server itself is ending.
    #[error("the server is stopping")]
    Stopping,
}

impl IngestError {
    /// The limit that the body met; those of the journal's queue are counted there.
    pub(super) fn limit(&self) -> Option<EdgeLimit> {
        match self {
            IngestError::BodyTooLarge { .. } => Some(EdgeLimit::BodyBytes),
            IngestError::PlainTooLarge { .. } => Some(EdgeLimit::PlainBytes),
            IngestError::TooManyLines { .. } => Some(EdgeLimit::Lines),
            IngestError::LineTooLong { .. } => Some(EdgeLimit::LineBytes),
            IngestError::Crowded { limit, .. } | IngestError::Share { limit, .. } => Some(*limit),
            IngestError::Submit(SubmitError::TooLarge(_)) => Some(EdgeLimit::RecordBytes),
            IngestError::Encoding(_)
            | IngestError::Unpack { .. }
            | IngestError::Read(_)
            | IngestError::BodyLate { .. }
            | IngestError::Header(_)
            | IngestError::Submit(_)
            | IngestError::Stopping => None,
        }
    }
}
