//! A rule book that changes while triggers are open.

use crate::rules::testing::book;
use crate::rules::{Desk, Severity};
use crate::triggers::tests::bench::{BOOK, Bench};
use crate::triggers::{News, NewsReason, Now, TriggerState};

/// The bench under another book: what is told because of that.
fn reload(bench: &mut Bench, text: &str) -> (usize, Vec<News>) {
    bench.triggers.take_news();
    bench.book = book(text);
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    let changed = bench.triggers.reroute(now);
    (changed, bench.triggers.take_news())
}

/// The entry of the knowledge base names another owner.
fn with_other_owner() -> String {
    BOOK.replace(
        "owner: {department: BSC, role: contact}",
        "owner: {department: NET, role: contact}",
    )
}

#[test]
fn another_owner_is_asked_once_and_the_hop_is_counted() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    bench.go(&id, &[TriggerState::Accepted]);
    assert_eq!(bench.get(&id).owner.department, "BSC");
    let (changed, news) = reload(&mut bench, &with_other_owner());
    assert_eq!(changed, 1);
    let trigger = bench.get(&id);
    assert_eq!((&*trigger.owner.department, trigger.hops), ("NET", 1));
    // The new department must accept it anew.
    assert_eq!(trigger.state, TriggerState::Dispatched);
    let last = trigger.history.last().unwrap();
    assert_eq!(last.actor, "engine");
    assert_eq!(
        last.reason.as_deref(),
        Some("the rule book changed: from BSC (contact, b) to NET (contact, n1)")
    );
    let told: Vec<&str> = news[0]
        .recipients
        .iter()
        .map(|(who, _)| &*who.name)
        .collect();
    assert_eq!((news.len(), news[0].reason), (1, NewsReason::HandedOver));
    assert_eq!(told, ["n1", "b"]);
    let again = reload(&mut bench, &with_other_owner());
    assert_eq!(again, (0, Vec::new()));
}

#[test]
fn a_person_who_comes_to_the_same_desk_goes_on_with_it() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    bench.go(&id, &[TriggerState::Accepted]);
    let due = bench.get(&id).deadline;
    let text = BOOK.replace(
        "{name: b, email: b@example.com}",
        "{name: d, email: d@example.com}",
    );
    let (changed, news) = reload(&mut bench, &text);
    let trigger = bench.get(&id);
    assert_eq!((changed, &*trigger.owner.person.name), (1, "d"));
    assert_eq!(
        (trigger.state, trigger.hops, trigger.deadline),
        (TriggerState::Accepted, 0, due)
    );
    assert_eq!(news[0].reason, NewsReason::HandedOver);
}

#[test]
fn what_reads_alike_and_what_was_answered_stays_without_a_word() {
    let mut bench = Bench::new();
    let open = bench.fire("k", "c1", Severity::Minor).unwrap();
    let answered = bench.fire("k", "c2", Severity::Minor).unwrap();
    bench.go(
        &answered,
        &[
            TriggerState::Accepted,
            TriggerState::InProgress,
            TriggerState::Mended,
        ],
    );
    // Another name for the department is no other owner.
    let renamed = BOOK.replace("{id: BSC, name: bsc,", "{id: BSC, name: renamed,");
    assert_eq!(reload(&mut bench, &renamed), (0, Vec::new()));
    assert_eq!(bench.get(&open).owner.department_name.en, "renamed");
    let (changed, _) = reload(&mut bench, &with_other_owner());
    assert_eq!(changed, 1);
    assert_eq!(bench.get(&answered).owner.department, "BSC");
}

#[test]
fn what_a_person_handed_over_stays_there_while_the_desk_exists() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    let desk = Desk {
        department: "NET".to_owned(),
        role: "leader".to_owned(),
    };
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench
        .triggers
        .hand_over(&id, &desk, "王工", Some("r"), now)
        .unwrap();
    assert_eq!(reload(&mut bench, &with_other_owner()), (0, Vec::new()));
    assert_eq!(bench.get(&id).owner.role, "leader");
    // The desk is no more: the rules say who has it.
    let gone = with_other_owner()
        .replace(
            ",\n      {id: leader, name: nl, contacts: [{name: nl, email: nl@example.com}]}]}",
            "]}",
        )
        .replace(
            "  copies: [{department: NET, severity: major, to: {department: NET, role: leader}}]\n",
            "",
        )
        .replace("{after: 0s, role: leader}, ", "");
    let (changed, _) = reload(&mut bench, &gone);
    assert_eq!((changed, &*bench.get(&id).owner.role), (1, "contact"));
}

#[test]
fn a_desk_whose_only_person_is_away_keeps_what_is_under_way() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    let away = BOOK.replace(
        "absences: [",
        "absences: [{email: b@example.com, from: '2026-03-01', to: '2026-03-05'}, ",
    );
    assert_eq!(reload(&mut bench, &away).0, 0);
    assert_eq!(bench.get(&id).owner.person.name, "b");
    // What opens now goes to who stands in.
    let other = bench.fire("k", "c2", Severity::Minor).unwrap();
    assert_eq!(bench.get(&other).owner.person.name, "co");
}

#[test]
fn who_is_away_keeps_what_is_under_way() {
    let mut bench = Bench::new();
    let id = bench.fire("far", "c1", Severity::Minor).unwrap();
    assert_eq!(bench.get(&id).owner.person.name, "n1");
    // n1 is away from the 3rd on.
    bench.pass(24 * super::bench::HOUR);
    assert_eq!(reload(&mut bench, BOOK).0, 0);
    assert_eq!(bench.get(&id).owner.person.name, "n1");
}
