//! Due times, reminders, escalation, acknowledgement, stand-ins, urgency: what the clock and the rule
//! book decide.

use crate::rules::{OwnerBy, Severity};
use crate::triggers::tests::bench::{Bench, HOUR};
use crate::triggers::{NewsReason, Now, TriggerState, by_urgency};

/// Reasons and names of what was told.
fn told(news: &[crate::triggers::News]) -> Vec<(NewsReason, Vec<&str>)> {
    let names = |news: &'_ crate::triggers::News| news.reason;
    news.iter()
        .map(|one| {
            let who = one.recipients.iter().map(|(who, _)| &*who.name).collect();
            (names(one), who)
        })
        .collect()
}

#[test]
fn a_reminder_comes_before_the_due_time_and_then_the_chain_is_climbed() {
    let mut bench = Bench::new();
    // Monday 10:00; major: to be accepted within 2 open hours.
    let id = bench.fire("far", "c1", Severity::Major).unwrap();
    let news = bench.triggers.take_news();
    assert_eq!(told(&news), [(NewsReason::Assigned, vec!["n1", "nl"])]);
    assert_eq!(
        bench.get(&id).deadline.unwrap().due_ms,
        bench.now_ms + 2 * HOUR
    );
    assert!(bench.pass(HOUR - 1).is_empty());
    assert_eq!(told(&bench.pass(1)), [(NewsReason::Reminder, vec!["n1"])]);
    assert_eq!(
        told(&bench.pass(HOUR)),
        [(NewsReason::Overdue, vec!["nl", "n1"])]
    );
    assert!(bench.pass(2 * HOUR - 1).is_empty());
    assert_eq!(
        told(&bench.pass(1)),
        [(NewsReason::Overdue, vec!["co", "n1"])]
    );
    assert!(bench.pass(500 * HOUR).is_empty(), "the chain has ended");
    let remarks = bench
        .get(&id)
        .history
        .iter()
        .filter(|step| step.from == Some(step.to));
    assert_eq!(remarks.count(), 3);
    assert_eq!(bench.triggers.process().escalations_total, 2);
}

#[test]
fn due_times_stand_still_at_night_and_on_holidays() {
    let mut bench = Bench::new();
    // Tuesday 17:00; Wednesday is a holiday: two open hours later it is Thursday 10:00.
    bench.now_ms += 31 * HOUR;
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    let due_ms = bench.get(&id).deadline.unwrap().due_ms;
    assert_eq!(due_ms - bench.now_ms, 41 * HOUR);
}

#[test]
fn acceptance_sets_another_due_time_and_answering_ends_it() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    bench.now_ms += HOUR;
    bench.go(&id, &[TriggerState::Accepted]);
    let accepted_ms = bench.now_ms;
    let due_ms = bench.get(&id).deadline.unwrap().due_ms;
    // Nine open hours from Monday 11:00: Tuesday 11:00.
    assert_eq!(due_ms - accepted_ms, 24 * HOUR);
    bench.go(&id, &[TriggerState::InProgress]);
    assert_eq!(bench.get(&id).deadline.unwrap().due_ms, due_ms);
    bench.go(&id, &[TriggerState::Mended]);
    assert_eq!(bench.get(&id).deadline, None);
    bench.triggers.take_news();
    assert!(bench.pass(100 * HOUR).is_empty());
}

#[test]
fn an_acknowledgement_holds_back_and_expires() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    bench.pass(HOUR - 60_000);
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench.triggers.acknowledge(&id, "王工", now).unwrap();
    // Monday 10:59 and three open hours: nothing before 13:59, then what is due by then.
    assert!(bench.pass(3 * HOUR - 1).is_empty());
    let after = bench.pass(1);
    let reasons: Vec<NewsReason> = after.iter().map(|news| news.reason).collect();
    assert_eq!(
        reasons,
        [NewsReason::Overdue],
        "one mail, and not that it is due soon"
    );
    bench.go(
        &id,
        &[
            TriggerState::Accepted,
            TriggerState::InProgress,
            TriggerState::Mended,
        ],
    );
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    let refused = bench.triggers.acknowledge(&id, "王工", now).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "trigger T-000001 is feedback_given: there is nothing to acknowledge"
    );
}

