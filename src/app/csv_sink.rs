//! Transitions of alerts as CSV files that others may pick up: `alerts-<day>-<part>.csv`, by the day of the decision in
//! the book's zone.
//!
//! * A row is known by its epoch and its number in it, rows are in that order, and none is written that is not after
//!   the last one: what is decided again after a crash is not written again.
//! * A checkpoint is written when the rows that it covers are durable, and not before: what a death of the machine took
//!   is decided again. Nothing else waits for the disk.
//! * Rows that cannot be written wait and are tried again; beyond `waiting_rows_max` they are left out and counted.
//! * The oldest files go beyond `keep_days` and `bytes_max`, counted; what is written to stays.
//! * A file has the columns that its header names: one with fewer is kept as it is, and the next row begins another. So is
//!   one whose ids are of the form before (`398.10`, which reads as a number that is 398.1).

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};

use crate::alerting::Transition;
use crate::api::iso;
use crate::config::CsvSinkSettings;
use crate::engine::{Effect, Snapshot};
use crate::metrics::{CsvSinkCounts, CsvSinkSource};
use crate::reports::csv_row;
use crate::rules::Kqi;

/// A file of this size is followed by the next part of its day, bytes.
const PART_BYTES: u64 = 64 << 20;
const HEADER: [&str; 14] = [
    "id",
    "decided_at",
    "at",
    "alert",
    "object",
    "state",
    "severity",
    "reason",
    "value",
    // What the value is held against: the KQI's reasonable interval, where that comes from, and the book that judged.
    "unit",
    "limit_min",
    "limit_max",
    "limit_source",
    "rules",
];
/// Columns that files had before limits and their source stood in them.
const COLUMNS_BEFORE: usize = 9;

/// Between epoch and number of an id; and before, which made it read as a number with decimals.
const ID_JOIN: char = '-';
const ID_JOIN_BEFORE: char = '.';

/// Where a row stands among all: epoch, and number in it.
type RowId = (u64, u64);

/// The sink; without settings it takes nothing.
pub(super) struct CsvSink {
    open: Option<Open>,
    counters: Arc<Counters>,
}

struct Open {
    folder: PathBuf,
    settings: CsvSinkSettings,
    part_bytes: u64,
    /// The newest file, and how much of it is rows.
    file: Option<Part>,
    /// The newest row that is written or waits.
    last: Option<RowId>,
    waiting: VecDeque<Row>,
    is_failing: bool,
    is_synced: bool,
}

struct Part {
    file: File,
    name: Name,
    bytes: u64,
    /// Its columns and ids are today's, so that rows may follow.
    is_current: bool,
}

struct Row {
    day: String,
    line: String,
}

/// `alerts-2026-03-02-001.csv`; names sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    day: String,
    part: u32,
}

#[derive(Debug, Default)]
struct Counters {
    rows: AtomicU64,
    waiting: AtomicU64,
    left_out: AtomicU64,
    failures: AtomicU64,
    bytes: AtomicU64,
    forgotten: AtomicU64,
}

impl CsvSink {
    /// Opens the sink of a journal of so many epochs; whatever is no whole row at the end of the newest file is cut
    /// off, for it is decided again.
    ///
    /// # Errors
    /// The folder cannot be used, or its rows are of epochs that the journal does not have.
    pub(super) fn open(
        settings: Option<&CsvSinkSettings>,
        data: &Path,
        epochs: u64,
    ) -> anyhow::Result<CsvSink> {
        let counters = Arc::<Counters>::default();
        let Some(settings) = settings else {
            return Ok(CsvSink {
                open: None,
                counters,
            });
        };
        let folder = settings.folder.clone();
        let folder = folder.unwrap_or_else(|| data.join("alerts"));
        let name = format!("the CSV sink {}", folder.display());
        let place = || name.clone();
        fs::create_dir_all(&folder).with_context(place)?;
        let (file, last) = resume(&folder).with_context(place)?;
        ensure!(
            last.is_none_or(|(epoch, _)| epoch < epochs),
            "{} has rows of epoch {}, but the journal has only {epochs} epochs: they are not of one engine, or the \
             journal's newest part is missing. Give this engine a folder of its own. Nothing was changed",
            name,
            last.unwrap_or_default().0,
        );
        let mut open = Open {
            folder,
            settings: settings.clone(),
            part_bytes: PART_BYTES.min(settings.bytes_max / 4).max(1),
            file,
            last,
            waiting: VecDeque::new(),
            is_failing: false,
            is_synced: false,
        };
        open.forget(&counters).with_context(place)?;
        let open = Some(open);
        Ok(CsvSink { open, counters })
    }

