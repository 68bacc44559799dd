//! Windows and the book's clock: panes, sizes and hops that fit, days that begin at local midnight.

use jiff::tz::TimeZone;

use super::{PANE_MS_DEFAULT, duration_of};
use crate::rules::book::WindowSpec;
use crate::rules::duration::{DAY_MS, WEEK_MS, show_duration};
use crate::rules::local::{FIRST_MONDAY_MS, standard_offset};
use crate::rules::problem::{Kind, Position, Problems};
use crate::rules::syntax::Node;

/// What windows need to know of the book.
pub(super) struct Clock {
    pub(super) pane_ms: i64,
    /// False where the pane could not be read, and no window can be held against it.
    pane_is_known: bool,
    /// Local time minus UTC.
    zone_offset_ms: i64,
    /// Set where the zone's days are not all of one length.
    daylight_saving: Option<String>,
}

impl Clock {
    pub(super) fn read(head: &Node, problems: &mut Problems) -> Clock {
        let given_ms = duration_of(head, "pane");
        let pane_ms = given_ms.unwrap_or(PANE_MS_DEFAULT);
        let fits_day = pane_ms > 0 && DAY_MS % pane_ms == 0;
        let field = head.get("pane");
        let is_read = field.is_none() || given_ms.is_some();
        if let Some(node) = field.filter(|_| !fits_day) {
            problems.error(
                node.at,
                format!("a pane of {} does not divide a day", show_duration(pane_ms)),
            );
        }
        let mut clock = Clock {
            pane_ms: pane_ms.max(1),
            pane_is_known: is_read && !problems.doubts(Kind::Book),
            zone_offset_ms: 0,
            daylight_saving: None,
        };
        if let Some(node) = head.get("time_zone")
            && let Some(name) = node.text()
        {
            match TimeZone::get(name) {
                Ok(zone) => clock.set_zone(name, &zone),
                Err(_) => problems.error_with(
                    node.at,
                    format!("unknown time zone {name:?}"),
                    Some("use an IANA name such as Asia/Shanghai".to_owned()),
                ),
            }
        }
        clock
    }

    fn set_zone(&mut self, name: &str, zone: &TimeZone) {
        let (standard_ms, has_summer_time) = standard_offset(zone);
        self.zone_offset_ms = standard_ms;
        self.daylight_saving = has_summer_time.then(|| name.to_owned());
    }

    /// The window of a KQI, if it fits; what is wrong with it is reported.
    pub(super) fn window(&self, kqi: &Node, problems: &mut Problems) -> Option<WindowSpec> {
        let node = kqi.get("window")?;
        let (size, hop) = if node.text().is_some() {
            let size = duration_of(kqi, "window");
            (size, size)
        } else {
            (duration_of(node, "size"), duration_of(node, "hop"))
        };
        let (size_ms, hop_ms) = (size?, hop?);
        if !self.fits(size_ms, hop_ms, node.at, problems) {
            return None;
        }
        if size_ms >= DAY_MS
            && let Some(zone) = &self.daylight_saving
        {
            problems.warn(
                node.at,
                format!("{zone:?} has daylight saving, so days begin an hour off in summer"),
                Some("windows have one length and use the zone's standard time".to_owned()),
            );
        }
        Some(WindowSpec {
            size_ms,
            hop_ms,
            offset_ms: self.offset(size_ms, hop_ms),
        })
    }

    fn fits(&self, size_ms: i64, hop_ms: i64, at: Position, problems: &mut Problems) -> bool {
        let (size, hop) = (show_duration(size_ms), show_duration(hop_ms));
        let message = if size_ms <= 0 || hop_ms <= 0 {
            "a window of no length".to_owned()
        } else if size_ms % hop_ms != 0 {
            format!("window size {size} is not a multiple of its hop {hop}")
        } else if self.pane_is_known && hop_ms % self.pane_ms != 0 {
            let pane = show_duration(self.pane_ms);
            format!("window hop {hop} is not a multiple of the pane {pane}")
        } else if size_ms > 53 * WEEK_MS {
            format!("window size {size} is longer than a year")
        } else {
            return true;
        };
        problems.error(at, message);
        false
    }

    /// Windows of a day and more begin at local midnight, those of weeks on Monday.
    fn offset(&self, size_ms: i64, hop_ms: i64) -> i64 {
        if size_ms % DAY_MS != 0 {
            return 0;
        }
        let monday = if hop_ms % WEEK_MS == 0 {
            FIRST_MONDAY_MS
        } else {
            0
        };
        let offset = (monday - self.zone_offset_ms).rem_euclid(hop_ms);
        // A zone a few minutes off the pane grid would cut panes in two.
        offset - offset % self.pane_ms
    }
}
