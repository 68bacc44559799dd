//! Local days and weeks in windows of one length: a zone's standard time, and which windows tile it.

use jiff::tz::{Dst, TimeZone};
use jiff::{Timestamp, civil};

use crate::rules::book::WindowSpec;
use crate::rules::plan::Plan;

const DAY_MS: i64 = 86_400_000;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Monday, 5 January 1970: weeks begin on Monday.
pub(super) const FIRST_MONDAY_MS: i64 = 4 * DAY_MS;

/// A zone's standard offset (local time minus UTC, ms), and whether its summers have another. A fixed winter and
/// summer day are looked at, never today: the same book must give the same windows whenever it is loaded.
pub(super) fn standard_offset(zone: &TimeZone) -> (i64, bool) {
    let (mut standard_ms, mut has_summer_time) = (0, false);
    for month in [1, 7] {
        let Ok(moment) = civil::date(2026, month, 15).to_zoned(TimeZone::UTC) else {
            continue;
        };
        let info = zone.to_offset_info(Timestamp::from(&moment));
        match info.dst() {
            Dst::No => standard_ms = i64::from(info.offset().seconds()) * 1_000,
            Dst::Yes => has_summer_time = true,
        }
    }
    (standard_ms, has_summer_time)
}

impl Plan {
    /// Local time minus UTC, without summer time, ms.
    pub fn standard_offset_ms(&self) -> i64 {
        standard_offset(&self.zone).0
    }
}

impl WindowSpec {
    /// Where those of the windows begin that tile time, ms: of overlapping ones, those that fit local days, and
    /// local weeks from Monday on.
    pub fn phase_ms(&self, standard_offset_ms: i64) -> i64 {
        let size_ms = self.size_ms.max(1);
        let monday_ms = if size_ms % WEEK_MS == 0 {
            FIRST_MONDAY_MS
        } else {
            0
        };
        let wanted_ms = (monday_ms - standard_offset_ms).rem_euclid(size_ms);
        let is_a_start = (wanted_ms - self.offset_ms).rem_euclid(self.hop_ms.max(1)) == 0;
        if is_a_start {
            wanted_ms
        } else {
            self.offset_ms.rem_euclid(size_ms)
        }
    }

    /// Whether the windows that tile time add up to exactly this span.
    pub fn tiles(&self, from_ms: i64, to_ms: i64, standard_offset_ms: i64) -> bool {
        let phase_ms = self.phase_ms(standard_offset_ms);
        let is_edge = |at_ms: i64| (at_ms - phase_ms).rem_euclid(self.size_ms.max(1)) == 0;
        is_edge(from_ms) && is_edge(to_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn windows(size_ms: i64, hop_ms: i64) -> WindowSpec {
        WindowSpec {
            size_ms,
            hop_ms,
            offset_ms: 0,
        }
    }

    #[test]
    fn sliding_days_tile_local_days_and_sliding_weeks_begin_on_monday() {
        let shanghai_ms = 8 * HOUR_MS;
        // Midnight of Monday, 2 March 2026, in Shanghai.
        let monday_ms = 1_772_380_800_000;
        let day = windows(DAY_MS, HOUR_MS);
        assert_eq!(day.phase_ms(shanghai_ms), 16 * HOUR_MS);
        assert!(day.tiles(monday_ms, monday_ms + DAY_MS, shanghai_ms));
        assert!(!day.tiles(
            monday_ms + 8 * HOUR_MS,
            monday_ms + 32 * HOUR_MS,
            shanghai_ms
        ));
        let week = WindowSpec {
            offset_ms: 16 * HOUR_MS,
            ..windows(WEEK_MS, DAY_MS)
        };
        assert!(week.tiles(monday_ms, monday_ms + WEEK_MS, shanghai_ms));
        assert!(!week.tiles(monday_ms, monday_ms + DAY_MS, shanghai_ms));
        let quarter = windows(HOUR_MS / 4, HOUR_MS / 4);
        assert!(quarter.tiles(monday_ms, monday_ms + DAY_MS, shanghai_ms));
        // Days that begin at midnight UTC alone are no local days.
        let utc = windows(DAY_MS, DAY_MS);
        assert!(!utc.tiles(monday_ms, monday_ms + DAY_MS, shanghai_ms));
    }

    #[test]
    fn summer_time_is_seen_and_not_taken() {
        let offset = |name| standard_offset(&TimeZone::get(name).unwrap());
        assert_eq!(offset("Asia/Shanghai"), (8 * HOUR_MS, false));
        assert_eq!(offset("Europe/Berlin"), (HOUR_MS, true));
        assert_eq!(offset("Asia/Kolkata"), (11 * HOUR_MS / 2, false));
    }
}
