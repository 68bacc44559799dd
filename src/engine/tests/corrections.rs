//! Late data: what had been told is taken back, once, and as it had been told.

use super::bench::{BOOK, Bench, MINUTE_MS};
use crate::alerting::{AlertState, Notice, NoticeReason, TransitionReason, Truth};
use crate::triggers::TriggerState;

const BAD: Option<f64> = Some(60.0);
const GOOD: Option<f64> = Some(40.0);

/// Normal windows do not end an alert for five minutes.
fn patient() -> String {
    BOOK.replace("keep_firing_for: 0s", "keep_firing_for: 5m")
}

#[test]
fn quotes_what_was_mailed_and_not_what_was_thought_since() {
    let mut bench = Bench::new(&patient());
    let first = bench.cut(&[(10, Some(91.2))]).notice();
    assert_eq!(
        (first.reason, &first.correction),
        (NoticeReason::First, &None)
    );
    let first_now_ms = bench.now_ms();
    assert_eq!(bench.cut(&[(11, BAD)]).notices, []);
    // It fires all the same, only later and less: nobody is bothered.
    assert_eq!(bench.cut(&[(10, GOOD)]).notices, []);
    let last = bench.cut(&[(11, GOOD)]).notice();
    assert_eq!((last.reason, last.revision), (NoticeReason::Corrected, 2));
    assert_eq!(last.alert.incident, first.alert.incident);
    let correction = last.correction.unwrap();
    assert_eq!(correction.truth, Truth::NeverWas);
    let told = correction.told;
    assert_eq!(
        (told.state, told.decided_at_ms),
        (AlertState::Firing, first_now_ms)
    );
    assert_eq!(
        (told.since_ms, told.fired_at_ms),
        (10 * MINUTE_MS, Some(10 * MINUTE_MS))
    );
    assert_eq!((told.value, told.worst_value), (Some(91.2), Some(91.2)));
    assert_eq!(last.alert.fired_at_ms, None, "it never fired");
    assert_eq!(last.alert.value, GOOD);
}

#[test]
fn an_end_that_was_not_is_taken_back_and_leaves_the_list() {
    let mut bench = Bench::new(BOOK);
    bench.cut(&[(1, BAD)]);
    let ended = bench.cut(&[(2, GOOD), (3, GOOD)]).notice();
    assert_eq!(ended.reason, NoticeReason::Resolved);
    assert_eq!(bench.shown(), [(AlertState::Resolved, 1, Some(2))]);
    // Late data, and both windows were bad after all.
    let again = bench.cut(&[(2, Some(80.0)), (3, BAD)]).notice();
    let correction = again.correction.unwrap();
    assert_eq!(
        (again.reason, correction.truth),
        (NoticeReason::Corrected, Truth::Fires)
    );
    assert_eq!(correction.told.resolved_at_ms, Some(2 * MINUTE_MS));
    assert_eq!(
        (again.alert.value, again.alert.worst_value),
        (BAD, Some(80.0))
    );
    assert_eq!(
        bench.shown(),
        [(AlertState::Firing, 1, None)],
        "once, and as firing"
    );
    // And over for the second time: in the list once.
    bench.cut(&[(4, GOOD)]);
    assert_eq!(bench.shown(), [(AlertState::Resolved, 1, Some(4))]);
    let times = bench.cut(&[(3, GOOD)]);
    assert_eq!(times.notices, [], "when it ended is no other verdict");
    assert_eq!(bench.shown(), [(AlertState::Resolved, 1, Some(3))]);
    let never = bench.cut(&[(1, GOOD), (2, GOOD)]).notice();
    assert_eq!(never.correction.unwrap().truth, Truth::NeverWas);
    let alerts = bench.alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].reason, TransitionReason::Corrected);
}

