//! What an alert has seen: the marks of its windows in event-time order, so that a correction can be
//! answered by judging the past again.
//!
//! Invariants:
//! * `phase` and `episodes` are the fold of the life cycle over all windows up to `through_ms`,
//!   whatever order they were told in;
//! * a window that nobody told counts as `empty`;
//! * an episode keeps its number through corrections, so that its incident keeps its identity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alerting::{AlertState, Lifecycle, Mark, Phase, Step, TransitionReason};
use crate::rules::Severity;

/// One firing of an alert, from its first abnormal window to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Counts the firings of one alert, from 1.
    pub number: u32,
    /// End of the first abnormal window, ms.
    pub since_ms: i64,
    /// End of the window at which it fired, ms.
    pub fired_at_ms: i64,
    /// End of the window at which it ended, ms; `None` while it fires.
    pub resolved_at_ms: Option<i64>,
    /// Worst severity.
    pub severity: Severity,
}

/// What a told window changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The life cycle moved on, at the window that ends at `at_ms`.
    Moved {
        /// End of the window, ms.
        at_ms: i64,
        /// The step.
        step: Step,
        /// The episode that it concerns; none while pending.
        episode: Option<Episode>,
    },
    /// The past reads differently.
    Corrected {
        /// What had been told.
        was: Option<Episode>,
        /// What is true now.
        now: Option<Episode>,
    },
}

/// How windows become an alert, for one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Life cycle of the rule.
    pub lifecycle: Lifecycle,
    /// Distance of windows, ms.
    pub hop_ms: i64,
    /// What a window that nobody told means: nothing to judge, or a count of zero.
    pub empty: Mark,
}

/// The windows of one alert on one object.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Runs of told windows, first and last end, ms; clear unless marked otherwise.
    told: Vec<(i64, i64)>,
    /// Told windows that are not clear.
    marks: BTreeMap<i64, Mark>,
    phase: Phase,
    /// End of the newest window that has been judged, ms.
    through_ms: Option<i64>,
    episodes: Vec<Episode>,
    episodes_total: u32,
}

