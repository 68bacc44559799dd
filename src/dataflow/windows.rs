//! The windows operator: panes in, windows out — sealed once, corrected as often as needed.
//!
//! Panes are kept by group; a window is the sum of its panes, computed when it is sealed, corrected
//! or asked for. Nothing is copied into overlapping windows.
//!
//! Invariants:
//! * a window is told as sealed exactly once, in the first epoch whose watermark passes its end;
//! * a told window equals the sum of the kept panes at the end of the epoch that told it last;
//! * a pane that is zero, or older than the horizon, is not kept; retirement tells nothing;
//! * a window that has lost a pane to retirement is not told any more: what was told last stands.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::dataflow::admit::consolidated;
use crate::dataflow::ahead::{FAR_PANES, TOGETHER, read_ahead, share_all};
use crate::dataflow::baseline::Tallies;
use crate::dataflow::control::{Clockwork, Control, full_before, horizon};
use crate::dataflow::evaluate::Surroundings;
use crate::dataflow::heard::Heard;
use crate::dataflow::key::{Group, GroupPane};
use crate::dataflow::panes::Panes;
use crate::dataflow::state::SharedState;
use crate::dataflow::update::{Standing, WindowUpdate};
use crate::dataflow::waiting::{affected_ends, open};
use crate::dataflow::{Counters, Limits, Watermarks};
use crate::event::Stream;
use crate::measure::{Measure, Total};
use crate::rules::{Family, Plan};

/// Panes of one group of one family. Shared with a checkpoint while that is being written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GroupState {
    pub(super) group: Arc<Group>,
    pub(super) panes: Panes,
    /// Coarse counts that outlive the panes, where the family has a baseline.
    pub(super) tallies: Tallies,
}

/// Panes and open windows of one family.
pub(super) struct FamilyState {
    pub(super) groups: FxHashMap<Arc<Group>, Arc<GroupState>>,
    pub(super) by_pane: BTreeMap<i64, Vec<Arc<Group>>>,
    /// Groups by the start of their tallies.
    pub(super) by_bucket: BTreeMap<i64, Vec<Arc<Group>>>,
    /// For each window shape, groups by the end of windows that wait for the watermark.
    pub(super) waiting: Vec<BTreeMap<i64, Vec<Arc<Group>>>>,
    /// Panes that start before this have been packed, ms.
    packed_ms: i64,
}

impl Default for FamilyState {
    fn default() -> FamilyState {
        FamilyState {
            groups: FxHashMap::default(),
            by_pane: BTreeMap::new(),
            by_bucket: BTreeMap::new(),
            waiting: Vec::new(),
            packed_ms: i64::MIN,
        }
    }
}

impl FamilyState {
    /// Lets every window over a kept pane wait that the watermark has not passed.
    pub(super) fn wait_anew(&mut self, family: &Family, sealed_ms: i64) {
        self.waiting = family.windows.iter().map(|_| BTreeMap::new()).collect();
        for (group, held) in &self.groups {
            for pane_ms in held.panes.starts() {
                for (window, waiting) in family.windows.iter().zip(&mut self.waiting) {
                    for end_ms in affected_ends(window, pane_ms).filter(|ms| *ms > sealed_ms) {
                        let waiting = waiting.entry(end_ms).or_default();
                        if waiting.last() != Some(group) {
                            waiting.push(group.clone());
                        }
                    }
                }
            }
        }
    }
}

/// A window that must be told again: family, shape, end, group.
pub(super) type Dirty = BTreeSet<(u32, usize, i64, Arc<Group>)>;

/// State of the windows operator on one worker.
pub(super) struct Windows {
    pub(super) clock: Clockwork,
    pub(super) families: BTreeMap<u32, FamilyState>,
    pub(super) surroundings: Surroundings,
    pub(super) heard: Heard,
    pub(super) limits: Limits,
    /// By stream, up to where panes have been retired, ms.
    pub(super) retired: [i64; Stream::ALL.len()],
    pub(super) counters: Rc<Counters>,
    pub(super) scratch: (Total, Total),
}

impl Windows {
    pub(super) fn new(limits: Limits, counters: Rc<Counters>) -> Windows {
        let mut surroundings = Surroundings::default();
        surroundings.set_limits(limits);
        Windows {
            clock: Clockwork::new(&limits),
            families: BTreeMap::new(),
            surroundings,
            heard: Heard::default(),
            limits,
            retired: [i64::MIN; Stream::ALL.len()],
            counters,
            scratch: Default::default(),
        }
    }

