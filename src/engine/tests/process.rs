//! KQIs of the process: what hand-overs and hours come to, who is told, and when it is over.

use super::bench::{BOOK, Bench, MINUTE_MS, Told};
use crate::alerting::{AlertState, NoticeReason};
use crate::engine::{Command, ProcessValue};
use crate::rules::Severity;
use crate::triggers::{Refusal, TriggerState};

const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Two departments, and a coordinator in a third.
fn watched() -> String {
    let departments = BOOK.replace(
        "departments:
",
        "departments:
  - {id: DATA, name: data, roles: [{id: coordinator, name: co, contacts: [{name: c, email: co@example.com}]}]}
  - {id: E, name: e, roles: [{id: r, name: r, contacts: [{name: e, email: e@example.com}]}]}
",
    );
    format!(
        "{departments}
triggers:
  process:
    - {{id: hand_overs, name: {{zh: 流转, en: Hand-overs}}, measure: hops, by: all, window: 2d, anchors: [0, 0.5, 1, 2, 3], min_samples: 1}}
    - {{id: waits, name: {{zh: 等待, en: Wait}}, measure: dispatched, window: 1d, anchors: [1, 2, 3, 4, 5], min_samples: 2}}
"
    )
}

fn hand_over(bench: &mut Bench, to: &str) {
    let command = Command::HandOver {
        id: bench.trigger().id,
        department: to.to_owned(),
        role: None,
        reason: "非本部门".to_owned(),
    };
    bench.command(command);
    assert_eq!(bench.trigger().owner.department, to);
}

fn refuse(bench: &mut Bench) -> Told {
    bench.command(Command::MoveTrigger {
        id: bench.trigger().id,
        to: TriggerState::NotOptimised,
        reason: Some("r".to_owned()),
        kind: Some(Refusal::Uneconomic),
        review_at_ms: None,
        remedy: None,
    })
}

fn value<'a>(bench: &'a Bench, id: &str, department: &str) -> &'a ProcessValue {
    let mut values = bench.snapshot().process_values.iter();
    let found = values.find(|of| of.kqi.id == id && of.department == department);
    found.unwrap_or_else(|| panic!("no {id} of {department:?}"))
}

#[test]
fn a_demand_that_wanders_is_told_to_the_coordinator_until_it_is_long_ago() {
    let mut bench = Bench::new(&watched());
    bench.cut(&[(1, Some(60.0))]);
    // Two hours at D, then four at E, then D again, where it ends at once.
    bench.pass(2 * HOUR_MS);
    hand_over(&mut bench, "E");
    bench.pass(4 * HOUR_MS);
    hand_over(&mut bench, "D");
    refuse(&mut bench);
    let told = bench.pass(MINUTE_MS);
    let hops = value(&bench, "hand_overs", "");
    assert_eq!((hops.value, hops.samples, hops.score), (2.0, 1, Some(2.0)));
    assert!(hops.is_over);
    let [notice] = &told.notices[..] else {
        panic!("{:?}", told.notices);
    };
    assert_eq!(notice.recipient.email, "co@example.com");
    assert_eq!(
        (notice.reason, notice.alert.severity, notice.alert.value),
        (NoticeReason::First, Severity::Minor, Some(2.0))
    );
    assert_eq!(told.transitions.len(), 1);
    // Each stay is its department's: two of D, of two hours and of none, and one of E, which is too few.
    let of_d = value(&bench, "waits", "D");
    assert_eq!((of_d.value.round(), of_d.samples), (1.0, 2));
    let of_e = value(&bench, "waits", "E");
    assert_eq!(
        (of_e.value.round(), of_e.score, of_e.is_over),
        (4.0, None, false)
    );
    // A restart knows all of it, and tells nothing twice.
    let before = bench.snapshot().process_values.clone();
    let mut bench = bench.restarted();
    assert_eq!(bench.snapshot().process_values, before);
    assert!(bench.pass(HOUR_MS).notices.is_empty());
    let alerts = bench.alerts();
    let own = alerts.iter().filter(|alert| alert.alert == "hand_overs");
    assert_eq!(own.count(), 1);
    let ended = bench.pass(2 * DAY_MS);
    let [notice] = &ended.notices[..] else {
        panic!("{:?}", ended.notices);
    };
    assert_eq!(
        (notice.reason, notice.alert.state),
        (NoticeReason::Resolved, AlertState::Resolved)
    );
    assert!(bench.snapshot().process_values.is_empty());
}

#[test]
fn what_is_handled_at_once_is_well() {
    let mut bench = Bench::new(&watched());
    bench.cut(&[(1, Some(60.0))]);
    refuse(&mut bench);
    assert!(bench.pass(MINUTE_MS).notices.is_empty());
    let hops = value(&bench, "hand_overs", "");
    assert_eq!(
        (hops.value, hops.score, hops.is_over),
        (0.0, Some(5.0), false)
    );
}

#[test]
fn what_nobody_ends_counts_once_it_is_beyond_the_limit_and_what_nobody_reviews_is_no_review() {
    let book = watched().replace(
        "measure: dispatched, window: 1d, anchors: [1, 2, 3, 4, 5], min_samples: 2",
        "measure: dispatched, window: 1d, anchors: [1, 2, 3, 4, 5], min_samples: 1",
    );
    let book = format!(
        "{book}    - {{id: reviews, name: {{zh: 审核, en: Reviews}}, measure: analysed, window: 1d, anchors: [1, 2, 3, 4, 5], min_samples: 1}}\n"
    );
    let mut bench = Bench::new(&book);
    bench.cut(&[(1, Some(60.0))]);
    assert!(bench.pass(2 * HOUR_MS).notices.is_empty());
    // A wait within its limit is no sample yet; hand-overs count as they are.
    let [hops] = &bench.snapshot().process_values[..] else {
        panic!("{:?}", bench.snapshot().process_values);
    };
    assert_eq!(
        (&*hops.kqi.id, hops.value, hops.samples),
        ("hand_overs", 0.0, 1)
    );
    let told = bench.pass(2 * HOUR_MS);
    let waits = value(&bench, "waits", "D");
    assert_eq!((waits.value.round(), waits.samples), (4.0, 1));
    assert!(waits.is_over);
    assert_eq!(told.notices[0].alert.alert, "waits");
    let mut values = bench.snapshot().process_values.iter();
    assert!(values.all(|of| of.kqi.id != "reviews"));
}