#[test]
fn who_acknowledges_again_holds_it_back_anew_and_adds_nothing_to_its_history() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    let before = bench.get(&id).history.len();
    let acknowledge = |bench: &mut Bench, who: &str| {
        bench.now_ms += 60_000;
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms,
        };
        bench.triggers.acknowledge(&id, who, now).unwrap();
        let trigger = bench.get(&id);
        (trigger.history.len() - before, trigger.ack_until_ms)
    };
    let (steps, first_ms) = acknowledge(&mut bench, "王工");
    assert_eq!(steps, 1);
    let (steps, again_ms) = acknowledge(&mut bench, "王工");
    assert_eq!(steps, 1);
    assert!(again_ms > first_ms, "{first_ms:?} {again_ms:?}");
    // Somebody else, and the first again.
    for (who, steps) in [("李工", 2), ("王工", 2), ("李工", 2)] {
        assert_eq!(acknowledge(&mut bench, who).0, steps, "{who}");
    }
    // Of another demand it says more, and in another state, too.
    bench.fire("k", "c1", Severity::Major);
    let raised = bench.get(&id).history.len() - before;
    assert_eq!(acknowledge(&mut bench, "王工").0, raised + 1);
    bench.go(&id, &[TriggerState::Accepted]);
    let accepted = bench.get(&id).history.len() - before;
    assert_eq!(acknowledge(&mut bench, "王工").0, accepted + 1);
    assert_eq!(acknowledge(&mut bench, "王工").0, accepted + 1);
}

#[test]
fn a_severity_that_rises_ends_the_acknowledgement_of_what_was_less() {
    let acknowledge = |bench: &mut Bench, id: &str| {
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms,
        };
        bench.triggers.acknowledge(id, "王工", now).unwrap();
    };
    let mut bench = Bench::new();
    let id = bench.fire("far", "c1", Severity::Minor).unwrap();
    bench.triggers.take_news();
    bench.now_ms += 2 * HOUR - 60_000;
    acknowledge(&mut bench, &id);
    bench.now_ms += 120_000;
    bench.fire("far", "c1", Severity::Major);
    assert_eq!(bench.get(&id).ack_until_ms, None);
    let news = bench.triggers.take_news();
    assert_eq!(told(&news), [(NewsReason::Raised, vec!["n1", "nl"])]);
    // It is overdue, and not due soon.
    assert_eq!(
        told(&bench.pass(0)),
        [(NewsReason::Overdue, vec!["nl", "n1"])]
    );
    assert_eq!(bench.triggers.process().reminders_total, 0);
    // What an acknowledgement has held back by then is told at once.
    acknowledge(&mut bench, &id);
    assert!(bench.pass(2 * HOUR).is_empty());
    bench.fire("far", "c1", Severity::Critical);
    bench.triggers.take_news();
    assert_eq!(
        told(&bench.pass(0)),
        [(NewsReason::Overdue, vec!["co", "n1"])]
    );
}

#[test]
fn what_is_overdue_when_its_acknowledgement_ends_is_told_so_before_it_climbs() {
    let book = crate::triggers::tests::bench::BOOK;
    let text = book.replace("escalation: [{after: 0s,", "escalation: [{after: 90m,");
    let mut bench = Bench::under(&text);
    let id = bench.fire("far", "c1", Severity::Major).unwrap();
    bench.triggers.take_news();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench.triggers.acknowledge(&id, "n1", now).unwrap();
    // Due at 12:00, seen until 13:00, and the leader hears of it at 13:30.
    assert!(bench.pass(3 * HOUR - 1).is_empty());
    assert_eq!(told(&bench.pass(1)), [(NewsReason::Overdue, vec!["n1"])]);
    assert_eq!(
        told(&bench.pass(HOUR / 2)),
        [(NewsReason::Overdue, vec!["nl", "n1"])]
    );
}

#[test]
fn what_the_clock_may_be_ahead_by_has_not_passed() {
    let mut bench = Bench::new();
    bench.fire("k", "c1", Severity::Major).unwrap();
    bench.triggers.take_news();
    // The clock jumps by a week, and no source tells of that time.
    assert!(bench.pass_ahead(168 * HOUR, 168 * HOUR).is_empty());
    // It is believed in the end.
    let reasons: Vec<NewsReason> = bench.pass(0).iter().map(|news| news.reason).collect();
    assert!(reasons.contains(&NewsReason::Overdue), "{reasons:?}");
}

