//! What a start looks at before it trusts a data folder: journal, ledger and history must be of one engine,
//! and none of them may be missing without a word.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;

use super::backup::UNFINISHED;
use crate::config::Config;
use crate::store::{History, Ledger};

/// How long a start waits for the history.
const HISTORY_PATIENCE: Duration = Duration::from_secs(3);

/// The ledger must know what was told before the checkpoint, and nothing that the journal does not have.
pub(super) async fn check_ledger(
    data: &Path,
    ledger: &Ledger,
    told_upto: Option<u64>,
    epochs: u64,
) -> anyhow::Result<()> {
    let upto = ledger.decided_upto().await?;
    if let Some(upto) = upto.filter(|upto| *upto >= epochs) {
        return Err(ledger_ahead(data, upto, epochs));
    }
    match told_upto {
        Some(told) if upto < Some(told) => Err(ledger_behind(data, upto, told)),
        _ => Ok(()),
    }
}

/// A ledger in place of one that is not there: what was decided before the checkpoint is not decided again, so
/// it counts as told.
pub(super) async fn begin_ledger(ledger: &Ledger, told_upto: Option<u64>) -> anyhow::Result<()> {
    tracing::warn!(
        "there is no {} beside the journal: notices that waited in it are not sent, and what is \
         decided again since the checkpoint may be mailed again",
        Ledger::FILE
    );
    if let Some(told) = told_upto {
        ledger.record(told, &[]).await?;
    }
    Ok(())
}

/// The checkpoint knows of notices that are not in the ledger, and nothing will decide them again.
fn ledger_behind(data: &Path, upto: Option<u64>, told: u64) -> anyhow::Error {
    let known = match upto {
        Some(upto) => format!("knows notices up to epoch {upto}"),
        None => "knows no notices".to_owned(),
    };
    anyhow!(
        "{} {known}, but the checkpoint is of an engine that had told some of epoch {told}: it is an older \
         ledger, and notices between would be lost. Put the newer one back, `chrysalis restore` a backup into \
         an empty data folder, or move the ledger aside: what waits in it is then not sent. Nothing was changed",
        data.join(Ledger::FILE).display()
    )
}

/// The ledger knows epochs that the journal does not have: it would take the notices of other epochs, with
/// the same numbers, for sent.
fn ledger_ahead(data: &Path, upto: u64, epochs: u64) -> anyhow::Error {
    anyhow!(
        "{} knows notices up to epoch {upto}, but the journal {} has only {epochs} epochs: they are not of \
         one engine, or the journal's newest part is missing. Put the journal back, `chrysalis restore` a \
         backup into an empty data folder, or move the ledger aside: what waits in it is then not sent. \
         Nothing was changed",
        data.join(Ledger::FILE).display(),
        data.join("journal").display()
    )
}

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
        entries.map_or(true, |mut entries| entries.next().is_none())
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

/// The newest epoch in the history; none when it has none, and when it does not answer: it is tried again
/// beside the running engine, which does not wait for it.
pub(super) async fn recorded_upto(history: &History) -> Option<u64> {
    let asked = async {
        history.prepare().await?;
        history.recorded_upto().await
    };
    match tokio::time::timeout(HISTORY_PATIENCE, asked).await {
        Ok(Ok(upto)) => upto,
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

/// What to do about a ledger that does not open.
pub(super) fn ledger_unreadable(error: anyhow::Error) -> anyhow::Error {
    anyhow!(
        "{error:#}. If it is damaged, `chrysalis restore` a backup into an empty data folder, or move the file \
         aside: what waits in it is then not sent, and what is decided again since the checkpoint may be \
         mailed again. The journal was not changed"
    )
}
