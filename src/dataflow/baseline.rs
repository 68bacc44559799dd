//! What a surge is held against: counts of the same hours in earlier weeks. Panes are too many to be
//! kept for weeks, so families with surge tests keep one small count a hop beside them.
//!
//! Invariants:
//! * a tally is the sum of the panes that it covers, also of those that have been retired;
//! * a week is *known* for a window when the rule was in force or its history kept, and the stream was
//!   heard around that time (`heard.rs`). A week that is not known is neither zero nor anything else;
//! * everything is a function of facts and controls, so every worker knows the same weeks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::evaluate::ends_over;
use crate::dataflow::key::Group;
use crate::dataflow::windows::{Dirty, FamilyState, GroupState, Windows};
use crate::measure::Measure;
use crate::rules::{Aggregate, Family, FamilyBaseline, FamilyWindow, Kqi, Plan, WEEK_MS};

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
}
