//! Key cardinality: which groups of a family have windows of their own, and which are folded into the
//! overflow group, whose every dimension is `__other__`.
//!
//! A group belongs to one worker, but the limit belongs to the family. So each worker tells the family's
//! *door*, which is on one worker, which groups are new in an epoch; the door looks at all of them in the
//! order of their labels, and answers with those that are folded. Facts wait for the answer within the
//! epoch.
//!
//! Invariants:
//! * who is folded is a function of the epochs' contents: no worker's share and no thread shows in it;
//! * a group stays what it is for as long as one of its facts may be kept, so that what is taken back is
//!   taken from where it was counted;
//! * a family has at most `groups_max` groups, and one more for all that are folded; before that is reached, groups of an
//!   owner that has its share are folded (`owner`), so that a flood of new ones leaves room for those of others.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::difference::{IsZero, Semigroup};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::dataflow::ahead::{FAR_KEYS, TOGETHER, share_all};
use crate::dataflow::control::{Clockwork, Control, horizon};
use crate::dataflow::epochs::Epoch;
use crate::dataflow::key::{Group, GroupPane};
use crate::dataflow::owner::{Holdings, Owner};
use crate::dataflow::{Counters, Limits};
use crate::measure::Measure;

/// The value of every dimension of the overflow group.
pub const OTHER: &str = "__other__";

/// A group that comes to a family's door, or goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Knock {
    pub(super) family: u32,
    pub(super) group: Arc<Group>,
    /// Whose it is: of those who brought its first facts in one epoch the smallest mark, for order must not show.
    owner: Owner,
    /// Its last fact is no longer kept.
    goes: bool,
}

/// How many groups families fold, by epoch, until the epoch is reported.
pub(super) type Overflow = Rc<RefCell<BTreeMap<Epoch, Vec<(u32, u64)>>>>;

/// A group that is folded from this epoch on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Folded {
    pub(super) family: u32,
    pub(super) group: Arc<Group>,
}

/// What waits on one worker, by epoch, between meeting the groups and the door's answer.
pub(super) type Lobby = Rc<RefCell<BTreeMap<Epoch, Waiting>>>;

/// Facts of an epoch, and the groups that go with its end.
#[derive(Default)]
pub(super) struct Waiting {
    facts: Vec<(GroupPane, Measure)>,
    gone: Vec<(u32, Arc<Group>, Owner)>,
}

/// Groups that have been met, by family, with their newest panes, ms, and whose they are.
pub(super) type Met = Vec<(u32, Vec<(Arc<Group>, i64, Owner)>)>;

/// Groups of a family as one worker knows them.
#[derive(Default)]
struct Known {
    /// The newest pane that a fact of the group was in, and whose it is.
    newest: FxHashMap<Arc<Group>, (i64, Owner)>,
    /// Groups by a pane that was their newest once: where to look when that pane retires.
    by_pane: BTreeMap<i64, Vec<Arc<Group>>>,
}

/// The operator that meets groups, on the worker that they belong to.
pub(super) struct Meeting {
    clock: Clockwork,
    families: BTreeMap<u32, Known>,
    /// Groups that are new in the epoch.
    fresh: FxHashSet<(u32, Arc<Group>)>,
    lobby: Lobby,
}

impl Meeting {
    pub(super) fn new(limits: &Limits, lobby: Lobby) -> Meeting {
        Meeting {
            clock: Clockwork::new(limits),
            families: BTreeMap::new(),
            fresh: FxHashSet::default(),
            lobby,
        }
    }

    /// The operator as a checkpoint had it.
    pub(super) fn restore(&mut self, clock: Clockwork, keys: &[SavedKey]) {
        for key in keys {
            let known = self.families.entry(key.family).or_default();
            let newest = (key.pane_ms, key.owner);
            known.newest.insert(key.group.clone(), newest);
            let of_pane = known.by_pane.entry(key.pane_ms).or_default();
            of_pane.push(key.group.clone());
        }
        self.clock = clock;
    }

