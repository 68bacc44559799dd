//! How much room the journal's file system has left, looked at by the journal's thread after every write and
//! now and then beside, and whether that is too little for new batches.
//!
//! * After every write: a fast producer must not get past the reserve between two looks.
//! * What is kept free is for what cannot wait: ticks, commands, the ledger's notices, checkpoints.
//! * Before that, from twice the mark on, the room that is left is shared ([`Filling`]): one who floods is refused first, so
//!   that it does not shut out everybody else.
//! * A file system that does not say is taken for large: a full one is noticed by writing all the same.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::shares::Holder;

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

    /// What is taken and what is left of the room between twice the mark and the mark, bytes; `None` while there is more.
    fn zone(self) -> Option<(u64, u64)> {
        let min = self.free_bytes_min;
        let left = self.free_bytes?.saturating_sub(min);
        (left < min).then(|| (min - left, left))
    }

    /// What each may have of that room: once more than half is taken, no more than what is left.
    fn share_bytes(self) -> Option<u64> {
        self.zone()
            .and_then(|(taken, left)| (taken > left).then_some(left))
    }
}

/// Who has filled the room between twice the mark and the mark, since the start or since there was more: as
/// [`Shares`](super::shares::Shares), but of what the file system says is free, which others fill and retention gives back.
#[derive(Debug)]
pub(super) struct Filling {
    /// Bytes as they were written. All together are never more than what is taken: room that came back is nobody's.
    written: HashMap<Holder, u64>,
    now: SpaceNow,
    /// Somebody was refused and would be still.
    refuses: bool,
    /// How many are told apart; whoever comes beyond them shares one share.
    holders_max: usize,
    /// Batches since the start that were noted under that.
    shared_total: u64,
}

impl Filling {
    /// Of a file system of which nothing is known yet.
    pub(super) fn new(holders_max: usize) -> Filling {
        Filling {
            written: HashMap::new(),
            now: SpaceNow::default(),
            refuses: false,
            holders_max,
            shared_total: 0,
        }
    }

    /// How many are told apart now, and batches since the start whose holder is not.
    pub(super) fn holders(&self) -> (u64, u64) {
        (self.written.len() as u64, self.shared_total)
    }

    /// Takes note of the room there is; says whether somebody is refused for its share.
    pub(super) fn look(&mut self, now: SpaceNow) -> bool {
        self.now = now;
        let Some((taken, _)) = now.zone() else {
            self.written.clear();
            self.refuses = false;
            return false;
        };
        let all: u64 = self.written.values().sum();
        if all > taken {
            for bytes in self.written.values_mut() {
                let part = u128::from(*bytes) * u128::from(taken) / u128::from(all);
                *bytes = u64::try_from(part).unwrap_or(u64::MAX);
            }
            self.written.retain(|_, bytes| *bytes > 0);
        }
        self.refuses &= now.share_bytes().is_some();
        self.refuses
    }

    /// Takes note of what was written.
    pub(super) fn note(&mut self, holder: &Holder, bytes: u64) {
        if self.now.zone().is_none() || *holder == Holder::Engine {
            return;
        }
        let whose = self.entry_of(holder);
        self.shared_total += u64::from(whose != *holder);
        let written = self.written.entry(whose).or_default();
        *written = written.saturating_add(bytes);
    }

    /// What a holder has written if that is more than its share, and the share, bytes. Who has written nothing is never over.
    pub(super) fn over(&mut self, holder: &Holder) -> Option<(u64, u64)> {
        let share = self.now.share_bytes()?;
        if *holder == Holder::Engine {
            return None;
        }
        let written = self.written.get(&self.entry_of(holder)).copied()?;
        let is_over = written > share;
        self.refuses |= is_over;
        is_over.then_some((written, share))
    }

    /// Under whom a holder is counted.
    fn entry_of(&self, holder: &Holder) -> Holder {
        let is_known = self.written.contains_key(holder);
        if is_known || self.written.len() < self.holders_max {
            holder.clone()
        } else {
            Holder::Peer(None)
        }
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

    const HOLDERS_MAX: usize = 16;

    fn producer(name: &str) -> Holder {
        Holder::Producer(name.into())
    }

    fn free(free_bytes: u64) -> SpaceNow {
        SpaceNow {
            free_bytes: Some(free_bytes),
            free_bytes_min: 1_000,
        }
    }

    #[test]
    fn who_wrote_more_than_is_left_is_over_its_share_and_who_wrote_nothing_is_not() {
        let mut filling = Filling::new(HOLDERS_MAX);
        let (flood, quiet) = (producer("flood"), producer("quiet"));
        filling.look(free(2_000));
        filling.note(&flood, 9_999);
        assert!(filling.written.is_empty(), "there was room for all");
        filling.look(free(1_999));
        filling.note(&flood, 600);
        filling.note(&Holder::Engine, 600);
        filling.look(free(1_500));
        assert_eq!(filling.over(&flood), None, "half is left");
        // What others took of the disk is nobody's, and leaves less for all.
        assert!(!filling.look(free(1_400)), "nobody was refused yet");
        assert_eq!(filling.over(&flood), Some((500, 400)));
        assert_eq!(filling.over(&quiet), None);
        filling.note(&quiet, 300);
        filling.look(free(1_190));
        assert_eq!(filling.over(&quiet), Some((300, 190)));
        assert_eq!(filling.over(&Holder::Engine), None);
        // As retention cuts, what is written again is not held against anybody twice.
        assert!(filling.look(free(1_300)));
        for _ in 0..100 {
            filling.note(&flood, 100);
            filling.note(&quiet, 100);
            filling.look(free(1_500));
        }
        let all: u64 = filling.written.values().sum();
        assert!(all <= 500, "{all}");
        assert!(!filling.look(free(1_500)), "there is half again");
        filling.look(free(2_000));
        assert!(filling.written.is_empty());
    }

    #[test]
    fn names_that_are_made_up_are_one_after_so_many() {
        let mut filling = Filling::new(HOLDERS_MAX);
        filling.look(free(1_900));
        for n in 0..3 * HOLDERS_MAX {
            filling.note(&producer(&n.to_string()), 1);
        }
        assert_eq!(filling.written.len(), HOLDERS_MAX + 1);
        assert_eq!(
            filling.holders(),
            (17, 32),
            "how many, and batches of the others"
        );
        filling.look(SpaceNow {
            free_bytes: Some(1_001_000_000),
            free_bytes_min: 1_000_000_000,
        });
        filling.note(&producer("made up"), 2_000_000);
        assert!(filling.over(&producer("another")).is_some());
        assert!(filling.over(&producer("5")).is_none());
        filling.look(free(1_000_000));
        assert_eq!(filling.holders(), (0, 33), "what was counted stays counted");
    }

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
