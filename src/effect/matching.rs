//! Which hours are set against which: an evening is quieter than its afternoon without anybody's doing.
//!
//! From the best that there is:
//! 1. periods that lie whole weeks apart have the same hours of the week by themselves;
//! 2. else what the same hours of the week did in earlier weeks, before the trouble, is taken off;
//! 3. else, for periods shorter than a day, what the same hours did on earlier days;
//! 4. else places that nobody touched, at the same hours;
//! 5. else nothing is compared: the mend waits until the same hours of the week come again.

use serde::{Deserialize, Serialize};

use crate::effect::compare::{PLACES_MIN, knows};
use crate::effect::pairs::{Course, Pairs, pairs};
use crate::effect::periods::{DAY_MS, WEEK_MS, WINDOWS_MIN};
use crate::effect::{Compared, Periods, Series};

/// Earlier weeks that are wanted, and that are looked at. Judgement: of fewer than four nobody knows how far
/// they differ among themselves; series reach back six weeks.
const WEEKS: (usize, i64) = (4, 6);

/// Earlier days. Judgement: seven have every weekday once.
const DAYS: (usize, i64) = (7, 14);

/// How before and after were brought to the same hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Matching {
    /// Both have the same hours of the week.
    SameHours,
    /// What the same hours of the week did in so many earlier weeks is taken off.
    EarlierWeeks(usize),
    /// What the same hours did on so many earlier days is taken off.
    EarlierDays(usize),
    /// Other places at the same hours.
    Places,
}

impl Matching {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Matching::SameHours => "same_hours_of_week",
            Matching::EarlierWeeks(_) => "earlier_weeks",
            Matching::EarlierDays(_) => "earlier_days",
            Matching::Places => "other_places",
        }
    }
}

/// An indicator's place and its controls, with their names, at matched hours.
pub(super) struct Matched<'a> {
    pub(super) how: Matching,
    pub(super) treated: Course,
    pub(super) controls: Vec<(&'a str, Course)>,
}

impl Compared<'_> {
    /// Whether the same hours can be compared as soon as the period after is over, as far as is known before
    /// it has begun. Where not, the mend waits for the same hours of a later week ([`crate::effect::Mend::waits_week`]).
    pub fn can_match(&self, periods: &Periods) -> bool {
        // In longer blocks, too: which ones will be compared is known when the period after is over.
        let blocks = std::iter::once(*periods).chain(periods.coarser());
        let mut blocks = blocks.take(if self.is_count { 1 } else { usize::MAX });
        periods.are_weeks_apart()
            || self.earlier(periods).is_some()
            || blocks.any(|periods| self.know_before(&periods) >= PLACES_MIN)
    }

    /// How many controls know of nearly all that the treated place has before the work.
    fn know_before(&self, periods: &Periods) -> usize {
        // Of counts nothing is a count as well; of the rest, what the treated place has no value of is not compared.
        let before = |series: &Series| -> Vec<bool> {
            let pairs = pairs(series, periods, self.window_ms).into_iter();
            pairs
                .map(|pair| pair.is_some_and(|pair| self.is_count || pair.before.samples > 0))
                .collect()
        };
        let own = before(&self.treated);
        let wanted = own.iter().filter(|is_known| **is_known).count();
        let controls = self.controls.iter().filter(|(_, series)| {
            let both = own.iter().zip(before(series));
            let known = both.filter(|(own, other)| **own && *other).count();
            wanted > 0 && known * 5 >= wanted * 4
        });
        controls.count()
    }

    /// Everything that is compared; none where there is nothing at the same hours.
    pub(super) fn matched(&self, periods: &Periods) -> Option<Matched<'_>> {
        let now = |series: &Series| pairs(series, periods, self.window_ms);
        let plain = |how| Matched {
            how,
            treated: Course::from(now(&self.treated)),
            controls: self
                .controls
                .iter()
                .map(|(name, series)| (*name, Course::from(now(series))))
                .collect(),
        };
        if periods.are_weeks_apart() {
            return Some(plain(Matching::SameHours));
        }
        if let Some((how, shifts)) = self.earlier(periods) {
            let course = |series: &Series| Course {
                now: now(series),
                earlier: self.at(series, periods, &shifts),
            };
            let controls = self.controls.iter();
            let controls = controls.map(|(name, series)| (*name, course(series)));
            // A place whose own hours are not known would bring its evening in again.
            let controls = controls.filter(|(_, of)| of.earlier.len() == shifts.len());
            return Some(Matched {
                how,
                treated: course(&self.treated),
                controls: controls.collect(),
            });
        }
        let plain = plain(Matching::Places);
        let own = &plain.treated.now;
        let known = plain.controls.iter();
        let known = known.filter(|(_, of)| knows(own, &of.now, self.is_count));
        (known.count() >= PLACES_MIN).then_some(plain)
    }

    /// The earlier weeks or days that can be taken off: how long before, ms.
    fn earlier(&self, periods: &Periods) -> Option<(Matching, Vec<i64>)> {
        let found = |unit_ms: i64, (wanted, looked_at): (usize, i64)| {
            let shifts: Vec<i64> = (1..=looked_at)
                .map(|count| count * unit_ms)
                .filter(|by_ms| self.was_well(&periods.earlier_by(*by_ms)))
                .filter(|by_ms| !self.at(&self.treated, periods, &[*by_ms]).is_empty())
                .collect();
            (shifts.len() >= wanted).then_some(shifts)
        };
        if let Some(weeks) = found(WEEK_MS, WEEKS) {
            return Some((Matching::EarlierWeeks(weeks.len()), weeks));
        }
        let days = found(DAY_MS, DAYS).filter(|_| periods.length_ms < DAY_MS);
        days.map(|days| (Matching::EarlierDays(days.len()), days))
    }

    /// Whether both periods were over before the trouble could begin.
    fn was_well(&self, periods: &Periods) -> bool {
        periods.end_ms() <= self.mend.opened_ms - WINDOWS_MIN * self.window_ms
    }

    /// The same hours so long before; those of which too little is known are left out.
    fn at(&self, series: &Series, periods: &Periods, shifts: &[i64]) -> Vec<Pairs> {
        let now = pairs(&self.treated, periods, self.window_ms);
        let shifts = shifts.iter().map(|by_ms| periods.earlier_by(*by_ms));
        let shifts = shifts.filter(|periods| series.reaches(periods.before_ms));
        shifts
            .map(|periods| pairs(series, &periods, self.window_ms))
            .filter(|earlier| self.is_count || has_enough(earlier, now.len()))
            .collect()
    }
}

/// Whether four of five pairs have values on both sides.
fn has_enough(pairs: &Pairs, of: usize) -> bool {
    let known = pairs.iter().flatten().filter(|pair| pair.has_values());
    known.count() * 5 >= of * 4
}