impl Timeline {
    /// Where the alert stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The firings that are remembered, oldest first.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// A window's first mark, or a new one, or (`None`) nothing is left in it.
    pub fn tell(&mut self, reading: &Reading, at_ms: i64, mark: Option<Mark>) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.through_ms.is_none_or(|through_ms| at_ms > through_ms) {
            self.pass(reading, at_ms - reading.hop_ms, &mut changes);
            self.set(reading.hop_ms, at_ms, mark);
            self.judge(reading, at_ms, mark.unwrap_or(reading.empty), &mut changes);
            self.through_ms = Some(at_ms);
        } else if self.set(reading.hop_ms, at_ms, mark) {
            self.refold(reading, &mut changes);
        }
        changes
    }

    /// Event time has passed every window that ends at or before `at_ms`.
    pub fn pass_to(&mut self, reading: &Reading, at_ms: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        self.pass(reading, at_ms, &mut changes);
        changes
    }

    /// The rule reads windows differently from now on: judges everything again.
    pub fn rejudge(&mut self, reading: &Reading) -> Vec<Change> {
        let mut changes = Vec::new();
        self.refold(reading, &mut changes);
        changes
    }

    /// Forgets windows that end at or before `horizon_ms`, except those of what still goes on.
    pub fn forget(&mut self, horizon_ms: i64) {
        let keep_ms = match self.phase {
            Phase::Quiet => horizon_ms,
            Phase::Pending { since_ms, .. } | Phase::Firing { since_ms, .. } => {
                horizon_ms.min(since_ms - 1)
            }
        };
        self.marks = self.marks.split_off(&(keep_ms.saturating_add(1)));
        self.told.retain(|(_, last_ms)| *last_ms > keep_ms);
        self.episodes
            .retain(|episode| episode.resolved_at_ms.is_none_or(|ms| ms > keep_ms));
    }

    /// True when nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty() && self.phase == Phase::Quiet && self.episodes.is_empty()
    }

    /// Judges the empty windows up to `at_ms`.
    fn pass(&mut self, reading: &Reading, at_ms: i64, changes: &mut Vec<Change>) {
        let Some(through_ms) = self.through_ms else {
            return;
        };
        let mut next_ms = through_ms + reading.hop_ms;
        // Empty windows do nothing to an alert that is quiet, so long gaps cost nothing.
        while next_ms <= at_ms && self.phase != Phase::Quiet {
            let before = self.phase;
            self.judge(reading, next_ms, reading.empty, changes);
            self.through_ms = Some(next_ms);
            next_ms += reading.hop_ms;
            if self.phase == before && reading.holds_for_ever() {
                break;
            }
        }
        let behind_ms = (at_ms - through_ms).rem_euclid(reading.hop_ms);
        if at_ms - behind_ms > through_ms {
            self.through_ms = Some(at_ms - behind_ms);
        }
    }

    fn judge(&mut self, reading: &Reading, at_ms: i64, mark: Mark, changes: &mut Vec<Change>) {
        let (phase, step) = reading.lifecycle.step(self.phase, at_ms, mark);
        let was_firing = matches!(self.phase, Phase::Firing { .. });
        self.phase = phase;
        let mut episode = None;
        if let Phase::Firing {
            since_ms,
            fired_at_ms,
            severity,
            ..
        } = phase
        {
            if was_firing {
                if let Some(last) = self.episodes.last_mut() {
                    last.severity = severity;
                }
            } else {
                self.episodes_total += 1;
                let number = self.episodes_total;
                let resolved_at_ms = None;
                self.episodes.push(Episode {
                    number,
                    since_ms,
                    fired_at_ms,
                    resolved_at_ms,
                    severity,
                });
            }
            episode = self.episodes.last().copied();
        } else if was_firing && let Some(last) = self.episodes.last_mut() {
            last.resolved_at_ms = Some(at_ms);
            episode = Some(*last);
        }
        changes.extend(step.map(|step| Change::Moved {
            at_ms,
            step,
            episode,
        }));
    }

    /// Judges everything again and tells how it reads now.
    fn refold(&mut self, reading: &Reading, changes: &mut Vec<Change>) {
        let Some(through_ms) = self.through_ms else {
            return;
        };
        let mut again = Timeline {
            told: std::mem::take(&mut self.told),
            marks: std::mem::take(&mut self.marks),
            ..Timeline::default()
        };
        let mut ignored = Vec::new();
        let runs = again.told.clone();
        for (first_ms, last_ms) in runs {
            again.pass(reading, first_ms - reading.hop_ms, &mut ignored);
            let mut at_ms = first_ms;
            while at_ms <= last_ms {
                let mark = again.marks.get(&at_ms).copied().unwrap_or(Mark::Clear);
                again.judge(reading, at_ms, mark, &mut ignored);
                again.through_ms = Some(at_ms);
                at_ms += reading.hop_ms;
            }
        }
        again.pass(reading, through_ms, &mut ignored);
        again.through_ms = Some(through_ms);
        again.renumber(&self.episodes, self.episodes_total);
        compare(self, &again, changes);
        *self = again;
    }

    /// Gives episodes that were told before their numbers back; where one fell apart, its first
    /// part keeps the number.
    fn renumber(&mut self, told: &[Episode], mut total: u32) {
        let mut told = told.to_vec();
        for episode in &mut self.episodes {
            match told.iter().position(|told| told.is_same(episode)) {
                Some(at) => episode.number = told.remove(at).number,
                None => {
                    total += 1;
                    episode.number = total;
                }
            }
        }
        self.episodes_total = total;
    }

    /// Sets or unsets the mark of a window; tells whether that changed anything.
    fn set(&mut self, hop_ms: i64, at_ms: i64, mark: Option<Mark>) -> bool {
        let run = self
            .told
            .iter()
            .position(|(first, last)| (*first..=*last).contains(&at_ms));
        let before = run.map(|_| self.marks.get(&at_ms).copied().unwrap_or(Mark::Clear));
        if before == mark {
            return false;
        }
        match (run, mark) {
            (None, Some(_)) => self.join(hop_ms, at_ms),
            (Some(run), None) => {
                let (first, last) = self.told.remove(run);
                let parts = [(first, at_ms - hop_ms), (at_ms + hop_ms, last)];
                let parts = parts.into_iter().filter(|(first, last)| first <= last);
                self.told.splice(run..run, parts);
            }
            _ => {}
        }
        match mark {
            Some(mark) if mark != Mark::Clear => self.marks.insert(at_ms, mark),
            _ => self.marks.remove(&at_ms),
        };
        true
    }

    /// Adds a window to the runs.
    fn join(&mut self, hop_ms: i64, at_ms: i64) {
        let after = self.told.partition_point(|(first, _)| *first <= at_ms);
        let touches_before = after > 0 && self.told[after - 1].1 + hop_ms == at_ms;
        let touches_after = self
            .told
            .get(after)
            .is_some_and(|(first, _)| at_ms + hop_ms == *first);
        match (touches_before, touches_after) {
            (true, true) => {
                self.told[after - 1].1 = self.told[after].1;
                self.told.remove(after);
            }
            (true, false) => self.told[after - 1].1 = at_ms,
            (false, true) => self.told[after].0 = at_ms,
            (false, false) => self.told.insert(after, (at_ms, at_ms)),
        }
    }
}