    /// What a checkpoint keeps of it.
    pub(super) fn state(&self) -> Met {
        let of_family = |(number, known): (&u32, &Known)| {
            let met = |group, (pane_ms, owner): &(i64, Owner)| (group, *pane_ms, *owner);
            (*number, share_all(known.newest.iter(), met))
        };
        self.families.iter().map(of_family).collect()
    }

    /// Takes one epoch's facts; pushes the groups that come and go.
    pub(super) fn epoch(
        &mut self,
        epoch: Epoch,
        facts: Vec<(GroupPane, Measure, Owner)>,
        controls: Vec<Control>,
        output: &mut Vec<Knock>,
    ) {
        self.clock.advance(controls);
        let facts = net_of(facts);
        if let Some(plan) = self.clock.plan.clone() {
            self.families
                .retain(|number, _| plan.families.contains_key(number));
            for facts in facts.chunks(TOGETHER) {
                self.read_ahead(facts);
                for (key, _, owner) in facts {
                    if plan.families.contains_key(&key.family) {
                        self.meet(key, *owner);
                    }
                }
            }
        }
        for (family, group) in self.fresh.drain() {
            let known = self.families.get(&family);
            let newest = known.and_then(|known| known.newest.get(&group));
            if let Some((_, owner)) = newest.copied() {
                output.push(Knock {
                    family,
                    group,
                    owner,
                    goes: false,
                });
            }
        }
        let facts = facts.into_iter();
        let facts = facts.map(|(key, measure, _)| (key, measure)).collect();
        let gone = self.part();
        output.extend(gone.iter().map(|(family, group, owner)| Knock {
            family: *family,
            group: group.clone(),
            owner: *owner,
            goes: true,
        }));
        let waiting = Waiting { facts, gone };
        self.lobby.borrow_mut().insert(epoch, waiting);
    }

    /// Reads what is known of the groups of these facts, where it lies far.
    fn read_ahead(&self, facts: &[(GroupPane, Measure, Owner)]) {
        let newest_ms = |(key, ..): &(GroupPane, Measure, Owner)| {
            let known = &self.families.get(&key.family)?.newest;
            if known.len() <= FAR_KEYS {
                return None;
            }
            known.get(&key.group).map(|(newest_ms, _)| *newest_ms)
        };
        let seen = facts.iter().filter_map(newest_ms);
        std::hint::black_box(seen.fold(0, |seen, newest_ms| seen ^ newest_ms));
    }

    fn meet(&mut self, key: &GroupPane, owner: Owner) {
        let known = self.families.entry(key.family).or_default();
        if let Some((newest_ms, of)) = known.newest.get_mut(&key.group) {
            *newest_ms = key.pane_ms.max(*newest_ms);
            if owner < *of && self.fresh.contains(&(key.family, key.group.clone())) {
                *of = owner;
            }
            return;
        }
        let newest = (key.pane_ms, owner);
        known.newest.insert(key.group.clone(), newest);
        let of_pane = known.by_pane.entry(key.pane_ms).or_default();
        of_pane.push(key.group.clone());
        // A producer that says `__other__` itself means what the door means.
        if !is_other(&key.group) {
            self.fresh.insert((key.family, key.group.clone()));
        }
    }

    /// Lets go of groups whose newest pane is behind the horizon: no fact of theirs can come or be taken
    /// back any more.
    fn part(&mut self) -> Vec<(u32, Arc<Group>, Owner)> {
        let mut gone = Vec::new();
        let Some(plan) = &self.clock.plan else {
            return gone;
        };
        for (number, known) in &mut self.families {
            let Some(family) = plan.families.get(number) else {
                continue;
            };
            // Tallies outlive panes, and the limit is one for both.
            let reach_ms = family.baseline.map_or(0, |baseline| baseline.reach_ms);
            let horizon_ms = horizon(&self.clock, plan, family.stream).saturating_sub(reach_ms);
            while let Some(first) = known.by_pane.first_entry() {
                if *first.key() >= horizon_ms {
                    break;
                }
                for group in first.remove() {
                    match known.newest.get(&group) {
                        Some((newest_ms, _)) if *newest_ms >= horizon_ms => {
                            known.by_pane.entry(*newest_ms).or_default().push(group);
                        }
                        Some((_, owner)) => {
                            let owner = *owner;
                            known.newest.remove(&group);
                            if !is_other(&group) {
                                gone.push((*number, group, owner));
                            }
                        }
                        None => {}
                    }
                }
            }
        }
        gone
    }
}

