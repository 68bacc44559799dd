//! A disk in memory that forgets what was not synced, fills up and fails on request. For tests and
//! simulation; deterministic: all chance comes from the caller.
//!
//! * After [`FakeDisk::crash`] a file holds, sector by sector, either what was last synced or what
//!   was written since, in any mixture, at any length between; a name that was not synced may be
//!   back or gone.
//! * After [`FakeDisk::kill`] everything written is there, and still not synced.
//! * Handles and locks from before either are dead.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile, DiskLock};

/// What a disk writes as one.
const SECTOR_BYTES: usize = 512;

/// The disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FakeDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Counts crashes and kills, so that older handles are known.
    life: u64,
    files: BTreeMap<PathBuf, FakeFile>,
    locks: BTreeSet<PathBuf>,
    capacity_bytes: Option<u64>,
    syncs_fail: bool,
    syncs_total: u64,
    changes_left: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct FakeFile {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Below this the two are equal.
    dirty_from: usize,
    named_now: bool,
    named_durable: bool,
}

impl FakeDisk {
    /// An empty disk of unlimited size.
    pub fn new() -> Self {
        Self::default()
    }

    /// An independent copy, to try several crashes from one moment.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut copy = self.state().clone();
        copy.locks.clear();
        Self {
            state: Arc::new(Mutex::new(copy)),
        }
    }

    /// The process dies; the machine lives on.
    pub fn kill(&self) {
        let mut state = self.state();
        state.life += 1;
        state.locks.clear();
        state.changes_left = None;
    }

    /// The machine dies. `choose` decides what survives: always 0 means only what was synced.
    pub fn crash(&self, choose: &mut dyn FnMut() -> u64) {
        self.kill();
        let mut state = self.state();
        for file in state.files.values_mut() {
            let named = if choose() & 1 == 1 {
                file.named_now
            } else {
                file.named_durable
            };
            file.named_now = named;
            file.named_durable = named;
            file.crash(choose);
        }
        state.files.retain(|_, file| file.named_now);
    }

    /// Limits the bytes of all files together; a write beyond writes what fits and fails.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.state().capacity_bytes = capacity_bytes;
    }

    /// From now on every sync of a file fails, or none.
    pub fn fail_syncs(&self, fail: bool) {
        self.state().syncs_fail = fail;
    }

    /// The system drops what it could not write from its list and keeps showing it, as after a failed
    /// sync: only what is written from now on can become durable.
    pub fn forget_dirty(&self) {
        for file in self.state().files.values_mut() {
            file.dirty_from = file.now.len();
        }
    }

    /// After this many more changes the disk stands still: the next one is done by half and fails,
    /// and so does everything after, until [`FakeDisk::kill`] or [`FakeDisk::crash`].
    pub fn halt_after(&self, changes: u64) {
        self.state().changes_left = Some(changes);
    }

    /// Syncs of files that succeeded.
    pub fn syncs_total(&self) -> u64 {
        self.state().syncs_total
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        let state = self.state();
        state
            .files
            .iter()
            .filter(|(_, file)| file.named_now)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Changes a file behind everybody's back, durably: damage. Nothing if it is not there.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(file) = self.state().files.get_mut(path) {
            change(&mut file.now);
            file.durable = file.now.clone();
            file.dirty_from = file.now.len();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, path: &Path) -> FakeHandle {
        FakeHandle {
            disk: self.clone(),
            path: path.to_owned(),
            life: self.state().life,
        }
    }
}

