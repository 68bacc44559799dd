//! The route operator: which families and groups a tuple's facts belong to.
//!
//! Predicates run here, once per tuple. The operator keeps the tuple panes, so a new rule book is
//! answered from history: routes that go take their facts back, routes that come bring them.
//!
//! Invariant: what has been sent to a family is the sum of the kept panes over its routes, plus what
//! has been retired.

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use differential_dataflow::difference::Abelian;

use crate::dataflow::ahead::{FAR_PANES, TOGETHER, read_ahead, share_all};
use crate::dataflow::control::{Clockwork, Control, full_before, horizon};
use crate::dataflow::key::{Group, GroupPane, Groups, TuplePane};
use crate::dataflow::lists::Lists;
use crate::dataflow::owner::{Holdings, Owner};
use crate::dataflow::panes::Panes;
use crate::dataflow::waits::{Added, Fate, Since, Stated, Waits};
use crate::dataflow::{Counters, Limits};
use crate::event::{Bound, CODE, DimensionValue, INTERNAL, NODE, SOURCE, Stream, Tuple};
use crate::measure::{Measure, Parts};
use crate::rules::{Family, Plan, Predicate};

/// Where a tuple's facts go, and as what.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) family: u32,
    pub(super) group: Arc<Group>,
    good: bool,
    /// What every fact of the tuple counts with, in place of its measured value.
    stand_in: Option<f64>,
    parts: Parts,
}

/// One tuple with its kept panes. Shared with a checkpoint while that is being written.
#[derive(Clone)]
pub(super) struct TupleState {
    pub(super) tuple: Arc<Tuple>,
    pub(super) panes: Panes,
    /// Who brought it first.
    pub(super) owner: Owner,
    /// Follows from the plan and the tuple.
    pub(super) routes: Vec<Route>,
    /// Panes from there on have not gone on.
    waits: Since,
    /// Where [`Lists`] have it by its oldest pane, ms.
    pub(super) listed_ms: i64,
}

impl Route {
    /// What a measure of the tuple is in the family.
    pub(super) fn measure(&self, measure: Measure) -> Measure {
        let measure = match self.stand_in {
            Some(value) => Measure::of(Some(value), measure.count, self.parts),
            None => measure.keeping(self.parts),
        };
        measure.judged(self.good)
    }
}

impl TupleState {
    /// A tuple with panes that has no routes yet.
    pub(super) fn new(tuple: Arc<Tuple>, panes: Panes, owner: Owner) -> TupleState {
        TupleState {
            tuple,
            panes,
            owner,
            routes: Vec::new(),
            waits: Since::NONE,
            listed_ms: i64::MAX,
        }
    }

    /// Sends all of a pane that has waited.
    fn send_pane(&mut self, pane_ms: i64, output: &mut Vec<(GroupPane, Measure, Owner)>) {
        self.waits = Since::behind(pane_ms, self.panes.last_ms());
        let (routes, owner) = (&self.routes, self.owner);
        self.panes.each_within(pane_ms..pane_ms + 1, |measure| {
            send_all(routes, (pane_ms, measure.clone()), owner, output);
        });
    }

    /// Sends all that waits.
    fn send_rest(&mut self, output: &mut Vec<(GroupPane, Measure, Owner)>) {
        let waiting: Vec<i64> = self.panes.starts().collect();
        for pane_ms in waiting {
            if self.waits.has(pane_ms) {
                self.send_pane(pane_ms, output);
            }
        }
        self.waits = Since::NONE;
    }
}

/// State of the route operator on one worker.
pub(super) struct Router {
    pub(super) clock: Clockwork,
    pub(super) tuples: FxHashMap<Arc<Tuple>, Arc<TupleState>>,
    lists: Lists,
    /// By stream, panes that start before this have been packed, ms.
    packed: [i64; Stream::ALL.len()],
    /// Keep tuple panes for later rule books; a replay under one book need not.
    keeps_history: bool,
    /// Who holds how many of the tuples.
    holdings: Holdings,
    /// Where routes lead.
    groups: Groups,
    waits: Waits,
    limits: Limits,
    counters: Rc<Counters>,
}

