//! Since when, and for how long, a customer misses something (受理要素: 开始时间及时长), read from what an agent
//! typed: a date, and perhaps a number of days. What cannot be read says nothing.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// More days than this are no length of time but another number.
const DAYS_MAX: i64 = 366;
/// Chinese words for numbers of days.
const WORDS: [(char, i64); 11] = [
    ('一', 1),
    ('两', 2),
    ('二', 2),
    ('三', 3),
    ('四', 4),
    ('五', 5),
    ('六', 6),
    ('七', 7),
    ('八', 8),
    ('九', 9),
    ('十', 10),
];

/// The time that a text speaks of: from the beginning of its date, ms, to the end of its last day, where it says how
/// many there are. A date without a year is the last one before `now_ms`; one after it is none.
///
/// ```
/// use chrysalis::complaints::period;
/// let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
/// let now_ms = 1_795_360_000_000;
/// let (from_ms, to_ms) = period("2026-11-08 起，持续3天", now_ms, &zone).unwrap();
/// assert_eq!((from_ms, to_ms), (1_794_067_200_000, Some(from_ms + 3 * 86_400_000)));
/// assert_eq!(period("上周开始", now_ms, &zone), None);
/// ```
pub fn period(text: &str, now_ms: i64, zone: &TimeZone) -> Option<(i64, Option<i64>)> {
    let today = Timestamp::from_millisecond(now_ms).ok()?;
    let today = today.to_zoned(zone.clone()).date();
    let numbers = numbers(text);
    let date = date(text, &numbers, today)?;
    let start_ms = |date: Date| {
        let start = date.to_zoned(zone.clone()).ok()?;
        Some(start.timestamp().as_millisecond())
    };
    let from_ms = start_ms(date)?;
    let end = days(text, &numbers).and_then(|days| date.checked_add(days.days()).ok());
    (date <= today).then_some((from_ms, end.and_then(start_ms)))
}

/// A number in a text: where it begins and ends, and what it is.
type Number = (usize, usize, i64);

fn numbers(text: &str) -> Vec<Number> {
    let mut numbers: Vec<Number> = Vec::new();
    for (at, c) in text.char_indices() {
        let Some(digit) = c.to_digit(10).map(i64::from) else {
            continue;
        };
        match numbers.last_mut().filter(|(_, end, _)| *end == at) {
            Some((_, end, number)) => {
                *end = at + 1;
                *number = number.saturating_mul(10).saturating_add(digit);
            }
            None => numbers.push((at, at + 1, digit)),
        }
    }
    numbers
}

fn date(text: &str, numbers: &[Number], today: Date) -> Option<Date> {
    let civil = |year: i64, month: i64, day: i64| {
        let (year, month, day) = (
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
        );
        Date::new(year, month, day).ok()
    };
    let between = |one: &Number, next: &Number| text[one.1..next.0].trim();
    let is_join = |text: &str| matches!(text, "-" | "/" | "." | "年" | "月");
    let whole = numbers.windows(3).find_map(|some| {
        let [year, month, day] = some else {
            return None;
        };
        let is_date =
            year.1 - year.0 == 4 && is_join(between(year, month)) && is_join(between(month, day));
        is_date.then(|| civil(year.2, month.2, day.2)).flatten()
    });
    whole.or_else(|| {
        numbers.windows(2).find_map(|some| {
            let [month, day] = some else { return None };
            let is_date = between(month, day) == "月";
            let years = [today.year(), today.year().saturating_sub(1)];
            let mut dates = years
                .into_iter()
                .filter_map(|year| civil(i64::from(year), month.2, day.2));
            is_date.then(|| dates.find(|date| *date <= today)).flatten()
        })
    })
}

fn days(text: &str, numbers: &[Number]) -> Option<i64> {
    let is_days = |rest: &str| {
        let rest = rest.trim_start();
        rest.starts_with('天') || rest.starts_with("day")
    };
    let mut counted = numbers.iter();
    let by_digits = counted.find(|(_, end, _)| is_days(&text[*end..]));
    let by_word = || {
        WORDS.iter().find_map(|(word, days)| {
            let at = text.find(*word)?;
            is_days(&text[at + word.len_utf8()..]).then_some(*days)
        })
    };
    let days = by_digits.map(|(.., days)| *days).or_else(by_word)?;
    (1..=DAYS_MAX).contains(&days).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;
    /// 2026-11-23 in Shanghai.
    const NOW_MS: i64 = 1_795_400_000_000;

    #[track_caller]
    fn says(text: &str, want: Option<(&str, Option<i64>)>) {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let want = want.map(|(date, days)| {
            let date: Date = date.parse().unwrap();
            let from = date.to_zoned(zone.clone()).unwrap();
            let from_ms = from.timestamp().as_millisecond();
            (from_ms, days.map(|days| from_ms + days * DAY_MS))
        });
        assert_eq!(period(text, NOW_MS, &zone), want, "{text}");
    }

    #[test]
    fn dates_and_days_are_read_as_people_write_them() {
        says("2026-11-08 起，持续3天", Some(("2026-11-08", Some(3))));
        says("2026年11月8日起，已有三天", Some(("2026-11-08", Some(3))));
        says("since 2026/11/8, 12 days", Some(("2026-11-08", Some(12))));
        says("11月20日开始收不到", Some(("2026-11-20", None)));
        // Not yet this year, so it was the last.
        says("12月1日 10天", Some(("2025-12-01", Some(10))));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for text in [
            "",
            "上周",
            "3天",
            "2026-13-08",
            "2026-11-31",
            "99999999999999999999-1-1",
            "2027-01-01 1天",
            "天",
            "13800000000",
        ] {
            says(text, None);
        }
        says("2026-11-08 持续400天", Some(("2026-11-08", None)));
    }
}
