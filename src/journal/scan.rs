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
        let mut ahead: VecDeque<_> = segment::list(&*disk, dir)?.into();
        if let (Some(asked), Some(&(first, _))) = (from, ahead.front()) {
            if asked < first {
                return Err(JournalError::Gone { asked, first });
            }
            let holding = ahead
                .iter()
                .rposition(|(first, _)| *first < asked)
                .unwrap_or(0);
            ahead.drain(..holding);
        }
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

fn damaged_body(cursor: &Cursor, reason: String) -> JournalError {
    JournalError::damaged(cursor.path(), cursor.offset(), Damage::Body { reason })
}
