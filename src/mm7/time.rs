//! Times of gateways: RFC 3339 as it should be, and as it is met.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::rules::HourClock;

const HALF_DAY_MS: i64 = 12 * 3_600_000;

/// A time, ms. Digits may be missing (`2014-3-24`), the `T` may be a space; without an offset it is
/// the operator's own zone.
///
/// A gateway that formats hours with a 12-hour clock says 10 for 10 and for 22 o'clock: of both the
/// later one that is not after `latest_ms` is meant, because reports are sent when they are made.
pub(super) fn read(text: &str, zone: &TimeZone, clock: HourClock, latest_ms: i64) -> Option<i64> {
    let (local, offset) = split(text)?;
    let zone = match offset {
        Some(offset) => TimeZone::fixed(offset),
        None => zone.clone(),
    };
    let ms = zone.to_timestamp(local).ok()?.as_millisecond();
    let (early_ms, late_ms) = match (clock, local.hour()) {
        (HourClock::TwentyFour, _) | (HourClock::Twelve, 13..) => return Some(ms),
        (HourClock::Twelve, 12) => (ms - HALF_DAY_MS, ms),
        (HourClock::Twelve, _) => (ms, ms + HALF_DAY_MS),
    };
    Some(if late_ms <= latest_ms {
        late_ms
    } else {
        early_ms
    })
}

/// Takes `2014-3-24T10:34:50.5+08:00` apart.
fn split(text: &str) -> Option<(DateTime, Option<Offset>)> {
    let (date, time) = text.trim().split_once(['T', 't', ' '])?;
    let time = time.trim();
    let at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, offset) = time.split_at(at);
    let [year, month, day] = numbers(date.split('-'))?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(time.split(':'))?;
    let narrow = |number: i16| i8::try_from(number).ok();
    let millis = match fraction {
        "" => 0,
        digits => format!("{digits:0<3}").get(..3)?.parse::<i32>().ok()?,
    };
    let local = DateTime::new(
        year,
        narrow(month)?,
        narrow(day)?,
        narrow(hour)?,
        narrow(minute)?,
        narrow(second)?,
        millis * 1_000_000,
    );
    let offset = match offset {
        "" => None,
        "Z" | "z" => Some(Offset::UTC),
        signed => Some(read_offset(signed)?),
    };
    Some((local.ok()?, offset))
}

/// `+08:00`, `+0800` or `+08`.
fn read_offset(text: &str) -> Option<Offset> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = match digits.get(2..4) {
        Some(minutes) => minutes.parse().ok()?,
        None => 0,
    };
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

fn numbers<'a>(parts: impl Iterator<Item = &'a str>) -> Option<[i16; 3]> {
    let numbers: Option<Vec<i16>> = parts.map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, clock: HourClock, want: Option<&str>) {
        let zone = TimeZone::fixed(Offset::from_seconds(8 * 3_600).unwrap());
        let ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let latest_ms = ms("2010-06-09T23:00:00+08:00");
        assert_eq!(read(text, &zone, clock, latest_ms), want.map(ms), "{text}");
    }

    #[test]
    fn times_as_they_are_met() {
        let plain = HourClock::TwentyFour;
        check(
            "2010-06-09T10:22:46+08:00",
            plain,
            Some("2010-06-09T10:22:46+08:00"),
        );
        check(
            "2010-06-09T02:22:46Z",
            plain,
            Some("2010-06-09T10:22:46+08:00"),
        );
        check(
            "2010-06-09 10:22:46",
            plain,
            Some("2010-06-09T10:22:46+08:00"),
        );
        check(
            "2014-3-24T10:34:50+0800",
            plain,
            Some("2014-03-24T10:34:50+08:00"),
        );
        check(
            "2010-06-09T10:22:46.5-03",
            plain,
            Some("2010-06-09T13:22:46.5Z"),
        );
        check("2010-06-31T10:22:46Z", plain, None);
        check("yesterday", plain, None);
        check("2010-06-09T10:22", plain, None);
        check("2010-06-09T10:22:46+长沙", plain, None);
    }

    #[test]
    fn a_twelve_hour_clock_means_the_later_half_of_the_day_that_has_begun() {
        let half = HourClock::Twelve;
        check(
            "2010-06-09T10:22:46+08:00",
            half,
            Some("2010-06-09T22:22:46+08:00"),
        );
        check(
            "2010-06-09T11:22:46+08:00",
            half,
            Some("2010-06-09T11:22:46+08:00"),
        );
        check(
            "2010-06-09T12:10:00+08:00",
            half,
            Some("2010-06-09T12:10:00+08:00"),
        );
        check(
            "2010-06-10T12:10:00+08:00",
            half,
            Some("2010-06-10T00:10:00+08:00"),
        );
        // Sometimes they do it right.
        check(
            "2010-06-09T17:00:00+08:00",
            half,
            Some("2010-06-09T17:00:00+08:00"),
        );
    }
}
