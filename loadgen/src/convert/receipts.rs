//! What message centres write: delivery receipts of SMPP 3.4 (appendix B) and the records with tabs of an mbuni
//! MMSC, as messages with their reports.
//!
//! Times of both have no zone: they are the operator's. A receipt knows minutes, so a reply within 30 s
//! cannot be measured by it; what it tells is whether the message arrived.

use std::io::{BufRead, Write};

use super::{ConvertError, Converted, write_sorted};
use crate::line::{JsonText, LineWriter};
use crate::quantity::SHANGHAI_OFFSET_MS;

/// Whose messages a file tells of: none of it stands in the lines.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// Service, as the rule book names it: what no KQI reads counts nowhere.
    pub service: &'a str,
    /// City of its subscribers, where a centre serves one.
    pub city: Option<&'a str>,
}

impl<'a> Of<'a> {
    /// Messages of a service, of no known city.
    pub fn service(service: &'a str) -> Of<'a> {
        let city = None;
        Of { service, city }
    }
}

/// Converts lines that hold a receipt each, for example
///
/// ```text
/// id:0123456789 sub:001 dlvrd:001 submit date:2603020700 done date:2603020701 stat:DELIVRD err:000 Text:...
/// ```
///
/// into an `mms_submit` at the submission and an `mms_receipt` at the end; both streams hold messages of any
/// kind, and `of` says of which: the city is the submission's, and the report has it from there. What stands before `id:` is passed over. Status words go as they are:
/// the rule book maps them.
///
/// A line with a date that is none is left out, counted and named.
///
/// # Errors
/// When the file cannot be read.
pub fn smpp(
    file: &str,
    input: Box<dyn BufRead + Send + '_>,
    of: Of<'_>,
    output: impl Write,
) -> Result<Converted, ConvertError> {
    let (service, city) = (JsonText::new(of.service), of.city.map(JsonText::new));
    let mut converted = Converted::default();
    let mut lines = Vec::new();
    for line in filled_lines(file, input) {
        let (at, line) = line?;
        converted.rows += 1;
        let part = |name: &str| receipt_field(&line, name);
        let (Some(id), Some(submitted), Some(done), Some(status)) = (
            part("id"),
            part("submit date"),
            part("done date"),
            part("stat"),
        ) else {
            converted.skipped += 1;
            continue;
        };
        let moment = |text: &str| {
            short_date_ms(text).ok_or_else(|| wrong(file, at, text, "a date such as 2603020701"))
        };
        let (submitted_ms, done_ms) = match (moment(submitted), moment(done)) {
            (Ok(submitted_ms), Ok(done_ms)) => (submitted_ms, done_ms),
            (Err(why), _) | (_, Err(why)) => {
                converted.leave_out(&why);
                continue;
            }
        };
        let id = JsonText::new(id);
        let mut buffer = Vec::with_capacity(120);
        let mut event = LineWriter::start(&mut buffer, "mms_submit", submitted_ms);
        event.text("message_id", &id).text("service", &service);
        if let Some(city) = &city {
            event.text("city", city);
        }
        event.end();
        lines.push((submitted_ms, buffer));
        let mut buffer = Vec::with_capacity(160);
        let mut event = LineWriter::start(&mut buffer, "mms_receipt", done_ms);
        event
            .text("message_id", &id)
            .text("service", &service)
            .text("status", &JsonText::new(status));
        if let Some(error) = part("err").filter(|error| error.bytes().any(|digit| digit != b'0')) {
            event.text("status_text", &JsonText::new(&format!("err:{error}")));
        }
        event.end();
        lines.push((done_ms, buffer));
    }
    converted.events = write_sorted(lines, output)?;
    Ok(converted)
}

/// Converts an mbuni MMSC's records (and not its access log with brackets), with a tab wherever an arrow stands here:
///
/// ```text
/// 2026-03-02 07:00:01 → MM7 → MM1 → 90210 → +8613900000000/TYPE=PLMN → id@mmsc → 10240
/// ```
///
/// (time, interface in, interface out, from, to, message id, size), into `mms_submit`. Messages to other
/// interfaces than `MM1`, that of handsets, are left out: nobody here waits for them.
///
/// A line of another form is left out, counted and named.
///
/// # Errors
/// When the file cannot be read.
pub fn mbuni(
    file: &str,
    input: Box<dyn BufRead + Send + '_>,
    of: Of<'_>,
    output: impl Write,
) -> Result<Converted, ConvertError> {
    let (service, city) = (JsonText::new(of.service), of.city.map(JsonText::new));
    let mut converted = Converted::default();
    let mut lines = Vec::new();
    for line in filled_lines(file, input) {
        let (at, line) = line?;
        converted.rows += 1;
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [time, _, to_interface, _, to, id, _] = fields[..] else {
            // gwlib writes such lines itself: "Log begins".
            let expected = "seven fields with tabs between them";
            converted.leave_out(&wrong(file, at, &line, expected));
            continue;
        };
        if !to_interface.eq_ignore_ascii_case("MM1") || id.is_empty() {
            converted.skipped += 1;
            continue;
        }
        let Some(time_ms) = log_time_ms(time) else {
            let expected = "a time such as 2026-03-02 07:00:01";
            converted.leave_out(&wrong(file, at, time, expected));
            continue;
        };
        let mut buffer = Vec::with_capacity(160);
        let mut event = LineWriter::start(&mut buffer, "mms_submit", time_ms);
        event
            .text("message_id", &JsonText::new(id))
            .text("service", &service);
        if let Some(city) = &city {
            event.text("city", city);
        }
        // An address is a number, or a name with its kind behind a slash.
        let number = to.split('/').next().unwrap_or_default();
        if !number.is_empty() {
            event.text("recipient", &JsonText::new(number));
        }
        event.end();
        lines.push((time_ms, buffer));
    }
    converted.events = write_sorted(lines, output)?;
    Ok(converted)
}

/// Lines with something in them, with their numbers from 1.
fn filled_lines<'a>(
    file: &'a str,
    input: Box<dyn BufRead + Send + 'a>,
) -> impl Iterator<Item = Result<(u64, String), ConvertError>> + 'a {
    let lines = (1..).zip(input.lines());
    lines.filter_map(move |(at, line)| match line {
        Ok(line) if line.trim().is_empty() => None,
        Ok(line) => Some(Ok((at, line))),
        Err(source) => Some(Err(unreadable(file, source))),
    })
}

