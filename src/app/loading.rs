//! What a start reads before there is an engine: a checkpoint, through; the journal from there on; and then, while batches
//! are taken already, what is in the checkpoint. On a thread of its own: it takes as long as they are large, and the address
//! is answered meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;

use super::beginning::{Beginning, Opening};
use super::checkpoints::begin;
use super::counted::Counted;
use super::foreign::unreadable_journal;
use super::place::journal_of;
use super::reserve::Reserve;
use crate::api::{Loading, Step};
use crate::checkpoint::Folder;
use crate::config::Config;
use crate::journal::{Disk, Journal, JournalConfig, Lock, Recovery, ahead_bytes};

/// What was read.
pub(super) struct Loaded {
    pub(super) folder: Folder,
    /// Where to begin; none at the journal's beginning.
    pub(super) opening: Option<Opening>,
    /// Checkpoints that go aside once nothing refuses the start any more.
    pub(super) aside: Vec<PathBuf>,
    pub(super) journal: Journal,
    pub(super) recovery: Recovery,
}

/// Reads the newest checkpoint that can be read and opens the journal, and tells `loading` how far that is.
///
/// # Errors
/// As [`begin`] and [`Journal::resume_under`], in words for who has to mend it.
pub(super) async fn load(
    config: &Config,
    lock: Lock,
    disk: impl Disk + Clone + 'static,
    loading: Arc<Loading>,
) -> anyhow::Result<Loaded> {
    let config = config.clone();
    let reading = move || {
        let settings = JournalConfig {
            segment_bytes_max: config.journal.segment_bytes_max,
            record_bytes_max: config.journal.record_bytes_max,
            memory: config.journal.memory(),
        };
        let journal_dir = journal_of(&config);
        let checkpoints = config.data.join("checkpoints");
        let counted = Arc::new(Counted::new(disk.clone(), Arc::clone(&loading)));
        loading.begin(Step::Checkpoint, None, Instant::now());
        let counted_folder = Folder::open(counted.clone(), &checkpoints)?;
        if !config.replay_everything {
            let all_bytes = checkpoint_bytes(&counted_folder, &disk)?;
            loading.begin(Step::Checkpoint, Some(all_bytes), Instant::now());
        }
        let begun = begin(
            &counted_folder,
            &disk,
            &journal_dir,
            config.replay_everything,
        );
        let (opening, aside) = begun?;
        let resume = opening.as_ref().map(|opening| opening.resume.clone());
        let from = resume.as_ref().map(|resume| resume.next);
        let unreadable = |error| unreadable_journal(&config.data, error);
        let all_bytes = ahead_bytes(&disk, &journal_dir, from).map_err(unreadable)?;
        loading.begin(Step::Journal, Some(all_bytes), Instant::now());
        let opened = Journal::resume_under(lock, counted, &journal_dir, settings, resume);
        let (journal, recovery) = opened.map_err(unreadable)?;
        Ok(Loaded {
            // What is read from now on is no part of the start.
            folder: Folder::open(Arc::new(disk), &checkpoints)?,
            opening,
            aside,
            journal,
            recovery,
        })
    };
    let loaded = tokio::task::spawn_blocking(reading).await;
    loaded.context("the start ended badly")?
}

/// What there is to read of the newest checkpoint, to see that it is whole, bytes.
fn checkpoint_bytes(folder: &Folder, disk: &dyn Disk) -> anyhow::Result<u64> {
    let Some(newest) = folder.epochs()?.pop() else {
        return Ok(0);
    };
    // One that cannot be opened is told of, or passed over, where it is read.
    let file = disk.open(&folder.path_of(newest), false);
    Ok(file.and_then(|file| file.bytes()).unwrap_or(0))
}

/// Reads what is in the checkpoint, and tells `loading` how far that is.
///
/// # Errors
/// As [`Opening::read`].
pub(super) async fn read(
    opening: Option<Opening>,
    loading: Arc<Loading>,
) -> anyhow::Result<Option<Beginning>> {
    let bytes = opening.as_ref().and_then(Opening::bytes);
    loading.begin(Step::Engine, bytes, Instant::now());
    let reading = tokio::task::spawn_blocking(move || opening.map(Opening::read).transpose());
    reading.await.context("the start ended badly")?
}