#[test]
fn one_cut_tells_one_story_of_an_incident() {
    let mut bench = Bench::new(BOOK);
    let first = bench
        .cut(&[(1, BAD), (2, BAD), (3, BAD), (4, BAD), (5, BAD)])
        .notice();
    let told = bench.cut(&[(2, GOOD), (4, GOOD), (5, GOOD), (6, GOOD)]);
    let notice = told.notice();
    assert_eq!(notice.alert.incident, first.alert.incident);
    assert_eq!(notice.correction.unwrap().truth, Truth::Ended);
    assert_eq!(notice.alert.resolved_at_ms, Some(2 * MINUTE_MS));
    // The third window alone is another incident, over before anybody knew: for the record.
    let over = AlertState::Resolved;
    assert_eq!(bench.shown(), [(over, 3, Some(4)), (over, 1, Some(2))]);
}

#[test]
fn what_turns_out_to_be_one_incident_is_told_without_contradiction() {
    let mut bench = Bench::new(BOOK);
    let one = bench.cut(&[(1, BAD)]).notice();
    bench.cut(&[(2, GOOD)]);
    let other = bench.cut(&[(3, BAD)]).notice();
    assert_ne!(one.alert.incident, other.alert.incident);
    let told = bench.cut(&[(2, BAD)]).notices;
    let stories: Vec<_> = told
        .iter()
        .map(|notice| {
            let truth = notice.correction.as_ref().unwrap().truth;
            (&notice.alert.incident, notice.alert.state, truth)
        })
        .collect();
    let since_ms = MINUTE_MS;
    assert_eq!(
        stories,
        [
            (&one.alert.incident, AlertState::Firing, Truth::Fires),
            (
                &other.alert.incident,
                AlertState::Resolved,
                Truth::PartOf { since_ms }
            ),
        ]
    );
    let trigger = bench.trigger();
    assert!(
        trigger
            .history
            .iter()
            .all(|step| step.from != Some(step.to)),
        "the cause is still there"
    );
    assert!(trigger.alert_firing);
    assert!(
        trigger
            .evidence
            .iter()
            .all(|known| known.incident == one.alert.incident)
    );
    assert_eq!(bench.evidence(), [(1, 60.0), (2, 60.0), (3, 60.0)]);
}

#[test]
fn evidence_follows_its_windows() {
    let mut bench = Bench::new(&patient());
    bench.cut(&[(1, BAD), (2, BAD), (3, BAD)]);
    assert_eq!(bench.evidence(), [(1, 60.0), (2, 60.0), (3, 60.0)]);
    bench.cut(&[(2, GOOD), (3, Some(75.0))]);
    assert_eq!(bench.evidence(), [(1, 60.0), (3, 75.0)]);
    bench.cut(&[(3, None)]);
    assert_eq!(bench.evidence(), [(1, 60.0)], "nothing is left in it");
    bench.cut(&[(2, Some(55.0))]);
    assert_eq!(bench.evidence(), [(1, 60.0), (2, 55.0)], "bad after all");
}

#[test]
fn a_cause_that_never_was_is_withdrawn_and_people_go_on_from_there() {
    let mut bench = Bench::new(&patient());
    bench.cut(&[(1, BAD), (2, BAD)]);
    let id = bench.trigger().id;
    bench.cut(&[(1, GOOD), (2, GOOD)]);
    let trigger = bench.trigger();
    assert_eq!(
        (trigger.state, trigger.alert_firing),
        (TriggerState::Dispatched, false)
    );
    assert_eq!(bench.evidence(), []);
    let last = trigger.history.last().unwrap();
    let why = "cause withdrawn: late data showed that the alert never was";
    assert_eq!(
        (&*last.actor, last.reason.as_deref()),
        ("engine", Some(why))
    );
    assert_eq!(last.at_ms, bench.now_ms());
    bench.advance(&id, TriggerState::Accepted);
}

#[test]
fn a_later_incident_is_not_marked_by_what_is_corrected_before_it() {
    let mut bench = Bench::new(BOOK);
    bench.cut(&[(1, BAD), (2, GOOD), (3, GOOD), (4, BAD)]);
    let notice = bench.cut(&[(1, GOOD)]).notice();
    assert_eq!(notice.correction.unwrap().truth, Truth::NeverWas);
    let alerts = bench.alerts();
    assert_eq!(alerts[0].state, AlertState::Firing);
    assert_eq!(alerts[0].reason, TransitionReason::Breach);
    assert!(bench.trigger().alert_firing);
}

