//! Timelines against a fold that is written down naively, and the stories that need their own test.

use proptest::prelude::*;

use std::collections::BTreeMap;

use super::*;
use crate::rules::Severity;

const HOP: i64 = 60_000;

fn reading(for_hops: i64, keep_hops: i64, missing: Missing, empty: Mark) -> Reading {
    let (for_ms, keep_firing_for_ms) = (for_hops * HOP, keep_hops * HOP);
    Reading {
        lifecycle: Lifecycle {
            for_ms,
            keep_firing_for_ms,
            missing,
            hop_ms: HOP,
        },
        empty,
    }
}

fn mark() -> impl Strategy<Value = Option<Mark>> {
    prop_oneof![
        3 => Just(Some(Mark::Clear)),
        3 => Just(Some(Mark::Breach(Severity::Minor))),
        1 => Just(Some(Mark::Breach(Severity::Critical))),
        1 => Just(Some(Mark::Missing)),
        1 => Just(None),
    ]
}

/// The fold written down naively: every window from the first to the last, in order.
fn naive(
    reading: &Reading,
    windows: &BTreeMap<i64, Mark>,
    through: i64,
) -> (Phase, Vec<(i64, i64, Option<i64>)>) {
    let mut phase = Phase::Quiet;
    let mut episodes: Vec<(i64, i64, Option<i64>)> = Vec::new();
    let first = windows.keys().next().copied().unwrap_or(through + 1);
    for index in first..=through {
        let mark = windows.get(&index).copied().unwrap_or(reading.empty);
        let (next, _) = reading.lifecycle.step(phase, index * HOP, mark);
        match (phase, next) {
            (Phase::Firing { .. }, Phase::Firing { .. }) => {}
            (
                _,
                Phase::Firing {
                    since_ms,
                    fired_at_ms,
                    ..
                },
            ) => {
                episodes.push((since_ms, fired_at_ms, None));
            }
            (Phase::Firing { .. }, _) => {
                episodes.last_mut().unwrap().2 = Some(index * HOP);
            }
            _ => {}
        }
        phase = next;
    }
    (phase, episodes)
}

proptest! {
    #[test]
    fn any_order_of_telling_reads_like_the_naive_fold(
        told in prop::collection::vec((0i64..24, mark()), 1..80),
        for_hops in 0i64..3,
        keep_hops in 0i64..3,
        resolve in any::<bool>(),
        zero in any::<bool>(),
        batch in 1usize..6,
    ) {
        let missing = if resolve { Missing::Resolve } else { Missing::Hold };
        let empty = if zero { Mark::Clear } else { Mark::Missing };
        let reading = reading(for_hops, keep_hops, missing, empty);
        let mut timeline = Timeline::default();
        let mut windows = BTreeMap::new();
        let mut open: BTreeMap<u32, Episode> = BTreeMap::new();
        let mut through = 0;
        for batch in told.chunks(batch) {
            // As the engine does: corrections first, all of them, and then what is new.
            let is_past = |index: &i64| timeline.is_past(index * HOP);
            let (past, new): (Vec<_>, Vec<_>) =
                batch.iter().partition(|(index, _)| is_past(index));
            let mut is_news = false;
            for (index, mark) in past {
                is_news |= timeline.amend(&reading, index * HOP, mark);
                note(&mut windows, index, mark);
            }
            let mut changes = Vec::new();
            if is_news {
                changes = timeline.reread(&reading, TransitionReason::Corrected, &mut WithdrawnRoom::default());
            }
            let mut new: Vec<_> = new.into_iter().collect();
            new.sort_by_key(|(index, _)| *index);
            new.dedup_by_key(|(index, _)| *index);
            for (index, mark) in new {
                through = through.max(index);
                changes.extend(timeline.tell(&reading, index * HOP, mark));
                note(&mut windows, index, mark);
            }
            for change in changes {
                // Whoever only listens to changes must know what is true.
                match change {
                    Change::Moved { episode: Some(episode), .. }
                    | Change::Corrected { now: episode, .. }
                    | Change::Appeared(episode) => {
                        open.insert(episode.number, episode);
                    }
                    Change::Vanished { was, .. } => {
                        open.remove(&was.number);
                    }
                    Change::Moved { episode: None, .. } => {}
                }
            }
            let (phase, episodes) = naive(&reading, &windows, through);
            let got: Vec<_> = timeline
                .episodes()
                .iter()
                .map(|e| (e.since_ms, e.fired_at_ms, e.resolved_at_ms))
                .collect();
            prop_assert_eq!(timeline.phase(), phase);
            prop_assert_eq!(got, episodes);
            let heard: Vec<Episode> = open.values().copied().collect();
            let mut told = timeline.episodes().to_vec();
            told.sort_by_key(|episode| episode.number);
            prop_assert_eq!(heard, told);
        }
    }
}

fn note(windows: &mut BTreeMap<i64, Mark>, index: i64, mark: Option<Mark>) {
    match mark {
        Some(mark) => windows.insert(index, mark),
        None => windows.remove(&index),
    };
}

const BAD: Option<Mark> = Some(Mark::Breach(Severity::Major));
const GOOD: Option<Mark> = Some(Mark::Clear);

