//! Cutting away the oldest segments, once nothing can need them.
//!
//! A segment goes when all three hold: a checkpoint that is kept begins behind it, it is older than the
//! retention, and what would be left is still larger than the retention's size. Only whole segments go,
//! the oldest first, never the last; a crash in between leaves a shorter journal and no hole.

use std::io::ErrorKind;
use std::path::Path;

use super::disk::{Disk, DiskFile};
use super::error::JournalError;
use super::record::Position;
use super::segment::{self, HEADER_BYTES, Tally};

/// What is kept although no start needs it.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Nothing younger than this goes, ms.
    pub age_ms: i64,
    /// Nothing goes that would leave less than this, bytes.
    pub bytes: u64,
}

/// What was cut away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    /// Segment files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Cuts the journal in `dir` below `below`, as far as the retention lets it. Safe beside a running
/// writer, which only touches the last segment.
///
/// # Errors
/// What the file system says; [`JournalError::Damaged`] if a segment that decides has no header.
pub fn cut(
    disk: &dyn Disk,
    dir: &Path,
    below: Position,
    retention: Retention,
    now_ms: i64,
) -> Result<Cut, JournalError> {
    let segments = segment::list(disk, dir)?;
    let mut sizes = Vec::with_capacity(segments.len());
    for (_, path) in &segments {
        let file = open(disk, path)?;
        let bytes = file.bytes();
        sizes.push(bytes.map_err(|e| JournalError::io("measure", path, e))?);
    }
    let mut left: u64 = sizes.iter().sum();
    let mut cut = Cut::default();
    for (pair, bytes) in segments.windows(2).zip(&sizes) {
        let [(_, path), (next, next_path)] = pair else {
            break;
        };
        // A segment ends with the tick that its successor's header carries.
        let ended_ms = header(disk, next_path, *next)?.tick_ms;
        let is_needed = *next > below
            || now_ms.saturating_sub(ended_ms) < retention.age_ms
            || left - bytes < retention.bytes;
        if is_needed {
            break;
        }
        disk.remove(path)
            .map_err(|e| JournalError::io("remove", path, e))?;
        disk.sync_dir(dir)
            .map_err(|e| JournalError::io("sync", dir, e))?;
        left -= bytes;
        cut.segments += 1;
        cut.bytes += bytes;
    }
    Ok(cut)
}

/// The oldest record kept in `dir`, or where it will be; `None` without any segment or directory.
///
/// # Errors
/// The directory cannot be read.
pub fn oldest(disk: &dyn Disk, dir: &Path) -> Result<Option<Position>, JournalError> {
    match segment::list(disk, dir) {
        Ok(segments) => Ok(segments.first().map(|(first, _)| *first)),
        Err(JournalError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(disk: &dyn Disk, path: &Path) -> Result<Box<dyn DiskFile>, JournalError> {
    disk.open(path, false)
        .map_err(|e| JournalError::io("open", path, e))
}

fn header(disk: &dyn Disk, path: &Path, first: Position) -> Result<Tally, JournalError> {
    let mut bytes = [0; HEADER_BYTES];
    let read = super::cursor::read_up_to(&*open(disk, path)?, &mut bytes, 0)
        .map_err(|e| JournalError::io("read", path, e))?;
    segment::read_header(path, first, &bytes[..read])
}
