//! Answers to readers: windows as they stand between two steps, sealed or still filling.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::dataflow::key::Group;
use crate::dataflow::update::{Standing, WindowUpdate};
use crate::dataflow::waiting::affected_ends;
use crate::dataflow::windows::Windows;
use crate::rules::{Aggregate, Family, Plan};

impl Windows {
    /// Windows of one KQI that overlap `[from_ms, to_ms)`, sealed or not, in canonical order; of one
    /// group when `label` is given.
    pub(super) fn between(
        &mut self,
        kqi: usize,
        from_ms: i64,
        to_ms: i64,
        label: Option<&str>,
    ) -> Vec<WindowUpdate> {
        let Some(plan) = self.clock.plan.clone() else {
            return Vec::new();
        };
        let Some((family, shape)) = plan.window_of(kqi) else {
            return Vec::new();
        };
        let window = &family.windows[shape];
        let mut wanted: BTreeSet<(i64, Arc<Group>)> = BTreeSet::new();
        let Some(state) = self.families.get(&family.number) else {
            return Vec::new();
        };
        for (group, held) in &state.groups {
            if label.is_some_and(|label| group.label != label) {
                continue;
            }
            for end_ms in held
                .panes
                .starts()
                .flat_map(|pane_ms| affected_ends(window, pane_ms))
            {
                if end_ms > from_ms && end_ms - window.spec.size_ms < to_ms {
                    wanted.insert((end_ms, group.clone()));
                }
            }
        }
        self.tell_all(&plan, family, shape, kqi, wanted)
    }

    /// For every group of a KQI its newest sealed window and the one that is filling, where they
    /// have facts.
    pub(super) fn newest(&mut self, kqi: usize) -> Vec<WindowUpdate> {
        let Some(plan) = self.clock.plan.clone() else {
            return Vec::new();
        };
        let Some((family, shape)) = plan.window_of(kqi) else {
            return Vec::new();
        };
        let Some(state) = self.families.get(&family.number) else {
            return Vec::new();
        };
        let window = &family.windows[shape];
        let spec = window.spec;
        // A window that is empty says something where an earlier one that it is compared with is not.
        let compares = matches!(plan.book.kqis[kqi].aggregate, Aggregate::Change { .. });
        let later_ms = window.against_ms.filter(|_| compares);
        let watermark_ms = self.clock.watermarks.of(family.stream);
        let mut wanted: BTreeSet<(i64, Arc<Group>)> = BTreeSet::new();
        for (group, held) in &state.groups {
            let Some(last_ms) = held.panes.last_ms() else {
                continue;
            };
            for after_ms in [Some(0), later_ms].into_iter().flatten() {
                let reach_ms = watermark_ms.min(last_ms + after_ms + spec.size_ms);
                let phase = (reach_ms - spec.offset_ms).rem_euclid(spec.hop_ms);
                wanted.insert((reach_ms - phase, group.clone()));
                wanted.insert((reach_ms - phase + spec.hop_ms, group.clone()));
            }
        }
        self.tell_all(&plan, family, shape, kqi, wanted)
    }

    pub(super) fn tell_all(
        &mut self,
        plan: &Plan,
        family: &Family,
        shape: usize,
        kqi: usize,
        wanted: BTreeSet<(i64, Arc<Group>)>,
    ) -> Vec<WindowUpdate> {
        let sealed_ms = self.clock.watermarks.of(family.stream);
        let tell = |(end_ms, group)| {
            if !self.is_whole(family, shape, end_ms) {
                return None;
            }
            let standing = if end_ms <= sealed_ms {
                Standing::Sealed
            } else {
                Standing::Provisional
            };
            let mut update = self.tell(plan, family, shape, end_ms, group, standing);
            update
                .cells
                .retain(|cell| cell.kqi == kqi && !cell.is_absent());
            (!update.cells.is_empty()).then_some(update)
        };
        wanted.into_iter().filter_map(tell).collect()
    }
}
