//! Since when, and for how long, a customer misses something (受理要素: 开始时间及时长), read from what an agent
//! typed: a date, and perhaps a number of days. What cannot be read says nothing.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// More days than this are no length of time but another number.
const DAYS_MAX: i64 = 366;
/// Chinese digits.
const DIGITS: [(char, i64); 12] = [
    ('〇', 0),
    ('零', 0),
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
];
const TEN: char = '十';
/// With one of these a number is not read.
const UNREAD: [char; 8] = ['百', '千', '万', '半', '几', '数', '廿', '卅'];
/// Nor with one of these after it.
const UNREAD_AFTER: [char; 3] = ['多', '来', '余'];
/// Between two numbers: either may be meant, or both together are one.
const RANGES: [&str; 13] = [
    "-", "－", "—", "~", "～", "到", "至", "、", "或", "to", "or", ".", "．",
];

/// The time that a text speaks of: from the beginning of its date, ms, to the end of its last day, where it says how
/// many there are. A date without a year is the last one before `now_ms`; one after it is none. Numbers are read in digits
/// of either width, and up to 99 in Chinese words; of two lengths that differ neither is.
///
/// ```
/// use chrysalis::complaints::period;
/// let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
/// let now_ms = 1_795_360_000_000;
/// let (from_ms, to_ms) = period("2026-11-08 起，持续3天", now_ms, &zone).unwrap();
/// assert_eq!((from_ms, to_ms), (1_794_067_200_000, Some(from_ms + 3 * 86_400_000)));
/// assert_eq!(period("2026-11-08 起，持续三天", now_ms, &zone), Some((from_ms, to_ms)));
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

/// A number in a text.
#[derive(Clone, Copy, Debug)]
struct Number {
    /// Where it begins and ends, bytes.
    at: (usize, usize),
    /// What it is; none where it cannot be read.
    value: Option<i64>,
    /// Its digits; 0 where it is told in tens, as 十五.
    digits: usize,
    /// Whether it is told in words.
    is_word: bool,
}

/// What a character is in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// A digit of either width.
    Digit(i64),
    /// One of the [`DIGITS`].
    Word(i64),
    Ten,
    Unread,
    UnreadAfter,
}

fn sign_of(c: char) -> Option<Sign> {
    let wide = || u32::from(c).checked_sub(u32::from('０'));
    let digit = c.to_digit(10).or_else(|| wide().filter(|of| *of < 10));
    if let Some(digit) = digit {
        return Some(Sign::Digit(i64::from(digit)));
    }
    let mut words = DIGITS.iter();
    if let Some((_, word)) = words.find(|(word, _)| *word == c) {
        return Some(Sign::Word(*word));
    }
    match c {
        TEN => Some(Sign::Ten),
        c if UNREAD.contains(&c) => Some(Sign::Unread),
        c if UNREAD_AFTER.contains(&c) => Some(Sign::UnreadAfter),
        _ => None,
    }
}

fn numbers(text: &str) -> Vec<Number> {
    let is_digit = |sign: &Sign| matches!(sign, Sign::Digit(_));
    let mut runs: Vec<((usize, usize), Vec<Sign>)> = Vec::new();
    for (at, c) in text.char_indices() {
        let Some(sign) = sign_of(c) else { continue };
        let end = at + c.len_utf8();
        let is_after = runs.last().is_some_and(|(place, _)| place.1 == at);
        if sign == Sign::UnreadAfter && !is_after {
            continue;
        }
        let follows = |(place, signs): &&mut ((usize, usize), Vec<Sign>)| {
            place.1 == at && signs.iter().all(is_digit) == is_digit(&sign)
        };
        match runs.last_mut().filter(follows) {
            Some((place, signs)) => {
                place.1 = end;
                signs.push(sign);
            }
            None => runs.push(((at, end), vec![sign])),
        }
    }
    let number = |(at, signs): ((usize, usize), Vec<Sign>)| Number {
        at,
        value: value(&signs),
        digits: if signs.contains(&Sign::Ten) {
            0
        } else {
            signs.len()
        },
        is_word: !signs.iter().all(is_digit),
    };
    runs.into_iter().map(number).collect()
}

/// A number by its signs. A year may be told digit by digit (二〇二六); of other words there are at most those of 99.
fn value(signs: &[Sign]) -> Option<i64> {
    let joined = |number: i64, digit: i64| number.saturating_mul(10).saturating_add(digit);
    match *signs {
        [Sign::Word(one)] => Some(one),
        [Sign::Ten] => Some(10),
        [Sign::Ten, Sign::Word(one @ 1..)] => Some(10 + one),
        [Sign::Word(tens @ 1..), Sign::Ten] => Some(tens * 10),
        [Sign::Word(tens @ 1..), Sign::Ten, Sign::Word(one @ 1..)] => Some(tens * 10 + one),
        _ => {
            let is_year = signs.len() == 4;
            let mut digits = signs.iter().map(|sign| match sign {
                Sign::Digit(digit) => Some(*digit),
                Sign::Word(digit) if is_year => Some(*digit),
                _ => None,
            });
            digits.try_fold(0, |number, digit| Some(joined(number, digit?)))
        }
    }
}

