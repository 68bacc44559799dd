//! Packed panes of neighbouring minutes, in few bytes and one allocation.
//!
//! Invariant: panes of a chunk ascend, and so do chunks of a key.

use std::sync::Arc;

use crate::measure::{Packed, put};

/// Bytes of a chunk, if it is more than one pane: a late fact rewrites its chunk. With the two counters of an `Arc` it
/// fills the allocator's blocks of 512; what is a little more would take 640 (mimalloc has four sizes an octave).
const CHUNK_BYTES: usize = 512 - 2 * size_of::<usize>();

/// Starts of neighbours are mostly so far apart, ms, or some times as far: then their distance is a byte.
const STEP_MS: u64 = 1_000;

/// Neighbouring panes, packed: the distance to the start of the one before ([`put_distance`]), the length, the measure.
#[derive(Clone)]
pub(super) struct Chunk {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    packed: Arc<[u8]>,
}

impl Chunk {
    /// All of its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.packed
    }

    /// Its panes: start, ms, and the packed measure.
    pub(super) fn entries(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let mut packed = Packed(&self.packed);
        let mut pane_ms = self.first_ms;
        std::iter::from_fn(move || {
            if packed.is_empty() {
                return None;
            }
            pane_ms = pane_ms.wrapping_add(distance(&mut packed));
            let length = packed.number() as usize;
            Some((pane_ms, packed.bytes(length)))
        })
    }
}

/// Writes how far a pane starts behind the one before, ms: in steps and one more, or 0 and then what is no number of steps.
fn put_distance(distance_ms: i64, into: &mut Vec<u8>) {
    let distance_ms = distance_ms as u64;
    if distance_ms.is_multiple_of(STEP_MS) {
        put(distance_ms / STEP_MS + 1, into);
    } else {
        put(0, into);
        put(distance_ms, into);
    }
}

/// Reads what [`put_distance`] wrote, ms.
fn distance(packed: &mut Packed<'_>) -> i64 {
    let distance_ms = match packed.number().checked_sub(1) {
        Some(steps) => steps.wrapping_mul(STEP_MS),
        None => packed.number(),
    };
    distance_ms as i64
}

/// Puts packed panes, which come in ascending order, into chunks.
#[derive(Default)]
pub(super) struct Packer {
    chunks: Vec<Chunk>,
    /// Of the chunk that is being filled: first and last start, and its bytes.
    span: Option<(i64, i64)>,
    packed: Vec<u8>,
    /// What a pane begins with.
    head: Vec<u8>,
}

impl Packer {
    /// Goes on behind the panes of a chunk.
    pub(super) fn behind(chunk: Option<&Chunk>) -> Packer {
        let mut packer = Packer::default();
        packer.packed.reserve(CHUNK_BYTES + CHUNK_BYTES / 2);
        if let Some(chunk) = chunk {
            packer.packed.extend_from_slice(&chunk.packed);
            packer.span = Some((chunk.first_ms, chunk.last_ms));
        }
        packer
    }

    /// Puts a pane behind those that it has.
    pub(super) fn push(&mut self, pane_ms: i64, body: &[u8]) {
        let (mut first_ms, last_ms) = self.span.unwrap_or((pane_ms, pane_ms));
        self.begin(pane_ms.wrapping_sub(last_ms), body);
        if self.packed.len() + self.head.len() + body.len() > CHUNK_BYTES {
            self.close();
            first_ms = pane_ms;
            self.begin(0, body);
        }
        self.packed.extend_from_slice(&self.head);
        self.packed.extend_from_slice(body);
        self.span = Some((first_ms, pane_ms));
    }

    fn begin(&mut self, distance_ms: i64, body: &[u8]) {
        self.head.clear();
        put_distance(distance_ms, &mut self.head);
        put(body.len() as u64, &mut self.head);
    }

    /// Start of the last pane that was put in, ms, if the chunk that is being filled has it.
    pub(super) fn last_ms(&self) -> Option<i64> {
        self.span.map(|(_, last_ms)| last_ms)
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

    /// The chunks.
    pub(super) fn finish(mut self) -> Vec<Chunk> {
        self.close();
        self.chunks
    }
}

/// Packed panes, which come in ascending order, in chunks.
pub(super) fn chunks_of<'a>(panes: impl Iterator<Item = (i64, &'a [u8])>) -> Vec<Chunk> {
    let mut packer = Packer::default();
    panes.for_each(|(pane_ms, body)| packer.push(pane_ms, body));
    packer.finish()
}