/// One family's door.
#[derive(Default)]
pub(super) struct Door {
    /// Groups with windows of their own.
    inside: usize,
    /// Whose those are.
    holdings: Holdings,
    folded: FxHashSet<Arc<Group>>,
}

/// The operator that holds the doors of the families of one worker.
pub(super) struct Doors {
    families: BTreeMap<u32, Door>,
    groups_max: usize,
}

impl Doors {
    pub(super) fn new(limits: Limits) -> Doors {
        Doors {
            families: BTreeMap::new(),
            groups_max: limits.groups_max,
        }
    }

    /// The doors as a checkpoint had them, of the families that are here.
    pub(super) fn restore(&mut self, doors: Vec<(u32, Door)>) {
        self.families.extend(doors);
    }

    /// Judges the groups that came in an epoch, then lets go of those that went.
    pub(super) fn epoch(
        &mut self,
        mut knocks: Vec<Knock>,
        controls: &[Control],
        output: &mut Vec<Folded>,
    ) {
        for control in controls {
            if let Control::Plan(plan) = control {
                self.families
                    .retain(|number, _| plan.families.contains_key(number));
            }
        }
        knocks.sort_unstable_by(|a, b| {
            (a.goes, a.family, &a.group.label).cmp(&(b.goes, b.family, &b.group.label))
        });
        for Knock {
            family,
            group,
            owner,
            goes,
        } in knocks
        {
            let door = self.families.entry(family).or_default();
            if goes {
                if !door.folded.remove(&group) {
                    door.inside = door.inside.saturating_sub(1);
                    door.holdings.give_back(owner);
                }
            } else if door.inside < self.groups_max
                && door.holdings.has_share(owner, door.inside, self.groups_max)
            {
                door.inside += 1;
                door.holdings.take(owner);
            } else {
                door.folded.insert(group.clone());
                output.push(Folded { family, group });
            }
        }
    }

    /// How many groups each family folds now.
    pub(super) fn overflow(&self) -> impl Iterator<Item = (u32, u64)> {
        let folds = |(number, door): (&u32, &Door)| (*number, door.folded.len() as u64);
        self.families
            .iter()
            .map(folds)
            .filter(|(_, count)| *count > 0)
    }
}

/// The operator that lets the facts go on, on the worker that their groups belong to.
pub(super) struct Release {
    folded: BTreeMap<u32, FxHashSet<Arc<Group>>>,
    /// The overflow group of each family that has one.
    others: BTreeMap<u32, Arc<Group>>,
    lobby: Lobby,
    counters: Rc<Counters>,
}

impl Release {
    pub(super) fn new(lobby: Lobby, counters: Rc<Counters>) -> Release {
        Release {
            folded: BTreeMap::new(),
            others: BTreeMap::new(),
            lobby,
            counters,
        }
    }

    /// The operator as a checkpoint had it.
    pub(super) fn restore(&mut self, keys: &[SavedKey]) {
        for key in keys.iter().filter(|key| key.folded) {
            let folded = self.folded.entry(key.family).or_default();
            folded.insert(key.group.clone());
        }
    }

    /// What a checkpoint keeps of it.
    pub(super) fn state(&self) -> BTreeMap<u32, FxHashSet<Arc<Group>>> {
        self.folded.clone()
    }

