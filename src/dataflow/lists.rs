//! In which minutes route has to look at which tuples.
//!
//! A pane is looked at when it is a day old and goes: each tuple is named once, by its oldest pane, and not by each of a
//! day. One that waits until it is full (`waits.rs`) names its tuple until then.
//!
//! Invariants:
//! * a tuple with panes is listed by its oldest one, or by an older one that came to nothing;
//! * a pane that waits is listed as such; one that is listed may have gone on already.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dataflow::panes::Change;
use crate::dataflow::route::TupleState;
use crate::event::{Stream, Tuple};

/// Tuples by stream and start of a pane, ms.
type ByPane = BTreeMap<(Stream, i64), Vec<Arc<Tuple>>>;

/// The tuples of one worker by their panes.
#[derive(Default)]
pub(super) struct Lists {
    /// By each pane that waits.
    waiting: ByPane,
    /// By the oldest one. Where a tuple has been listed by another since ([`TupleState::listed_ms`]), its entry stays
    /// until it is due, and says nothing.
    oldest: ByPane,
    /// All panes of all tuples.
    panes: u64,
}

impl Lists {
    /// Panes of all tuples.
    pub(super) fn panes(&self) -> u64 {
        self.panes
    }

    /// Takes in a tuple with all of its panes, of which none waits.
    pub(super) fn restore(&mut self, state: &mut TupleState) {
        self.panes += state.panes.starts().count() as u64;
        self.list(state);
    }

    /// Notes what an addition made of a pane.
    pub(super) fn add(&mut self, state: &mut TupleState, pane_ms: i64, change: Change) {
        self.panes += u64::from(change.is_there);
        if !change.is_new {
            self.panes -= 1;
            return;
        }
        if pane_ms < state.listed_ms {
            state.listed_ms = pane_ms;
            push(&mut self.oldest, pane_ms, state.tuple.clone());
        }
    }

    /// Notes that a tuple's pane waits.
    pub(super) fn wait(&mut self, pane_ms: i64, tuple: Arc<Tuple>) {
        push(&mut self.waiting, pane_ms, tuple);
    }

    /// Takes out the tuples of panes that have waited and start before a time, by pane, oldest first.
    pub(super) fn full(&mut self, stream: Stream, before_ms: i64) -> Vec<(i64, Vec<Arc<Tuple>>)> {
        taken(&mut self.waiting, stream, before_ms)
    }

    /// Takes out the tuples that are listed by their oldest pane where that starts before a time, with it.
    pub(super) fn due(
        &mut self,
        stream: Stream,
        before_ms: i64,
    ) -> impl Iterator<Item = (i64, Arc<Tuple>)> + use<> {
        let due = taken(&mut self.oldest, stream, before_ms).into_iter();
        due.flat_map(|(pane_ms, tuples)| tuples.into_iter().map(move |tuple| (pane_ms, tuple)))
    }

    /// Has a tuple that was due forget its panes that start before a time, and lists it by the oldest that is left.
    pub(super) fn retire(&mut self, state: &mut TupleState, before_ms: i64) {
        self.panes -= state.panes.retire(before_ms) as u64;
        self.list(state);
    }

    fn list(&mut self, state: &mut TupleState) {
        let first_ms = state.panes.first_ms();
        state.listed_ms = first_ms.unwrap_or(i64::MAX);
        if let Some(first_ms) = first_ms {
            push(&mut self.oldest, first_ms, state.tuple.clone());
        }
    }
}

fn push(lists: &mut ByPane, pane_ms: i64, tuple: Arc<Tuple>) {
    let list = lists.entry((tuple.stream, pane_ms)).or_default();
    list.push(tuple);
}

