//! Event time, naively: every epoch of the journal is gone through once more.

use std::collections::BTreeMap;

use chrysalis::event::Stream;
use serde_json::Value;

use crate::generate::Epoch;
use crate::naive::accept;
use crate::story::time_of;

/// A longer step of the clock than this was the engine's absence, ms.
const STEP_MAX_MS: i64 = 5_000;
/// A clock that went ahead by such a step is believed when nobody has spoken for longer than this, ms.
const BELIEVED_AFTER_MS: i64 = 300_000;

struct Source {
    ts_ms_max: i64,
    /// Index of the epoch in which it spoke last.
    spoke_in: usize,
    /// It has been with the clock at some time.
    kept_up: bool,
    /// Index of the epoch from which on it has spoken of the past only.
    behind_since: Option<usize>,
    /// It began so, never having been with the clock, where others were.
    is_stranger: bool,
}

/// Where event time stands after some epochs.
pub(crate) struct Clocks {
    watermarks: BTreeMap<Stream, i64>,
    latest: BTreeMap<Stream, i64>,
    ended: bool,
    /// A source fell silent or behind at some time, so that others moved on without it.
    pub(crate) was_idle: bool,
    /// A source spoke of the future at some time.
    pub(crate) was_ahead: bool,
}

impl Clocks {
    /// Goes through the epochs.
    pub(crate) fn after(epochs: &[Epoch]) -> Clocks {
        let mut sources: BTreeMap<(Stream, Option<String>), Source> = BTreeMap::new();
        let mut watermarks: BTreeMap<Stream, i64> = BTreeMap::new();
        let mut book = None;
        let (mut was_idle, mut was_ahead) = (false, false);
        // Time that the engine has listened, by the end of each epoch.
        let mut listened_ms: Vec<i64> = Vec::new();
        // By how much the clock may be ahead of what anybody has told of, and since when nobody has spoken.
        let (mut ahead_ms, mut unheard_ms) = (0, 0);
        for (index, epoch) in epochs.iter().enumerate() {
            let step_ms = index
                .checked_sub(1)
                .map_or(0, |before| epoch.now_ms - epochs[before].now_ms);
            let before_ms = listened_ms.last().copied().unwrap_or(0);
            let listened = if step_ms > STEP_MAX_MS { 0 } else { step_ms };
            listened_ms.push(before_ms + listened);
            book = epoch.book.as_ref().or(book);
            for value in epoch.lines().filter_map(|line| accept(line)) {
                let Some(stream) = stream_of(&value) else {
                    continue;
                };
                let ts_ms = time_of(&value, "ts");
                let name = value["source"].as_str().map(str::to_owned);
                // A call that tells its wait is heard on two streams.
                let waits = stream == Stream::BossCall && value["wait_ms"].is_number();
                // And so is a connection's change.
                let occupies = stream == Stream::BossConnection;
                let more = [
                    waits.then_some(Stream::BossWait),
                    occupies.then_some(Stream::BossOccupancy),
                ];
                for stream in [Some(stream)].into_iter().chain(more) {
                    let Some(stream) = stream else { continue };
                    let source = sources.entry((stream, name.clone())).or_insert(Source {
                        ts_ms_max: ts_ms,
                        spoke_in: index,
                        kept_up: false,
                        behind_since: None,
                        is_stranger: false,
                    });
                    source.ts_ms_max = source.ts_ms_max.max(ts_ms);
                    source.spoke_in = index;
                }
            }
            ahead_ms += step_ms - listened;
            let spoke = sources.values().filter(|source| source.spoke_in == index);
            if let Some(told_ms) = spoke.map(|source| source.ts_ms_max).max() {
                ahead_ms = ahead_ms.min((epoch.now_ms - told_ms).max(0));
                unheard_ms = 0;
            } else {
                unheard_ms += listened;
            }
            for stream in Stream::ALL {
                let rule = &book.unwrap().streams[&stream];
                let known = |source: &Source| source.ts_ms_max.min(epoch.now_ms);
                let of_stream = || sources.iter().filter(|((of, _), _)| *of == stream);
                // With nobody active the stream stands where its furthest source left it.
                let furthest = of_stream().map(|(_, source)| known(source)).max();
                let fresh_ms = rule.allowed_lateness_ms + rule.idle_timeout_ms;
                let mut slowest: Option<i64> = None;
                let of_stream = sources.iter_mut().filter(|((of, _), _)| *of == stream);
                for (_, source) in of_stream {
                    let since = |epoch: usize| listened_ms[index] - listened_ms[epoch];
                    let spoke = source.spoke_in == index;
                    let is_idle = since(source.spoke_in) > rule.idle_timeout_ms;
                    was_idle |= is_idle;
                    let is_late = |than_ms: i64| than_ms - source.ts_ms_max > fresh_ms;
                    source.kept_up |= !is_late(epoch.now_ms);
                    let is_behind = source.kept_up && is_late(epoch.now_ms - ahead_ms)
                        || furthest.is_some_and(is_late);
                    if is_idle || spoke && !is_behind {
                        source.behind_since = None;
                        source.is_stranger = false;
                    } else if spoke {
                        let is_live = furthest.is_some_and(|ts| epoch.now_ms - ts <= fresh_ms);
                        source.is_stranger |= source.behind_since.is_none()
                            && !source.kept_up
                            && is_live
                            && furthest.is_some_and(is_late);
                        source.behind_since = source.behind_since.or(Some(index));
                    }
                    let behind = source.behind_since;
                    let is_lagging = behind.is_some_and(|from| {
                        source.is_stranger || since(from) > rule.idle_timeout_ms
                    });
                    was_idle |= is_lagging;
                    if !is_idle && !is_lagging {
                        let ts_ms = source.ts_ms_max;
                        slowest = Some(slowest.map_or(ts_ms, |slowest| slowest.min(ts_ms)));
                    }
                }
                if let Some(ts_ms) = slowest.or(furthest) {
                    // Nothing that a source says of the future is believed before its time.
                    was_ahead |= ts_ms > epoch.now_ms;
                    let reached = ts_ms.min(epoch.now_ms) - rule.allowed_lateness_ms;
                    let stands = watermarks.entry(stream).or_insert(reached);
                    *stands = reached.max(*stands);
                }
            }
            if sources.is_empty() || unheard_ms > BELIEVED_AFTER_MS {
                ahead_ms = 0;
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
            was_ahead,
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