/// The value behind `name:` up to the next blank; case does not matter. `id` must not be the end of another name.
fn receipt_field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let lower = line.to_ascii_lowercase();
    let wanted = format!("{name}:");
    let mut from = 0;
    while let Some(found) = lower[from..].find(&wanted) {
        let at = from + found;
        let value_at = at + wanted.len();
        let is_whole = at == 0 || !lower.as_bytes()[at - 1].is_ascii_alphanumeric();
        if is_whole {
            let value = line[value_at..].split_whitespace().next()?;
            return line[value_at..].starts_with(value).then_some(value);
        }
        from = value_at;
    }
    None
}

/// `YYMMDDhhmm`, with seconds at some centres, ms since the epoch.
fn short_date_ms(text: &str) -> Option<i64> {
    if !matches!(text.len(), 10 | 12) || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let two = |at: usize| text.get(at..at + 2)?.parse::<i8>().ok();
    let second = if text.len() == 12 { two(10)? } else { 0 };
    let year = 2_000 + i16::from(two(0)?);
    let time =
        jiff::civil::DateTime::new(year, two(2)?, two(4)?, two(6)?, two(8)?, second, 0).ok()?;
    in_zone(time)
}

fn log_time_ms(text: &str) -> Option<i64> {
    in_zone(jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?)
}

fn in_zone(time: jiff::civil::DateTime) -> Option<i64> {
    let utc = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(utc.timestamp().as_millisecond() - SHANGHAI_OFFSET_MS)
}

fn unreadable(file: &str, source: std::io::Error) -> ConvertError {
    ConvertError::Read {
        file: file.to_owned(),
        source,
    }
}

fn wrong(file: &str, line: u64, value: &str, expected: &'static str) -> ConvertError {
    ConvertError::Value {
        file: file.to_owned(),
        line,
        value: value.to_owned(),
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_wherever_they_stand() {
        let line = "to:1390 sid:7 id:ab1 sub:001 Submit Date:2603020700 stat:DELIVRD err:";
        assert_eq!(receipt_field(line, "id"), Some("ab1"));
        assert_eq!(receipt_field(line, "submit date"), Some("2603020700"));
        assert_eq!(receipt_field(line, "err"), None);
        assert_eq!(receipt_field(line, "text"), None);
        assert_eq!(receipt_field("id: 7", "id"), None, "an empty id");
    }

    #[test]
    fn dates_are_in_the_operators_zone() {
        // 2026-03-02 07:01 in Shanghai.
        assert_eq!(short_date_ms("2603020701"), Some(1_772_406_060_000));
        assert_eq!(short_date_ms("260302070105"), Some(1_772_406_065_000));
        assert_eq!(log_time_ms("2026-03-02 07:01:05"), Some(1_772_406_065_000));
        for odd in ["26030207", "2613020701", "26030207011", "后天"] {
            assert_eq!(short_date_ms(odd), None, "{odd}");
        }
    }
}