    /// Takes the transitions of an epoch.
    pub(super) fn take(&mut self, effects: &[Effect], snapshot: &Snapshot) {
        let (Some(open), Some(epoch)) = (&mut self.open, snapshot.epoch) else {
            return;
        };
        let transitions = effects.iter().filter_map(|effect| match effect {
            Effect::Transition(transition) => Some(transition),
            _ => None,
        });
        let zone = &snapshot.plan.zone;
        let decided_at = iso(snapshot.now_ms, zone);
        for (number, transition) in (0..).zip(transitions) {
            let id = (epoch, number);
            if open.last.is_some_and(|last| id <= last) {
                continue;
            }
            open.last = Some(id);
            if open.waiting.len() >= open.settings.waiting_rows_max {
                self.counters.left_out.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let at = iso(transition.at_ms, zone);
            open.waiting.push_back(Row {
                day: decided_at.chars().take(10).collect(),
                line: line(id, &decided_at, &at, transition, snapshot),
            });
        }
        open.write(&self.counters);
    }

    /// What must be made durable before a checkpoint of now is; none where all is.
    ///
    /// # Errors
    /// Rows cannot be written.
    pub(super) fn unsynced(&mut self) -> anyhow::Result<Option<File>> {
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        open.write(&self.counters);
        ensure!(
            open.waiting.is_empty(),
            "{} rows cannot be written to the CSV sink {}",
            open.waiting.len(),
            open.folder.display()
        );
        let Some(part) = open.file.as_ref().filter(|_| !open.is_synced) else {
            return Ok(None);
        };
        let file = part.file.try_clone().context("the CSV sink")?;
        // What is written from now on is not of this checkpoint.
        open.is_synced = true;
        Ok(Some(file))
    }

    /// The counts for metrics; none where there is no sink.
    pub(super) fn counts(&self) -> Option<CsvSinkSource> {
        self.open.as_ref()?;
        let counters = Arc::clone(&self.counters);
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Some(Box::new(move || CsvSinkCounts {
            rows: of(&counters.rows),
            waiting: of(&counters.waiting),
            left_out: of(&counters.left_out),
            failures: of(&counters.failures),
            bytes: of(&counters.bytes),
            forgotten: of(&counters.forgotten),
        }))
    }
}

impl Open {
    /// Writes what waits, as far as that goes.
    fn write(&mut self, counters: &Counters) {
        self.write_all(counters);
        let waiting = self.waiting.len() as u64;
        counters.waiting.store(waiting, Ordering::Relaxed);
    }

    fn write_all(&mut self, counters: &Counters) {
        while let Some(row) = self.waiting.front() {
            let day = row.day.clone();
            let of_day = self.waiting.iter().take_while(|row| row.day == day);
            let count = of_day.clone().count();
            let lines: String = of_day.map(|row| row.line.as_str()).collect();
            match self.append(&day, &lines, counters) {
                Ok(()) => {
                    self.waiting.drain(..count);
                    counters.rows.fetch_add(count as u64, Ordering::Relaxed);
                    self.is_failing = false;
                }
                Err(error) => {
                    counters.failures.fetch_add(1, Ordering::Relaxed);
                    if !std::mem::replace(&mut self.is_failing, true) {
                        let folder = self.folder.display();
                        tracing::error!(%error, %folder, "the CSV sink cannot be written: its rows wait");
                    }
                    return;
                }
            }
        }
    }

