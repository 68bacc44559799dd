//! A decoded batch: facts as columns over a table of distinct tuples, and records as they are.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::event::{Annotation, Reading, Record, Stream, Tuple};

/// One fact of a linear stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact {
    /// When it happened, ms since the epoch.
    pub ts_ms: i64,
    /// Measured value in the stream's raw unit; NaN when it carries none.
    pub value: f64,
    /// Index into the batch's tuple table.
    pub tuple: u32,
}

/// Whom an event came from: a stream and, when the event names one, a source within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId {
    /// Stream.
    pub stream: Stream,
    /// The event's `source`, if given.
    pub name: Option<Arc<str>>,
}

/// What a batch says about one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProgress {
    /// Highest event time, ms.
    pub ts_ms_max: i64,
    /// Events.
    pub events: u64,
}

/// A decoded batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// [`crate::event::Layout::version`] that it was decoded with.
    pub layout: u64,
    /// Distinct tuples, in order of first appearance.
    pub tuples: Vec<Arc<Tuple>>,
    /// Facts of linear streams.
    pub facts: Vec<Fact>,
    /// Events of keyed streams.
    pub records: Vec<Record>,
    /// Explanations.
    pub annotations: Vec<Annotation>,
    /// Readings of gauges that rates divide by; they are facts as well.
    pub readings: Vec<Reading>,
    /// Progress of each source.
    pub sources: FxHashMap<SourceId, SourceProgress>,
    /// Events in it, of any type.
    pub events: u64,
}

impl Batch {
    /// Notes an event of a source.
    pub(super) fn advance(&mut self, stream: Stream, name: Option<&str>, ts_ms: i64) {
        self.events += 1;
        self.follow(stream, name, ts_ms);
    }

    /// Notes the progress of a source on another stream of the same event.
    pub(super) fn follow(&mut self, stream: Stream, name: Option<&str>, ts_ms: i64) {
        let id = SourceId {
            stream,
            name: name.map(Arc::from),
        };
        let progress = self.sources.entry(id).or_insert(SourceProgress {
            ts_ms_max: ts_ms,
            events: 0,
        });
        progress.ts_ms_max = progress.ts_ms_max.max(ts_ms);
        progress.events += 1;
    }
}
