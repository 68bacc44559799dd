//! The time of what the engine stamps itself: probes of `blackbox`, contacts, confirmations and closings without `ts`,
//! reports of MM7 without a date. It is journaled with the line, so a replay has the same.
//!
//! * It is the clock's, unless that stepped ahead while this process ran and live sources do not tell of that time: then
//!   it is that of before the step and what has passed since, or the sources' where they are further.
//! * What is stamped here vouches for no clock: a source that was ever stamped is not asked.
//! * Where nobody else speaks the clock is believed, and so is one that was wrong before the process began: nothing
//!   tells it from a time in which the engine was down.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::dataflow::Watermarks;
use crate::event::SourceId;

/// What is known of the clock.
pub(super) struct Stamps {
    /// How far the clock may be ahead of live sources before it is not believed, ms.
    ahead_ms_max: i64,
    /// Sources that are remembered as stamped; further ones vouch as others do.
    own_max: usize,
    known: Mutex<Known>,
}

struct Known {
    /// A moment, and what time it was, ms: clock and sources agreed then, or the process began.
    agreed: (Instant, i64),
    /// Sources of what was stamped here.
    own: HashSet<SourceId>,
    /// How often something was stamped of a source that is not among them.
    beyond_total: u64,
}

impl Stamps {
    pub(super) fn new(ahead_ms_max: i64, own_max: usize, now_ms: i64, at: Instant) -> Stamps {
        Stamps {
            ahead_ms_max,
            own_max,
            known: Mutex::new(Known {
                agreed: (at, now_ms),
                own: HashSet::new(),
                beyond_total: 0,
            }),
        }
    }

    /// How many sources are known to be stamped here, how many may be, and how often there was another one.
    pub(super) fn bound(&self) -> (u64, u64, u64) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        (
            known.own.len() as u64,
            self.own_max as u64,
            known.beyond_total,
        )
    }

    /// How much earlier than `now_ms` something is stamped, ms; 0 where the clock is believed. `own` are the sources that it
    /// will be of.
    pub(super) fn held_by_ms(
        &self,
        now_ms: i64,
        at: Instant,
        marks: &Watermarks,
        own: &[SourceId],
    ) -> i64 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for id in own {
            if known.own.contains(id) {
                continue;
            }
            if known.own.len() < self.own_max {
                known.own.insert(id.clone());
            } else {
                known.beyond_total += 1;
            }
        }
        let live = marks
            .sources()
            .filter(|(id, state)| !state.idle && !state.lagging && !known.own.contains(id));
        let live_ms = live.map(|(_, state)| state.ts_ms_max).max();
        known.held_by_ms(now_ms, at, live_ms, self.ahead_ms_max)
    }
}

