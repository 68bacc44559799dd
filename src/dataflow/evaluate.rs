//! From the sum of a window's panes to the values and verdicts of its KQIs. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataflow::base::{self, Dimensions, Series};
use crate::dataflow::baseline::Seasonal;
use crate::dataflow::key::Group;
use crate::dataflow::update::Cell;
use crate::dataflow::{Counters, Limits};
use crate::event::{Annotation, Reading};
use crate::measure::{Total, bucket_of};
use crate::rules::{Aggregate, Kqi, Places, RuleBook, Verdict, WindowSpec, concerns, judge};

/// Gauges that rates divide by, and explanations that suppress.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Surroundings {
    /// By gauge, then by dimensions, then by time.
    readings: BTreeMap<String, BTreeMap<Dimensions, Series>>,
    annotations: Vec<Annotation>,
    /// Readings that were left out since the start.
    #[serde(skip)]
    left_out: u64,
    /// Readings that had to go since the start.
    #[serde(skip)]
    readings_gone: u64,
    /// Annotations that had to go since the start.
    #[serde(skip)]
    gone: u64,
    /// Bounds: of the configuration, and not of a checkpoint.
    #[serde(skip)]
    limits: Limits,
}

impl Surroundings {
    /// Puts bounds in force; what is beyond them goes with the next that comes.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes in a reading; of several at one time the greatest counts, whatever came first.
    pub(super) fn read(&mut self, reading: Reading) {
        let series = self.readings.entry(reading.name.to_string()).or_default();
        if series.len() >= self.limits.base_series_max && !series.contains_key(&reading.dimensions)
        {
            self.left_out += 1;
            return;
        }
        let times = series.entry(reading.dimensions).or_default();
        let value = times.entry(reading.ts_ms).or_insert(reading.value);
        *value = value.max(reading.value);
        while times.len() > self.limits.base_readings_max {
            times.pop_first();
            self.readings_gone += 1;
        }
    }

    /// Takes in an annotation.
    pub(super) fn annotate(&mut self, annotation: Annotation) {
        if let Err(at) = self.annotations.binary_search(&annotation) {
            self.annotations.insert(at, annotation);
        }
        while self.annotations.len() > self.limits.annotations_max {
            let first = (0..self.annotations.len()).min_by_key(|at| self.annotations[*at].end_ms);
            first.map(|at| self.annotations.remove(at));
            self.gone += 1;
        }
    }

    /// Tells how near the bounds are.
    pub(super) fn count(&self, counters: &Counters) {
        let series = self.readings.values().map(BTreeMap::len).max();
        counters.base_series.set(series.unwrap_or(0) as u64);
        counters.readings_left_out.set(self.left_out);
        counters.readings_gone.set(self.readings_gone);
        counters.annotations.set(self.annotations.len() as u64);
        counters.annotations_gone.set(self.gone);
    }

    /// The base of a rate.
    fn base(
        &self,
        gauge: &str,
        kqi: &Kqi,
        group: &Group,
        end_ms: i64,
        places: &Places,
    ) -> Option<f64> {
        let series = self.readings.get(gauge)?;
        base::of(
            series,
            |name| known(group, kqi, places, name),
            end_ms,
            places,
        )
    }

    /// Whether planned work or the like covers part of the window for this group.
    fn suppresses(
        &self,
        kinds: &[String],
        window: &Summed<'_>,
        kqi: &Kqi,
        places: &Places,
    ) -> bool {
        let Summed {
            group,
            start_ms,
            end_ms,
            ..
        } = *window;
        let window_ms = (start_ms, end_ms);
        self.annotations.iter().any(|annotation| {
            kinds.iter().any(|kind| **kind == *annotation.kind)
                && concerns(annotation, kqi, &group.values, window_ms, places)
        })
    }
}

/// What is known of an object: its group's value, what follows from its city, or its KQI's service.
fn known<'a>(group: &'a Group, kqi: &'a Kqi, places: &'a Places, name: &str) -> Option<&'a str> {
    let service = || kqi.service.as_deref().filter(|_| name == "service");
    places.find(name, |name| group.get(name)).or_else(service)
}

