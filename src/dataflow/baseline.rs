//! What a surge is held against: counts of the same hours in earlier weeks. Panes are too many to be
//! kept for weeks, so families with surge tests keep one small count a hop beside them.
//!
//! Invariants:
//! * a tally is the sum of the panes that it covers, also of those that have been retired;
//! * a week is *known* for a window when the rule was in force or its history kept, and the stream was
//!   heard around that time. A week that is not known is neither zero nor anything else;
//! * everything is a function of facts and controls, so every worker knows the same weeks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::Watermarks;
use crate::dataflow::evaluate::ends_over;
use crate::dataflow::key::Group;
use crate::dataflow::waiting::affected_ends;
use crate::dataflow::windows::{Dirty, FamilyState, GroupState, Windows};
use crate::event::Stream;
use crate::measure::Measure;
use crate::rules::{Aggregate, Family, FamilyBaseline, FamilyWindow, HOUR_MS, Kqi, Plan, WEEK_MS};

/// Counts of one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Facts.
    count: i64,
    /// Good facts.
    good: i64,
}

/// Tallies of one group by the start of their bucket, ms; those that are zero are not kept.
pub(super) type Tallies = BTreeMap<i64, Tally>;

/// What the weeks before a window say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seasonal {
    /// Weeks that are known.
    pub(super) weeks: u32,
    /// What was counted in them together.
    pub(super) counted: i64,
}

impl Seasonal {
    /// What a week lets expect; none where no week is known.
    pub(super) fn expected(&self) -> Option<f64> {
        (self.weeks > 0).then(|| self.counted as f64 / f64::from(self.weeks))
    }

    /// How far a count lies above it, in standard deviations ([`Aggregate::Surge`]).
    pub(super) fn surge(&self, counted: i64) -> Option<f64> {
        let expected = self.expected()?;
        let root = |count: f64| (count.max(0.0) + 0.375).sqrt();
        let apart = 2.0 * (root(counted as f64) - root(expected));
        Some(apart / (1.0 + 1.0 / f64::from(self.weeks)).sqrt())
    }
}

/// What all workers know alike of the past: when streams were heard, and since when families count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heard {
    /// By stream, hours in which something happened on it, ms.
    hours: [BTreeSet<i64>; Stream::ALL.len()],
    /// By family, since when it has its facts; of those that came over a history that had an end.
    since: BTreeMap<u32, i64>,
}

impl Heard {
    /// Notes that something happened on a stream, of which so many hours are remembered; true if that hour is news.
    fn note(&mut self, stream: Stream, hour_ms: i64, hours_max: usize) -> bool {
        let hours = &mut self.hours[stream.index()];
        let is_new = hours.insert(hour_ms);
        if hours.len() > hours_max {
            hours.pop_first();
        }
        is_new
    }

    /// Whether nothing of the stream was missed in `[from_ms, to_ms)`: it was heard before, and since then was never
    /// silent for longer than `quiet_ms`, up to the end.
    fn spans(&self, stream: Stream, from_ms: i64, to_ms: i64, quiet_ms: i64) -> bool {
        let hours = &self.hours[stream.index()];
        let Some(&before_ms) = hours.range(..=hour_of(from_ms)).next_back() else {
            return false;
        };
        let mut heard_ms = before_ms;
        for &hour_ms in hours.range(before_ms + 1..).chain([&to_ms]) {
            if hour_ms.saturating_sub(heard_ms) > quiet_ms.saturating_add(HOUR_MS) {
                return false;
            }
            if hour_ms >= to_ms {
                return true;
            }
            heard_ms = hour_ms;
        }
        true
    }

    /// Whether the stream was heard around `[from_ms, to_ms)`, with no silence longer than `quiet_ms`.
    fn covers(&self, stream: Stream, from_ms: i64, to_ms: i64, quiet_ms: i64) -> bool {
        let hours = &self.hours[stream.index()];
        let (first_ms, last_ms) = (hour_of(from_ms), hour_of(to_ms - 1));
        let Some(&before_ms) = hours.range(..=first_ms).next_back() else {
            return false;
        };
        let mut heard_ms = before_ms;
        for &hour_ms in hours.range(before_ms + 1..) {
            if heard_ms >= last_ms || hour_ms - heard_ms > quiet_ms {
                break;
            }
            heard_ms = hour_ms;
        }
        heard_ms >= last_ms
    }
}

