//! `windows.csv` and `alerts.csv`, in an order that contents alone decide, and `kqis.csv`, which says what their numbers are held
//! against.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::alerting::Transition;
use crate::dataflow::{Cut, Standing, WindowUpdate};
use crate::replay::ReplayError;
use crate::rules::{Plan, RuleBook};

/// Final values of windows, one row a window and KQI, by end, start, KQI and group.
///
/// A row can still be corrected until its stream's retention has passed, and waits for that.
pub(super) struct WindowFile {
    file: OutputFile,
    waiting: BTreeMap<i64, Vec<WindowUpdate>>,
    rows: u64,
}

impl WindowFile {
    pub(super) fn create(path: PathBuf) -> Result<WindowFile, ReplayError> {
        let mut file = OutputFile::create(path)?;
        file.write("kqi,group,window_start_ms,window_end_ms,count,value,score,verdict\n")?;
        Ok(WindowFile {
            file,
            waiting: BTreeMap::new(),
            rows: 0,
        })
    }

    /// Takes a cut's windows, and writes those that nothing can correct any more.
    pub(super) fn take(&mut self, plan: &Plan, cut: Cut) -> Result<(), ReplayError> {
        let horizon_ms = plan
            .families
            .values()
            .map(|family| cut.watermarks.horizon(family.stream, family.retention_ms))
            .min()
            .unwrap_or(i64::MIN);
        for update in cut.updates {
            let waiting = self.waiting.entry(update.end_ms).or_default();
            let same = |known: &WindowUpdate| known.order() == update.order();
            match update.standing {
                Standing::Sealed | Standing::Provisional => waiting.push(update),
                Standing::Corrected | Standing::Removed => {
                    let known = waiting.iter().position(same);
                    match (known, update.standing == Standing::Removed) {
                        (Some(at), true) => drop(waiting.swap_remove(at)),
                        (Some(at), false) => waiting[at] = update,
                        (None, true) => {}
                        (None, false) => waiting.push(update),
                    }
                }
            }
        }
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() > horizon_ms {
                break;
            }
            let updates = first.remove();
            self.write(plan, updates)?;
        }
        Ok(())
    }

    /// Writes the rest; returns the number of rows, and the file to publish.
    pub(super) fn finish(mut self, plan: &Plan) -> Result<(u64, OutputFile), ReplayError> {
        for (_, updates) in std::mem::take(&mut self.waiting) {
            self.write(plan, updates)?;
        }
        self.file.flush()?;
        Ok((self.rows, self.file))
    }

    fn write(&mut self, plan: &Plan, mut updates: Vec<WindowUpdate>) -> Result<(), ReplayError> {
        updates.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut text = String::new();
        for update in &updates {
            let group = csv_field(&update.group.label);
            for cell in update.cells.iter().filter(|cell| !cell.is_absent()) {
                let Some(kqi) = plan.book.kqis.get(cell.kqi) else {
                    continue;
                };
                let WindowUpdate {
                    start_ms,
                    end_ms,
                    count,
                    ..
                } = update;
                let _ = write!(text, "{},{group},{start_ms},{end_ms},{count},", kqi.id);
                push_number(&mut text, cell.value);
                text.push(',');
                push_number(&mut text, cell.score);
                let _ = writeln!(text, ",{}", cell.verdict.name());
                self.rows += 1;
            }
        }
        self.file.write(&text)
    }
}

/// Writes what the values are held against: a KQI's unit, its reasonable interval, where that comes from, and the rule book. It is
/// said once for each KQI and not in ten million rows.
pub(super) fn kqi_file(path: PathBuf, book: &RuleBook) -> Result<OutputFile, ReplayError> {
    let mut file = OutputFile::create(path)?;
    let rules = format!("{} {}", book.name, book.version);
    let mut text = String::from("kqi,service,unit,limit_min,limit_max,limit_source,rules\n");
    for kqi in &book.kqis {
        let service = kqi.service.as_deref().unwrap_or_default();
        let _ = write!(text, "{},{},", kqi.id, csv_field(service));
        let _ = write!(text, "{},", csv_field(kqi.unit.text()));
        push_number(&mut text, kqi.interval.min);
        text.push(',');
        push_number(&mut text, kqi.interval.max);
        let source = kqi.limit_source().unwrap_or_default();
        let _ = writeln!(text, ",{},{}", csv_field(&source), csv_field(&rules));
    }
    file.write(&text)?;
    file.flush()?;
    Ok(file)
}

/// Every transition of every alert, by time, alert and group.
pub(super) struct TransitionFile {
    target: Option<OutputFile>,
    transitions: Vec<Transition>,
}

impl TransitionFile {
    pub(super) fn create(path: PathBuf) -> Result<TransitionFile, ReplayError> {
        Ok(TransitionFile {
            target: Some(OutputFile::create(path)?),
            transitions: Vec::new(),
        })
    }

    /// Only counts.
    pub(super) fn discard() -> TransitionFile {
        TransitionFile {
            target: None,
            transitions: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, transition: Transition) {
        self.transitions.push(transition);
    }

    /// Writes the file; returns the number of rows, and the file to publish.
    pub(super) fn finish(mut self) -> Result<(u64, Option<OutputFile>), ReplayError> {
        // Streams progress at different paces; the order in which cuts told must not show.
        self.transitions
            .sort_by(|a, b| (a.at_ms, &a.alert, &a.group).cmp(&(b.at_ms, &b.alert, &b.group)));
        let rows = self.transitions.len() as u64;
        let Some(mut file) = self.target else {
            return Ok((rows, None));
        };
        let mut text = String::from("alert,group,severity,state,at_ms,value,reason\n");
        for transition in &self.transitions {
            let Transition {
                alert,
                group,
                severity,
                state,
                at_ms,
                value,
                reason,
            } = transition;
            let severity = severity.name();
            let _ = write!(
                text,
                "{alert},{},{severity},{},{at_ms},",
                csv_field(group),
                state.name()
            );
            push_number(&mut text, *value);
            let _ = writeln!(text, ",{}", reason.name());
        }
        file.write(&text)?;
        file.flush()?;
        Ok((rows, Some(file)))
    }
}

/// A file that has its name only when it is complete: until then it is `NAME.partial`, and a replay
/// that fails takes that away again.
pub(super) struct OutputFile {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
}

impl OutputFile {
    fn create(path: PathBuf) -> Result<OutputFile, ReplayError> {
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|source| failed(&path, source))?;
        Ok(OutputFile {
            path,
            partial,
            file: BufWriter::with_capacity(1 << 20, file),
        })
    }

    fn write(&mut self, text: &str) -> Result<(), ReplayError> {
        self.file
            .write_all(text.as_bytes())
            .map_err(|source| failed(&self.path, source))
    }

    fn flush(&mut self) -> Result<(), ReplayError> {
        self.file
            .flush()
            .map_err(|source| failed(&self.path, source))
    }

    /// Gives the complete file its name; one of an earlier replay goes.
    pub(super) fn publish(self) -> Result<(), ReplayError> {
        std::fs::rename(&self.partial, &self.path).map_err(|source| failed(&self.path, source))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // Gone already when it was published; and where it cannot be removed, its name tells.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn failed(path: &Path, source: std::io::Error) -> ReplayError {
    ReplayError::Output {
        path: path.to_owned(),
        source,
    }
}

fn push_number(text: &mut String, number: Option<f64>) {
    if let Some(number) = number {
        // The shortest text that reads back as the same number.
        let _ = write!(text, "{number}");
    }
}

/// A CSV field, quoted where it must be (RFC 4180).
fn csv_field(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}
