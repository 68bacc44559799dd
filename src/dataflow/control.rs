//! What every operator of every worker is told in every epoch, besides data.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::Limits;
use crate::dataflow::Owner;
use crate::dataflow::Watermarks;
use crate::dataflow::pane_of;
use crate::event::{Annotation, Reading, SourceId, SourceProgress, Stream};
use crate::rules::Plan;

/// Something that concerns all keys.
#[derive(Clone, Debug)]
pub(super) enum Control {
    /// The clock as journaled; exactly one an epoch.
    Tick {
        /// The tick, ms.
        now_ms: i64,
    },
    /// From this epoch on, this plan.
    Plan(Arc<Plan>),
    /// Event time ends with this epoch.
    End,
    /// Hand over the state as of the end of this epoch.
    Checkpoint,
    /// Nobody looks at open windows before the next epoch, which brings no plan.
    HoldBack,
    /// Something decoded from data on one worker and broadcast to all.
    Shared(Shared),
}

/// Decoded facts that every worker must know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Shared {
    /// Progress of a source, and who brought it.
    Source(SourceId, SourceProgress, Owner),
    /// An explanation.
    Annotation(Annotation),
    /// A gauge that rates divide by.
    Reading(Reading),
    /// Something happened on a stream in the hour that starts there, ms.
    Heard(Stream, i64),
}

/// What an epoch's controls come to, for operators that only need plan and time.
#[derive(Clone, Debug, Default)]
pub(super) struct Clockwork {
    /// The plan in force.
    pub plan: Option<Arc<Plan>>,
    /// Progress of event time.
    pub watermarks: Watermarks,
}

/// What an epoch changed besides time.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The plan that was replaced in this epoch: `Some(None)` when there was none before.
    pub replaced: Option<Option<Arc<Plan>>>,
    /// Explanations that came.
    pub annotations: Vec<Annotation>,
    /// Readings that came.
    pub readings: Vec<Reading>,
    /// Hours in which streams were heard.
    pub heard: Vec<(Stream, i64)>,
    /// What shows only in open windows may wait.
    pub holds_back: bool,
}

impl Clockwork {
    /// One that has heard nothing, under bounds.
    pub(super) fn new(limits: &Limits) -> Clockwork {
        let mut clock = Clockwork::default();
        clock.watermarks.set_sources_max(limits.sources_max);
        clock
    }

    /// Applies an epoch's controls.
    pub(super) fn advance(&mut self, controls: Vec<Control>) -> Changes {
        let mut changes = Changes::default();
        let (mut now_ms, mut ended) = (None, false);
        let mut sources = Vec::new();
        for control in controls {
            match control {
                Control::Tick { now_ms: tick } => now_ms = Some(tick),
                Control::Plan(plan) => {
                    // Of several in an epoch nobody has seen but the last: what stands is of the plan before them all.
                    let before = self.plan.replace(plan);
                    changes.replaced.get_or_insert(before);
                }
                Control::End => ended = true,
                Control::HoldBack => changes.holds_back = true,
                // The graph sees to it, when the operators are done with the epoch.
                Control::Checkpoint => {}
                Control::Shared(Shared::Source(id, progress, owner)) => {
                    sources.push((id, owner, progress));
                }
                Control::Shared(Shared::Annotation(annotation)) => {
                    changes.annotations.push(annotation);
                }
                Control::Shared(Shared::Reading(reading)) => changes.readings.push(reading),
                Control::Shared(Shared::Heard(stream, hour_ms)) => {
                    changes.heard.push((stream, hour_ms));
                }
            }
        }
        // Where not all of them have room, which of them do must not depend on which worker was faster.
        sources.sort_by(|(a, of_a, _), (b, of_b, _)| (a, of_a).cmp(&(b, of_b)));
        for (id, owner, progress) in sources {
            self.watermarks.observe(id, progress, owner);
        }
        // Only after every source has been heard, whatever order they came in.
        if let (Some(now_ms), Some(plan)) = (now_ms, &self.plan) {
            self.watermarks.tick(now_ms, &plan.book);
        }
        if ended {
            self.watermarks.end();
        }
        changes
    }
}

/// Panes of a stream that start before this are full: the watermark has passed their end, ms.
pub(super) fn full_before(watermarks: &Watermarks, stream: Stream, plan: &Plan) -> i64 {
    match watermarks.of(stream) {
        // Before the first event, and after the last one of a replay.
        i64::MIN | i64::MAX => i64::MIN,
        watermark_ms => pane_of(watermark_ms, plan.book.pane_ms),
    }
}

/// Start of the oldest pane that is kept of a stream.
pub(super) fn horizon(clock: &Clockwork, plan: &Plan, stream: Stream) -> i64 {
    let retention_ms = plan
        .book
        .streams
        .get(&stream)
        .map_or(0, |rule| rule.retention_ms);
    match clock.watermarks.horizon(stream, retention_ms) {
        i64::MIN => i64::MIN,
        horizon_ms => pane_of(horizon_ms, plan.book.pane_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{MINIMAL, plan};

    #[test]
    fn of_several_plans_in_an_epoch_the_one_before_them_all_is_replaced() {
        let mut clock = Clockwork::default();
        let plans = [plan(MINIMAL), plan(MINIMAL), plan(MINIMAL)];
        let [first, second, third] = plans.each_ref().map(|plan| Control::Plan(plan.clone()));
        assert!(matches!(clock.advance(vec![first]).replaced, Some(None)));
        let replaced = clock.advance(vec![second, third]).replaced.flatten();
        assert!(replaced.is_some_and(|was| Arc::ptr_eq(&was, &plans[0])));
        assert!(clock.plan.is_some_and(|is| Arc::ptr_eq(&is, &plans[2])));
    }
}