impl State {
    /// Takes one change from the allowance; false if the disk stands still.
    fn may_change(&mut self) -> bool {
        match &mut self.changes_left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn change(&mut self) -> io::Result<()> {
        if self.may_change() {
            Ok(())
        } else {
            Err(io::Error::other("the disk stands still"))
        }
    }

    fn used_bytes(&self) -> u64 {
        self.files
            .values()
            .filter(|file| file.named_now)
            .map(|file| file.now.len() as u64)
            .sum()
    }
}

impl FakeFile {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        self.dirty_from = self.dirty_from.min(offset).min(self.now.len());
        self.now.resize(self.now.len().max(offset + bytes.len()), 0);
        self.now[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn truncate(&mut self, bytes: usize) {
        self.dirty_from = self.dirty_from.min(bytes);
        self.now.resize(bytes, 0);
    }

    fn sync(&mut self) {
        // What was forgotten in between is nothing.
        self.durable.resize(self.dirty_from, 0);
        self.durable.extend_from_slice(&self.now[self.dirty_from..]);
        self.dirty_from = self.now.len();
    }

    fn crash(&mut self, choose: &mut dyn FnMut() -> u64) {
        let (now, durable) = (self.now.len(), self.durable.len());
        let moved = usize::try_from(choose() % (now.abs_diff(durable) as u64 + 1)).unwrap_or(0);
        let length = if now >= durable {
            durable + moved
        } else {
            durable - moved
        };
        let mut survived = vec![0; length];
        for (index, sector) in survived.chunks_mut(SECTOR_BYTES).enumerate() {
            let at = index * SECTOR_BYTES;
            let written = at + SECTOR_BYTES > self.dirty_from && choose() & 1 == 1;
            let from = if written { &self.now } else { &self.durable };
            let from = from
                .get(at..from.len().min(at + sector.len()))
                .unwrap_or_default();
            sector[..from.len()].copy_from_slice(from);
        }
        self.dirty_from = survived.len();
        self.durable.clone_from(&survived);
        self.now = survived;
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, path.display().to_string())
}

impl Disk for FakeDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        if self.state().locks.insert(path.to_owned()) {
            Ok(Box::new(FakeLock(self.handle(path))))
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = self
            .paths()
            .into_iter()
            .filter(|path| path.parent() == Some(dir));
        Ok(names
            .filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.change()?;
        let file = state.files.entry(path.to_owned()).or_default();
        if file.named_now {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        file.named_now = true;
        file.truncate(0);
        drop(state);
        Ok(Box::new(self.handle(path)))
    }

    fn open(&self, path: &Path, _write: bool) -> io::Result<Box<dyn DiskFile>> {
        let handle = self.handle(path);
        handle.with(|_, _| ())?;
        Ok(Box::new(handle))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let file = state.files.get_mut(path).filter(|file| file.named_now);
        file.ok_or_else(|| not_found(path))?.named_now = false;
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        if state.files.get(to).is_some_and(|file| file.named_now) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.get_mut(from).filter(|file| file.named_now);
        let file = file.ok_or_else(|| not_found(from))?;
        file.named_now = false;
        let renamed = FakeFile {
            named_now: true,
            named_durable: false,
            ..file.clone()
        };
        state.files.insert(to.to_owned(), renamed);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let here = |path: &Path| path.parent() == Some(dir);
        for (_, file) in state.files.iter_mut().filter(|(path, _)| here(path)) {
            file.named_durable = file.named_now;
        }
        state
            .files
            .retain(|_, file| file.named_now || file.named_durable);
        Ok(())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<Option<u64>> {
        let state = self.state();
        let left = |capacity: u64| capacity.saturating_sub(state.used_bytes());
        Ok(state.capacity_bytes.map(left))
    }
}

struct FakeHandle {
    disk: FakeDisk,
    path: PathBuf,
    life: u64,
}

impl FakeHandle {
    fn with<T>(&self, act: impl FnOnce(&mut State, &Path) -> T) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("opened before the crash"));
        }
        if !state
            .files
            .get(&self.path)
            .is_some_and(|file| file.named_now)
        {
            return Err(not_found(&self.path));
        }
        Ok(act(&mut state, &self.path))
    }

    fn with_file<T>(&self, act: impl FnOnce(&mut FakeFile) -> T) -> io::Result<T> {
        self.with(|state, path| state.files.get_mut(path).map(act))?
            .ok_or_else(|| not_found(&self.path))
    }
}

impl DiskFile for FakeHandle {
    fn bytes(&self) -> io::Result<u64> {
        self.with_file(|file| file.now.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with_file(|file| {
            let from = usize::try_from(offset)
                .ok()
                .and_then(|offset| file.now.get(offset..));
            let from = from.unwrap_or_default();
            let bytes = from.len().min(into.len());
            into[..bytes].copy_from_slice(&from[..bytes]);
            bytes
        })
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let (allowed, failure) = self.with(|state, path| {
            if !state.may_change() {
                return (
                    bytes.len() / 2,
                    Some(io::Error::other("the disk stands still")),
                );
            }
            let length = state.files.get(path).map_or(0, |file| file.now.len());
            let grows = (offset + bytes.len()).saturating_sub(length) as u64;
            let free = state
                .capacity_bytes
                .map(|c| c.saturating_sub(state.used_bytes()));
            match free {
                Some(free) if free < grows => {
                    let kept = bytes.len() - usize::try_from(grows - free).unwrap_or(bytes.len());
                    (kept, Some(io::ErrorKind::StorageFull.into()))
                }
                _ => (bytes.len(), None),
            }
        })?;
        self.with_file(|file| file.write(&bytes[..allowed], offset))?;
        failure.map_or(Ok(()), Err)
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        self.with(|state, _| state.change())??;
        self.with_file(|file| file.truncate(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|state, path| {
            state.change()?;
            if state.syncs_fail {
                return Err(io::Error::other("the disk failed"));
            }
            state.syncs_total += 1;
            if let Some(file) = state.files.get_mut(path) {
                file.sync();
            }
            Ok(())
        })?
    }
}

/// The lock's handle says which life it belongs to.
struct FakeLock(FakeHandle);

impl DiskLock for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        let mut state = self.0.disk.state();
        if state.life == self.0.life {
            state.locks.remove(&self.0.path);
        }
    }
}
