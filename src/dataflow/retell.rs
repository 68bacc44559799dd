//! What makes sealed windows be told again without new facts: a new rule book, a reading that a rate
//! divides by, an explanation that suppresses.

use crate::dataflow::Watermarks;
use crate::dataflow::control::Changes;
use crate::dataflow::waiting::affected_ends;
use crate::dataflow::windows::{Dirty, Windows};
use crate::rules::{Aggregate, Family, FamilyWindow, Kqi, Plan};

impl Windows {
    /// Brings the state to a new plan: families go, shapes change, changed KQIs are told again.
    pub(super) fn replan(
        &mut self,
        plan: &Plan,
        old: Option<&Plan>,
        before: &Watermarks,
        dirty: &mut Dirty,
    ) {
        if let Some(old) = old {
            self.hand_over(plan, old, before, dirty);
        }
        self.families
            .retain(|number, _| plan.families.contains_key(number));
        self.rebase(plan, old);
        for (number, state) in &mut self.families {
            let Some(family) = plan.families.get(number) else {
                continue;
            };
            let sealed_ms = before.of(family.stream);
            let changed: Vec<bool> = family
                .windows
                .iter()
                .map(|window| is_changed(plan, old, *number, window))
                .collect();
            state.wait_anew(family, sealed_ms);
            for (group, held) in &state.groups {
                for pane_ms in held.panes.starts() {
                    for (shape, window) in family.windows.iter().enumerate() {
                        for end_ms in affected_ends(window, pane_ms) {
                            if end_ms <= sealed_ms && changed[shape] {
                                dirty.insert((*number, shape, end_ms, group.clone()));
                            }
                        }
                    }
                }
            }
        }
    }

    /// A KQI that counts other facts from now on moves to another family. Its windows of before are
    /// told again there: those that the new facts leave empty would stand for ever otherwise.
    pub(super) fn hand_over(
        &self,
        plan: &Plan,
        old: &Plan,
        before: &Watermarks,
        dirty: &mut Dirty,
    ) {
        let moved = |index: usize, from: &Family| {
            let was = &old.book.kqis[index];
            let is_it = |kqi: &Kqi| {
                kqi.id == was.id && kqi.window == was.window && kqi.group_by == was.group_by
            };
            let now = plan.book.kqis.iter().position(is_it)?;
            let (family, shape) = plan.window_of(now)?;
            (family.number != from.number).then_some((family, shape))
        };
        for (number, state) in &self.families {
            let Some(from) = old.families.get(number) else {
                continue;
            };
            for window in &from.windows {
                for (family, shape) in window.kqis.iter().filter_map(|at| moved(*at, from)) {
                    for (group, held) in &state.groups {
                        let ends = held
                            .panes
                            .starts()
                            .flat_map(|pane_ms| affected_ends(window, pane_ms));
                        for end_ms in ends.filter(|end_ms| *end_ms <= before.of(from.stream)) {
                            dirty.insert((family.number, shape, end_ms, group.clone()));
                        }
                    }
                }
            }
        }
    }

    /// Takes in readings and annotations; windows that they bear on become dirty.
    pub(super) fn explain(
        &mut self,
        plan: &Plan,
        changes: Changes,
        before: &Watermarks,
        dirty: &mut Dirty,
    ) {
        if changes.annotations.is_empty() && changes.readings.is_empty() {
            return;
        }
        let covers = |start_ms: i64, end_ms: i64| {
            changes
                .annotations
                .iter()
                .any(|note| note.start_ms < end_ms && start_ms < note.end_ms)
        };
        let rates = |window: &FamilyWindow| {
            window
                .kqis
                .iter()
                .any(|index| match &plan.book.kqis[*index].aggregate {
                    Aggregate::RatePer10k { base, .. } => changes
                        .readings
                        .iter()
                        .any(|reading| *reading.name == **base),
                    _ => false,
                })
        };
        for (number, state) in &self.families {
            let Some(family) = plan.families.get(number) else {
                continue;
            };
            for (shape, window) in family.windows.iter().enumerate() {
                let all = rates(window);
                for (group, held) in &state.groups {
                    for end_ms in held
                        .panes
                        .starts()
                        .flat_map(|pane_ms| affected_ends(window, pane_ms))
                    {
                        let sealed = end_ms <= before.of(family.stream);
                        if sealed && (all || covers(end_ms - window.spec.size_ms, end_ms)) {
                            dirty.insert((*number, shape, end_ms, group.clone()));
                        }
                    }
                }
            }
        }
        changes
            .readings
            .into_iter()
            .for_each(|reading| self.surroundings.read(reading));
        changes
            .annotations
            .into_iter()
            .for_each(|note| self.surroundings.annotate(note));
    }
}

/// Whether some KQI of a window reads differently under the new plan.
fn is_changed(plan: &Plan, old: Option<&Plan>, number: u32, window: &FamilyWindow) -> bool {
    let Some(old) = old else { return true };
    let earlier = old.families.get(&number).and_then(|family| {
        family
            .windows
            .iter()
            .find(|earlier| earlier.spec == window.spec)
    });
    let Some(earlier) = earlier else { return true };
    // What suppresses, and whom: a base or a scope may name a province.
    let same_surroundings = old.book.suppressing_annotations == plan.book.suppressing_annotations
        && old.book.places == plan.book.places;
    // What is silence, and what is no data.
    let quiet_of = |plan: &Plan| {
        let stream = plan.families.get(&number)?.stream;
        let rule = plan.book.streams.get(&stream);
        rule.map(|rule| (rule.quiet_max_ms, rule.unheard_percent_max))
    };
    let same_surroundings = same_surroundings && quiet_of(old) == quiet_of(plan);
    let was = |index: &usize| {
        let kqi = &plan.book.kqis[*index];
        earlier
            .kqis
            .iter()
            .any(|earlier| old.book.kqis[*earlier] == *kqi)
    };
    let alerts = |plan: &Plan, index: usize| {
        let id = &plan.book.kqis[index].id;
        let of_kqi = plan.book.alerts.iter().filter(|rule| rule.kqi == *id);
        of_kqi.cloned().collect::<Vec<_>>()
    };
    let same_alerts = |index: &usize| {
        let earlier = earlier
            .kqis
            .iter()
            .find(|was| old.book.kqis[**was] == plan.book.kqis[*index]);
        earlier.is_some_and(|was| alerts(old, *was) == alerts(plan, *index))
    };
    !(same_surroundings
        && window
            .kqis
            .iter()
            .all(|index| was(index) && same_alerts(index)))
}
