//! What an epoch's batches came to, in bytes: the sum of each tuple's pane, as the combiner hands it out, and all that
//! is no fact. Recovery takes it in place of the batches, of which it would make the same.
//!
//! ```text
//! version u32 | layout u64 | width of panes i64 | owners u32 | of each: mark u32, length u32, packed batch without facts
//! | of each share: lengths of both u32 u32, packed batch of tuples alone, panes
//! ```
//!
//! Invariants:
//! * what is read is what the combiner made, whoever brought it, and no batch shows in it;
//! * what another version of this program wrote, or was made under another layout or width of panes, is told by its first
//!   bytes and is not read;
//! * a tuple is in one share, and mostly in that of the worker that has its group: then its facts go to nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::dataflow::combine::Combiner;
use crate::dataflow::route::home_of;
use crate::dataflow::{Owner, TuplePane, Work};
use crate::event::{Batch, Tuple, Unpacker, pack};
use crate::measure::{Measure, Packed, put, put_signed};
use crate::rules::Plan;

/// Raised whenever the same batches come to something else, or it is written otherwise.
const VERSION: u32 = 3;
/// Version, layout, width of panes.
const HEAD_BYTES: usize = 20;
/// Shares of a digest. A power of two, as numbers of workers often are: timely then exchanges by the lowest bits of a
/// hash, which the number of a share is.
const SHARES: usize = 8;
/// Tuples whose share is remembered, which is a cache and begins anew. Judgement: as many as a decoder remembers.
const HOMES_MAX: usize = 1 << 18;

/// Makes digests; keeps its memory from one to the next.
#[derive(Default)]
pub struct Digester {
    combiner: Combiner,
    unpacker: Unpacker,
    /// Shares of tuples under a plan, by its version.
    homes: (u64, FxHashMap<Arc<Tuple>, usize>),
}

/// Tuples and panes of a share.
#[derive(Default)]
struct Share {
    tuples: Batch,
    /// Of each pane: 0, or 1 and the owner's number where it is the next tuple's; the distance to the start of the one
    /// before; the measure.
    panes: Vec<u8>,
    before_ms: i64,
}

impl Digester {
    /// The digest of an epoch that is nothing but this work, under a plan. `None` where there is none to be had: of lines
    /// that are not decoded, or of a batch of another layout.
    pub fn digest(&mut self, work: &[Work], plan: &Plan) -> Option<Vec<u8>> {
        let mut owners: BTreeMap<Owner, Batch> = BTreeMap::new();
        let is_all = work
            .iter()
            .all(|work| self.add(work, plan, &mut owners).is_some());
        let shares = self.shares(plan, &owners);
        if !is_all {
            return None;
        }
        let mut digest = head(plan).to_vec();
        digest.extend(length(owners.len())?.to_le_bytes());
        for (owner, rest) in &mut owners {
            rest.layout = plan.layout.version;
            let packed = pack(rest)?;
            digest.extend(owner.mark().to_le_bytes());
            digest.extend(length(packed.len())?.to_le_bytes());
            digest.extend(packed);
        }
        for mut share in shares {
            share.tuples.layout = plan.layout.version;
            let packed = pack(&share.tuples)?;
            digest.extend(length(packed.len())?.to_le_bytes());
            digest.extend(length(share.panes.len())?.to_le_bytes());
            digest.extend(packed);
            digest.extend(share.panes);
        }
        Some(digest)
    }

    fn add(&mut self, work: &Work, plan: &Plan, owners: &mut BTreeMap<Owner, Batch>) -> Option<()> {
        let unpacked;
        let (batch, owner) = match work {
            Work::Decoded { batch, owner } if batch.layout == plan.layout.version => {
                (&**batch, *owner)
            }
            Work::Packed { packed, owner, .. } => {
                unpacked = self.unpacker.unpack(packed, plan.layout.version)?.whole();
                (&unpacked, *owner)
            }
            Work::Decoded { .. } | Work::Lines { .. } => return None,
        };
        self.combiner.add(batch, owner, plan);
        note(batch, owners.entry(owner).or_default());
        Some(())
    }

    /// What the combiner gathered; it is empty then.
    fn shares(&mut self, plan: &Plan, owners: &BTreeMap<Owner, Batch>) -> [Share; SHARES] {
        let mut shares: [Share; SHARES] = Default::default();
        let numbers: FxHashMap<Owner, u64> = owners.keys().copied().zip(1..).collect();
        let (version, homes) = &mut self.homes;
        if *version != plan.version || homes.len() > HOMES_MAX {
            homes.clear();
            *version = plan.version;
        }
        let mut newest: Option<(Arc<Tuple>, usize)> = None;
        self.combiner.drain(|(tuple, pane_ms), measure, owner| {
            // All panes of a tuple come one after the other.
            let known = newest.as_ref().filter(|(of, _)| Arc::ptr_eq(of, &tuple));
            let (is_new, home) = match (known, homes.get(&tuple)) {
                (Some((_, home)), _) => (false, *home),
                (None, Some(home)) => (true, *home),
                (None, None) => {
                    let home = share_of(plan, &tuple);
                    homes.insert(tuple.clone(), home);
                    (true, home)
                }
            };
            let share = &mut shares[home];
            let owner = numbers.get(&owner).filter(|_| is_new);
            put(owner.copied().unwrap_or(0), &mut share.panes);
            put_signed(pane_ms.wrapping_sub(share.before_ms), &mut share.panes);
            measure.pack(&mut share.panes);
            share.before_ms = pane_ms;
            if is_new {
                share.tuples.tuples.push(tuple.clone());
                newest = Some((tuple, home));
            }
        });
        shares
    }
}

