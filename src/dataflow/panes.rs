//! Panes of one key, by their start: those that still fill as measures, older ones packed.
//!
//! A day of minutes is 1,440 panes a key, of which nearly all will only be read and forgotten. They lie packed in
//! chunks of neighbours: an allocation and a pointer for some twenty panes instead of three of each for every one.
//!
//! Invariants:
//! * panes are distinct, and none is zero;
//! * every packed pane is older than every other one;
//! * what is read does not show which panes are packed.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Range;

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::dataflow::ahead::read_measures;
use crate::dataflow::chunk::{Chunk, Packer, chunks_of};
use crate::measure::{Measure, Packed, Total};

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

/// What adding to a pane made of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// It was not there before.
    pub(super) is_new: bool,
    /// It is there now.
    pub(super) is_there: bool,
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

    /// Start of the oldest one, ms.
    pub(super) fn first_ms(&self) -> Option<i64> {
        let cold = self.cold.first().map(|chunk| chunk.first_ms);
        cold.or_else(|| self.hot.first().map(|(pane_ms, _)| *pane_ms))
    }

    /// Start of the newest one, ms.
    pub(super) fn last_ms(&self) -> Option<i64> {
        let hot = self.hot.last().map(|(pane_ms, _)| *pane_ms);
        hot.or_else(|| self.cold.last().map(|chunk| chunk.last_ms))
    }

    /// The newest few that are not packed, the newest first. Judgement: as many as most windows have.
    pub(super) fn filling(&self) -> impl Iterator<Item = &Measure> + Clone {
        self.hot.iter().rev().take(5).map(|(_, measure)| measure)
    }

    /// Bytes of the newest that are packed.
    pub(super) fn newest_packed(&self) -> &[u8] {
        self.cold.last().map_or(&[], Chunk::bytes)
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
        self.add_as(pane_ms, measure, |measure| measure).is_new
    }

    /// [`Panes::add`] of a measure that may be wanted elsewhere: mostly it is added to one that is there, and else
    /// what is to `keep` of it becomes the pane.
    pub(super) fn add_as<M: Borrow<Measure>>(
        &mut self,
        pane_ms: i64,
        measure: M,
        keep: impl FnOnce(M) -> Measure,
    ) -> Change {
        if self.is_cold(pane_ms) {
            return self.add_cold(pane_ms, measure.borrow());
        }
        match self.place(pane_ms) {
            Ok(at) => {
                let known = &mut self.hot[at].1;
                known.plus_equals(measure.borrow());
                let is_there = !known.is_zero();
                if !is_there {
                    self.hot.remove(at);
                }
                Change {
                    is_new: false,
                    is_there,
                }
            }
            Err(at) => {
                let is_there = !measure.borrow().is_zero();
                if is_there {
                    if self.hot.len() == self.hot.capacity() {
                        // One or two are the rule: the four that a vector begins with are for nothing.
                        self.hot.reserve_exact(self.hot.len().max(1));
                    }
                    self.hot.insert(at, (pane_ms, keep(measure)));
                }
                Change {
                    is_new: true,
                    is_there,
                }
            }
        }
    }

    /// Adds the panes of a span to a total, the oldest first.
    pub(super) fn sum(&self, span: Range<i64>, total: &mut Total) {
        // The newest are summed mostly: what is older is not met on the way to them.
        let first = match self.cold.last() {
            Some(last) if last.last_ms < span.start => self.cold.len(),
            _ => self.cold.partition_point(|of| of.last_ms < span.start),
        };
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
        hot.take_while(|(ms, _)| *ms < span.end)
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
        let chunks = self.cold[self.chunk_of(span.start)..].iter();
        let chunks = chunks.take_while(|of| of.first_ms < span.end);
        for (pane_ms, packed) in chunks.flat_map(Chunk::entries) {
            if span.contains(&pane_ms) {
                unpacked.unpack(Packed(packed));
                each(&unpacked);
            }
        }
        let hot = self.hot.iter().filter(|(ms, _)| span.contains(ms));
        hot.for_each(|(_, measure)| each(measure));
    }

    /// Forgets panes that start before a time; tells how many those were.
    pub(super) fn retire(&mut self, before_ms: i64) -> usize {
        let mut count = 0;
        let gone = self.cold.partition_point(|chunk| chunk.last_ms < before_ms);
        for chunk in self.cold.drain(..gone) {
            count += chunk.entries().count();
        }
        if let Some(chunk) = self.cold.first_mut()
            && chunk.first_ms < before_ms
        {
            let is_gone = |(pane_ms, _): &(i64, &[u8])| *pane_ms < before_ms;
            count += chunk.entries().take_while(is_gone).count();
            let kept = chunk.entries().skip_while(is_gone);
            // Fewer panes than before are not more than a chunk.
            if let Some(kept) = chunks_of(kept).pop() {
                *chunk = kept;
            }
        }
        let gone = self.hot.partition_point(|(ms, _)| *ms < before_ms);
        self.hot.drain(..gone);
        count + gone
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
        read_measures(self.hot[..count].iter().map(|(_, of)| of));
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
    fn add_cold(&mut self, pane_ms: i64, measure: &Measure) -> Change {
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
        let is_there = !sum.is_zero();
        let own = is_there.then_some((pane_ms, &body[..]));
        let chunks = chunks_of(before.chain(own).chain(after));
        self.cold.splice(at..=at, chunks);
        Change { is_new, is_there }
    }
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
            if packer.last_ms().is_some_and(|last_ms| last_ms >= pane_ms) {
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
mod tests;
