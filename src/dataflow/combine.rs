//! The combiner: the facts of an epoch become one measure per tuple and pane, before they enter the
//! dataflow. Cost per event is one index and a few additions.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::dataflow::ahead::{FAR_KEYS, TOGETHER};
use crate::dataflow::{Owner, TuplePane, pane_of};
use crate::event::{Batch, Fact, Layout, Tuple};
use crate::measure::{Gathered, Measure, Parts};
use crate::rules::Plan;

/// A tuple whose facts are gathered: a line of memory, and no other where they are of one pane.
struct Gathering {
    tuple: Arc<Tuple>,
    owner: Owner,
    parts: Parts,
    /// The pane that was begun last: its start, ms, and its number among all that are gathered.
    newest: (i64, u32),
    /// Those that were begun before it.
    older: Vec<(i64, u32)>,
}

/// Where a tuple is found: by its own hash, and then by the address of the one in `tuples`, which holds on to it. One
/// decoder gives equal tuples as one allocation, so contents are looked at for those of several decoders only.
struct Numbered {
    hash: u64,
    address: usize,
    number: u32,
}

/// Who tells the places of tuples.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    Decoder,
    Unpacker,
}

/// Numbers of tuples by their places in a table: they are the same from batch to batch.
#[derive(Default)]
struct Placed {
    /// How often the table had begun anew.
    renewals: u64,
    numbers: Vec<u32>,
}

/// No tuple of this place yet, no pane of this tuple.
const NONE: u32 = u32::MAX;

/// Gathers the facts of one epoch on one worker.
#[derive(Default)]
pub(super) struct Combiner {
    numbers: HashTable<Numbered>,
    tuples: Vec<Gathering>,
    gathered: Gathered,
    /// By [`Table`].
    placed: [Placed; 2],
    /// Numbers of the tuples of one batch, by theirs in it.
    of_batch: Vec<u32>,
}

impl Combiner {
    /// Adds a batch of an owner.
    pub(super) fn add(&mut self, batch: &Batch, owner: Owner, plan: &Plan) {
        let mut of_batch = std::mem::take(&mut self.of_batch);
        of_batch.clear();
        let tuples = batch.tuples.iter();
        of_batch.extend(tuples.map(|tuple| self.number(tuple, owner, &plan.layout)));
        self.of_batch = of_batch;
        self.gather(&batch.facts, plan.book.pane_ms);
    }

    /// Adds facts of an owner, whose tuples have places in a table: one that was met in the epoch is not looked up.
    pub(super) fn add_placed<'a>(
        &mut self,
        (table, renewals, places): (Table, u64, &[u32]),
        tuple: impl Fn(usize, u32) -> &'a Arc<Tuple>,
        facts: &[Fact],
        owner: Owner,
        plan: &Plan,
    ) {
        let mut placed = std::mem::take(&mut self.placed[table as usize]);
        if placed.renewals != renewals {
            placed.renewals = renewals;
            placed.numbers.clear();
        }
        let mut of_batch = std::mem::take(&mut self.of_batch);
        of_batch.clear();
        for (at, place) in places.iter().enumerate() {
            let slot = *place as usize;
            if slot >= placed.numbers.len() {
                placed.numbers.resize(slot + 1, NONE);
            }
            let mut number = placed.numbers[slot];
            if number == NONE {
                number = self.number(tuple(at, *place), owner, &plan.layout);
                placed.numbers[slot] = number;
            } else {
                self.own(number, owner);
            }
            of_batch.push(number);
        }
        self.of_batch = of_batch;
        self.placed[table as usize] = placed;
        self.gather(facts, plan.book.pane_ms);
    }

    /// Another table takes the place of one: its places are of other tuples.
    pub(super) fn forget(&mut self, table: Table) {
        self.placed[table as usize].numbers.clear();
    }

    /// Adds facts whose tuples have been numbered.
    fn gather(&mut self, facts: &[Fact], pane_ms: i64) {
        // Most are of the pane of the one before, and finding a start is a division.
        let mut pane = 0..0;
        for facts in facts.chunks(TOGETHER) {
            if self.tuples.len() > FAR_KEYS {
                self.read_ahead(facts);
            }
            for fact in facts {
                if !pane.contains(&fact.ts_ms) {
                    let start_ms = pane_of(fact.ts_ms, pane_ms);
                    pane = start_ms..start_ms.saturating_add(pane_ms);
                }
                let tuple = &mut self.tuples[self.of_batch[fact.tuple as usize] as usize];
                let number = tuple.pane(pane.start, &mut self.gathered);
                self.gathered.add(number, fact.value, tuple.parts);
            }
        }
    }

    /// Reads what the next facts will be added to, where it lies far.
    fn read_ahead(&self, facts: &[Fact]) {
        let mut panes = [NONE; TOGETHER];
        for (pane, fact) in panes.iter_mut().zip(facts) {
            let tuple = &self.tuples[self.of_batch[fact.tuple as usize] as usize];
            *pane = tuple.newest.1;
        }
        self.gathered.read_ahead(&panes);
    }

    /// Notes another owner of a tuple. Of several the smallest mark has it, whoever was first: how batches are dealt out
    /// must not show.
    fn own(&mut self, number: u32, owner: Owner) {
        let tuple = &mut self.tuples[number as usize];
        tuple.owner = owner.min(tuple.owner);
    }

    /// Hands out what was gathered and begins anew.
    pub(super) fn drain(&mut self, mut each: impl FnMut(TuplePane, Measure, Owner)) {
        self.numbers.clear();
        self.placed
            .iter_mut()
            .for_each(|placed| placed.numbers.clear());
        let mut measures = self.gathered.measures();
        // By tuple: the next stage looks each up.
        for gathering in self.tuples.drain(..) {
            let Gathering {
                tuple,
                owner,
                newest,
                older,
                ..
            } = gathering;
            for (pane_ms, pane) in older {
                let measure = std::mem::take(&mut measures[pane as usize]);
                each((tuple.clone(), pane_ms), measure, owner);
            }
            // There is none of a tuple that no fact was of.
            if let Some(measure) = measures.get_mut(newest.1 as usize) {
                each((tuple, newest.0), std::mem::take(measure), owner);
            }
        }
    }

    fn number(&mut self, tuple: &Arc<Tuple>, owner: Owner, layout: &Layout) -> u32 {
        let address = Arc::as_ptr(tuple).addr();
        let hash = tuple.fingerprint();
        let tuples = &self.tuples;
        let is_same = |known: &Numbered| {
            let own = known.hash == hash;
            own && (known.address == address || tuples[known.number as usize].tuple == *tuple)
        };
        let number = self.tuples.len() as u32;
        match self.numbers.entry(hash, is_same, |known| known.hash) {
            Entry::Occupied(known) => {
                let number = known.get().number;
                self.own(number, owner);
                return number;
            }
            Entry::Vacant(vacant) => vacant.insert(Numbered {
                hash,
                address,
                number,
            }),
        };
        self.tuples.push(Gathering {
            tuple: tuple.clone(),
            owner,
            parts: layout.of(tuple.stream).parts,
            newest: (0, NONE),
            older: Vec::new(),
        });
        number
    }
}