impl Router {
    pub(super) fn new(
        keeps_history: bool,
        limits: Limits,
        counters: Rc<Counters>,
        stated: Stated,
    ) -> Router {
        Router {
            clock: Clockwork::new(&limits),
            tuples: FxHashMap::default(),
            lists: Lists::default(),
            packed: [i64::MIN; Stream::ALL.len()],
            keeps_history,
            holdings: Holdings::default(),
            groups: Groups::default(),
            waits: Waits::new(stated),
            limits,
            counters,
        }
    }

    /// The operator as a checkpoint had it.
    pub(super) fn restore(&mut self, clock: Clockwork, tuples: Vec<TupleState>) {
        if let Some(plan) = &clock.plan {
            // Panes come packed from a checkpoint.
            self.packed = Stream::ALL.map(|stream| full_before(&clock.watermarks, stream, plan));
        }
        for mut state in tuples {
            self.lists.restore(&mut state);
            if let Some(plan) = &clock.plan {
                state.routes = routes_of(plan, &state.tuple, &mut self.groups, &self.counters);
            }
            self.holdings.take(state.owner);
            self.tuples.insert(state.tuple.clone(), Arc::new(state));
        }
        self.clock = clock;
    }

    /// What a checkpoint keeps of it: shared, so this takes one count a tuple.
    pub(super) fn state(&self) -> Vec<Arc<TupleState>> {
        share_all(
            self.tuples.values().map(|tuple| (tuple, ())),
            |tuple, ()| tuple,
        )
    }

    /// Takes one epoch's facts and controls; pushes what they add to families.
    pub(super) fn epoch(
        &mut self,
        facts: Vec<(TuplePane, Measure, Owner)>,
        controls: Vec<Control>,
        output: &mut Vec<(GroupPane, Measure, Owner)>,
    ) {
        let horizons = self.horizons();
        let changes = self.clock.advance(controls);
        let replaced = changes.replaced.is_some();
        let Some(plan) = self.clock.plan.clone() else {
            return;
        };
        if replaced {
            self.reroute(&plan, output);
        }
        // A replay under one book has no panes here that could wait.
        let may_wait = changes.holds_back && self.keeps_history && !replaced;
        self.waits.epoch(may_wait, &plan, &self.clock.watermarks);
        let mut new = Vec::new();
        let mut facts = facts.into_iter();
        for number in 0.. {
            if number % TOGETHER == 0 && self.tuples.len() > FAR_PANES {
                let tuples = facts.as_slice().iter().map(|((tuple, _), ..)| tuple);
                let held = |tuple| Some(&self.tuples.get::<Arc<Tuple>>(tuple)?.panes);
                read_ahead(tuples, |tuple| tuple.fingerprint(), held);
            }
            let Some(((tuple, pane_ms), mut measure, owner)) = facts.next() else {
                break;
            };
            if pane_ms < horizons[tuple.stream.index()] {
                Counters::add(&self.counters.facts_too_late, measure.count.unsigned_abs());
                continue;
            }
            let state = match self.tuples.get_mut(&tuple) {
                Some(state) => state,
                None => {
                    let (held, max) = (self.tuples.len(), self.limits.tuples_max);
                    let over = match held {
                        _ if held >= max => Some(&self.counters.facts_over_limit),
                        _ if self.holdings.has_share(owner, held, max) => None,
                        _ => Some(&self.counters.facts_over_share),
                    };
                    if let Some(counter) = over {
                        Counters::add(counter, measure.count.unsigned_abs());
                        continue;
                    }
                    self.holdings.take(owner);
                    let mut state = TupleState::new(tuple.clone(), Panes::default(), owner);
                    state.routes = routes_of(&plan, &tuple, &mut self.groups, &self.counters);
                    if self.waits.is_wanted {
                        state.waits = Since::NEW;
                        new.push(tuple.clone());
                    }
                    self.tuples.entry(tuple.clone()).or_insert(Arc::new(state))
                }
            };
            if self.keeps_history {
                let state = Arc::make_mut(state);
                let last_ms = state.panes.last_ms();
                let count = measure.count;
                let change = if self.waits.is_wanted {
                    // What waits is wanted nowhere else.
                    state.panes.add_as(pane_ms, &mut measure, std::mem::take)
                } else {
                    state.panes.add_as(pane_ms, &measure, Measure::clone)
                };
                self.lists.add(state, pane_ms, change);
                // Here they are at hand: to look for them when their minute is over is to wait for memory once more.
                let packed_ms = self.packed[tuple.stream.index()];
                if state.panes.is_unpacked(packed_ms) {
                    state.panes.pack(packed_ms);
                }
                let added = Added {
                    pane_ms,
                    is_new: change.is_new,
                    last_ms,
                    count,
                };
                match self.waits.fate(tuple.stream, &mut state.waits, added) {
                    Fate::Waits => {
                        if change.is_new {
                            self.lists.wait(pane_ms, tuple);
                        }
                        continue;
                    }
                    Fate::Goes if change.is_new && self.waits.is_wanted => {
                        let span = pane_ms..pane_ms + 1;
                        let panes = &state.panes;
                        panes.each_within(span, |of| measure = of.clone());
                    }
                    Fate::Goes => {}
                    Fate::AllGo => {
                        state.send_rest(output);
                        continue;
                    }
                }
            }
            send_all(&state.routes, (pane_ms, measure), owner, output);
        }
        for tuple in new {
            if let Some(state) = self.tuples.get_mut(&tuple) {
                Arc::make_mut(state).waits = Since::NONE;
            }
        }
        self.send_full(output);
        self.retire();
        self.pack(&plan);
        self.counters.tuples.set(self.tuples.len() as u64);
        self.counters.tuple_panes.set(self.lists.panes());
    }

