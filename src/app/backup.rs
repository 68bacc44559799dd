//! A copy of everything that a start needs, taken beside a running engine, and put back.
//!
//! The order of copying is the point. Checkpoint, then history, then ledger, then journal: the ledger then knows every
//! notice that checkpoint and history know of, and the journal holds every epoch that the ledger knows of. What was
//! decided between is decided again after a restore, and may be mailed again; nothing is left out.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};

use crate::checkpoint::Folder;
use crate::journal::{Position, Reader, RealDisk};
use crate::store::{History, Ledger};

const CHECKPOINTS: &str = "checkpoints";
const JOURNAL: &str = "journal";
/// Lies in a copy until all of it is there, whole and durable: a copy that somebody ended early may look
/// whole, for a journal that ends sooner is a journal.
pub(super) const UNFINISHED: &str = "UNFINISHED";

/// What a backup or a restore copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The epoch of the checkpoint; `None` where the journal alone is enough.
    pub checkpoint: Option<u64>,
    /// Journal segments.
    pub segments: usize,
    /// Whole records in them from the checkpoint on: what a start replays.
    pub records: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Copies what the engine in `data` needs to start into `to`, which is empty or not there. The engine may
/// run; nothing of it is changed.
///
/// # Errors
/// A file cannot be copied, by name; or the copy would not start. `to` is then of no use.
pub async fn backup(data: &Path, to: &Path) -> anyhow::Result<Copied> {
    if !data.join(JOURNAL).is_dir() {
        bail!("{} is no data folder: it has no journal", data.display());
    }
    begin(to)?;
    let mut copied = Copied::default();
    if data.join(CHECKPOINTS).is_dir() {
        let folder = Folder::open(Arc::new(RealDisk), &data.join(CHECKPOINTS))?;
        if let Some(newest) = folder.newest()?.newest {
            let name = newest.path.file_name().unwrap_or_default();
            copied.bytes += copy(&newest.path, &to.join(CHECKPOINTS).join(name))?;
        }
    }
    if data.join(History::FILE).exists() {
        let target = to.join(History::FILE);
        History::copy(data, &target).await?;
        copied.bytes += settle(&target)?;
    }
    if data.join(Ledger::FILE).exists() {
        let target = to.join(Ledger::FILE);
        Ledger::copy(data, &target).await?;
        copied.bytes += settle(&target)?;
    }
    copy_segments(&data.join(JOURNAL), &to.join(JOURNAL), &mut copied)?;
    finish(to, copied)
}

/// Puts a backup into `data`, which is empty or not there.
///
/// # Errors
/// The backup would not start, and nothing was written; or a file cannot be copied, by name.
pub fn restore(from: &Path, data: &Path) -> anyhow::Result<Copied> {
    if !from.join(JOURNAL).is_dir() {
        bail!("{} is no backup: it has no journal", from.display());
    }
    if from.join(UNFINISHED).exists() {
        bail!(
            "{} is a backup that was not finished, as its file {UNFINISHED} says: take another one",
            from.display()
        );
    }
    check(from, Copied::default())?;
    begin(data)?;
    let mut copied = Copied::default();
    for path in files(&from.join(CHECKPOINTS))? {
        let name = path.file_name().unwrap_or_default();
        copied.bytes += copy(&path, &data.join(CHECKPOINTS).join(name))?;
    }
    for name in [Ledger::FILE, History::FILE] {
        if from.join(name).exists() {
            copied.bytes += copy(&from.join(name), &data.join(name))?;
        }
    }
    copy_segments(&from.join(JOURNAL), &data.join(JOURNAL), &mut copied)?;
    finish(data, copied)
}

/// Makes the folders of a copy; a folder that holds something is left alone.
fn begin(to: &Path) -> anyhow::Result<()> {
    if to.exists() && fs::read_dir(to)?.next().is_some() {
        bail!("{} is not empty: nothing was written", to.display());
    }
    for part in [CHECKPOINTS, JOURNAL] {
        let path = to.join(part);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    let mark = to.join(UNFINISHED);
    fs::write(&mark, "Not all of it is here.\n")
        .and_then(|()| File::open(&mark)?.sync_all())
        .and_then(|()| File::open(to)?.sync_all())
        .with_context(|| format!("cannot write {}", mark.display()))
}

/// The newest last: what a running engine appends meanwhile is copied in part at most, and a part of a
/// record at the end is what a start cuts off.
fn copy_segments(from: &Path, to: &Path, copied: &mut Copied) -> anyhow::Result<()> {
    let mut segments = files(from)?;
    segments.retain(|path| path.extension().is_some_and(|end| end == "journal"));
    for path in segments {
        let name = path.file_name().unwrap_or_default();
        match copy(&path, &to.join(name)) {
            Ok(bytes) => {
                copied.bytes += bytes;
                copied.segments += 1;
            }
            // Cut away meanwhile; whether it is needed shows when the copy is checked.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn finish(to: &Path, copied: Copied) -> anyhow::Result<Copied> {
    for folder in [to.join(CHECKPOINTS), to.join(JOURNAL), to.to_owned()] {
        File::open(&folder)?.sync_all()?;
    }
    let copied = check(to, copied)?;
    let mark = to.join(UNFINISHED);
    fs::remove_file(&mark).with_context(|| format!("cannot remove {}", mark.display()))?;
    File::open(to)?.sync_all()?;
    Ok(copied)
}

/// Reads through what a start would read.
fn check(folder: &Path, mut copied: Copied) -> anyhow::Result<Copied> {
    let mut from = None;
    if folder.join(CHECKPOINTS).is_dir() {
        let checkpoints = Folder::open(Arc::new(RealDisk), &folder.join(CHECKPOINTS))?;
        let found = checkpoints.newest()?;
        if let Some(newest) = &found.newest {
            copied.checkpoint = Some(newest.head.epoch);
            from = Some(newest.head.next);
        } else if let Some((_, error)) = found.passed_over.into_iter().next() {
            return Err(error.into());
        }
    }
    let journal = folder.join(JOURNAL);
    let first = crate::journal::oldest(&RealDisk, &journal)?;
    if from.is_none() && first != Some(Position(0)) {
        return Err(anyhow!(
            "{} begins at record {first:?} and there is no checkpoint: it would not start",
            journal.display()
        ));
    }
    let mut next = from.unwrap_or_default();
    for read in Reader::open(&journal, from)? {
        let (position, _) = read?;
        next = position.next();
        copied.records += 1;
    }
    if let Some(from) = from.filter(|from| next < *from) {
        bail!(
            "{} ends below record {from}, where the checkpoint is: it would not start",
            journal.display()
        );
    }
    Ok(copied)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<u64> {
    match fs::copy(from, to) {
        Ok(_) => settle(to),
        Err(error) => Err(anyhow::Error::new(error).context(format!(
            "cannot copy {} to {}",
            from.display(),
            to.display()
        ))),
    }
}

/// Makes a file durable; its size in bytes.
fn settle(path: &Path) -> anyhow::Result<u64> {
    let file = File::open(path)?;
    file.sync_all()
        .with_context(|| format!("cannot sync {}", path.display()))?;
    Ok(file.metadata()?.len())
}
