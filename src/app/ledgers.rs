//! The ledger of a start: the one that belongs to the journal, or a new one where an operator asked for it.
//!
//! * A ledger that is missing beside a journal, that misses what is known to have been told, or that has a damaged
//!   page, ends the start: without it nobody can say what was mailed.
//! * Every page is looked at before anything is written to it. That is one reading of a file that `mail.ledger_bytes_max`
//!   bounds; a damaged page that is met later would leave an engine that mails nothing.
//! * That reading takes as long as the file is large, and what is acknowledged meanwhile is in the journal whatever comes of it:
//!   a ledger of which a few pages say that it is the journal's ([`fits`]) does not keep batches waiting for the rest. One
//!   that is ahead of its journal does: with each refused start the journal's time would go on, and in the end pass it.
//! * What is known to have been told is in the heads of checkpoints, also of those set aside, and in the history.

use std::path::Path;

use anyhow::{Context, anyhow};

use super::settle::settle;
use crate::config::{Config, NewLedger};
use crate::journal::RealDisk;
use crate::store::{Fault, Ledger, LedgerError, LedgerReach};
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
    Ledger::check_pages(data)
        .await
        .map_err(|error| unusable(data, error))?;
    let opened = Ledger::open(data).await;
    let ledger = opened.map_err(|error| unusable(data, error))?;
    check_ledger(data, &ledger, known).await?;
    Ok(ledger)
}

/// Whether the ledger is the journal's as far as a few of its pages say, so that batches may be taken before [`open`] has
/// read it through. Not where it is lost, cannot be read, or is to be begun anew: [`open`] says what is to be said of it.
pub(super) async fn fits(config: &Config, known: &Known) -> bool {
    let data = &config.data;
    if config.new_ledger.is_some() || settle(&RealDisk, &data.join(Ledger::FILE)).is_err() {
        return false;
    }
    match Ledger::reach(data).await {
        Ok(Some(reach)) => refusal(data, &reach, known).is_none(),
        Ok(None) | Err(_) => false,
    }
}

/// The ledger must know what was told, and nothing that the journal does not have.
///
/// # Errors
/// It does not, with what an operator can do about it; nothing was changed.
pub async fn check_ledger(data: &Path, ledger: &Ledger, known: &Known) -> anyhow::Result<()> {
    let unusable = |error| unusable(data, error);
    let reach = LedgerReach {
        decided_upto: ledger.decided_upto().await.map_err(unusable)?,
        begun_at: ledger.begun_at().await.map_err(unusable)?,
    };
    refusal(data, &reach, known).map_or(Ok(()), Err)
}

