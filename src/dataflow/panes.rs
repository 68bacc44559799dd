//! Panes of one key, by their start: those that still fill as measures, older ones packed.
//!
//! A day of minutes is 1,440 panes a key, nearly all of which nobody will touch again but to read or to
//! forget them. They lie packed in chunks of neighbours: an allocation and a pointer for some fifteen
//! panes instead of three of each for every one.
//!
//! Invariants:
//! * panes are distinct, and none is zero;
//! * every packed pane is older than every other one;
//! * what is read does not show which panes are packed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::measure::{Measure, Packed, Total, put};

/// Bytes of a chunk, if it is more than one pane: a late fact rewrites its chunk.
const CHUNK_BYTES: usize = 512;

/// Full panes of a key that are packed together.
const PACK_PANES: usize = 8;

/// Panes of one key. Copying it copies the panes that still fill, and shares the others.
#[derive(Clone, Default)]
pub(super) struct Panes {
    /// Packed panes, oldest first.
    cold: Vec<Chunk>,
    /// The others, oldest first.
    hot: Vec<(i64, Measure)>,
}

/// Neighbouring panes, packed: the distance to the start of the one before, the length, the measure.
#[derive(Clone)]
struct Chunk {
    first_ms: i64,
    last_ms: i64,
    packed: Arc<[u8]>,
}

