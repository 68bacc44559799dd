//! A copy of everything that a start needs, taken beside a running engine, and put back.
//!
//! The order of copying is the point. Checkpoint, then history, then ledger, then journal: the ledger then knows every
//! notice that checkpoint and history know of, and the journal holds every epoch that the ledger knows of. What was
//! decided between is decided again after a restore, and may be mailed again; nothing is left out.
//!
//! A copy is called whole when every segment, every checkpoint, the ledger and the history in it were read through, as
//! `chrysalis journal verify` does. What would not start is refused; damage below the checkpoint, from which an engine
//! starts all the same, is named, and the copy is kept: it may be the only one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};

use super::target::{Kept, Target, UNFINISHED};
use crate::checkpoint::Folder;
use crate::journal::{Audit, Position, Reader, RealDisk};
use crate::store::{History, Ledger, LedgerCheck};

const CHECKPOINTS: &str = "checkpoints";
const JOURNAL: &str = "journal";

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
/// run; nothing of it is changed, and where both lie on one file system `kept_bytes` of that stay free for it
/// (`journal.disk_free_bytes_min`).
///
/// # Errors
/// There is too little room, and nothing was written. Or a file cannot be copied, by name, or the copy would not start:
/// what was written is removed. Or something below the checkpoint is damaged, by name: `to` is then as good as `data`.
pub async fn backup(data: &Path, to: &Path, kept_bytes: u64) -> anyhow::Result<Copied> {
    let journal = data.join(JOURNAL);
    if !journal.is_dir() {
        bail!("{} is no data folder: it has no journal", data.display());
    }
    let mut checkpoint = None;
    if data.join(CHECKPOINTS).is_dir() {
        let folder = Folder::open(Arc::new(RealDisk), &data.join(CHECKPOINTS))?;
        checkpoint = folder.newest()?.newest.map(|newest| newest.path);
    }
    let need = bytes_of(data, checkpoint.iter())?;
    let kept = Kept {
        beside: &journal,
        bytes: kept_bytes,
    };
    let target = Target::begin(to, &[CHECKPOINTS, JOURNAL], need, Some(kept))?;
    let copied = copy_all(data, to, checkpoint.as_deref(), &target).await;
    told(to, &target, copied)
}

async fn copy_all(
    data: &Path,
    to: &Path,
    checkpoint: Option<&Path>,
    target: &Target,
) -> anyhow::Result<(Copied, String)> {
    let mut copied = Copied::default();
    if let Some(newest) = checkpoint {
        let name = newest.file_name().unwrap_or_default();
        copied.bytes += copy(newest, &to.join(CHECKPOINTS).join(name))?;
    }
    let mut lost = None;
    if data.join(History::FILE).exists() {
        let target = to.join(History::FILE);
        match History::copy(data, &target).await {
            Ok(()) => copied.bytes += settle(&target)?,
            // No start needs it, and all else is worth having.
            Err(error) => {
                let _ = fs::remove_file(&target);
                lost = Some(anyhow::Error::from(error).context("the history is not copied"));
            }
        }
    }
    if data.join(Ledger::FILE).exists() {
        let target = to.join(Ledger::FILE);
        Ledger::copy(data, &target).await?;
        copied.bytes += settle(&target)?;
    }
    copy_segments(&data.join(JOURNAL), &to.join(JOURNAL), &mut copied)?;
    let mut databases = Databases::of(to).await?;
    databases.damaged = lost.or(databases.damaged);
    finish(to, target, copied, &databases)
}

/// Puts a backup into `data`, which is empty or not there.
///
/// # Errors
/// The backup would not start or there is too little room, and nothing was written; or a file cannot be copied, by name:
/// what was written is removed. Or something below the checkpoint is damaged, by name: an engine starts from `data` all
/// the same.
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
    check(from, Copied::default(), &databases(from)?)?;
    let checkpoints = files(&from.join(CHECKPOINTS))?;
    let need = bytes_of(from, checkpoints.iter())?;
    let target = Target::begin(data, &[CHECKPOINTS, JOURNAL], need, None)?;
    let copied = put_back(from, data, &checkpoints, &target);
    told(data, &target, copied)
}

