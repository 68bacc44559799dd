//! Another rule book: what changes because of it says so, and old numbers stay with old limits.

use super::bench::{BOOK, Bench, MINUTE_MS};
use crate::alerting::{AlertState, Limit, NoticeReason, TransitionReason, Truth};

const BAD: Option<f64> = Some(60.0);

fn with_limit(max: u32) -> String {
    BOOK.replace("max: 50", &format!("max: {max}"))
}

fn limit(max: f64) -> Limit {
    Limit {
        min: None,
        max: Some(max),
        unit: "s".to_owned(),
    }
}

#[test]
fn a_higher_limit_takes_an_alert_back_and_says_that_the_rule_changed() {
    let mut bench = Bench::new(BOOK);
    bench.cut(&[(1, BAD), (2, BAD)]);
    let told = bench.reload(&with_limit(65), &[(1, BAD), (2, BAD)]);
    let reasons: Vec<_> = told.transitions.iter().map(|step| step.reason).collect();
    assert_eq!(reasons, [TransitionReason::RuleChanged]);
    let notice = told.notice();
    assert_eq!(notice.reason, NoticeReason::RuleChanged);
    assert_eq!(notice.alert.reason, TransitionReason::RuleChanged);
    assert_eq!(notice.limit_before, Some(limit(50.0)));
    assert_eq!(
        (notice.alert.limit_max, notice.alert.worst_value),
        (Some(65.0), None)
    );
    let correction = notice.correction.unwrap();
    assert_eq!(correction.truth, Truth::NeverWas);
    assert_eq!(
        (correction.told.limit, correction.told.worst_value),
        (limit(50.0), BAD)
    );
    let trigger = bench.trigger();
    assert_eq!(trigger.limit_max, Some(65.0));
    let why = trigger.history.last().unwrap().reason.clone().unwrap();
    assert_eq!(
        why,
        "cause withdrawn: under the changed rule the alert never was"
    );
}

#[test]
fn a_lower_limit_raises_one_and_says_so() {
    let mut bench = Bench::new(&with_limit(65));
    assert_eq!(bench.cut(&[(1, BAD), (2, BAD)]).notices, []);
    let notice = bench.reload(BOOK, &[(1, BAD), (2, BAD)]).notice();
    assert_eq!(notice.reason, NoticeReason::First);
    assert_eq!(notice.alert.reason, TransitionReason::RuleChanged);
    assert_eq!(notice.limit_before, Some(limit(65.0)));
    assert_eq!(bench.evidence(), [(1, 60.0), (2, 60.0)]);
    // What comes later comes from its own windows.
    let over = bench.cut(&[(3, Some(1.0))]).notice();
    assert_eq!(
        (over.reason, over.limit_before),
        (NoticeReason::Resolved, None)
    );
}

#[test]
fn waiting_times_that_change_are_no_late_data() {
    let mut bench = Bench::new(BOOK);
    bench.cut(&[(1, BAD)]);
    let notice = bench
        .reload(&BOOK.replace("for: 0s", "for: 5m"), &[(1, BAD)])
        .notice();
    assert_eq!(
        (notice.reason, notice.limit_before),
        (NoticeReason::RuleChanged, None)
    );
    assert_eq!(notice.correction.unwrap().truth, Truth::NeverWas);
    assert_eq!(bench.shown()[0], (AlertState::Pending, 1, None));
}

#[test]
fn late_data_beside_a_book_that_says_the_same_is_late_data() {
    let mut bench = Bench::new(BOOK);
    bench.cut(&[(1, BAD)]);
    let renamed = BOOK
        .replace("name: n,", "name: m,")
        .replace("version: '1'", "version: '2'");
    let notice = bench.reload(&renamed, &[(1, Some(1.0))]).notice();
    assert_eq!(notice.reason, NoticeReason::Corrected);
}

#[test]
fn values_of_the_old_book_do_not_stand_beside_the_new_limit() {
    let mut bench = Bench::new(BOOK);
    bench.cut(&[(1, Some(900.0)), (2, Some(70.0)), (3, Some(80.0))]);
    let median = BOOK.replace("aggregate: mean", "aggregate: p50");
    // The first window is too old to be told again.
    let told = bench.reload(&median, &[(2, Some(55.0)), (3, Some(52.0))]);
    assert_eq!(told.notices, [], "it fires as before");
    let alert = &bench.alerts()[0];
    assert_eq!((alert.value, alert.worst_value), (Some(52.0), Some(55.0)));
    let over = bench.cut(&[(4, Some(1.0))]).notice();
    assert_eq!(over.alert.worst_value, Some(55.0));
    let chart: Vec<_> = over.chart.iter().map(|point| point.value).collect();
    assert_eq!(chart, [Some(55.0), Some(52.0), Some(1.0)]);
    // Another unit: what was in seconds is no evidence in milliseconds.
    bench.cut(&[(5, Some(90.0))]);
    let other = median
        .replace("unit: s", "unit: ms")
        .replace("max: 50", "max: 50000");
    let notice = bench.reload(&other, &[(5, Some(90_000.0))]);
    assert_eq!(notice.notices, []);
    assert_eq!(bench.evidence(), [(5, 90_000.0)]);
    assert_eq!(bench.trigger().unit, "ms");
}

#[test]
fn a_rule_that_is_gone_ends_its_alert_in_the_old_words() {
    let mut bench = Bench::new(BOOK);
    bench.cut(&[(1, BAD), (2, Some(70.0))]);
    let other = BOOK.replace("id: slow", "id: slower");
    let notice = bench.reload(&other, &[]).notice();
    assert_eq!(
        (notice.reason, notice.correction),
        (NoticeReason::RuleChanged, None)
    );
    let alert = notice.alert;
    assert_eq!(
        (alert.resolved_at_ms, alert.limit_max),
        (Some(2 * MINUTE_MS), Some(50.0))
    );
    assert_eq!((alert.value, alert.worst_value), (Some(70.0), Some(70.0)));
    assert!(!bench.trigger().alert_firing);
}

