//! The file system as the journal needs it, and the real one. The only file of the journal that
//! calls `std::fs`; `fake_disk` is the other implementation, for crashes that can be repeated.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A directory tree.
///
/// What a call did to a file is certain to survive a crash only after [`DiskFile::sync`]; what it
/// did to a name (create, remove), only after [`Disk::sync_dir`].
pub trait Disk: Send + Sync {
    /// Makes a directory and its parents, durably. Not an error if it is there.
    ///
    /// # Errors
    /// What the file system says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the exclusive lock `path`, making the file if need be.
    ///
    /// # Errors
    /// `WouldBlock` if another holds it; otherwise what the file system says.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
    /// The names in a directory, in any order.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a new, empty file.
    ///
    /// # Errors
    /// `AlreadyExists` if it is there; `StorageFull`; otherwise what the file system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file to read it and, if `write`, to change it.
    ///
    /// # Errors
    /// What the file system says.
    fn open(&self, path: &Path, write: bool) -> io::Result<Box<dyn DiskFile>>;
    /// Removes a file.
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name in the same directory.
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that may still be written to the file system of a directory; `None` if it does not say.
    ///
    /// # Errors
    /// What the file system says.
    fn free_bytes(&self, dir: &Path) -> io::Result<Option<u64>>;
}

/// An open file.
pub trait DiskFile: Send {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn bytes(&self) -> io::Result<u64>;
    /// Reads at an offset as much as there is, at most all of `into`; 0 at the end.
    ///
    /// # Errors
    /// What the file system says.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at an offset.
    ///
    /// # Errors
    /// `StorageFull`; otherwise what the file system says. A part may have been written.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file to a length.
    ///
    /// # Errors
    /// What the file system says.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
    /// Makes content and length durable (`fdatasync`).
    ///
    /// # Errors
    /// What the file system says; after one, nobody knows what is durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A held lock; dropping it, or the death of the process, lets it go.
pub trait DiskLock: Send {}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        // A new directory's name lies in its parent: each parent of a new one is synced.
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.create_dir(parent)?;
            fs::create_dir(dir).or_else(|e| if dir.is_dir() { Ok(()) } else { Err(e) })?;
            self.sync_dir(parent)
        } else {
            fs::create_dir(dir)?;
            self.sync_dir(Path::new("."))
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(
            OpenOptions::new()
                .create_new(true)
                .read(true)
                .write(true)
                .open(path)?,
        ))
    }

    fn open(&self, path: &Path, write: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(
            OpenOptions::new().read(true).write(write).open(path)?,
        ))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<Option<u64>> {
        let told = rustix::fs::statvfs(dir)?;
        // Without the blocks that are kept for the superuser. Some file systems tell no size at all.
        let free = told.f_bavail.saturating_mul(told.f_frsize);
        Ok((told.f_blocks > 0).then_some(free))
    }
}

impl DiskFile for File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, into, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl DiskLock for File {}