fn taken(lists: &mut ByPane, stream: Stream, before_ms: i64) -> Vec<(i64, Vec<Arc<Tuple>>)> {
    let starts = lists.range((stream, i64::MIN)..(stream, before_ms));
    let starts: Vec<(Stream, i64)> = starts.map(|(start, _)| *start).collect();
    let lists = starts
        .into_iter()
        .filter_map(|start| Some((start.1, lists.remove(&start)?)));
    lists.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use differential_dataflow::difference::{Abelian, IsZero, Semigroup};
    use proptest::prelude::*;

    use super::*;
    use crate::dataflow::Owner;
    use crate::dataflow::panes::Panes;
    use crate::event::{Bound, DimensionValue};
    use crate::measure::{Measure, Parts};

    const OF: Stream = Stream::Gauge;
    const TUPLES: usize = 3;

    #[derive(Clone, Debug)]
    enum Act {
        Add(usize, i64, i64),
        Cancel(usize, i64),
        Pack(i64),
        Retire(i64),
        Restore,
    }

    fn act() -> impl Strategy<Value = Act> {
        let (tuple, pane) = (0..TUPLES, 0_i64..30);
        prop_oneof![
            12 => (tuple.clone(), pane.clone(), 1_i64..3).prop_map(|(of, at, weight)| Act::Add(of, at, weight)),
            4 => (tuple, pane.clone()).prop_map(|(of, at)| Act::Cancel(of, at)),
            2 => pane.clone().prop_map(Act::Pack),
            2 => pane.prop_map(Act::Retire),
            1 => Just(Act::Restore),
        ]
    }

    fn state(number: usize, panes: Panes) -> TupleState {
        let values = [DimensionValue::Text(number.to_string().into())];
        let tuple = Tuple::new(OF, Bound::NO_VALUE, values.into());
        TupleState::new(Arc::new(tuple), panes, Owner::default())
    }

    /// As route does; gives how many tuples forgot something.
    fn retire(lists: &mut Lists, states: &mut [TupleState], before_ms: i64) -> usize {
        let mut count = 0;
        for (listed_ms, tuple) in lists.due(OF, before_ms) {
            let state = states.iter_mut().find(|state| state.tuple == tuple);
            let state = state.filter(|state| state.listed_ms == listed_ms);
            if let Some(state) = state {
                lists.retire(state, before_ms);
                count += 1;
            }
        }
        count
    }

    proptest! {
        /// Whatever comes late, comes to nothing or comes back: no pane stays beyond its time, and all are counted.
        #[test]
        fn each_pane_is_met_in_time(acts in prop::collection::vec(act(), 1..80)) {
            let mut lists = Lists::default();
            let new = |number| state(number, Panes::default());
            let mut states: Vec<TupleState> = (0..TUPLES).map(new).collect();
            let mut held: BTreeMap<(i64, usize), Measure> = BTreeMap::new();
            let mut retired_ms = i64::MIN;
            for act in acts {
                match act {
                    Act::Add(of, at, _) | Act::Cancel(of, at) if at >= retired_ms => {
                        let measure = match act {
                            Act::Add(_, _, weight) => Measure::of(None, weight, Parts::default()),
                            _ => {
                                let mut measure = held.get(&(at, of)).cloned().unwrap_or_default();
                                measure.negate();
                                measure
                            }
                        };
                        let change = states[of].panes.add_as(at, &measure, Measure::clone);
                        lists.add(&mut states[of], at, change);
                        let sum = held.entry((at, of)).or_default();
                        sum.plus_equals(&measure);
                        held.retain(|_, measure| !measure.is_zero());
                    }
                    Act::Add(..) | Act::Cancel(..) => {}
                    Act::Pack(before_ms) => {
                        states.iter_mut().for_each(|state| state.panes.pack(before_ms));
                    }
                    Act::Retire(before_ms) => {
                        retired_ms = retired_ms.max(before_ms);
                        retire(&mut lists, &mut states, retired_ms);
                        held.retain(|(at, _), _| *at >= retired_ms);
                    }
                    Act::Restore => {
                        lists = Lists::default();
                        for (number, of) in states.iter_mut().enumerate() {
                            *of = state(number, of.panes.clone());
                            lists.restore(of);
                        }
                    }
                }
                prop_assert_eq!(lists.panes(), held.len() as u64);
                let shown = states.iter().map(|state| state.panes.starts().count());
                prop_assert_eq!(shown.sum::<usize>(), held.len());
            }
            retire(&mut lists, &mut states, i64::MAX);
            prop_assert_eq!(lists.panes(), 0);
            prop_assert_eq!(retire(&mut lists, &mut states, i64::MAX), 0);
        }

        /// A tuple that speaks every minute is in one list for all of its panes, and in another while one waits.
        #[test]
        fn a_day_is_one_entry(minutes in 1_i64..200) {
            let (mut lists, mut state) = (Lists::default(), state(0, Panes::default()));
            for at in 0..minutes {
                let change = state.panes.add_as(at, Measure::of(None, 1, Parts::default()), |one| one);
                lists.add(&mut state, at, change);
                lists.wait(at, state.tuple.clone());
                let full: Vec<i64> = lists.full(OF, at).iter().map(|(pane_ms, _)| *pane_ms).collect();
                prop_assert_eq!(full, (at - 1..at).filter(|at| *at >= 0).collect::<Vec<_>>());
            }
            let entries = |of: &ByPane| of.values().map(Vec::len).sum::<usize>();
            prop_assert_eq!((entries(&lists.waiting), entries(&lists.oldest)), (1, 1));
        }
    }
}