    /// The operator as a checkpoint had it; what waits follows from the panes.
    pub(super) fn restore(&mut self, shared: SharedState, groups: Vec<(u32, GroupState)>) {
        for (number, held) in groups {
            let state = self.families.entry(number).or_default();
            for pane_ms in held.panes.starts() {
                let of_pane = state.by_pane.entry(pane_ms).or_default();
                of_pane.push(held.group.clone());
            }
            for bucket_ms in held.tallies.keys() {
                let of_bucket = state.by_bucket.entry(*bucket_ms).or_default();
                of_bucket.push(held.group.clone());
            }
            state.groups.insert(held.group.clone(), Arc::new(held));
        }
        self.clock = shared.clock;
        self.surroundings = shared.surroundings;
        self.surroundings.set_limits(self.limits);
        self.heard = shared.heard;
        self.retired = shared.retired;
        let Some(plan) = &self.clock.plan else { return };
        for (number, state) in &mut self.families {
            if let Some(family) = plan.families.get(number) {
                let sealed_ms = self.clock.watermarks.of(family.stream);
                state.wait_anew(family, sealed_ms);
                // Panes come packed from a checkpoint.
                state.packed_ms = full_before(&self.clock.watermarks, family.stream, plan);
            }
        }
    }

    /// What a checkpoint keeps of its groups: shared, so this takes one count a group.
    pub(super) fn state(&self) -> Vec<(u32, Vec<Arc<GroupState>>)> {
        let of_family = |(number, state): (&u32, &FamilyState)| {
            let groups = state.groups.values().map(|group| (group, ()));
            (*number, share_all(groups, |group, ()| group))
        };
        self.families.iter().map(of_family).collect()
    }

    /// What a checkpoint keeps of what all workers know alike.
    pub(super) fn shared(&self) -> SharedState {
        SharedState {
            clock: self.clock.clone(),
            surroundings: self.surroundings.clone(),
            heard: self.heard.clone(),
            retired: self.retired,
        }
    }

    /// The plan in force.
    pub(super) fn plan(&self) -> Option<&Arc<Plan>> {
        self.clock.plan.as_ref()
    }

    /// Event time.
    pub(super) fn watermarks(&self) -> &Watermarks {
        &self.clock.watermarks
    }

    /// Takes one epoch's panes and controls; pushes windows that were sealed or changed.
    pub(super) fn epoch(
        &mut self,
        panes: Vec<(GroupPane, Measure)>,
        controls: Vec<Control>,
        output: &mut Vec<WindowUpdate>,
    ) {
        let before = self.clock.watermarks.clone();
        let mut changes = self.clock.advance(controls);
        let Some(plan) = self.clock.plan.clone() else {
            return;
        };
        let mut dirty = Dirty::new();
        if let Some(replaced) = &changes.replaced {
            self.replan(&plan, replaced.as_deref(), &before, &mut dirty);
        }
        let heard = std::mem::take(&mut changes.heard);
        self.hear(&plan, heard, &before, &mut dirty);
        let mut panes = consolidated(panes).into_iter();
        for number in 0.. {
            if number % TOGETHER == 0 {
                let keys = panes.as_slice().iter();
                self.read_ahead(keys.map(|(key, _)| (key.family, &key.group)));
            }
            let Some((key, measure)) = panes.next() else {
                break;
            };
            self.add(&plan, key, measure, &before, &mut dirty);
        }
        self.explain(&plan, changes, &before, &mut dirty);
        self.seal(&plan, output);
        self.pack(&plan);
        for (family, shape, end_ms, group) in dirty {
            let Some(family) = plan.families.get(&family) else {
                continue;
            };
            if end_ms <= before.of(family.stream) && self.is_whole(family, shape, end_ms) {
                let update = self.tell(&plan, family, shape, end_ms, group, Standing::Corrected);
                output.push(update);
            }
        }
        self.retire(&plan);
    }

