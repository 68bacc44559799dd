//! Complaint records (NYC council members, 2015-2019) as complaint tickets.
//!
//! The records know days, not hours. A ticket is filed at the beginning of its
//! day and closed at the end of its closing day, so that one opened and closed
//! within a day is still filed first. Days are taken in the operator's zone,
//! where windows of a day begin.

use std::io::{BufRead, Write};

use super::{ConvertError, Converted, Table, field, write_sorted};
use crate::line::{JsonText, LineWriter};
use crate::quantity::{DAY_MS, SHANGHAI_OFFSET_MS};

/// What a complaint without a type is filed under: a ticket needs a leaf.
const NO_TYPE: &str = "(no type)";

/// Converts a table with columns `unique_key, opendate, closedate,
/// complaint_type, borough`; `file` is only named in errors.
///
/// Each row gives a `complaint` in state `filed` (serial, path = type, city =
/// borough unless empty) and, if it has a closing date, one in state `closed`.
/// The output is sorted by time.
///
/// # Errors
/// When the table cannot be read, lacks a column or has a date that is none.
pub fn complaints(
    file: &str,
    input: Box<dyn BufRead + Send + '_>,
    output: impl Write,
) -> Result<Converted, ConvertError> {
    let mut table = Table::open(file, input)?;
    let serial = table.column("unique_key")?;
    let (opened, closed) = (table.column("opendate")?, table.column("closedate")?);
    let (kind, borough) = (table.column("complaint_type")?, table.column("borough")?);

    let mut converted = Converted::default();
    let mut lines = Vec::new();
    let mut row = csv::StringRecord::new();
    while let Some(at) = table.next(&mut row)? {
        converted.rows += 1;
        if field(&row, serial).is_empty() || field(&row, opened).is_empty() {
            converted.skipped += 1;
            continue;
        }
        let day = |column| {
            let text = field(&row, column);
            day_ms(text).ok_or_else(|| table.wrong(at, text, "a day such as 2015-01-31"))
        };
        let filed_ms = day(opened)?;
        lines.push((
            filed_ms,
            ticket(&row, filed_ms, "\"filed\"", 1, (serial, kind, borough)),
        ));
        if !field(&row, closed).is_empty() {
            let closed_ms = day(closed)? + DAY_MS - 1_000;
            lines.push((
                closed_ms,
                ticket(&row, closed_ms, "\"closed\"", 2, (serial, kind, borough)),
            ));
        }
    }
    converted.events = write_sorted(lines, output)?;
    Ok(converted)
}

fn ticket(
    row: &csv::StringRecord,
    ts_ms: i64,
    state: &str,
    version: i64,
    (serial, kind, borough): (usize, usize, usize),
) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(160);
    let mut line = LineWriter::start(&mut buffer, "complaint", ts_ms);
    let kind = field(row, kind);
    line.text("serial", &JsonText::new(field(row, serial)))
        .integer("version", version)
        .raw("state", state)
        .text(
            "path",
            &JsonText::new(if kind.is_empty() { NO_TYPE } else { kind }),
        );
    if !field(row, borough).is_empty() {
        line.text("city", &JsonText::new(field(row, borough)));
    }
    line.end();
    buffer
}

/// The beginning of a day in the operator's zone, milliseconds since the epoch.
fn day_ms(text: &str) -> Option<i64> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_millisecond() - SHANGHAI_OFFSET_MS)
}
