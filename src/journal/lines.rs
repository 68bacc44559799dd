//! The lines of a batch: as they came in, or packed as the journal holds them until somebody wants them.
//! A replay that has what they were decoded to never does: it leaves them on the disk.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::cursor::read_up_to;
use super::disk::Disk;
use super::frame::{self, HEAD_BYTES, Parsed};
use super::record::{self, Position, RECORD_BYTES_MAX, Record};

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
    packing: Packing,
    kept: Kept,
    /// Bytes of the lines as they came.
    plain_bytes: usize,
}

/// Where the bytes of lines are, packed or not.
#[derive(Clone)]
enum Kept {
    Here(Bytes),
    /// In the journal, which is read again for them.
    Apart(Arc<Whence>),
}

/// Where a record lies in a journal.
pub(super) struct Whence {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    offset: u64,
    position: Position,
}

impl Whence {
    /// The record of a position, whose frame begins at an offset of a segment.
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path, offset: u64, position: Position) -> Whence {
        Whence {
            disk,
            path: path.to_owned(),
            offset,
            position,
        }
    }

    /// The record's frame, as far as it is there.
    fn frame(&self) -> io::Result<Vec<u8>> {
        let file = self.disk.open(&self.path, false)?;
        let mut frame = vec![0; HEAD_BYTES];
        // Its head says how long it is.
        for _ in 0..2 {
            let bytes = frame::needed(&frame).max(HEAD_BYTES);
            frame.resize(bytes, 0);
            let read = read_up_to(&*file, &mut frame, self.offset)?;
            frame.truncate(read);
        }
        Ok(frame)
    }

    /// The bytes of its lines, as they are packed.
    fn lines(&self) -> Result<Bytes, LinesError> {
        let (offset, path) = (self.offset, self.path.display());
        let place = format!("at offset {offset} of {path}, where they were");
        let frame = self
            .frame()
            .map_err(|error| LinesError(format!("{place}: {error}")))?;
        let body = match frame::parse(&frame) {
            Parsed::Whole(found) if found.position == self.position => {
                Bytes::copy_from_slice(found.body)
            }
            _ => return Err(LinesError(format!("{place}, is another record or none"))),
        };
        match record::decode(&body) {
            Ok(Record::Batch {
                lines:
                    Lines {
                        kept: Kept::Here(lines),
                        ..
                    },
                ..
            }) => Ok(lines),
            _ => Err(LinesError(format!("{place}, is no batch"))),
        }
    }
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
        Ok(Lines {
            packing,
            plain_bytes: fitting(plain_bytes)?,
            kept: Kept::Here(kept),
        })
    }

    /// [`Lines::kept`] of lines that stay in the journal until they are wanted.
    ///
    /// # Errors
    /// As [`Lines::kept`].
    pub(super) fn apart(
        packing: Packing,
        plain_bytes: u64,
        whence: Whence,
    ) -> Result<Lines, String> {
        Ok(Lines {
            packing,
            plain_bytes: fitting(plain_bytes)?,
            kept: Kept::Apart(Arc::new(whence)),
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
    /// They are packed, and not whole: a record's checksum holds before it gets here, so this tells of a writer that was
    /// wrong, not of a disk. Or they stayed in the journal, and cannot be read there any more.
    pub fn plain(&self) -> Result<Bytes, LinesError> {
        let kept = self.here()?;
        let plain = match self.packing {
            Packing::Raw => kept,
            Packing::Lz4 => lz4_flex::block::decompress(&kept, self.plain_bytes)
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

    /// The same lines in as few bytes as they take, and how they are packed.
    ///
    /// # Errors
    /// They stayed in the journal, and cannot be read there any more.
    pub(super) fn pack(&self) -> Result<(Packing, Bytes), LinesError> {
        let kept = self.here()?;
        if self.packing == Packing::Lz4 {
            return Ok((Packing::Lz4, kept));
        }
        let packed = lz4_flex::block::compress(&kept);
        Ok(if packed.len() >= kept.len() {
            (Packing::Raw, kept)
        } else {
            (Packing::Lz4, packed.into())
        })
    }

    fn here(&self) -> Result<Bytes, LinesError> {
        match &self.kept {
            Kept::Here(kept) => Ok(kept.clone()),
            Kept::Apart(whence) => whence.lines(),
        }
    }
}

fn fitting(plain_bytes: u64) -> Result<usize, String> {
    usize::try_from(plain_bytes)
        .ok()
        .filter(|&bytes| bytes <= RECORD_BYTES_MAX)
        .ok_or_else(|| format!("{plain_bytes} bytes of lines are over {RECORD_BYTES_MAX}"))
}

impl<T: Into<Bytes>> From<T> for Lines {
    fn from(plain: T) -> Lines {
        let kept = plain.into();
        Lines {
            packing: Packing::Raw,
            plain_bytes: kept.len(),
            kept: Kept::Here(kept),
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
