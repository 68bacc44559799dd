//! Who holds a journal's directory: one process at a time, as long as it lives.

use std::path::Path;

use super::disk::{Disk, DiskLock};
use super::error::JournalError;

/// The file that is locked.
const NAME: &str = "journal.lock";

/// The sole right to a journal's directory, and by agreement to everything beside it. Dropping it, or the death of
/// the process, gives it back.
pub struct Lock {
    _held: Box<dyn DiskLock>,
}

impl Lock {
    /// Takes the lock of `dir`, making the directory if need be.
    ///
    /// # Errors
    /// [`JournalError::Locked`] while somebody holds it, [`JournalError::Io`].
    pub fn take(disk: &dyn Disk, dir: &Path) -> Result<Lock, JournalError> {
        disk.create_dir(dir)
            .map_err(|e| JournalError::io("create", dir, e))?;
        let path = dir.join(NAME);
        match disk.lock(&path) {
            Ok(held) => Ok(Lock { _held: held }),
            Err(source) if source.kind() == std::io::ErrorKind::WouldBlock => {
                Err(JournalError::Locked {
                    dir: dir.to_owned(),
                    lock: path,
                })
            }
            Err(source) => Err(JournalError::io("lock", &path, source)),
        }
    }

    /// Whether a file of a journal's directory is the lock, which says nothing of what the journal holds.
    pub fn is_file(name: &std::ffi::OsStr) -> bool {
        name == NAME
    }
}
