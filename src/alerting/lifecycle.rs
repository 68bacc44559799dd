//! The life cycle of one alert: pending → firing → resolved, one window at a time.
//!
//! The semantics are Prometheus' with event time in place of evaluation time: it fires when
//! `t - active_since >= for`, at once for `for = 0`; `keep_firing_for` starts at the first window
//! that is not abnormal and starts again after each abnormal one.
//!
//! Windows that cannot be judged are no evidence, neither of health nor of trouble. Under
//! `missing: hold` a firing alert goes on through them for ever: whoever was told must not be told
//! that all is well. A pending one waits, but they do not count toward `for`, and when a stretch of
//! them gets longer than `for` (or than one hop, where that is more), what was seen before it is too
//! old to be added to: it lapses, and nobody hears of it.

use serde::{Deserialize, Serialize};

use crate::alerting::{AlertState, TransitionReason};
use crate::rules::{AlertRule, Missing, Severity, Verdict};

/// What a window means to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// Abnormal.
    Breach(Severity),
    /// Judged, and normal.
    Clear,
    /// Abnormal during planned work: no reason to go on, and no sign of health either.
    Suppressed,
    /// Nothing to judge.
    Missing,
}

impl Mark {
    /// The mark of a verdict under a rule.
    pub fn of(verdict: Verdict, rule: &AlertRule) -> Mark {
        match (Mark::plain(verdict), rule.severity) {
            (Mark::Breach(_), Some(severity)) => Mark::Breach(severity),
            (mark, _) => mark,
        }
    }

    /// The mark of a verdict that no rule reads.
    pub fn plain(verdict: Verdict) -> Mark {
        match verdict {
            Verdict::Abnormal(severity) => Mark::Breach(severity),
            Verdict::Normal => Mark::Clear,
            Verdict::Suppressed => Mark::Suppressed,
            Verdict::Insufficient | Verdict::NoTraffic | Verdict::SourceSilent => Mark::Missing,
        }
    }
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing is wrong, as far as one can see.
    #[default]
    Quiet,
    /// Abnormal since a window's end, ms.
    Pending {
        /// End of the first abnormal window, ms.
        since_ms: i64,
        /// Worst severity so far.
        severity: Severity,
        /// End of the newest abnormal window, ms.
        seen_ms: i64,
        /// Time between abnormal windows that could not be judged, ms.
        unseen_ms: i64,
    },
    /// Told.
    Firing {
        /// End of the first abnormal window, ms.
        since_ms: i64,
        /// End of the window at which it fired, ms.
        fired_at_ms: i64,
        /// Worst severity so far.
        severity: Severity,
        /// End of the first window of the present calm, ms.
        calm_since_ms: Option<i64>,
    },
}

/// A change that a window made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// State that was reached.
    pub state: AlertState,
    /// Severity.
    pub severity: Severity,
    /// Why.
    pub reason: TransitionReason,
}

/// The rule's part in the life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// See [`AlertRule::for_ms`].
    pub for_ms: i64,
    /// See [`AlertRule::keep_firing_for_ms`].
    pub keep_firing_for_ms: i64,
    /// See [`AlertRule::missing`].
    pub missing: Missing,
    /// Distance of windows, ms.
    pub hop_ms: i64,
}

impl Lifecycle {
    /// The life cycle of a rule whose windows are `hop_ms` apart.
    pub fn of(rule: &AlertRule, hop_ms: i64) -> Lifecycle {
        Lifecycle {
            for_ms: rule.for_ms,
            keep_firing_for_ms: rule.keep_firing_for_ms,
            missing: rule.missing,
            hop_ms,
        }
    }

    /// Takes one window, which ends at `at_ms`.
    pub fn step(&self, phase: Phase, at_ms: i64, mark: Mark) -> (Phase, Option<Step>) {
        match mark {
            Mark::Breach(severity) => self.breach(phase, at_ms, severity),
            Mark::Clear | Mark::Suppressed => self.calm(phase, at_ms, TransitionReason::Cleared),
            Mark::Missing => match self.missing {
                Missing::Hold if self.is_too_old(phase, at_ms) => {
                    self.calm(phase, at_ms, TransitionReason::NoData)
                }
                Missing::Hold => (phase, None),
                Missing::Resolve => self.calm(phase, at_ms, TransitionReason::NoData),
            },
        }
    }

    /// Whether a pending alert has seen nothing for longer than it may wait.
    fn is_too_old(&self, phase: Phase, at_ms: i64) -> bool {
        matches!(phase, Phase::Pending { seen_ms, .. }
            if at_ms - seen_ms > self.for_ms.max(self.hop_ms))
    }

    fn breach(&self, phase: Phase, at_ms: i64, severity: Severity) -> (Phase, Option<Step>) {
        let (since_ms, worst, unseen_ms) = match phase {
            Phase::Quiet => (at_ms, severity, 0),
            Phase::Pending {
                since_ms,
                severity: worst,
                seen_ms,
                unseen_ms,
            } => {
                // A judged window in between was abnormal too, or it would not be pending any more.
                let gap_ms = at_ms - seen_ms - self.hop_ms;
                (since_ms, worst.max(severity), unseen_ms + gap_ms)
            }
            Phase::Firing {
                since_ms,
                fired_at_ms,
                severity: worst,
                ..
            } => {
                let now_worst = worst.max(severity);
                let phase = Phase::Firing {
                    since_ms,
                    fired_at_ms,
                    severity: now_worst,
                    calm_since_ms: None,
                };
                let step = (now_worst > worst).then_some(Step {
                    state: AlertState::Firing,
                    severity: now_worst,
                    reason: TransitionReason::Escalated,
                });
                return (phase, step);
            }
        };
        if at_ms - since_ms - unseen_ms >= self.for_ms {
            let reason = match phase {
                Phase::Quiet => TransitionReason::Breach,
                _ => TransitionReason::Persisted,
            };
            let phase = Phase::Firing {
                since_ms,
                fired_at_ms: at_ms,
                severity: worst,
                calm_since_ms: None,
            };
            return (
                phase,
                Some(Step {
                    state: AlertState::Firing,
                    severity: worst,
                    reason,
                }),
            );
        }
        let step = (phase == Phase::Quiet).then_some(Step {
            state: AlertState::Pending,
            severity: worst,
            reason: TransitionReason::Breach,
        });
        (
            Phase::Pending {
                since_ms,
                severity: worst,
                seen_ms: at_ms,
                unseen_ms,
            },
            step,
        )
    }

