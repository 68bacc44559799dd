//! Reads records back from a position, one at a time. Needs no lock and changes nothing, so it also
//! serves to look at the journal of a running engine.

use std::path::Path;
use std::sync::Arc;

use super::cursor::TornTail;
use super::disk::{Disk, RealDisk};
use super::error::JournalError;
use super::lines::Whence;
use super::record::{self, Position, Record};
use super::scan::{Place, Scan};
use super::segment::Tally;

/// An iterator over the records from a position to the end of the journal as it was on opening.
///
/// Holds one record and one read buffer in memory. After an error it yields nothing more.
pub struct Reader {
    scan: Scan,
    /// Where lines are left that were decoded already, if they are.
    apart: Option<Arc<dyn Disk>>,
    from: Position,
    done: bool,
}

impl Reader {
    /// Reads the journal in `dir` from record `from` on, or from the oldest kept.
    ///
    /// # Errors
    /// [`JournalError::Gone`] if retention has cut `from` away, [`JournalError::Io`].
    pub fn open(dir: &Path, from: Option<Position>) -> Result<Self, JournalError> {
        Self::open_on(Arc::new(RealDisk), dir, from)
    }

    /// [`Reader::open`] on any disk.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        from: Option<Position>,
    ) -> Result<Self, JournalError> {
        let scan = Scan::new(disk, dir, from)?;
        Ok(Self {
            scan,
            apart: None,
            from: from.unwrap_or_default(),
            done: false,
        })
    }

    /// [`Reader::open_on`] for who has the journal to itself and hardly wants the lines of batches beside what they were
    /// decoded to: these are left where they are. Most bytes of a journal are lines, and memory that is used again is
    /// nearer than what is new.
    pub(super) fn apart_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        from: Option<Position>,
    ) -> Result<Self, JournalError> {
        let reader = Self::open_on(Arc::clone(&disk), dir, from)?;
        Ok(Self {
            apart: Some(disk),
            ..reader
        })
    }

    /// [`Reader::apart_on`] that begins where a frame does.
    pub(super) fn at(disk: Arc<dyn Disk>, dir: &Path, place: &Place) -> Result<Self, JournalError> {
        let mut reader = Self::apart_on(disk, dir, Some(place.tally.next))?;
        reader.scan.jump(place)?;
        Ok(reader)
    }

    /// Goes on at a place that lies ahead.
    pub(super) fn jump(&mut self, to: &Place) -> Result<(), JournalError> {
        self.scan.jump(to)
    }

    /// What the journal comes to before the next record; `None` before the first, or while those are passed over that
    /// come before what was asked for.
    pub(super) fn tally(&self) -> Option<Tally> {
        self.scan.tally().filter(|tally| tally.next >= self.from)
    }

    /// The checksum of the record yielded last.
    pub(super) fn checksum(&self) -> u32 {
        self.scan.checksum()
    }

    /// Once the iterator has ended: bytes of the last segment that are no whole record. A running
    /// engine may just be writing them; otherwise the next start gives them up.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.scan.unborn().or(self.scan.torn())
    }

    /// Bytes of its segment that the record yielded last takes; 0 before the first and after the last.
    pub fn record_bytes(&self) -> u64 {
        let frame = self.scan.frame().filter(|frame| !frame.body.is_empty());
        frame.map_or(0, |frame| frame.bytes() as u64)
    }

    /// The position after the last record yielded; `None` before the first segment was read.
    pub fn next_position(&self) -> Option<Position> {
        self.scan.tally().map(|tally| tally.next)
    }

    fn read(&mut self) -> Result<Option<(Position, Record)>, JournalError> {
        while self.scan.advance()? {
            let (Some(frame), Some((path, offset))) = (self.scan.frame(), self.scan.end()) else {
                break;
            };
            let position = frame.position;
            if position < self.from {
                continue;
            }
            let record = match &self.apart {
                Some(disk) => {
                    let whence = Whence::new(Arc::clone(disk), path, offset, position);
                    record::decode_apart(frame.body, whence)
                }
                None => record::decode(&self.scan.body().unwrap_or_default()),
            };
            return match record {
                Ok(record) => Ok(Some((position, record))),
                Err(reason) => self.scan.damaged(reason).map_or(Ok(None), Err),
            };
        }
        Ok(None)
    }
}

impl Iterator for Reader {
    type Item = Result<(Position, Record), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read().transpose();
        self.done = !matches!(read, Some(Ok(_)));
        read
    }
}
