//! Turns real data, made by others, into events.
//!
//! What the data lacks stays lacking: gaps are not filled, empty fields are left
//! out, and days stay as uneven as they were.

mod complaints;
mod receipts;
mod telemetry;

use std::io::{BufRead, Write};

pub use complaints::complaints;
pub use receipts::{Of, mbuni, smpp};
pub use telemetry::{TelemetryAs, telemetry};

/// What a conversion came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Converted {
    /// Data rows read.
    pub rows: u64,
    /// Events written.
    pub events: u64,
    /// Rows left out because a field they cannot do without is empty.
    pub skipped: u64,
    /// Rows left out because something in them cannot be read.
    pub wrong: u64,
    /// The first of them, each with its place and what is wrong.
    pub wrong_first: Vec<String>,
}

/// Wrong rows that are named.
const WRONG_NAMED: usize = 10;

impl Converted {
    /// Leaves a row out that cannot be read: counted, and named while there are few.
    fn leave_out(&mut self, why: &ConvertError) {
        self.wrong += 1;
        if self.wrong_first.len() < WRONG_NAMED {
            self.wrong_first.push(why.to_string());
        }
    }
}

/// Why a conversion failed.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The table cannot be read as CSV.
    #[error("{file}: cannot read the table")]
    Table {
        /// The file.
        file: String,
        /// What the reader said.
        source: csv::Error,
    },
    /// The file cannot be read.
    #[error("{file}: cannot read the file")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The table is not the one expected.
    #[error("{file}: the table has no column `{column}`, only {found}")]
    Column {
        /// The file.
        file: String,
        /// The column looked for.
        column: &'static str,
        /// The columns that are there.
        found: String,
    },
    /// A value is not what its column should hold.
    #[error("{file}:{line}: `{value}` is not {expected}")]
    Value {
        /// The file.
        file: String,
        /// Line in the file, from 1.
        line: u64,
        /// The value as it stands.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The events cannot be written.
    #[error("cannot write events")]
    Write(#[from] std::io::Error),
}

/// A table with named columns.
struct Table<'a> {
    file: &'a str,
    reader: csv::Reader<Box<dyn BufRead + Send + 'a>>,
    headers: csv::StringRecord,
}

impl<'a> Table<'a> {
    fn open(file: &'a str, input: Box<dyn BufRead + Send + 'a>) -> Result<Self, ConvertError> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
        let headers = reader
            .headers()
            .map_err(|source| ConvertError::Table {
                file: file.to_owned(),
                source,
            })?
            .iter()
            .map(str::trim)
            .collect();
        Ok(Self {
            file,
            reader,
            headers,
        })
    }

    fn column(&self, column: &'static str) -> Result<usize, ConvertError> {
        self.headers
            .iter()
            .position(|header| header == column)
            .ok_or_else(|| ConvertError::Column {
                file: self.file.to_owned(),
                column,
                found: self.headers.iter().collect::<Vec<_>>().join(", "),
            })
    }

    /// Reads the next row into `row`; the answer is its line, `None` at the end.
    fn next(&mut self, row: &mut csv::StringRecord) -> Result<Option<u64>, ConvertError> {
        match self.reader.read_record(row) {
            Ok(true) => Ok(Some(row.position().map_or(0, csv::Position::line))),
            Ok(false) => Ok(None),
            Err(source) => Err(ConvertError::Table {
                file: self.file.to_owned(),
                source,
            }),
        }
    }

    fn wrong(&self, line: u64, value: &str, expected: &'static str) -> ConvertError {
        ConvertError::Value {
            file: self.file.to_owned(),
            line,
            value: value.to_owned(),
            expected,
        }
    }
}

/// The field of a row, without spaces around it; empty where the row is short.
fn field(row: &csv::StringRecord, column: usize) -> &str {
    row.get(column).unwrap_or_default().trim()
}

/// Writes finished lines in the order of their time; equal times keep their order.
fn write_sorted(
    mut lines: Vec<(i64, Vec<u8>)>,
    mut output: impl Write,
) -> Result<u64, ConvertError> {
    lines.sort_by_key(|(ts_ms, _)| *ts_ms);
    for (_, line) in &lines {
        output.write_all(line)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(lines.len() as u64)
}