/// A window of one group, summed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summed<'a> {
    /// Group.
    pub group: &'a Group,
    /// Start, ms.
    pub start_ms: i64,
    /// End, ms.
    pub end_ms: i64,
    /// Sum of its panes.
    pub total: &'a Total,
    /// Sum of the panes of the window compared with, where one is wanted.
    pub earlier: Option<&'a Total>,
    /// Whether the stream was heard through that window, and through this one if it is over.
    pub is_heard: bool,
    /// What the weeks before say, where that is asked for.
    pub seasonal: Option<Seasonal>,
}

/// Values and verdict of one KQI in one window.
pub(super) fn evaluate(
    index: usize,
    kqi: &Kqi,
    window: Summed<'_>,
    surroundings: &Surroundings,
    book: &RuleBook,
) -> Cell {
    let counted = counted(kqi, window.total);
    let earlier = window.earlier.map_or(0, |total| self::counted(kqi, total));
    let samples = match kqi.aggregate {
        Aggregate::Sum
        | Aggregate::Mean
        | Aggregate::Min
        | Aggregate::Max
        | Aggregate::Quantile(_)
        | Aggregate::Dispersion
        | Aggregate::Latest => window.total.valued,
        Aggregate::Change { .. } if kqi.compares_means() => window.total.valued,
        Aggregate::Change { .. } => counted.max(earlier),
        Aggregate::Surge { .. } => counted,
        Aggregate::Count | Aggregate::Ratio | Aggregate::RatePer10k { .. } => window.total.count,
    };
    let value = value(kqi, window, counted, earlier, surroundings, &book.places);
    let (score, mut verdict) = judge(kqi, samples.max(0) as u64, value);
    if kqi.suppressible
        && matches!(verdict, Verdict::Abnormal(_))
        && surroundings.suppresses(&book.suppressing_annotations, &window, kqi, &book.places)
    {
        verdict = Verdict::Suppressed;
    }
    Cell {
        kqi: index,
        samples,
        value,
        expected: window.seasonal.and_then(|seasonal| seasonal.expected()),
        score,
        verdict,
    }
}

fn value(
    kqi: &Kqi,
    window: Summed<'_>,
    counted: i64,
    earlier: i64,
    surroundings: &Surroundings,
    places: &Places,
) -> Option<f64> {
    let total = window.total;
    match &kqi.aggregate {
        Aggregate::Count => Some(counted as f64),
        Aggregate::Ratio => {
            (total.count > 0).then(|| kqi.in_unit(total.good as f64 / total.count as f64))
        }
        Aggregate::Sum => (total.valued > 0).then(|| kqi.in_unit(total.sum())),
        Aggregate::Mean => total.mean().map(|value| kqi.in_unit(value)),
        Aggregate::Min => total.least().map(|value| kqi.in_unit(value)),
        Aggregate::Max => total.greatest().map(|value| kqi.in_unit(value)),
        Aggregate::Quantile(q) => {
            let value = total.quantile(*q);
            // What stands for lost answers is known exactly.
            let is_lost = |timeout: &f64| value.map(bucket_of) == Some(bucket_of(*timeout));
            let value = kqi.timeout.filter(is_lost).or(value);
            value.map(|value| kqi.in_unit(value))
        }
        Aggregate::Latest => total.latest().map(|value| kqi.in_unit(value)),
        Aggregate::Dispersion => dispersion(total).map(|value| kqi.in_unit(value)),
        Aggregate::RatePer10k { base, per_ms } => {
            let base = surroundings.base(base, kqi, window.group, window.end_ms, places)?;
            let periods = (window.end_ms - window.start_ms) as f64 / *per_ms as f64;
            Some(counted as f64 * 10_000.0 / base / periods)
        }
        Aggregate::Change { .. } if kqi.compares_means() => {
            let before = window.earlier.and_then(Total::mean);
            let before = before.filter(|before| *before != 0.0);
            let more = |(now, before): (f64, f64)| kqi.in_unit((now - before) / before.abs());
            total.mean().zip(before).map(more)
        }
        // What was missed of the window before would read as growth, and what was missed of this one as fewer. A mean
        // (above) is one of whatever was heard.
        Aggregate::Change { .. } => {
            let is_known = window.is_heard && earlier > 0;
            is_known.then(|| kqi.in_unit((counted - earlier) as f64 / earlier as f64))
        }
        Aggregate::Surge { min_weeks, .. } => {
            let known = window.seasonal.filter(|known| known.weeks >= *min_weeks);
            known.and_then(|known| known.surge(counted))
        }
    }
}

