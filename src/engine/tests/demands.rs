//! What people hear of triggers, and a refused cause that gets worse.

use super::bench::{BOOK, Bench};
use crate::alerting::NoticeReason;
use crate::engine::Command;
use crate::triggers::{Refusal, TriggerState};

/// Minor from 50 s on, major from 80 s, critical at 100 s.
fn scored() -> String {
    BOOK.replace(
        "unit: s, interval: {max: 50}",
        "unit: s, anchors: [10, 20, 50, 80, 100]",
    )
}

#[test]
fn an_assignment_is_a_thread_of_its_own_with_the_values_that_opened_it() {
    let mut bench = Bench::new(&scored());
    let told = bench.cut(&[(1, Some(60.0))]);
    assert_eq!(told.notices.len(), 1);
    let [assigned] = &told.demands[..] else {
        panic!("{:?}", told.demands);
    };
    assert_eq!(assigned.reason, NoticeReason::Assigned);
    assert_eq!(assigned.id, "T-000001.1.a@example.com");
    assert_eq!(assigned.alert.incident, "T-000001");
    assert_eq!(
        (assigned.alert.value, assigned.chart.len()),
        (Some(60.0), 1)
    );
    let demand = assigned.demand.as_ref().unwrap();
    assert!(demand.due_ms.is_some() && !demand.explanation.zh.is_empty());
    // What goes on is no news.
    assert_eq!(bench.cut(&[(2, Some(60.0))]).demands.len(), 0);
}

#[test]
fn a_refused_cause_comes_back_when_its_alert_gets_clearly_worse() {
    let mut bench = Bench::new(&scored());
    bench.cut(&[(1, Some(60.0))]);
    let first = bench.trigger().id;
    let refused = bench.command(Command::MoveTrigger {
        id: first.clone(),
        to: TriggerState::NotOptimised,
        reason: Some("r".to_owned()),
        kind: Some(Refusal::Uneconomic),
        review_at_ms: None,
        remedy: None,
    });
    assert_eq!(refused.demands.last().unwrap().reason, NoticeReason::Closed);
    bench.cut(&[(2, Some(70.0))]);
    assert_eq!(bench.trigger().id, first, "no worse than what was refused");
    let worse = bench.cut(&[(3, Some(90.0))]);
    let trigger = bench.trigger();
    assert_eq!(trigger.recurrence_of, Some(first));
    assert_eq!(worse.demands[0].reason, NoticeReason::Assigned);
}

/// The reason of an earlier step is not this one's, and its actor did not take it.
#[test]
fn a_progress_mail_names_who_took_the_step_also_without_a_reason() {
    let mut bench = Bench::new(BOOK);
    bench.cut(&[(1, Some(60.0))]);
    let id = bench.trigger().id;
    let to = |to, reason: Option<&str>| Command::MoveTrigger {
        id: id.clone(),
        to,
        reason: reason.map(str::to_owned),
        kind: None,
        review_at_ms: None,
        remedy: None,
    };
    bench.command_by("李四", to(TriggerState::Accepted, Some("已受理")));
    let told = bench.command_by("王五", to(TriggerState::InProgress, None));
    let progressed = &told.demands[0];
    assert_eq!(progressed.reason, NoticeReason::Progressed);
    let last = progressed.demand.as_ref().unwrap().last.clone().unwrap();
    assert_eq!((&*last.0, &*last.1), ("王五", "开始处理 work begun"));
}