    /// Adds to a pane; new panes open windows, sealed windows become dirty.
    pub(super) fn add(
        &mut self,
        plan: &Plan,
        key: GroupPane,
        measure: Measure,
        before: &Watermarks,
        dirty: &mut Dirty,
    ) {
        let GroupPane {
            family: number,
            group,
            pane_ms,
        } = key;
        let Some(family) = plan.families.get(&number) else {
            return;
        };
        let state = self.families.entry(number).or_default();
        state
            .waiting
            .resize_with(family.windows.len(), BTreeMap::new);
        let sealed_ms = before.of(family.stream);
        let held = match state.groups.get_mut(&group) {
            Some(held) => held,
            None => {
                let new = Arc::new(GroupState {
                    group: group.clone(),
                    panes: Panes::default(),
                    tallies: Tallies::new(),
                });
                state.groups.entry(group.clone()).or_insert(new)
            }
        };
        let tallied = family.baseline.map(|baseline| (baseline, measure.clone()));
        let panes = &mut Arc::make_mut(held).panes;
        if panes.add(pane_ms, measure) {
            open(
                family,
                panes,
                &group,
                pane_ms,
                sealed_ms,
                &mut state.waiting,
            );
            state
                .by_pane
                .entry(pane_ms)
                .or_default()
                .push(group.clone());
        }
        // Here they are at hand: to look for them when their minute is over is to wait for memory once more.
        if panes.is_unpacked(state.packed_ms) {
            panes.pack(state.packed_ms);
        }
        for (shape, window) in family.windows.iter().enumerate() {
            for end_ms in affected_ends(window, pane_ms).filter(|end_ms| *end_ms <= sealed_ms) {
                dirty.insert((number, shape, end_ms, group.clone()));
            }
        }
        if let Some((baseline, measure)) = tallied {
            Windows::unsettle_later_weeks(family, held, pane_ms, sealed_ms, dirty);
            state.tally(baseline, &group, pane_ms, &measure);
        }
    }

    /// Reads the panes of the next of these groups, where there are many.
    fn read_ahead<'a>(&self, groups: impl Iterator<Item = (u32, &'a Arc<Group>)> + Clone) {
        if self.counters.groups.get() > FAR_PANES as u64 {
            let held = |(family, group)| {
                let held = self
                    .families
                    .get(&family)?
                    .groups
                    .get::<Arc<Group>>(group)?;
                Some(&held.panes)
            };
            read_ahead(groups, |(_, group)| group.hash, held);
        }
    }

    /// Lets the panes be packed that the watermark has passed: those of a group with the next that is added to it.
    fn pack(&mut self, plan: &Plan) {
        for (number, state) in &mut self.families {
            let Some(family) = plan.families.get(number) else {
                continue;
            };
            let before_ms = full_before(&self.clock.watermarks, family.stream, plan);
            if before_ms <= state.packed_ms {
                continue;
            }
            for (_, groups) in state.by_pane.range_mut(state.packed_ms..before_ms) {
                groups.shrink_to_fit();
            }
            state.packed_ms = before_ms;
        }
    }

    /// Whether no pane that the window reads has been retired.
    pub(super) fn is_whole(&self, family: &Family, shape: usize, end_ms: i64) -> bool {
        let window = &family.windows[shape];
        let reach_ms = window.spec.size_ms + window.against_ms.unwrap_or(0);
        end_ms - reach_ms >= self.retired[family.stream.index()]
    }

    pub(super) fn retire(&mut self, plan: &Plan) {
        for stream in Stream::ALL {
            let retired = &mut self.retired[stream.index()];
            *retired = horizon(&self.clock, plan, stream).max(*retired);
        }
        let (mut groups, mut panes) = (0, 0);
        for (number, state) in &mut self.families {
            let Some(family) = plan.families.get(number) else {
                continue;
            };
            let horizon_ms = horizon(&self.clock, plan, family.stream);
            while let Some(first) = state.by_pane.first_entry() {
                let pane_ms = *first.key();
                if pane_ms >= horizon_ms {
                    break;
                }
                for group in first.remove() {
                    let Some(of_group) = state.groups.get_mut(&group) else {
                        continue;
                    };
                    let of_group = Arc::make_mut(of_group);
                    of_group.panes.retire(horizon_ms);
                    if of_group.is_empty() {
                        state.groups.remove(&group);
                    }
                }
            }
            if let Some(baseline) = family.baseline {
                state.retire_tallies(horizon_ms.saturating_sub(baseline.reach_ms));
            }
            groups += state.groups.len() as u64;
            panes += state
                .by_pane
                .values()
                .map(|groups| groups.len() as u64)
                .sum::<u64>();
        }
        self.counters.groups.set(groups);
        self.counters.group_panes.set(panes);
        self.surroundings.count(&self.counters);
    }
}
