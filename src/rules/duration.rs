//! Lengths of time and times of day as rule authors write them: `35s`, `1h30m`, `26h`, `09:00`.
//!
//! A day is 24 hours and a week seven days: windows are lengths of event time, not calendar spans.

const SECOND_MS: i64 = 1_000;
pub(crate) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
pub(crate) const WEEK_MS: i64 = 7 * DAY_MS;

/// What a length of time looks like, for the schema.
pub(crate) const DURATION_PATTERN: &str = "^([0-9]{1,9}(ms|s|m|h|d|w))+$";
/// What a time of day looks like, for the schema.
pub(crate) const CLOCK_PATTERN: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";

/// Milliseconds of a length of time; `None` where the text is not one.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        if digits == 0 || digits > 9 {
            return None;
        }
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => SECOND_MS,
            "m" => MINUTE_MS,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            "w" => WEEK_MS,
            _ => return None,
        };
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(unit)?)?;
    }
    Some(total)
}

/// Minutes after midnight of a time of day; `None` where the text is not one.
pub(crate) fn parse_clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// A length of time for messages, as an author would write it: `26h`, `90s`, `1w5m`.
pub(crate) fn show_duration(ms: i64) -> String {
    let units = [
        (WEEK_MS, "w"),
        (DAY_MS, "d"),
        (HOUR_MS, "h"),
        (MINUTE_MS, "m"),
        (SECOND_MS, "s"),
        (1, "ms"),
    ];
    for (unit, name) in units {
        if ms % unit == 0 && (1..100).contains(&(ms / unit)) {
            return format!("{}{name}", ms / unit);
        }
    }
    let mut rest = ms;
    let mut text = String::new();
    for (unit, name) in units {
        if rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<i64>, shown: &str) {
        assert_eq!(parse_duration(text), want, "{text}");
        if let Some(ms) = want {
            assert_eq!(show_duration(ms), shown);
        }
    }

    #[test]
    fn durations() {
        check("35s", Some(35_000), "35s");
        check("1h30m", Some(5_400_000), "90m");
        check("26h", Some(93_600_000), "26h");
        check("7d", Some(604_800_000), "1w");
        check("0s", Some(0), "0s");
        check("10085m", Some(605_100_000), "1w5m");
        check("250ms", Some(250), "250ms");
        for bad in [
            "",
            "5",
            "m",
            "5 m",
            "5x",
            "-5s",
            "1.5h",
            "9999999999s",
            "5m5",
            "五m",
            "5分",
        ] {
            check(bad, None, "");
        }
    }

    #[test]
    fn times_of_day() {
        assert_eq!(parse_clock("09:00"), Some(540));
        assert_eq!(parse_clock("23:59"), Some(1439));
        for bad in ["9:00", "24:00", "09:60", "0900", "+9:00", "09:00:00"] {
            assert_eq!(parse_clock(bad), None, "{bad}");
        }
    }
}
