//! When a report is due, what it is about, and who gets it (domain facts H13, E9, E8, G10).
//!
//! Pure: the zone comes from the caller. A period is whole days in that zone, and over when its report is due.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::rules::{Desk, Text};

/// Days looked at for one due time: a month has no more.
const DAYS_MAX: usize = 32;

/// What a report tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// 数据业务优化需求: what is demanded of whom now (domain fact H13).
    DemandList,
    /// 通报: what happened in the period (domain fact C2).
    Bulletin,
    /// Channels and cities by their scores, with suggestions (domain fact E9).
    Benchmark,
    /// What became of mends, and the funnel before them (domain facts E8, G10).
    Effects,
    /// 客服解释口径: what agents tell customers, by service and place (domain facts H14, H23 to H25).
    Frontline,
}

impl ReportKind {
    /// The names in files, metrics and the API, in the order of the variants.
    pub const NAMES: [&'static str; 5] = [
        "demand_list",
        "bulletin",
        "benchmark",
        "effects",
        "frontline",
    ];

    /// The name in files, metrics and the API.
    pub const fn name(self) -> &'static str {
        ReportKind::NAMES[self as usize]
    }
}

/// How often a report comes, and on which day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Every day, about the day before.
    Day,
    /// On a day of the week, about the seven days before.
    Week(Weekday),
    /// On a day of the month, 1 to 28, about the month before.
    Month(i8),
}

impl Every {
    /// The words in files and the API.
    pub const NAMES: [&'static str; 3] = ["daily", "weekly", "monthly"];

    /// The word in files and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Every::Day => "daily",
            Every::Week(_) => "weekly",
            Every::Month(_) => "monthly",
        }
    }
}

/// A report of the rule book.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportRule {
    /// Identifier, part of file names and mail identities.
    pub id: String,
    /// Display name.
    pub name: Text,
    /// What it tells.
    pub kind: ReportKind,
    /// How often.
    pub every: Every,
    /// When on that day, minutes after local midnight.
    pub at_minute: i64,
    /// Who gets it: everybody who holds one of these roles.
    pub recipients: Vec<Desk>,
    /// Of a benchmark: suggestions that it should rank at least.
    pub suggestions_min: usize,
    /// Of a benchmark: objects that score less need a suggestion.
    pub score_below: f64,
    /// Of a benchmark: the services that are channels; every one where none is named.
    pub services: Vec<String>,
}

/// The span that a report is about: whole days, `[from, to)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Its name: the first day, as 2026-03-02, or the month, as 2026-03.
    pub key: String,
    /// First instant, ms.
    pub from_ms: i64,
    /// First instant after it, ms.
    pub to_ms: i64,
    /// First instant of the period before, ms.
    pub before_ms: i64,
}

impl ReportRule {
    /// The newest due time that has come, ms, with the period that it is about.
    pub fn due_by(&self, now_ms: i64, zone: &TimeZone) -> Option<(i64, Period)> {
        let mut day = date_of(now_ms, zone)?;
        for _ in 0..DAYS_MAX {
            if let Some(due_ms) = self.due_on(day, zone).filter(|due_ms| *due_ms <= now_ms) {
                return Some((due_ms, self.period(day, zone)?));
            }
            day = day.yesterday().ok()?;
        }
        None
    }

