//! Business hours: when a due time counts, and when it stands still.
//!
//! Pure: the zone comes from the rule book, the time from the caller. Instants are milliseconds since
//! the Unix epoch; working time is milliseconds of open hours.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

/// Days that are looked at for one sum; a calendar that is closed for longer counts by the wall clock.
const DAYS_MAX: usize = 3_660;
const MINUTE_MS: i64 = 60_000;

/// The hours in which departments work.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Zone of the hours.
    pub zone: TimeZone,
    /// Days of the week with open hours, Monday first.
    pub days: [bool; 7],
    /// Opening, minutes after local midnight.
    pub from_minute: i64,
    /// Closing, minutes after local midnight; 1440 is the next midnight.
    pub to_minute: i64,
    /// Closed days, whatever day of the week they are.
    pub holidays: BTreeSet<Date>,
    /// Open days that would be closed: days worked in exchange for a holiday (调休).
    pub workdays: BTreeSet<Date>,
}

impl Calendar {
    /// Open day and night.
    pub fn always(zone: TimeZone) -> Calendar {
        Calendar {
            zone,
            days: [true; 7],
            from_minute: 0,
            to_minute: 24 * 60,
            holidays: BTreeSet::new(),
            workdays: BTreeSet::new(),
        }
    }

    /// The instant at which `work_ms` of open time have passed since `from_ms`.
    ///
    /// No time at all is over at once, open or not.
    pub fn after(&self, from_ms: i64, work_ms: i64) -> i64 {
        if work_ms <= 0 {
            return from_ms;
        }
        let by_the_wall_clock = from_ms.saturating_add(work_ms);
        let Some(mut day) = self.date(from_ms) else {
            return by_the_wall_clock;
        };
        let mut left_ms = work_ms;
        for _ in 0..DAYS_MAX {
            if let Some((open_ms, close_ms)) = self.hours(day) {
                let begin_ms = open_ms.max(from_ms);
                if close_ms > begin_ms {
                    if close_ms - begin_ms >= left_ms {
                        return begin_ms + left_ms;
                    }
                    left_ms -= close_ms - begin_ms;
                }
            }
            match day.tomorrow() {
                Ok(next) => day = next,
                Err(_) => break,
            }
        }
        by_the_wall_clock
    }

    /// Open time between two instants, ms; nothing where the second is not later.
    pub fn between(&self, from_ms: i64, to_ms: i64) -> i64 {
        let by_the_wall_clock = to_ms.saturating_sub(from_ms).max(0);
        let Some(mut day) = self.date(from_ms) else {
            return by_the_wall_clock;
        };
        let mut open = 0;
        for _ in 0..DAYS_MAX {
            if let Some((open_ms, close_ms)) = self.hours(day) {
                if open_ms >= to_ms {
                    return open;
                }
                open += (close_ms.min(to_ms) - open_ms.max(from_ms)).max(0);
            }
            match day.tomorrow() {
                Ok(next) if self.begins_before(next, to_ms) => day = next,
                _ => return open,
            }
        }
        by_the_wall_clock
    }

    /// Whether a day begins before an instant.
    fn begins_before(&self, day: Date, at_ms: i64) -> bool {
        let midnight = day.to_zoned(self.zone.clone()).ok();
        midnight.is_some_and(|midnight| midnight.timestamp().as_millisecond() < at_ms)
    }

    /// Local date of an instant; none beyond the calendar.
    pub fn date(&self, at_ms: i64) -> Option<Date> {
        let at = Timestamp::from_millisecond(at_ms).ok()?;
        Some(at.to_zoned(self.zone.clone()).date())
    }