    /// Takes in who is folded from this epoch on; pushes the epoch's facts.
    pub(super) fn epoch(
        &mut self,
        epoch: Epoch,
        answers: Vec<Folded>,
        controls: &[Control],
        output: &mut Vec<(GroupPane, Measure)>,
    ) {
        for control in controls {
            if let Control::Plan(plan) = control {
                self.folded
                    .retain(|number, _| plan.families.contains_key(number));
                self.others
                    .retain(|number, _| plan.families.contains_key(number));
            }
        }
        for Folded { family, group } in answers {
            self.folded.entry(family).or_default().insert(group);
        }
        let Waiting { facts, gone } = self.lobby.borrow_mut().remove(&epoch).unwrap_or_default();
        if self.folded.is_empty() {
            output.extend(facts);
        } else {
            for (mut key, measure) in facts {
                let folded = self.folded.get(&key.family);
                if folded.is_some_and(|folded| folded.contains(&key.group)) {
                    Counters::add(&self.counters.facts_folded, measure.count.unsigned_abs());
                    let other = self.others.entry(key.family);
                    key.group = other.or_insert_with(|| other_of(&key.group)).clone();
                }
                output.push((key, measure));
            }
        }
        for (family, group, _) in gone {
            if let Some(folded) = self.folded.get_mut(&family) {
                folded.remove(&group);
                if folded.is_empty() {
                    self.folded.remove(&family);
                }
            }
        }
    }
}

/// A group as a checkpoint keeps it.
#[derive(Clone, Debug)]
pub(super) struct SavedKey {
    pub(super) family: u32,
    pub(super) group: Arc<Group>,
    /// Its newest pane, ms.
    pub(super) pane_ms: i64,
    /// Whose it is.
    pub(super) owner: Owner,
    /// It is told as a part of the overflow group.
    pub(super) folded: bool,
}

/// The doors of all families, from the keys of all workers.
pub(super) fn doors_of(keys: &[SavedKey]) -> Vec<(u32, Door)> {
    let mut doors: BTreeMap<u32, Door> = BTreeMap::new();
    for key in keys.iter().filter(|key| !is_other(&key.group)) {
        let door = doors.entry(key.family).or_default();
        if key.folded {
            door.folded.insert(key.group.clone());
        } else {
            door.inside += 1;
            door.holdings.take(key.owner);
        }
    }
    doors.into_iter().collect()
}

/// The worker that holds a family's door.
pub(super) fn door_hash(family: u32) -> u64 {
    u64::from(family)
}

fn other_of(group: &Group) -> Arc<Group> {
    let other = |(name, _): &(String, String)| (name.clone(), OTHER.to_owned());
    Arc::new(Group::new(group.values.iter().map(other).collect()))
}

pub(super) fn is_other(group: &Group) -> bool {
    // A family without dimensions has one group, which is all of it.
    group.values.iter().all(|(_, value)| value == OTHER)
}

/// Sums what an epoch says of a pane, and leaves out what comes to nothing.
///
/// A fact and its retraction may come from different workers; whether they met before they came here
/// must not show. Where nothing is retracted nothing can come to nothing, so the sums can wait.
pub(super) fn consolidated(panes: Vec<(GroupPane, Measure)>) -> Vec<(GroupPane, Measure)> {
    if panes.iter().all(|(_, measure)| measure.count > 0) {
        return panes;
    }
    let mut sums: FxHashMap<GroupPane, Measure> = FxHashMap::default();
    for (key, measure) in panes {
        sums.entry(key).or_default().plus_equals(&measure);
    }
    let something = |(_, measure): &(GroupPane, Measure)| !measure.is_zero();
    sums.into_iter().filter(something).collect()
}

/// [`consolidated`], with the smallest of those who brought what is left of a pane.
fn net_of(facts: Vec<(GroupPane, Measure, Owner)>) -> Vec<(GroupPane, Measure, Owner)> {
    if facts.iter().all(|(_, measure, _)| measure.count > 0) {
        return facts;
    }
    let mut sums: FxHashMap<GroupPane, (Measure, Owner)> = FxHashMap::default();
    for (key, measure, owner) in facts {
        let (sum, of) = sums.entry(key).or_default();
        sum.plus_equals(&measure);
        *of = owner.min(*of);
    }
    let sums = sums.into_iter();
    let sums = sums.map(|(key, (measure, owner))| (key, measure, owner));
    sums.filter(|(_, measure, _)| !measure.is_zero()).collect()
}

#[cfg(test)]
mod tests;
