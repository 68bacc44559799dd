//! Watermarks: per source from event times, per stream the least over its active sources.
//!
//! Everything here is a function of journaled facts and ticks, so every worker computes the same.
//!
//! Invariants:
//! * a stream's watermark never goes back, and never runs ahead of the journaled clock;
//! * a source that is idle does not hold its stream back, and says so;
//! * a source that speaks of the past only is lagging: it does not hold its stream back either, and says so;
//! * time in which the engine itself did not run counts as nobody's silence;
//! * with every source idle, the stream stands where its furthest source left it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataflow::owner::{Holdings, Owner};
use crate::event::{SourceId, SourceProgress, Stream};
use crate::rules::{RuleBook, StreamRule};

/// Sources that are told apart; more share the stream's unnamed source.
const SOURCES_MAX: usize = 10_000;
/// How long a source is silent before it may be forgotten to make room, ms. Judgement: its silence was mailed a week
/// ago, and nobody has mended it.
const GONE_AFTER_MS: i64 = 7 * 86_400_000;
/// Longest step between two ticks that counts as time in which sources could have been heard, ms.
///
/// A running engine ticks at least once a second; after a longer step it was down, or stalled, or the clock
/// was set, and nobody could have been heard. Judgement: five missed ticks.
const STEP_HEARD_MAX_MS: i64 = 5_000;

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

    /// Lets the clock move by `heard_ms`, in which the engine listened.
    fn pass(&mut self, now_ms: i64, heard_ms: i64, rule: &StreamRule, furthest_ms: i64) {
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
        let is_behind = (self.kept_up && is_late(now_ms)) || is_late(furthest_ms);
        self.behind_ms = match self.behind_ms {
            _ if self.idle || (spoke && !is_behind) => None,
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
    /// Events since the start of sources that are not told apart.
    #[serde(skip)]
    unnamed: u64,
    /// The tick at which it was last looked for sources that are gone, ms: until the next there are no more.
    swept_ms: i64,
}

impl Default for Watermarks {
    fn default() -> Self {
        Watermarks {
            sources: BTreeMap::new(),
            holdings: Holdings::default(),
            streams: [i64::MIN; Stream::ALL.len()],
            now_ms: 0,
            unnamed: 0,
            swept_ms: i64::MIN,
        }
    }
}

impl Watermarks {
    /// Sources that are told apart, how many there may be, and the events since the start of further ones.
    pub fn bound(&self) -> (u64, u64, u64) {
        (self.sources.len() as u64, SOURCES_MAX as u64, self.unnamed)
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
        if self.sources.len() >= SOURCES_MAX && self.swept_ms != self.now_ms {
            self.forget_gone();
        }
        let held = self.sources.len();
        held < SOURCES_MAX && self.holdings.has_share(owner, held, SOURCES_MAX)
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
        self.now_ms = self.now_ms.max(now_ms);
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
            state.pass(self.now_ms, heard_ms, rule, furthest[stream]);
            // What a lagging source says corrects windows that are told. One wrong clock among many must not hide
            // what all the others see.
            if !state.idle && !state.lagging {
                least[stream] = least[stream].min(state.ts_ms_max.min(known_ms));
            }
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

    fn state(marks: &Watermarks, name: &str) -> SourceState {
        *marks.sources().find(|(at, _)| **at == id(name)).unwrap().1
    }

    #[test]
    fn the_slowest_active_source_decides_and_an_idle_one_does_not() {
        let book = book_with_stream(Stream::DialTest, 10, 100);
        let mut marks = Watermarks::default();
        assert_eq!(marks.of(Stream::DialTest), i64::MIN);
        marks.observe(id("a"), at(1000), Owner::default());
        marks.observe(id("b"), at(500), Owner::default());
        marks.tick(5000, &book);
        assert_eq!(marks.of(Stream::DialTest), 490);
        marks.observe(id("a"), at(2000), Owner::default());
        marks.tick(5100, &book);
        assert_eq!(
            marks.of(Stream::DialTest),
            490,
            "b is silent, but not for long enough"
        );
        marks.tick(5101, &book);
        assert_eq!(marks.of(Stream::DialTest), 1990, "b is idle");
        marks.observe(id("b"), at(600), Owner::default());
        marks.tick(5102, &book);
        assert_eq!(marks.of(Stream::DialTest), 1990, "never back");
        assert!(!marks.is_silent(Stream::DialTest));
        marks.tick(6000, &book);
        assert!(marks.is_silent(Stream::DialTest));
        assert!(
            !marks.is_silent(Stream::BossCall),
            "a stream that never spoke is not silent"
        );
    }

    #[test]
    fn an_event_of_the_future_closes_no_window_before_its_time() {
        let book = book_with_stream(Stream::DialTest, 10, 1_000_000);
        let mut marks = Watermarks::default();
        marks.observe(id("a"), at(600_000), Owner::default());
        marks.tick(1_000, &book);
        assert_eq!(marks.of(Stream::DialTest), 990);
        marks.tick(2_000, &book);
        assert_eq!(marks.of(Stream::DialTest), 1_990, "it moves with the clock");
        marks.tick(700_000, &book);
        assert_eq!(
            marks.of(Stream::DialTest),
            599_990,
            "and not beyond what was heard"
        );
        let mut replay = Watermarks::default();
        replay.observe(id("a"), at(600_000), Owner::default());
        replay.tick(0, &book);
        assert_eq!(
            replay.of(Stream::DialTest),
            599_990,
            "a replay has no clock"
        );
    }

    #[test]
    fn the_time_in_which_the_engine_was_down_is_nobodys_silence() {
        let book = book_with_stream(Stream::DialTest, 10, 300_000);
        let mut marks = Watermarks::default();
        marks.observe(id("a"), at(1_000), Owner::default());
        marks.tick(1_000, &book);
        marks.tick(1_000 + 7_200_000, &book);
        assert!(!state(&marks, "a").idle, "two hours between two ticks");
        for second in 1..=301 {
            marks.tick(7_201_000 + second * 1_000, &book);
        }
        assert!(state(&marks, "a").idle, "five minutes of listening");
    }

    #[test]
    fn a_source_that_speaks_only_of_the_past_lags_once_it_has_for_long_enough() {
        let book = book_with_stream(Stream::DialTest, 0, 10_000);
        let mut marks = Watermarks::default();
        let mut run = |from: i64, to: i64, behind: i64| {
            for now_ms in (from..to).step_by(1_000) {
                marks.observe(id("a"), at(now_ms), Owner::default());
                marks.observe(id("b"), at(now_ms - behind), Owner::default());
                marks.tick(now_ms, &book);
            }
            (state(&marks, "b").lagging, marks.of(Stream::DialTest))
        };
        assert_eq!(run(100_000, 130_000, 9_000), (false, 120_000));
        assert_eq!(
            run(130_000, 139_000, 60_000),
            (false, 120_000),
            "not for long enough"
        );
        let (lagging, watermark_ms) = run(139_000, 145_000, 60_000);
        assert!(lagging);
        assert_eq!(watermark_ms, 144_000, "it holds nobody up, and says so");
        assert!(!run(145_000, 150_000, 0).0, "it has caught up");
    }

    #[test]
    fn a_backfill_that_never_kept_up_with_the_clock_is_not_called_lagging() {
        let book = book_with_stream(Stream::DialTest, 0, 10_000);
        let mut marks = Watermarks::default();
        for step in 0..100 {
            marks.observe(id("a"), at(step * 1_000), Owner::default());
            marks.tick(86_400_000 + step * 1_000, &book);
        }
        assert!(!state(&marks, "a").lagging);
    }

    #[test]
    fn a_flood_of_names_leaves_room_for_the_sources_of_others_also_after_a_restart() {
        let [flood, honest] = ["flood", "honest"].map(|name| Owner::of(Some(name), None));
        let mut marks = Watermarks::default();
        let named = |marks: &Watermarks, of: &str| {
            let names = marks.sources().filter_map(|(id, _)| id.name.as_deref());
            names.filter(|name| name.starts_with(of)).count()
        };
        for number in 0..2 * SOURCES_MAX {
            marks.observe(id(&format!("f{number}")), at(1_000), flood);
        }
        let held = named(&marks, "f");
        assert!(
            (8 * SOURCES_MAX / 9..=8 * SOURCES_MAX / 9 + 1).contains(&held),
            "{held}"
        );
        assert_eq!(marks.bound().2, (2 * SOURCES_MAX - held) as u64);
        let saved = postcard::to_allocvec(&marks).unwrap();
        let mut marks: Watermarks = postcard::from_bytes(&saved).unwrap();
        for number in 0..900 {
            marks.observe(id(&format!("f-new{number}")), at(1_000), flood);
            marks.observe(id(&format!("h{number}")), at(1_000), honest);
        }
        assert_eq!(named(&marks, "h"), 900);
        assert_eq!(named(&marks, "f"), held);
    }

    #[test]
    fn sources_that_are_long_gone_make_room_for_new_ones() {
        let book = book_with_stream(Stream::DialTest, 0, 10_000);
        let mut marks = Watermarks::default();
        for number in 0..SOURCES_MAX {
            let owner = Owner::of(None, Some(&number.to_string()));
            marks.observe(id(&format!("s{number}")), at(1_000), owner);
        }
        marks.tick(1_000, &book);
        marks.observe(id("one too many"), at(1_000), Owner::default());
        assert_eq!(marks.bound().2, 1);
        // All but one fall silent, and a week goes by.
        let mut now_ms = 1_000;
        for step_ms in [5_000, 5_000, 5_000, GONE_AFTER_MS - 30_000, 5_000, 5_000] {
            now_ms += step_ms;
            marks.observe(id("s0"), at(now_ms), Owner::default());
            marks.observe(id("still too many"), at(now_ms), Owner::default());
            marks.tick(now_ms, &book);
        }
        assert_eq!(marks.bound().2, 7, "nobody has been silent for a week");
        now_ms += 15_000;
        marks.observe(id("s0"), at(now_ms), Owner::default());
        marks.tick(now_ms, &book);
        marks.observe(id("new"), at(now_ms), Owner::default());
        assert_eq!(marks.bound().2, 7);
        let names: Vec<_> = marks
            .sources()
            .filter_map(|(id, _)| id.name.clone())
            .collect();
        assert_eq!(
            names,
            ["new".into(), "s0".into()] as [std::sync::Arc<str>; 2]
        );
    }

    #[test]
    fn the_clock_never_goes_back() {
        let book = book_with_stream(Stream::DialTest, 0, 100);
        let mut marks = Watermarks::default();
        marks.observe(id("a"), at(7), Owner::default());
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
