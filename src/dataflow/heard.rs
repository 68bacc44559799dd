//! When streams were heard, and so which part of the past is known: time in which nobody spoke for longer than a stream
//! is ever quiet is neither zero nor anything else, and nothing is held against it.
//!
//! Invariants:
//! * what is known of the past never becomes unknown by hearing more;
//! * everything is a function of facts and controls, so every worker knows the same past.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::dataflow::Watermarks;
use crate::dataflow::waiting::affected_ends;
use crate::dataflow::windows::{Dirty, Windows};
use crate::event::Stream;
use crate::rules::{Family, FamilyWindow, HOUR_MS, Plan, WEEK_MS};

/// What all workers know alike of the past: when streams were heard, and since when families count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heard {
    /// By stream, hours in which something happened on it, ms.
    hours: [BTreeSet<i64>; Stream::ALL.len()],
    /// By family, since when it has its facts; of those that came over a history that had an end.
    pub(super) since: BTreeMap<u32, i64>,
}

impl Heard {
    fn of(&self, stream: Stream) -> &BTreeSet<i64> {
        &self.hours[source_of(stream).index()]
    }

    /// Notes that something happened on a stream, of which so many hours are remembered; true if that hour is news.
    pub(super) fn note(&mut self, stream: Stream, hour_ms: i64, hours_max: usize) -> bool {
        let hours = &mut self.hours[stream.index()];
        let is_new = hours.insert(hour_ms);
        if hours.len() > hours_max {
            hours.pop_first();
        }
        is_new
    }

    /// Whether nothing of the stream was missed in `[from_ms, to_ms)`: it was heard before, and since then was never
    /// silent for longer than `quiet_ms`, up to the end.
    fn spans(&self, stream: Stream, from_ms: i64, to_ms: i64, quiet_ms: i64) -> bool {
        let hours = self.of(stream);
        let Some(&before_ms) = hours.range(..=hour_of(from_ms)).next_back() else {
            return false;
        };
        let mut heard_ms = before_ms;
        for &hour_ms in hours.range(before_ms + 1..).chain([&to_ms]) {
            if hour_ms.saturating_sub(heard_ms) > quiet_ms.saturating_add(HOUR_MS) {
                return false;
            }
            if hour_ms >= to_ms {
                return true;
            }
            heard_ms = hour_ms;
        }
        true
    }

    /// Whether the stream was heard around `[from_ms, to_ms)`, with no silence longer than `quiet_ms`.
    pub(super) fn covers(&self, stream: Stream, from_ms: i64, to_ms: i64, quiet_ms: i64) -> bool {
        let hours = self.of(stream);
        let (first_ms, last_ms) = (hour_of(from_ms), hour_of(to_ms - 1));
        let Some(&before_ms) = hours.range(..=first_ms).next_back() else {
            return false;
        };
        let mut heard_ms = before_ms;
        for &hour_ms in hours.range(before_ms + 1..) {
            if heard_ms >= last_ms || hour_ms - heard_ms > quiet_ms {
                break;
            }
            heard_ms = hour_ms;
        }
        heard_ms >= last_ms
    }

    /// [`unheard_ms`] of a stream.
    fn unheard_ms(&self, stream: Stream, from_ms: i64, to_ms: i64, quiet_ms: i64) -> i64 {
        unheard_ms(self.of(stream), from_ms, to_ms, quiet_ms)
    }

    /// What [`Heard::unheard_ms`] leaves out since an hour was noted, and did not before, ms; nothing where it is empty.
    fn known_by(&self, stream: Stream, hour_ms: i64, quiet_ms: i64) -> Range<i64> {
        let hours = self.of(stream);
        let before = hours.range(..hour_ms).next_back();
        let before = before.filter(|ms| is_near(**ms, hour_ms, quiet_ms));
        let after = hours.range(hour_ms + 1..).next();
        let after = after.filter(|ms| is_near(hour_ms, **ms, quiet_ms));
        let own_ms = hour_ms + HOUR_MS;
        match (before, after) {
            (Some(before), Some(after)) if is_near(*before, *after, quiet_ms) => own_ms..own_ms,
            _ => {
                let end_of = |ms: Option<&i64>| ms.map_or(own_ms, |ms| ms + HOUR_MS);
                end_of(before)..end_of(after)
            }
        }
    }
}

