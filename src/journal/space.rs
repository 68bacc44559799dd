//! How much room the journal's file system has left, looked at by the journal's thread after every write and
//! now and then beside, and whether that is too little for new batches.
//!
//! * After every write: a fast producer must not get past the reserve between two looks.
//! * What is kept free is for what cannot wait: ticks, commands, the ledger's notices, checkpoints.
//! * A file system that does not say is taken for large: a full one is noticed by writing all the same.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::Disk;

/// Between two looks while nothing is written: others fill the disk too. Judgement.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the last look found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpaceNow {
    /// Bytes free; `None` if the file system does not say.
    pub free_bytes: Option<u64>,
    /// Less than this is too little.
    pub free_bytes_min: u64,
}

impl SpaceNow {
    /// New batches are refused.
    pub fn is_low(&self) -> bool {
        self.free_bytes
            .is_some_and(|free| free < self.free_bytes_min)
    }
}

/// Looks after the room of one folder.
pub(super) struct Space {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    now: SpaceNow,
    looked: Option<Instant>,
}

impl Space {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, free_bytes_min: u64) -> Space {
        Space {
            disk,
            dir,
            now: SpaceNow {
                free_bytes: None,
                free_bytes_min,
            },
            looked: None,
        }
    }

    /// What is known, looked up again when that is old.
    pub(super) fn look(&mut self, at: Instant) -> SpaceNow {
        let is_fresh = |looked: Instant| at.saturating_duration_since(looked) < LOOK_EVERY;
        if self.looked.is_some_and(is_fresh) {
            self.now
        } else {
            self.look_again(at)
        }
    }

    /// Looked up, whatever is known; a change of mind is logged once.
    pub(super) fn look_again(&mut self, at: Instant) -> SpaceNow {
        self.looked = Some(at);
        let before = self.now;
        self.now.free_bytes = match self.disk.free_bytes(&self.dir) {
            Ok(free_bytes) => free_bytes,
            Err(error) => {
                if before.free_bytes.is_some() {
                    let dir = self.dir.display();
                    tracing::warn!(%error, "cannot tell how much room is left for {dir}");
                }
                None
            }
        };
        let (free, least) = (
            self.now.free_bytes.unwrap_or_default(),
            self.now.free_bytes_min,
        );
        match (before.is_low(), self.now.is_low()) {
            (false, true) => tracing::warn!(
                journal.dir = %self.dir.display(), journal.free_bytes = free,
                "only {free} bytes are free for the journal, less than {least}: new batches are \
                 refused until there is room; commands, reads and notices go on"
            ),
            (true, false) => tracing::info!(
                journal.dir = %self.dir.display(), journal.free_bytes = free,
                "there is room for the journal again: new batches are taken"
            ),
            _ => {}
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_disk::FakeDisk;
    use super::*;

    #[test]
    fn the_disk_is_asked_once_a_second_and_after_a_write_and_the_edge_is_exact() {
        let disk = FakeDisk::new();
        disk.set_capacity_bytes(Some(1_000));
        let mut space = Space::new(Arc::new(disk.clone()), "/journal".into(), 1_000);
        let began = Instant::now();
        assert!(!space.look(began).is_low());
        disk.set_capacity_bytes(Some(999));
        assert!(!space.look(began + LOOK_EVERY / 2).is_low());
        let now = space.look(began + LOOK_EVERY);
        assert_eq!((now.free_bytes, now.is_low()), (Some(999), true));
        disk.set_capacity_bytes(Some(998));
        let now = space.look_again(began + LOOK_EVERY);
        assert_eq!(now.free_bytes, Some(998));
        // A file system that does not say.
        disk.set_capacity_bytes(None);
        assert!(!space.look(began + 2 * LOOK_EVERY).is_low());
    }
}