    /// Sends the panes that have waited and are full.
    fn send_full(&mut self, output: &mut Vec<(GroupPane, Measure, Owner)>) {
        for stream in Stream::ALL {
            let Some(due) = self.waits.due(stream) else {
                continue;
            };
            for (pane_ms, tuples) in self.lists.full(stream, due.end) {
                for (number, tuple) in tuples.iter().enumerate() {
                    if number % TOGETHER == 0 && self.tuples.len() > FAR_PANES {
                        let held = |tuple| Some(&self.tuples.get::<Arc<Tuple>>(tuple)?.panes);
                        read_ahead(tuples[number..].iter(), |of| of.fingerprint(), held);
                    }
                    let state = self.tuples.get_mut(tuple);
                    if let Some(state) = state.filter(|state| state.waits.has(pane_ms)) {
                        Arc::make_mut(state).send_pane(pane_ms, output);
                    }
                }
            }
        }
    }

    /// Oldest pane that is still taken, by stream.
    fn horizons(&self) -> [i64; Stream::ALL.len()] {
        Stream::ALL.map(|stream| match &self.clock.plan {
            Some(plan) => horizon(&self.clock, plan, stream),
            None => i64::MIN,
        })
    }

    /// Sends the differences between the routes of the replaced plan and those of the new one.
    fn reroute(&mut self, plan: &Plan, output: &mut Vec<(GroupPane, Measure, Owner)>) {
        // Who brought a tuple first depends on the worker that keeps it, and whose a new group is must not.
        let nobody = Owner::default();
        for (tuple, state) in &mut self.tuples {
            let state = Arc::make_mut(state);
            let routes = routes_of(plan, tuple, &mut self.groups, &self.counters);
            state.panes.for_each(|pane_ms, measure| {
                for gone in state.routes.iter().filter(|route| !routes.contains(route)) {
                    send(gone, (pane_ms, measure.clone()), true, nobody, output);
                }
                for come in routes.iter().filter(|route| !state.routes.contains(route)) {
                    send(come, (pane_ms, measure.clone()), false, nobody, output);
                }
            });
            state.routes = routes;
        }
    }

    /// Lets the panes be packed that the watermark has passed: those of a tuple with the next fact of it.
    fn pack(&mut self, plan: &Plan) {
        for stream in Stream::ALL {
            let before_ms = full_before(&self.clock.watermarks, stream, plan);
            let packed_ms = &mut self.packed[stream.index()];
            *packed_ms = before_ms.max(*packed_ms);
        }
    }

    fn retire(&mut self) {
        let horizons = self.horizons();
        for stream in Stream::ALL {
            let horizon_ms = horizons[stream.index()];
            for (listed_ms, tuple) in self.lists.due(stream, horizon_ms) {
                let Some(state) = self.tuples.get_mut(&tuple) else {
                    continue;
                };
                if state.listed_ms != listed_ms {
                    continue;
                }
                let state = Arc::make_mut(state);
                self.lists.retire(state, horizon_ms);
                if state.panes.is_empty() {
                    self.holdings.give_back(state.owner);
                    self.tuples.remove(&tuple);
                }
            }
        }
    }
}

