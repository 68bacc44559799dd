//! Complaints that raise a trigger are its evidence, and name its cause.

use crate::rules::Severity::Minor;
use crate::triggers::tests::bench::{BOOK, Bench, HOUR};
use crate::triggers::{TicketNews, TriggerState};

/// A cause that is known by what people complain of alone, and a KQI that counts all that they complain of.
const MORE: &str = "
  - id: spam
    title: {zh: 垃圾邮件多, en: spam}
    service: s
    leaves: [垃圾邮件]
    causes: [c]
    verify: [v]
    remedies: [{id: filter, text: filter it}]
    owner: {department: NET, role: contact}
    reference: r
kqis:
  - {id: surge, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [service, city], window: 1h, interval: {max: 50}, department: CS, unit: count}
";

fn bench() -> Bench {
    Bench::under(&format!("{}{MORE}", BOOK.trim_end()))
}

fn complain(bench: &mut Bench, serials: std::ops::Range<u32>, city: &str, leaf: &str) {
    for serial in serials {
        bench.complain(&format!("C-{serial}"), city, leaf);
    }
}

fn tickets(bench: &Bench, id: &str) -> usize {
    bench.get(id).tickets.len()
}

#[test]
fn a_surge_has_the_cause_that_most_of_its_tickets_are_a_sign_of_and_all_of_them() {
    let mut bench = bench();
    // Long before, and elsewhere.
    complain(&mut bench, 0..9, "c1", "回复慢");
    bench.now_ms += 3 * HOUR;
    complain(&mut bench, 10..16, "c1", "垃圾邮件");
    complain(&mut bench, 20..22, "c1", "回复慢");
    complain(&mut bench, 30..33, "c1", "打不开");
    complain(&mut bench, 40..43, "c2", "垃圾邮件");
    let id = bench.fire("surge", "c1", Minor).unwrap();
    let trigger = bench.get(&id);
    assert_eq!(
        (&*trigger.cause.cause, &*trigger.title.en),
        ("spam", "spam")
    );
    assert_eq!(trigger.owner.department, "NET");
    assert_eq!(tickets(&bench, &id), 11);
    // Whoever complains later is owed the answer as well.
    complain(&mut bench, 50..51, "c1", "垃圾邮件");
    complain(&mut bench, 51..52, "c1", "打不开");
    complain(&mut bench, 52..53, "c1", "回复慢");
    complain(&mut bench, 53..54, "c2", "打不开");
    assert_eq!(tickets(&bench, &id), 14);
    // But for those of another cause that has a trigger.
    let slow = bench.fire("k", "c1", Minor).unwrap();
    let (before, all) = (tickets(&bench, &slow), tickets(&bench, &id));
    complain(&mut bench, 60..62, "c1", "回复慢");
    assert_eq!(tickets(&bench, &slow), before + 2);
    assert_eq!(tickets(&bench, &id), all);
    bench.go(
        &id,
        &[
            TriggerState::Accepted,
            TriggerState::InProgress,
            TriggerState::Mended,
        ],
    );
    let mut answered = bench.get(&id).tickets.iter();
    assert!(answered.all(|ticket| ticket.answered_at_ms.is_some()));
}

#[test]
fn a_surge_of_everything_is_its_own_cause_and_keeps_it() {
    let mut bench = bench();
    complain(&mut bench, 0..5, "c1", "垃圾邮件");
    complain(&mut bench, 10..15, "c1", "打不开");
    let id = bench.fire("surge", "c1", Minor).unwrap();
    assert_eq!(bench.get(&id).cause.cause, "surge");
    assert_eq!(tickets(&bench, &id), 10);
    // Whatever the next window names: it is the same trouble.
    bench.now_ms += 2 * HOUR;
    bench.alert_ended("surge", "service=s;city=c1");
    complain(&mut bench, 20..29, "c1", "垃圾邮件");
    assert_eq!(bench.fire("surge", "c1", Minor).as_deref(), Some(&*id));
    bench.alert_ended("surge", "service=s;city=c1");
    assert!(!bench.get(&id).alert_firing);
    assert_eq!(tickets(&bench, &id), 19);
}

#[test]
fn complaints_of_a_refused_cause_are_answered_by_the_refusal_and_not_by_a_surge() {
    let mut bench = bench();
    complain(&mut bench, 0..5, "c1", "垃圾邮件");
    let spam = bench.fire("surge", "c1", Minor).unwrap();
    bench
        .wanted(
            &spam,
            crate::triggers::tests::bench::wanted(TriggerState::NotOptimised),
        )
        .unwrap();
    bench.now_ms += 2 * HOUR;
    complain(&mut bench, 10..20, "c1", "打不开");
    let surge = bench.fire("surge", "c1", Minor).unwrap();
    complain(&mut bench, 20..21, "c1", "垃圾邮件");
    assert_eq!(tickets(&bench, &surge), 10);
    assert_eq!(tickets(&bench, &spam), 6);
}

#[test]
fn a_ticket_that_is_filed_again_in_another_services_branch_waits_for_that_ones_answer() {
    let mut bench = bench();
    let id = bench.fire("k", "c1", Minor).unwrap();
    let before = tickets(&bench, &id);
    let mut hear = |path: &str, service: &str, by_tree: &str| {
        let news = TicketNews {
            service: service.to_owned(),
            by_tree: by_tree.to_owned(),
            ..bench.filed("C-1", "c1", path)
        };
        bench.hear(&news);
        tickets(&bench, &id) - before
    };
    // What is said with a place holds there, whatever the tree says of it.
    assert_eq!(hear("a/回复慢", "s", "other"), 1);
    assert_eq!(hear("a/回复慢", "", "other"), 1);
    // Elsewhere the tree says whose it is, and where that does not know, what was said last.
    assert_eq!(hear("b/回复慢", "", "other"), 0);
    assert_eq!(hear("a/回复慢", "", "s"), 1);
    assert_eq!(hear("c/回复慢", "", ""), 1);
    assert_eq!(hear("c/回复慢", "other", "s"), 0);
}
