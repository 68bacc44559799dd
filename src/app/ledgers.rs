//! The ledger of a start: the one that belongs to the journal, or a new one where an operator asked for it.
//!
//! * A ledger that is missing beside a journal, or that misses what is known to have been told, ends the start:
//!   without it nobody can say what was mailed.
//! * What is known to have been told is in the heads of checkpoints, also of those set aside, and in the history.

use std::path::Path;

use anyhow::{Context, anyhow};

use super::settle::settle;
use crate::config::{Config, NewLedger};
use crate::journal::RealDisk;
use crate::store::Ledger;
use crate::time::now_ms;

const WAYS_OUT: &str = "Put the right one back, or `chrysalis restore` a backup into an empty data folder. Or begin \
    anew: `chrysalis serve --new-ledger told` counts everything decided so far as told, and mails none of it; \
    `--new-ledger untold` mails what is decided again since the checkpoint, perhaps for a second time. With \
    either, what waits in a ledger that is there is not sent";

/// What is known beside the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Epochs in the journal.
    pub epochs: u64,
    /// The newest epoch that the checkpoint covers: nothing up to it is decided again.
    pub covered_upto: Option<u64>,
    /// The newest epoch of which something was told, as far as anybody knows.
    pub told_upto: Option<u64>,
}

/// Opens the ledger in the data folder, or begins one.
pub(super) async fn open(config: &Config, known: &Known) -> anyhow::Result<Ledger> {
    let data = &config.data;
    let is_lost = !data.join(Ledger::FILE).exists() && known.epochs > 0;
    match config.new_ledger {
        Some(new) if known.epochs > 0 => begin(data, new, known).await?,
        _ if is_lost => return Err(lost(data)),
        _ => {}
    }
    let file = data.join(Ledger::FILE);
    settle(&RealDisk, &file).with_context(|| format!("cannot settle {}-wal", file.display()))?;
    let opened = Ledger::open(data).await;
    let ledger = opened.map_err(|error| match error.is_full() {
        true => anyhow!(
            "{:#}: make room, and start again. Nothing was changed",
            anyhow::Error::from(error)
        ),
        false => unreadable(error.into()),
    })?;
    check_ledger(data, &ledger, known).await?;
    Ok(ledger)
}

/// The ledger must know what was told, and nothing that the journal does not have.
///
/// # Errors
/// It does not, with what an operator can do about it; nothing was changed.
pub async fn check_ledger(data: &Path, ledger: &Ledger, known: &Known) -> anyhow::Result<()> {
    let upto = ledger.decided_upto().await?;
    if let Some(upto) = upto.filter(|upto| *upto >= known.epochs) {
        return Err(ahead(data, upto, known.epochs));
    }
    // Before it was begun there was another, and an operator decided what became of that.
    let begun_at = ledger.begun_at().await?.unwrap_or(0);
    match known.told_upto.filter(|told| *told >= begun_at) {
        Some(told) if upto < Some(told) => Err(behind(data, upto, told)),
        _ => Ok(()),
    }
}

/// What was decided before the checkpoint is not decided again, so it counts as told in any case.
async fn begin(data: &Path, new: NewLedger, known: &Known) -> anyhow::Result<()> {
    let upto = match new {
        NewLedger::Told => known.epochs.checked_sub(1),
        NewLedger::Untold => known.covered_upto,
    };
    let aside = Ledger::begin_anew(data, upto, known.epochs, now_ms()).await?;
    if let Some(aside) = aside {
        let aside = aside.display();
        tracing::warn!("the ledger that was there is {aside} now: what waited in it is not sent");
    }
    match new {
        NewLedger::Told => tracing::warn!(
            epochs = known.epochs,
            "a new ledger is begun, as asked: all that was decided so far counts as told, and none of it is mailed"
        ),
        NewLedger::Untold => tracing::warn!(
            covered_upto = known.covered_upto,
            "a new ledger is begun, as asked: what is decided again after the checkpoint is mailed, perhaps for a \
             second time"
        ),
    }
    Ok(())
}

/// There is a journal, and no ledger.
fn lost(data: &Path) -> anyhow::Error {
    anyhow!(
        "there is no {}, but a journal: without its ledger nobody can say what was mailed, and what waited in it \
         would be forgotten without a word. {WAYS_OUT}. Nothing was changed",
        data.join(Ledger::FILE).display()
    )
}

/// Notices are known that are not in the ledger.
fn behind(data: &Path, upto: Option<u64>, told: u64) -> anyhow::Error {
    let known = match upto {
        Some(upto) => format!("knows notices up to epoch {upto}"),
        None => "knows no notices".to_owned(),
    };
    anyhow!(
        "{} {known}, but checkpoint or history are of an engine that had told some of epoch {told}: it is an \
         older ledger, and what was told between would be lost or told twice. {WAYS_OUT}. The ledger was not \
         changed",
        data.join(Ledger::FILE).display()
    )
}

/// The ledger knows epochs that the journal does not have: it would take the notices of other epochs, with
/// the same numbers, for sent.
fn ahead(data: &Path, upto: u64, epochs: u64) -> anyhow::Error {
    anyhow!(
        "{} knows notices up to epoch {upto}, but the journal {} has only {epochs} epochs: they are not of \
         one engine, or the journal's newest part is missing. Put the journal back. {WAYS_OUT}. Nothing was \
         changed",
        data.join(Ledger::FILE).display(),
        data.join("journal").display()
    )
}

/// What to do about a ledger that does not open.
fn unreadable(error: anyhow::Error) -> anyhow::Error {
    anyhow!("{error:#}. If it is damaged: {WAYS_OUT}. The journal was not changed")
}