impl Gathering {
    /// The number of a pane; begins it when it is new. Facts come nearly in order: it is almost always the newest.
    fn pane(&mut self, start_ms: i64, gathered: &mut Gathered) -> u32 {
        if self.newest.1 != NONE {
            if self.newest.0 == start_ms {
                return self.newest.1;
            }
            let mut older = self.older.iter().rev();
            if let Some((_, pane)) = older.find(|(pane_ms, _)| *pane_ms == start_ms) {
                return *pane;
            }
            self.older.push(self.newest);
        }
        self.newest = (start_ms, gathered.begin());
        self.newest.1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::{DecodeLimits, Decoder, Unpacker, pack};
    use crate::rules::testing::{MINIMAL, plan};

    const PANE_MS: i64 = 60_000;

    /// Gauges of these names and minutes, each with a value of its own.
    fn lines(of: &[(u32, i64)]) -> String {
        let line = |(at, (name, minute)): (usize, &(u32, i64))| {
            let ts = minute * PANE_MS + at as i64;
            format!(r#"{{"type":"gauge","ts":{ts},"name":"g{name}","value":{at}.5}}"#)
        };
        let lines: Vec<String> = of.iter().enumerate().map(line).collect();
        lines.join("\n")
    }

    fn drained(combiner: &mut Combiner) -> BTreeMap<(Tuple, i64), (Measure, Owner)> {
        let mut all = BTreeMap::new();
        combiner.drain(|(tuple, pane_ms), measure, owner| {
            let before = all.insert(((*tuple).clone(), pane_ms), (measure, owner));
            assert_eq!(before, None, "a pane comes once");
        });
        all
    }

    #[test]
    fn whoever_knows_the_tuples_the_sums_are_the_same() {
        let plan = plan(&format!(
            "{MINIMAL}\nstreams:\n  gauge: {{dimensions: [name]}}\n"
        ));
        assert_eq!(plan.book.pane_ms, PANE_MS);
        let owners = ["b", "a"].map(|name| Owner::of(None, Some(name)));
        let mut combiners: [Combiner; 3] = Default::default();
        let mut unpacker = Unpacker::default();
        let many: Vec<(u32, i64)> = (0..3 * FAR_KEYS as u32)
            .map(|name| (name % 5_000, 7))
            .collect();
        for epoch in [
            &[
                &[(1, 0), (2, 0), (1, 1), (1, 0)][..],
                &[(3, 0), (2, 5), (1, 0)],
            ][..],
            &[&[(3, 1), (4, 1)], &[(4, 0)], &[(4, 2), (3, 1)]],
            &[&many, &many[..77]],
        ] {
            let new = || Decoder::new(plan.layout.clone(), DecodeLimits::default());
            let mut decoder = new();
            combiners
                .iter_mut()
                .for_each(|combiner| combiner.forget(Table::Decoder));
            for (at, part) in epoch.iter().enumerate() {
                let owner = owners[at % 2];
                let decoded = decoder.decode(lines(part).as_bytes());
                assert_eq!(decoded.refused, []);
                let batch = &decoded.batch;
                combiners[0].add(batch, owner, &plan);
                let (renewals, places) = decoder.places();
                let table = (Table::Decoder, renewals, places);
                combiners[1].add_placed(
                    table,
                    |at, _| &batch.tuples[at],
                    &batch.facts,
                    owner,
                    &plan,
                );
                let packed = pack(batch).unwrap();
                let batch = unpacker.unpack(&packed, plan.layout.version).unwrap();
                let (renewals, places) = batch.places();
                let table = (Table::Unpacker, renewals, places);
                let tuple = |_, place| batch.tuple(place);
                combiners[2].add_placed(table, tuple, batch.facts(), owner, &plan);
            }
            let [whole, placed, unpacked] = combiners.each_mut().map(drained);
            let facts: i64 = whole.values().map(|(measure, _)| measure.count).sum();
            let parts = epoch.iter().map(|part| part.len() as i64);
            assert_eq!(facts, parts.sum::<i64>());
            assert!(whole.len() > epoch.len(), "tuples are told apart");
            assert_eq!(whole, placed);
            assert_eq!(whole, unpacked);
        }
    }
}
