//! Event time, naively: every epoch of the journal is gone through once more.

use std::collections::BTreeMap;

use chrysalis::event::Stream;
use serde_json::Value;

use crate::generate::Epoch;
use crate::naive::accept;
use crate::story::time_of;

struct Source {
    ts_ms_max: i64,
    seen_at_ms: i64,
}

/// Where event time stands after some epochs.
pub(crate) struct Clocks {
    watermarks: BTreeMap<Stream, i64>,
    latest: BTreeMap<Stream, i64>,
    ended: bool,
    /// A source fell silent at some time, so that others moved on without it.
    pub(crate) was_idle: bool,
}

impl Clocks {
    /// Goes through the epochs.
    pub(crate) fn after(epochs: &[Epoch]) -> Clocks {
        let mut sources: BTreeMap<(Stream, Option<String>), Source> = BTreeMap::new();
        let mut watermarks: BTreeMap<Stream, i64> = BTreeMap::new();
        let mut book = None;
        let mut was_idle = false;
        for epoch in epochs {
            book = epoch.book.as_ref().or(book);
            for value in epoch.lines().filter_map(|line| accept(line)) {
                let Some(stream) = stream_of(&value) else {
                    continue;
                };
                let ts_ms = time_of(&value, "ts");
                let name = value["source"].as_str().map(str::to_owned);
                let source = sources.entry((stream, name)).or_insert(Source {
                    ts_ms_max: ts_ms,
                    seen_at_ms: epoch.now_ms,
                });
                source.ts_ms_max = source.ts_ms_max.max(ts_ms);
                source.seen_at_ms = epoch.now_ms;
            }
            for stream in Stream::ALL {
                let rule = &book.unwrap().streams[&stream];
                let of_stream = sources.iter().filter(|((of, _), _)| *of == stream);
                let (active, idle): (Vec<&Source>, Vec<&Source>) = of_stream
                    .map(|(_, source)| source)
                    .partition(|source| epoch.now_ms - source.seen_at_ms <= rule.idle_timeout_ms);
                was_idle |= !idle.is_empty();
                let slowest = active.iter().map(|source| source.ts_ms_max).min();
                // With nobody active the stream stands where its furthest source left it.
                let furthest = idle.iter().map(|source| source.ts_ms_max).max();
                if let Some(ts_ms) = slowest.or(furthest) {
                    let reached = ts_ms - rule.allowed_lateness_ms;
                    let stands = watermarks.entry(stream).or_insert(reached);
                    *stands = reached.max(*stands);
                }
            }
        }
        let mut latest = BTreeMap::new();
        for ((stream, _), source) in &sources {
            let ts_ms = latest.entry(*stream).or_insert(source.ts_ms_max);
            *ts_ms = source.ts_ms_max.max(*ts_ms);
        }
        let ended = epochs.last().is_some_and(|epoch| epoch.end);
        Clocks {
            watermarks,
            latest,
            ended,
            was_idle,
        }
    }

    /// Windows that end here or before are sealed.
    pub(crate) fn watermark(&self, stream: Stream) -> i64 {
        match self.ended {
            true => i64::MAX,
            false => self.watermarks.get(&stream).copied().unwrap_or(i64::MIN),
        }
    }

    /// How far event time has come for what happens by itself.
    pub(crate) fn clock(&self, stream: Stream) -> i64 {
        let known = if self.ended {
            &self.latest
        } else {
            &self.watermarks
        };
        known.get(&stream).copied().unwrap_or(i64::MIN)
    }
}

/// The stream of a line; annotations belong to none.
pub(crate) fn stream_of(value: &Value) -> Option<Stream> {
    let what = value["type"].as_str().unwrap();
    Stream::ALL.into_iter().find(|stream| stream.name() == what)
}
