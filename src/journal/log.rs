//! The journal as one thread sees it: append, commit, roll. No threads, no clock, no epochs.
//!
//! * Records are in the order they were appended, at positions without gaps.
//! * What `commit` has returned for survives any crash.
//! * A group that failed for lack of space leaves nothing behind: not in the file, not in the counts.
//! * After any other failure to write or sync nobody knows what is durable, so every later call
//!   returns the same error until the process starts again and looks.
//! * One `Journal` at a time holds a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::cursor::TornTail;
use super::digests::{Digests, Matching};
use super::disk::{Disk, DiskFile, RealDisk};
use super::error::{self, JournalError};
use super::frame::{self, Frame};
use super::lock::Lock;
use super::producers::{Memory, Producers};
use super::read::Reader;
use super::record::{self, Encoded, Position, RECORD_BYTES_MAX, Record};
use super::scan;
use super::segment::{self, HEADER_BYTES, Tally};
use super::sweep::sweep;
use super::unsure::Unsure;

/// Settings of the journal.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// A segment that has reached this many bytes is followed by a new one. It may be longer by
    /// one group.
    pub segment_bytes_max: u64,
    /// Uncompressed size of a record, at most [`RECORD_BYTES_MAX`]. Larger ones are refused.
    pub record_bytes_max: usize,
    /// How producers are remembered for de-duplication, see [`Producers`].
    pub memory: Memory,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            segment_bytes_max: 64 << 20,
            record_bytes_max: 32 << 20,
            memory: Memory::default(),
        }
    }
}

/// What was found on opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The oldest record kept, or where it will be.
    pub first: Position,
    /// Where the next record goes.
    pub next: Position,
    /// Events in all batches since the journal began.
    pub events_total: u64,
    /// Epochs closed since the journal began.
    pub epochs_total: u64,
    /// The clock of its last tick, epoch milliseconds; `i64::MIN` if it has none.
    pub tick_ms: i64,
    /// Segment files.
    pub segments: usize,
    /// Half-written bytes that were cut off.
    pub torn_tail: Option<TornTail>,
    /// The producers remembered.
    pub producers: Producers,
    /// Bytes of the records from where it was resumed, or of all: what a start has to read back.
    pub ahead_bytes: u64,
}

/// From where a journal is opened by who has a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Where an epoch begins; everything below is known.
    pub next: Position,
    /// The producers as of there, or later.
    pub producers: Producers,
}

/// Counts of one `Journal`, since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Records written.
    pub records_written_total: u64,
    /// Bytes written.
    pub bytes_written_total: u64,
    /// Times data was synced.
    pub syncs_total: u64,
    /// How long the last sync took, in microseconds.
    pub sync_us_last: u64,
    /// Segment files now.
    pub segments: u64,
}

/// The journal of one directory, open for appending.
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: JournalConfig,
    file: Box<dyn DiskFile>,
    path: PathBuf,
    /// Where the written frames end in `file`, and what they add up to.
    written_bytes: u64,
    written: Tally,
    /// Everything below is on stable storage.
    durable_below: Position,
    /// Frames appended but not yet written, and what all adds up to with them.
    buffer: Vec<u8>,
    appended: Tally,
    failed: Option<JournalError>,
    /// Of the epochs that were found on opening.
    digests: Arc<Digests>,
    stats: LogStats,
    // Last, so that the lock outlives the file.
    _lock: Lock,
}

impl Journal {
    /// Opens the journal in `dir`, making it if need be; checks every record.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Damaged`], [`JournalError::NewerFormat`],
    /// [`JournalError::Setting`], [`JournalError::Full`], [`JournalError::Io`].
    pub fn open(dir: &Path, config: JournalConfig) -> Result<(Self, Recovery), JournalError> {
        Self::open_on(Arc::new(RealDisk), dir, config)
    }

