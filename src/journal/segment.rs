//! One file of the journal: its name, its header, how it comes and goes. Not the frames in it.
//!
//! ```text
//! magic 8 | version u32 | reserved u32 | first u64 | events_before u64 | next_epoch u64 | tick_ms i64
//! | zeroes | crc32c u32 of the 60 bytes before                                      (64 bytes, LE)
//! ```
//!
//! * The header is durable before the first frame is written.
//! * It carries what must outlive the segments before it, so that old segments can be cut away.
//! * Magic, version, length and checksum keep their places in every version, so that an older
//!   program can tell a newer segment from a damaged one.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::cursor::{self, TornTail};
use super::disk::{Disk, DiskFile};
use super::error::{self, Damage, JournalError};
use super::frame::{u32_at, u64_at};
use super::record::{Position, Summary};

/// The version written here and the newest that is read.
pub(super) const FORMAT_VERSION: u32 = 2;
/// Bytes before the first frame.
pub(super) const HEADER_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"CHRYSJNL";
const CHECKSUM_AT: usize = HEADER_BYTES - 4;
const SUFFIX: &str = ".journal";

/// What the journal has counted up to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// The position of the next record.
    pub(super) next: Position,
    /// Events in all records before `next`.
    pub(super) events_total: u64,
    /// The number of the epoch that is open at `next`.
    pub(super) next_epoch: u64,
    /// The time of the last tick, `i64::MIN` before the first.
    pub(super) tick_ms: i64,
}

impl Tally {
    /// Before the first record.
    pub(super) const START: Self = Self {
        next: Position(0),
        events_total: 0,
        next_epoch: 0,
        tick_ms: i64::MIN,
    };

    /// Counts one more record.
    pub(super) fn add(&mut self, summary: Summary) {
        self.next = self.next.next();
        self.events_total = self.events_total.saturating_add(summary.events);
        if let Some((epoch, now_ms)) = summary.tick {
            self.next_epoch = epoch.saturating_add(1);
            self.tick_ms = now_ms;
        }
    }
}

/// The path of the segment that starts with record `first`.
pub(super) fn path(dir: &Path, first: Position) -> PathBuf {
    // Twenty digits hold any u64, so names sort as numbers do.
    dir.join(format!("{:020}{SUFFIX}", first.0))
}

/// The segments of a directory, oldest first: first record and path. Other files are left alone.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<(Position, PathBuf)>, JournalError> {
    let names = disk
        .list(dir)
        .map_err(|e| JournalError::io("list", dir, e))?;
    let mut segments: Vec<(Position, PathBuf)> = names
        .iter()
        .filter_map(|name| {
            let digits = name.strip_suffix(SUFFIX)?;
            let number = digits.parse().ok().filter(|_| digits.len() == 20)?;
            Some((Position(number), dir.join(name)))
        })
        .collect();
    segments.sort_unstable();
    Ok(segments)
}

/// The header of a segment that starts where `tally` ends.
pub(super) fn header(tally: Tally) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&tally.next.0.to_le_bytes());
    bytes[24..32].copy_from_slice(&tally.events_total.to_le_bytes());
    bytes[32..40].copy_from_slice(&tally.next_epoch.to_le_bytes());
    bytes[40..48].copy_from_slice(&tally.tick_ms.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads a header back; `first` is what the file name says.
///
/// # Errors
/// [`JournalError::NewerFormat`], or [`JournalError::Damaged`] at offset 0.
pub(super) fn read_header(
    path: &Path,
    first: Position,
    bytes: &[u8],
) -> Result<Tally, JournalError> {
    let damaged = |damage| JournalError::damaged(path, 0, damage);
    let fields = || {
        let checked = bytes.get(..CHECKSUM_AT)?;
        let whole =
            checked.starts_with(MAGIC) && crc32c::crc32c(checked) == u32_at(bytes, CHECKSUM_AT)?;
        whole.then_some(())?;
        let tally = Tally {
            next: Position(u64_at(bytes, 16)?),
            events_total: u64_at(bytes, 24)?,
            next_epoch: u64_at(bytes, 32)?,
            tick_ms: u64_at(bytes, 40)?.cast_signed(),
        };
        Some((u32_at(bytes, 8)?, tally))
    };
    let (version, tally) = fields().ok_or_else(|| damaged(Damage::Header))?;
    if version > FORMAT_VERSION {
        return Err(JournalError::NewerFormat {
            path: path.to_owned(),
            found: version,
            supported: FORMAT_VERSION,
        });
    }
    if tally.next != first {
        return Err(damaged(Damage::Name { found: tally.next }));
    }
    Ok(tally)
}

/// Opens the last segment to append at `end`, without what is torn behind it.
pub(super) fn reopen(
    disk: &dyn Disk,
    path: &Path,
    unsure: Range<u64>,
    torn: Option<&TornTail>,
) -> Result<Box<dyn DiskFile>, JournalError> {
    let mut file = disk
        .open(path, true)
        .map_err(|e| JournalError::io("open", path, e))?;
    if torn.is_some() {
        file.truncate(unsure.end)
            .map_err(|e| JournalError::io("truncate", path, e))?;
    }
    // Records that the process before wrote but never synced have been read as whole, and from now
    // on count as durable: so make them, from our own copy of them.
    let mut bytes = vec![0; usize::try_from(unsure.end - unsure.start).unwrap_or(0)];
    let read = cursor::read_up_to(&*file, &mut bytes, unsure.start);
    read.map_err(|e| JournalError::io("read", path, e))?;
    file.write_at(&bytes, unsure.start)
        .map_err(|e| JournalError::io("write", path, e))?;
    file.sync().map_err(|e| JournalError::io("sync", path, e))?;
    Ok(file)
}

/// Removes a segment that was never used, unless it is the only one left of an older journal:
/// then what it should continue is unknown.
pub(super) fn give_up_unborn(
    disk: &dyn Disk,
    dir: &Path,
    unborn: &TornTail,
    tally: Option<Tally>,
) -> Result<(), JournalError> {
    if tally.is_none() && unborn.path != path(dir, Position(0)) {
        return Err(JournalError::damaged(&unborn.path, 0, Damage::Header));
    }
    disk.remove(&unborn.path)
        .map_err(|e| JournalError::io("remove", &unborn.path, e))?;
    disk.sync_dir(dir)
        .map_err(|e| JournalError::io("sync", dir, e))
}

/// Makes the segment that continues `tally`: its header and its name are durable on return. For
/// lack of space it leaves nothing behind.
pub(super) fn create(
    disk: &dyn Disk,
    dir: &Path,
    tally: Tally,
) -> Result<(PathBuf, Box<dyn DiskFile>), JournalError> {
    let path = path(dir, tally.next);
    let made = disk.create(&path).and_then(|mut file| {
        file.write_at(&header(tally), 0)?;
        file.sync()?;
        disk.sync_dir(dir)?;
        Ok(file)
    });
    match made {
        Ok(file) => Ok((path, file)),
        Err(source) if error::is_no_space(&source) => {
            match disk.remove(&path).and_then(|()| disk.sync_dir(dir)) {
                Err(gone) if gone.kind() != io::ErrorKind::NotFound => {
                    Err(JournalError::io("remove", &path, gone))
                }
                _ => Err(JournalError::Full { path }),
            }
        }
        Err(source) => Err(JournalError::io("create", &path, source)),
    }
}
