//! The format of one file: a header, then sections, each with its length and checksum, then an end that
//! counts them. Written and read in one pass, a section at a time.
//! Each checksum goes on from the one before, so that sections of two files, or in another order, are no
//! checkpoint; behind the end nothing may stand.
//!
//! Numbers are little-endian. Header: 8 bytes of magic, `u32` version, `u32` CRC-32C of both; these keep
//! their places in every version, so that a newer file can be told from a damaged one. Section: `u8` kind,
//! `u32` packed bytes, `u32` unpacked bytes, `u32` CRC-32C of the packed bytes and all that stands before them, then the
//! bytes (one LZ4 block). The last section is [`Section::End`] with the number of the others.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checkpoint::CheckpointError;
use crate::journal::{DiskFile, Position};
use crate::rules::Lineage;

const MAGIC: [u8; 8] = *b"CHRYSCKP";
/// Version of the format; [`Head`] and what the sections hold belong to it.
pub(super) const FORMAT_VERSION: u32 = 12;
const HEADER_BYTES: usize = 16;
const SECTION_HEAD_BYTES: usize = 13;
/// Largest section, unpacked. The dataflow cuts its pieces far below; what the engine holds beside its objects is one
/// section, bounded by `limits.…`. Judgement: 20,000 open triggers of 10 KiB each, four times.
const SECTION_BYTES_MAX: usize = 768 << 20;
/// What is gathered before it is written.
const BUFFER_BYTES: usize = 1 << 20;

/// What a checkpoint is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The epoch that it is the end of.
    pub epoch: u64,
    /// Tick of that epoch, ms.
    pub now_ms: i64,
    /// Where the next epoch begins in the journal.
    pub next: Position,
    /// The newest epoch up to it of which something is in the ledger: a ledger that does not know it is not the
    /// one that belongs here.
    pub told_upto: Option<u64>,
    /// When it was written, ms.
    pub created_at_ms: i64,
    /// Version of the program that wrote it.
    pub program: String,
    /// Texts of the rule book in force: path and content.
    pub rules: Vec<(String, String)>,
    /// With the book, the plan in force.
    pub lineage: Lineage,
}

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// [`Head`]; the first.
    Head,
    /// Producers of the journal.
    Producers,
    /// A piece of the engine.
    Engine,
    /// A piece of the dataflow.
    Dataflow,
    /// The number of sections before.
    End,
}

impl Section {
    const ALL: [Section; 5] = [
        Section::Head,
        Section::Producers,
        Section::Engine,
        Section::Dataflow,
        Section::End,
    ];

    fn code(self) -> u8 {
        self as u8
    }

    fn of(code: u8) -> Option<Section> {
        Section::ALL.get(usize::from(code)).copied()
    }
}

/// Writes sections to a file that nobody reads yet.
pub(super) struct FileWriter {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    buffer: Vec<u8>,
    written_bytes: u64,
    sections: u64,
    /// Of all sections up to here.
    checksum: u32,
}

impl FileWriter {
    pub(super) fn new(path: &Path, file: Box<dyn DiskFile>) -> FileWriter {
        let mut buffer = MAGIC.to_vec();
        buffer.extend(FORMAT_VERSION.to_le_bytes());
        buffer.extend(crc32c::crc32c(&buffer).to_le_bytes());
        FileWriter {
            path: path.to_owned(),
            file,
            buffer,
            written_bytes: 0,
            sections: 0,
            checksum: 0,
        }
    }