    /// [`Journal::open`] on any disk.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: JournalConfig,
    ) -> Result<(Self, Recovery), JournalError> {
        Self::resume_on(disk, dir, config, None)
    }

    /// [`Journal::open_on`] for who knows what came before `from` and needs no look at it: only what
    /// lies from there on is checked, so the time it takes does not grow with the journal.
    ///
    /// # Errors
    /// As [`Journal::open`], and [`JournalError::Gone`], [`JournalError::Short`].
    pub fn resume_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: JournalConfig,
        from: Option<Resume>,
    ) -> Result<(Self, Recovery), JournalError> {
        let lock = Lock::take(&*disk, dir)?;
        Self::resume_under(lock, disk, dir, config, from)
    }

    /// [`Journal::resume_on`] for who holds the lock of `dir` already.
    ///
    /// # Errors
    /// As [`Journal::resume_on`], without [`JournalError::Locked`].
    pub fn resume_under(
        lock: Lock,
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: JournalConfig,
        from: Option<Resume>,
    ) -> Result<(Self, Recovery), JournalError> {
        if config.record_bytes_max > RECORD_BYTES_MAX {
            return Err(JournalError::Setting {
                name: "record_bytes_max",
                value: config.record_bytes_max as u64,
                rule: format!("at most {RECORD_BYTES_MAX}"),
            });
        }
        let first = segment::list(&*disk, dir)?
            .first()
            .map_or(Position(0), |(first, _)| *first);

        let asked = from.as_ref().map(|from| from.next);
        let mut producers = from.map_or_else(
            || Producers::new(config.memory),
            |from| from.producers.under(config.memory),
        );
        let segments = scan::segments_from(&*disk, dir, asked)?;
        let mut unsure = Unsure::default();
        let mut digests = Matching::of(&*disk, dir);
        let mut ahead_bytes = 0;
        let swept = sweep(&disk, &segments, |noted| {
            if asked.is_none_or(|asked| noted.position() >= asked) {
                ahead_bytes += noted.bytes;
            }
            unsure.note(&noted);
            digests.note(&noted);
            if let Some((name, sequence)) = &noted.producer {
                let sender = noted.sender.as_deref();
                producers.note(name, sender, *sequence, noted.position());
            }
            if let Some((_, now_ms)) = noted.summary.tick {
                producers.tick(now_ms);
            }
        })?;
        let torn_tail = swept.unborn.as_ref().or(swept.torn.as_ref()).cloned();
        if let Some(unborn) = &swept.unborn {
            segment::give_up_unborn(&*disk, dir, unborn, swept.tally)?;
        }
        let tally = swept.tally.unwrap_or(Tally::START);
        if let Some(asked) = asked.filter(|asked| *asked > tally.next) {
            return Err(JournalError::Short {
                dir: dir.to_owned(),
                asked,
                next: tally.next,
                torn: swept.torn,
            });
        }
        let (path, file, written_bytes) = match swept.end {
            Some((path, end)) => {
                let sure = unsure.from(&path);
                let file = segment::reopen(&*disk, &path, sure..end, swept.torn.as_ref())?;
                // The process before may have died between making a segment and syncing its name.
                disk.sync_dir(dir)
                    .map_err(|e| JournalError::io("sync", dir, e))?;
                (path, file, end)
            }
            None => {
                let (path, file) = segment::create(&*disk, dir, tally)?;
                (path, file, HEADER_BYTES as u64)
            }
        };
        if let Some(torn) = &torn_tail {
            tracing::warn!(
                journal.segment = %torn.path.display(), journal.offset = torn.offset,
                journal.bytes = torn.bytes,
                "cut the last {} bytes off {} at offset {}: they are no whole record. A crash leaves that behind, \
                 and then nobody was told of them; were they damaged since, an acknowledged record is gone",
                torn.bytes, torn.path.display(), torn.offset
            );
        }
        let segments = segment::list(&*disk, dir)?.len();
        let digests = digests.found(Arc::clone(&disk), dir);
        let recovery = Recovery {
            first,
            next: tally.next,
            events_total: tally.events_total,
            epochs_total: tally.next_epoch,
            tick_ms: tally.tick_ms,
            segments,
            torn_tail,
            producers,
            ahead_bytes,
        };
        let journal = Self {
            disk,
            dir: dir.to_owned(),
            config,
            file,
            path,
            written_bytes,
            written: tally,
            durable_below: tally.next,
            buffer: Vec::new(),
            appended: tally,
            failed: None,
            digests: Arc::new(digests),
            stats: LogStats {
                segments: segments as u64,
                ..LogStats::default()
            },
            _lock: lock,
        };
        Ok((journal, recovery))
    }

    /// Appends a record to the group that the next [`Journal::commit`] makes durable.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`], which leaves the group as it was; or the error that the journal
    /// has failed with.
    pub fn append(&mut self, record: &Record) -> Result<Position, JournalError> {
        let encoded = record::encode(record, self.config.record_bytes_max)?;
        self.append_encoded(&encoded)
    }

    /// [`Journal::append`] of a record that has already been encoded.
    ///
    /// # Errors
    /// The error that the journal has failed with.
    pub fn append_encoded(&mut self, encoded: &Encoded) -> Result<Position, JournalError> {
        self.append_sealed(encoded).map(|(position, _)| position)
    }

    /// [`Journal::append_encoded`], with the checksum of the record's frame.
    pub(super) fn append_sealed(
        &mut self,
        encoded: &Encoded,
    ) -> Result<(Position, u32), JournalError> {
        self.usable()?;
        let position = self.appended.next;
        let frame = Frame {
            position,
            durable_below: self.durable_below,
            body: &encoded.body,
        };
        let checksum = frame::push(&mut self.buffer, frame);
        self.appended.add(encoded.summary);
        Ok((position, checksum))
    }

    /// Writes the group and makes it durable; returns the position below which everything is.
    ///
    /// # Errors
    /// [`JournalError::Full`]: the whole group is forgotten and the journal is as it was before it.
    /// Any other error is fatal, see [`JournalError::is_fatal`].
    pub fn commit(&mut self) -> Result<Position, JournalError> {
        self.write()?;
        if self.durable_below < self.written.next {
            self.sync()?;
        }
        Ok(self.durable_below)
    }

    /// Writes the group without making it durable: it survives the death of the process but not
    /// of the machine. The next [`Journal::commit`] makes it durable.
    ///
    /// # Errors
    /// As [`Journal::commit`].
    pub fn write(&mut self) -> Result<(), JournalError> {
        self.usable()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        // Before the group and not after it, so that a group lies in one segment and can be undone.
        // Never an empty segment: its successor would have its name.
        if self.written_bytes >= self.config.segment_bytes_max.max(HEADER_BYTES as u64 + 1) {
            self.roll()?;
        }
        if let Err(source) = self.file.write_at(&self.buffer, self.written_bytes) {
            return Err(if error::is_no_space(&source) {
                self.undo()
            } else {
                self.fail(JournalError::io("write", &self.path, source))
            });
        }
        self.written_bytes += self.buffer.len() as u64;
        self.stats.bytes_written_total += self.buffer.len() as u64;
        self.stats.records_written_total += self.appended.next.0 - self.written.next.0;
        self.written = self.appended;
        self.buffer.clear();
        // One large group must not keep its memory for ever.
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        Ok(())
    }

    /// Reads what has been written, from record `from` on.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn read_from(&self, from: Position) -> Result<Reader, JournalError> {
        self.reader(Some(from))
    }

    /// [`Journal::read_from`], or from the oldest record kept.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self, from: Option<Position>) -> Result<Reader, JournalError> {
        Reader::open_on(Arc::clone(&self.disk), &self.dir, from)
    }

    /// [`Journal::reader`] that leaves lines where they are, where they were decoded already.
    pub(super) fn reader_apart(&self, from: Option<Position>) -> Result<Reader, JournalError> {
        Reader::apart_on(Arc::clone(&self.disk), &self.dir, from)
    }

    /// Counts since the journal was opened.
    pub fn stats(&self) -> LogStats {
        self.stats
    }

    /// The settings it was opened with.
    pub fn config(&self) -> &JournalConfig {
        &self.config
    }

    /// The disk and the folder on it.
    pub(super) fn place(&self) -> (Arc<dyn Disk>, PathBuf) {
        (Arc::clone(&self.disk), self.dir.clone())
    }

    /// The digests of epochs that were found on opening.
    pub(super) fn digests(&self) -> Arc<Digests> {
        Arc::clone(&self.digests)
    }

    /// What everything appended adds up to.
    pub(super) fn tally(&self) -> Tally {
        self.appended
    }

    fn usable(&self) -> Result<(), JournalError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Remembers a fatal error and hands it back.
    fn fail(&mut self, error: JournalError) -> JournalError {
        self.failed = Some(error.clone());
        error
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        let began = Instant::now();
        if let Err(source) = self.file.sync() {
            return Err(self.fail(JournalError::io("sync", &self.path, source)));
        }
        self.stats.syncs_total += 1;
        self.stats.sync_us_last = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.durable_below = self.written.next;
        Ok(())
    }

    /// Starts a new segment at the end of what is written.
    fn roll(&mut self) -> Result<(), JournalError> {
        // A segment that is not the last must be whole: nothing of it may be merely written.
        if self.durable_below < self.written.next {
            self.sync()?;
        }
        match segment::create(&*self.disk, &self.dir, self.written) {
            Ok((path, file)) => {
                self.path = path;
                self.file = file;
                self.written_bytes = HEADER_BYTES as u64;
                self.stats.segments += 1;
                Ok(())
            }
            Err(JournalError::Full { path }) => {
                self.forget_group();
                Err(JournalError::Full { path })
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Takes back a group of which perhaps a part was written before space ran out.
    fn undo(&mut self) -> JournalError {
        self.forget_group();
        // Synced, because the producers are told that nothing was kept: a crash must not bring a
        // part of it back.
        let cut = self
            .file
            .truncate(self.written_bytes)
            .and_then(|()| self.file.sync());
        match cut {
            Ok(()) => {
                self.durable_below = self.written.next;
                JournalError::Full {
                    path: self.path.clone(),
                }
            }
            Err(source) => self.fail(JournalError::io("truncate", &self.path, source)),
        }
    }

    fn forget_group(&mut self) {
        self.buffer = Vec::new();
        self.appended = self.written;
    }
}

/// The buffer keeps this much between groups.
const BUFFER_KEPT_BYTES: usize = 1 << 20;
