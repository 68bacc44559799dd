//! The values of one object's windows: for charts, texts, and the worst of an episode.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::alerting::ChartPoint;
use crate::dataflow::{Cell, WindowUpdate};
use crate::rules::{Aggregate, Interval, Kqi, Verdict};

/// Windows kept for the chart of a notice. Its form, of each object that an alert watches: `limits.groups_max` bounds them.
const CHART_WINDOWS_MAX: usize = 60;

/// Values under one definition of the KQI; with another, they begin anew.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Values {
    recent: VecDeque<ChartPoint>,
    /// The newest window, start and end, ms, and what is in it.
    newest: Option<(i64, i64, Cell)>,
    /// Abnormal windows by their end; as long as the timeline remembers them.
    abnormal: BTreeMap<i64, Cell>,
}

impl Values {
    /// Takes a window's newest values.
    pub(super) fn note(&mut self, update: &WindowUpdate, cell: &Cell) {
        let (start_ms, end_ms) = (update.start_ms, update.end_ms);
        let value = cell
            .value
            .filter(|_| cell.verdict.is_judged() || cell.verdict == Verdict::Suppressed);
        let point = ChartPoint { end_ms, value };
        // Mostly it is newer than all of them, which lie in several lines of memory.
        if self.recent.back().is_none_or(|last| last.end_ms < end_ms) {
            self.recent.push_back(point);
        } else {
            match self.recent.binary_search_by_key(&end_ms, |p| p.end_ms) {
                Ok(at) => self.recent[at] = point,
                Err(at) => self.recent.insert(at, point),
            }
        }
        if self.recent.len() > CHART_WINDOWS_MAX {
            self.recent.pop_front();
        }
        if self.newest.is_none_or(|(_, newest, _)| newest <= end_ms) {
            self.newest = Some((start_ms, end_ms, *cell));
        }
        match (cell.verdict, cell.value) {
            (Verdict::Abnormal(_), Some(_)) => self.abnormal.insert(end_ms, *cell),
            _ => self.abnormal.remove(&end_ms),
        };
    }

    /// The newest windows, oldest first, one a hop: a window that nobody told has no value, and no line
    /// may be drawn over it (domain fact H15).
    pub(super) fn chart(&self, hop_ms: i64) -> Vec<ChartPoint> {
        let Some(newest) = self.recent.back() else {
            return Vec::new();
        };
        let hop_ms = hop_ms.max(1);
        let from_ms = newest.end_ms - hop_ms * (CHART_WINDOWS_MAX as i64 - 1);
        let mut chart: Vec<ChartPoint> = Vec::new();
        for point in self.recent.iter().filter(|point| point.end_ms >= from_ms) {
            let mut next_ms = chart
                .last()
                .map_or(point.end_ms, |last| last.end_ms + hop_ms);
            while next_ms < point.end_ms {
                chart.push(ChartPoint {
                    end_ms: next_ms,
                    value: None,
                });
                next_ms += hop_ms;
            }
            chart.push(*point);
        }
        chart
    }

    /// The newest window, start and end, ms, and what is in it.
    pub(super) fn newest(&self) -> (i64, i64, Cell) {
        self.newest.unwrap_or((0, 0, Cell::absent(0)))
    }

    /// The newest window when one that ends at `end_ms` has cleared an alert. Nobody tells a window in
    /// which there is nothing to count; it clears by its zero, and is newer than any that was told.
    pub(super) fn newest_by(&self, kqi: &Kqi, end_ms: i64) -> (i64, i64, Cell) {
        let newest = self.newest();
        if newest.1 >= end_ms {
            return newest;
        }
        let is_zero = matches!(
            kqi.aggregate,
            Aggregate::Count | Aggregate::RatePer10k { .. }
        );
        let cell = Cell {
            value: is_zero.then_some(0.0),
            verdict: if is_zero {
                Verdict::Normal
            } else {
                Verdict::NoTraffic
            },
            ..Cell::absent(newest.2.kqi)
        };
        (end_ms - kqi.window.size_ms, end_ms, cell)
    }

    /// End of the newest window, ms.
    pub(super) fn newest_end_ms(&self) -> Option<i64> {
        self.newest.map(|(_, end_ms, _)| end_ms)
    }

    /// A window's value, while the chart has it.
    pub(super) fn at(&self, end_ms: i64) -> Option<f64> {
        let at = self.recent.binary_search_by_key(&end_ms, |p| p.end_ms);
        self.recent[at.ok()?].value
    }

    /// The abnormal value that is farthest outside the interval, of windows that end in a span.
    pub(super) fn worst(&self, interval: Interval, from_ms: i64, to_ms: i64) -> Option<f64> {
        if from_ms > to_ms {
            return None;
        }
        let abnormal = self.abnormal.range(from_ms..=to_ms);
        abnormal
            .filter_map(|(_, cell)| cell.value)
            .reduce(|worst, value| worse(interval, worst, value))
    }

    /// Abnormal windows that end in a span, by their ends, oldest first.
    pub(super) fn abnormal(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl DoubleEndedIterator<Item = (i64, &Cell)> {
        let to_ms = to_ms.max(from_ms);
        let abnormal = self.abnormal.range(from_ms..=to_ms);
        abnormal.map(|(end_ms, cell)| (*end_ms, cell))
    }

    /// Forgets what ends at or before a time; the chart has its own limit.
    pub(super) fn forget(&mut self, at_ms: i64) {
        self.abnormal = self.abnormal.split_off(&at_ms.saturating_add(1));
    }
}

/// The one of two values that is farther outside the interval.
pub(super) fn worse(interval: Interval, one: f64, other: f64) -> f64 {
    if interval.outside_by(other) > interval.outside_by(one) {
        other
    } else {
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::{Group, Standing};

    #[test]
    fn a_chart_has_a_gap_where_nobody_told_a_window() {
        const HOP_MS: i64 = 60_000;
        let mut values = Values::default();
        for minute in [0, 100, 101, 104, 110] {
            let end_ms = minute * HOP_MS;
            let cell = Cell {
                value: Some(minute as f64),
                verdict: Verdict::Normal,
                ..Cell::absent(0)
            };
            let update = WindowUpdate {
                group: Group::new(Vec::new()).into(),
                start_ms: end_ms - HOP_MS,
                end_ms,
                count: 1,
                good: 0,
                standing: Standing::Sealed,
                cells: vec![cell],
            };
            values.note(&update, &cell);
        }
        let chart = values.chart(HOP_MS);
        let ends: Vec<i64> = chart.iter().map(|point| point.end_ms / HOP_MS).collect();
        assert_eq!(
            ends,
            (100..=110).collect::<Vec<_>>(),
            "an hour back, every minute"
        );
        let told: Vec<f64> = chart.iter().filter_map(|point| point.value).collect();
        assert_eq!(told, [100.0, 101.0, 104.0, 110.0]);
    }
}
