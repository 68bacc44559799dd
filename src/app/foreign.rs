//! What a start looks at before it trusts a data folder: journal and history must be of one engine, and none
//! may be missing without a word. The ledger is looked at in `ledgers`.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;

use super::target::UNFINISHED;
use crate::config::Config;
use crate::journal::{JournalError, Lock};
use crate::store::{History, HistoryError, Ledger};

/// How long a start waits for the history.
const HISTORY_PATIENCE: Duration = Duration::from_secs(3);

/// A restore that somebody ended early may look like a younger engine: what is missing would be gone
/// without a word.
pub(super) fn refuse_unfinished(data: &Path) -> anyhow::Result<()> {
    if !data.join(UNFINISHED).exists() {
        return Ok(());
    }
    Err(anyhow!(
        "{} is a restore that was not finished, as its file {UNFINISHED} says: empty the folder and \
         `chrysalis restore` the backup into it again. Nothing was changed",
        data.display()
    ))
}

/// A data folder that has everything but its journal is not begun anew: what was acknowledged would be
/// gone without a word.
pub(super) fn refuse_lost_journal(data: &Path) -> anyhow::Result<()> {
    let is_empty = |folder: &str| {
        let entries = std::fs::read_dir(data.join(folder));
        // A process that waits for the folder makes the lock before anything else is there.
        let is_lock = |entry: &std::fs::DirEntry| Lock::is_file(&entry.file_name());
        entries.map_or(true, |entries| {
            entries.flatten().all(|entry| is_lock(&entry))
        })
    };
    let others = [Ledger::FILE, History::FILE];
    let Some(other) = others.into_iter().find(|name| data.join(name).exists()) else {
        return Ok(());
    };
    if !is_empty("journal") {
        return Ok(());
    }
    Err(anyhow!(
        "{} has a {other}, but no journal: nothing is begun anew in its place. Put the journal back, `chrysalis \
         restore` a backup into an empty data folder, or give the engine another data folder. Nothing was \
         changed",
        data.display()
    ))
}

/// What to do about a journal that does not open.
pub(super) fn unreadable_journal(data: &Path, error: JournalError) -> anyhow::Error {
    let is_damaged = matches!(error, JournalError::Damaged { .. });
    let error = anyhow::Error::from(error);
    if !is_damaged {
        return error;
    }
    let data = data.display();
    anyhow!(
        "{error:#}. The engine does not start over damage to what was acknowledged, and a checkpoint beyond it is no \
         proof of what follows it. `chrysalis journal verify {data}` names all that is damaged. Put the named files \
         back from a copy, or `chrysalis restore` a backup into an empty data folder. Nothing was changed"
    )
}

/// The newest epoch in the history, and the newest of which a notice is in it; nothing when it does not answer: it is tried
/// again beside the running engine, which does not wait for it.
pub(super) async fn recorded_upto(history: &History) -> Option<(Option<u64>, Option<u64>)> {
    let asked = async {
        history.prepare().await?;
        Ok::<_, HistoryError>((history.recorded_upto().await?, history.told_upto().await?))
    };
    match tokio::time::timeout(HISTORY_PATIENCE, asked).await {
        Ok(Ok(known)) => Some(known),
        Ok(Err(error @ HistoryError::Newer { .. })) => {
            tracing::error!(
                "{error}. The engine goes on: rows wait, and what has no room is left out and alarmed"
            );
            None
        }
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "the history does not open; it is tried again meanwhile"
            );
            None
        }
        Err(_) => {
            tracing::error!("the history does not answer; it is tried again meanwhile");
            None
        }
    }
}

/// The history knows epochs that the journal does not have: it is another engine's, or the journal's
/// newest part is missing.
pub(super) fn history_ahead(config: &Config, upto: u64, epochs: u64) -> anyhow::Error {
    let place = match &config.history.url {
        Some(_) => "the history at `history.url`".to_owned(),
        None => config.data.join(History::FILE).display().to_string(),
    };
    anyhow!(
        "{place} knows what was decided up to epoch {upto}, but the journal {} has only {epochs} epochs: they \
         are not of one engine, or the journal's newest part is missing. Put the journal back, or give this \
         engine a history of its own. Nothing was changed",
        config.data.join("journal").display()
    )
}
