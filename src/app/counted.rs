//! The disk of a start: the machine's, which tells how much was read from it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::api::Loading;
use crate::journal::{Disk, DiskFile, DiskLock};

/// A disk whose reading is counted.
pub(super) struct Counted<D> {
    disk: D,
    loading: Arc<Loading>,
}

impl<D: Disk> Counted<D> {
    pub(super) fn new(disk: D, loading: Arc<Loading>) -> Counted<D> {
        Counted { disk, loading }
    }

    fn counted(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let loading = Arc::clone(&self.loading);
        Box::new(CountedFile { file, loading })
    }
}

impl<D: Disk> Disk for Counted<D> {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.disk.lock(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        // Nobody reads what a start makes before it is over.
        self.disk.create(path)
    }

    fn open(&self, path: &Path, write: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.counted(self.disk.open(path, write)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<Option<u64>> {
        self.disk.free_bytes(dir)
    }
}

struct CountedFile {
    file: Box<dyn DiskFile>,
    loading: Arc<Loading>,
}

impl DiskFile for CountedFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(into, offset)?;
        self.loading.note_read(read as u64);
        Ok(read)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}
