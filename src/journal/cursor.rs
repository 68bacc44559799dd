//! Walks the frames of one segment with bounded memory, and judges where they stop. Read-only.
//!
//! * A frame is shown only if its checksum holds and its position is the next.
//! * Frames may stop early only in the last segment, and only where nothing proves that what is
//!   missing had been durable; everywhere else that is damage, told with file and offset.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};

use super::disk::{Disk, DiskFile};
use super::error::{Damage, JournalError};
use super::frame::{self, Frame, HEAD_BYTES, Parsed};
use super::record::Position;
use super::segment::{self, HEADER_BYTES, Tally};

/// Read at once. Larger only for a record that is.
const CHUNK_BYTES: usize = 256 << 10;
/// Read at once of a place that was gone to: a tick, mostly, and then another place.
const SOUGHT_BYTES: usize = 4 << 10;

/// Bytes at the end of the last segment that are no whole record. A crash leaves that behind, and then none of
/// them had been acknowledged; damage to the last record looks the same, and nothing in the file tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// Where the whole records end, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes after that are given up.
    pub bytes: u64,
}

/// A place in one segment.
pub(super) struct Cursor {
    path: PathBuf,
    last: bool,
    file: Box<dyn DiskFile>,
    /// Offset in the file of the current frame, or of the end of the whole frames.
    offset: u64,
    /// Length of the file when it was opened: a live engine may be appending.
    end: u64,
    /// Bytes of the file from `offset - start` on. Records that were read share it.
    buffer: Bytes,
    start: usize,
    /// Read at once the next time.
    chunk_bytes: usize,
    /// The current frame: its `durable_below` and its bytes, 0 before the first.
    durable_below: Position,
    frame_bytes: usize,
    /// The position of the next frame.
    next: Position,
    torn: Option<TornTail>,
}

/// What is at a path.
pub(super) enum Opened {
    /// A segment and what its header says.
    Segment(Box<Cursor>, Tally),
    /// The last segment, whose creation a crash cut short: it never held a record.
    Unborn(TornTail),
}

