//! Numbers, limits, times and durations as people read them. Pure text; no layout.

use jiff::{Timestamp, Zoned, tz::TimeZone};

use crate::rules::Language;

/// Decimals beyond which two numbers count as equal to a reader.
const DECIMALS_MAX: usize = 6;

/// A number with four significant digits, no trailing zeros, and thousands set apart.
pub(super) fn number(value: f64) -> String {
    fixed(value, decimals(value))
}

/// A number with its unit.
pub(super) fn quantity(value: f64, unit: &str) -> String {
    with_unit(number(value), unit)
}

/// A difference of two quantities with its unit. That of two percentages is percentage points: "under
/// by 46 %" would read as almost half of the limit.
pub(super) fn difference(language: Language, by: f64, unit: &str) -> String {
    match (unit, language) {
        ("%", Language::Zh) => with_unit(number(by), "个百分点"),
        ("%", Language::En) => with_unit(number(by), "percentage points"),
        _ => quantity(by, unit),
    }
}

/// A value that stands beside a limit: it gets as many decimals as it takes to look different, for
/// `50 s is over 50 s` explains nothing.
pub(super) fn quantity_beside(value: f64, limits: &[f64], unit: &str) -> String {
    let mut places = decimals(value);
    let clashes = |places: usize| {
        let text = fixed(value, places);
        limits
            .iter()
            .any(|limit| *limit != value && number(*limit) == text)
    };
    while places < DECIMALS_MAX && clashes(places) {
        places += 1;
    }
    with_unit(fixed(value, places), unit)
}

/// The reasonable interval: `≤ 50 s`, `≥ 95 %`, `1 – 5 s`.
pub(super) fn limit(min: Option<f64>, max: Option<f64>, unit: &str) -> Option<String> {
    let text = match (min, max) {
        (None, None) => return None,
        (Some(min), None) => format!("≥ {}", number(min)),
        (None, Some(max)) => format!("≤ {}", number(max)),
        (Some(min), Some(max)) => format!("{} – {}", number(min), number(max)),
    };
    Some(with_unit(text, unit))
}

/// A length of time in its two largest parts.
pub(super) fn duration(language: Language, ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let words: [(i64, &str, &str); 4] = [
        (days, "天", "d"),
        (hours, "小时", "h"),
        (minutes, "分钟", "min"),
        (seconds % 60, "秒", "s"),
    ];
    let first = words.iter().position(|(count, ..)| *count > 0).unwrap_or(3);
    let parts: Vec<String> = words
        .iter()
        .skip(first)
        .take(2)
        .filter(|(count, ..)| *count > 0 || first == 3)
        .map(|(count, zh, en)| match language {
            Language::Zh => format!("{count} {zh}"),
            Language::En => format!("{count} {en}"),
        })
        .collect();
    parts.join(" ")
}

/// Times in the operator's zone.
pub(super) struct Clock {
    zone: TimeZone,
    name: String,
}

impl Clock {
    /// The clock of an IANA zone; UTC, and saying so, where the zone is not known.
    pub(super) fn of(name: &str) -> Clock {
        match TimeZone::get(name) {
            Ok(zone) => Clock {
                zone,
                name: name.to_owned(),
            },
            Err(_) => Clock {
                zone: TimeZone::UTC,
                name: "UTC".to_owned(),
            },
        }
    }

    /// Name of the zone.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `2026-11-21 10:05 (UTC+08:00)`.
    pub(super) fn full(&self, ms: i64) -> String {
        self.at(ms).strftime("%Y-%m-%d %H:%M (UTC%:z)").to_string()
    }

    /// `10:05`, or with the day where it is not the day of `beside_ms`.
    pub(super) fn short(&self, ms: i64, beside_ms: i64) -> String {
        let (at, beside) = (self.at(ms), self.at(beside_ms));
        let format = if at.date() == beside.date() {
            "%H:%M"
        } else {
            "%m-%d %H:%M"
        };
        at.strftime(format).to_string()
    }

    /// `10:05`.
    pub(super) fn hour(&self, ms: i64) -> String {
        self.at(ms).strftime("%H:%M").to_string()
    }

    /// `11-21`.
    pub(super) fn day(&self, ms: i64) -> String {
        self.at(ms).strftime("%m-%d").to_string()
    }

    /// Distance of the zone from UTC at a time, ms, positive in the east.
    pub(super) fn offset_ms(&self, ms: i64) -> i64 {
        i64::from(self.at(ms).offset().seconds()) * 1000
    }

    fn at(&self, ms: i64) -> Zoned {
        // A time that no calendar holds comes from a broken clock; 1970 shows it as such.
        let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
        timestamp.to_zoned(self.zone.clone())
    }
}

fn with_unit(number: String, unit: &str) -> String {
    if unit.is_empty() {
        number
    } else {
        format!("{number} {unit}")
    }
}

fn decimals(value: f64) -> usize {
    match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size >= 1.0 || size == 0.0 => 3,
        size if size >= 0.01 => 4,
        _ => DECIMALS_MAX,
    }
}

fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let zero = whole == "0" && fraction.is_empty();
    let sign = if value < 0.0 && !zero { "-" } else { "" };
    format!("{sign}{grouped}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_significant_digits() {
        let text = [
            0.0,
            0.012345,
            1.0,
            62.4321,
            98.756,
            153.26,
            12_345.6,
            -3.5,
            -0.000_000_1,
        ]
        .map(number)
        .join(" ");
        assert_eq!(text, "0 0.0123 1 62.43 98.76 153.3 12,346 -3.5 0");
        assert_eq!(number(f64::NAN), "–");
    }

    #[test]
    fn a_value_just_over_its_limit_does_not_look_equal_to_it() {
        assert_eq!(quantity_beside(50.004, &[50.0], "s"), "50.004 s");
        assert_eq!(quantity_beside(94.999_9, &[95.0], "%"), "94.9999 %");
        assert_eq!(quantity_beside(62.4, &[50.0], "s"), "62.4 s");
        assert_eq!(quantity_beside(50.0, &[50.0], "s"), "50 s");
    }

    #[test]
    fn limits_show_their_side() {
        assert_eq!(limit(None, Some(50.0), "s").as_deref(), Some("≤ 50 s"));
        assert_eq!(limit(Some(95.0), None, "%").as_deref(), Some("≥ 95 %"));
        assert_eq!(limit(Some(1.0), Some(5.0), "").as_deref(), Some("1 – 5"));
        assert_eq!(limit(None, None, "s"), None);
    }

    #[test]
    fn durations_have_two_parts() {
        let cases = [0, 45_000, 24 * 60_000, 72 * 60_000, 3_600_000, 183_600_000];
        let zh = cases.map(|ms| duration(Language::Zh, ms)).join(", ");
        assert_eq!(
            zh,
            "0 秒, 45 秒, 24 分钟, 1 小时 12 分钟, 1 小时, 2 天 3 小时"
        );
        assert_eq!(duration(Language::En, 72 * 60_000), "1 h 12 min");
    }

    #[test]
    fn times_name_their_zone() {
        let clock = Clock::of("Asia/Shanghai");
        assert_eq!(
            clock.full(1_795_226_700_000),
            "2026-11-21 10:05 (UTC+08:00)"
        );
        assert_eq!(
            clock.short(1_795_226_700_000, 1_795_226_700_000 + 86_400_000),
            "11-21 10:05"
        );
        assert_eq!(Clock::of("Mars/Olympus").name(), "UTC");
        assert_eq!(clock.full(i64::MAX), "1970-01-01 08:00 (UTC+08:00)");
    }
}
