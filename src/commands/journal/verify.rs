//! `chrysalis journal verify`.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;

use chrysalis::checkpoint::{CheckpointError, Folder};
use chrysalis::journal::{Audit, Contents, JournalError, Position, RealDisk, SegmentAudit};
use chrysalis::store::{Ledger, LedgerCheck, LedgerError};

use super::{Folders, Place, plural};

/// Reads everything through, and says of each file what is in it and what is wrong.
pub(super) fn verify(
    folders: &Folders,
    place: &Place,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    // First, because a running engine writes checkpoints of what the journal holds already, and
    // records notices only of epochs that it has closed.
    let checkpoints = checkpoints(folders)?;
    let ledger = crate::serve::runtime()?.block_on(Ledger::check(&folders.data));
    let (mut problems, mut newer) = (0, 0);
    let mut total = Contents::default();
    let (mut segments, mut bytes) = (0, 0);
    let mut held: Option<(Position, Position)> = None;
    let mut lost_from: Option<Position> = None;
    for audit in Audit::open(Arc::new(RealDisk), &folders.journal)? {
        if let Some(lost) = lost_from.take().filter(|lost| *lost < audit.first) {
            let last = audit.first.0.saturating_sub(1);
            writeln!(out, "  records {lost} to {last} cannot be read")?;
        }
        let is_newer = matches!(audit.damage, Some(JournalError::NewerFormat { .. }));
        newer += u64::from(is_newer);
        problems += u64::from(audit.damage.is_some() && !is_newer);
        lost_from = audit.damage.as_ref().map(|_| audit.next);
        held = Some((held.map_or(audit.first, |(first, _)| first), audit.next));
        segments += 1;
        bytes += audit.file_bytes;
        tell(&audit, place, out)?;
        total.merge(&audit.contents);
    }
    let end = held.unwrap_or_default();
    for checkpoint in &checkpoints {
        match tell_checkpoint(checkpoint, end, place, out)? {
            Found::Fine => {}
            Found::Problem => problems += 1,
            Found::Newer => newer += 1,
        }
    }
    problems += u64::from(tell_ledger(folders, ledger, total.epoch_max, out)?);
    out.flush()?;
    let shown = folders.journal.display();
    if problems > 0 {
        bail!(
            "{shown}: {problems} problem{}: nothing was changed; put the named files back from a \
             backup, the engine does not start over damage that it needs to read",
            plural(problems)
        );
    }
    if newer > 0 {
        bail!(
            "{shown}: {newer} file{} of a newer Chrysalis, which this one does not read: start the newer program. \
             Nothing was changed",
            plural(newer)
        );
    }
    let (records, events, epochs) = (total.records(), total.events, total.ticks);
    if records == 0 {
        writeln!(out, "{shown}: whole, and holds no record yet")?;
    } else {
        writeln!(
            out,
            "{shown}: whole: {segments} segment{}, {records} record{}, {events} event{}, \
             {epochs} epoch{}, {bytes} bytes",
            plural(segments),
            plural(records),
            plural(events),
            plural(epochs),
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(audit: &SegmentAudit, place: &Place, out: &mut impl Write) -> anyhow::Result<()> {
    let Contents {
        events,
        ticks,
        span_ms,
        ..
    } = &audit.contents;
    let (path, bytes) = (audit.path.display(), audit.file_bytes);
    if audit.contents.records() == 0 {
        let first = audit.first;
        writeln!(out, "{path}: no record, begins at {first}, {bytes} bytes")?;
    } else {
        let last = audit.next.0.saturating_sub(1);
        let (from, to) = span_ms.unwrap_or_default();
        writeln!(
            out,
            "{path}: records {} to {last}, {events} event{}, {ticks} epoch{}, {bytes} bytes, \
             {} to {}",
            audit.first,
            plural(*events),
            plural(*ticks),
            place.time(from),
            place.time(to),
        )?;
    }
    if let Some(damage) = &audit.damage {
        let word = match damage {
            JournalError::NewerFormat { .. } => "NEWER",
            _ => "DAMAGED",
        };
        let damage = anyhow::Error::from(damage.clone());
        writeln!(out, "  {word}: {damage:#}")?;
    }
    if let Some(torn) = &audit.torn_tail {
        let (bytes, offset) = (torn.bytes, torn.offset);
        writeln!(
            out,
            "  {bytes} byte{} from offset {offset} on are no whole record: a running engine is \
             writing them, or a crash left them, and nothing acknowledged is in them; or they were \
             damaged since, and an acknowledged record is gone. The next start cuts them off",
            plural(bytes)
        )?;
    }
    Ok(())
}

/// Says whether there is a problem with the ledger: damage, or epochs that the journal does not have.
fn tell_ledger(
    folders: &Folders,
    ledger: Result<Option<LedgerCheck>, LedgerError>,
    epoch_max: Option<u64>,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let path = folders.data.join(Ledger::FILE);
    let path = path.display();
    let ledger = match ledger {
        Ok(None) => return Ok(false),
        Ok(Some(ledger)) => ledger,
        Err(error) => {
            let error = anyhow::Error::from(error);
            writeln!(out, "{path}:\n  DAMAGED: {error:#}")?;
            return Ok(true);
        }
    };
    let LedgerCheck {
        notices, waiting, ..
    } = ledger;
    let upto = match ledger.decided_upto {
        Some(epoch) => format!("notices up to epoch {epoch}"),
        None => "no epoch".to_owned(),
    };
    writeln!(
        out,
        "{path}: {upto}, {notices} notice{} kept, {waiting} of them not sent yet",
        plural(notices)
    )?;
    let ahead = ledger.decided_upto.zip(epoch_max);
    let Some((upto, epoch)) = ahead.filter(|(upto, epoch)| upto > epoch) else {
        return Ok(false);
    };
    writeln!(
        out,
        "  AHEAD: it knows epoch {upto}, and the journal ends with epoch {epoch}: they are not of one \
         engine, or the journal's newest part is missing"
    )?;
    Ok(true)
}

/// A checkpoint's file, and what it is of.
struct Checked {
    path: std::path::PathBuf,
    result: Result<(u64, Position, i64), CheckpointError>,
}

fn checkpoints(folders: &Folders) -> anyhow::Result<Vec<Checked>> {
    if !folders.checkpoints.is_dir() {
        return Ok(Vec::new());
    }
    let folder = Folder::open(Arc::new(RealDisk), &folders.checkpoints)?;
    let mut checked = Vec::new();
    for epoch in folder.epochs()? {
        let path = folder.path_of(epoch);
        let opened = folder.check(&path);
        // A running engine keeps the newest alone.
        if opened.is_err() && !path.exists() {
            continue;
        }
        let result = opened.map(|it| (it.head.epoch, it.head.next, it.head.now_ms));
        checked.push(Checked { path, result });
    }
    Ok(checked)
}

/// What there is to say of a checkpoint.
enum Found {
    Fine,
    Problem,
    /// Of a newer program.
    Newer,
}

/// Says what is wrong with it.
fn tell_checkpoint(
    checkpoint: &Checked,
    (first, next): (Position, Position),
    place: &Place,
    out: &mut impl Write,
) -> anyhow::Result<Found> {
    let path = checkpoint.path.display();
    let (epoch, begins, now_ms) = match &checkpoint.result {
        Ok(of) => of,
        Err(error @ CheckpointError::NewerFormat { .. }) => {
            writeln!(out, "{path}:\n  NEWER: {error}")?;
            return Ok(Found::Newer);
        }
        Err(error) => {
            writeln!(out, "{path}:\n  DAMAGED: {error}")?;
            return Ok(Found::Problem);
        }
    };
    let time = place.time(*now_ms);
    writeln!(
        out,
        "{path}: epoch {epoch}, goes on at record {begins}, {time}"
    )?;
    let asked = *begins;
    let error = if *begins > next {
        let dir = place.dir.clone();
        JournalError::Short {
            dir,
            asked,
            next,
            torn: None,
        }
    } else if *begins < first && checkpoint.path.exists() {
        JournalError::Gone { asked, first }
    } else {
        return Ok(Found::Fine);
    };
    writeln!(out, "  USELESS: {error}")?;
    Ok(Found::Problem)
}
