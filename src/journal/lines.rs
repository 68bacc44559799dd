//! The lines of a batch: as they came in, or packed as the journal holds them until somebody wants them.
//! A replay that has what they were decoded to never does.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record::RECORD_BYTES_MAX;

/// How lines are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Packing {
    /// As they are: compression would not have made them smaller.
    Raw,
    /// One lz4 block.
    Lz4,
}

/// Lines of a batch, packed or not. Equal when the lines are.
#[derive(Clone)]
pub struct Lines {
    pub(super) packing: Packing,
    pub(super) kept: Bytes,
    /// Bytes of the lines as they came.
    plain_bytes: usize,
}

/// The packed bytes are not what was packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lines of a batch cannot be unpacked: {0}")]
pub struct LinesError(String);

impl Lines {
    /// Lines as a record holds them, who wrote `plain_bytes` of them.
    ///
    /// # Errors
    /// So many are no record's.
    pub(super) fn kept(packing: Packing, plain_bytes: u64, kept: Bytes) -> Result<Lines, String> {
        let plain_bytes = usize::try_from(plain_bytes)
            .ok()
            .filter(|&bytes| bytes <= RECORD_BYTES_MAX)
            .ok_or_else(|| format!("{plain_bytes} bytes of lines are over {RECORD_BYTES_MAX}"))?;
        Ok(Lines {
            packing,
            kept,
            plain_bytes,
        })
    }

    /// How many bytes the lines have, unpacked.
    pub fn len(&self) -> usize {
        self.plain_bytes
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.plain_bytes == 0
    }

    /// The lines as they came.
    ///
    /// # Errors
    /// They are packed, and not whole. A record's checksum holds before it gets here, so this tells of
    /// a writer that was wrong, not of a disk.
    pub fn plain(&self) -> Result<Bytes, LinesError> {
        let plain = match self.packing {
            Packing::Raw => self.kept.clone(),
            Packing::Lz4 => lz4_flex::block::decompress(&self.kept, self.plain_bytes)
                .map_err(|error| LinesError(error.to_string()))?
                .into(),
        };
        if plain.len() != self.plain_bytes {
            let (found, written) = (plain.len(), self.plain_bytes);
            return Err(LinesError(format!(
                "{found} bytes where {written} were written"
            )));
        }
        Ok(plain)
    }

    /// The same lines in as few bytes as they take.
    pub(super) fn pack(&self) -> Lines {
        if self.packing == Packing::Lz4 {
            return self.clone();
        }
        let packed = lz4_flex::block::compress(&self.kept);
        if packed.len() >= self.kept.len() {
            return self.clone();
        }
        Lines {
            packing: Packing::Lz4,
            kept: packed.into(),
            plain_bytes: self.plain_bytes,
        }
    }
}

impl<T: Into<Bytes>> From<T> for Lines {
    fn from(plain: T) -> Lines {
        let kept = plain.into();
        Lines {
            packing: Packing::Raw,
            plain_bytes: kept.len(),
            kept,
        }
    }
}

impl PartialEq for Lines {
    fn eq(&self, other: &Lines) -> bool {
        self.plain_bytes == other.plain_bytes && self.plain() == other.plain()
    }
}

impl Eq for Lines {}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plain().fmt(f)
    }
}
