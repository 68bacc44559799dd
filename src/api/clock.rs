//! Times as people and programs read them. No clock is read here.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::ApiError;

/// RFC 3339 with the zone's offset and milliseconds; a time out of range is its number.
pub(crate) fn iso(ms: i64, zone: &TimeZone) -> String {
    let Ok(time) = Timestamp::from_millisecond(ms) else {
        return ms.to_string();
    };
    time.to_zoned(zone.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
        .to_string()
}

/// The time in a query parameter, ms.
///
/// # Errors
/// It cannot be read.
pub(super) fn time(field: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    text.map(|text| {
        parse(text).ok_or_else(|| {
            ApiError::bad_request(
                "bad_query",
                format!("{field} is {text:?}, wanted milliseconds or RFC 3339"),
            )
        })
    })
    .transpose()
}

/// Reads milliseconds or RFC 3339.
fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    // In a query string an unescaped `+` of the offset arrives as a blank.
    let text = text.replace(' ', "+");
    text.parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

/// A length of time in words as short as a console has room for.
pub(crate) fn ago(ms: i64) -> String {
    let s = ms.max(0) / 1_000;
    match s {
        0..=119 => format!("{s} s"),
        120..=7_199 => format!("{} min", s / 60),
        7_200..=172_799 => format!("{} h", s / 3_600),
        _ => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_the_operators_offset_and_read_both_ways() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let text = iso(1_764_000_000_123, &zone);
        assert_eq!(text, "2025-11-25T00:00:00.123+08:00");
        assert_eq!(parse(&text), Some(1_764_000_000_123));
        assert_eq!(parse(&text.replace('+', " ")), Some(1_764_000_000_123));
        assert_eq!(parse("1764000000123"), Some(1_764_000_000_123));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(iso(i64::MAX, &zone), i64::MAX.to_string());
    }

    #[test]
    fn ages_have_one_unit() {
        let words = [59_999, 150_000, 7_200_000, 200_000_000].map(ago);
        assert_eq!(words, ["59 s", "2 min", "2 h", "2 d"]);
    }
}