fn put_back(
    from: &Path,
    data: &Path,
    checkpoints: &[PathBuf],
    target: &Target,
) -> anyhow::Result<(Copied, String)> {
    let mut copied = Copied::default();
    for path in checkpoints {
        let name = path.file_name().unwrap_or_default();
        copied.bytes += copy(path, &data.join(CHECKPOINTS).join(name))?;
    }
    for name in [Ledger::FILE, History::FILE] {
        if from.join(name).exists() {
            copied.bytes += copy(&from.join(name), &data.join(name))?;
        }
    }
    copy_segments(&from.join(JOURNAL), &data.join(JOURNAL), &mut copied)?;
    finish(data, target, copied, &databases(data)?)
}

/// What the databases of a copy hold, once every page of them was read.
struct Databases {
    /// None where there is no ledger.
    ledger: Option<LedgerCheck>,
    /// Of the history: no start needs it.
    damaged: Option<anyhow::Error>,
}

impl Databases {
    /// # Errors
    /// The ledger cannot be read or is damaged: the copy would not start.
    async fn of(folder: &Path) -> anyhow::Result<Databases> {
        Ok(Databases {
            ledger: Ledger::check(folder).await?,
            damaged: History::check_pages(folder).await.err().map(Into::into),
        })
    }
}

/// [`Databases::of`] for who does not wait: on a thread of its own, for this one may belong to a runtime.
fn databases(folder: &Path) -> anyhow::Result<Databases> {
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start the async runtime")?
                .block_on(Databases::of(folder))
        });
        let read = reading.join();
        read.unwrap_or_else(|_| {
            Err(anyhow!(
                "the databases of a copy were not read to their end"
            ))
        })
    })
}