#[test]
fn a_value_that_is_gone_is_not_shown() {
    let mut bench = Bench::new(&patient());
    bench.cut(&[(1, BAD), (2, Some(80.0))]);
    bench.cut(&[(2, None)]);
    let alert = &bench.alerts()[0];
    assert_eq!((alert.value, alert.samples), (None, 0));
    assert_eq!(alert.worst_value, BAD);
}

#[test]
fn an_end_by_nothing_to_count_is_told_with_its_own_numbers() {
    let counting = BOOK.replace("aggregate: mean", "aggregate: count");
    let mut bench = Bench::new(&counting.replace("unit: s", "unit: count"));
    // One cut, as in a replay: the gap ends the first alert before the second begins.
    let told = bench.cut(&[(1, Some(90.0)), (5, Some(70.0))]).notices;
    let stories: Vec<_> = told
        .iter()
        .map(|notice| {
            let alert = &notice.alert;
            (
                notice.reason,
                alert.value,
                alert.worst_value,
                alert.window_ms.1 / MINUTE_MS,
            )
        })
        .collect();
    assert_eq!(
        stories,
        [
            (NoticeReason::First, Some(90.0), Some(90.0), 1),
            (NoticeReason::Resolved, Some(0.0), Some(90.0), 2),
            (NoticeReason::First, Some(70.0), Some(70.0), 5),
        ]
    );
}

/// An alert that was told, and then that it never was.
fn withdrawn(book: &str) -> (Bench, Notice) {
    let mut bench = Bench::new(book);
    bench.cut(&[(1, BAD), (2, BAD)]);
    let never = bench.cut(&[(1, GOOD), (2, GOOD)]).notice();
    let truth = never.correction.as_ref().unwrap().truth;
    assert_eq!((never.revision, truth), (2, Truth::NeverWas));
    (bench, never)
}

#[test]
fn what_never_was_and_fires_after_all_goes_on_in_its_thread() {
    let (bench, never) = withdrawn(&patient());
    let mut bench = bench.restarted();
    let again = bench.cut(&[(2, Some(70.0))]).notice();
    assert_eq!(again.alert.incident, never.alert.incident);
    assert_eq!((again.reason, again.revision), (NoticeReason::Corrected, 3));
    assert_eq!(again.alert.state, AlertState::Firing);
    let correction = again.correction.unwrap();
    assert_eq!(correction.truth, Truth::Fires);
    assert_eq!(correction.told.truth, Some(Truth::NeverWas));
    assert_eq!(correction.told.decided_at_ms, never.decided_at_ms);
    assert_eq!(bench.shown(), [(AlertState::Firing, 2, None)]);
    // And once more: never was, and was.
    let never = bench.cut(&[(2, GOOD)]).notice();
    assert_eq!(never.revision, 4);
    assert_eq!(never.correction.unwrap().truth, Truth::NeverWas);
    let again = bench.cut(&[(1, BAD)]).notice();
    assert_eq!(again.revision, 5);
    assert_eq!(again.correction.unwrap().truth, Truth::Fires);
}

#[test]
fn what_never_was_and_was_after_all_is_told_when_it_is_over() {
    let (mut bench, never) = withdrawn(BOOK);
    assert_eq!(bench.cut(&[(3, GOOD)]).notices, []);
    let again = bench.cut(&[(1, BAD)]).notice();
    assert_eq!(again.alert.incident, never.alert.incident);
    assert_eq!((again.reason, again.revision), (NoticeReason::Corrected, 3));
    let correction = again.correction.unwrap();
    assert_eq!(correction.truth, Truth::Ended);
    assert_eq!(correction.told.truth, Some(Truth::NeverWas));
    assert_eq!(again.alert.resolved_at_ms, Some(2 * MINUTE_MS));
    assert_eq!(bench.shown(), [(AlertState::Resolved, 1, Some(2))]);
    assert!(!bench.trigger().alert_firing);
}