    fn calm(&self, phase: Phase, at_ms: i64, reason: TransitionReason) -> (Phase, Option<Step>) {
        match phase {
            Phase::Quiet => (Phase::Quiet, None),
            Phase::Pending { severity, .. } => (
                Phase::Quiet,
                Some(Step {
                    state: AlertState::Resolved,
                    severity,
                    reason,
                }),
            ),
            Phase::Firing {
                since_ms,
                fired_at_ms,
                severity,
                calm_since_ms,
            } => {
                let calm_ms = calm_since_ms.unwrap_or(at_ms);
                if at_ms - calm_ms >= self.keep_firing_for_ms {
                    (
                        Phase::Quiet,
                        Some(Step {
                            state: AlertState::Resolved,
                            severity,
                            reason,
                        }),
                    )
                } else {
                    let calm_since_ms = Some(calm_ms);
                    (
                        Phase::Firing {
                            since_ms,
                            fired_at_ms,
                            severity,
                            calm_since_ms,
                        },
                        None,
                    )
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter a minute: `M`inor, `C`ritical, `.` clear, `?` missing; wants the steps as text.
    #[track_caller]
    fn check(for_min: i64, keep_min: i64, missing: Missing, windows: &str, want: &str) {
        let lifecycle = Lifecycle {
            for_ms: for_min * 60_000,
            keep_firing_for_ms: keep_min * 60_000,
            missing,
            hop_ms: 60_000,
        };
        let mut phase = Phase::Quiet;
        let mut got = Vec::new();
        for (minute, letter) in windows.chars().enumerate() {
            let mark = match letter {
                'M' => Mark::Breach(Severity::Minor),
                'C' => Mark::Breach(Severity::Critical),
                '.' => Mark::Clear,
                _ => Mark::Missing,
            };
            let step;
            (phase, step) = lifecycle.step(phase, minute as i64 * 60_000, mark);
            got.extend(step.map(|step| {
                format!(
                    "{minute}:{}:{}:{:?}",
                    step.state.name(),
                    step.reason.name(),
                    step.severity
                )
            }));
        }
        assert_eq!(got.join(" "), want);
    }

    #[test]
    fn fires_at_once_and_resolves_at_once() {
        check(
            0,
            0,
            Missing::Hold,
            ".MM..M.",
            "1:firing:breach:Minor 3:resolved:cleared:Minor 5:firing:breach:Minor 6:resolved:cleared:Minor",
        );
    }

    #[test]
    fn waits_for_the_time_that_the_rule_wants() {
        check(
            2,
            0,
            Missing::Hold,
            "MM.MMM.",
            "0:pending:breach:Minor 2:resolved:cleared:Minor 3:pending:breach:Minor \
             5:firing:persisted:Minor 6:resolved:cleared:Minor",
        );
    }

    #[test]
    fn keeps_firing_and_a_breach_starts_the_calm_anew() {
        check(
            0,
            2,
            Missing::Hold,
            "M.M...",
            "0:firing:breach:Minor 5:resolved:cleared:Minor",
        );
    }

    #[test]
    fn missing_holds_or_resolves_as_the_rule_says() {
        check(
            0,
            0,
            Missing::Hold,
            "M???.",
            "0:firing:breach:Minor 4:resolved:cleared:Minor",
        );
        check(
            0,
            0,
            Missing::Resolve,
            "M?",
            "0:firing:breach:Minor 1:resolved:no_data:Minor",
        );
        check(0, 0, Missing::Resolve, "??", "");
    }

    #[test]
    fn what_cannot_be_judged_does_not_count_toward_the_time() {
        check(3, 0, Missing::Hold, "M??M", "0:pending:breach:Minor");
        check(
            3,
            0,
            Missing::Hold,
            "M??M?MM",
            "0:pending:breach:Minor 6:firing:persisted:Minor",
        );
        // The same four bad windows as without the gaps.
        check(
            3,
            0,
            Missing::Hold,
            "MMMM",
            "0:pending:breach:Minor 3:firing:persisted:Minor",
        );
    }

    #[test]
    fn a_pending_alert_that_sees_nothing_for_too_long_lapses() {
        check(3, 0, Missing::Hold, "M???M", "0:pending:breach:Minor");
        check(
            3,
            0,
            Missing::Hold,
            "MM????M",
            "0:pending:breach:Minor 5:resolved:no_data:Minor 6:pending:breach:Minor",
        );
        // Two bad windows hours apart are not a trouble that lasts for hours.
        let apart = format!("M{}M", "?".repeat(180));
        check(
            2,
            0,
            Missing::Hold,
            &apart,
            "0:pending:breach:Minor 3:resolved:no_data:Minor 181:pending:breach:Minor",
        );
    }

    #[test]
    fn becomes_more_severe_but_never_less() {
        check(
            0,
            0,
            Missing::Hold,
            "MCMC.",
            "0:firing:breach:Minor 1:firing:escalated:Critical 4:resolved:cleared:Critical",
        );
    }
}