#[test]
fn two_firings_that_turn_out_to_be_one_are_told_as_such() {
    let reading = reading(0, 0, Missing::Hold, Mark::Missing);
    let mut timeline = Timeline::default();
    for (index, mark) in [(1, BAD), (2, GOOD), (3, BAD)] {
        timeline.tell(&reading, index * HOP, mark);
    }
    assert!(timeline.amend(&reading, 2 * HOP, BAD));
    let changes = timeline.reread(
        &reading,
        TransitionReason::Corrected,
        &mut WithdrawnRoom::default(),
    );
    let [
        Change::Corrected { now, .. },
        Change::Vanished { was, within },
    ] = changes[..]
    else {
        panic!("{changes:?}");
    };
    assert_eq!((now.number, now.resolved_at_ms), (1, None));
    assert_eq!((was.number, within), (2, Some(now)));
}

#[test]
fn what_is_remembered_reads_the_same_after_forgetting() {
    let reading = reading(0, 0, Missing::Hold, Mark::Missing);
    let mut timeline = Timeline::default();
    for (index, mark) in [
        (1, GOOD),
        (2, BAD),
        (3, BAD),
        (4, BAD),
        (5, GOOD),
        (6, GOOD),
    ] {
        timeline.tell(&reading, index * HOP, mark);
    }
    timeline.forget(&reading, 3 * HOP);
    assert!(timeline.amend(&reading, 6 * HOP, Some(Mark::Missing)));
    let changes = timeline.reread(
        &reading,
        TransitionReason::Corrected,
        &mut WithdrawnRoom::default(),
    );
    assert_eq!(changes, [], "the episode is as it was told");
}

#[test]
fn a_gap_ends_an_alert_where_zero_is_an_answer() {
    let counting = reading(0, 0, Missing::Hold, Mark::Clear);
    let mut timeline = Timeline::default();
    timeline.tell(&counting, HOP, Some(Mark::Breach(Severity::Major)));
    let changes = timeline.pass_to(&counting, 5 * HOP + 7);
    assert!(matches!(changes[..], [Change::Moved { at_ms, .. }] if at_ms == 2 * HOP));

    let holding = reading(0, 0, Missing::Hold, Mark::Missing);
    let mut timeline = Timeline::default();
    timeline.tell(&holding, HOP, Some(Mark::Breach(Severity::Major)));
    assert_eq!(timeline.pass_to(&holding, 500 * HOP), []);
    assert!(matches!(timeline.phase(), Phase::Firing { .. }));
}

#[test]
fn what_goes_on_is_not_forgotten() {
    let reading = reading(0, 0, Missing::Hold, Mark::Missing);
    let mut timeline = Timeline::default();
    timeline.tell(&reading, HOP, Some(Mark::Clear));
    timeline.tell(&reading, 2 * HOP, Some(Mark::Breach(Severity::Major)));
    timeline.forget(&reading, 100 * HOP);
    assert_eq!(timeline.episodes().len(), 1);
    timeline.tell(&reading, 3 * HOP, Some(Mark::Clear));
    timeline.forget(&reading, 100 * HOP);
    assert!(timeline.is_empty());
}

#[test]
fn one_that_comes_back_has_its_number_again() {
    let reading = reading(0, 0, Missing::Hold, Mark::Missing);
    let mut timeline = Timeline::default();
    for (index, mark) in [(1, BAD), (2, GOOD), (3, BAD), (4, GOOD)] {
        timeline.tell(&reading, index * HOP, mark);
    }
    let reread = |timeline: &mut Timeline, marks: &[(i64, Option<Mark>)]| {
        for (index, mark) in marks {
            timeline.amend(&reading, index * HOP, *mark);
        }
        timeline.reread(
            &reading,
            TransitionReason::Corrected,
            &mut WithdrawnRoom::default(),
        )
    };
    reread(&mut timeline, &[(1, GOOD), (3, GOOD)]);
    let numbers = |timeline: &Timeline| {
        let gone = timeline.withdrawn();
        gone.map(|(was, within)| (was.number, within.map(|within| within.number)))
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(&timeline), [(1, None), (2, None)]);
    assert!(timeline.knows(1) && !timeline.knows(3));
    // Another one beside them is new; the first takes up its own, and swallows the second.
    let changes = reread(&mut timeline, &[(4, BAD)]);
    assert!(
        matches!(changes[..], [Change::Appeared(now)] if now.number == 3),
        "{changes:?}"
    );
    let changes = reread(&mut timeline, &[(1, BAD), (2, BAD), (3, BAD), (4, GOOD)]);
    let [Change::Vanished { was, within }, Change::Appeared(now)] = changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!((was.number, now.number), (3, 1));
    assert_eq!(within, None, "its window is good");
    assert_eq!(numbers(&timeline), [(2, Some(1)), (3, None)]);
    timeline.forget(&reading, 4 * HOP);
    assert_eq!(numbers(&timeline), [(3, None)]);
    timeline.forget(&reading, 5 * HOP);
    assert!(timeline.is_empty());
}

#[test]
fn one_that_waits_after_all_fires_under_its_number() {
    let at_once = reading(0, 0, Missing::Hold, Mark::Missing);
    let later = reading(2, 0, Missing::Hold, Mark::Missing);
    let mut timeline = Timeline::default();
    timeline.tell(&at_once, HOP, BAD);
    let changes = timeline.reread(
        &later,
        TransitionReason::RuleChanged,
        &mut WithdrawnRoom::default(),
    );
    assert!(
        matches!(changes[..], [Change::Vanished { .. }]),
        "{changes:?}"
    );
    for index in 2..4 {
        timeline.tell(&later, index * HOP, BAD);
    }
    assert_eq!(timeline.episodes()[0].number, 1);
    assert_eq!(timeline.withdrawn().count(), 0);
}