impl Panes {
    /// True when there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.hot.is_empty() && self.cold.is_empty()
    }

    /// Starts, oldest first, ms.
    pub(super) fn starts(&self) -> impl Iterator<Item = i64> + '_ {
        let cold = self.cold.iter().flat_map(Chunk::entries);
        let hot = self.hot.iter().map(|(pane_ms, _)| *pane_ms);
        cold.map(|(pane_ms, _)| pane_ms).chain(hot)
    }

    /// Start of the newest one, ms.
    pub(super) fn last_ms(&self) -> Option<i64> {
        let hot = self.hot.last().map(|(pane_ms, _)| *pane_ms);
        hot.or_else(|| self.cold.last().map(|chunk| chunk.last_ms))
    }

    /// The newest that is not packed.
    pub(super) fn newest(&self) -> Option<&Measure> {
        self.hot.last().map(|(_, measure)| measure)
    }

    /// Starts of the nearest ones before and after that start, ms.
    pub(super) fn neighbours(&self, pane_ms: i64) -> (Option<i64>, Option<i64>) {
        if !self.is_cold(pane_ms) {
            let (Ok(at) | Err(at)) = self.place(pane_ms);
            let before = at.checked_sub(1).map(|at| self.hot[at].0);
            let before = before.or_else(|| self.cold.last().map(|chunk| chunk.last_ms));
            let mut after = self.hot[at..].iter().map(|(known_ms, _)| *known_ms);
            return (before, after.find(|known_ms| *known_ms > pane_ms));
        }
        let at = self.chunk_of(pane_ms);
        let mut before = at.checked_sub(1).map(|at| self.cold[at].last_ms);
        let mut after = None;
        for (known_ms, _) in self.cold[at].entries() {
            if known_ms < pane_ms {
                before = Some(known_ms);
            } else if known_ms > pane_ms {
                after = Some(known_ms);
                break;
            }
        }
        let next = self.cold.get(at + 1).map(|chunk| chunk.first_ms);
        let hot = self.hot.first().map(|(known_ms, _)| *known_ms);
        (before, after.or(next).or(hot))
    }

    /// Adds to a pane; one that comes to zero goes. Tells whether it was not there before.
    pub(super) fn add(&mut self, pane_ms: i64, measure: Measure) -> bool {
        if self.is_cold(pane_ms) {
            return self.add_cold(pane_ms, &measure);
        }
        match self.place(pane_ms) {
            Ok(at) => {
                let known = &mut self.hot[at].1;
                known.plus_equals(&measure);
                if known.is_zero() {
                    self.hot.remove(at);
                }
                false
            }
            Err(at) => {
                if !measure.is_zero() {
                    if self.hot.len() == self.hot.capacity() {
                        // One or two are the rule: the four that a vector begins with are for nothing.
                        self.hot.reserve_exact(self.hot.len().max(1));
                    }
                    self.hot.insert(at, (pane_ms, measure));
                }
                true
            }
        }
    }

    /// Adds the panes of a span to a total.
    pub(super) fn sum(&self, span: Range<i64>, total: &mut Total) {
        let first = self
            .cold
            .partition_point(|chunk| chunk.last_ms < span.start);
        let chunks = self.cold[first..].iter();
        for chunk in chunks.take_while(|chunk| chunk.first_ms < span.end) {
            for (pane_ms, packed) in chunk.entries() {
                if pane_ms >= span.end {
                    break;
                }
                if pane_ms >= span.start {
                    total.add_packed(Packed(packed));
                }
            }
        }
        let first = self.hot.partition_point(|(ms, _)| *ms < span.start);
        let hot = self.hot[first..].iter();
        hot.take_while(|(pane_ms, _)| *pane_ms < span.end)
            .for_each(|(_, measure)| total.add(measure));
    }

    /// Shows every pane, oldest first.
    pub(super) fn for_each(&self, mut each: impl FnMut(i64, &Measure)) {
        let mut unpacked = Measure::default();
        for (pane_ms, packed) in self.cold.iter().flat_map(Chunk::entries) {
            unpacked.unpack(Packed(packed));
            each(pane_ms, &unpacked);
        }
        for (pane_ms, measure) in &self.hot {
            each(*pane_ms, measure);
        }
    }

    /// Shows the panes of a span, oldest first.
    pub(super) fn each_within(&self, span: Range<i64>, mut each: impl FnMut(&Measure)) {
        let mut unpacked = Measure::default();
        let chunks = self.cold.iter();
        let chunks = chunks.filter(|of| of.last_ms >= span.start && of.first_ms < span.end);
        for (pane_ms, packed) in chunks.flat_map(Chunk::entries) {
            if span.contains(&pane_ms) {
                unpacked.unpack(Packed(packed));
                each(&unpacked);
            }
        }
        let hot = self.hot.iter().filter(|(ms, _)| span.contains(ms));
        hot.for_each(|(_, measure)| each(measure));
    }

    /// Forgets panes that start before a time.
    pub(super) fn retire(&mut self, before_ms: i64) {
        let gone = self.cold.partition_point(|chunk| chunk.last_ms < before_ms);
        self.cold.drain(..gone);
        if let Some(chunk) = self.cold.first_mut()
            && chunk.first_ms < before_ms
        {
            let kept = chunk
                .entries()
                .skip_while(|(pane_ms, _)| *pane_ms < before_ms);
            // Fewer panes than before are not more than a chunk.
            if let Some(kept) = chunks_of(kept).pop() {
                *chunk = kept;
            }
        }
        let gone = self.hot.partition_point(|(ms, _)| *ms < before_ms);
        self.hot.drain(..gone);
    }

    /// Whether enough panes that start before a time wait to be packed: each packing writes a chunk anew.
    pub(super) fn is_unpacked(&self, before_ms: i64) -> bool {
        self.hot.len() >= PACK_PANES && self.hot[PACK_PANES - 1].0 < before_ms
    }

    /// Packs panes that start before a time: hardly anything will be added to them.
    pub(super) fn pack(&mut self, before_ms: i64) {
        let count = self.hot.partition_point(|(ms, _)| *ms < before_ms);
        if count == 0 {
            return;
        }
        let mut packer = Packer::behind(self.cold.pop().as_ref());
        let mut body = Vec::new();
        for (pane_ms, measure) in self.hot.drain(..count) {
            body.clear();
            measure.pack(&mut body);
            packer.push(pane_ms, &body);
        }
        if self.hot.is_empty() {
            self.hot = Vec::new();
        }
        self.cold.extend(packer.finish());
    }

    /// Whether a pane of that start is, or would be, among the packed ones.
    fn is_cold(&self, pane_ms: i64) -> bool {
        self.cold
            .last()
            .is_some_and(|chunk| pane_ms <= chunk.last_ms)
    }

    /// Number of the chunk that a pane of that start belongs into, where it is cold.
    fn chunk_of(&self, pane_ms: i64) -> usize {
        self.cold.partition_point(|chunk| chunk.last_ms < pane_ms)
    }

    /// Where a pane is among those that fill; it is most often the newest.
    fn place(&self, pane_ms: i64) -> Result<usize, usize> {
        match self.hot.last() {
            Some((last_ms, _)) if *last_ms == pane_ms => Ok(self.hot.len() - 1),
            Some((last_ms, _)) if *last_ms > pane_ms => {
                self.hot.binary_search_by_key(&pane_ms, |(ms, _)| *ms)
            }
            _ => Err(self.hot.len()),
        }
    }

    /// Adds to a packed pane, or puts one among them.
    fn add_cold(&mut self, pane_ms: i64, measure: &Measure) -> bool {
        let at = self.chunk_of(pane_ms);
        let chunk = &self.cold[at];
        let mut sum = Measure::default();
        let known = chunk.entries().find(|(known_ms, _)| *known_ms == pane_ms);
        let is_new = known.is_none();
        if let Some((_, packed)) = known {
            sum.unpack(Packed(packed));
        }
        sum.plus_equals(measure);
        let mut body = Vec::new();
        sum.pack(&mut body);
        let before = chunk.entries().take_while(|(ms, _)| *ms < pane_ms);
        let after = chunk.entries().skip_while(|(ms, _)| *ms <= pane_ms);
        let own = (!sum.is_zero()).then_some((pane_ms, &body[..]));
        let chunks = chunks_of(before.chain(own).chain(after));
        self.cold.splice(at..=at, chunks);
        is_new
    }
}