/// Opens what the start does not need and the next may ([`Reserve::look`]).
///
/// # Errors
/// As [`Reserve::look`].
pub(super) async fn look_at_reserve(
    config: &Config,
    folder: Folder,
    beginning: Option<Beginning>,
    passed_over: usize,
) -> anyhow::Result<(Folder, Option<Beginning>, Option<Reserve>)> {
    let journal_dir = journal_of(config);
    let looking = move || {
        let reserve = Reserve::look(&folder, &journal_dir, beginning.as_ref(), passed_over)?;
        Ok((folder, beginning, reserve))
    };
    let looked = tokio::task::spawn_blocking(looking).await;
    looked.context("the start ended badly")?
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::journal::{DiskFile, DiskLock, RealDisk, Record};

    /// A disk whose files are read once this is let go.
    #[derive(Clone, Default)]
    struct Slow {
        is_held: Arc<AtomicBool>,
    }

    struct SlowFile(Box<dyn DiskFile>, Slow);

    impl Disk for Slow {
        fn create_dir(&self, dir: &Path) -> io::Result<()> {
            RealDisk.create_dir(dir)
        }
        fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
            RealDisk.lock(path)
        }
        fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
            RealDisk.list(dir)
        }
        fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            RealDisk.create(path)
        }
        fn open(&self, path: &Path, write: bool) -> io::Result<Box<dyn DiskFile>> {
            let file = RealDisk.open(path, write)?;
            Ok(Box::new(SlowFile(file, self.clone())))
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            RealDisk.remove(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            RealDisk.rename(from, to)
        }
        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            RealDisk.sync_dir(dir)
        }
        fn free_bytes(&self, dir: &Path) -> io::Result<Option<u64>> {
            RealDisk.free_bytes(dir)
        }
    }

    impl DiskFile for SlowFile {
        fn bytes(&self) -> io::Result<u64> {
            self.0.bytes()
        }
        fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
            // The beginning of a file comes at once.
            while offset > 0 && self.1.is_held.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            self.0.read_at(into, offset)
        }
        fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.0.write_at(bytes, offset)
        }
        fn truncate(&mut self, bytes: u64) -> io::Result<()> {
            self.0.truncate(bytes)
        }
        fn sync(&mut self) -> io::Result<()> {
            self.0.sync()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_slow_disk_is_told_of_in_bytes_while_the_journal_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        let dir = journal_of(&config);
        let (mut journal, _) = Journal::open_on(
            Arc::new(RealDisk),
            &dir,
            JournalConfig {
                segment_bytes_max: 4_096,
                ..JournalConfig::default()
            },
        )
        .unwrap();
        for epoch in 0..1_000 {
            let now_ms = epoch as i64;
            journal.append(&Record::Tick { epoch, now_ms }).unwrap();
            journal.commit().unwrap();
        }
        drop(journal);
        let all = ahead_bytes(&RealDisk, &dir, None).unwrap();
        assert!(all > 8_192, "{all}");

        let slow = Slow::default();
        slow.is_held.store(true, Ordering::SeqCst);
        let loading = Arc::new(Loading::new(Instant::now()));
        let lock = Lock::take(&RealDisk, &dir).unwrap();
        let (told, disk) = (Arc::clone(&loading), slow.clone());
        let started = tokio::spawn(async move { load(&config, lock, disk, told).await });
        let began = Instant::now();
        let at = loop {
            let now = loading.now(Instant::now());
            if now.step == Step::Journal && now.read_bytes > 0 {
                break now;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{now:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(at.all_bytes, Some(all));
        assert!(at.read_bytes < all && at.percent().is_some(), "{at:?}");
        assert!(!started.is_finished());
        slow.is_held.store(false, Ordering::SeqCst);
        started.await.unwrap().unwrap();
        assert_eq!(loading.now(Instant::now()).read_bytes, all);
    }
}
