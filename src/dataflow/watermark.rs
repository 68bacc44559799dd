//! Watermarks: per source from event times, per stream the least over its active sources.
//!
//! Everything here is a function of journaled facts and ticks, so every worker computes the same.
//!
//! Invariants:
//! * a stream's watermark never goes back;
//! * a source that is idle does not hold its stream back, and says so;
//! * with every source idle, the stream stands where its furthest source left it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{SourceId, SourceProgress, Stream};
use crate::rules::RuleBook;

/// Sources that are told apart; more share the stream's unnamed source.
const SOURCES_MAX: usize = 10_000;

/// What is known of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SourceState {
    /// Highest event time, ms.
    pub ts_ms_max: i64,
    /// Tick at which it last spoke, ms.
    pub seen_at_ms: i64,
    /// Events so far.
    pub events: u64,
    /// Silent for longer than its idle time-out.
    pub idle: bool,
}

/// Progress of event time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermarks {
    sources: BTreeMap<SourceId, SourceState>,
    streams: [i64; Stream::ALL.len()],
    now_ms: i64,
}

impl Default for Watermarks {
    fn default() -> Self {
        Watermarks {
            sources: BTreeMap::new(),
            streams: [i64::MIN; Stream::ALL.len()],
            now_ms: 0,
        }
    }
}

impl Watermarks {
    /// Notes what a batch said of a source; counts from the next [`Watermarks::tick`].
    pub fn observe(&mut self, id: SourceId, progress: SourceProgress) {
        let id = if self.sources.len() < SOURCES_MAX || self.sources.contains_key(&id) {
            id
        } else {
            SourceId {
                stream: id.stream,
                name: None,
            }
        };
        let state = self.sources.entry(id).or_insert(SourceState {
            ts_ms_max: progress.ts_ms_max,
            seen_at_ms: i64::MIN,
            events: 0,
            idle: false,
        });
        state.ts_ms_max = state.ts_ms_max.max(progress.ts_ms_max);
        state.events += progress.events;
        // The tick that follows stamps it.
        state.seen_at_ms = i64::MAX;
    }

    /// Moves the clock to a journaled tick and every stream's watermark with it.
    pub fn tick(&mut self, now_ms: i64, book: &RuleBook) {
        self.now_ms = self.now_ms.max(now_ms);
        for stream in Stream::ALL {
            let Some(rule) = book.streams.get(&stream) else {
                continue;
            };
            let (mut least, mut most) = (i64::MAX, i64::MIN);
            for (_, state) in self
                .sources
                .iter_mut()
                .filter(|(id, _)| id.stream == stream)
            {
                if state.seen_at_ms == i64::MAX {
                    state.seen_at_ms = self.now_ms;
                }
                state.idle = self.now_ms.saturating_sub(state.seen_at_ms) > rule.idle_timeout_ms;
                let watermark = state.ts_ms_max.saturating_sub(rule.allowed_lateness_ms);
                most = most.max(watermark);
                if !state.idle {
                    least = least.min(watermark);
                }
            }
            let reached = if least == i64::MAX { most } else { least };
            let stands = &mut self.streams[stream.index()];
            *stands = (*stands).max(reached);
        }
    }

    /// Ends event time: every window is complete.
    pub fn end(&mut self) {
        self.streams = [i64::MAX; Stream::ALL.len()];
    }

    /// No more events before this are expected on the stream, ms; `i64::MIN` before its first event.
    pub fn of(&self, stream: Stream) -> i64 {
        self.streams[stream.index()]
    }

    /// How far event time has come on the stream, for things that happen by themselves (expiry, a
    /// running hold), ms: the watermark, and at the end of input the last event.
    pub fn clock(&self, stream: Stream) -> i64 {
        match self.of(stream) {
            i64::MAX => self
                .sources
                .iter()
                .filter(|(id, _)| id.stream == stream)
                .map(|(_, state)| state.ts_ms_max)
                .max()
                .unwrap_or(i64::MIN),
            watermark => watermark,
        }
    }

    /// Start of what is still kept of a stream, ms: the watermark less the retention.
    pub fn horizon(&self, stream: Stream, retention_ms: i64) -> i64 {
        match self.of(stream) {
            // The end of input seals windows; it makes nothing old.
            i64::MAX => i64::MIN,
            watermark => watermark.saturating_sub(retention_ms),
        }
    }

    /// Whether the stream has spoken and all its sources are idle now.
    pub fn is_silent(&self, stream: Stream) -> bool {
        let mut of_stream = self
            .sources
            .iter()
            .filter(|(id, _)| id.stream == stream)
            .peekable();
        of_stream.peek().is_some() && of_stream.all(|(_, state)| state.idle)
    }

    /// Every source with its state.
    pub fn sources(&self) -> impl Iterator<Item = (&SourceId, &SourceState)> {
        self.sources.iter()
    }

    /// The last tick, ms.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::book_with_stream;

    fn id(name: &str) -> SourceId {
        SourceId {
            stream: Stream::DialTest,
            name: Some(name.into()),
        }
    }

    fn at(ts_ms_max: i64) -> SourceProgress {
        SourceProgress {
            ts_ms_max,
            events: 1,
        }
    }

    #[test]
    fn the_slowest_active_source_decides_and_an_idle_one_does_not() {
        let book = book_with_stream(Stream::DialTest, 10, 100);
        let mut marks = Watermarks::default();
        assert_eq!(marks.of(Stream::DialTest), i64::MIN);
        marks.observe(id("a"), at(1000));
        marks.observe(id("b"), at(500));
        marks.tick(50, &book);
        assert_eq!(marks.of(Stream::DialTest), 490);
        marks.observe(id("a"), at(2000));
        marks.tick(150, &book);
        assert_eq!(
            marks.of(Stream::DialTest),
            490,
            "b is silent, but not for long enough"
        );
        marks.tick(151, &book);
        assert_eq!(marks.of(Stream::DialTest), 1990, "b is idle");
        marks.observe(id("b"), at(600));
        marks.tick(152, &book);
        assert_eq!(marks.of(Stream::DialTest), 1990, "never back");
        assert!(!marks.is_silent(Stream::DialTest));
        marks.tick(1000, &book);
        assert!(marks.is_silent(Stream::DialTest));
        assert!(
            !marks.is_silent(Stream::BossCall),
            "a stream that never spoke is not silent"
        );
    }

    #[test]
    fn the_clock_never_goes_back() {
        let book = book_with_stream(Stream::DialTest, 0, 100);
        let mut marks = Watermarks::default();
        marks.observe(id("a"), at(7));
        marks.tick(1000, &book);
        marks.tick(10, &book);
        assert_eq!(marks.now_ms(), 1000);
        assert!(!marks.is_silent(Stream::DialTest));
    }

    #[test]
    fn the_end_of_input_seals_but_does_not_age() {
        let mut marks = Watermarks::default();
        marks.end();
        assert_eq!(marks.of(Stream::Gauge), i64::MAX);
        assert_eq!(marks.horizon(Stream::Gauge, 5), i64::MIN);
    }
}
