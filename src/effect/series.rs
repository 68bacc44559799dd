//! The past of one KQI in one place, long enough to compare weeks.
//!
//! Invariants:
//! * windows do not overlap: of sliding ones the caller gives those that tile time;
//! * a corrected window takes the place of what it corrects, as long as windows are kept one by one;
//! * memory is bounded: behind `fine_ms` windows are added up to hours, and hours go after `keep_ms`.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Length of what old windows are added up to, ms.
const HOUR_MS: i64 = 3_600_000;

/// One window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Start, ms.
    pub start_ms: i64,
    /// The KQI's value; `None` takes the window back.
    pub value: Option<f64>,
    /// Facts behind it.
    pub samples: i64,
}

/// Windows added up. Of counts the sum is wanted, of everything else the mean that is weighted by
/// samples (of quantiles: the mean of the windows' quantiles, which is no quantile itself, but moves
/// with it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Sum of the values.
    pub sum: f64,
    /// Sum of value × samples.
    pub weighted: f64,
    /// Sum of the samples.
    pub samples: i64,
}

impl Totals {
    /// Mean, weighted by samples.
    pub fn mean(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.weighted / self.samples as f64)
    }

    /// A share of it, which may be less than nothing: what is to be taken off.
    fn part(&self, share: f64) -> Totals {
        if share == 0.0 {
            return Totals::default();
        }
        let samples = (self.samples as f64 * share).round();
        let weight = if self.samples == 0 {
            0.0
        } else {
            samples / self.samples as f64
        };
        Totals {
            sum: self.sum * share,
            // With as many samples as were rounded to, so that the mean stays.
            weighted: self.weighted * weight,
            samples: samples as i64,
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.sum += other.sum;
        self.weighted += other.weighted;
        self.samples += other.samples;
    }
}

/// The past of one KQI in one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Windows by their start.
    fine: BTreeMap<i64, Totals>,
    /// Hours by their start.
    hours: BTreeMap<i64, Totals>,
    /// From here on the series knows of everything, ms.
    since_ms: Option<i64>,
}

impl Series {
    /// Several places as one: what they counted together, and means by the weight of their samples. It reaches back as far
    /// as all of them do.
    pub fn together<'a>(places: impl IntoIterator<Item = &'a Series>) -> Series {
        let mut together = Series::default();
        for (at, place) in places.into_iter().enumerate() {
            for (start_ms, totals) in &place.fine {
                *together.fine.entry(*start_ms).or_default() += *totals;
            }
            for (hour_ms, totals) in &place.hours {
                *together.hours.entry(*hour_ms).or_default() += *totals;
            }
            together.since_ms = match at {
                0 => place.since_ms,
                _ => together.since_ms.zip(place.since_ms).map(|(a, b)| a.max(b)),
            };
        }
        together
    }

    /// Takes a window, which must not overlap another one.
    pub fn put(&mut self, point: Point) {
        if self
            .hours
            .last_key_value()
            .is_some_and(|(hour_ms, _)| point.start_ms < hour_ms + HOUR_MS)
        {
            // What it corrects has been added up; the dataflow corrects nothing that old.
            return;
        }
        self.since_ms = Some(self.since_ms.unwrap_or(point.start_ms).min(point.start_ms));
        match point.value {
            Some(value) => self.fine.insert(
                point.start_ms,
                Totals {
                    sum: value,
                    weighted: value * point.samples as f64,
                    samples: point.samples,
                },
            ),
            None => self.fine.remove(&point.start_ms),
        };
    }

    /// Adds up what is older than `fine_ms`, and forgets what is older than `keep_ms`. Hours begin at `phase_ms` or
    /// a multiple of an hour from it, as days do: where local time is half an hour off, so are they.
    pub fn forget(&mut self, fine_ms: i64, keep_ms: i64, phase_ms: i64) {
        let hour_of = |at_ms: i64| (at_ms - phase_ms).div_euclid(HOUR_MS) * HOUR_MS + phase_ms;
        let fine = self.fine.split_off(&hour_of(fine_ms));
        for (start_ms, totals) in std::mem::replace(&mut self.fine, fine) {
            *self.hours.entry(hour_of(start_ms)).or_default() += totals;
        }
        self.hours = self.hours.split_off(&keep_ms);
        if let Some(since_ms) = &mut self.since_ms {
            *since_ms = (*since_ms).max(keep_ms);
        }
    }

    /// Everything that starts in a span, added up; `None` where the series does not reach back to it.
    /// Hours that begin in the span count whole.
    pub fn totals(&self, from_ms: i64, to_ms: i64) -> Option<Totals> {
        if self.since_ms.is_none_or(|since_ms| since_ms >= to_ms) || from_ms >= to_ms {
            return None;
        }
        let mut totals = Totals::default();
        let parts = self.hours.range(from_ms..to_ms);
        for (_, part) in parts.chain(self.fine.range(from_ms..to_ms)) {
            totals += *part;
        }
        Some(totals)
    }

    /// As [`Series::totals`], but of hours that lie in the span in part only that part counts, where windows of
    /// `window_ms` are shorter than an hour.
    pub fn within(&self, from_ms: i64, to_ms: i64, window_ms: i64) -> Option<Totals> {
        let mut totals = self.totals(from_ms, to_ms)?;
        if window_ms >= HOUR_MS {
            return Some(totals);
        }
        // Of hours that begin in the span and end behind it, and of those that began before it.
        let cut = self.hours.range(from_ms - HOUR_MS + 1..to_ms);
        for (&hour_ms, hour) in cut {
            let inside_ms = (hour_ms + HOUR_MS).min(to_ms) - hour_ms.max(from_ms);
            let counted = if hour_ms >= from_ms { 1.0 } else { 0.0 };
            totals += hour.part(inside_ms as f64 / HOUR_MS as f64 - counted);
        }
        Some(totals)
    }

    /// Whether everything from an instant on is known.
    pub fn reaches(&self, from_ms: i64) -> bool {
        self.since_ms.is_some_and(|since_ms| since_ms <= from_ms)
    }

    /// Windows and hours that are kept.
    pub fn len(&self) -> usize {
        self.fine.len() + self.hours.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
