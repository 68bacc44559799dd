//! What a start does not read, and the next may need: the checkpoints below the one that it begins from, and the journal
//! that they go on with.
//!
//! * Damage there is no reason to refuse a start, and would be met on the day that the newest checkpoint is damaged too:
//!   it is looked for, said by name, and counted (`chrysalis_damaged_files`).
//! * Nothing of it holds up the start: it is read behind the engine's back once that is ready, for half of the time at
//!   most. Of the older checkpoints two files, once; of the journal all where it is small, else from the oldest kept
//!   checkpoint on. `chrysalis journal verify` reads all of it in any case.
//! * Older checkpoints are opened at the start: what the engine removes meanwhile is still read, and its room is given
//!   back after that.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::beginning::Beginning;
use crate::api::{Health, Lifecycle};
use crate::checkpoint::{CheckpointError, Folder, Opened};
use crate::journal::{JournalError, Position, Reader};
use crate::metrics::Metrics;

/// A journal that is no larger is read from its first record on, bytes. Judgement: the default of
/// `journal.retention_bytes`, which takes seconds.
const ALL_BYTES_MAX: u64 = 1 << 30;
/// Records that are read between two rests.
const RECORDS_AT_ONCE: u32 = 64;
/// Between two looks whether the engine is ready.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is to be read behind the engine's back.
pub(super) struct Reserve {
    /// Checkpoints below the one that was begun from.
    older: Vec<Opened>,
    journal: PathBuf,
    /// The first record; none for the oldest that is kept.
    from: Option<Position>,
    /// Where this start went on: from there on all was read.
    upto: Position,
    /// Checkpoints that cannot be opened: older ones, and those that were passed over.
    damaged: u64,
}

impl Reserve {
    /// Opens the checkpoints that are older than the one that was begun from; none without one. So many newer ones were
    /// damaged and passed over.
    ///
    /// # Errors
    /// The folder of checkpoints cannot be read.
    pub(super) fn look(
        folder: &Folder,
        journal: &Path,
        beginning: Option<&Beginning>,
        passed_over: usize,
    ) -> anyhow::Result<Option<Reserve>> {
        let Some(beginning) = beginning else {
            return Ok(None);
        };
        let mut damaged = passed_over as u64;
        let mut older = Vec::new();
        for epoch in folder.epochs()? {
            if epoch + 1 >= beginning.epoch {
                continue;
            }
            match folder.open_unread(&folder.path_of(epoch)) {
                Ok(opened) => older.push(opened),
                Err(error) => {
                    damaged += 1;
                    tell_older(&error);
                }
            }
        }
        let from = match bytes_of(journal) <= ALL_BYTES_MAX {
            true => None,
            false => folder.oldest()?.map(|(position, _)| position),
        };
        Ok(Some(Reserve {
            older,
            journal: journal.to_owned(),
            from,
            upto: beginning.next,
            damaged,
        }))
    }

    /// Reads all of it once the engine is ready, and says what is wrong with it.
    pub(super) async fn read(
        mut self,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        mut stop: watch::Receiver<bool>,
    ) {
        metrics.note_damaged_files(self.damaged);
        while health.now().lifecycle != Lifecycle::Ready {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
        let reading = tokio::task::spawn_blocking(move || {
            for opened in std::mem::take(&mut self.older) {
                if let Err(error) = read_through(opened, &stop) {
                    self.damaged += 1;
                    tell_older(&error);
                }
            }
            metrics.note_damaged_files(self.damaged);
            let Some(error) = self.damage(&stop) else {
                return;
            };
            metrics.note_damaged_files(self.damaged + 1);
            tracing::warn!(
                "{:#}: it lies below the checkpoint that was begun from, so nothing is missing now; a start from an older \
                 checkpoint would be refused. `chrysalis journal verify` names all that is damaged: put it back from a copy",
                anyhow::Error::from(error)
            );
        });
        // One that ended badly has said so, and ended the process.
        let _ = reading.await;
    }

    /// The first damage below the checkpoint. What is cut away meanwhile is none.
    fn damage(&self, stop: &watch::Receiver<bool>) -> Option<JournalError> {
        let records = match Reader::open(&self.journal, self.from) {
            Ok(records) => records,
            Err(error) => return Some(error).filter(|error| !is_cut(error)),
        };
        let (mut began, mut since_rest) = (Instant::now(), 0);
        for read in records {
            if is_ending(stop) {
                return None;
            }
            match read {
                Ok((position, _)) if position.next() >= self.upto => return None,
                Ok(_) => {}
                Err(error) => return Some(error).filter(|error| !is_cut(error)),
            }
            since_rest += 1;
            if since_rest == RECORDS_AT_ONCE {
                std::thread::sleep(began.elapsed());
                (began, since_rest) = (Instant::now(), 0);
            }
        }
        None
    }
}

/// Reads a checkpoint to its end, unless the engine ends before.
fn read_through(mut opened: Opened, stop: &watch::Receiver<bool>) -> Result<(), CheckpointError> {
    let mut began = Instant::now();
    while !is_ending(stop) && opened.next()?.is_some() {
        std::thread::sleep(began.elapsed());
        began = Instant::now();
    }
    Ok(())
}

fn is_ending(stop: &watch::Receiver<bool>) -> bool {
    stop.has_changed().is_err() || *stop.borrow()
}

fn tell_older(error: &CheckpointError) {
    tracing::warn!(
        "{error}: an older checkpoint that this start does not need is of no use when a newer one is damaged"
    );
}

fn is_cut(error: &JournalError) -> bool {
    match error {
        JournalError::Gone { .. } => true,
        JournalError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Size of the files in a folder; what cannot be looked at has none.
fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok());
    sizes.map(|file| file.len()).sum()
}
