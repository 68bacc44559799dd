//! What a start reads before there is an engine: a checkpoint, and the journal from there on. On a thread of its own: it
//! takes as long as they are large, and the address is answered meanwhile.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::checkpoints::{Beginning, begin};
use super::foreign::unreadable_journal;
use super::place::journal_of;
use super::reserve::Reserve;
use crate::checkpoint::Folder;
use crate::config::Config;
use crate::journal::{Journal, JournalConfig, Lock, RealDisk, Recovery};

/// What was read.
pub(super) struct Loaded {
    pub(super) folder: Folder,
    /// Where to begin; none at the journal's beginning.
    pub(super) beginning: Option<Beginning>,
    /// Checkpoints that go aside once nothing refuses the start any more.
    pub(super) aside: Vec<PathBuf>,
    pub(super) journal: Journal,
    pub(super) recovery: Recovery,
}

/// Reads the newest checkpoint that can be read and opens the journal.
///
/// # Errors
/// As [`begin`] and [`Journal::resume_under`], in words for who has to mend it.
pub(super) async fn load(config: &Config, lock: Lock) -> anyhow::Result<Loaded> {
    let config = config.clone();
    let loading = move || {
        let settings = JournalConfig {
            segment_bytes_max: config.journal.segment_bytes_max,
            record_bytes_max: config.journal.record_bytes_max,
            memory: config.journal.memory(),
        };
        let journal_dir = journal_of(&config);
        let folder = Folder::open(Arc::new(RealDisk), &config.data.join("checkpoints"))?;
        let (beginning, aside) = begin(&folder, &RealDisk, &journal_dir, config.replay_everything)?;
        let resume = beginning.as_ref().map(|beginning| beginning.resume.clone());
        let disk = Arc::new(RealDisk);
        let opened = Journal::resume_under(lock, disk, &journal_dir, settings, resume);
        let (journal, recovery) =
            opened.map_err(|error| unreadable_journal(&config.data, error))?;
        Ok(Loaded {
            folder,
            beginning,
            aside,
            journal,
            recovery,
        })
    };
    let loaded = tokio::task::spawn_blocking(loading).await;
    loaded.context("the start ended badly")?
}

/// Reads through what the start does not need and the next may ([`Reserve::look`]).
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