/// The quartile coefficient of dispersion; values that are all zero do not lie apart.
fn dispersion(total: &Total) -> Option<f64> {
    let (low, high) = (total.quantile(0.25)?, total.quantile(0.75)?);
    match low + high {
        0.0 => Some(0.0),
        sum => Some((high - low) / sum),
    }
}

/// What counting aggregates count: good facts where good is defined.
fn counted(kqi: &Kqi, total: &Total) -> i64 {
    let judges = kqi.good.is_some() || kqi.good_within.is_some();
    if judges { total.good } else { total.count }
}

/// Ends of the windows of a shape that hold a pane, ascending.
pub(super) fn ends_over(spec: WindowSpec, pane_ms: i64) -> impl Iterator<Item = i64> {
    let phase = (pane_ms - spec.offset_ms).rem_euclid(spec.hop_ms);
    let last_start = pane_ms - phase;
    let count = (spec.size_ms + spec.hop_ms - 1 - phase) / spec.hop_ms;
    (0..count)
        .rev()
        .map(move |k| last_start - k * spec.hop_ms + spec.size_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_readings_of_a_series_go() {
        let limits = |base_readings_max| Limits {
            base_readings_max,
            ..Limits::default()
        };
        let mut surroundings = Surroundings::default();
        surroundings.set_limits(limits(3));
        let read = |surroundings: &mut Surroundings, ts_ms| {
            surroundings.read(Reading {
                ts_ms,
                name: "subscribers".into(),
                dimensions: BTreeMap::new(),
                value: 1.0,
            });
            let counters = Counters::default();
            surroundings.count(&counters);
            let series = surroundings.readings["subscribers"].values().next();
            (series.unwrap().len(), counters.readings_gone.get())
        };
        for ts_ms in 1..=3 {
            read(&mut surroundings, ts_ms);
        }
        assert_eq!(read(&mut surroundings, 3), (3, 0));
        assert_eq!(read(&mut surroundings, 4), (3, 1));
        // What is beyond a bound that is set lower goes with the next reading, and not with the start.
        surroundings.set_limits(limits(1));
        assert_eq!(surroundings.readings["subscribers"].len(), 1);
        assert_eq!(read(&mut surroundings, 5), (1, 4));
    }

    #[test]
    fn windows_over_a_pane() {
        let spec = |size_ms, hop_ms, offset_ms| WindowSpec {
            size_ms,
            hop_ms,
            offset_ms,
        };
        let ends = |spec, pane_ms| ends_over(spec, pane_ms).collect::<Vec<_>>();
        assert_eq!(ends(spec(1, 1, 0), 7), [8]);
        assert_eq!(ends(spec(5, 1, 0), 7), [8, 9, 10, 11, 12]);
        assert_eq!(ends(spec(6, 2, 0), 7), [8, 10, 12]);
        assert_eq!(ends(spec(24, 24, -8), 15), [16]);
        assert_eq!(ends(spec(24, 24, -8), 16), [40]);
        for pane in -20..20 {
            for end in ends(spec(6, 2, 1), pane) {
                assert!(
                    end - 6 <= pane && pane < end && (end - 6 - 1) % 2 == 0,
                    "{pane} {end}"
                );
            }
        }
    }
}
