//! What can go wrong with checkpoints, told with the file.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::dataflow::StateError;

/// Why a checkpoint could not be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("checkpoint {path} is damaged at offset {offset}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// It was written by a newer Chrysalis.
    #[error(
        "checkpoint {path} has format version {found}, this program reads {supported}: \
         start the newer program"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version in its header.
        found: u32,
        /// The version understood here.
        supported: u32,
    },
    /// A part of the state could not be turned into bytes or back.
    #[error("a checkpoint cannot hold, or does not give back, {what}: {reason}")]
    Content {
        /// What it is about.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

impl From<StateError> for CheckpointError {
    fn from(error: StateError) -> Self {
        Self::content("the dataflow", error)
    }
}

impl CheckpointError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn damaged(path: &Path, offset: u64, what: &'static str) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            offset,
            what,
        }
    }

    /// Something of a part that its own room refuses.
    pub fn content(what: &'static str, reason: impl ToString) -> Self {
        Self::Content {
            what,
            reason: reason.to_string(),
        }
    }
}
