//! The past of everything that is watched, long enough to compare weeks: what the effect of a mend
//! is measured from.
//!
//! Invariants:
//! * at most `SERIES_MAX` series. Beyond it new objects have none, and that is counted: an object
//!   that is watched for long keeps its past;
//! * a series speaks of one definition of its KQI; with another it begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::{Cell, Group, Standing, WindowUpdate};
use crate::effect::{Point, Series};
use crate::rules::Verdict;

/// Series that are kept: 71 KQIs in 14 places, four times. One takes up to 60 KB.
const SERIES_MAX: usize = 4_000;

/// How far series reach back, ms: two weeks before, two after, and two of work. Judgement.
const KEEP_MS: i64 = 42 * 86_400_000;

/// One object's past.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) group: Arc<Group>,
    pub(super) series: Series,
}

/// Series by KQI and label.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Past {
    kqis: BTreeMap<String, BTreeMap<Arc<str>, Kept>>,
    count: usize,
    refused_total: u64,
    /// Objects whose past changed since the last look, by KQI: start and end of the windows, ms.
    changed: BTreeMap<String, BTreeSet<(i64, i64)>>,
}

impl Past {
    /// Takes a window's newest values.
    pub(super) fn note(&mut self, kqi: &str, update: &WindowUpdate, cell: &Cell) {
        let size_ms = update.end_ms - update.start_ms;
        if size_ms <= 0 || update.end_ms.rem_euclid(size_ms) != 0 {
            // Of overlapping windows the series takes those that tile time.
            return;
        }
        let of_kqi = match self.kqis.get_mut(kqi) {
            Some(of_kqi) => of_kqi,
            None => self.kqis.entry(kqi.to_owned()).or_default(),
        };
        let label = update.group.label.as_str();
        if !of_kqi.contains_key(label) {
            if self.count >= SERIES_MAX {
                self.refused_total += 1;
                return;
            }
            self.count += 1;
            let kept = Kept {
                group: update.group.clone(),
                series: Series::default(),
            };
            of_kqi.insert(label.into(), kept);
        }
        let Some(kept) = of_kqi.get_mut(label) else {
            return;
        };
        let is_planned = cell.verdict == Verdict::Suppressed;
        let is_gone = update.standing == Standing::Removed || is_planned;
        kept.series.put(Point {
            start_ms: update.start_ms,
            end_ms: update.end_ms,
            value: cell.value.filter(|_| !is_gone),
            samples: cell.samples,
        });
    }
}