impl Chunk {
    /// Its panes: start, ms, and the packed measure.
    fn entries(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let mut packed = Packed(&self.packed);
        let mut pane_ms = self.first_ms;
        std::iter::from_fn(move || {
            if packed.is_empty() {
                return None;
            }
            pane_ms = pane_ms.wrapping_add(packed.number() as i64);
            let length = packed.number() as usize;
            Some((pane_ms, packed.bytes(length)))
        })
    }
}

/// Puts packed panes, which come in ascending order, into chunks.
#[derive(Default)]
struct Packer {
    chunks: Vec<Chunk>,
    /// Of the chunk that is being filled: first and last start, and its bytes.
    span: Option<(i64, i64)>,
    packed: Vec<u8>,
}

impl Packer {
    /// Goes on behind the panes of a chunk.
    fn behind(chunk: Option<&Chunk>) -> Packer {
        let mut packer = Packer::default();
        packer.packed.reserve(CHUNK_BYTES + CHUNK_BYTES / 2);
        if let Some(chunk) = chunk {
            packer.packed.extend_from_slice(&chunk.packed);
            packer.span = Some((chunk.first_ms, chunk.last_ms));
        }
        packer
    }

    fn push(&mut self, pane_ms: i64, body: &[u8]) {
        if self.packed.len() + body.len() > CHUNK_BYTES {
            self.close();
        }
        let (first_ms, last_ms) = self.span.unwrap_or((pane_ms, pane_ms));
        put(pane_ms.wrapping_sub(last_ms) as u64, &mut self.packed);
        put(body.len() as u64, &mut self.packed);
        self.packed.extend_from_slice(body);
        self.span = Some((first_ms, pane_ms));
    }

    fn close(&mut self) {
        if let Some((first_ms, last_ms)) = self.span.take() {
            self.chunks.push(Chunk {
                first_ms,
                last_ms,
                packed: Arc::from(&self.packed[..]),
            });
        }
        self.packed.clear();
    }

    fn finish(mut self) -> Vec<Chunk> {
        self.close();
        self.chunks
    }
}

fn chunks_of<'a>(panes: impl Iterator<Item = (i64, &'a [u8])>) -> Vec<Chunk> {
    let mut packer = Packer::default();
    panes.for_each(|(pane_ms, body)| packer.push(pane_ms, body));
    packer.finish()
}

impl fmt::Debug for Panes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        self.for_each(|pane_ms, measure| {
            map.entry(&pane_ms, measure);
        });
        map.finish()
    }
}

/// As a map of measures by start: how they lie in memory is no part of a checkpoint's format.
impl Serialize for Panes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.starts().count()))?;
        let mut result = Ok(());
        self.for_each(|pane_ms, measure| {
            if result.is_ok() {
                result = map.serialize_entry(&pane_ms, measure);
            }
        });
        result?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Panes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Panes, D::Error> {
        deserializer.deserialize_map(OfMap)
    }
}

struct OfMap;

