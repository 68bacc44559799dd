//! What windows are made of: the sums of their facts by the values of every dimension that the tuples keep.
//!
//! Asked for and not told: it is a look at every tuple of the worker, on its thread. What is sent back is at most
//! a sum for each value that the tuples have, so `limits.tuples_max` bounds it.
//!
//! Invariants:
//! * sums are of integers, so those of a dimension's values sum to the whole, to the bit;
//! * facts count as they do in the windows of the KQI: the same conditions, time limits and stand-ins.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::dataflow::admit::is_other;
use crate::dataflow::key::Group;
use crate::dataflow::route::{Router, value_of};
use crate::event::{DimensionValue, Tuple};
use crate::measure::{Measure, SUM_SCALE, Sums, bucket_of, bucket_value};
use crate::rules::{Aggregate, Kqi, Plan};

/// A window of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Start, ms, inclusive.
    pub start_ms: i64,
    /// End, ms, exclusive.
    pub end_ms: i64,
    /// Whether its value is outside the interval.
    pub is_outside: bool,
}

/// Which windows are asked about: every group that is known of the KQI, those without a window among them. Facts of
/// groups that are not named are taken for those of the group that unknown ones are folded into.
pub type Spans = FxHashMap<Arc<Group>, Option<Span>>;

/// What some windows of a KQI are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// All of it.
    pub whole: Sums,
    /// By dimension, then by value; the empty value is of facts that do not say.
    pub by: BTreeMap<String, BTreeMap<String, Sums>>,
}

impl Parts {
    /// Adds those of another worker.
    pub(super) fn merge(&mut self, other: Parts) {
        self.whole.plus(&other.whole);
        for (dimension, values) in other.by {
            let own = self.by.entry(dimension).or_default();
            for (value, sums) in values {
                own.entry(value).or_default().plus(&sums);
            }
        }
    }

    /// Leaves out values that came to nothing: of a message that changed, one worker has the fact and another has it
    /// taken back.
    pub(super) fn settle(&mut self) {
        for values in self.by.values_mut() {
            values.retain(|_, sums| *sums != Sums::default());
        }
    }
}

impl Router {
    /// What the windows of a KQI are made of, as far as this worker holds their tuples; with the version of the plan.
    pub(super) fn parts(&self, kqi: usize, spans: &Spans) -> (u64, Parts) {
        let mut parts = Parts::default();
        let Some(plan) = &self.clock.plan else {
            return (0, parts);
        };
        let Some((family, shape)) = plan.window_of(kqi) else {
            return (plan.version, parts);
        };
        let kqi = &plan.book.kqis[kqi];
        let against_ms = family.windows[shape].against_ms;
        let others = spans.iter().find(|(group, _)| is_other(group));
        let others = others.and_then(|(_, span)| *span);
        for state in self.tuples.values() {
            let mut routes = state.routes.iter();
            let Some(route) = routes.find(|route| route.family == family.number) else {
                continue;
            };
            let span = spans.get(&route.group).copied().unwrap_or(others);
            let Some(span) = span else { continue };
            let mut sums = Sums::default();
            state
                .panes
                .each_within(span.start_ms..span.end_ms, |measure| {
                    let pane = route.measure(measure.clone());
                    sums.plus(&of_pane(&pane, kqi, span.is_outside));
                });
            if let Some(against_ms) = against_ms.filter(|_| is_change(kqi)) {
                let before = span.start_ms - against_ms..span.end_ms - against_ms;
                state.panes.each_within(before, |measure| {
                    let pane = route.measure(measure.clone());
                    sums.facts_before += pane.count;
                    sums.good_before += pane.good;
                    sums.valued_before += pane.valued;
                    sums.sum_before += pane.sum;
                });
            }
            if sums != Sums::default() {
                parts.whole.plus(&sums);
                parts.add(plan, &state.tuple, &route.group, &sums);
            }
        }
        (plan.version, parts)
    }
}

impl Parts {
    fn add(&mut self, plan: &Plan, tuple: &Tuple, group: &Group, sums: &Sums) {
        let mut to = |name: &str, value: String| {
            // Most names are there already.
            if !self.by.contains_key(name) {
                self.by.insert(name.to_owned(), BTreeMap::new());
            }
            if let Some(values) = self.by.get_mut(name) {
                values.entry(value).or_default().plus(sums);
            }
        };
        for (name, value) in &group.values {
            to(name, value.clone());
        }
        let dimensions = &plan.layout.of(tuple.stream).dimensions;
        let derived = tuple.stream.derived_dimensions();
        let names = dimensions
            .iter()
            .map(String::as_str)
            .chain(derived.iter().copied());
        for name in names.filter(|name| group.get(name).is_none()) {
            // What is a flag says how a fact is counted, and not where it comes from.
            match value_of(plan, tuple, name) {
                DimensionValue::Flag(_) => {}
                value => to(name, value.to_string()),
            }
        }
    }
}

/// A pane of the window itself.
fn of_pane(pane: &Measure, kqi: &Kqi, is_outside: bool) -> Sums {
    Sums {
        facts: pane.count,
        good: pane.good,
        valued: pane.valued,
        sum: pane.sum,
        beyond: beyond(pane, kqi),
        outside: if is_outside { pane.valued } else { 0 },
        ..Sums::default()
    }
}

fn is_change(kqi: &Kqi) -> bool {
    matches!(kqi.aggregate, Aggregate::Change { .. })
}

/// Facts of a pane whose own value is outside the interval, told apart as the quantile of a window tells them.
fn beyond(pane: &Measure, kqi: &Kqi) -> i64 {
    let is_beyond = |raw: f64| !kqi.interval.contains(kqi.in_unit(raw));
    match kqi.aggregate {
        Aggregate::Quantile(_) => {
            let lost = kqi.timeout.map(|timeout| (bucket_of(timeout), timeout));
            let value = |bucket: i32| match lost {
                Some((of, timeout)) if of == bucket => timeout,
                _ => bucket_value(bucket),
            };
            let counts = pane.histogram.counts().iter();
            let beyond = counts.filter(|(bucket, _)| is_beyond(value(*bucket)));
            beyond.map(|(_, count)| i64::from(*count)).sum()
        }
        Aggregate::Min | Aggregate::Max => {
            let counts = pane.extremes.iter().flat_map(|extremes| extremes.counts());
            let beyond = counts.filter(|(value, _)| is_beyond(*value as f64 / SUM_SCALE));
            beyond.map(|(_, count)| *count).sum()
        }
        _ => 0,
    }
}
