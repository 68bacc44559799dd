//! Which windows wait for the watermark because of a pane.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dataflow::evaluate::ends_over;
use crate::dataflow::key::Group;
use crate::dataflow::panes::Panes;
use crate::rules::{Family, FamilyWindow};

/// Ends of the windows that a pane bears on: those that hold it, and those that are compared with
/// windows that hold it.
pub(super) fn affected_ends(
    window: &FamilyWindow,
    pane_ms: i64,
) -> impl Iterator<Item = i64> + use<> {
    let against = window.against_ms;
    let spec = window.spec;
    ends_over(spec, pane_ms).chain(
        against
            .into_iter()
            .flat_map(move |against_ms| ends_over(spec, pane_ms + against_ms)),
    )
}

/// Lets the windows over a new pane wait for the watermark.
///
/// Windows that hold another pane of the group wait already, so a group that is always busy adds
/// one entry a pane and shape.
pub(super) fn open(
    family: &Family,
    panes: &Panes,
    group: &Arc<Group>,
    pane_ms: i64,
    sealed_ms: i64,
    waiting: &mut [BTreeMap<i64, Vec<Arc<Group>>>],
) {
    let (earlier, later) = panes.neighbours(pane_ms);
    for (window, waiting) in family.windows.iter().zip(waiting) {
        for end_ms in affected_ends(window, pane_ms) {
            let start_ms = end_ms - window.spec.size_ms;
            let waits = window.against_ms.is_none()
                && (earlier.is_some_and(|pane_ms| pane_ms >= start_ms)
                    || later.is_some_and(|pane_ms| pane_ms < end_ms));
            if end_ms > sealed_ms && !waits {
                waiting.entry(end_ms).or_default().push(group.clone());
            }
        }
    }
}