    /// Adds a section.
    pub(super) fn section(&mut self, kind: Section, bytes: &[u8]) -> Result<(), CheckpointError> {
        if bytes.len() > SECTION_BYTES_MAX {
            return Err(CheckpointError::content("a section", "it is too large"));
        }
        let packed = lz4_flex::block::compress(bytes);
        let mut head = [0; SECTION_HEAD_BYTES];
        head[0] = kind.code();
        head[1..5].copy_from_slice(&(packed.len() as u32).to_le_bytes());
        head[5..9].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.checksum = checksum(self.checksum, &head, &packed);
        head[9..].copy_from_slice(&self.checksum.to_le_bytes());
        self.buffer.extend(head);
        self.buffer.extend(packed);
        self.sections += 1;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the file and makes it durable; returns its size in bytes.
    pub(super) fn finish(mut self) -> Result<u64, CheckpointError> {
        let sections = self.sections.to_le_bytes();
        self.section(Section::End, &sections)?;
        self.flush()?;
        self.file
            .sync()
            .map_err(|error| CheckpointError::io("sync", &self.path, error))?;
        Ok(self.written_bytes)
    }

    fn flush(&mut self) -> Result<(), CheckpointError> {
        self.file
            .write_at(&self.buffer, self.written_bytes)
            .map_err(|error| CheckpointError::io("write", &self.path, error))?;
        self.written_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Reads a file's sections.
pub(super) struct FileReader {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    offset: u64,
    sections: u64,
    /// Of all sections up to here.
    checksum: u32,
}

impl FileReader {
    /// Looks at the header.
    pub(super) fn new(path: &Path, file: Box<dyn DiskFile>) -> Result<FileReader, CheckpointError> {
        let mut reader = FileReader {
            path: path.to_owned(),
            file,
            offset: 0,
            sections: 0,
            checksum: 0,
        };
        let header = reader.read(HEADER_BYTES)?;
        let number = |from: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&header[from..from + 4]);
            u32::from_le_bytes(bytes)
        };
        if header[..8] != MAGIC || crc32c::crc32c(&header[..12]) != number(12) {
            let what = "its header is not one";
            return Err(CheckpointError::damaged(path, 0, what));
        }
        match number(8) {
            FORMAT_VERSION => Ok(reader),
            found if found > FORMAT_VERSION => Err(CheckpointError::NewerFormat {
                path: path.to_owned(),
                found,
                supported: FORMAT_VERSION,
            }),
            _ => {
                let what = "its format is of an older program, and this one cannot read it";
                Err(CheckpointError::damaged(path, 8, what))
            }
        }
    }

    /// Size of the file; none where the file system does not say.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.file.bytes().ok()
    }

    /// The next section; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<(Section, Vec<u8>)>, CheckpointError> {
        let at = self.offset;
        let path = self.path.clone();
        let damaged = |what| Err(CheckpointError::damaged(&path, at, what));
        let head = self.read(SECTION_HEAD_BYTES)?;
        let number = |from: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&head[from..from + 4]);
            u32::from_le_bytes(bytes)
        };
        let (packed_bytes, bytes) = (number(1) as usize, number(5) as usize);
        let packed_max = lz4_flex::block::get_maximum_output_size(SECTION_BYTES_MAX);
        if packed_bytes > packed_max || bytes > SECTION_BYTES_MAX {
            return damaged("a section's length cannot be");
        }
        let packed = self.read(packed_bytes)?;
        self.checksum = checksum(self.checksum, &head, &packed);
        if self.checksum != number(9) {
            return damaged("a section's checksum does not fit");
        }
        let Some(kind) = Section::of(head[0]) else {
            return damaged("a section's kind is not known");
        };
        let Ok(unpacked) = lz4_flex::block::decompress(&packed, bytes) else {
            return damaged("a section cannot be unpacked");
        };
        if kind != Section::End {
            self.sections += 1;
            return Ok(Some((kind, unpacked)));
        }
        if unpacked != self.sections.to_le_bytes() {
            return damaged("sections are missing");
        }
        let length = self.file.bytes();
        if length.map_err(|error| CheckpointError::io("measure", &path, error))? != self.offset {
            return damaged("something stands behind its end");
        }
        Ok(None)
    }

    fn read(&mut self, bytes: usize) -> Result<Vec<u8>, CheckpointError> {
        let io = |error| CheckpointError::io("read", &self.path, error);
        let left = self.file.bytes().map_err(io)?.saturating_sub(self.offset);
        if (bytes as u64) > left {
            return Err(CheckpointError::damaged(
                &self.path,
                self.offset,
                "the file ends too early",
            ));
        }
        let mut into = vec![0; bytes];
        let mut done = 0;
        while done < bytes {
            match self
                .file
                .read_at(&mut into[done..], self.offset + done as u64)
            {
                Ok(0) => {
                    return Err(CheckpointError::damaged(
                        &self.path,
                        self.offset,
                        "the file ends too early",
                    ));
                }
                Ok(read) => done += read,
                Err(error) => return Err(CheckpointError::io("read", &self.path, error)),
            }
        }
        self.offset += bytes as u64;
        Ok(into)
    }
}

/// Of a section, going on from that of the one before.
fn checksum(before: u32, head: &[u8], packed: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(before, &head[..9]), packed)
}