    /// Opening and closing of a day, ms; none when it is closed.
    fn hours(&self, day: Date) -> Option<(i64, i64)> {
        let is_open = match day.weekday() {
            _ if self.workdays.contains(&day) => true,
            _ if self.holidays.contains(&day) => false,
            Weekday::Monday => self.days[0],
            Weekday::Tuesday => self.days[1],
            Weekday::Wednesday => self.days[2],
            Weekday::Thursday => self.days[3],
            Weekday::Friday => self.days[4],
            Weekday::Saturday => self.days[5],
            Weekday::Sunday => self.days[6],
        };
        let instant = |minute: i64| {
            let whole_days: Span = (minute / (24 * 60)).days();
            let day = day.checked_add(whole_days).ok()?;
            let midnight = day.to_zoned(self.zone.clone()).ok()?;
            let at_ms = midnight.timestamp().as_millisecond();
            Some(at_ms + minute % (24 * 60) * MINUTE_MS)
        };
        if !is_open {
            return None;
        }
        Some((instant(self.from_minute)?, instant(self.to_minute)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    /// Friday 6 March 2026, 00:00 in Shanghai.
    const FRIDAY: i64 = 1_772_380_800_000 + 4 * 24 * HOUR;

    fn office() -> Calendar {
        Calendar {
            days: [true, true, true, true, true, false, false],
            from_minute: 8 * 60 + 30,
            to_minute: 17 * 60 + 30,
            ..Calendar::always(TimeZone::get("Asia/Shanghai").unwrap())
        }
    }

    #[test]
    fn open_time_stands_still_at_night_on_weekends_and_on_holidays() {
        let mut office = office();
        let at = |day: i64, hour: f64| FRIDAY + day * 24 * HOUR + (hour * HOUR as f64) as i64;
        assert_eq!(office.after(at(0, 10.0), 2 * HOUR), at(0, 12.0));
        assert_eq!(office.after(at(0, 7.0), HOUR), at(0, 9.5), "before opening");
        assert_eq!(office.after(at(0, 16.5), 2 * HOUR), at(3, 9.5), "Monday");
        assert_eq!(office.after(at(1, 12.0), HOUR), at(3, 9.5), "a Saturday");
        assert_eq!(office.after(at(0, 10.0), 18 * HOUR), at(4, 10.0));
        assert_eq!(office.after(at(1, 3.0), 0), at(1, 3.0));
        // Monday is a holiday, and Saturday is worked for it.
        office.holidays.insert(office.date(at(3, 1.0)).unwrap());
        office.workdays.insert(office.date(at(1, 1.0)).unwrap());
        assert_eq!(office.after(at(0, 16.5), 2 * HOUR), at(1, 9.5));
        assert_eq!(office.after(at(1, 17.0), 2 * HOUR), at(4, 10.0));
    }

    #[test]
    fn open_time_between_two_instants_is_what_passes_until_the_second() {
        let office = office();
        for (from_hours, work_hours) in [(10, 2), (7, 1), (16, 2), (36, 1), (10, 18), (3, 200)] {
            let (from_ms, work_ms) = (FRIDAY + from_hours * HOUR, work_hours * HOUR);
            let to_ms = office.after(from_ms, work_ms);
            assert_eq!(office.between(from_ms, to_ms), work_ms, "{from_hours}");
            assert_eq!(office.between(to_ms, from_ms), 0);
        }
        // A night, and a weekend with the hour before.
        let at = |hours: f64| FRIDAY + (hours * HOUR as f64) as i64;
        assert_eq!(office.between(at(17.5), at(24.0 + 8.5)), 0);
        assert_eq!(office.between(at(16.5), at(72.0 + 8.0)), HOUR);
        let always = Calendar::always(TimeZone::UTC);
        assert_eq!(always.between(FRIDAY, FRIDAY + 77 * HOUR), 77 * HOUR);
    }

    #[test]
    fn a_calendar_that_never_opens_counts_by_the_wall_clock() {
        let mut closed = office();
        closed.days = [false; 7];
        assert_eq!(closed.after(FRIDAY, HOUR), FRIDAY + HOUR);
        let always = Calendar::always(TimeZone::UTC);
        assert_eq!(always.after(FRIDAY + 5, 50 * HOUR), FRIDAY + 5 + 50 * HOUR);
    }
}
