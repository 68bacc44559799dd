//! The combiner: the facts of an epoch become one measure per tuple and pane, before they enter the
//! dataflow. Cost per event is one index and a few additions.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::dataflow::{TuplePane, pane_of};
use crate::event::{Batch, Layout, Tuple};
use crate::measure::{Gathered, Measure, Parts};

/// Panes of one tuple, by their start, ms.
type Panes = Vec<(i64, Gathered)>;

/// Gathers the facts of one epoch on one worker.
#[derive(Default)]
pub(super) struct Combiner {
    numbers: FxHashMap<Arc<Tuple>, u32>,
    /// The same by the address of the tuples in `tuples`, which holds on to them: one decoder gives equal
    /// tuples as one allocation, and hashing contents again for every batch is dear. Others are found by
    /// their contents, and not remembered: their address may be another's tomorrow.
    addresses: FxHashMap<usize, u32>,
    tuples: Vec<(Arc<Tuple>, Parts, Panes)>,
}

impl Combiner {
    /// Adds a batch.
    pub(super) fn add(&mut self, batch: &Batch, layout: &Layout, pane_ms: i64) {
        let numbers: Vec<u32> = batch
            .tuples
            .iter()
            .map(|tuple| self.number(tuple, layout))
            .collect();
        for fact in &batch.facts {
            let number = numbers[fact.tuple as usize] as usize;
            let (_, parts, panes) = &mut self.tuples[number];
            let start_ms = pane_of(fact.ts_ms, pane_ms);
            // Facts come nearly in order: the pane is almost always the newest.
            let at = match panes.iter().rposition(|(pane_ms, _)| *pane_ms == start_ms) {
                Some(at) => at,
                None => {
                    panes.push((start_ms, Gathered::default()));
                    panes.len() - 1
                }
            };
            panes[at].1.add(fact.value, *parts);
        }
    }

    /// Hands out what was gathered and begins anew.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (TuplePane, Measure)> {
        self.numbers.clear();
        self.addresses.clear();
        std::mem::take(&mut self.tuples)
            .into_iter()
            .flat_map(|(tuple, _, panes)| {
                panes
                    .into_iter()
                    .map(move |(pane_ms, gathered)| ((tuple.clone(), pane_ms), gathered.measure()))
            })
    }

    fn number(&mut self, tuple: &Arc<Tuple>, layout: &Layout) -> u32 {
        let address = Arc::as_ptr(tuple).addr();
        if let Some(number) = self.addresses.get(&address) {
            return *number;
        }
        if let Some(number) = self.numbers.get(tuple) {
            return *number;
        }
        let number = self.tuples.len() as u32;
        self.addresses.insert(address, number);
        self.numbers.insert(tuple.clone(), number);
        self.tuples
            .push((tuple.clone(), layout.of(tuple.stream).parts, Vec::new()));
        number
    }
}