/// What a copy of a folder takes at most, with these checkpoints: a database may have pages in its log that the file has
/// not yet.
fn bytes_of<'a>(
    folder: &Path,
    checkpoints: impl Iterator<Item = &'a PathBuf>,
) -> anyhow::Result<u64> {
    let databases = [Ledger::FILE, History::FILE]
        .into_iter()
        .flat_map(|name| [folder.join(name), folder.join(format!("{name}-wal"))]);
    let mut all: Vec<PathBuf> = checkpoints.cloned().chain(databases).collect();
    all.extend(files(&folder.join(JOURNAL))?);
    // What is not there, or not any more, takes no room.
    let bytes = all
        .iter()
        .filter_map(|path| Some(fs::metadata(path).ok()?.len()));
    Ok(bytes.sum())
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
            // Cut away meanwhile, and with it all before it; whether it is needed shows when the copy is checked.
            Err(error) if is_gone(&error) => {
                for before in files(to)? {
                    copied.bytes -= fs::metadata(&before)?.len();
                    copied.segments -= 1;
                    fs::remove_file(&before)
                        .with_context(|| format!("cannot remove {}", before.display()))?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Reads the copy through; what is damaged of it and no start reads, a line each.
fn finish(
    to: &Path,
    target: &Target,
    copied: Copied,
    databases: &Databases,
) -> anyhow::Result<(Copied, String)> {
    for folder in [to.join(CHECKPOINTS), to.join(JOURNAL), to.to_owned()] {
        File::open(&folder)?.sync_all()?;
    }
    let (copied, damaged) = check(to, copied, databases)?;
    // Also where something is damaged: all that there was is here.
    target.finish()?;
    let all = damaged.iter().chain(&databases.damaged);
    Ok((copied, all.map(|error| format!("\n  {error:#}")).collect()))
}

fn told(
    to: &Path,
    target: &Target,
    copied: anyhow::Result<(Copied, String)>,
) -> anyhow::Result<Copied> {
    let (copied, damaged) = copied.map_err(|error| target.take_back(error))?;
    if damaged.is_empty() {
        return Ok(copied);
    }
    Err(anyhow!(
        "the copy is not whole, for what was copied is not:{damaged}\nIt is kept: an engine starts from {}, for what is \
         damaged is nothing that a start reads. Put the named files in place from an older copy",
        to.display()
    ))
}

/// Reads everything through but the databases, whose answers are given; what is damaged and no start reads.
///
/// # Errors
/// A start would not begin from it.
fn check(
    folder: &Path,
    mut copied: Copied,
    databases: &Databases,
) -> anyhow::Result<(Copied, Vec<anyhow::Error>)> {
    let mut from = None;
    let mut damaged: Vec<anyhow::Error> = Vec::new();
    if folder.join(CHECKPOINTS).is_dir() {
        let checkpoints = Folder::open(Arc::new(RealDisk), &folder.join(CHECKPOINTS))?;
        let found = checkpoints.newest()?;
        let passed_over = found.passed_over.into_iter();
        damaged.extend(passed_over.map(|(_, error)| error.into()));
        if let Some(newest) = &found.newest {
            copied.checkpoint = Some(newest.head.epoch);
            from = Some(newest.head.next);
            let mut older = checkpoints.epochs()?;
            older.retain(|epoch| *epoch < newest.head.epoch);
            let older = older.iter().map(|epoch| checkpoints.path_of(*epoch));
            let errors = older.filter_map(|path| checkpoints.check(&path).err());
            damaged.extend(errors.map(Into::into));
        } else if !damaged.is_empty() {
            return Err(damaged.remove(0));
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
    // What a start reads was whole, so what is damaged now lies below it.
    let mut epoch_max: Option<u64> = None;
    for audit in Audit::open(Arc::new(RealDisk), &journal)? {
        epoch_max = epoch_max.max(audit.contents.epoch_max);
        damaged.extend(audit.damage.map(anyhow::Error::from));
    }
    check_ledger(folder, databases.ledger, next, epoch_max)?;
    Ok((copied, damaged))
}

/// As a start looks at it: without its ledger nobody can say what was mailed, and it must be this journal's.
fn check_ledger(
    folder: &Path,
    ledger: Option<LedgerCheck>,
    next: Position,
    epoch_max: Option<u64>,
) -> anyhow::Result<()> {
    let path = folder.join(Ledger::FILE);
    let Some(ledger) = ledger else {
        if next == Position(0) {
            return Ok(());
        }
        bail!(
            "there is no {}, but a journal: it would not start, for nobody could say what was mailed. Put the ledger of \
             that time there",
            path.display()
        );
    };
    let ahead = ledger.decided_upto.zip(epoch_max);
    match ahead.filter(|(upto, epoch)| upto > epoch) {
        Some((upto, epoch)) => bail!(
            "{} knows notices up to epoch {upto}, and the journal ends with epoch {epoch}: it would not start, for they \
             are not of one engine, or the journal's newest part is missing",
            path.display()
        ),
        None => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, JournalConfig};

    #[tokio::test]
    async fn a_backup_beside_its_data_leaves_the_journal_its_room_and_none_that_fails_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
        let journal = data.join(JOURNAL);
        let config = JournalConfig::default();
        drop(Journal::open_on(Arc::new(RealDisk), &journal, config).unwrap());
        let refused = backup(&data, &to, u64::MAX).await.unwrap_err().to_string();
        assert!(refused.contains("journal.disk_free_bytes_min"), "{refused}");
        assert!(!to.exists(), "nothing was written");
        fs::write(data.join(Ledger::FILE), "this is no database, it is a text").unwrap();
        let failed = backup(&data, &to, 0).await.unwrap_err();
        let words = format!("{failed:#}");
        assert!(
            words.contains("what was written there is removed"),
            "{words}"
        );
        assert!(!to.exists());
        fs::remove_file(data.join(Ledger::FILE)).unwrap();
        // What was in the way is gone: the same place takes the next.
        backup(&data, &to, 0).await.unwrap();
        assert!(to.join(JOURNAL).is_dir() && !to.join(UNFINISHED).exists());
    }
}