impl Windows {
    /// Whether every message that was submitted in `[from_ms, to_ms)` is known: it is still kept, and submissions
    /// were heard around that time, with no longer silence than one in which nothing may have happened.
    pub(super) fn knows_messages(&self, from_ms: i64, to_ms: i64) -> bool {
        let Some(plan) = &self.clock.plan else {
            return false;
        };
        let rule = |stream: Stream| plan.book.streams.get(&stream);
        let (Some(submits), Some(receipts)) = (rule(Stream::MmsSubmit), rule(Stream::MmsReceipt))
        else {
            return false;
        };
        let watermarks = &self.clock.watermarks;
        let now_ms = watermarks
            .clock(Stream::MmsSubmit)
            .max(watermarks.clock(Stream::MmsReceipt));
        // Before the first message there is no time of any.
        let is_begun = now_ms != i64::MIN;
        let is_kept = from_ms >= now_ms.saturating_sub(receipts.retention_ms);
        is_begun
            && is_kept
            && self
                .heard
                .spans(Stream::MmsSubmit, from_ms, to_ms, submits.quiet_max_ms)
    }
}

/// Hours that one worker has told already, so that it does not tell them with every event.
#[derive(Default)]
pub(super) struct Hearing {
    newest: [Option<i64>; Stream::ALL.len()],
    told: BTreeSet<(Stream, i64)>,
    news: Vec<(Stream, i64)>,
}

impl Hearing {
    /// Notes an event: two comparisons, as long as they come of the same hour.
    pub(super) fn hear(&mut self, stream: Stream, ts_ms: i64) {
        let newest = &mut self.newest[stream.index()];
        if newest.is_some_and(|hour_ms| (hour_ms..hour_ms + HOUR_MS).contains(&ts_ms)) {
            return;
        }
        let hour_ms = hour_of(ts_ms);
        *newest = Some(hour_ms);
        if self.told.insert((stream, hour_ms)) {
            self.news.push((stream, hour_ms));
        }
    }

    /// Hours that are to be told; telling one again does no harm.
    pub(super) fn news(&mut self, hours_max: usize) -> Vec<(Stream, i64)> {
        if self.told.len() > hours_max {
            self.told.clear();
        }
        std::mem::take(&mut self.news)
    }
}

/// The hour that holds an instant, by its start, ms.
pub(super) fn hour_of(ts_ms: i64) -> i64 {
    ts_ms - ts_ms.rem_euclid(HOUR_MS)
}

fn bucket_of(pane_ms: i64, baseline: FamilyBaseline) -> i64 {
    pane_ms - pane_ms.rem_euclid(baseline.bucket_ms)
}

impl FamilyState {
    /// Counts a pane's difference into its bucket.
    pub(super) fn tally(
        &mut self,
        baseline: FamilyBaseline,
        group: &Arc<Group>,
        pane_ms: i64,
        measure: &Measure,
    ) {
        let Some(held) = self.groups.get_mut(group) else {
            return;
        };
        let tallies = &mut Arc::make_mut(held).tallies;
        let bucket_ms = bucket_of(pane_ms, baseline);
        let by_bucket = &mut self.by_bucket;
        let tally = tallies.entry(bucket_ms).or_insert_with(|| {
            by_bucket.entry(bucket_ms).or_default().push(group.clone());
            Tally::default()
        });
        tally.count += measure.count;
        tally.good += measure.good;
        if *tally == Tally::default() {
            tallies.remove(&bucket_ms);
        }
    }

    /// Forgets tallies that no window reads any more that can be told.
    pub(super) fn retire_tallies(&mut self, before_ms: i64) {
        while let Some(first) = self.by_bucket.first_entry() {
            let bucket_ms = *first.key();
            if bucket_ms >= before_ms {
                break;
            }
            for group in first.remove() {
                let Some(held) = self.groups.get_mut(&group) else {
                    continue;
                };
                let held = Arc::make_mut(held);
                held.tallies.remove(&bucket_ms);
                if held.is_empty() {
                    self.groups.remove(&group);
                }
            }
        }
    }

    /// Counts all panes again, by other buckets.
    fn tally_anew(&mut self, baseline: Option<FamilyBaseline>) {
        self.by_bucket.clear();
        let groups: Vec<Arc<Group>> = self.groups.keys().cloned().collect();
        for group in groups {
            let Some(held) = self.groups.get_mut(&group) else {
                continue;
            };
            if !held.tallies.is_empty() {
                Arc::make_mut(held).tallies.clear();
            }
            if held.is_empty() {
                self.groups.remove(&group);
                continue;
            }
            let panes = held.panes.clone();
            if let Some(baseline) = baseline {
                panes.for_each(|pane_ms, measure| {
                    self.tally(baseline, &group, pane_ms, measure);
                });
            }
        }
    }
}