/// Takes in all of a batch but its facts.
fn note(batch: &Batch, into: &mut Batch) {
    into.events += batch.events;
    into.records.extend_from_slice(&batch.records);
    into.annotations.extend_from_slice(&batch.annotations);
    into.readings.extend_from_slice(&batch.readings);
    for (id, progress) in &batch.sources {
        match into.sources.get_mut(id) {
            Some(known) => {
                known.ts_ms_max = known.ts_ms_max.max(progress.ts_ms_max);
                known.events += progress.events;
            }
            None => {
                into.sources.insert(id.clone(), *progress);
            }
        }
    }
}

fn length(of: usize) -> Option<u32> {
    u32::try_from(of).ok()
}

fn head(plan: &Plan) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&VERSION.to_le_bytes());
    head[4..12].copy_from_slice(&plan.layout.version.to_le_bytes());
    head[12..].copy_from_slice(&plan.book.pane_ms.to_le_bytes());
    head
}

/// Whether bytes say of themselves that they are a digest of this version, made under that plan's layout and panes.
pub fn is_digest_under(digest: &[u8], plan: &Plan) -> bool {
    digest.starts_with(&head(plan))
}

/// Takes numbers and bytes off the front.
struct Left<'a>(&'a [u8]);

impl<'a> Left<'a> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*number))
    }

    fn bytes(&mut self, length: u32) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length as usize)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// Which shares of an epoch's digest are a worker's.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub(super) worker: usize,
    pub(super) workers: usize,
    pub(super) epoch: u64,
}

impl Reader {
    fn has(self, share: usize) -> bool {
        // Where there are more workers than shares, epoch after epoch is others'.
        let turn = (self.epoch as usize).wrapping_mul(SHARES);
        turn.wrapping_add(share) % self.workers == self.worker
    }

    /// Whether it takes all that is no fact.
    pub(super) fn has_rest(self) -> bool {
        self.has(0)
    }

    /// Whether a tuple is in a share of its.
    pub(super) fn has_tuple(self, plan: &Plan, tuple: &Tuple) -> bool {
        self.has(share_of(plan, tuple))
    }
}

fn share_of(plan: &Plan, tuple: &Tuple) -> usize {
    home_of(plan, tuple) as usize % SHARES
}

