//! Watermarks: per source from event times, per stream the least over its active sources.
//!
//! Everything here is a function of journaled facts and ticks, so every worker computes the same.
//!
//! Invariants:
//! * a stream's watermark never goes back, and never runs ahead of the journaled clock;
//! * a source that is idle does not hold its stream back, and says so;
//! * a source that speaks of the past only is lagging: it does not hold its stream back either, and says so;
//! * time in which the engine itself did not run counts as nobody's silence;
//! * nobody lags behind a clock that was set ahead, as long as no source tells of that time;
//! * with every source idle, the stream stands where its furthest source left it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataflow::Limits;
use crate::dataflow::owner::{Holdings, Owner};
use crate::event::{SourceId, SourceProgress, Stream};
use crate::rules::{RuleBook, StreamRule};

/// How long a source is silent before it may be forgotten to make room, ms. Judgement: its silence was mailed a week
/// ago, and nobody has mended it.
const GONE_AFTER_MS: i64 = 7 * 86_400_000;
/// Longest step between two ticks that counts as time in which sources could have been heard, ms.
///
/// A running engine ticks at least once a second; after a longer step it was down, or stalled, or the clock
/// was set, and nobody could have been heard. Judgement: five missed ticks.
const STEP_HEARD_MAX_MS: i64 = 5_000;

/// How long nobody may contradict a clock that stepped ahead before it is believed, ms. Judgement: probes speak each minute.
const BELIEVED_AFTER_MS: i64 = 300_000;

/// What is known of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// Highest event time, ms.
    pub ts_ms_max: i64,
    /// Tick at which it last spoke, ms.
    pub seen_at_ms: i64,
    /// Events so far.
    pub events: u64,
    /// Silent for longer than its idle time-out.
    pub idle: bool,
    /// Speaking for longer than its idle time-out of nothing but the past.
    pub lagging: bool,
    /// How long it has been silent while the engine ran, ms.
    silent_ms: i64,
    /// How long the engine has listened since it began to speak only of the past, ms.
    behind_ms: Option<i64>,
    /// It has kept up with the clock at some time; what never did is a backfill.
    kept_up: bool,
    /// It spoke since the last tick.
    spoke: bool,
    /// Who brought it first.
    owner: Owner,
}

impl SourceState {
    fn new(ts_ms_max: i64, owner: Owner) -> SourceState {
        SourceState {
            ts_ms_max,
            owner,
            seen_at_ms: i64::MIN,
            events: 0,
            idle: false,
            lagging: false,
            silent_ms: 0,
            behind_ms: None,
            kept_up: false,
            spoke: false,
        }
    }

    /// Lets the clock move by `heard_ms`, in which the engine listened. It may be ahead by `ahead_ms`.
    fn pass(
        &mut self,
        (now_ms, ahead_ms): (i64, i64),
        heard_ms: i64,
        rule: &StreamRule,
        furthest_ms: i64,
    ) {
        let spoke = std::mem::take(&mut self.spoke);
        if spoke {
            self.seen_at_ms = now_ms;
            self.silent_ms = 0;
        } else {
            self.silent_ms = self.silent_ms.saturating_add(heard_ms);
        }
        self.idle = self.silent_ms > rule.idle_timeout_ms;
        if now_ms == 0 {
            // A replay has no clock to lag behind.
            return;
        }
        let fresh_ms = rule
            .allowed_lateness_ms
            .saturating_add(rule.idle_timeout_ms);
        let is_late = |than_ms: i64| than_ms.saturating_sub(self.ts_ms_max) > fresh_ms;
        self.kept_up |= !is_late(now_ms);
        let is_behind =
            (self.kept_up && is_late(now_ms.saturating_sub(ahead_ms))) || is_late(furthest_ms);
        self.behind_ms = match self.behind_ms {
            _ if self.idle || (spoke && !is_behind) => None,
            // What has never kept up, and begins far behind others who do, is not waited for: under ever new names it
            // would hold the stream for ever.
            None if spoke
                && !self.kept_up
                && is_late(furthest_ms)
                && now_ms.saturating_sub(furthest_ms) <= fresh_ms =>
            {
                Some(rule.idle_timeout_ms + 1)
            }
            None if spoke => Some(0),
            since => since.map(|ms| ms.saturating_add(heard_ms)),
        };
        self.lagging = self.behind_ms.is_some_and(|ms| ms > rule.idle_timeout_ms);
    }
}

/// Progress of event time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    sources: BTreeMap<SourceId, SourceState>,
    /// Who brought how many of them.
    holdings: Holdings,
    streams: [i64; Stream::ALL.len()],
    now_ms: i64,
    /// How far the clock may have been set ahead, ms: by so much it stepped, less what sources have told of since. After
    /// a time in which the engine was down the first of them tells that it was not; where there is none, or none has spoken
    /// for a while, the clock is believed.
    ahead_ms: i64,
    /// How long the engine has listened since a source spoke, ms.
    unheard_ms: i64,
    /// Events since the start of sources that are not told apart.
    #[serde(skip)]
    unnamed: u64,
    /// The tick at which it was last looked for sources that are gone, ms: until the next there are no more.
    swept_ms: i64,
    /// How many sources are told apart ([`Limits::sources_max`]): of the configuration, and not of a checkpoint.
    #[serde(skip, default = "sources_max")]
    sources_max: usize,
}

fn sources_max() -> usize {
    Limits::default().sources_max
}

impl Default for Watermarks {
    fn default() -> Self {
        Watermarks {
            sources: BTreeMap::new(),
            holdings: Holdings::default(),
            streams: [i64::MIN; Stream::ALL.len()],
            now_ms: 0,
            ahead_ms: 0,
            unheard_ms: 0,
            unnamed: 0,
            swept_ms: i64::MIN,
            sources_max: sources_max(),
        }
    }
}

