//! The route operator: which families and groups a tuple's facts belong to.
//!
//! Predicates run here, once per tuple. The operator keeps the tuple panes, so a new rule book is
//! answered from history: routes that go take their facts back, routes that come bring them.
//!
//! Invariant: what has been sent to a family is the sum of the kept panes over its routes, plus what
//! has been retired.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use differential_dataflow::difference::Abelian;

use crate::dataflow::ahead::{FAR_KEYS, TOGETHER, read_ahead, share_all};
use crate::dataflow::control::{Clockwork, Control};
use crate::dataflow::key::{Group, GroupPane, TuplePane};
use crate::dataflow::owner::{Holdings, Owner};
use crate::dataflow::panes::Panes;
use crate::dataflow::{Counters, Limits, Watermarks, pane_of};
use crate::event::{Bound, CODE, DimensionValue, NODE, Stream, Tuple};
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
        }
    }
}

/// State of the route operator on one worker.
pub(super) struct Router {
    pub(super) clock: Clockwork,
    pub(super) tuples: FxHashMap<Arc<Tuple>, Arc<TupleState>>,
    by_pane: BTreeMap<(Stream, i64), Vec<Arc<Tuple>>>,
    /// By stream, panes that start before this have been packed, ms.
    packed: [i64; Stream::ALL.len()],
    /// Keep tuple panes for later rule books; a replay under one book need not.
    keeps_history: bool,
    /// Who holds how many of the tuples.
    holdings: Holdings,
    limits: Limits,
    counters: Rc<Counters>,
}

impl Router {
    pub(super) fn new(keeps_history: bool, limits: Limits, counters: Rc<Counters>) -> Router {
        Router {
            clock: Clockwork::new(&limits),
            tuples: FxHashMap::default(),
            by_pane: BTreeMap::new(),
            packed: [i64::MIN; Stream::ALL.len()],
            keeps_history,
            holdings: Holdings::default(),
            limits,
            counters,
        }
    }

    /// The operator as a checkpoint had it.
    pub(super) fn restore(&mut self, clock: Clockwork, tuples: Vec<TupleState>) {
        for mut state in tuples {
            let stream = state.tuple.stream;
            for pane_ms in state.panes.starts() {
                let of_pane = self.by_pane.entry((stream, pane_ms)).or_default();
                of_pane.push(state.tuple.clone());
            }
            if let Some(plan) = &clock.plan {
                state.routes = routes_of(plan, &state.tuple, &self.counters);
            }
            self.holdings.take(state.owner);
            self.tuples.insert(state.tuple.clone(), Arc::new(state));
        }
        if let Some(plan) = &clock.plan {
            // Panes come packed from a checkpoint.
            self.packed = Stream::ALL.map(|stream| full_before(&clock.watermarks, stream, plan));
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
        let replaced = self.clock.advance(controls).replaced.is_some();
        let Some(plan) = self.clock.plan.clone() else {
            return;
        };
        if replaced {
            self.reroute(&plan, output);
        }
        let mut facts = facts.into_iter();
        for number in 0.. {
            if number % TOGETHER == 0 && self.tuples.len() > FAR_KEYS {
                let tuples = facts.as_slice().iter().map(|((tuple, _), ..)| tuple);
                let held = |tuple| Some(&self.tuples.get::<Arc<Tuple>>(tuple)?.panes);
                read_ahead(tuples, |tuple| tuple.fingerprint(), held);
            }
            let Some(((tuple, pane_ms), measure, owner)) = facts.next() else {
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
                    state.routes = routes_of(&plan, &tuple, &self.counters);
                    self.tuples.entry(tuple.clone()).or_insert(Arc::new(state))
                }
            };
            let (last, others) = match state.routes.split_last() {
                Some((last, others)) if !self.keeps_history => (Some(last), others),
                _ => (None, state.routes.as_slice()),
            };
            for route in others {
                send(route, (pane_ms, measure.clone()), false, owner, output);
            }
            if let Some(last) = last {
                send(last, (pane_ms, measure), false, owner, output);
            } else if self.keeps_history {
                let panes = &mut Arc::make_mut(state).panes;
                if panes.add(pane_ms, measure) {
                    let of_pane = self.by_pane.entry((tuple.stream, pane_ms));
                    of_pane.or_default().push(tuple.clone());
                }
                let packed_ms = self.packed[tuple.stream.index()];
                if pane_ms < packed_ms && panes.is_unpacked(packed_ms) {
                    // They come late, and no later pane of the tuple will take them along.
                    panes.pack(packed_ms);
                }
            }
        }
        self.retire();
        self.pack(&plan);
        self.counters.tuples.set(self.tuples.len() as u64);
        self.counters.tuple_panes.set(
            self.by_pane
                .values()
                .map(|tuples| tuples.len() as u64)
                .sum(),
        );
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
            let routes = routes_of(plan, tuple, &self.counters);
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

    /// Packs the panes that the watermark has passed.
    fn pack(&mut self, plan: &Plan) {
        for stream in Stream::ALL {
            let before_ms = full_before(&self.clock.watermarks, stream, plan);
            let packed_ms = &mut self.packed[stream.index()];
            if before_ms <= *packed_ms {
                continue;
            }
            let full = (stream, *packed_ms)..(stream, before_ms);
            for (_, tuples) in self.by_pane.range_mut(full) {
                tuples.shrink_to_fit();
                for tuple in tuples {
                    let held = self.tuples.get_mut(tuple);
                    if let Some(held) = held.filter(|held| held.panes.is_unpacked(before_ms)) {
                        Arc::make_mut(held).panes.pack(before_ms);
                    }
                }
            }
            *packed_ms = before_ms;
        }
    }

    fn retire(&mut self) {
        let horizons = self.horizons();
        for stream in Stream::ALL {
            let range = (stream, i64::MIN)..(stream, horizons[stream.index()]);
            let old: Vec<(Stream, i64)> = self.by_pane.range(range).map(|(key, _)| *key).collect();
            for key in old {
                for tuple in self.by_pane.remove(&key).unwrap_or_default() {
                    if let Some(state) = self.tuples.get_mut(&tuple) {
                        let state = Arc::make_mut(state);
                        state.panes.retire(horizons[stream.index()]);
                        if state.panes.is_empty() {
                            self.holdings.give_back(state.owner);
                            self.tuples.remove(&tuple);
                        }
                    }
                }
            }
        }
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

fn routes_of(plan: &Plan, tuple: &Tuple, counters: &Counters) -> Vec<Route> {
    let of_stream = plan
        .families
        .values()
        .filter(|family| family.stream == tuple.stream);
    of_stream
        .filter_map(|family| route_of(plan, family, tuple, counters))
        .collect()
}

fn route_of(plan: &Plan, family: &Family, tuple: &Tuple, counters: &Counters) -> Option<Route> {
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
    let group = Arc::new(Group::new(family.group_by.iter().map(value).collect()));
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

/// A dimension's value: the tuple's own, or what follows from its city.
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
