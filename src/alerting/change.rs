//! What windows change about an alert: steps of the life cycle, and differences between two readings
//! of the past.

use serde::{Deserialize, Serialize};

use crate::alerting::{AlertState, Phase, Step, TransitionReason};
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

/// What told windows changed.
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
    /// An episode that was there reads differently.
    Corrected {
        /// As it was.
        was: Episode,
        /// As it is; the number is the same.
        now: Episode,
    },
    /// There is an episode where there was none.
    Appeared(Episode),
    /// An episode never was, or is part of another.
    Vanished {
        /// As it was.
        was: Episode,
        /// The episode that holds its time now.
        within: Option<Episode>,
    },
}

impl Episode {
    /// Whether two readings of the past speak of the same firing: they overlap.
    pub(super) fn is_same(&self, other: &Episode) -> bool {
        let end_ms = |episode: &Episode| episode.resolved_at_ms.unwrap_or(i64::MAX);
        self.since_ms < end_ms(other) && other.since_ms < end_ms(self)
    }
}

/// One reading of the past: the episodes, and where the alert stands.
#[derive(Clone, Copy)]
pub(super) struct Past<'a> {
    pub(super) episodes: &'a [Episode],
    pub(super) phase: Phase,
}

/// Tells the differences between two readings of the past, which `reason` made.
pub(super) fn differences(
    before: Past<'_>,
    after: Past<'_>,
    reason: TransitionReason,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let numbered = |episodes: &[Episode], number: u32| {
        let found = episodes.iter().find(|episode| episode.number == number);
        found.copied()
    };
    for was in before.episodes.iter().copied() {
        match numbered(after.episodes, was.number) {
            Some(now) if now == was => {}
            Some(now) => changes.push(Change::Corrected { was, now }),
            None => {
                let within = after.episodes.iter().find(|now| now.is_same(&was));
                let within = within.copied();
                changes.push(Change::Vanished { was, within });
            }
        }
    }
    for now in after.episodes {
        if numbered(before.episodes, now.number).is_none() {
            changes.push(Change::Appeared(*now));
        }
    }
    changes.extend(pending(before.phase, after.phase, reason));
    changes
}

/// What became of a pending alert, where no episode tells it.
fn pending(before: Phase, after: Phase, reason: TransitionReason) -> Option<Change> {
    let waits = |phase: Phase| match phase {
        Phase::Pending {
            since_ms, severity, ..
        } => Some((since_ms, severity)),
        _ => None,
    };
    let fires = |phase: Phase| matches!(phase, Phase::Firing { .. });
    let (state, (at_ms, severity)) = match (waits(before), waits(after)) {
        (None, Some(now)) if !fires(before) => (AlertState::Pending, now),
        (Some(was), None) if !fires(after) => (AlertState::Resolved, was),
        _ => return None,
    };
    Some(Change::Moved {
        at_ms,
        step: Step {
            state,
            severity,
            reason,
        },
        episode: None,
    })
}
