//! Walks all frames of the journal in order, across segments, and keeps the tally. Read-only, needs
//! no lock. What opening and reading have in common.
//!
//! * Each segment continues the one before: same next record, same events, same epoch.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::cursor::{Cursor, Opened, TornTail};
use super::disk::Disk;
use super::error::{Damage, JournalError};
use super::frame::Frame;
use super::record::{self, Position};
use super::segment::{self, Tally};

/// Where a frame begins, and what the journal comes to before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: Arc<Path>,
    pub(super) offset: u64,
    pub(super) tally: Tally,
}

/// A walk from the start of a segment to the end of the journal.
pub(super) struct Scan {
    disk: Arc<dyn Disk>,
    ahead: VecDeque<(Position, PathBuf)>,
    cursor: Option<Box<Cursor>>,
    /// Up to and with the current frame; `None` before the first header.
    tally: Option<Tally>,
    unborn: Option<TornTail>,
}

impl Scan {
    /// Starts at the segment that holds the record before `from`, or at the oldest.
    ///
    /// Not at the one that begins with `from`: a crash may have cut its creation short, and what it
    /// continues is only known from the one before.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        from: Option<Position>,
    ) -> Result<Self, JournalError> {
        let ahead = segments_from(&*disk, dir, from)?.into();
        Ok(Self {
            disk,
            ahead,
            cursor: None,
            tally: None,
            unborn: None,
        })
    }

    /// Goes to the next frame; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, JournalError> {
        loop {
            if let (Some(cursor), Some(tally)) = (&mut self.cursor, &mut self.tally)
                && cursor.advance()?
            {
                let peeked = record::peek(cursor.frame().body);
                tally.add(
                    peeked
                        .map_err(|reason| damaged_body(cursor, reason))?
                        .summary,
                );
                return Ok(true);
            }
            // A segment that was never used does not make the one before it the last: that one was
            // synced before its successor was made.
            let Some((first, path)) = self.ahead.pop_front() else {
                return Ok(false);
            };
            match Cursor::open(&*self.disk, &path, first, self.ahead.is_empty())? {
                Opened::Unborn(torn) => self.unborn = Some(torn),
                Opened::Segment(cursor, header) => {
                    if let Some(tally) = self.tally.filter(|tally| *tally != header) {
                        let damage = Damage::Gap {
                            expected: tally.next,
                        };
                        return Err(JournalError::damaged(&path, 0, damage));
                    }
                    self.tally = Some(header);
                    self.cursor = Some(cursor);
                }
            }
        }
    }

    /// The frame that [`Scan::advance`] went to.
    pub(super) fn frame(&self) -> Option<Frame<'_>> {
        self.cursor.as_ref().map(|cursor| cursor.frame())
    }

    /// Its body, sharing the bytes that were read.
    pub(super) fn body(&self) -> Option<Bytes> {
        self.cursor.as_ref().map(|cursor| cursor.body())
    }

    /// Its checksum.
    pub(super) fn checksum(&self) -> u32 {
        self.cursor.as_ref().map_or(0, |cursor| cursor.checksum())
    }

    /// Goes to a place further on, as an earlier walk over the same journal has found it: its frame is the next.
    pub(super) fn jump(&mut self, to: &Place) -> Result<(), JournalError> {
        let is_here = |cursor: &Cursor| cursor.path() == &*to.path;
        if !self.cursor.as_deref().is_some_and(is_here) {
            let gone = || JournalError::damaged(&to.path, 0, Damage::Header);
            let at = self.ahead.iter().position(|(_, path)| **path == *to.path);
            let (first, path) = self
                .ahead
                .drain(..=at.ok_or_else(gone)?)
                .next_back()
                .ok_or_else(gone)?;
            match Cursor::open(&*self.disk, &path, first, self.ahead.is_empty())? {
                Opened::Segment(cursor, _) => self.cursor = Some(cursor),
                Opened::Unborn(_) => return Err(gone()),
            }
        }
        if let Some(cursor) = &mut self.cursor {
            cursor.seek(to.offset, to.tally.next);
        }
        self.tally = Some(to.tally);
        Ok(())
    }

    /// An error about the current frame's body.
    pub(super) fn damaged(&self, reason: String) -> Option<JournalError> {
        self.cursor
            .as_ref()
            .map(|cursor| damaged_body(cursor, reason))
    }

    /// The segment walked last and where its whole frames end.
    pub(super) fn end(&self) -> Option<(&Path, u64)> {
        self.cursor
            .as_ref()
            .map(|cursor| (cursor.path(), cursor.offset()))
    }

    /// The counts so far; `None` if there was no segment.
    pub(super) fn tally(&self) -> Option<Tally> {
        self.tally
    }

    /// A last segment without a header.
    pub(super) fn unborn(&self) -> Option<&TornTail> {
        self.unborn.as_ref()
    }

    /// Half-written bytes behind the last whole frame.
    pub(super) fn torn(&self) -> Option<&TornTail> {
        self.cursor.as_ref().and_then(|cursor| cursor.torn())
    }
}

/// The segments from the one on that holds the record before `from`, or all, oldest first.
///
/// # Errors
/// [`JournalError::Gone`]; the directory cannot be read.
pub(super) fn segments_from(
    disk: &dyn Disk,
    dir: &Path,
    from: Option<Position>,
) -> Result<Vec<(Position, PathBuf)>, JournalError> {
    let mut segments = segment::list(disk, dir)?;
    if let (Some(asked), Some(&(first, _))) = (from, segments.first()) {
        if asked < first {
            return Err(JournalError::Gone { asked, first });
        }
        let holding = segments.iter().rposition(|(first, _)| *first < asked);
        segments.drain(..holding.unwrap_or(0));
    }
    Ok(segments)
}

/// Bytes of the files that opening a journal from `from` on, or from its beginning, reads through.
///
/// # Errors
/// As [`Journal::resume_on`](super::Journal::resume_on): records before what is kept, or a folder that cannot be read.
pub fn ahead_bytes(
    disk: &dyn Disk,
    dir: &Path,
    from: Option<Position>,
) -> Result<u64, JournalError> {
    let mut bytes = 0;
    for (_, path) in segments_from(disk, dir, from)? {
        let file = disk.open(&path, false);
        let length = file.and_then(|file| file.bytes());
        bytes += length.map_err(|error| JournalError::io("measure", &path, error))?;
    }
    Ok(bytes)
}

pub(super) fn damaged_body(cursor: &Cursor, reason: String) -> JournalError {
    JournalError::damaged(cursor.path(), cursor.offset(), Damage::Body { reason })
}