impl<'de> Visitor<'de> for OfMap {
    type Value = Panes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("panes by their start, oldest first")
    }

    /// All are packed at once: a restart must not need more memory than what it goes on from.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Panes, A::Error> {
        let mut packer = Packer::default();
        let mut body = Vec::new();
        while let Some((pane_ms, measure)) = map.next_entry::<i64, Measure>()? {
            let last_ms = packer.span.map(|(_, last_ms)| last_ms);
            if last_ms.is_some_and(|last_ms| last_ms >= pane_ms) {
                return Err(A::Error::custom("panes are out of order"));
            }
            body.clear();
            measure.pack(&mut body);
            packer.push(pane_ms, &body);
        }
        Ok(Panes {
            cold: packer.finish(),
            hot: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use differential_dataflow::difference::Abelian;
    use proptest::prelude::*;

    use super::*;
    use crate::measure::Parts;

    const PARTS: Parts = Parts {
        histogram: true,
        extremes: false,
    };

    #[derive(Clone, Debug)]
    enum Act {
        Add(i64, f64, i64),
        Cancel(i64),
        Pack(i64),
        Retire(i64),
        Reload,
    }

    fn act() -> impl Strategy<Value = Act> {
        let pane = -2_i64..60;
        prop_oneof![
            12 => (pane.clone(), 1.0..1e4, 1_i64..4).prop_map(|(at, value, weight)| Act::Add(at, value, weight)),
            2 => pane.clone().prop_map(Act::Cancel),
            2 => pane.prop_map(Act::Pack),
            1 => (0_i64..20).prop_map(Act::Retire),
            1 => Just(Act::Reload),
        ]
    }

    proptest! {
        /// Whatever is packed when: panes read like a plain map.
        #[test]
        fn panes_are_a_map(acts in prop::collection::vec(act(), 1..200), from in -5_i64..60, size in 0_i64..70) {
            const MS: i64 = 60_000;
            let (mut panes, mut map) = (Panes::default(), BTreeMap::<i64, Measure>::new());
            for act in acts {
                match act {
                    Act::Add(at, value, weight) => {
                        let measure = Measure::of(Some(value), weight, PARTS);
                        let at = at * MS;
                        let before = map.range(..at).next_back().map(|(at, _)| *at);
                        let after = map.range(at + 1..).next().map(|(at, _)| *at);
                        prop_assert_eq!(panes.neighbours(at), (before, after));
                        prop_assert_eq!(panes.add(at, measure.clone()), !map.contains_key(&at));
                        map.entry(at).or_default().plus_equals(&measure);
                    }
                    Act::Cancel(at) => {
                        if let Some(mut measure) = map.remove(&(at * MS)) {
                            measure.negate();
                            prop_assert!(!panes.add(at * MS, measure.clone()));
                        }
                    }
                    Act::Pack(at) => panes.pack(at * MS),
                    Act::Retire(at) => {
                        panes.retire(at * MS);
                        map = map.split_off(&(at * MS));
                    }
                    Act::Reload => {
                        let bytes = postcard::to_allocvec(&panes).unwrap();
                        prop_assert_eq!(&bytes, &postcard::to_allocvec(&map).unwrap());
                        panes = postcard::from_bytes(&bytes).unwrap();
                    }
                }
                prop_assert_eq!(panes.is_empty(), map.is_empty());
                prop_assert_eq!(panes.last_ms(), map.keys().next_back().copied());
            }
            prop_assert!(panes.starts().eq(map.keys().copied()));
            let mut shown = Vec::new();
            panes.for_each(|at, measure| shown.push((at, measure.clone())));
            prop_assert!(shown.iter().map(|(at, measure)| (at, measure)).eq(map.iter()));
            let span = from * MS..(from + size) * MS;
            let (mut got, mut want) = (Total::default(), Total::default());
            panes.sum(span.clone(), &mut got);
            map.range(span).for_each(|(_, measure)| want.add(measure));
            prop_assert_eq!((got.count, got.quantile(0.5)), (want.count, want.quantile(0.5)));
        }
    }

    #[test]
    fn panes_out_of_order_are_refused() {
        let bytes = postcard::to_allocvec(&vec![(7_i64, Measure::default()); 2]).unwrap();
        let error = postcard::from_bytes::<Panes>(&bytes).unwrap_err();
        assert_eq!(error, postcard::Error::SerdeDeCustom);
    }
}
