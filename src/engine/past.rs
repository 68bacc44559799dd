//! The past of everything that is watched, long enough to compare weeks: what the effect of a mend
//! is measured from.
//!
//! Invariants:
//! * at most [`EngineLimits::past_series_max`](crate::engine::EngineLimits) series. Beyond it new objects have none, and that is counted: an object
//!   that is watched for long keeps its past;
//! * a series speaks of one definition of its KQI; with another it begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::{Cell, Group, Standing, WindowUpdate};
use crate::effect::{Point, Series};
use crate::engine::limits::EngineLimits;
use crate::event::Stream;
use crate::rules::{Aggregate, Kqi, Verdict};

const DAY_MS: i64 = 86_400_000;

/// One object's past.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) group: Arc<Group>,
    pub(super) series: Series,
}

/// The objects of a KQI by label, in order: what is added up must not depend on how it came in.
pub(super) type KeptOfKqi = BTreeMap<Arc<str>, Arc<Kept>>;

/// Series by KQI and label.
pub(super) struct Past {
    kqis: BTreeMap<String, KeptOfKqi>,
    count: usize,
    /// How far series reach back behind what is corrected, ms.
    keep_ms: i64,
    series_max: usize,
    refused_total: u64,
}

/// Whether a KQI's effect is measured by how many facts there were: complaints count, whatever is
/// made of their number.
pub(super) fn is_counted(kqi: &Kqi) -> bool {
    kqi.stream == Stream::Complaint || matches!(kqi.aggregate, Aggregate::Count | Aggregate::Sum)
}

impl Default for Past {
    fn default() -> Self {
        let EngineLimits {
            past_series_max,
            past_days,
            ..
        } = EngineLimits::default();
        Past {
            kqis: BTreeMap::new(),
            count: 0,
            keep_ms: i64::from(past_days) * DAY_MS,
            series_max: past_series_max,
            refused_total: 0,
        }
    }
}

impl Past {
    /// Puts other bounds in force: series that are there beyond them stay until they are too old.
    pub(super) fn set_limits(&mut self, series_max: usize, days: u32) {
        self.series_max = series_max;
        self.keep_ms = i64::from(days) * DAY_MS;
    }

    /// How many series there are, may be, and windows that found no room.
    pub(super) fn bound(&self) -> (usize, usize, u64) {
        (self.count, self.series_max, self.refused_total)
    }

    /// Takes a window's newest values. `standard_offset_ms` is local time minus UTC.
    pub(super) fn note(
        &mut self,
        kqi: &Kqi,
        update: &WindowUpdate,
        cell: &Cell,
        standard_offset_ms: i64,
    ) {
        let window = &kqi.window;
        let phase_ms = window.phase_ms(standard_offset_ms);
        if (update.start_ms - phase_ms).rem_euclid(window.size_ms.max(1)) != 0 {
            // Of overlapping windows the series takes those that tile time, days and weeks as people have them.
            return;
        }
        let of_kqi = match self.kqis.get_mut(&kqi.id) {
            Some(of_kqi) => of_kqi,
            None => self.kqis.entry(kqi.id.clone()).or_default(),
        };
        let label = update.group.label.as_str();
        if !of_kqi.contains_key(label) {
            if self.count >= self.series_max {
                self.refused_total += 1;
                return;
            }
            self.count += 1;
            let kept = Kept {
                group: update.group.clone(),
                series: Series::default(),
            };
            of_kqi.insert(label.into(), Arc::new(kept));
        }
        let Some(kept) = of_kqi.get_mut(label).map(Arc::make_mut) else {
            return;
        };
        let value = match kqi.stream {
            Stream::Complaint => Some(update.count as f64),
            _ => cell.value,
        };
        let is_gone = cell.is_absent() || cell.verdict == Verdict::Suppressed;
        kept.series.put(Point {
            start_ms: update.start_ms,
            value: value.filter(|_| update.standing != Standing::Removed && !is_gone),
            samples: cell.samples,
        });
    }

    /// Everything that is kept, KQI by KQI.
    pub(super) fn kqis(&self) -> impl Iterator<Item = (&str, &KeptOfKqi)> {
        self.kqis.iter().map(|(kqi, kept)| (kqi.as_str(), kept))
    }

    /// Takes back what [`Past::kqis`] gave.
    pub(super) fn put_back(&mut self, kqi: String, kept: KeptOfKqi) {
        self.count += kept.len();
        self.kqis.insert(kqi, kept);
    }

    /// The objects of a KQI, by label.
    pub(super) fn of(&self, kqi: &str) -> impl Iterator<Item = (&Arc<str>, &Kept)> {
        let kept = self.kqis.get(kqi).into_iter().flatten();
        kept.map(|(label, kept)| (label, &**kept))
    }

    /// Objects whose past is not kept because there are too many, counted by window.
    pub(super) fn refused_total(&self) -> u64 {
        self.refused_total
    }

    /// Forgets KQIs that are measured otherwise now, or no more.
    pub(super) fn retain(&mut self, is_same: impl Fn(&str) -> bool) {
        self.kqis.retain(|kqi, _| is_same(kqi));
        self.count = self.kqis.values().map(BTreeMap::len).sum();
    }

    /// Adds up what the dataflow corrects no more, and forgets what is too old to be compared.
    /// `horizon` tells of a KQI how far back it is corrected, and where its hours begin, ms.
    pub(super) fn forget(&mut self, horizon: impl Fn(&str) -> Option<(i64, i64)>) {
        for (kqi, series) in &mut self.kqis {
            let Some((horizon_ms, phase_ms)) = horizon(kqi) else {
                continue;
            };
            for kept in series.values_mut().map(Arc::make_mut) {
                let series = &mut kept.series;
                series.forget(horizon_ms, horizon_ms - self.keep_ms, phase_ms);
            }
            series.retain(|_, kept| !kept.series.is_empty());
        }
        self.kqis.retain(|_, series| !series.is_empty());
        self.count = self.kqis.values().map(BTreeMap::len).sum();
    }
}
