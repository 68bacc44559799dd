//! The windows that one alert was told of on one object, with their marks; most are clear, and cost
//! nothing but their place in a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alerting::Mark;

/// Told windows by their end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Windows {
    /// Runs of told windows, first and last end, ms; clear unless marked otherwise.
    runs: Vec<(i64, i64)>,
    /// Told windows that are not clear.
    marks: BTreeMap<i64, Mark>,
}

impl Windows {
    /// Runs of told windows, first and last end, ms, oldest first.
    pub(super) fn runs(&self) -> &[(i64, i64)] {
        &self.runs
    }

    /// The mark of a told window.
    pub(super) fn mark(&self, at_ms: i64) -> Mark {
        self.marks.get(&at_ms).copied().unwrap_or(Mark::Clear)
    }

    /// Whether a window that ends after an instant was told to be clear.
    pub(super) fn has_clear(&self, hop_ms: i64, after_ms: i64) -> bool {
        let runs = self.runs.iter().rev();
        let mut runs = runs.take_while(|(_, last_ms)| *last_ms > after_ms);
        runs.any(|(first_ms, last_ms)| {
            let behind_ms = (after_ms - first_ms).div_euclid(hop_ms) * hop_ms + hop_ms;
            let from_ms = first_ms + behind_ms.max(0);
            let told = (last_ms - from_ms) / hop_ms + 1;
            from_ms <= *last_ms && (self.marks.range(from_ms..=*last_ms).count() as i64) < told
        })
    }

    /// Whether a window that ends after an instant was told.
    pub(super) fn has_any(&self, after_ms: i64) -> bool {
        self.runs.iter().any(|(_, last_ms)| *last_ms > after_ms)
    }

    /// Whether a window that ends after an instant was told to be abnormal.
    pub(super) fn has_breach(&self, after_ms: i64) -> bool {
        let mut later = self.marks.range(after_ms.saturating_add(1)..);
        later.any(|(_, mark)| matches!(mark, Mark::Breach(_)))
    }

    /// True when nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Forgets windows that end at or before `at_ms`.
    pub(super) fn forget(&mut self, hop_ms: i64, at_ms: i64) {
        self.marks = self.marks.split_off(&at_ms.saturating_add(1));
        self.runs.retain(|(_, last_ms)| *last_ms > at_ms);
        // A run may have lasted for years; judging it again must not cost years.
        if let Some((first_ms, _)) = self.runs.first_mut()
            && *first_ms <= at_ms
        {
            *first_ms = at_ms + hop_ms - (at_ms - *first_ms).rem_euclid(hop_ms);
        }
    }

    /// Sets or unsets the mark of a window; tells whether that changed anything.
    pub(super) fn set(&mut self, hop_ms: i64, at_ms: i64, mark: Option<Mark>) -> bool {
        let run = self.run_of(at_ms);
        let before = run.map(|_| self.mark(at_ms));
        if before == mark {
            return false;
        }
        match (run, mark) {
            (None, Some(_)) => self.join(hop_ms, at_ms),
            (Some(run), None) => {
                let (first, last) = self.runs.remove(run);
                let parts = [(first, at_ms - hop_ms), (at_ms + hop_ms, last)];
                let parts = parts.into_iter().filter(|(first, last)| first <= last);
                self.runs.splice(run..run, parts);
            }
            _ => {}
        }
        match mark {
            Some(mark) if mark != Mark::Clear => self.marks.insert(at_ms, mark),
            _ => self.marks.remove(&at_ms),
        };
        true
    }

    /// Number of the run that holds a window.
    fn run_of(&self, at_ms: i64) -> Option<usize> {
        let after = self.runs.partition_point(|(first, _)| *first <= at_ms);
        let run = after.checked_sub(1)?;
        (at_ms <= self.runs[run].1).then_some(run)
    }

    /// Adds a window to the runs.
    fn join(&mut self, hop_ms: i64, at_ms: i64) {
        let after = self.runs.partition_point(|(first, _)| *first <= at_ms);
        let touches_before = after > 0 && self.runs[after - 1].1 + hop_ms == at_ms;
        let touches_after = self
            .runs
            .get(after)
            .is_some_and(|(first, _)| at_ms + hop_ms == *first);
        match (touches_before, touches_after) {
            (true, true) => {
                self.runs[after - 1].1 = self.runs[after].1;
                self.runs.remove(after);
            }
            (true, false) => self.runs[after - 1].1 = at_ms,
            (false, true) => self.runs[after].0 = at_ms,
            (false, false) => self.runs.insert(after, (at_ms, at_ms)),
        }
    }
}