fn date(text: &str, numbers: &[Number], today: Date) -> Option<Date> {
    let civil = |year: i64, month: &Number, day: &Number| {
        let (year, month, day) = (
            i16::try_from(year).ok()?,
            i8::try_from(month.value?).ok()?,
            i8::try_from(day.value?).ok()?,
        );
        Date::new(year, month, day).ok()
    };
    let between = |one: &Number, next: &Number| text[one.at.1..next.at.0].trim();
    let is_join = |text: &str| matches!(text, "-" | "－" | "/" | "／" | "." | "年" | "月");
    let whole = numbers.windows(3).find_map(|some| {
        let [year, month, day] = some else {
            return None;
        };
        let is_date =
            year.digits == 4 && is_join(between(year, month)) && is_join(between(month, day));
        is_date.then(|| civil(year.value?, month, day)).flatten()
    });
    let year = i64::from(today.year());
    whole.or_else(|| {
        numbers.windows(2).find_map(|some| {
            let [month, day] = some else { return None };
            if between(month, day) != "月" {
                return None;
            }
            // A year that is said and not read above is another than the one that would be guessed.
            let before = text[..month.at.0].trim_end();
            let years = match before.strip_suffix('年') {
                None => vec![year, year - 1],
                Some(before) if before.ends_with('今') => vec![year],
                Some(before) if before.ends_with('去') => vec![year - 1],
                Some(_) => return None,
            };
            let mut dates = years.into_iter().filter_map(|year| civil(year, month, day));
            dates.find(|date| *date <= today)
        })
    })
}

/// How many days a text speaks of; none where it may mean more than one number.
fn days(text: &str, numbers: &[Number]) -> Option<i64> {
    const NO_LENGTH: [&str; 7] = ["半", "前", "后", "以前", "之前", "以后", " ago"];
    let is_days = |number: &&(Option<&Number>, &Number)| {
        let rest = text[number.1.at.1..].trim_start();
        let mut units = ["天", "days", "day"].into_iter();
        let after = units.find_map(|unit| rest.strip_prefix(unit));
        // "三天前" is no length of time, and "三天半" none of whole days.
        after.is_some_and(|after| !NO_LENGTH.iter().any(|word| after.starts_with(word)))
    };
    let befores = std::iter::once(None).chain(numbers.iter().map(Some));
    let pairs: Vec<(Option<&Number>, &Number)> = befores.zip(numbers).collect();
    let read = pairs.iter().filter(is_days).map(|(before, number)| {
        let from = before.map_or(0, |before| before.at.1);
        let words = &text[from..number.at.0];
        // "第三天" is a day, "三到五天" two numbers, and "十 五天" perhaps one.
        let is_day = words.ends_with('第') || words.ends_with('每');
        let is_one = before.is_some_and(|before| {
            let both_words = before.is_word && number.is_word;
            let is_split = both_words && words.trim().is_empty();
            is_split || words.is_empty() || RANGES.contains(&words.trim())
        });
        number.value.filter(|_| !is_day && !is_one)
    });
    let read: Option<Vec<i64>> = read.collect();
    let (first, rest) = read.as_deref()?.split_first()?;
    let is_sure = rest.iter().all(|of| of == first) && (1..=DAYS_MAX).contains(first);
    is_sure.then_some(*first)
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
        says("2026-11-01起，持续十五天", Some(("2026-11-01", Some(15))));
        says("2026-10-20起，持续二十天", Some(("2026-10-20", Some(20))));
        says("十月二十日起，已二十三天", Some(("2026-10-20", Some(23))));
        says(
            "２０２６－１１－０８起，１２ 天",
            Some(("2026-11-08", Some(12))),
        );
        says("１１月２０日起3天", Some(("2026-11-20", Some(3))));
        says(
            "二〇二六年十一月八日起，十天",
            Some(("2026-11-08", Some(10))),
        );
        says("11月8日以来三天", Some(("2026-11-08", Some(3))));
        says("去年11月8日起", Some(("2025-11-08", None)));
        says("2026-11-08 3天，整整三天", Some(("2026-11-08", Some(3))));
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

    #[test]
    fn what_may_mean_two_numbers_is_not_guessed() {
        for said in [
            "一百二十天",
            "几十天",
            "十几天",
            "十多天",
            "10来天",
            "三五天",
            "三到五天",
            "3-5天",
            "1.5天",
            "三天半",
            "半天",
            "十 五天",
            "三十零五天",
            "第三天",
            "每三天一次",
            "三天前打过电话",
            "3天，昨天说5天",
            "两周",
        ] {
            let text = format!("2026-11-08起，{said}");
            says(&text, Some(("2026-11-08", None)));
        }
        // A year that is not read is none of those that would be guessed.
        for text in [
            "25年11月8日",
            "二五年十一月八日",
            "前年11月8日",
            "廿日",
            "百月三日",
        ] {
            says(text, None);
        }
    }
}