#[test]
fn who_joins_later_hears_the_story_from_the_beginning() {
    let mut bench = Bench::new(BOOK);
    bench.cut(&[(1, BAD)]);
    let more = BOOK.replace(
        "{name: a, email: a@example.com}",
        "{name: A, email: a@example.com}, {name: b, email: b@example.com}",
    );
    assert_eq!(bench.reload(&more, &[(1, BAD)]).notices, []);
    let over = bench.cut(&[(2, Some(1.0))]).notice();
    assert_eq!(over.recipient.name, "A", "b never heard of it");
    let again = bench.cut(&[(2, BAD)]).notices;
    let heard: Vec<_> = again
        .iter()
        .map(|notice| {
            (
                &*notice.recipient.name,
                notice.reason,
                notice.correction.is_some(),
            )
        })
        .collect();
    assert_eq!(
        heard,
        [
            ("A", NoticeReason::Corrected, true),
            ("b", NoticeReason::First, false)
        ]
    );
}

#[test]
fn a_rule_that_is_changed_back_says_that_it_was_after_all() {
    let mut bench = Bench::new(BOOK);
    let first = bench.cut(&[(1, BAD), (2, BAD)]).notice();
    bench.reload(&with_limit(65), &[(1, BAD), (2, BAD)]);
    let notice = bench.reload(BOOK, &[(1, BAD), (2, BAD)]).notice();
    assert_eq!(notice.alert.incident, first.alert.incident);
    assert_eq!(
        (notice.reason, notice.revision),
        (NoticeReason::RuleChanged, 3)
    );
    assert_eq!(notice.limit_before, Some(limit(65.0)));
    let correction = notice.correction.unwrap();
    assert_eq!(
        (correction.truth, correction.told.truth),
        (Truth::Fires, Some(Truth::NeverWas))
    );
    assert_eq!(bench.evidence(), [(1, 60.0), (2, 60.0)]);
    assert_eq!(
        bench.trigger().history.last().unwrap().reason.as_deref(),
        Some("cause confirmed again: under the changed rule the alert was after all")
    );
}

#[test]
fn what_must_wait_longer_by_the_new_rule_fires_in_its_thread() {
    let mut bench = Bench::new(BOOK);
    let first = bench.cut(&[(1, BAD)]).notice();
    bench.reload(&BOOK.replace("for: 0s", "for: 1m"), &[(1, BAD)]);
    let notice = bench.cut(&[(2, BAD)]).notice();
    assert_eq!(notice.alert.incident, first.alert.incident);
    assert_eq!(
        (notice.reason, notice.revision),
        (NoticeReason::Corrected, 3)
    );
    assert_eq!(notice.alert.reason, TransitionReason::Persisted);
    assert_eq!(notice.correction.unwrap().truth, Truth::Fires);
    assert_eq!(bench.evidence(), [(1, 60.0), (2, 60.0)]);
}

#[test]
fn the_limit_before_is_the_one_that_was_told() {
    let mut bench = Bench::new(&with_limit(50));
    bench.cut(&[(1, BAD)]);
    // It fires by this one too, so nobody hears of it.
    assert_eq!(bench.reload(&with_limit(55), &[(1, BAD)]).notices, []);
    let notice = bench.reload(&with_limit(65), &[(1, BAD)]).notice();
    assert_eq!(notice.limit_before, Some(limit(50.0)));
    // Back to what was told last: to the reader no limit was changed.
    let mut bench = Bench::new(&with_limit(50));
    bench.cut(&[(1, BAD)]);
    bench.reload(&with_limit(55), &[(1, BAD)]);
    let other = with_limit(50).replace("for: 0s", "for: 5m");
    let notice = bench.reload(&other, &[(1, BAD)]).notice();
    assert_eq!(
        (notice.reason, notice.limit_before),
        (NoticeReason::RuleChanged, None)
    );
}

#[test]
fn what_was_over_before_a_rule_existed_is_listed_and_not_mailed() {
    let other = BOOK.replace("id: slow", "id: quick");
    let mut bench = Bench::new(&other.replace("max: 50", "max: 900"));
    bench.cut(&[(1, BAD)]);
    let history = [(1, BAD), (2, Some(1.0)), (3, Some(70.0)), (4, Some(1.0))];
    let told = bench.reload(BOOK, &history);
    assert_eq!(told.notices, []);
    assert_eq!(told.transitions.len(), 4, "the record has all of it");
    let over = AlertState::Resolved;
    assert_eq!(bench.shown(), [(over, 3, Some(4)), (over, 1, Some(2))]);
    assert!(bench.no_trigger());
    // What goes on is told, with its windows.
    let mut bench = Bench::new(&other);
    let history = [(1, BAD), (2, Some(1.0)), (3, Some(70.0)), (4, BAD)];
    let notice = bench.reload(BOOK, &history).notice();
    assert_eq!((notice.reason, notice.revision), (NoticeReason::First, 1));
    assert_eq!(notice.alert.active_since_ms, 3 * MINUTE_MS);
    assert_eq!(bench.evidence(), [(3, 70.0), (4, 60.0)]);
    let over = bench.cut(&[(5, Some(1.0))]).notice();
    assert_eq!((over.reason, over.revision), (NoticeReason::Resolved, 2));
    // What comes by itself is mailed as ever, be it over in the same cut.
    assert_eq!(bench.cut(&[(6, BAD), (7, Some(1.0))]).notices.len(), 2);
}