impl Windows {
    /// What the weeks before a window say of a KQI; none for those that do not ask.
    pub(super) fn seasonal(
        &self,
        plan: &Plan,
        family: &Family,
        kqi: &Kqi,
        held: Option<&GroupState>,
        (start_ms, end_ms): (i64, i64),
    ) -> Option<Seasonal> {
        let Aggregate::Surge { weeks, .. } = kqi.aggregate else {
            return None;
        };
        let stream = family.stream;
        let rule = plan.book.streams.get(&stream)?;
        let since_ms = self.heard.since.get(&family.number).copied();
        let judges = kqi.good.is_some() || kqi.good_within.is_some();
        let mut seasonal = Seasonal::default();
        for week in 1..=i64::from(weeks) {
            let (from_ms, to_ms) = (start_ms - week * WEEK_MS, end_ms - week * WEEK_MS);
            let is_known = since_ms.is_none_or(|since_ms| from_ms >= since_ms)
                && self.heard.covers(stream, from_ms, to_ms, rule.quiet_max_ms);
            if !is_known {
                continue;
            }
            seasonal.weeks += 1;
            let tallies = held.map(|held| held.tallies.range(from_ms..to_ms));
            for (_, tally) in tallies.into_iter().flatten() {
                seasonal.counted += if judges { tally.good } else { tally.count };
            }
        }
        Some(seasonal)
    }

    /// Windows of later weeks that a pane is a part of the baseline of become dirty. Those without
    /// facts of their own are not told, and stay so.
    pub(super) fn unsettle_later_weeks(
        family: &Family,
        held: &GroupState,
        pane_ms: i64,
        sealed_ms: i64,
        dirty: &mut Dirty,
    ) {
        for (shape, window) in family.windows.iter().enumerate() {
            for week in 1..=i64::from(window.weeks) {
                let there_ms = pane_ms.saturating_add(week * WEEK_MS);
                if there_ms - window.spec.size_ms >= sealed_ms {
                    break;
                }
                for end_ms in ends_over(window.spec, there_ms).filter(|ms| *ms <= sealed_ms) {
                    if held.has_facts(window, end_ms) {
                        dirty.insert((family.number, shape, end_ms, held.group.clone()));
                    }
                }
            }
        }
    }

    /// Takes in when streams were heard. What is heard so late that sealed windows look back on it
    /// makes them dirty: a week that was not known is known now.
    pub(super) fn hear(
        &mut self,
        plan: &Plan,
        heard: Vec<(Stream, i64)>,
        before: &Watermarks,
        dirty: &mut Dirty,
    ) {
        for (stream, hour_ms) in heard {
            if !self.heard.note(stream, hour_ms, self.limits.heard_hours) {
                continue;
            }
            let sealed_ms = before.of(stream);
            let quiet_ms = plan.book.streams.get(&stream);
            let quiet_ms = quiet_ms.map_or(0, |rule| rule.quiet_max_ms);
            // The silence around it may have reached this far to both sides.
            let first_ms = hour_ms - quiet_ms;
            let last_ms = hour_ms + HOUR_MS + quiet_ms;
            if first_ms.saturating_add(WEEK_MS) >= sealed_ms {
                continue;
            }
            let of_stream = |number: &u32| {
                let family = plan.families.get(number)?;
                (family.stream == stream && family.baseline.is_some()).then_some(family)
            };
            for (number, state) in &self.families {
                let Some(family) = of_stream(number) else {
                    continue;
                };
                for (shape, window) in family.windows.iter().enumerate() {
                    let looks_back = |end_ms: i64| {
                        let start_ms = end_ms - window.spec.size_ms;
                        (1..=i64::from(window.weeks)).any(|week| {
                            start_ms - week * WEEK_MS < last_ms
                                && first_ms < end_ms - week * WEEK_MS
                        })
                    };
                    for (group, held) in &state.groups {
                        let ends = held.panes.starts();
                        let ends = ends.flat_map(|pane_ms| affected_ends(window, pane_ms));
                        for end_ms in ends.filter(|ms| *ms <= sealed_ms && looks_back(*ms)) {
                            dirty.insert((*number, shape, end_ms, group.clone()));
                        }
                    }
                }
            }
        }
    }

