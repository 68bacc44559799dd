//! Which time is compared with which.

use serde::{Deserialize, Serialize};

use crate::effect::compare::PAIRS_MIN;

pub(super) const DAY_MS: i64 = 86_400_000;
pub(super) const WEEK_MS: i64 = 7 * DAY_MS;

/// Lengths of blocks, ms, longest first: all of them divide a day.
const BLOCKS_MS: [i64; 11] = [
    DAY_MS,
    12 * 3_600_000,
    6 * 3_600_000,
    2 * 3_600_000,
    3_600_000,
    30 * 60_000,
    15 * 60_000,
    10 * 60_000,
    5 * 60_000,
    2 * 60_000,
    60_000,
];

/// A period is cut into at least this many blocks, where the KQI's windows allow: 14 days make 14.
/// Fewer give an interval that says nothing, more are not independent of each other. Judgement.
const BLOCKS_MIN: i64 = 12;

/// Where the windows are long, a period should still have this many of them. Judgement.
pub(super) const WINDOWS_MIN: i64 = 6;

/// When a mend was wanted, worked at and done, all in event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mend {
    /// End of the window that opened the trigger, ms.
    pub opened_ms: i64,
    /// The work began, ms.
    pub begun_ms: i64,
    /// The work was done, ms.
    pub mended_ms: i64,
    /// Whether the period after is the one a week later, or weeks, that has the same hours of the week: where
    /// nothing else could tell an effect from the time of day.
    #[serde(default)]
    pub waits_week: bool,
    /// How often it was looked at without a verdict: each time the same hours of one more week are waited for.
    #[serde(default)]
    pub looks: u32,
}

impl Mend {
    /// Weeks by which the period after is later than the first one that has the same hours of the week; none where it
    /// follows the work.
    fn weeks_later(&self) -> Option<i64> {
        match (self.waits_week, i64::from(self.looks)) {
            (true, looks) => Some(looks),
            (false, 0) => None,
            (false, looks) => Some(looks - 1),
        }
    }
}

/// Two periods of the same length, before the work and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Periods {
    /// Start of the period before, ms.
    pub before_ms: i64,
    /// Start of the period after, ms: whole blocks and, from a day on, whole days behind the other,
    /// from a week on whole weeks.
    pub after_ms: i64,
    /// Length of each, ms.
    pub length_ms: i64,
    /// Length of a block, ms.
    pub block_ms: i64,
}

impl Periods {
    /// The periods of a mend: at most `longest_ms` each, and no longer than the trouble was known
    /// before the work began. `window_ms` is the length of the KQI's windows, which begin at
    /// `offset_ms` or a multiple of their length from it.
    ///
    /// Trouble that was hardly known when the work began lasted through it: then the period before goes
    /// on into the work, until it has six windows or the work is done. It never reaches back
    /// to when all was well.
    pub fn of(mend: Mend, longest_ms: i64, window_ms: i64, offset_ms: i64) -> Periods {
        let window_ms = window_ms.max(1);
        let enough_ms = mend.opened_ms.saturating_add(WINDOWS_MIN * window_ms);
        let begun_ms = mend.begun_ms.max(enough_ms.min(mend.mended_ms));
        let known_ms = begun_ms.saturating_sub(mend.opened_ms);
        let wanted_ms = known_ms.clamp(window_ms, longest_ms.max(window_ms));
        let block_ms = block_of(wanted_ms, window_ms);
        let unit_ms = [WEEK_MS, DAY_MS, block_ms]
            .into_iter()
            .find(|&unit_ms| wanted_ms >= unit_ms && unit_ms % block_ms == 0)
            .unwrap_or(block_ms);
        let length_ms = wanted_ms / unit_ms * unit_ms;
        // The end of the work is in neither period, so the next whole block is the first.
        let after_ms = next_multiple(mend.mended_ms - offset_ms, block_ms) + offset_ms;
        // Work that is over within one block leaves that block to the period before: whatever it mended
        // there makes the effect look smaller, and whole weeks are not lost to an hour of work.
        let is_short = after_ms - begun_ms <= block_ms;
        let begun_ms = if is_short { after_ms } else { begun_ms };
        // The same place in the week, day or block.
        let work_ms = after_ms - (begun_ms - length_ms);
        let before_ms = after_ms - next_multiple(work_ms, unit_ms);
        let after_ms = match mend.weeks_later() {
            Some(weeks) => {
                before_ms + next_multiple(after_ms - before_ms, WEEK_MS) + weeks * WEEK_MS
            }
            None => after_ms,
        };
        let periods = Periods {
            before_ms,
            after_ms,
            length_ms,
            block_ms,
        };
        periods.since(mend.opened_ms.saturating_sub(window_ms), window_ms)
    }