/// How much of `[from_ms, to_ms)` nobody heard, ms, by the hours, by their starts, in which somebody was: what lies before
/// the first word or after the last, or in a silence longer than `quiet_ms`. The hour that ends such a silence is of it:
/// nobody knows when in that hour it ended.
pub fn unheard_ms(hours: &BTreeSet<i64>, from_ms: i64, to_ms: i64, quiet_ms: i64) -> i64 {
    let within = |begin_ms: i64, end_ms: i64| (end_ms.min(to_ms) - begin_ms.max(from_ms)).max(0);
    let mut earlier = hours.range(..=from_ms).rev();
    let first = earlier.next();
    let mut heard_ms = earlier.next().copied();
    let mut unheard_ms = 0;
    for &hour_ms in first.into_iter().chain(hours.range(from_ms + 1..)) {
        if !heard_ms.is_some_and(|ms| is_near(ms, hour_ms, quiet_ms)) {
            let begin_ms = heard_ms.map_or(from_ms, |ms| ms + HOUR_MS);
            unheard_ms += within(begin_ms, hour_ms + HOUR_MS);
        }
        if hour_ms >= to_ms {
            return unheard_ms;
        }
        heard_ms = Some(hour_ms);
    }
    unheard_ms + within(heard_ms.map_or(from_ms, |ms| ms + HOUR_MS), to_ms)
}

/// Whether between two hours, the earlier first, there was no silence but what is usual. Nothing is heard finer than by
/// the hour.
fn is_near(earlier_ms: i64, later_ms: i64, quiet_ms: i64) -> bool {
    later_ms - earlier_ms <= quiet_ms.max(HOUR_MS)
}

/// The stream whose events make the facts of one: occupancy is what connections come to.
fn source_of(stream: Stream) -> Stream {
    match stream {
        Stream::BossOccupancy => Stream::BossConnection,
        _ => stream,
    }
}

/// Hours that one worker has told already, so that it does not tell them with every event.
#[derive(Default)]
pub(super) struct Hearing {
    newest: [Option<i64>; Stream::ALL.len()],
    told: BTreeSet<(Stream, i64)>,
    news: Vec<(Stream, i64)>,
}

impl Hearing {
    /// Notes an event: two comparisons, as long as they come of the same hour.
    pub(super) fn hear(&mut self, stream: Stream, ts_ms: i64) {
        let newest = &mut self.newest[stream.index()];
        if newest.is_some_and(|hour_ms| (hour_ms..hour_ms + HOUR_MS).contains(&ts_ms)) {
            return;
        }
        let hour_ms = hour_of(ts_ms);
        *newest = Some(hour_ms);
        if self.told.insert((stream, hour_ms)) {
            self.news.push((stream, hour_ms));
        }
    }

    /// Hours that are to be told; telling one again does no harm.
    pub(super) fn news(&mut self, hours_max: usize) -> Vec<(Stream, i64)> {
        if self.told.len() > hours_max {
            self.told.clear();
        }
        std::mem::take(&mut self.news)
    }
}

/// The hour that holds an instant, by its start, ms.
pub fn hour_of(ts_ms: i64) -> i64 {
    ts_ms - ts_ms.rem_euclid(HOUR_MS)
}

impl Windows {
    /// Whether every message that was submitted in `[from_ms, to_ms)` is known: it is still kept, and submissions
    /// were heard around that time, with no longer silence than one in which nothing may have happened.
    pub(super) fn knows_messages(&self, from_ms: i64, to_ms: i64) -> bool {
        let Some(plan) = &self.clock.plan else {
            return false;
        };
        let rule = |stream: Stream| plan.book.streams.get(&stream);
        let (Some(submits), Some(receipts)) = (rule(Stream::MmsSubmit), rule(Stream::MmsReceipt))
        else {
            return false;
        };
        let watermarks = &self.clock.watermarks;
        let now_ms = watermarks
            .clock(Stream::MmsSubmit)
            .max(watermarks.clock(Stream::MmsReceipt));
        // Before the first message there is no time of any.
        let is_begun = now_ms != i64::MIN;
        let is_kept = from_ms >= now_ms.saturating_sub(receipts.retention_ms);
        is_begun
            && is_kept
            && self
                .heard
                .spans(Stream::MmsSubmit, from_ms, to_ms, submits.quiet_max_ms)
    }