impl Cursor {
    /// Opens a segment; `first` is what its name says.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        first: Position,
        last: bool,
    ) -> Result<Opened, JournalError> {
        let failed = |action| move |e| JournalError::io(action, path, e);
        let file = disk.open(path, false).map_err(failed("open"))?;
        let end = file.bytes().map_err(failed("measure"))?;
        let mut header = vec![0; HEADER_BYTES];
        let read = read_up_to(&*file, &mut header, 0).map_err(failed("read"))?;
        let tally = match segment::read_header(path, first, &header[..read]) {
            Ok(tally) => tally,
            // The header is durable before the first frame, so a file that is no longer than a
            // header and has none was never used.
            Err(JournalError::Damaged {
                damage: Damage::Header,
                ..
            }) if last && end <= HEADER_BYTES as u64 => {
                let path = path.to_owned();
                return Ok(Opened::Unborn(TornTail {
                    path,
                    offset: 0,
                    bytes: end,
                }));
            }
            Err(error) => return Err(error),
        };
        let cursor = Self {
            path: path.to_owned(),
            last,
            file,
            offset: HEADER_BYTES as u64,
            end,
            buffer: Bytes::new(),
            start: 0,
            chunk_bytes: CHUNK_BYTES,
            durable_below: Position(0),
            frame_bytes: 0,
            next: tally.next,
            torn: None,
        };
        Ok(Opened::Segment(Box::new(cursor), tally))
    }

    /// Goes to the next frame; false at the end of the whole frames.
    pub(super) fn advance(&mut self) -> Result<bool, JournalError> {
        self.start += self.frame_bytes;
        self.offset += self.frame_bytes as u64;
        self.frame_bytes = 0;
        if self.offset == self.end || self.torn.is_some() {
            return Ok(false);
        }
        self.fill(HEAD_BYTES)?;
        self.fill(frame::needed(&self.buffer[self.start..]))?;
        match frame::parse(&self.buffer[self.start..]) {
            Parsed::Whole(found) if found.position == self.next => {
                self.durable_below = found.durable_below;
                self.frame_bytes = found.bytes();
                self.next = self.next.next();
                Ok(true)
            }
            Parsed::Whole(found) => {
                let damage = Damage::Order {
                    found: found.position,
                    expected: self.next,
                };
                Err(JournalError::damaged(&self.path, self.offset, damage))
            }
            Parsed::Cut => self.stop_early(Damage::Cut),
            Parsed::Broken(damage) => self.stop_early(damage),
        }
    }

    /// The frame that [`Cursor::advance`] went to; empty before the first.
    pub(super) fn frame(&self) -> Frame<'_> {
        let bytes = &self.buffer[self.start..self.start + self.frame_bytes];
        Frame {
            position: Position(self.next.0.saturating_sub(1)),
            durable_below: self.durable_below,
            body: frame::body(bytes),
        }
    }

    /// The body of that frame, without a copy: it holds on to its neighbours' bytes, as far as they were read at once.
    pub(super) fn body(&self) -> Bytes {
        self.buffer.slice_ref(self.frame().body)
    }

    /// The checksum of that frame; 0 before the first.
    pub(super) fn checksum(&self) -> u32 {
        frame::checksum_of(&self.buffer[self.start..self.start + self.frame_bytes])
    }

    /// Goes to where a frame begins, further on: the next that is shown is this one.
    pub(super) fn seek(&mut self, offset: u64, position: Position) {
        let passed = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        self.start = self.start.saturating_add(passed).min(self.buffer.len());
        (self.offset, self.next, self.frame_bytes) = (offset, position, 0);
        self.chunk_bytes = SOUGHT_BYTES;
    }

    /// The segment's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the current frame starts, or where the whole frames end.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// What lies behind the whole frames, once [`Cursor::advance`] has said false.
    pub(super) fn torn(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// There is no whole frame here: a torn tail, or damage?
    fn stop_early(&mut self, damage: Damage) -> Result<bool, JournalError> {
        let damaged = JournalError::damaged(&self.path, self.offset, damage);
        if !self.last {
            return Err(damaged);
        }
        // At most one segment, which the settings bound.
        let tail_bytes = self.end - self.offset;
        self.fill(usize::try_from(tail_bytes).unwrap_or(usize::MAX))?;
        if frame::find_proof_of_damage(&self.buffer[self.start..], self.next).is_some() {
            return Err(damaged);
        }
        self.torn = Some(TornTail {
            path: self.path.clone(),
            offset: self.offset,
            bytes: tail_bytes,
        });
        Ok(false)
    }

    /// Has at least `bytes` from `start` on in the buffer, or all that the file has.
    fn fill(&mut self, bytes: usize) -> Result<(), JournalError> {
        let have = self.buffer.len() - self.start;
        if have >= bytes {
            return Ok(());
        }
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let chunk_bytes = std::mem::replace(&mut self.chunk_bytes, CHUNK_BYTES);
        let wanted = bytes.max(chunk_bytes).min(left).max(have);
        let mut buffer = match std::mem::take(&mut self.buffer).try_into_mut() {
            // What a large record took is not kept for the rest of the segment.
            Ok(mut own) if own.len() <= CHUNK_BYTES => {
                own.copy_within(self.start.., 0);
                own.resize(wanted, 0);
                own
            }
            Ok(own) => copied(&own[self.start..], wanted),
            Err(shared) => copied(&shared[self.start..], wanted),
        };
        self.start = 0;
        let from = self.offset + have as u64;
        let read = read_up_to(&*self.file, &mut buffer[have..], from);
        // Also after a failure: what was read before is still there.
        buffer.truncate(have + *read.as_ref().unwrap_or(&0));
        self.buffer = buffer.freeze();
        read.map_err(|e| JournalError::io("read", &self.path, e))?;
        Ok(())
    }
}

/// A buffer of a length that begins with these bytes.
fn copied(bytes: &[u8], length: usize) -> BytesMut {
    let mut buffer = BytesMut::zeroed(length);
    buffer[..bytes.len()].copy_from_slice(bytes);
    buffer
}

/// Reads until `into` is full or the file ends; returns how much.
pub(super) fn read_up_to(
    file: &dyn DiskFile,
    into: &mut [u8],
    offset: u64,
) -> std::io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], offset + done as u64)? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}
