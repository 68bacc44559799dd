//! A rule book that changes while triggers are open.

use crate::rules::Severity;
use crate::rules::testing::book;
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
fn another_owner_is_asked_once_and_that_is_no_hop() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    bench.go(&id, &[TriggerState::Accepted]);
    assert_eq!(bench.get(&id).owner.department, "BSC");
    let (changed, news) = reload(&mut bench, &with_other_owner());
    assert_eq!(changed, 1);
    let trigger = bench.get(&id);
    assert_eq!((&*trigger.owner.department, trigger.hops), ("NET", 0));
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

/// Two books in turn are no departments that pass it on.
#[test]
fn what_the_book_moves_to_and_fro_is_not_handed_on_too_often() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    for text in [&*with_other_owner(), BOOK, &with_other_owner(), BOOK] {
        let (changed, news) = reload(&mut bench, text);
        assert_eq!(changed, 1);
        let readers = news.iter().flat_map(|one| &one.recipients);
        let mut names = readers.map(|(who, _)| &*who.name);
        assert!(names.all(|name| ["n1", "b"].contains(&name)), "{news:?}");
    }
    let trigger = bench.get(&id);
    assert_eq!(trigger.hops, 0);
    let mut reasons = trigger.history.iter().filter_map(|of| of.reason.as_deref());
    assert!(!reasons.any(|reason| reason.contains("too often")));
    assert_eq!(bench.triggers.process().hops_mean(), Some(0.0));
    assert_eq!(bench.triggers.process().escalations_total, 0);
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
    bench.hand_over(&id, ("NET", "leader")).unwrap();
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

/// Another entry of the knowledge base takes the KQI over.
fn with_other_cause() -> String {
    BOOK.replace("kqis: [k, wide]", "kqis: [wide]").replace(
        "knowledge:\n",
        "knowledge:
  - id: gateway
    title: {zh: 网关慢, en: gateway slow}
    service: s
    kqis: [k]
    causes: [c]
    verify: [v]
    remedies: [{id: swap, text: swap it}]
    owner: {department: NET, role: contact}
    reference: r
",
    )
}

#[test]
fn an_object_stays_with_its_open_trigger_whatever_cause_another_book_gives_it() {
    let label = "service=s;city=c1";
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    reload(&mut bench, &with_other_cause());
    bench.alert_ended("k", label);
    assert!(!bench.get(&id).alert_firing);
    assert_eq!(bench.fire("k", "c1", Severity::Minor), Some(id.clone()));
    assert_eq!(
        (bench.get(&id).cause.cause.as_str(), bench.open().len()),
        ("slow", 1)
    );
    // Elsewhere it is the other cause, and after a mend the same one again.
    let other = bench.fire("k", "c2", Severity::Minor).unwrap();
    assert_eq!(bench.get(&other).cause.cause, "gateway");
    let mended = [
        TriggerState::Accepted,
        TriggerState::InProgress,
        TriggerState::Mended,
    ];
    bench.go(&id, &mended);
    bench.alert_ended("k", label);
    assert_eq!(bench.fire("k", "c1", Severity::Minor), Some(id.clone()));
    assert_eq!(bench.get(&id).state, TriggerState::Dispatched);
    // What is over leaves it to whoever opens next, and fires with that one alone.
    let refused = crate::triggers::tests::bench::wanted(TriggerState::NotOptimised);
    bench.wanted(&id, refused).unwrap();
    let next = bench.fire("k", "c1", Severity::Minor).unwrap();
    assert_eq!(bench.get(&next).cause.cause, "gateway");
    assert!(!bench.get(&id).alert_firing && bench.get(&next).alert_firing);
    bench.alert_ended("k", label);
    assert!(!bench.get(&next).alert_firing);
}

/// Mended, and felt again as a part of a wider trouble: both hear that it is over.
#[test]
fn an_alert_that_ended_fires_for_no_trigger() {
    let mut bench = Bench::new();
    let city = bench.fire("k", "c1", Severity::Minor).unwrap();
    let mended = [
        TriggerState::Accepted,
        TriggerState::InProgress,
        TriggerState::Mended,
    ];
    bench.go(&city, &mended);
    let wide = bench.fire("wide", "", Severity::Minor).unwrap();
    assert_eq!(bench.fire("k", "c1", Severity::Minor), Some(wide.clone()));
    assert!(bench.get(&city).alert_firing);
    bench.alert_ended("k", "service=s;city=c1");
    assert!(!bench.get(&city).alert_firing);
    bench.alert_ended("wide", "service=s");
    assert!(!bench.get(&wide).alert_firing);
}