    fn append(&mut self, day: &str, lines: &str, counters: &Counters) -> io::Result<()> {
        let fits = |part: &Part| {
            part.is_current && part.name.day.as_str() >= day && part.bytes < self.part_bytes
        };
        if !self.file.as_ref().is_some_and(fits) {
            self.begin(day, counters)?;
        }
        let Some(part) = &mut self.file else {
            return Ok(());
        };
        if let Err(error) = part.file.write_all(lines.as_bytes()) {
            // A part of them may be there, and all are tried again.
            part.file.set_len(part.bytes)?;
            return Err(error);
        }
        part.bytes += lines.len() as u64;
        self.is_synced = false;
        counters
            .bytes
            .fetch_add(lines.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Begins the next file. The one before is durable first, so that a file that is followed is whole.
    fn begin(&mut self, day: &str, counters: &Counters) -> io::Result<()> {
        let before = self.file.as_ref().map(|part| part.name.clone());
        if let Some(part) = &self.file {
            part.file.sync_data()?;
        }
        // A journal's clock never goes back, but the zone may change.
        let name = match before {
            Some(before) if before.day.as_str() >= day => Name {
                part: before.part.saturating_add(1),
                ..before
            },
            _ => Name {
                day: day.to_owned(),
                part: 1,
            },
        };
        let mut options = OpenOptions::new();
        let path = self.folder.join(name.file());
        let mut file = options.create(true).append(true).open(&path)?;
        // One whose beginning failed has no rows.
        file.set_len(0)?;
        let header = csv_row(&HEADER);
        file.write_all(header.as_bytes())?;
        File::open(&self.folder)?.sync_all()?;
        let bytes = header.len() as u64;
        self.file = Some(Part {
            file,
            name,
            bytes,
            is_current: true,
        });
        self.forget(counters)
    }

    /// Lets the oldest files go that are too old or too much.
    fn forget(&mut self, counters: &Counters) -> io::Result<()> {
        let mut files = list(&self.folder)?;
        let newest = files.last().map(|name| name.day.clone());
        let oldest_day = newest.and_then(|day| {
            let day: jiff::civil::Date = day.parse().ok()?;
            day.checked_sub(jiff::Span::new().days(self.settings.keep_days))
                .ok()
        });
        let oldest_day = oldest_day.map(|day| day.to_string());
        let mut sizes = VecDeque::new();
        for name in files.drain(..) {
            let bytes = fs::metadata(self.folder.join(name.file()))?.len();
            sizes.push_back((name, bytes));
        }
        let mut bytes: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
        // As much is left free as the newest may still grow.
        let bytes_max = self.settings.bytes_max.saturating_sub(self.part_bytes);
        while sizes.len() > 1 {
            let Some((name, of_file)) = sizes.front() else {
                break;
            };
            let is_old = oldest_day.as_ref().is_some_and(|day| name.day < *day);
            if !is_old && bytes <= bytes_max {
                break;
            }
            fs::remove_file(self.folder.join(name.file()))?;
            counters.forgotten.fetch_add(1, Ordering::Relaxed);
            tracing::info!(file = name.file(), "an old file of the CSV sink is gone");
            bytes -= of_file;
            sizes.pop_front();
        }
        counters.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Name {
    fn file(&self) -> String {
        format!("alerts-{}-{:03}.csv", self.day, self.part)
    }

    fn of(file: &str) -> Option<Name> {
        let middle = file.strip_prefix("alerts-")?.strip_suffix(".csv")?;
        let (day, part) = middle.rsplit_once('-')?;
        day.parse::<jiff::civil::Date>().ok()?;
        Some(Name {
            day: day.to_owned(),
            part: part.parse().ok()?,
        })
    }
}

/// Files of the sink, the oldest first.
fn list(folder: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(Name::of(&entry?.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names)
}

/// The newest file, cut after its last whole row, and the last row of all.
fn resume(folder: &Path) -> io::Result<(Option<Part>, Option<RowId>)> {
    let mut newest = None;
    for name in list(folder)?.into_iter().rev() {
        let path = folder.join(name.file());
        let rows = read(&path)?;
        if newest.is_none() {
            let file = OpenOptions::new().append(true).open(&path)?;
            file.set_len(rows.end)?;
            // Without its header it is begun anew when a row comes.
            newest = (rows.end > 0).then_some(Part {
                file,
                name,
                bytes: rows.end,
                is_current: rows.is_current,
            });
        }
        // One without a row was begun, and no more.
        if rows.last.is_some() {
            return Ok((newest, rows.last));
        }
    }
    Ok((newest, None))
}

/// The whole rows of a file, which follow each other.
#[derive(Default)]
struct Rows {
    /// Where they end, bytes.
    end: u64,
    /// The last of them.
    last: Option<RowId>,
    /// They have today's columns, and ids of today's form.
    is_current: bool,
}

fn read(path: &Path) -> io::Result<Rows> {
    let mut reader = BufReader::new(File::open(path)?);
    let (current, before) = (csv_row(&HEADER), csv_row(&HEADER[..COLUMNS_BEFORE]));
    let (mut rows, mut line) = (Rows::default(), Vec::new());
    loop {
        line.clear();
        let bytes = reader.read_until(b'\n', &mut line)? as u64;
        let text = std::str::from_utf8(&line).unwrap_or_default();
        let follows = |id: &RowId| text.ends_with('\n') && rows.last.is_none_or(|last| last < *id);
        match id_of(text).filter(|(id, _)| follows(id)) {
            Some((id, is_current)) if rows.end > 0 => {
                rows.last = Some(id);
                rows.is_current &= is_current;
            }
            _ if rows.end == 0 && text == current => rows.is_current = true,
            _ if rows.end == 0 && text == before => {}
            _ => return Ok(rows),
        }
        rows.end += bytes;
    }
}

/// The id of a row, and whether it has today's form.
fn id_of(line: &str) -> Option<(RowId, bool)> {
    let id = line.split(',').next()?;
    let now = id.split_once(ID_JOIN).map(|parts| (parts, true));
    let before = || id.split_once(ID_JOIN_BEFORE).map(|parts| (parts, false));
    let ((epoch, number), is_current) = now.or_else(before)?;
    Some(((epoch.parse().ok()?, number.parse().ok()?), is_current))
}

fn line(
    (epoch, number): RowId,
    decided_at: &str,
    at: &str,
    transition: &Transition,
    snapshot: &Snapshot,
) -> String {
    let book = &snapshot.plan.book;
    let id = format!("{epoch}{ID_JOIN}{number}");
    let text = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    // A row is a line, whatever names say.
    let one_line = |text: &str| text.replace(['\r', '\n'], " ");
    // The engine's own alerts have no rule in the book. Most have no limit either; a blind spot has that of the KQI whose
    // numbers it tells.
    let rule = book.alerts.iter().find(|rule| rule.id == transition.alert);
    let own = || {
        let mut alerts = snapshot.alerts.iter();
        let alert = alerts.find(|alert| {
            (&alert.alert, &alert.group_label, alert.state)
                == (&transition.alert, &transition.group, transition.state)
        });
        alert.and_then(|alert| alert.kqi.as_deref())
    };
    let kqi = rule.map(|rule| rule.kqi.as_str()).or_else(own);
    let kqi = kqi.and_then(|id| book.kqis.iter().find(|kqi| kqi.id == id));
    let source = kqi.and_then(Kqi::limit_source);
    csv_row(&[
        &id,
        decided_at,
        at,
        &transition.alert,
        &one_line(&transition.group),
        transition.state.name(),
        transition.severity.name(),
        transition.reason.name(),
        &text(transition.value),
        kqi.map_or("", |kqi| kqi.unit.text()),
        &text(kqi.and_then(|kqi| kqi.interval.min)),
        &text(kqi.and_then(|kqi| kqi.interval.max)),
        &one_line(&source.unwrap_or_default()),
        &one_line(&format!("{} {}", book.name, book.version)),
    ])
}

#[cfg(test)]
mod tests;
