//! Fields of a line, one at a time: present, of the right kind, within range, or the words why not.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::event::decode::{Parser, depth};
use crate::event::{RefusalReason, wire};
use crate::measure::VALUE_MAX;

/// Latest time that is taken for one, ms: the end of the year 9999.
const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// Why a line is refused: class and words.
pub(super) type Reject = (RefusalReason, String);

/// Parses with the fast parser, and once more with the plain one, which explains, when that fails.
pub(super) fn parse<'a, T: Deserialize<'a>>(line: &'a str, parser: Parser) -> Result<T, Reject> {
    // Here and not for every line: the scanner of dial tests does not recurse.
    if depth::nests_too_deep(line.as_bytes()) {
        let words = format!("values are nested more than {} deep", depth::DEPTH_MAX);
        return Err((RefusalReason::Syntax, words));
    }
    if line.trim_ascii_start().starts_with('[') {
        // Both parsers would take a list for the fields of an object, in their order.
        return Err(match serde_json::from_str::<IgnoredAny>(line) {
            Err(syntax) => (RefusalReason::Syntax, format!("not JSON: {syntax}")),
            Ok(_) => {
                let words = "invalid type: sequence, expected a JSON object";
                (RefusalReason::BadValue, words.to_owned())
            }
        });
    }
    if parser == Parser::Fast
        && let Ok(event) = sonic_rs::from_str(line)
    {
        return Ok(event);
    }
    let error = match serde_json::from_str::<T>(line) {
        Ok(event) => return Ok(event),
        Err(error) => error,
    };
    // A field's own complaint hides that the line is no JSON, which is the reason then, whatever field it
    // is met in.
    let syntax = match serde_json::from_str::<IgnoredAny>(line) {
        Err(syntax) => Some(syntax.to_string()),
        Ok(_) if !error.is_data() => Some(error.to_string()),
        Ok(_) => None,
    };
    if let Some(words) = syntax {
        return Err((RefusalReason::Syntax, format!("not JSON: {words}")));
    }
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or(&words).to_owned();
    Err((RefusalReason::BadValue, words))
}

pub(super) fn required<T>(field: &str, value: Option<T>) -> Result<T, Reject> {
    value.ok_or_else(|| {
        (
            RefusalReason::MissingField,
            format!("field `{field}` is missing"),
        )
    })
}

pub(super) fn measured(field: &str, value: f64, least: f64) -> Result<f64, Reject> {
    if value.is_finite() && (least..=VALUE_MAX).contains(&value) {
        // There is one zero: parsers differ about the sign of -0.0, and nothing is measured by it.
        Ok(value + 0.0)
    } else {
        let wanted = if least < 0.0 {
            "a number within ±9e12"
        } else {
            "a number from 0 to 9e12"
        };
        Err(bad_value(field, &value.to_string(), wanted))
    }
}

pub(super) fn in_range(field: &str, time: Option<wire::Time>) -> Result<Option<i64>, Reject> {
    match time {
        Some(wire::Time(ms)) if !(0..=TIME_MS_MAX).contains(&ms) => Err(bad_value(
            field,
            &ms.to_string(),
            "a time from 1970 to 9999",
        )),
        time => Ok(time.map(|time| time.0)),
    }
}

pub(super) fn bad_value(field: &str, value: &str, wanted: &str) -> Reject {
    (
        RefusalReason::BadValue,
        format!("field `{field}` is {}, wanted {wanted}", quoted(value)),
    )
}

pub(super) fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("\"{}…\"", &text[..end]),
        None => format!("\"{text}\""),
    }
}

pub(super) fn iso(ts_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ts_ms).map_or_else(|_| ts_ms.to_string(), |t| t.to_string())
}

pub(super) fn text<'a>(field: &'a Option<wire::Text<'_>>) -> Option<&'a str> {
    field
        .as_ref()
        .map(|text| text.0.as_ref())
        .filter(|text| !text.is_empty())
}

pub(super) fn shared(field: &Option<wire::Text<'_>>) -> Option<Arc<str>> {
    text(field).map(Arc::from)
}
