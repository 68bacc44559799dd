//! What an alert has seen: the marks of its windows in event-time order, so that a correction can be
//! answered by judging the past again.
//!
//! Invariants:
//! * `phase` and `episodes` are the fold of the life cycle over all windows up to `through_ms`,
//!   whatever order they were told in;
//! * a window that nobody told counts as `empty`;
//! * an episode keeps its number through corrections, so that its incident keeps its identity; one
//!   that is withdrawn and comes back has the number that it had.

use serde::{Deserialize, Serialize};

use crate::alerting::change::{Past, differences};
use crate::alerting::windows::Windows;
use crate::alerting::withdrawn::{Withdrawn, WithdrawnRoom};
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
    withdrawn: Withdrawn,
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

    /// Firings that were told of and are none any more, as long as windows of theirs can be
    /// corrected; each with the episode that holds its time now, if one does.
    pub fn withdrawn(&self) -> impl Iterator<Item = (Episode, Option<Episode>)> {
        self.withdrawn.held_by(&self.episodes)
    }

    /// Whether an episode is known by that number, be it withdrawn.
    pub fn knows(&self, number: u32) -> bool {
        let present = self.episodes.iter().copied();
        let mut known = present.chain(self.withdrawn.episodes());
        known.any(|episode| episode.number == number)
    }

    /// Whether a window that ends after an instant was judged, and normal.
    pub fn was_clear_after(&self, reading: &Reading, after_ms: i64) -> bool {
        self.windows.has_clear(reading.lifecycle.hop_ms, after_ms)
    }

    /// Whether a window that ends after an instant was abnormal.
    pub fn was_breached_after(&self, after_ms: i64) -> bool {
        self.windows.has_breach(after_ms)
    }

    /// Whether anything was in a window that ends after an instant, be it enough to judge or not.
    pub fn was_told_after(&self, after_ms: i64) -> bool {
        self.windows.has_any(after_ms)
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

    /// Judges everything again, after corrections or under another rule, and tells how it reads now. As many withdrawn
    /// episodes are remembered as there is room for.
    pub fn reread(
        &mut self,
        reading: &Reading,
        reason: TransitionReason,
        room: &mut WithdrawnRoom,
    ) -> Vec<Change> {
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
        again.withdrawn = std::mem::take(&mut self.withdrawn);
        let total = self.episodes_total;
        again.renumber((&self.episodes, total), through_ms + hop_ms, room);
        let changes = differences(self.past(), again.past(), reason);
        *self = again;
        changes
    }

    /// Forgets windows that end at or before `horizon_ms`, except those of what still goes on, and of
    /// episodes that are remembered: without their first windows they would read differently.
    pub fn forget(&mut self, reading: &Reading, horizon_ms: i64) {
        self.episodes
            .retain(|episode| episode.resolved_at_ms.is_none_or(|ms| ms > horizon_ms));
        self.withdrawn.forget(horizon_ms);
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
        self.windows.is_empty()
            && self.phase == Phase::Quiet
            && self.episodes.is_empty()
            && self.withdrawn.is_empty()
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
                let resolved_at_ms = None;
                let mut episode = Episode {
                    number: 0,
                    since_ms,
                    fired_at_ms,
                    resolved_at_ms,
                    severity,
                };
                // One that had been withdrawn may have waited all the while, and fire now.
                episode.number = self.withdrawn.take_up(&episode).unwrap_or_else(|| {
                    self.episodes_total += 1;
                    self.episodes_total
                });
                self.episodes.push(episode);
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

    /// Gives episodes that were told before their numbers back, also those that had been withdrawn;
    /// where one fell apart, its first part keeps the number. What is none any more is withdrawn;
    /// if it went on, it spans everything up to `until_ms`.
    fn renumber(
        &mut self,
        (told, mut total): (&[Episode], u32),
        until_ms: i64,
        room: &mut WithdrawnRoom,
    ) {
        let mut told = told.to_vec();
        for episode in &mut self.episodes {
            let known = told.iter().position(|told| told.is_same(episode));
            let known = known.map(|at| told.remove(at).number);
            let number = known.or_else(|| self.withdrawn.take_up(episode));
            episode.number = number.unwrap_or_else(|| {
                total += 1;
                total
            });
        }
        self.episodes_total = total;
        for was in told {
            self.withdrawn.put(was, until_ms, room);
        }
    }

    /// Whether empty windows change nothing from here on, however many.
    fn holds_for_ever(&self, reading: &Reading) -> bool {
        let holds = reading.lifecycle.missing == Missing::Hold;
        let fires = matches!(self.phase, Phase::Firing { .. });
        reading.empty == Mark::Missing && holds && fires
    }
}

#[cfg(test)]
mod tests;
