//! The combiner: the facts of an epoch become one measure per tuple and pane, before they enter the
//! dataflow. Cost per event is one index and a few additions.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::dataflow::{Owner, TuplePane, pane_of};
use crate::event::{Batch, Layout, Tuple};
use crate::measure::{Gathered, Measure, Parts};

/// Panes of one tuple: their start, ms, and their number among all that are gathered.
type Panes = Vec<(i64, u32)>;

/// Where a tuple is found: by its own hash, and then by the address of the one in `tuples`, which holds on to it. One
/// decoder gives equal tuples as one allocation, so contents are looked at for those of several decoders only.
struct Numbered {
    hash: u64,
    address: usize,
    number: u32,
}

/// Gathers the facts of one epoch on one worker.
#[derive(Default)]
pub(super) struct Combiner {
    numbers: HashTable<Numbered>,
    tuples: Vec<(Arc<Tuple>, Owner, Parts, Panes)>,
    gathered: Gathered,
}

impl Combiner {
    /// Adds a batch of an owner.
    pub(super) fn add(&mut self, batch: &Batch, owner: Owner, layout: &Layout, pane_ms: i64) {
        let numbers: Vec<u32> = batch
            .tuples
            .iter()
            .map(|tuple| self.number(tuple, owner, layout))
            .collect();
        for fact in &batch.facts {
            let number = numbers[fact.tuple as usize] as usize;
            let (_, _, parts, panes) = &mut self.tuples[number];
            let start_ms = pane_of(fact.ts_ms, pane_ms);
            // Facts come nearly in order: the pane is almost always the newest.
            let known = panes
                .iter()
                .rfind(|(pane_ms, _)| *pane_ms == start_ms)
                .map(|(_, pane)| *pane);
            let pane = known.unwrap_or_else(|| {
                let pane = self.gathered.begin();
                panes.push((start_ms, pane));
                pane
            });
            self.gathered.add(pane, fact.value, *parts);
        }
    }

    /// Hands out what was gathered and begins anew.
    pub(super) fn drain(&mut self, mut each: impl FnMut(TuplePane, Measure, Owner)) {
        self.numbers.clear();
        let mut measures = self.gathered.measures();
        // By tuple: the next stage looks each up.
        for (tuple, owner, _, panes) in self.tuples.drain(..) {
            for (pane_ms, pane) in panes {
                let measure = std::mem::take(&mut measures[pane as usize]);
                each((tuple.clone(), pane_ms), measure, owner);
            }
        }
    }

    fn number(&mut self, tuple: &Arc<Tuple>, owner: Owner, layout: &Layout) -> u32 {
        let address = Arc::as_ptr(tuple).addr();
        let hash = tuple.fingerprint();
        let tuples = &self.tuples;
        let is_same = |known: &Numbered| {
            let own = known.hash == hash;
            own && (known.address == address || tuples[known.number as usize].0 == *tuple)
        };
        let number = self.tuples.len() as u32;
        match self.numbers.entry(hash, is_same, |known| known.hash) {
            Entry::Occupied(known) => {
                let number = known.get().number;
                // Of several the smallest mark, whoever was first: how batches are dealt out must not show.
                let (_, of, ..) = &mut self.tuples[number as usize];
                *of = owner.min(*of);
                return number;
            }
            Entry::Vacant(vacant) => vacant.insert(Numbered {
                hash,
                address,
                number,
            }),
        };
        self.tuples.push((
            tuple.clone(),
            owner,
            layout.of(tuple.stream).parts,
            Vec::new(),
        ));
        number
    }
}