impl Known {
    fn held_by_ms(
        &mut self,
        now_ms: i64,
        at: Instant,
        live_ms: Option<i64>,
        ahead_ms_max: i64,
    ) -> i64 {
        let untold_ms = live_ms.map_or(0, |live_ms| now_ms.saturating_sub(live_ms));
        if untold_ms <= ahead_ms_max {
            self.agreed = (at, now_ms);
            return 0;
        }
        let (since, agreed_ms) = self.agreed;
        let passed = at.saturating_duration_since(since).as_millis();
        let passed_ms = i64::try_from(passed).unwrap_or(i64::MAX);
        let stepped_ms = now_ms.saturating_sub(agreed_ms.saturating_add(passed_ms));
        match stepped_ms.min(untold_ms) {
            held_ms if held_ms > ahead_ms_max => held_ms,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dataflow::Owner;
    use crate::event::{SourceProgress, Stream};
    use crate::rules::testing::book_with_stream;

    const HOUR_MS: i64 = 3_600_000;
    const MAX_MS: i64 = 60_000;

    #[test]
    fn a_clock_that_was_set_ahead_leads_no_stamp_while_live_sources_contradict_it() {
        let began = Instant::now();
        let mut known = Known {
            agreed: (began, HOUR_MS),
            own: HashSet::new(),
            beyond_total: 0,
        };
        // What the true time is so many seconds after the beginning, and the clock's, ahead by so much.
        let mut held = |second: u64, ahead_ms: i64, live_ms: Option<i64>| {
            let true_ms = HOUR_MS + second as i64 * 1_000;
            let at = began + Duration::from_secs(second);
            let by_ms = known.held_by_ms(true_ms + ahead_ms, at, live_ms, MAX_MS);
            (true_ms + ahead_ms - by_ms) - true_ms
        };
        let told = |second: i64| Some(HOUR_MS + second * 1_000);
        assert_eq!(held(1, 0, None), 0, "nobody speaks");
        assert_eq!(held(2, 0, told(-1_800)), 0, "who is late moves no clock");
        // At once, before any tick has seen the step.
        let set = 3 * HOUR_MS;
        assert_eq!(held(60, set, told(59)), 0);
        assert_eq!(held(7_200, set, told(7_190)), 0, "for as long as it lasts");
        assert_eq!(held(7_210, set, told(7_211)), 1_000, "a source is fast");
        // No further than what it is allowed to be.
        assert_eq!(held(7_220, MAX_MS, told(7_220)), MAX_MS);
        // Sources tell of that time: the clock had been behind, and was set right.
        assert_eq!(held(7_230, set, Some(HOUR_MS + 7_230_000 + set)), set);
        assert_eq!(held(7_240, set, told(7_240)), set, "and stays believed");
        // It is set right, and wrong again.
        assert_eq!(held(7_250, 0, told(7_250)), 0);
        assert_eq!(held(7_260, set, told(7_255)), 0);
        // Who was live is silent: the clock is believed, also when they come back.
        assert_eq!(held(7_270, set, None), set);
    }

    #[test]
    fn a_time_in_which_the_engine_was_down_is_no_step() {
        let began = Instant::now();
        let stamps = Stamps::new(MAX_MS, 2, 9 * HOUR_MS, began);
        let known = &mut *stamps.known.lock().unwrap();
        let at = began + Duration::from_secs(5);
        // Its sources last told of a time eight hours ago.
        let now_ms = 9 * HOUR_MS + 5_000;
        assert_eq!(known.held_by_ms(now_ms, at, Some(HOUR_MS), MAX_MS), 0);
    }

    #[test]
    fn live_sources_are_asked_and_none_that_is_stamped_here_or_silent() {
        let began = Instant::now();
        let at = |second| began + Duration::from_secs(second);
        let of = |name: &str| SourceId {
            stream: Stream::DialTest,
            name: Some(name.into()),
        };
        let book = book_with_stream(Stream::DialTest, 0, 10_000);
        let mut marks = Watermarks::default();
        let tell = |marks: &mut Watermarks, name: &str, ts_ms_max, tick_ms| {
            let events = 1;
            let progress = SourceProgress { ts_ms_max, events };
            marks.observe(of(name), progress, Owner::default());
            marks.tick(tick_ms, &book);
        };
        let own = [of("blackbox")];
        let stamps = Stamps::new(MAX_MS, 2, HOUR_MS, began);
        let set_ms = 5 * HOUR_MS;
        // What is stamped here is of the right time still, and alone: the clock is believed.
        tell(&mut marks, "blackbox", HOUR_MS, HOUR_MS);
        let alone = Stamps::new(MAX_MS, 2, HOUR_MS, began);
        let now_ms = HOUR_MS + set_ms + 1_000;
        assert_eq!(alone.held_by_ms(now_ms, at(1), &marks, &own), 0);
        // Another one speaks of the time before the step.
        tell(&mut marks, "true", HOUR_MS + 1_000, HOUR_MS + 1_000);
        assert_eq!(stamps.held_by_ms(now_ms, at(1), &marks, &own), set_ms);
        // What was stamped on the wrong clock all the same convinces nobody.
        tell(&mut marks, "blackbox", now_ms, now_ms);
        assert_eq!(stamps.held_by_ms(now_ms, at(1), &marks, &own), set_ms);
        assert_eq!(stamps.held_by_ms(now_ms, at(1), &marks, &[]), set_ms);
        // The other one is silent for longer than its time-out.
        for second in 1..=11 {
            let tick_ms = now_ms + second * 1_000;
            tell(&mut marks, "blackbox", tick_ms, tick_ms);
        }
        let later_ms = now_ms + 11_000;
        assert_eq!(stamps.held_by_ms(later_ms, at(12), &marks, &own), 0);
    }

    #[test]
    fn sources_that_are_stamped_beyond_the_bound_vouch_as_others_and_are_counted() {
        let at = Instant::now();
        let stamps = Stamps::new(MAX_MS, 2, HOUR_MS, at);
        let of = |name: &str| SourceId {
            stream: Stream::MmsReceipt,
            name: Some(name.into()),
        };
        for name in ["a", "b", "c", "a", "c"] {
            stamps.held_by_ms(HOUR_MS, at, &Watermarks::default(), &[of(name)]);
        }
        assert_eq!(stamps.bound(), (2, 2, 2));
    }
}