    /// The first due time after an instant, ms.
    pub fn due_after(&self, now_ms: i64, zone: &TimeZone) -> Option<i64> {
        let mut day = date_of(now_ms, zone)?;
        for _ in 0..DAYS_MAX {
            if let Some(due_ms) = self.due_on(day, zone).filter(|due_ms| *due_ms > now_ms) {
                return Some(due_ms);
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn due_on(&self, day: Date, zone: &TimeZone) -> Option<i64> {
        let fits = match self.every {
            Every::Day => true,
            Every::Week(weekday) => day.weekday() == weekday,
            Every::Month(of_month) => day.day() == of_month,
        };
        let at = day.at(
            (self.at_minute / 60) as i8,
            (self.at_minute % 60) as i8,
            0,
            0,
        );
        let at = at.to_zoned(zone.clone()).ok()?;
        fits.then(|| at.timestamp().as_millisecond())
    }

    /// What a report that is due on a day is about.
    fn period(&self, due: Date, zone: &TimeZone) -> Option<Period> {
        let (before, from, to) = match self.every {
            Every::Day => (
                due.checked_sub(2.days()).ok()?,
                due.checked_sub(1.day()).ok()?,
                due,
            ),
            Every::Week(_) => (
                due.checked_sub(14.days()).ok()?,
                due.checked_sub(7.days()).ok()?,
                due,
            ),
            Every::Month(_) => {
                let to = due.first_of_month();
                let from = to.checked_sub(1.month()).ok()?;
                (from.checked_sub(1.month()).ok()?, from, to)
            }
        };
        let key = match self.every {
            Every::Month(_) => from.strftime("%Y-%m").to_string(),
            Every::Day | Every::Week(_) => from.strftime("%Y-%m-%d").to_string(),
        };
        let midnight = |day: Date| {
            let midnight = day.to_zoned(zone.clone()).ok()?;
            Some(midnight.timestamp().as_millisecond())
        };
        Some(Period {
            key,
            from_ms: midnight(from)?,
            to_ms: midnight(to)?,
            before_ms: midnight(before)?,
        })
    }
}

fn date_of(at_ms: i64, zone: &TimeZone) -> Option<Date> {
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    Some(at.to_zoned(zone.clone()).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    /// Monday 2 March 2026, 00:00 in Shanghai.
    const MONDAY: i64 = 1_772_380_800_000;

    fn rule(every: Every) -> ReportRule {
        ReportRule {
            id: "r".to_owned(),
            name: Text {
                zh: "r".to_owned(),
                en: "r".to_owned(),
            },
            kind: ReportKind::Bulletin,
            every,
            at_minute: 8 * 60 + 30,
            recipients: Vec::new(),
            suggestions_min: 15,
            score_below: 4.0,
            services: Vec::new(),
        }
    }

    #[test]
    fn periods_are_whole_days_before_the_due_day() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at = MONDAY + 8 * HOUR + HOUR / 2;
        let cases = [
            (Every::Day, at, "2026-03-01", -1, 0, 1),
            (Every::Week(Weekday::Monday), at, "2026-02-23", -7, 0, 7),
            // Due on Friday the 27th of February.
            (
                Every::Week(Weekday::Friday),
                at - 3 * DAY,
                "2026-02-20",
                -10,
                -3,
                4,
            ),
            // Due on the 2nd of March, about February.
            (Every::Month(2), at, "2026-02", -29, -1, 31),
        ];
        for (every, due_ms, key, from, to, next) in cases {
            let rule = rule(every);
            let (due, period) = rule.due_by(at, &zone).unwrap();
            assert_eq!((due, period.key.as_str()), (due_ms, key), "{every:?}");
            assert_eq!(
                (period.from_ms, period.to_ms),
                (MONDAY + from * DAY, MONDAY + to * DAY),
                "{every:?}"
            );
            assert_eq!(
                rule.due_after(at, &zone),
                Some(at + next * DAY),
                "{every:?}"
            );
            // A moment before, the one before is the newest.
            let (before, _) = rule.due_by(due_ms - 1, &zone).unwrap();
            assert!(before < due_ms);
            assert_eq!(rule.due_after(due_ms - 1, &zone), Some(due_ms));
        }
    }

    #[test]
    fn the_day_on_which_clocks_are_changed_is_a_day() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        // Sunday 29 March 2026 has 23 hours.
        let noon = "2026-03-30T12:00:00+02:00".parse::<Timestamp>().unwrap();
        let (_, period) = rule(Every::Day)
            .due_by(noon.as_millisecond(), &zone)
            .unwrap();
        assert_eq!(period.key, "2026-03-29");
        assert_eq!(period.to_ms - period.from_ms, 23 * HOUR);
        assert_eq!(period.from_ms - period.before_ms, DAY);
    }
}
