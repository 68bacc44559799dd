//! Looks at every segment by itself and says what is in it and what is wrong with it. Read-only, needs
//! no lock, and goes on behind damage: whoever must decide what to do wants to know all of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cursor::{Cursor, Opened, TornTail};
use super::disk::Disk;
use super::error::{Damage, JournalError};
use super::record::{self, Position, Record};
use super::segment::{self, Tally};

/// A walk over the segments of a journal, the oldest first.
pub struct Audit {
    disk: Arc<dyn Disk>,
    segments: std::vec::IntoIter<(Position, PathBuf)>,
    /// Where the segment before ended, if it was whole.
    before: Option<Tally>,
}

/// One segment.
#[derive(Debug, Clone)]
pub struct SegmentAudit {
    /// The file.
    pub path: PathBuf,
    /// Its length, bytes.
    pub file_bytes: u64,
    /// Its first record.
    pub first: Position,
    /// Where its whole records end.
    pub next: Position,
    /// What its whole records hold.
    pub contents: Contents,
    /// What is wrong with it; behind that place nothing of it was read.
    pub damage: Option<JournalError>,
    /// Bytes at the end of the last segment that are no whole record yet: a running engine is writing
    /// them, or the next start gives them up.
    pub torn_tail: Option<TornTail>,
}

/// What records hold, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Batches of events.
    pub batches: u64,
    /// Commands of operators.
    pub commands: u64,
    /// Rule books.
    pub rule_books: u64,
    /// Ticks: closed epochs.
    pub ticks: u64,
    /// Events in the batches.
    pub events: u64,
    /// Text in the records, unpacked, bytes.
    pub text_bytes: u64,
    /// The records as they lie in the file, bytes.
    pub stored_bytes: u64,
    /// Earliest and latest time at which a record was received, given or closed, ms.
    pub span_ms: Option<(i64, i64)>,
    /// The newest epoch that was closed.
    pub epoch_max: Option<u64>,
    /// The producers by name.
    pub producers: BTreeMap<String, ProducerAudit>,
}

/// What came from one producer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProducerAudit {
    /// Its batches.
    pub batches: u64,
    /// Events in them.
    pub events: u64,
    /// The sequence of the newest.
    pub sequence: u64,
}

impl Contents {
    /// Records of every kind.
    pub fn records(&self) -> u64 {
        self.batches + self.commands + self.rule_books + self.ticks
    }

    /// Adds what others hold that come later.
    pub fn merge(&mut self, later: &Contents) {
        self.batches += later.batches;
        self.commands += later.commands;
        self.rule_books += later.rule_books;
        self.ticks += later.ticks;
        self.epoch_max = self.epoch_max.max(later.epoch_max);
        self.events += later.events;
        self.text_bytes += later.text_bytes;
        self.stored_bytes += later.stored_bytes;
        for ms in later.span_ms.into_iter().flat_map(|(from, to)| [from, to]) {
            self.note_time(ms);
        }
        for (name, seen) in &later.producers {
            let known = self.producers.entry(name.clone()).or_default();
            known.batches += seen.batches;
            known.events += seen.events;
            known.sequence = seen.sequence;
        }
    }

    fn add(&mut self, record: &Record, stored_bytes: u64) {
        self.events += record.events();
        self.text_bytes += record.text_bytes() as u64;
        self.stored_bytes += stored_bytes;
        match record {
            Record::Batch {
                producer,
                received_ms,
                events,
                ..
            } => {
                self.batches += 1;
                self.note_time(*received_ms);
                if let Some((name, sequence)) = producer {
                    let seen = self.producers.entry(name.clone()).or_default();
                    seen.batches += 1;
                    seen.events += events;
                    seen.sequence = *sequence;
                }
            }
            Record::Command { at_ms, .. } => {
                self.commands += 1;
                self.note_time(*at_ms);
            }
            Record::RuleBook { at_ms, .. } => {
                self.rule_books += 1;
                self.note_time(*at_ms);
            }
            Record::Tick { now_ms, epoch } => {
                self.ticks += 1;
                self.epoch_max = self.epoch_max.max(Some(*epoch));
                self.note_time(*now_ms);
            }
        }
    }

    fn note_time(&mut self, ms: i64) {
        let (from, to) = self.span_ms.unwrap_or((ms, ms));
        self.span_ms = Some((from.min(ms), to.max(ms)));
    }
}

impl Audit {
    /// Lists the segments in `dir`.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Audit, JournalError> {
        let segments = segment::list(&*disk, dir)?.into_iter();
        Ok(Audit {
            disk,
            segments,
            before: None,
        })
    }

    fn look(&mut self, first: Position, path: PathBuf) -> SegmentAudit {
        let is_last = self.segments.as_slice().is_empty();
        let mut audit = SegmentAudit {
            path,
            file_bytes: 0,
            first,
            next: first,
            contents: Contents::default(),
            damage: None,
            torn_tail: None,
        };
        let before = self.before.take();
        match self.walk(&mut audit, is_last, before) {
            // What follows damage cannot be held against it.
            Ok(tally) => self.before = tally,
            Err(error) => audit.damage = Some(error),
        }
        audit
    }

    /// Reads a segment to its end; returns what it adds up to, unless it never held anything.
    fn walk(
        &self,
        audit: &mut SegmentAudit,
        is_last: bool,
        before: Option<Tally>,
    ) -> Result<Option<Tally>, JournalError> {
        let path = audit.path.clone();
        let file = self.disk.open(&path, false);
        audit.file_bytes = file
            .and_then(|file| file.bytes())
            .map_err(|error| JournalError::io("open", &path, error))?;
        let (mut cursor, mut tally) = match Cursor::open(&*self.disk, &path, audit.first, is_last)?
        {
            Opened::Segment(cursor, tally) => (cursor, tally),
            Opened::Unborn(torn) => {
                audit.torn_tail = Some(torn);
                return Ok(before);
            }
        };
        // What is missing in front of it does not keep its own records from being read.
        audit.damage = before.filter(|before| *before != tally).map(|before| {
            let expected = before.next;
            JournalError::damaged(&path, 0, Damage::Gap { expected })
        });
        while cursor.advance()? {
            let (frame, offset) = (cursor.frame(), cursor.offset());
            let body = |reason| JournalError::damaged(&path, offset, Damage::Body { reason });
            let record = record::decode(&cursor.body()).map_err(body)?;
            if let Record::Batch { lines, .. } = &record {
                lines.plain().map_err(|error| body(error.to_string()))?;
            }
            if let Record::Tick { epoch, .. } = record
                && epoch != tally.next_epoch
            {
                let expected = tally.next_epoch;
                return Err(body(format!(
                    "it closes epoch {epoch} where epoch {expected} is open"
                )));
            }
            let summary = record::peek(frame.body).map_err(body)?.summary;
            tally.add(summary);
            audit.contents.add(&record, frame.bytes() as u64);
            audit.next = tally.next;
        }
        audit.torn_tail = cursor.torn().cloned();
        Ok(Some(tally))
    }
}

impl Iterator for Audit {
    type Item = SegmentAudit;

    fn next(&mut self) -> Option<SegmentAudit> {
        loop {
            let (first, path) = self.segments.next()?;
            let audit = self.look(first, path);
            // A running engine cuts old segments away; what is gone is no damage.
            let is_gone = matches!(&audit.damage, Some(JournalError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound);
            if !is_gone {
                return Some(audit);
            }
        }
    }
}