    /// Whether the window that one is compared with was heard, but for so little of it that it makes no change; and the
    /// window itself, once it is sealed: the stream has spoken of a time after it then, or never will. Of one that is
    /// filling nobody knows yet how much is to come.
    pub(super) fn was_heard(
        &self,
        plan: &Plan,
        family: &Family,
        window: &FamilyWindow,
        (end_ms, is_sealed): (i64, bool),
    ) -> bool {
        let rule = plan.book.streams.get(&family.stream);
        let Some((against_ms, rule)) = window.against_ms.zip(rule) else {
            return false;
        };
        let size_ms = window.spec.size_ms;
        let unheard_max = i128::from(size_ms) * i128::from(rule.unheard_percent_max);
        let is_heard = |to_ms: i64| {
            let (stream, quiet_ms) = (family.stream, rule.quiet_max_ms);
            let unheard_ms = self
                .heard
                .unheard_ms(stream, to_ms - size_ms, to_ms, quiet_ms);
            i128::from(unheard_ms) * 100 <= unheard_max
        };
        is_heard(end_ms - against_ms) && (!is_sealed || is_heard(end_ms))
    }

    /// Takes in when streams were heard. What is heard so late that sealed windows look back on it
    /// makes them dirty: a week, or an earlier window, or they themselves, were not known and are known now.
    pub(super) fn hear(
        &mut self,
        plan: &Plan,
        heard: Vec<(Stream, i64)>,
        before: &Watermarks,
        dirty: &mut Dirty,
    ) {
        for (stream, hour_ms) in heard {
            if !self.heard.note(stream, hour_ms, self.limits.heard_hours) {
                continue;
            }
            for (number, state) in &self.families {
                let family = plan.families.get(number);
                let Some(family) = family.filter(|of| source_of(of.stream) == stream) else {
                    continue;
                };
                let rule = plan.book.streams.get(&family.stream);
                let quiet_ms = rule.map_or(0, |rule| rule.quiet_max_ms);
                let sealed_ms = before.of(family.stream);
                let news = News {
                    // The silence around it may have reached this far to both sides.
                    around: hour_ms - quiet_ms..hour_ms + HOUR_MS + quiet_ms,
                    known: self.heard.known_by(family.stream, hour_ms, quiet_ms),
                };
                for (shape, window) in family.windows.iter().enumerate() {
                    if !news.may_concern(window, sealed_ms) {
                        continue;
                    }
                    for (group, held) in &state.groups {
                        let ends = held.panes.starts();
                        let ends = ends.flat_map(|pane_ms| affected_ends(window, pane_ms));
                        for end_ms in ends.filter(|ms| *ms <= sealed_ms) {
                            if news.concerns(window, end_ms) {
                                dirty.insert((*number, shape, end_ms, group.clone()));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What an hour that was heard says of the time around it.
struct News {
    /// Where a week may have become known, ms.
    around: Range<i64>,
    /// What is no longer unheard, ms.
    known: Range<i64>,
}

impl News {
    /// Whether any window of a shape holds it, or looks back on it, that has been sealed.
    fn may_concern(&self, window: &FamilyWindow, sealed_ms: i64) -> bool {
        let is_past = |of: &Range<i64>, ago_ms: i64| of.start.saturating_add(ago_ms) < sealed_ms;
        let weeks = window.weeks > 0 && is_past(&self.around, WEEK_MS);
        // What is compared with earlier is asked for its own time, too.
        let compares = window.against_ms.is_some() && !self.known.is_empty();
        weeks || compares && is_past(&self.known, 0)
    }

    /// Whether a window holds it, or looks back on it.
    fn concerns(&self, window: &FamilyWindow, end_ms: i64) -> bool {
        let looks_at = |of: &Range<i64>, ago_ms: i64| {
            let there_ms = end_ms - ago_ms;
            there_ms - window.spec.size_ms < of.end && of.start < there_ms
        };
        let mut weeks = 1..=i64::from(window.weeks);
        weeks.any(|week| looks_at(&self.around, week * WEEK_MS))
            || !self.known.is_empty()
                && window
                    .against_ms
                    .is_some_and(|ago_ms| looks_at(&self.known, 0) || looks_at(&self.known, ago_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;

    #[test]
    fn a_week_is_known_where_the_stream_was_heard_around_it() {
        let mut heard = Heard::default();
        let covers = |heard: &Heard, from: i64, to: i64| {
            heard.covers(Stream::Complaint, from * HOUR_MS, to * HOUR_MS, DAY_MS)
        };
        assert!(!covers(&heard, 0, 1), "before anything was heard");
        for hour in [10, 20, 40, 90, 91] {
            assert!(heard.note(Stream::Complaint, hour * HOUR_MS, 100));
        }
        assert!(!heard.note(Stream::Complaint, 10 * HOUR_MS, 100));
        assert!(covers(&heard, 10, 11) && covers(&heard, 11, 12) && covers(&heard, 12, 40));
        assert!(!covers(&heard, 9, 11), "the first hour is the beginning");
        assert!(
            !covers(&heard, 50, 51) && !covers(&heard, 39, 91),
            "a silence"
        );
        assert!(covers(&heard, 90, 92) && !covers(&heard, 92, 93), "the end");
        assert!(!heard.covers(Stream::DialTest, 0, 1, DAY_MS));
    }

    /// Hours of `[from, to)` that nobody heard, with a silence of six hours usual.
    fn unheard(heard: &Heard, from: i64, to: i64) -> i64 {
        let (from_ms, to_ms) = (from * HOUR_MS, to * HOUR_MS);
        heard.unheard_ms(Stream::Complaint, from_ms, to_ms, 6 * HOUR_MS) / HOUR_MS
    }

    fn heard_at(hours: &[i64]) -> Heard {
        let mut heard = Heard::default();
        for hour in hours {
            heard.note(Stream::Complaint, hour * HOUR_MS, 100);
        }
        heard
    }

    #[test]
    fn what_lies_before_the_first_word_in_a_long_silence_or_after_the_last_was_not_heard() {
        assert_eq!(unheard(&heard_at(&[]), 3, 9), 6, "nobody ever spoke");
        let heard = heard_at(&[10, 16, 20, 27, 28, 29]);
        assert_eq!(unheard(&heard, 0, 40), 11 + 7 + 10);
        assert_eq!(unheard(&heard, 10, 20), 1, "nobody knows when in hour 10");
        assert_eq!(unheard(&heard, 11, 21), 0, "six hours are usual");
        assert_eq!(
            unheard(&heard, 18, 24),
            3,
            "seven are not, from their first on"
        );
        assert_eq!(unheard(&heard, 26, 30), 2, "the hour that ends it is of it");
        assert_eq!(unheard(&heard, 27, 30), 1);
        assert_eq!(unheard(&heard, 28, 30), 0);
        assert_eq!(unheard(&heard, 29, 33), 3, "what comes is not known yet");
        assert_eq!(unheard(&heard, 50, 60), 10);
        let of = |stream| heard.unheard_ms(stream, 0, HOUR_MS, 0);
        assert_eq!(
            of(Stream::DialTest),
            HOUR_MS,
            "each stream has its own past"
        );
    }

    #[test]
    fn occupancy_was_heard_when_connections_were() {
        let mut heard = Heard::default();
        for hour in 0..4 {
            heard.note(Stream::BossConnection, hour * HOUR_MS, 100);
        }
        let unheard = heard.unheard_ms(Stream::BossOccupancy, HOUR_MS, 4 * HOUR_MS, HOUR_MS);
        assert_eq!(unheard, 0);
    }

    /// Every order of hearing the same hours tells, hour by hour, exactly what becomes known, and nothing is forgotten.
    #[test]
    fn what_an_hour_makes_known_is_what_was_unheard_before_and_is_not_after() {
        let orders = [
            [10, 16, 20, 27, 28, 33],
            [33, 28, 27, 20, 16, 10],
            [20, 33, 10, 28, 16, 27],
            [27, 10, 33, 16, 28, 20],
        ];
        for order in orders {
            let mut heard = Heard::default();
            for hour in order {
                let before: Vec<i64> = (0..50).map(|at| unheard(&heard, at, at + 1)).collect();
                heard.note(Stream::Complaint, hour * HOUR_MS, 100);
                let known = heard.known_by(Stream::Complaint, hour * HOUR_MS, 6 * HOUR_MS);
                for (at, before) in (0..50).zip(before) {
                    let is_known = known.contains(&(at * HOUR_MS));
                    let after = unheard(&heard, at, at + 1);
                    assert_eq!(before - after, i64::from(is_known), "{order:?} {hour} {at}");
                }
            }
        }
    }
}