#[test]
fn a_cause_that_was_after_all_is_confirmed_with_its_evidence() {
    for (book, fires) in [(patient(), true), (BOOK.to_owned(), false)] {
        let (mut bench, _) = withdrawn(&book);
        assert_eq!(bench.evidence(), []);
        bench.cut(&[(3, GOOD), (2, Some(70.0)), (1, Some(80.0))]);
        let trigger = bench.trigger();
        assert_eq!(trigger.alert_firing, fires);
        let remarks: Vec<_> = trigger
            .history
            .iter()
            .filter(|step| step.from == Some(step.to))
            .filter_map(|step| step.reason.as_deref())
            .collect();
        assert_eq!(
            remarks,
            [
                "cause withdrawn: late data showed that the alert never was",
                "cause confirmed again: late data showed that the alert was after all",
            ]
        );
        assert_eq!(bench.evidence(), [(1, 80.0), (2, 70.0)]);
    }
}

#[test]
fn a_window_that_was_bad_all_the_while_speaks_again() {
    let book = BOOK.replace("{for: 0s", "{for: 1m");
    let mut bench = Bench::new(&book);
    bench.cut(&[(1, BAD), (2, BAD), (3, GOOD)]);
    bench.cut(&[(1, GOOD)]);
    assert_eq!(bench.evidence(), []);
    bench.cut(&[(1, Some(80.0))]);
    assert_eq!(bench.evidence(), [(1, 80.0), (2, 60.0)]);
}

#[test]
fn what_is_taken_back_and_fires_in_the_same_cut_bothers_nobody() {
    let book = BOOK.replace("{for: 0s", "{for: 1m");
    let mut bench = Bench::new(&book);
    let first = bench.cut(&[(1, BAD), (2, BAD)]).notice();
    let told = bench.cut(&[(1, GOOD), (3, BAD)]);
    assert_eq!(told.notices, [], "it fires, as people know");
    let alert = &bench.alerts()[0];
    assert_eq!(
        (&alert.incident, alert.state),
        (&first.alert.incident, AlertState::Firing)
    );
    let trigger = bench.trigger();
    let mut history = trigger.history.iter();
    assert!(
        history.all(|step| step.from != Some(step.to)),
        "{history:?}"
    );
    assert!(trigger.alert_firing);
    let over = bench.cut(&[(4, GOOD)]).notice();
    assert_eq!((over.reason, over.revision), (NoticeReason::Resolved, 2));
}

#[test]
fn parts_of_another_are_told_what_became_of_that() {
    let mut bench = Bench::new(BOOK);
    let one = bench.cut(&[(1, BAD)]).notice();
    bench.cut(&[(2, GOOD)]);
    let other = bench.cut(&[(3, BAD)]).notice();
    bench.cut(&[(2, BAD)]);
    let stories = |told: Vec<Notice>| {
        let story = |notice: &Notice| {
            let truth = notice.correction.as_ref().unwrap().truth;
            (notice.alert.incident.clone(), notice.revision, truth)
        };
        told.iter().map(story).collect::<Vec<_>>()
    };
    let (one, other) = (one.alert.incident, other.alert.incident);
    // They fall apart again: the second is one of its own after all.
    let told = stories(bench.cut(&[(2, GOOD)]).notices);
    assert_eq!(
        told,
        [
            (one.clone(), 4, Truth::Ended),
            (other.clone(), 3, Truth::Fires)
        ]
    );
    bench.cut(&[(2, BAD)]);
    // What it was a part of never was: neither was it.
    let told = stories(bench.cut(&[(1, GOOD), (2, GOOD), (3, GOOD)]).notices);
    assert_eq!(
        told,
        [(other, 5, Truth::NeverWas), (one, 6, Truth::NeverWas)]
    );
}