/// Why a ledger that knows of so much is not the journal's.
fn refusal(data: &Path, reach: &LedgerReach, known: &Known) -> Option<anyhow::Error> {
    let upto = reach.decided_upto;
    if let Some(upto) = upto.filter(|upto| *upto >= known.epochs) {
        return Some(ahead(data, upto, known.epochs));
    }
    // Before it was begun there was another, and an operator decided what became of that.
    let begun_at = reach.begun_at.unwrap_or(0);
    let told = known.told_upto.filter(|told| *told >= begun_at)?;
    (upto < Some(told)).then(|| behind(data, upto, told))
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

/// What to do about a ledger that a start cannot use.
pub(super) fn unusable(data: &Path, error: LedgerError) -> anyhow::Error {
    let fault = error.fault();
    let error = anyhow::Error::from(error);
    let file = data.join(Ledger::FILE);
    let file = file.display().to_string();
    match fault {
        Fault::Full => anyhow!("{error:#}: make room, and start again. Nothing was changed"),
        Fault::Newer => anyhow!(
            "{file} was written by a newer program ({error:#}): start the newer program. It is not damaged, and \
             nothing was changed"
        ),
        Fault::Damaged => {
            // Most say which file themselves.
            let words = format!("{error:#}");
            let at = match words.contains(&*file) {
                true => words,
                false => format!("{file}: {words}"),
            };
            anyhow!(
                "{at}: the ledger is damaged, and without it nobody can say what was mailed. {WAYS_OUT}. Nothing was \
                 changed"
            )
        }
        Fault::Unsynced => anyhow!(
            "{error:#}: the disk did not take what was written. Start again once it does: what was recorded is kept, and \
             nothing else was changed"
        ),
        Fault::Other => {
            anyhow!("{error:#}. If it is damaged: {WAYS_OUT}. The journal was not changed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Entry;

    const KNOWN: Known = Known {
        epochs: 9,
        covered_upto: None,
        told_upto: None,
    };

    /// A ledger of some pages in a folder, closed, and what a start says after it was changed.
    async fn said(change: impl AsyncFnOnce(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        let ledger = Ledger::open(folder.path()).await.unwrap();
        let entries: Vec<Entry> = (0..200)
            .map(|n| Entry {
                id: format!("n{n}"),
                incident: format!("i{n}"),
                revision: 1,
                reason: "first".to_owned(),
                recipient: "a@example.com".to_owned(),
                urgency: 1,
                message_id: format!("n{n}@example.com"),
                notice: vec![7; 2_000],
                decided_at_ms: n,
                digest: None,
            })
            .collect();
        ledger.record(8, &entries).await.unwrap();
        ledger.close().await;
        open(&config, &KNOWN).await.unwrap().close().await;
        change(&folder.path().join(Ledger::FILE)).await;
        let before = std::fs::read(folder.path().join(Ledger::FILE)).unwrap();
        let refused = open(&config, &KNOWN).await.unwrap_err();
        let after = std::fs::read(folder.path().join(Ledger::FILE)).unwrap();
        assert!(before == after, "the file was changed");
        format!("{refused:#}")
    }

    #[tokio::test]
    async fn batches_wait_for_a_ledger_that_is_not_known_to_be_the_journals() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        assert!(!fits(&config, &KNOWN).await, "there is none");
        let ledger = Ledger::open(folder.path()).await.unwrap();
        assert!(fits(&config, &KNOWN).await, "nothing was told");
        ledger.record(8, &[]).await.unwrap();
        // Also beside who writes it, in whose log the newest still is.
        assert!(fits(&config, &KNOWN).await);
        let told = |epoch| Known {
            told_upto: Some(epoch),
            ..KNOWN
        };
        assert!(fits(&config, &told(8)).await);
        assert!(!fits(&config, &told(9)).await, "it is older");
        let epochs = 8;
        assert!(!fits(&config, &Known { epochs, ..KNOWN }).await, "ahead");
        ledger.close().await;
        assert!(fits(&config, &KNOWN).await);
        config.new_ledger = Some(NewLedger::Told);
        assert!(!fits(&config, &KNOWN).await, "another comes in its place");
        config.new_ledger = None;
        std::fs::write(folder.path().join(Ledger::FILE), vec![b'x'; 8_192]).unwrap();
        assert!(!fits(&config, &KNOWN).await, "it is none");
    }

    #[tokio::test]
    async fn a_page_of_zeroes_anywhere_in_the_ledger_ends_the_start() {
        let words = said(async |file: &Path| {
            let mut bytes = std::fs::read(file).unwrap();
            let page = bytes.len() / 4096 / 2 * 4096;
            bytes[page..page + 4096].fill(0);
            std::fs::write(file, bytes).unwrap();
        })
        .await;
        for part in [
            "the ledger is damaged",
            "--new-ledger told",
            "Nothing was changed",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        let words = said(async |file: &Path| {
            std::fs::write(file, vec![b'x'; 8_192]).unwrap();
        })
        .await;
        assert!(words.contains("the ledger is damaged"), "{words}");
    }

    #[tokio::test]
    async fn a_ledger_of_a_newer_program_is_called_so_and_nothing_else() {
        let words = said(async |file: &Path| {
            let ledger = Ledger::open(file.parent().unwrap()).await.unwrap();
            ledger
                .execute(
                    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (99999, 'newer', TRUE, x'00', 0)",
                )
                .await;
            ledger.close().await;
        })
        .await;
        assert!(words.contains("was written by a newer program"), "{words}");
        assert!(!words.contains("--new-ledger"), "{words}");
    }

    #[test]
    fn a_disk_without_room_is_called_so_whatever_was_tried() {
        let error = LedgerError::Statement {
            action: "requeue open attempts",
            fault: Fault::Full,
            source: "(code: 13) database or disk is full".into(),
        };
        let words = format!("{:#}", unusable(Path::new("/data"), error));
        assert!(words.contains("make room, and start again"), "{words}");
        assert!(!words.contains("--new-ledger"), "{words}");
    }
}
