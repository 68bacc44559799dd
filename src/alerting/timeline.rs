//! What an alert has seen: the marks of its windows in event-time order, so that a correction can be
//! answered by judging the past again.
//!
//! Invariants:
//! * `phase` and `episodes` are the fold of the life cycle over all windows up to `through_ms`,
//!   whatever order they were told in;
//! * a window that nobody told counts as `empty`;
//! * an episode keeps its number through corrections, so that its incident keeps its identity.

use serde::{Deserialize, Serialize};

use crate::alerting::change::{Past, differences};
use crate::alerting::windows::Windows;
use crate::alerting::{Change, Episode, Lifecycle, Mark, Phase, TransitionReason};
use crate::rules::Missing;

/// How windows become an alert, for one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Life cycle of the rule, which knows the distance of windows.
    pub lifecycle: Lifecycle,
    /// What a window that nobody told means: nothing to judge, or a count of zero.
    pub empty: Mark,
}

/// The windows of one alert on one object.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    windows: Windows,
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

    /// Whether a window has been judged already: another mark for it corrects the past.
    pub fn is_past(&self, at_ms: i64) -> bool {
        self.through_ms
            .is_some_and(|through_ms| at_ms <= through_ms)
    }

    /// The first mark of a window that is not past yet; with `None` there is nothing in it.
    pub fn tell(&mut self, reading: &Reading, at_ms: i64, mark: Option<Mark>) -> Vec<Change> {
        let mut changes = Vec::new();
        let hop_ms = reading.lifecycle.hop_ms;
        self.pass(reading, at_ms - hop_ms, &mut changes);
        self.windows.set(hop_ms, at_ms, mark);
        self.judge(reading, at_ms, mark.unwrap_or(reading.empty), &mut changes);
        self.through_ms = Some(at_ms);
        changes
    }

    /// A new mark for a window that is past, or (`None`) nothing is left in it. Tells whether that
    /// is news; if so, the timeline is right again after [`Timeline::reread`], which can wait until
    /// all corrections are in.
    pub fn amend(&mut self, reading: &Reading, at_ms: i64, mark: Option<Mark>) -> bool {
        self.windows.set(reading.lifecycle.hop_ms, at_ms, mark)
    }

    /// Event time has passed every window that ends at or before `at_ms`.
    pub fn pass_to(&mut self, reading: &Reading, at_ms: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        self.pass(reading, at_ms, &mut changes);
        changes
    }

    /// Judges everything again, after corrections or under another rule, and tells how it reads now.
    pub fn reread(&mut self, reading: &Reading, reason: TransitionReason) -> Vec<Change> {
        let Some(through_ms) = self.through_ms else {
            return Vec::new();
        };
        let mut again = Timeline {
            windows: std::mem::take(&mut self.windows),
            ..Timeline::default()
        };
        let mut ignored = Vec::new();
        let hop_ms = reading.lifecycle.hop_ms;
        let runs = again.windows.runs().to_vec();
        for (first_ms, last_ms) in runs {
            again.pass(reading, first_ms - hop_ms, &mut ignored);
            let mut at_ms = first_ms;
            while at_ms <= last_ms {
                let mark = again.windows.mark(at_ms);
                again.judge(reading, at_ms, mark, &mut ignored);
                again.through_ms = Some(at_ms);
                at_ms += hop_ms;
            }
        }
        again.pass(reading, through_ms, &mut ignored);
        again.through_ms = Some(through_ms);
        again.renumber(&self.episodes, self.episodes_total);
        let changes = differences(self.past(), again.past(), reason);
        *self = again;
        changes
    }

    /// Forgets windows that end at or before `horizon_ms`, except those of what still goes on, and of
    /// episodes that are remembered: without their first windows they would read differently.
    pub fn forget(&mut self, reading: &Reading, horizon_ms: i64) {
        self.episodes
            .retain(|episode| episode.resolved_at_ms.is_none_or(|ms| ms > horizon_ms));
        let goes_on = match self.phase {
            Phase::Quiet => None,
            Phase::Pending { since_ms, .. } | Phase::Firing { since_ms, .. } => Some(since_ms),
        };
        let first = self.episodes.first().map(|episode| episode.since_ms);
        let needed_ms = goes_on.into_iter().chain(first).min();
        let keep_ms = needed_ms.map_or(horizon_ms, |ms| horizon_ms.min(ms - 1));
        self.windows.forget(reading.lifecycle.hop_ms, keep_ms);
    }

    /// True when nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.phase == Phase::Quiet && self.episodes.is_empty()
    }

    fn past(&self) -> Past<'_> {
        Past {
            episodes: &self.episodes,
            phase: self.phase,
        }
    }

    /// Judges the empty windows up to `at_ms`.
    fn pass(&mut self, reading: &Reading, at_ms: i64, changes: &mut Vec<Change>) {
        let Some(through_ms) = self.through_ms.filter(|ms| *ms < at_ms) else {
            return;
        };
        let mut next_ms = through_ms + reading.lifecycle.hop_ms;
        // Empty windows do nothing to an alert that is quiet, so long gaps cost nothing.
        while next_ms <= at_ms && self.phase != Phase::Quiet {
            let before = self.phase;
            self.judge(reading, next_ms, reading.empty, changes);
            self.through_ms = Some(next_ms);
            next_ms += reading.lifecycle.hop_ms;
            if self.phase == before && self.holds_for_ever(reading) {
                break;
            }
        }
        let behind_ms = (at_ms - through_ms).rem_euclid(reading.lifecycle.hop_ms);
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

    /// Whether empty windows change nothing from here on, however many.
    fn holds_for_ever(&self, reading: &Reading) -> bool {
        let holds = reading.lifecycle.missing == Missing::Hold;
        let fires = matches!(self.phase, Phase::Firing { .. });
        reading.empty == Mark::Missing && holds && fires
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::collections::BTreeMap;

    use super::*;
    use crate::rules::Severity;

    const HOP: i64 = 60_000;

    fn reading(for_hops: i64, keep_hops: i64, missing: Missing, empty: Mark) -> Reading {
        let (for_ms, keep_firing_for_ms) = (for_hops * HOP, keep_hops * HOP);
        Reading {
            lifecycle: Lifecycle {
                for_ms,
                keep_firing_for_ms,
                missing,
                hop_ms: HOP,
            },
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
            batch in 1usize..6,
        ) {
            let missing = if resolve { Missing::Resolve } else { Missing::Hold };
            let empty = if zero { Mark::Clear } else { Mark::Missing };
            let reading = reading(for_hops, keep_hops, missing, empty);
            let mut timeline = Timeline::default();
            let mut windows = BTreeMap::new();
            let mut open: BTreeMap<u32, Episode> = BTreeMap::new();
            let mut through = 0;
            for batch in told.chunks(batch) {
                // As the engine does: corrections first, all of them, and then what is new.
                let is_past = |index: &i64| timeline.is_past(index * HOP);
                let (past, new): (Vec<_>, Vec<_>) =
                    batch.iter().partition(|(index, _)| is_past(index));
                let mut is_news = false;
                for (index, mark) in past {
                    is_news |= timeline.amend(&reading, index * HOP, mark);
                    note(&mut windows, index, mark);
                }
                let mut changes = Vec::new();
                if is_news {
                    changes = timeline.reread(&reading, TransitionReason::Corrected);
                }
                let mut new: Vec<_> = new.into_iter().collect();
                new.sort_by_key(|(index, _)| *index);
                new.dedup_by_key(|(index, _)| *index);
                for (index, mark) in new {
                    through = through.max(index);
                    changes.extend(timeline.tell(&reading, index * HOP, mark));
                    note(&mut windows, index, mark);
                }
                for change in changes {
                    // Whoever only listens to changes must know what is true.
                    match change {
                        Change::Moved { episode: Some(episode), .. }
                        | Change::Corrected { now: episode, .. }
                        | Change::Appeared(episode) => {
                            open.insert(episode.number, episode);
                        }
                        Change::Vanished { was, .. } => {
                            open.remove(&was.number);
                        }
                        Change::Moved { episode: None, .. } => {}
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

    fn note(windows: &mut BTreeMap<i64, Mark>, index: i64, mark: Option<Mark>) {
        match mark {
            Some(mark) => windows.insert(index, mark),
            None => windows.remove(&index),
        };
    }

    const BAD: Option<Mark> = Some(Mark::Breach(Severity::Major));
    const GOOD: Option<Mark> = Some(Mark::Clear);

    #[test]
    fn two_firings_that_turn_out_to_be_one_are_told_as_such() {
        let reading = reading(0, 0, Missing::Hold, Mark::Missing);
        let mut timeline = Timeline::default();
        for (index, mark) in [(1, BAD), (2, GOOD), (3, BAD)] {
            timeline.tell(&reading, index * HOP, mark);
        }
        assert!(timeline.amend(&reading, 2 * HOP, BAD));
        let changes = timeline.reread(&reading, TransitionReason::Corrected);
        let [
            Change::Corrected { now, .. },
            Change::Vanished { was, within },
        ] = changes[..]
        else {
            panic!("{changes:?}");
        };
        assert_eq!((now.number, now.resolved_at_ms), (1, None));
        assert_eq!((was.number, within), (2, Some(now)));
    }

    #[test]
    fn what_is_remembered_reads_the_same_after_forgetting() {
        let reading = reading(0, 0, Missing::Hold, Mark::Missing);
        let mut timeline = Timeline::default();
        for (index, mark) in [
            (1, GOOD),
            (2, BAD),
            (3, BAD),
            (4, BAD),
            (5, GOOD),
            (6, GOOD),
        ] {
            timeline.tell(&reading, index * HOP, mark);
        }
        timeline.forget(&reading, 3 * HOP);
        assert!(timeline.amend(&reading, 6 * HOP, Some(Mark::Missing)));
        let changes = timeline.reread(&reading, TransitionReason::Corrected);
        assert_eq!(changes, [], "the episode is as it was told");
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
        timeline.forget(&reading, 100 * HOP);
        assert_eq!(timeline.episodes().len(), 1);
        timeline.tell(&reading, 3 * HOP, Some(Mark::Clear));
        timeline.forget(&reading, 100 * HOP);
        assert!(timeline.is_empty());
    }
}
