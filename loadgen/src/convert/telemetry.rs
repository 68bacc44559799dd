//! Production telemetry (microsoft/cloud-monitoring-dataset) as gauges, or as
//! dial tests where the series is a latency.

use std::io::{BufRead, Write};
use std::path::Path;

use super::{ConvertError, Converted, Table, field, write_sorted};
use crate::line::{JsonText, LineWriter};
use crate::quantity::parse_moment;

/// The kind of event that a point becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TelemetryAs {
    /// `gauge` named `telemetry_<domain>` with dimension `series`.
    Gauge,
    /// `dial_test` whose `latency_ms` is the value; service `telemetry_<domain>`.
    DialTest,
}

impl TelemetryAs {
    /// What suits a series, by the name of its domain.
    pub fn suited_to(domain: &str) -> Self {
        if domain.contains("latency") {
            Self::DialTest
        } else {
            Self::Gauge
        }
    }
}

/// Converts a table with columns `TimeStamp, Value, Label`. The domain is the
/// name of the folder of `file`, the series its stem; `file` is not opened.
///
/// Points without a value are left out, as gaps. The label is for judges, not
/// for the engine, and does not become part of an event.
///
/// # Errors
/// When the table cannot be read, lacks a column or has a value that is none.
pub fn telemetry(
    file: &str,
    input: Box<dyn BufRead + Send + '_>,
    kind: Option<TelemetryAs>,
    output: impl Write,
) -> Result<Converted, ConvertError> {
    let (domain, series) = names(file);
    let kind = kind.unwrap_or_else(|| TelemetryAs::suited_to(&domain));
    let name = JsonText::new(&format!("telemetry_{domain}"));
    let dims = serde_json::json!({ "series": series }).to_string();
    let series_text = JsonText::new(&series);

    let mut table = Table::open(file, input)?;
    let (time, value) = (table.column("TimeStamp")?, table.column("Value")?);
    let mut converted = Converted::default();
    let mut lines = Vec::new();
    let mut row = csv::StringRecord::new();
    while let Some(at) = table.next(&mut row)? {
        converted.rows += 1;
        let (time, value) = (field(&row, time), field(&row, value));
        if time.is_empty() || value.is_empty() {
            converted.skipped += 1;
            continue;
        }
        let ts_ms = point_ms(time)
            .ok_or_else(|| table.wrong(at, time, "a time such as 2018-04-25T00:00:00Z"))?;
        let number: f64 = value
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| table.wrong(at, value, "a number"))?;
        let mut buffer = Vec::with_capacity(160);
        match kind {
            TelemetryAs::Gauge => {
                let mut line = LineWriter::start(&mut buffer, "gauge", ts_ms);
                line.text("name", &name)
                    .raw("value", number)
                    .raw("dims", &dims);
                line.end();
            }
            TelemetryAs::DialTest => {
                let mut line = LineWriter::start(&mut buffer, "dial_test", ts_ms);
                line.raw("id", format_args!("\"{series}-{ts_ms}\""))
                    .text("service", &name)
                    .raw("channel", "\"api\"")
                    .raw("city", "\"cloud\"")
                    .raw("network", "\"ip\"")
                    .text("probe", &series_text)
                    .text("target", &series_text)
                    .flag("ok", true)
                    .raw("latency_ms", number);
                line.end();
            }
        }
        lines.push((ts_ms, buffer));
    }
    converted.events = write_sorted(lines, output)?;
    Ok(converted)
}

/// Domain and series of a file: `…/service-unavailable/unavail-01.csv.gz` is
/// `service_unavailable` and `unavail-01`.
fn names(file: &str) -> (String, String) {
    let path = Path::new(file);
    let word = |part: Option<&std::ffi::OsStr>| {
        part.and_then(|part| part.to_str())
            .unwrap_or_default()
            .to_owned()
    };
    // Anything that is no letter, digit or dash would need escaping in ids.
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_alphanumeric() || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .collect()
    };
    let domain = plain(&word(path.parent().and_then(Path::file_name))).replace('-', "_");
    let series = word(path.file_name());
    let series = plain(series.split(".csv").next().unwrap_or_default());
    (
        if domain.is_empty() {
            "series".to_owned()
        } else {
            domain
        },
        series,
    )
}

/// RFC 3339, or `2018-07-03 14:00:00`, which is UTC too.
fn point_ms(text: &str) -> Option<i64> {
    if let Ok(moment) = parse_moment(text) {
        return Some(moment.0);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    Some(
        local
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_millisecond(),
    )
}