impl Watermarks {
    /// Sources that are told apart, how many there may be, and the events since the start of further ones.
    pub fn bound(&self) -> (u64, u64, u64) {
        (
            self.sources.len() as u64,
            self.sources_max as u64,
            self.unnamed,
        )
    }

    /// Puts the bound on sources in force; those beyond it stay until they are gone.
    pub(super) fn set_sources_max(&mut self, max: usize) {
        self.sources_max = max;
    }

    /// Notes what a batch of `owner` said of a source; counts from the next [`Watermarks::tick`].
    pub fn observe(&mut self, id: SourceId, progress: SourceProgress, owner: Owner) {
        let id = if self.sources.contains_key(&id) || self.has_room(owner) {
            id
        } else {
            self.unnamed += progress.events;
            SourceId {
                stream: id.stream,
                name: None,
            }
        };
        let state = self.sources.entry(id).or_insert_with(|| {
            self.holdings.take(owner);
            SourceState::new(progress.ts_ms_max, owner)
        });
        state.ts_ms_max = state.ts_ms_max.max(progress.ts_ms_max);
        state.events += progress.events;
        state.spoke = true;
    }

    /// Whether one more source of an owner is told apart: a flood of names leaves room for those of others (`owner`).
    fn has_room(&mut self, owner: Owner) -> bool {
        let max = self.sources_max;
        if self.sources.len() >= max && self.swept_ms != self.now_ms {
            self.forget_gone();
        }
        let held = self.sources.len();
        held < max && self.holdings.has_share(owner, held, max)
    }

    /// Forgets sources that have been silent for a week: names that somebody once used must not keep others from
    /// being told apart for ever.
    fn forget_gone(&mut self) {
        let now_ms = self.now_ms;
        self.swept_ms = now_ms;
        let is_gone = |state: &SourceState| {
            state.idle && now_ms.saturating_sub(state.seen_at_ms) >= GONE_AFTER_MS
        };
        for (_, state) in self.sources.extract_if(.., |_, state| is_gone(state)) {
            self.holdings.give_back(state.owner);
        }
    }

    /// Moves the clock to a journaled tick and every stream's watermark with it.
    pub fn tick(&mut self, now_ms: i64, book: &RuleBook) {
        let step_ms = now_ms.saturating_sub(self.now_ms).max(0);
        let heard_ms = if step_ms <= STEP_HEARD_MAX_MS {
            step_ms
        } else {
            0
        };
        // The first tick of all comes from nowhere.
        if heard_ms == 0 && self.now_ms != 0 {
            self.ahead_ms = self.ahead_ms.saturating_add(step_ms);
        }
        self.now_ms = self.now_ms.max(now_ms);
        let spoke = self.sources.values().filter(|state| state.spoke);
        if let Some(told_ms) = spoke.map(|state| state.ts_ms_max).max() {
            let untold_ms = self.now_ms.saturating_sub(told_ms).max(0);
            self.ahead_ms = self.ahead_ms.min(untold_ms);
            self.unheard_ms = 0;
        } else {
            self.unheard_ms = self.unheard_ms.saturating_add(heard_ms);
        }
        // An event of the future must not close windows that others still fill. A replay has no clock.
        let known_ms = match self.now_ms {
            0 => i64::MAX,
            now_ms => now_ms,
        };
        let mut furthest = [i64::MIN; Stream::ALL.len()];
        for (id, state) in &self.sources {
            let furthest = &mut furthest[id.stream.index()];
            *furthest = state.ts_ms_max.min(known_ms).max(*furthest);
        }
        let mut least = [i64::MAX; Stream::ALL.len()];
        for (id, state) in &mut self.sources {
            let Some(rule) = book.streams.get(&id.stream) else {
                continue;
            };
            let stream = id.stream.index();
            let clock = (self.now_ms, self.ahead_ms);
            state.pass(clock, heard_ms, rule, furthest[stream]);
            // What a lagging source says corrects windows that are told. One wrong clock among many must not hide
            // what all the others see.
            if !state.idle && !state.lagging {
                least[stream] = least[stream].min(state.ts_ms_max.min(known_ms));
            }
        }
        if self.sources.is_empty() || self.unheard_ms > BELIEVED_AFTER_MS {
            self.ahead_ms = 0;
        }
        for stream in Stream::ALL {
            let Some(rule) = book.streams.get(&stream) else {
                continue;
            };
            let at = stream.index();
            let reached = match (least[at], furthest[at]) {
                (_, i64::MIN) => continue,
                (i64::MAX, furthest_ms) => furthest_ms,
                (least_ms, _) => least_ms,
            };
            self.streams[at] =
                self.streams[at].max(reached.saturating_sub(rule.allowed_lateness_ms));
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

    /// Whether the stream has spoken, and now all its sources are idle or lag.
    pub fn is_silent(&self, stream: Stream) -> bool {
        let mut of_stream = self
            .sources
            .iter()
            .filter(|(id, _)| id.stream == stream)
            .peekable();
        of_stream.peek().is_some() && of_stream.all(|(_, state)| state.idle || state.lagging)
    }

    /// Every source with its state.
    pub fn sources(&self) -> impl Iterator<Item = (&SourceId, &SourceState)> {
        self.sources.iter()
    }

    /// The last tick, ms.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// What the clock may have been set ahead by, ms: no source tells of that time yet.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms
    }

    /// The last tick less what the clock may have been set ahead by, ms: what must not be decided too early, for it cannot be
    /// decided again, is decided by this. Never goes back.
    pub fn believed_ms(&self) -> i64 {
        self.now_ms.saturating_sub(self.ahead_ms)
    }
}

#[cfg(test)]
mod tests;
