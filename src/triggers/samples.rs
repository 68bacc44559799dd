//! What KQIs of the process average: hand-overs and hours of demands, each as it ended.
//!
//! Invariants:
//! * at most `TriggerLimits::samples_max`; the oldest go first, and are counted;
//! * what became part of a wider trigger was not resolved: its hand-overs count there (`widen`), and its stays until then.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::rules::{ProcessKqi, ProcessMeasure};
use crate::triggers::limits::TriggerLimits;
use crate::triggers::trigger::Outcome;
use crate::triggers::{Trigger, TriggerState};

const HOUR_MS: f64 = 3_600_000.0;

/// What ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Ended {
    /// A trigger, with so many hand-overs and after so long, ms.
    Trigger { hops: u32, lasted_ms: i64 },
    /// Its time in a state, ms.
    Stay { state: TriggerState, lasted_ms: i64 },
}

/// Something that ended, where and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sample {
    at_ms: i64,
    department: String,
    ended: Ended,
}

/// Mean and number of samples by department; by the empty name where there is one value for all.
pub type Means = BTreeMap<String, (f64, u64)>;

/// Samples in the order in which they came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Samples {
    kept: VecDeque<Sample>,
    gone_total: u64,
    /// Of the configuration, and not of a checkpoint.
    #[serde(skip)]
    limits: TriggerLimits,
}

impl Samples {
    /// A trigger leaves its state for `to`, or its department. `department` is the one that had to decide.
    pub(super) fn left(
        &mut self,
        trigger: &Trigger,
        to: TriggerState,
        department: &str,
        at_ms: i64,
    ) {
        // A mend that is taken back before the data have spoken has waited for no proof.
        let is_refuted =
            (trigger.state, to) == (TriggerState::FeedbackGiven, TriggerState::Reopened);
        let stay = stay_of(trigger, at_ms).filter(|_| !is_part(trigger) && !is_refuted);
        if let Some((state, lasted_ms)) = stay {
            self.keep(department, at_ms, Ended::Stay { state, lasted_ms });
        }
    }

    /// A trigger is closed.
    pub(super) fn ended(&mut self, trigger: &Trigger, at_ms: i64) {
        if is_part(trigger) {
            return;
        }
        let ended = Ended::Trigger {
            hops: trigger.hops,
            lasted_ms: trigger.resolution_ms().unwrap_or(0).max(0),
        };
        self.keep(&trigger.owner.department, at_ms, ended);
    }

    fn keep(&mut self, department: &str, at_ms: i64, ended: Ended) {
        self.kept.push_back(Sample {
            at_ms,
            department: department.to_owned(),
            ended,
        });
        self.trim();
    }

    /// Puts bounds in force; what is beyond them goes, the oldest first.
    pub(super) fn set_limits(&mut self, limits: TriggerLimits) {
        self.limits = limits;
        self.trim();
    }

    fn trim(&mut self) {
        while self.kept.len() > self.limits.samples_max {
            self.kept.pop_front();
            self.gone_total += 1;
        }
    }

    /// Forgets what no window reaches any more.
    pub fn forget_before(&mut self, at_ms: i64) {
        while self.kept.front().is_some_and(|sample| sample.at_ms < at_ms) {
            self.kept.pop_front();
        }
    }

    /// What a KQI comes to at an instant. `open` are the triggers that are not final with the departments that have to
    /// decide: a stay that goes on counts as soon as it is longer than the limit, for what nobody ends is the worst; their
    /// hand-overs count as they are.
    pub fn means<'t>(
        &self,
        kqi: &ProcessKqi,
        open: impl Iterator<Item = (&'t Trigger, &'t str)>,
        now_ms: i64,
    ) -> Means {
        let since_ms = now_ms.saturating_sub(kqi.window_ms);
        let mut sums: BTreeMap<&str, (f64, u64)> = BTreeMap::new();
        for (trigger, department) in open {
            let value = match &kqi.measure {
                ProcessMeasure::Stay(name) => {
                    let stay = stay_of(trigger, now_ms).filter(|(state, _)| state.name() == name);
                    let hours = stay.map(|(_, lasted_ms)| lasted_ms as f64 / HOUR_MS);
                    hours.filter(|hours| *hours > kqi.anchors.values[2])
                }
                // What is handed to and fro for ever is never closed: every demand counts, ended or not.
                ProcessMeasure::Hops => Some(f64::from(trigger.hops)),
                ProcessMeasure::Resolution => None,
            };
            if let Some(value) = value {
                let whose = if kqi.by_department { department } else { "" };
                let (sum, count) = sums.entry(whose).or_default();
                *sum += value;
                *count += 1;
            }
        }
        let newest = self.kept.iter().rev();
        for sample in newest.take_while(|sample| sample.at_ms > since_ms) {
            let value = match (&kqi.measure, sample.ended) {
                (ProcessMeasure::Hops, Ended::Trigger { hops, .. }) => f64::from(hops),
                (ProcessMeasure::Resolution, Ended::Trigger { lasted_ms, .. }) => {
                    lasted_ms as f64 / HOUR_MS
                }
                (ProcessMeasure::Stay(name), Ended::Stay { state, lasted_ms })
                    if name == state.name() =>
                {
                    lasted_ms as f64 / HOUR_MS
                }
                _ => continue,
            };
            let whose = match kqi.by_department {
                true => sample.department.as_str(),
                false => "",
            };
            let (sum, count) = sums.entry(whose).or_default();
            *sum += value;
            *count += 1;
        }
        let means = sums
            .into_iter()
            .map(|(whose, (sum, count))| (whose.to_owned(), (sum / count as f64, count)));
        means.collect()
    }

    /// Samples that are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Samples that went because there were too many.
    pub fn gone_total(&self) -> u64 {
        self.gone_total
    }
}

/// Whether it became part of a wider trigger.
fn is_part(trigger: &Trigger) -> bool {
    matches!(trigger.outcome, Some(Outcome::Absorbed { .. }))
}

/// The state that a trigger is in, and for how long; none where nobody had to do anything in it: an analysis that
/// is reviewed by nobody, a feedback of which no effect is awaited.
fn stay_of(trigger: &Trigger, at_ms: i64) -> Option<(TriggerState, i64)> {
    let is_wait = match trigger.state {
        TriggerState::Analysed => trigger.review_required,
        TriggerState::FeedbackGiven => trigger.outcome == Some(Outcome::Mended),
        _ => true,
    };
    let since_ms = trigger.entered_at_ms().max(trigger.owned_since_ms);
    is_wait.then(|| (trigger.state, (at_ms - since_ms).max(0)))
}
