//! Tells windows: sums their panes, and judges the sums. Those that the watermark has passed are told together: where a
//! group has a short and a long window that end at once, what the short one holds is summed once for both.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dataflow::ahead::{TOGETHER, read_filling};
use crate::dataflow::evaluate::{Summed, evaluate};
use crate::dataflow::key::Group;
use crate::dataflow::update::{Cell, Standing, WindowUpdate};
use crate::dataflow::windows::{FamilyState, GroupState, Windows};
use crate::measure::Total;
use crate::rules::{Aggregate, Family, FamilyWindow, Plan};

/// Groups by the end of a window, and by which of some window shapes.
type Due = BTreeMap<i64, Vec<(usize, Vec<Arc<Group>>)>>;

/// Shapes that are told together at most: as many as a set of them has room for.
const SHAPES: usize = u64::BITS as usize;

/// One window of a group.
#[derive(Clone, Copy)]
struct At<'a> {
    window: &'a FamilyWindow,
    end_ms: i64,
    standing: Standing,
}

impl At<'_> {
    fn start_ms(&self) -> i64 {
        self.end_ms - self.window.spec.size_ms
    }
}

impl Windows {
    /// Tells every window whose end the watermark has passed for the first time.
    pub(super) fn seal(&mut self, plan: &Plan, output: &mut Vec<WindowUpdate>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for (number, family) in &plan.families {
            let watermark_ms = self.clock.watermarks.of(family.stream);
            let shapes = by_size(family);
            for shapes in shapes.chunks(SHAPES) {
                let Some(state) = self.families.get_mut(number) else {
                    break;
                };
                let due = state.take_due(shapes, watermark_ms);
                for (end_ms, of_shapes) in due {
                    let mut told: Vec<Vec<WindowUpdate>> = vec![Vec::new(); shapes.len()];
                    let groups = together(of_shapes);
                    for groups in groups.chunks(TOGETHER) {
                        self.seal_some(
                            plan,
                            family,
                            (shapes, end_ms),
                            groups,
                            &mut scratch,
                            &mut told,
                        );
                    }
                    told.iter_mut().for_each(|told| output.append(told));
                }
            }
        }
        // Their memory is used again.
        self.scratch = scratch;
    }

    /// Tells what ends at one time of at most [`TOGETHER`] groups, by shape.
    fn seal_some(
        &self,
        plan: &Plan,
        family: &Family,
        (shapes, end_ms): (&[usize], i64),
        groups: &[(Arc<Group>, u64)],
        (total, earlier): &mut (Total, Total),
        told: &mut [Vec<WindowUpdate>],
    ) {
        let state = self.families.get(&family.number);
        let mut held: [Option<&GroupState>; TOGETHER] = [None; TOGETHER];
        for (held, (group, _)) in held.iter_mut().zip(groups) {
            let known = state.and_then(|state| state.groups.get(group));
            *held = known.map(|known| &**known);
        }
        read_filling(held.iter().flatten().map(|held| &held.panes));
        for ((group, which), held) in groups.iter().zip(held) {
            total.clear();
            let mut summed_ms = end_ms;
            for (place, shape) in shapes.iter().enumerate() {
                if which & (1 << place) == 0 {
                    continue;
                }
                let at = At {
                    window: &family.windows[*shape],
                    end_ms,
                    standing: Standing::Sealed,
                };
                if let Some(held) = held {
                    let newest = total.newest();
                    held.panes.sum(at.start_ms()..summed_ms, total);
                    total.stays_newest(newest);
                }
                summed_ms = at.start_ms();
                let sums = (&*total, &mut *earlier);
                let update = self.told(plan, family, held, at, group.clone(), sums);
                if update.standing != Standing::Removed {
                    told[place].push(update);
                }
            }
        }
    }

    /// The values of one window now.
    pub(super) fn tell(
        &mut self,
        plan: &Plan,
        family: &Family,
        shape: usize,
        end_ms: i64,
        group: Arc<Group>,
        standing: Standing,
    ) -> WindowUpdate {
        let at = At {
            window: &family.windows[shape],
            end_ms,
            standing,
        };
        let (mut total, mut earlier) = std::mem::take(&mut self.scratch);
        total.clear();
        let state = self.families.get(&family.number);
        let held = state.and_then(|state| state.groups.get(&group));
        let held = held.map(|held| &**held);
        if let Some(held) = held {
            held.panes.sum(at.start_ms()..end_ms, &mut total);
        }
        let update = self.told(plan, family, held, at, group, (&total, &mut earlier));
        self.scratch = (total, earlier);
        update
    }