    /// Both periods without what lies before a moment: rounding to whole days and weeks may have reached back to when
    /// all was well. As they were where too little would be left.
    fn since(self, from_ms: i64, window_ms: i64) -> Periods {
        // Of days whole ones: their hours are not alike, and longer blocks must still divide what is left.
        let unit_ms = if self.length_ms >= DAY_MS && DAY_MS % self.block_ms == 0 {
            DAY_MS
        } else {
            self.block_ms
        };
        let cut_ms = next_multiple((from_ms - self.before_ms).max(0), unit_ms);
        if cut_ms == 0 {
            return self;
        }
        let length_ms = self.length_ms - cut_ms;
        let cut = Periods {
            before_ms: self.before_ms + cut_ms,
            after_ms: self.after_ms + cut_ms,
            length_ms,
            // What is left has blocks of its own; those that divide it.
            block_ms: block_of(length_ms, window_ms).min(self.block_ms),
        };
        if length_ms > 0 && length_ms % cut.block_ms == 0 && cut.has_enough() {
            cut
        } else {
            self
        }
    }

    /// Whether both have the same hours of the week.
    pub fn are_weeks_apart(&self) -> bool {
        (self.after_ms - self.before_ms) % WEEK_MS == 0
    }

    /// The same periods so long before.
    pub(super) fn earlier_by(&self, by_ms: i64) -> Periods {
        Periods {
            before_ms: self.before_ms - by_ms,
            after_ms: self.after_ms - by_ms,
            ..*self
        }
    }

    /// When everything is known that can be compared, ms.
    pub fn end_ms(&self) -> i64 {
        self.after_ms + self.length_ms
    }

    /// Whether there can be enough pairs of blocks at all.
    pub fn has_enough(&self) -> bool {
        self.length_ms / self.block_ms.max(1) >= PAIRS_MIN as i64
    }

    /// The same periods in longer blocks, the next longer ones first, as long as there are enough of them.
    pub(super) fn coarser(self) -> impl Iterator<Item = Periods> {
        let fits = move |block_ms: &i64| {
            *block_ms > self.block_ms
                && block_ms % self.block_ms == 0
                && self.length_ms % block_ms == 0
        };
        let blocks = BLOCKS_MS.into_iter().rev().filter(fits);
        let coarser = blocks.map(move |block_ms| Periods { block_ms, ..self });
        coarser.take_while(Periods::has_enough)
    }

    /// Whether a window takes part.
    pub fn touches(&self, start_ms: i64, end_ms: i64) -> bool {
        let within = |from_ms: i64| start_ms < from_ms + self.length_ms && end_ms > from_ms;
        within(self.before_ms) || within(self.after_ms)
    }

    /// Starts of the blocks, before and after, in pairs.
    pub fn blocks(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let count = self.length_ms / self.block_ms;
        (0..count).map(|at| {
            let into_ms = at * self.block_ms;
            (self.before_ms + into_ms, self.after_ms + into_ms)
        })
    }
}

/// The longest block of whole windows of which a period has enough.
fn block_of(length_ms: i64, window_ms: i64) -> i64 {
    let fits = |block_ms: i64| block_ms >= window_ms && block_ms % window_ms == 0;
    BLOCKS_MS
        .into_iter()
        .find(|&block_ms| fits(block_ms) && length_ms / block_ms >= BLOCKS_MIN)
        .unwrap_or(window_ms)
}

/// The smallest multiple that is not smaller.
fn next_multiple(value: i64, unit: i64) -> i64 {
    value.div_euclid(unit) * unit + if value.rem_euclid(unit) == 0 { 0 } else { unit }
}