impl Reading {
    /// Whether empty windows never change anything.
    fn holds_for_ever(&self) -> bool {
        self.empty == Mark::Missing && self.lifecycle.missing == crate::rules::Missing::Hold
    }
}

impl Episode {
    /// Whether two readings of the past speak of the same firing: they overlap.
    fn is_same(&self, other: &Episode) -> bool {
        let end_ms = |episode: &Episode| episode.resolved_at_ms.unwrap_or(i64::MAX);
        self.since_ms < end_ms(other) && other.since_ms < end_ms(self)
    }
}

/// Tells the differences between two readings of the past.
fn compare(before: &Timeline, after: &Timeline, changes: &mut Vec<Change>) {
    for was in &before.episodes {
        let now = after.episodes.iter().find(|now| now.number == was.number);
        if now != Some(was) {
            changes.push(Change::Corrected {
                was: Some(*was),
                now: now.copied(),
            });
        }
    }
    for now in &after.episodes {
        if !before.episodes.iter().any(|was| was.number == now.number) {
            changes.push(Change::Corrected {
                was: None,
                now: Some(*now),
            });
        }
    }
    let pending = |timeline: &Timeline| match timeline.phase {
        Phase::Pending { since_ms, severity } => Some((since_ms, severity)),
        _ => None,
    };
    let firing = |timeline: &Timeline| matches!(timeline.phase, Phase::Firing { .. });
    let reason = TransitionReason::Corrected;
    match (pending(before), pending(after)) {
        (None, Some((at_ms, severity))) if !firing(before) => {
            let step = Step {
                state: AlertState::Pending,
                severity,
                reason,
            };
            changes.push(Change::Moved {
                at_ms,
                step,
                episode: None,
            });
        }
        (Some((at_ms, severity)), None) if !firing(after) => {
            let step = Step {
                state: AlertState::Resolved,
                severity,
                reason,
            };
            changes.push(Change::Moved {
                at_ms,
                step,
                episode: None,
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::Missing;

    const HOP: i64 = 60_000;

    fn reading(for_hops: i64, keep_hops: i64, missing: Missing, empty: Mark) -> Reading {
        let (for_ms, keep_firing_for_ms) = (for_hops * HOP, keep_hops * HOP);
        Reading {
            lifecycle: Lifecycle {
                for_ms,
                keep_firing_for_ms,
                missing,
            },
            hop_ms: HOP,
            empty,
        }
    }

    fn mark() -> impl Strategy<Value = Option<Mark>> {
        prop_oneof![
            3 => Just(Some(Mark::Clear)),
            3 => Just(Some(Mark::Breach(Severity::Minor))),
            1 => Just(Some(Mark::Breach(Severity::Critical))),
            1 => Just(Some(Mark::Missing)),
            1 => Just(None),
        ]
    }

    /// The fold written down naively: every window from the first to the last, in order.
    fn naive(
        reading: &Reading,
        windows: &BTreeMap<i64, Mark>,
        through: i64,
    ) -> (Phase, Vec<(i64, i64, Option<i64>)>) {
        let mut phase = Phase::Quiet;
        let mut episodes: Vec<(i64, i64, Option<i64>)> = Vec::new();
        let first = windows.keys().next().copied().unwrap_or(through + 1);
        for index in first..=through {
            let mark = windows.get(&index).copied().unwrap_or(reading.empty);
            let (next, _) = reading.lifecycle.step(phase, index * HOP, mark);
            match (phase, next) {
                (Phase::Firing { .. }, Phase::Firing { .. }) => {}
                (
                    _,
                    Phase::Firing {
                        since_ms,
                        fired_at_ms,
                        ..
                    },
                ) => {
                    episodes.push((since_ms, fired_at_ms, None));
                }
                (Phase::Firing { .. }, _) => {
                    episodes.last_mut().unwrap().2 = Some(index * HOP);
                }
                _ => {}
            }
            phase = next;
        }
        (phase, episodes)
    }

    proptest! {
        #[test]
        fn any_order_of_telling_reads_like_the_naive_fold(
            told in prop::collection::vec((0i64..24, mark()), 1..80),
            for_hops in 0i64..3,
            keep_hops in 0i64..3,
            resolve in any::<bool>(),
            zero in any::<bool>(),
        ) {
            let missing = if resolve { Missing::Resolve } else { Missing::Hold };
            let empty = if zero { Mark::Clear } else { Mark::Missing };
            let reading = reading(for_hops, keep_hops, missing, empty);
            let mut timeline = Timeline::default();
            let mut windows = BTreeMap::new();
            let mut open: BTreeMap<u32, Episode> = BTreeMap::new();
            let mut through = 0;
            for (index, mark) in told {
                through = through.max(index);
                match mark {
                    Some(mark) => windows.insert(index, mark),
                    None => windows.remove(&index),
                };
                for change in timeline.tell(&reading, index * HOP, mark) {
                    // Whoever only listens to changes must know what is true.
                    match change {
                        Change::Moved { episode: Some(episode), .. }
                        | Change::Corrected { now: Some(episode), .. } => {
                            open.insert(episode.number, episode);
                        }
                        Change::Corrected { was: Some(episode), now: None } => {
                            open.remove(&episode.number);
                        }
                        _ => {}
                    }
                }
                let (phase, episodes) = naive(&reading, &windows, through);
                let got: Vec<_> = timeline
                    .episodes()
                    .iter()
                    .map(|e| (e.since_ms, e.fired_at_ms, e.resolved_at_ms))
                    .collect();
                prop_assert_eq!(timeline.phase(), phase);
                prop_assert_eq!(got, episodes);
                let heard: Vec<Episode> = open.values().copied().collect();
                let mut told = timeline.episodes().to_vec();
                told.sort_by_key(|episode| episode.number);
                prop_assert_eq!(heard, told);
            }
        }
    }

    #[test]
    fn a_gap_ends_an_alert_where_zero_is_an_answer() {
        let counting = reading(0, 0, Missing::Hold, Mark::Clear);
        let mut timeline = Timeline::default();
        timeline.tell(&counting, HOP, Some(Mark::Breach(Severity::Major)));
        let changes = timeline.pass_to(&counting, 5 * HOP + 7);
        assert!(matches!(changes[..], [Change::Moved { at_ms, .. }] if at_ms == 2 * HOP));

        let holding = reading(0, 0, Missing::Hold, Mark::Missing);
        let mut timeline = Timeline::default();
        timeline.tell(&holding, HOP, Some(Mark::Breach(Severity::Major)));
        assert_eq!(timeline.pass_to(&holding, 500 * HOP), []);
        assert!(matches!(timeline.phase(), Phase::Firing { .. }));
    }

    #[test]
    fn what_goes_on_is_not_forgotten() {
        let reading = reading(0, 0, Missing::Hold, Mark::Missing);
        let mut timeline = Timeline::default();
        timeline.tell(&reading, HOP, Some(Mark::Clear));
        timeline.tell(&reading, 2 * HOP, Some(Mark::Breach(Severity::Major)));
        timeline.forget(100 * HOP);
        assert_eq!(timeline.episodes().len(), 1);
        timeline.tell(&reading, 3 * HOP, Some(Mark::Clear));
        timeline.forget(100 * HOP);
        assert!(timeline.is_empty());
    }
}