    /// The values of a window whose panes have been summed; what it is compared with is summed here.
    fn told(
        &self,
        plan: &Plan,
        family: &Family,
        held: Option<&GroupState>,
        at: At<'_>,
        group: Arc<Group>,
        (total, earlier): (&Total, &mut Total),
    ) -> WindowUpdate {
        let (window, start_ms, end_ms) = (at.window, at.start_ms(), at.end_ms);
        let is_sealed = at.standing != Standing::Provisional;
        earlier.clear();
        if let (Some(held), Some(against_ms)) = (held, window.against_ms) {
            let span = start_ms - against_ms..end_ms - against_ms;
            held.panes.sum(span, earlier);
        }
        let summed = Summed {
            group: &group,
            start_ms,
            end_ms,
            total,
            earlier: window.against_ms.is_some().then_some(&*earlier),
            is_heard: self.was_heard(plan, family, window, (end_ms, is_sealed)),
            seasonal: None,
        };
        let cells = window.kqis.iter().filter_map(|index| {
            let kqi = plan.book.kqis.get(*index)?;
            // A window without facts says something only where it is compared with an earlier one.
            let is_change = matches!(kqi.aggregate, Aggregate::Change { .. });
            let compares = is_change && !kqi.compares_means() && earlier.count > 0;
            Some(if total.count > 0 || compares {
                let seasonal = self.seasonal(plan, family, kqi, held, (start_ms, end_ms));
                let summed = Summed { seasonal, ..summed };
                evaluate(*index, kqi, summed, &self.surroundings, &plan.book)
            } else {
                Cell::absent(*index)
            })
        });
        let cells: Vec<Cell> = cells.collect();
        let standing = match cells.iter().all(Cell::is_absent) {
            true => Standing::Removed,
            false => at.standing,
        };
        WindowUpdate {
            group,
            start_ms,
            end_ms,
            count: total.count,
            good: total.good,
            standing,
            cells,
        }
    }
}

impl FamilyState {
    /// The groups whose windows of these shapes the watermark has passed; they wait no more. A shape is told by its place
    /// among them.
    fn take_due(&mut self, shapes: &[usize], watermark_ms: i64) -> Due {
        let mut due = Due::new();
        for (place, shape) in shapes.iter().enumerate() {
            let Some(waiting) = self.waiting.get_mut(*shape) else {
                continue;
            };
            let passed = match watermark_ms.checked_add(1) {
                Some(after_ms) => {
                    let later = waiting.split_off(&after_ms);
                    std::mem::replace(waiting, later)
                }
                None => std::mem::take(waiting),
            };
            for (end_ms, groups) in passed {
                due.entry(end_ms).or_default().push((place, groups));
            }
        }
        due
    }
}

/// The shapes of a family, the shortest first.
fn by_size(family: &Family) -> Vec<usize> {
    let mut shapes: Vec<usize> = (0..family.windows.len()).collect();
    shapes.sort_by_key(|shape| family.windows[*shape].spec.size_ms);
    shapes
}

/// Groups by label, each once, with the set of the shapes that it is listed for.
///
/// Labels lie far apart: what of them tells most groups apart is read once and lies beside the group.
fn together(of_shapes: Vec<(usize, Vec<Arc<Group>>)>) -> Vec<(Arc<Group>, u64)> {
    let lists = of_shapes.iter().map(|(_, groups)| groups);
    let mut labels = lists.flatten().map(|group| group.label.as_bytes());
    let first = labels.next().unwrap_or_default();
    let common = labels.fold(first.len(), |common, label| {
        let pairs = first[..common].iter().zip(label);
        pairs.take_while(|(a, b)| a == b).count()
    });
    let head = |group: &Group| {
        let rest = &group.label.as_bytes()[common..];
        let mut head = [0; size_of::<u128>()];
        let length = rest.len().min(head.len());
        head[..length].copy_from_slice(&rest[..length]);
        u128::from_be_bytes(head)
    };
    let mut all = Vec::with_capacity(of_shapes.iter().map(|(_, groups)| groups.len()).sum());
    for (place, groups) in of_shapes {
        let of_shape = groups.into_iter();
        all.extend(of_shape.map(|group| (head(&group), group, 1_u64 << place)));
    }
    all.sort_unstable_by(|(head, a, _), (other, b, _)| {
        // Equal ones are mostly one, and need not be read.
        let by_label = || match Arc::ptr_eq(a, b) {
            true => Ordering::Equal,
            false => a.cmp(b),
        };
        head.cmp(other).then_with(by_label)
    });
    all.dedup_by(|(head, group, set), (kept, same, sets)| {
        let is_same = head == kept && group == same;
        if is_same {
            *sets |= *set;
        }
        is_same
    });
    let groups = all.into_iter();
    groups.map(|(_, group, set)| (group, set)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_told_once_with_all_their_shapes() {
        let group = |name: &str| Arc::new(Group::new(vec![("city".into(), name.into())]));
        let (a, b) = (group("a"), group("b"));
        let again = group("a");
        let all = vec![(0, vec![b.clone(), a.clone(), again]), (5, vec![a.clone()])];
        assert_eq!(together(all), [(a, 1 | 1 << 5), (b, 1)]);
    }

    #[test]
    fn groups_are_told_in_the_order_of_their_labels() {
        let names = [
            "",
            "a",
            "ab",
            "b",
            "一",
            "a-name-of-more-than-sixteen-bytes-1",
            "a-name-of-more-than-sixteen-bytes-2",
            "a-name-of-more-than-sixteen-bytes",
            "a-name-of-16byte",
            "a-name-of-16byt",
        ];
        let group = |name: &&str| Arc::new(Group::new(vec![("city".into(), (*name).into())]));
        // With and without something that all have in common, and one that is all of it.
        for names in [&names[..], &names[5..], &names[8..], &names[1..2], &[]] {
            let told = together(vec![(0, names.iter().map(group).collect())]);
            let told: Vec<&str> = told.iter().map(|(group, _)| &*group.label).collect();
            let mut labels: Vec<String> = names.iter().map(|name| format!("city={name}")).collect();
            labels.sort_unstable();
            assert_eq!(told, labels);
        }
    }
}