#[test]
fn who_is_away_is_stood_in_for_and_in_the_end_by_the_coordinator() {
    let mut bench = Bench::new();
    let owner = |bench: &mut Bench, city: &str| {
        let id = bench.fire("far", city, Severity::Minor).unwrap();
        let owner = bench.get(&id).owner.clone();
        (owner.person.name, owner.by)
    };
    assert_eq!(owner(&mut bench, "c1"), ("n1".to_owned(), OwnerBy::Kqi));
    bench.now_ms += 24 * HOUR;
    assert_eq!(owner(&mut bench, "c2"), ("n2".to_owned(), OwnerBy::Kqi));
    let absences = "absences: [{email: n2@example.com, from: '2026-03-01', to: '2026-03-09'}, ";
    let text = crate::triggers::tests::bench::BOOK.replace("absences: [", absences);
    let mut bench = Bench::under(&text);
    bench.now_ms += 24 * HOUR;
    assert_eq!(
        owner(&mut bench, "c1"),
        ("co".to_owned(), OwnerBy::Coordinator)
    );
}

#[test]
fn a_hand_over_is_a_hop_with_a_due_time_of_its_own_and_both_sides_hear_of_it() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    bench.go(&id, &[TriggerState::Accepted]);
    bench.triggers.take_news();
    bench.now_ms += HOUR;
    let desk = bench.book.first_desk("NET").unwrap();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    let moved = bench
        .triggers
        .hand_over(&id, &desk, "王工", Some("光缆"), now)
        .unwrap();
    assert_eq!((moved.state, moved.hops), (TriggerState::Dispatched, 1));
    assert_eq!(moved.deadline.unwrap().due_ms, bench.now_ms + 2 * HOUR);
    let why = moved.history.last().unwrap().reason.clone().unwrap();
    assert_eq!(why, "handed over from BSC (contact) to NET (contact): 光缆");
    let news = bench.triggers.take_news();
    assert_eq!(
        told(&news),
        [(NewsReason::HandedOver, vec!["n1", "b", "nl"])]
    );
    assert_eq!(bench.triggers.process().hops["BSC"], 1);
    let times = bench.get(&id).time_in_states(bench.now_ms);
    let accepted = times
        .iter()
        .find(|(state, _)| *state == TriggerState::Accepted);
    assert_eq!(accepted, Some(&(TriggerState::Accepted, HOUR)));
    for (desk, reason, words) in [
        (&desk, None, "cannot become handed over without a reason"),
        (
            &crate::rules::Desk {
                department: "NET".to_owned(),
                role: "nobody".to_owned(),
            },
            Some("r"),
            "there is no role \"nobody\" in department \"NET\"",
        ),
    ] {
        let refused = bench
            .triggers
            .hand_over(&id, desk, "王工", reason, now)
            .unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

#[test]
fn urgency_is_the_weighted_sum_of_four_factors_and_ranks() {
    let mut bench = Bench::new();
    let minor = bench.fire("k", "c1", Severity::Minor).unwrap();
    let critical = bench.fire("far", "c1", Severity::Critical).unwrap();
    let wide = bench.fire("k", "c2", Severity::Critical).unwrap();
    let urgency = bench.get(&minor).urgency;
    // Score 2.5: 6 − 2.5, rounded; no entry for the service; complexity 3; minor.
    let factors = (
        urgency.impact,
        urgency.keyness,
        urgency.simplicity,
        urgency.pressing,
    );
    assert_eq!(factors, (4, 3, 3, 2));
    assert_eq!(urgency.total, 4 * 4 + 3 * 3 + 3 + 4 * 2);
    let mut all: Vec<_> = bench.triggers.triggers().cloned().collect();
    all.sort_by(|a, b| by_urgency(a, b));
    let ids: Vec<&str> = all.iter().map(|trigger| &*trigger.id).collect();
    assert_eq!(ids, [&*critical, &*wide, &*minor]);
}

#[test]
fn a_severity_that_rises_brings_copies_and_a_nearer_due_time() {
    let mut bench = Bench::new();
    let id = bench.fire("far", "c1", Severity::Minor).unwrap();
    let opened_ms = bench.now_ms;
    bench.triggers.take_news();
    assert_eq!(
        bench.get(&id).deadline.unwrap().due_ms,
        opened_ms + 4 * HOUR
    );
    bench.now_ms += HOUR / 2;
    bench.fire("far", "c1", Severity::Major);
    assert_eq!(
        bench.get(&id).deadline.unwrap().due_ms,
        opened_ms + 2 * HOUR
    );
    let news = bench.triggers.take_news();
    assert_eq!(
        told(&news),
        [(NewsReason::Raised, vec!["n1", "nl"])],
        "the owner must know that there is less time"
    );
    let said = bench.get(&id).explanation().unwrap().text.zh.clone();
    assert!(
        said.contains("03-02 12:00"),
        "agents promise the new time: {said}"
    );
    assert_eq!(
        told(&bench.pass(HOUR / 2)),
        [(NewsReason::Reminder, vec!["n1"])]
    );
}

#[test]
fn a_severity_that_rises_after_the_reminder_is_told_and_due_by_its_own_time() {
    let mut bench = Bench::new();
    let id = bench.fire("far", "c1", Severity::Minor).unwrap();
    let opened_ms = bench.now_ms;
    bench.triggers.take_news();
    assert_eq!(
        told(&bench.pass(3 * HOUR)),
        [(NewsReason::Reminder, vec!["n1"])]
    );
    // A major one had to be accepted within two hours.
    bench.fire("far", "c1", Severity::Major);
    let deadline = bench.get(&id).deadline.unwrap();
    assert_eq!(deadline.due_ms, opened_ms + 2 * HOUR);
    let news = bench.triggers.take_news();
    assert_eq!(told(&news), [(NewsReason::Raised, vec!["n1", "nl"])]);
    assert_eq!(
        told(&bench.pass(0)),
        [(NewsReason::Overdue, vec!["nl", "n1"])]
    );
    // It is overdue, and rises once more: everybody hears of that, and it goes on climbing from where it is.
    bench.fire("far", "c1", Severity::Critical);
    let news = bench.triggers.take_news();
    assert_eq!(told(&news), [(NewsReason::Raised, vec!["n1", "nl"])]);
    let climbing = bench.get(&id).deadline.unwrap();
    assert_eq!((climbing.due_ms, climbing.step), (opened_ms + HOUR, 2));
}

#[test]
fn time_before_a_hand_over_is_the_first_departments_and_after_it_the_seconds() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    for (wait, department) in [(HOUR, "NET"), (2 * HOUR, "BSC")] {
        bench.now_ms += wait;
        let desk = bench.book.first_desk(department).unwrap();
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms,
        };
        let handed = bench.triggers.hand_over(&id, &desk, "王工", Some("r"), now);
        assert_eq!(handed.unwrap().state, TriggerState::Dispatched);
    }
    bench.now_ms += 4 * HOUR;
    bench.go(&id, &[TriggerState::Accepted]);
    let stay = |department: &str| {
        let key = (department.to_owned(), TriggerState::Dispatched);
        bench.triggers.process().stays[&key]
    };
    assert_eq!((stay("BSC").count, stay("BSC").total_ms), (2, 5 * HOUR));
    assert_eq!((stay("NET").count, stay("NET").total_ms), (1, 2 * HOUR));
    assert_eq!(bench.get(&id).hops, 2);
}

#[test]
fn a_route_by_cause_goes_before_what_is_known_and_one_by_service_after_it() {
    let book = crate::triggers::tests::bench::BOOK;
    let routed = |routes: &str| {
        let with = format!("triggers:\n  routes: [{routes}]\n");
        Bench::under(&book.replace("triggers:\n", &with))
    };
    let owner = |bench: &mut Bench, kqi: &str| {
        let id = bench.fire(kqi, "c1", Severity::Minor).unwrap();
        let owner = &bench.get(&id).owner;
        (owner.department.clone(), owner.by)
    };
    let mut bench = routed("{service: s, to: {department: NET, role: contact}}");
    assert_eq!(
        owner(&mut bench, "k"),
        ("BSC".to_owned(), OwnerBy::Knowledge)
    );
    assert_eq!(
        owner(&mut bench, "lost"),
        ("NET".to_owned(), OwnerBy::Route)
    );
    let mut bench = routed("{cause: slow, to: {department: NET, role: contact}}");
    assert_eq!(owner(&mut bench, "k"), ("NET".to_owned(), OwnerBy::Route));
}