/// Reads a worker's shares: its panes, and, on one of the workers, all that is no fact. `None` if the bytes are no digest
/// under the plan, or not whole.
pub(super) fn read(
    digest: &[u8],
    plan: &Plan,
    unpacker: &mut Unpacker,
    reader: Reader,
    facts: &mut Vec<(TuplePane, Measure, Owner)>,
) -> Option<Vec<(Batch, Owner)>> {
    if !is_digest_under(digest, plan) {
        return None;
    }
    let mut left = Left(&digest[HEAD_BYTES..]);
    let (mut rests, mut owners) = (Vec::new(), Vec::new());
    for _ in 0..left.number()? {
        let owner = Owner::of_mark(left.number()?);
        let length = left.number()?;
        let packed = left.bytes(length)?;
        owners.push(owner);
        if reader.has_rest() {
            let rest = unpacker.unpack(packed, plan.layout.version)?.into_rest();
            rests.push((rest, owner));
        }
    }
    for share in 0..SHARES {
        let lengths = (left.number()?, left.number()?);
        let (packed, panes) = (left.bytes(lengths.0)?, left.bytes(lengths.1)?);
        if !reader.has(share) {
            continue;
        }
        let batch = unpacker.unpack(packed, plan.layout.version)?;
        let (_, places) = batch.places();
        let mut places = places.iter();
        let (mut tuple, mut pane_ms) = (None, 0_i64);
        let mut panes = Packed(panes);
        while !panes.is_empty() {
            if let Some(owner) = panes.number().checked_sub(1) {
                let owner = *owners.get(usize::try_from(owner).ok()?)?;
                tuple = Some((batch.tuple(*places.next()?), owner));
            }
            pane_ms = pane_ms.wrapping_add(panes.signed());
            let measure = Measure::unpacked(&mut panes);
            let (tuple, owner) = tuple?;
            facts.push(((tuple.clone(), pane_ms), measure, owner));
        }
        if places.next().is_some() {
            return None;
        }
    }
    left.0.is_empty().then_some(rests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DecodeLimits, Decoder, SourceId, SourceProgress, Stream};
    use crate::rules::testing::{MINIMAL, plan};

    fn lines(first: u32, count: u32, source: &str) -> String {
        let line = |at: u32| {
            let (ts, name) = (i64::from(at % 7) * 60_000 + i64::from(at), at * at % 97);
            format!(
                r#"{{"type":"gauge","ts":{ts},"name":"g{name}","value":{at}.5,"source":"{source}"}}"#
            )
        };
        let ticket =
            format!(r#"{{"type":"complaint","ts":{first},"serial":"c{first}","path":"a/b"}}"#);
        let lines = (first..first + count).map(line);
        lines.chain([ticket]).collect::<Vec<_>>().join("\n")
    }

    fn plan_of(dimensions: &str) -> Arc<Plan> {
        plan(&format!(
            "{MINIMAL}\nstreams:\n  gauge: {{dimensions: [{dimensions}]}}\n"
        ))
    }

    /// Two batches of each of two owners, and one of nobody.
    fn work(plan: &Plan) -> Vec<Work> {
        let owner = |name| Owner::of(None, Some(name));
        let of = [
            owner("b"),
            owner("a"),
            owner("b"),
            owner("a"),
            Owner::default(),
        ];
        let batches = of.into_iter().zip(0..).map(|(owner, number)| {
            let mut decoder = Decoder::new(plan.layout.clone(), DecodeLimits::default());
            let lines = lines(number * 150, 300, ["x", "y"][number as usize % 2]);
            let decoded = decoder.decode(lines.as_bytes());
            assert_eq!(decoded.refused, []);
            let batch = Arc::new(decoded.batch);
            Work::Decoded { batch, owner }
        });
        batches.collect()
    }

    type Facts = BTreeMap<(Tuple, i64), (Measure, Owner)>;

    fn combined(work: &[Work], plan: &Plan) -> Facts {
        let mut combiner = Combiner::default();
        for work in work {
            if let Work::Decoded { batch, owner } = work {
                combiner.add(batch, *owner, plan);
            }
        }
        let mut facts = Facts::new();
        combiner.drain(|(tuple, pane_ms), measure, owner| {
            facts.insert(((*tuple).clone(), pane_ms), (measure, owner));
        });
        facts
    }

    #[test]
    fn what_all_workers_read_is_what_the_combiner_makes_of_the_batches() {
        let plan = plan_of("name");
        let work = work(&plan);
        let wanted = combined(&work, &plan);
        let mut digester = Digester::default();
        // Its memory is used again, also after work that has no digest.
        let other = plan_of("name, city");
        assert_eq!(digester.digest(&work, &other), None);
        for workers in [1, 2, 3, 4, 11] {
            let digest = digester.digest(&work, &plan).unwrap();
            let mut facts = Facts::new();
            let mut rests = Vec::new();
            for worker in 0..workers {
                let mut unpacker = Unpacker::default();
                let reader = Reader {
                    worker,
                    workers,
                    epoch: 5,
                };
                let mut own = Vec::new();
                rests.extend(read(&digest, &plan, &mut unpacker, reader, &mut own).unwrap());
                for ((tuple, pane_ms), measure, owner) in own {
                    assert!(reader.has_tuple(&plan, &tuple));
                    let before = facts.insert(((*tuple).clone(), pane_ms), (measure, owner));
                    assert_eq!(before, None, "a pane comes once");
                }
            }
            assert_eq!(facts, wanted);
            let events: u64 = rests.iter().map(|(rest, _)| rest.events).sum();
            assert_eq!((events, rests.len()), (5 * 301, 3));
            let of_a = rests
                .iter()
                .find(|(_, owner)| *owner == Owner::of(None, Some("a")));
            let rest = &of_a.unwrap().0;
            assert_eq!((rest.records.len(), rest.facts.len()), (2, 0));
            let (stream, name) = (Stream::Gauge, Some("y".into()));
            let told = SourceProgress {
                ts_ms_max: 6 * 60_000 + 748,
                events: 600,
            };
            assert_eq!(rest.sources.get(&SourceId { stream, name }), Some(&told));
        }
    }

    #[test]
    fn what_is_cut_or_of_another_plan_is_not_read() {
        let plan = plan_of("name");
        let digest = Digester::default().digest(&work(&plan), &plan).unwrap();
        let read = |digest: &[u8], plan: &Plan| {
            let (mut unpacker, mut facts) = (Unpacker::default(), Vec::new());
            let reader = Reader {
                worker: 0,
                workers: 1,
                epoch: 0,
            };
            read(digest, plan, &mut unpacker, reader, &mut facts).is_some()
        };
        assert!(read(&digest, &plan) && is_digest_under(&digest, &plan));
        let other = plan_of("name, city");
        assert!(!read(&digest, &other) && !is_digest_under(&digest, &other));
        assert!(
            (0..digest.len())
                .step_by(7)
                .all(|at| !read(&digest[..at], &plan))
        );
        let mut longer = digest;
        longer.push(0);
        assert!(!read(&longer, &plan));
        longer[0] ^= 1;
        assert!(!is_digest_under(&longer, &plan));
    }
}
