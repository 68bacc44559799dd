//! Reading ahead: with many keys, what a step costs is what it waits for memory. Reads that do not wait for one another
//! are under way together, so what a run of keys will need is read for some of them at a time, before the first is dealt
//! with. Nothing here changes anything.

use std::sync::Arc;

use crate::dataflow::panes::Panes;
use crate::measure::Measure;

/// Keys that are read together. Judgement: a processor waits for some ten lines of memory at a time, and what is read
/// stays in a near cache until it is used.
pub(super) const TOGETHER: usize = 64;
/// A table of fewer keys lies in a near cache, and reading ahead would be work for nothing. Judgement: half a KiB a key,
/// two MiB.
pub(super) const FAR_KEYS: usize = 1 << 12;
/// The same of keys with their panes, of which each has some that fill. Judgement: four KiB a key.
pub(super) const FAR_PANES: usize = 1 << 9;
/// A line of memory, bytes.
const LINE_BYTES: usize = 64;
/// Buckets of a histogram in it.
const LINE_BUCKETS: usize = LINE_BYTES / size_of::<(i32, i32)>();

/// Reads the newest panes of at most [`TOGETHER`] keys: by `hash` what they are looked up by, and then what is held.
/// Each step reads of all of them what the next must wait for.
pub(super) fn read_ahead<'a, K>(
    keys: impl Iterator<Item = K> + Clone,
    hash: impl Fn(K) -> u64,
    held: impl Fn(K) -> Option<&'a Panes>,
) {
    let keys = keys.take(TOGETHER);
    std::hint::black_box(keys.clone().fold(0, |seen, key| seen ^ hash(key)));
    let mut known = [None; TOGETHER];
    for (known, key) in known.iter_mut().zip(keys) {
        *known = held(key);
    }
    let newest = known.map(|panes| panes.and_then(|panes| panes.filling().next()));
    read_measures(newest.into_iter().flatten());
}

/// Reads those panes of keys that have been looked up which fill, and the newest that are packed: all of the memory that summing them meets.
pub(super) fn read_filling<'a>(known: impl Iterator<Item = &'a Panes> + Clone) {
    read_measures(known.clone().flat_map(Panes::filling));
    let packed = known.flat_map(|panes| panes.newest_packed().iter().step_by(LINE_BYTES));
    std::hint::black_box(packed.fold(0, |seen, byte| seen ^ byte));
}

/// Reads measures with their buckets.
pub(super) fn read_measures<'a>(measures: impl Iterator<Item = &'a Measure> + Clone) {
    let seen = measures.clone().fold(0, |seen, of| seen ^ of.count);
    std::hint::black_box(seen);
    let buckets = measures.flat_map(|of| of.histogram.counts().iter().step_by(LINE_BUCKETS));
    std::hint::black_box(buckets.fold(0, |seen, (bucket, _)| seen ^ bucket));
}

/// Counts shared things once more. Their counters lie far apart, and each is added to in one step that waits for its
/// own line of memory and lets nothing pass. So those of some are read first, which lets them be fetched side by side.
pub(crate) fn share_all<'a, T: 'a, U, V>(
    mut things: impl Iterator<Item = (&'a Arc<T>, U)>,
    mut made: impl FnMut(Arc<T>, U) -> V,
) -> Vec<V> {
    let mut all = Vec::with_capacity(things.size_hint().0);
    let mut some = Vec::with_capacity(TOGETHER);
    loop {
        some.extend(things.by_ref().take(TOGETHER));
        if some.is_empty() {
            return all;
        }
        let seen = some.iter().map(|(thing, _)| Arc::strong_count(thing));
        std::hint::black_box(seen.fold(0, |seen, count| seen ^ count));
        all.extend(
            some.drain(..)
                .map(|(thing, more)| made(thing.clone(), more)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_shared_in_their_order() {
        let things: Vec<Arc<usize>> = (0..3 * TOGETHER + 1).map(Arc::new).collect();
        let pairs = things.iter().zip(0..);
        let shared = share_all(pairs, |thing, at: usize| (thing, at));
        assert_eq!(shared.len(), things.len());
        for ((thing, at), own) in shared.iter().zip(&things) {
            assert!(Arc::ptr_eq(thing, own) && **thing == *at);
        }
    }
}