    /// Brings the tallies to a new plan. A family that is new, or counts by other buckets, has its past as
    /// far as panes are kept, and knows no week before.
    pub(super) fn rebase(&mut self, plan: &Plan, old: Option<&Plan>) {
        let was = |number: &u32| old.and_then(|old| old.families.get(number)?.baseline);
        let now = |number: &u32| plan.families.get(number).and_then(|family| family.baseline);
        self.heard.since.retain(|number, _| now(number).is_some());
        for (number, family) in &plan.families {
            let Some(baseline) = family.baseline else {
                continue;
            };
            let alike = was(number).is_some_and(|was| {
                was.bucket_ms == baseline.bucket_ms && was.reach_ms >= baseline.reach_ms
            });
            let retired_ms = self.retired[family.stream.index()];
            if !alike && retired_ms > i64::MIN {
                let since_ms = match (was(number), self.heard.since.get(number)) {
                    // It looks back farther now: what is kept already stays.
                    (Some(was), since_ms) if was.bucket_ms == baseline.bucket_ms => {
                        let kept_ms = retired_ms.saturating_sub(was.reach_ms);
                        since_ms.map_or(kept_ms, |since_ms| kept_ms.max(*since_ms))
                    }
                    _ => retired_ms,
                };
                self.heard.since.insert(*number, since_ms);
            }
        }
        for (number, state) in &mut self.families {
            let (was, now) = (was(number), now(number));
            if was.map(|was| was.bucket_ms) != now.map(|now| now.bucket_ms) {
                state.tally_anew(now);
            }
        }
    }
}

impl GroupState {
    /// Whether nothing is kept of it.
    pub(super) fn is_empty(&self) -> bool {
        self.panes.is_empty() && self.tallies.is_empty()
    }

    fn has_facts(&self, window: &FamilyWindow, end_ms: i64) -> bool {
        let before_ms = end_ms - window.spec.size_ms - 1;
        let (_, first_ms) = self.panes.neighbours(before_ms);
        first_ms.is_some_and(|ms| ms < end_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;

    #[test]
    fn three_to_six_at_night_is_chance_and_300_to_420_at_noon_is_not() {
        let after = |weeks: u32, mean: i64, now: i64| {
            let counted = mean * i64::from(weeks);
            Seasonal { weeks, counted }.surge(now).unwrap()
        };
        assert!((after(4, 3, 6) - 1.2297).abs() < 1e-3);
        assert!((after(4, 300, 420) - 5.6741).abs() < 1e-3);
        assert!(
            after(8, 300, 420) > after(1, 300, 420),
            "weeks are evidence"
        );
        assert!(after(4, 300, 300).abs() < 1e-12 && after(4, 300, 200) < -3.0);
        assert!(after(8, 0, 0).abs() < 1e-12 && after(8, 0, 12) > 4.0);
        assert_eq!(Seasonal::default().surge(9), None, "no week is known");
    }

    /// The null distribution: under a Poisson law that does not change, about one window in 740 lies
    /// beyond 3, whatever the rate is. Exact sums over the law, no sampling.
    #[test]
    fn of_windows_without_a_surge_about_one_in_740_is_beyond_three() {
        for rate in [2.0_f64, 10.0, 60.0] {
            let law = |rate: f64| {
                let reach = (rate + 12.0 * rate.sqrt() + 20.0) as i64;
                let mut share = (-rate).exp();
                (0..=reach)
                    .map(|count| {
                        let here = share;
                        share *= rate / (count + 1) as f64;
                        (count, here)
                    })
                    .collect::<Vec<_>>()
            };
            let weeks = 6_u32;
            let beyond: f64 = law(rate * f64::from(weeks))
                .into_iter()
                .map(|(counted, of_past)| {
                    let past = Seasonal { weeks, counted };
                    let now = law(rate).into_iter();
                    let now = now.filter(|(count, _)| past.surge(*count).unwrap() > 3.0);
                    of_past * now.map(|(_, share)| share).sum::<f64>()
                })
                .sum();
            assert!((0.0002..0.003).contains(&beyond), "{rate}: {beyond}");
        }
    }

    #[test]
    fn a_week_is_known_where_the_stream_was_heard_around_it() {
        let mut heard = Heard::default();
        let covers = |heard: &Heard, from: i64, to: i64| {
            heard.covers(Stream::Complaint, from * HOUR_MS, to * HOUR_MS, DAY_MS)
        };
        assert!(!covers(&heard, 0, 1), "before anything was heard");
        for hour in [10, 20, 40, 90, 91] {
            assert!(heard.note(Stream::Complaint, hour * HOUR_MS, 100));
        }
        assert!(!heard.note(Stream::Complaint, 10 * HOUR_MS, 100));
        assert!(covers(&heard, 10, 11) && covers(&heard, 11, 12) && covers(&heard, 12, 40));
        assert!(!covers(&heard, 9, 11), "the first hour is the beginning");
        assert!(
            !covers(&heard, 50, 51) && !covers(&heard, 39, 91),
            "a silence"
        );
        assert!(covers(&heard, 90, 92) && !covers(&heard, 92, 93), "the end");
        assert!(!heard.covers(Stream::DialTest, 0, 1, DAY_MS));
    }
}
