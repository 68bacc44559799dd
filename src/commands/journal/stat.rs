//! `chrysalis journal stat`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use chrysalis::journal::{Audit, Contents, RealDisk};

use super::{Folders, Place};

/// Producers listed in the text; all are in the JSON.
const PRODUCERS_SHOWN: usize = 10;

/// What is in a journal.
#[derive(Serialize)]
struct Stat {
    journal: String,
    segments: u64,
    file_bytes: u64,
    first_position: u64,
    next_position: u64,
    records: Records,
    events: u64,
    epochs: u64,
    /// Text of the records, unpacked.
    text_bytes: u64,
    /// The records as they lie in the files.
    stored_bytes: u64,
    /// Text by stored bytes; null without records.
    compression: Option<f64>,
    from_ms: Option<i64>,
    from: Option<String>,
    to_ms: Option<i64>,
    to: Option<String>,
    producers: BTreeMap<String, Producer>,
    /// Bytes at the end that are no whole record.
    torn_tail_bytes: u64,
}

#[derive(Serialize)]
struct Records {
    batch: u64,
    command: u64,
    rulebook: u64,
    tick: u64,
}

#[derive(Serialize)]
struct Producer {
    batches: u64,
    events: u64,
    newest_sequence: u64,
}

/// Adds up the whole journal; damage ends it.
pub(super) fn stat(
    folders: &Folders,
    place: &Place,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut total = Contents::default();
    let (mut segments, mut file_bytes, mut torn_tail_bytes) = (0, 0, 0);
    let mut held = None;
    for audit in Audit::open(Arc::new(RealDisk), &folders.journal)? {
        if let Some(damage) = audit.damage {
            return Err(damage.into());
        }
        held = Some((held.map_or(audit.first, |(first, _)| first), audit.next));
        segments += 1;
        file_bytes += audit.file_bytes;
        torn_tail_bytes += audit.torn_tail.map_or(0, |torn| torn.bytes);
        total.merge(&audit.contents);
    }
    let (first, next) = held.unwrap_or_default();
    let (from_ms, to_ms) = total.span_ms.unzip();
    let stat = Stat {
        journal: folders.journal.display().to_string(),
        segments,
        file_bytes,
        first_position: first.0,
        next_position: next.0,
        records: Records {
            batch: total.batches,
            command: total.commands,
            rulebook: total.rule_books,
            tick: total.ticks,
        },
        events: total.events,
        epochs: total.ticks,
        text_bytes: total.text_bytes,
        stored_bytes: total.stored_bytes,
        compression: (total.stored_bytes > 0)
            .then(|| total.text_bytes as f64 / total.stored_bytes as f64),
        from_ms,
        from: from_ms.map(|ms| place.time(ms)),
        to_ms,
        to: to_ms.map(|ms| place.time(ms)),
        producers: total
            .producers
            .into_iter()
            .map(|(name, seen)| {
                let producer = Producer {
                    batches: seen.batches,
                    events: seen.events,
                    newest_sequence: seen.sequence,
                };
                (name, producer)
            })
            .collect(),
        torn_tail_bytes,
    };
    if json {
        serde_json::to_writer_pretty(&mut *out, &stat)?;
        writeln!(out)?;
    } else {
        tell(&stat, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(stat: &Stat, out: &mut impl Write) -> anyhow::Result<()> {
    let Records {
        batch,
        command,
        rulebook,
        tick,
    } = stat.records;
    writeln!(out, "journal      {}", stat.journal)?;
    writeln!(
        out,
        "segments     {}, {} bytes, {} of them no whole record",
        stat.segments, stat.file_bytes, stat.torn_tail_bytes
    )?;
    writeln!(
        out,
        "records      {} from {} on: {batch} batches, {command} commands, {rulebook} rule books, {tick} ticks",
        stat.next_position - stat.first_position,
        stat.first_position,
    )?;
    writeln!(out, "events       {}", stat.events)?;
    writeln!(out, "epochs       {}", stat.epochs)?;
    if let Some(compression) = stat.compression {
        writeln!(
            out,
            "compression  {compression:.2}: {} bytes of text in {}",
            stat.text_bytes, stat.stored_bytes
        )?;
    }
    if let (Some(from), Some(to)) = (&stat.from, &stat.to) {
        writeln!(out, "times        {from} to {to}")?;
    }
    writeln!(out, "producers    {}", stat.producers.len())?;
    let mut busiest: Vec<_> = stat.producers.iter().collect();
    busiest.sort_by_key(|(_, seen)| Reverse(seen.events));
    for (name, seen) in busiest.iter().take(PRODUCERS_SHOWN) {
        writeln!(
            out,
            "  {name}: {} batches, {} events, newest sequence {}",
            seen.batches, seen.events, seen.newest_sequence
        )?;
    }
    if let Some(more) = busiest
        .len()
        .checked_sub(PRODUCERS_SHOWN)
        .filter(|more| *more > 0)
    {
        writeln!(out, "  … and {more} more: --json lists all")?;
    }
    Ok(())
}
