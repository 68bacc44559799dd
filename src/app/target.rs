//! The folder that a copy is written into: it has the room and holds nothing else, and is left as it was where the copy
//! does not succeed.
//!
//! * Room is asked for before the first byte. A copy beside the engine's own data must not take what is kept free for the
//!   journal: the engine would stand still for the sake of its backup.
//! * It holds [`UNFINISHED`] from before the first file until after the last. What was empty is emptied again by whoever
//!   could not finish; who was killed leaves the mark, and the next who comes names it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::journal::{Disk, RealDisk};

/// Lies in a copy until all of it is there, whole and durable: a copy that somebody ended early may look
/// whole, for a journal that ends sooner is a journal.
pub(super) const UNFINISHED: &str = "UNFINISHED";

/// What of a file system must stay free.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    /// Of the file system that this folder lies on, and of no other.
    pub(super) beside: &'a Path,
    /// So many bytes.
    pub(super) bytes: u64,
}

/// A folder that is being written.
pub(super) struct Target {
    path: PathBuf,
    /// It was not there before.
    is_new: bool,
}

impl Target {
    /// Makes the folder and these in it, for a copy of `bytes`.
    ///
    /// # Errors
    /// There is something in it, or too little room, or it cannot be written: nothing was, or what was is removed.
    pub(super) fn begin(
        path: &Path,
        parts: &[&str],
        bytes: u64,
        kept: Option<Kept<'_>>,
    ) -> anyhow::Result<Target> {
        let is_new = !path.exists();
        if !is_new {
            refuse_full(path)?;
        }
        let place = nearest(path);
        // A file system that does not say is taken for large.
        if let Some(free) = RealDisk.free_bytes(&place)? {
            let kept = match kept {
                Some(kept) if is_one_file_system(&place, kept.beside)? => kept.bytes,
                _ => 0,
            };
            if let Some(problem) = too_little(bytes, free, kept) {
                bail!("{}: {problem}; nothing was written", path.display());
            }
        }
        let target = Target {
            path: path.to_owned(),
            is_new,
        };
        match target.make(parts) {
            Ok(()) => Ok(target),
            Err(error) => Err(target.take_back(error)),
        }
    }

    fn make(&self, parts: &[&str]) -> anyhow::Result<()> {
        for part in parts {
            let path = self.path.join(part);
            fs::create_dir_all(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        let mark = self.path.join(UNFINISHED);
        fs::write(&mark, "Not all of it is here.\n")
            .and_then(|()| File::open(&mark)?.sync_all())
            .and_then(|()| File::open(&self.path)?.sync_all())
            .with_context(|| format!("cannot write {}", mark.display()))
    }

    /// All of it is there, whole and durable.
    ///
    /// # Errors
    /// The mark cannot be removed.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let mark = self.path.join(UNFINISHED);
        fs::remove_file(&mark).with_context(|| format!("cannot remove {}", mark.display()))?;
        Ok(File::open(&self.path)?.sync_all()?)
    }

    /// Removes what was written, for the copy did not succeed; says so before why it did not.
    pub(super) fn take_back(&self, error: anyhow::Error) -> anyhow::Error {
        let path = self.path.display();
        error.context(match self.clear() {
            Ok(()) => format!("there is no copy in {path}, what was written there is removed"),
            Err(left) => format!(
                "what is in {path} is no copy, and cannot be removed ({left}): remove it before the next"
            ),
        })
    }

    fn clear(&self) -> io::Result<()> {
        if !self.path.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if entry.file_name() != UNFINISHED {
                fs::remove_file(entry.path())?;
            }
        }
        // Last: who is killed before here leaves a copy that says what it is.
        match fs::remove_file(self.path.join(UNFINISHED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if self.is_new {
            fs::remove_dir(&self.path)?;
        }
        Ok(())
    }
}

/// A folder that holds something is left alone, and what is in the way is named.
fn refuse_full(path: &Path) -> anyhow::Result<()> {
    let mut first = None;
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let name = entry?.file_name();
        if name == UNFINISHED {
            bail!(
                "{} is not empty: nothing was written. Its file {UNFINISHED} says that a copy into it was ended early: \
                 remove the folder, or name another one",
                path.display()
            );
        }
        first.get_or_insert(name);
    }
    match first {
        Some(name) => bail!(
            "{} is not empty: nothing was written. It holds {}: name a folder that is empty or not there",
            path.display(),
            Path::new(&name).display()
        ),
        None => Ok(()),
    }
}

/// Why a copy does not fit, if it does not; all in bytes.
fn too_little(bytes: u64, free: u64, kept: u64) -> Option<String> {
    let need = bytes.saturating_add(kept);
    if free >= need {
        return None;
    }
    Some(match kept {
        0 => format!("the copy needs {bytes} bytes, and {free} are free there"),
        kept => format!(
            "the copy needs {bytes} bytes and {free} are free there, on the file system of the engine's own data, where \
             {kept} stay free for it (journal.disk_free_bytes_min, of `--config` or by default): below them it takes no \
             batches, and without a byte left it stands still. Copy to another file system"
        ),
    })
}

/// The folder itself, or the one that it will be made in.
fn nearest(path: &Path) -> PathBuf {
    let mut above = path.ancestors();
    above
        .find(|above| above.is_dir())
        .unwrap_or(Path::new("."))
        .to_owned()
}

fn is_one_file_system(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::metadata(one)?.dev() == fs::metadata(other)?.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_needs_its_own_room_and_beside_the_data_what_is_kept_free_as_well() {
        assert_eq!(too_little(100, 100, 0), None);
        assert_eq!(
            too_little(100, 99, 0).unwrap(),
            "the copy needs 100 bytes, and 99 are free there"
        );
        assert_eq!(too_little(100, 150, 50), None);
        assert!(
            too_little(100, 149, 50)
                .unwrap()
                .contains("where 50 stay free for it (journal.disk_free_bytes_min,")
        );
        assert!(too_little(1, u64::MAX - 1, u64::MAX).is_some());
    }

    #[test]
    fn a_target_is_left_as_it_was_and_what_is_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("a/b");
        // No disk has so much.
        let begun = Target::begin(&to, &["journal"], u64::MAX / 2, None);
        let refused = begun.err().unwrap().to_string();
        assert!(refused.contains("the copy needs"), "{refused}");
        assert!(!folder.path().join("a").exists());
        for is_new in [true, false] {
            if !is_new {
                fs::create_dir(&to).unwrap();
            }
            let target = Target::begin(&to, &["journal"], 0, None).unwrap();
            fs::write(to.join("journal/half"), "half").unwrap();
            fs::write(to.join("ledger"), "half").unwrap();
            let again = Target::begin(&to, &["journal"], 0, None).err().unwrap();
            let again = again.to_string();
            assert!(again.contains("UNFINISHED says"), "{again}");
            let error = target.take_back(anyhow::anyhow!("no space"));
            let words = format!("{error:#}");
            assert!(words.ends_with("is removed: no space"), "{words}");
            assert_eq!(to.exists(), !is_new);
        }
        assert!(fs::read_dir(&to).unwrap().next().is_none());
        fs::write(to.join("mine"), "").unwrap();
        let refused = Target::begin(&to, &["journal"], 0, None).err().unwrap();
        assert!(refused.to_string().contains("It holds mine"), "{refused}");
    }
}