/// Sends what was added to a tuple's pane wherever it belongs.
fn send_all(
    routes: &[Route],
    (pane_ms, measure): (i64, Measure),
    owner: Owner,
    output: &mut Vec<(GroupPane, Measure, Owner)>,
) {
    if let Some((last, others)) = routes.split_last() {
        for route in others {
            send(route, (pane_ms, measure.clone()), false, owner, output);
        }
        send(last, (pane_ms, measure), false, owner, output);
    }
}

fn send(
    route: &Route,
    (pane_ms, measure): (i64, Measure),
    retract: bool,
    owner: Owner,
    output: &mut Vec<(GroupPane, Measure, Owner)>,
) {
    let mut measure = route.measure(measure);
    if retract {
        measure.negate();
    }
    let key = GroupPane {
        family: route.family,
        group: route.group.clone(),
        pane_ms,
    };
    output.push((key, measure, owner));
}

/// The hash that the facts of a tuple mostly go by: their group's, in the first family that takes them. Its own, if none
/// does.
pub(super) fn home_of(plan: &Plan, tuple: &Tuple) -> u64 {
    // Whatever goes wrong here is counted where the tuple is routed.
    let routes = routes_of(plan, tuple, &mut Groups::default(), &Counters::default());
    let first = routes.first();
    first.map_or_else(|| tuple.fingerprint(), |route| route.group.hash)
}

fn routes_of(plan: &Plan, tuple: &Tuple, groups: &mut Groups, counters: &Counters) -> Vec<Route> {
    let of_stream = plan
        .families
        .values()
        .filter(|family| family.stream == tuple.stream);
    of_stream
        .filter_map(|family| route_of(plan, family, tuple, groups, counters))
        .collect()
}

fn route_of(
    plan: &Plan,
    family: &Family,
    tuple: &Tuple,
    groups: &mut Groups,
    counters: &Counters,
) -> Option<Route> {
    if !holds(family.filter.as_ref(), plan, tuple, counters) {
        return None;
    }
    let good = holds(family.good.as_ref(), plan, tuple, counters)
        && family
            .good_within
            .is_none_or(|limit| tuple.bound.is_within(limit));
    let is_late = |after: f64| !tuple.bound.is_within(after);
    let good = good || family.counted_after.is_some_and(is_late);
    let value = |name: &String| (name.clone(), value_of(plan, tuple, name).to_string());
    let group = groups.share(Group::new(family.group_by.iter().map(value).collect()));
    // A lost answer took as long as anybody would have waited (ETSI TS 102 250-2: beyond the time-out an
    // attempt has failed). One that came late has its own, longer time.
    let is_lost = !good || tuple.bound == Bound::NO_VALUE;
    Some(Route {
        family: family.number,
        group,
        good,
        stand_in: family.timeout.filter(|_| is_lost),
        parts: family.parts,
    })
}

fn holds(predicate: Option<&Predicate>, plan: &Plan, tuple: &Tuple, counters: &Counters) -> bool {
    let Some(predicate) = predicate else {
        return true;
    };
    predicate
        .holds(&mut |name| value_of(plan, tuple, name))
        .unwrap_or_else(|error| {
            Counters::add(&counters.predicate_errors, 1);
            tracing::debug!(%error, "a condition has no answer for a tuple; it counts as false");
            false
        })
}

/// A dimension's value: the tuple's own, or what follows from its city, its source or its node.
pub(super) fn value_of(plan: &Plan, tuple: &Tuple, name: &str) -> DimensionValue {
    let dimensions = &plan.layout.of(tuple.stream).dimensions;
    let own = |name: &str| {
        let at = dimensions.iter().position(|dimension| dimension == name);
        at.and_then(|at| tuple.values.get(at))
    };
    let text = |name: &str| match own(name) {
        Some(DimensionValue::Text(text)) => Some(&**text),
        _ => None,
    };
    match own(name) {
        None if name == INTERNAL => {
            DimensionValue::Flag(plan.book.is_internal(tuple.stream, text(SOURCE)))
        }
        Some(DimensionValue::Null) | None => match (name, tuple.stream) {
            (CODE, Stream::Complaint) => text(NODE).and_then(|node| plan.book.codes.of(node)),
            _ => plan.book.places.find(name, text),
        }
        .map_or(DimensionValue::Null, |text| {
            DimensionValue::Text(text.into())
        }),
        Some(value) => value.clone(),
    }
}
