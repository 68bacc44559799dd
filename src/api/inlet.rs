//! The way of lines into the journal. It needs a rule book and the clock, and nothing of the engine: a start opens it as
//! soon as the journal may be written, and the engine goes on with the same, so that nothing is judged, stamped or
//! bounded otherwise before than after.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use axum::http::HeaderMap;

use crate::api::HttpConfig;
use crate::api::router::now_ms;
use crate::api::stamps::Stamps;
use crate::engine::Snapshot;
use crate::event::{SourceId, Stream};
use crate::ingest::{Attachment, Intake, Sender};
use crate::journal::writer::Submitter;
use crate::metrics::{EdgeLimit, Metrics};

/// What takes lines: those of producers, reports and contacts that become lines, and what the engine fetches by itself.
pub struct Inlet {
    pub(in crate::api) intake: Arc<Intake>,
    pub(in crate::api) config: HttpConfig,
    snapshot: Arc<ArcSwap<Snapshot>>,
    metrics: Arc<Metrics>,
    stamps: Stamps,
}

impl Inlet {
    /// A way into a journal. Lines are judged by the plan of `snapshot`, as it is then, and stamped by its event time.
    pub fn new(
        config: HttpConfig,
        submitter: Submitter<Attachment>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        metrics: Arc<Metrics>,
    ) -> Inlet {
        Inlet {
            intake: config.intake(submitter, snapshot.clone(), metrics.clone()),
            stamps: Stamps::new(
                config.clock_ahead_ms_max,
                config.stamped_sources_max,
                now_ms(),
                Instant::now(),
            ),
            config,
            snapshot,
            metrics,
        }
    }

    /// What is known of the rules and of event time now.
    pub(in crate::api) fn snapshot(&self) -> Arc<Snapshot> {
        Guard::into_inner(self.snapshot.load())
    }

    /// The time of a line that these sources do not stamp themselves, ms: the clock's, unless that was set ahead. A line of
    /// which it is not is counted.
    pub(in crate::api) fn stamp_ms(&self, own: &[SourceId]) -> i64 {
        let (now_ms, held_by_ms) = self.held_by_ms(own);
        if held_by_ms > 0 {
            self.metrics.went_over(EdgeLimit::ClockAhead);
        }
        now_ms - held_by_ms
    }

    /// The time of a line about a ticket: those name no source.
    pub(in crate::api) fn ticket_stamp_ms(&self) -> i64 {
        let (stream, name) = (Stream::Complaint, None);
        self.stamp_ms(&[SourceId { stream, name }])
    }

    /// The time of a dial test of a source whose lines are stamped here, ms.
    pub fn test_stamp_ms(&self, source: &str) -> i64 {
        let (stream, name) = (Stream::DialTest, Some(source.into()));
        self.stamp_ms(&[SourceId { stream, name }])
    }

    /// How much earlier than the clock something would be stamped now, ms, and how many lines were so far.
    pub(in crate::api) fn stamps(&self) -> (i64, u64) {
        let (_, held_by_ms) = self.held_by_ms(&[]);
        (held_by_ms, self.metrics.over(EdgeLimit::ClockAhead))
    }

    /// How many sources are known to be stamped here, how many may be, and how often there was another one.
    pub(in crate::api) fn stamped_sources(&self) -> (u64, u64, u64) {
        self.stamps.bound()
    }

    fn held_by_ms(&self, own: &[SourceId]) -> (i64, i64) {
        let (now_ms, at) = (now_ms(), Instant::now());
        let marks = &self.snapshot().watermarks;
        (now_ms, self.stamps.held_by_ms(now_ms, at, marks, own))
    }

    /// Takes lines that the engine fetched by itself, judged, journaled and bounded as those of producers; true when all of
    /// them are durable.
    pub async fn take(&self, lines: String) -> bool {
        let headers = HeaderMap::new();
        let taken = self
            .intake
            .take(Sender::default(), &headers, lines.into(), now_ms());
        taken.await.is_ok_and(|receipt| receipt.refused_total == 0)
    }
}
