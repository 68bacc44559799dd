//! What is handed to and fro has no time without end, and who is away is told of nothing in vain.

use crate::effect::EffectVerdict;
use crate::rules::Severity;
use crate::triggers::tests::bench::{BOOK, Bench, HOUR};
use crate::triggers::{News, NewsReason, Now, TriggerState};

/// Hands a trigger over to a department's first desk, and tells who heard of it.
fn pass_to(bench: &mut Bench, id: &str, department: &str) -> Vec<News> {
    let desk = bench.book.first_desk(department).unwrap();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    let handed = bench.triggers.hand_over(id, &desk, "王工", Some("r"), now);
    handed.unwrap();
    bench.triggers.take_news()
}

fn names(news: &News) -> Vec<&str> {
    let readers = news.recipients.iter();
    readers.map(|(who, _)| who.name.as_str()).collect()
}

fn due_in(bench: &Bench, id: &str) -> i64 {
    bench.get(id).deadline.unwrap().due_ms - bench.now_ms
}

#[test]
fn a_department_has_its_time_once_however_often_it_hands_on() {
    let process = "  process: [{id: hops, name: n, measure: hops, window: 30d, anchors: [0, 0.5, 1, 2, 3], provenance: [{of: anchors, kind: judgement, reference: t}]}]
knowledge:
";
    let mut bench = Bench::under(&BOOK.replace("knowledge:\n", process));
    // Monday 10:00; major: two open hours for each department to accept it.
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    bench.triggers.take_news();
    let mut heard = Vec::new();
    for (department, left) in [("NET", 2), ("BSC", 1), ("NET", 1), ("BSC", 0)] {
        bench.now_ms += HOUR;
        let news = pass_to(&mut bench, &id, department);
        assert_eq!(due_in(&bench, &id), left * HOUR, "{department}");
        heard.push(names(&news[0]).join(" "));
    }
    // From the third hand-over on it is brought before those who can end it.
    assert_eq!(heard, ["n1 b nl", "b n1", "n1 b co le nl", "b n1 co le"]);
    let history = &bench.get(&id).history;
    let too_often = |step: &&crate::triggers::TriggerMove| {
        let reason = step.reason.as_deref().unwrap_or_default();
        reason.starts_with("handed on too often: escalated to co")
    };
    assert_eq!(history.iter().filter(too_often).count(), 2);
    assert_eq!(bench.triggers.process().escalations_total, 2);
    // Its time is spent: the chain begins at once.
    let news = bench.pass(0);
    assert_eq!(news[0].reason, NewsReason::Overdue);
    // It counts while it is open, and the mean over all is the same.
    let kqi = &bench.book.triggers.process[0];
    let open = bench.triggers.triggers().map(|of| (&**of, "BSC"));
    let means = bench.triggers.samples().means(kqi, open, bench.now_ms);
    assert_eq!(means.into_values().collect::<Vec<_>>(), [(4.0, 1)]);
    assert_eq!(bench.triggers.process().hops_mean(), Some(4.0));
}

#[test]
fn time_to_mend_is_spent_by_both_stays_and_given_anew_when_it_is_opened_again() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    bench.go(&id, &[TriggerState::Accepted]);
    bench.now_ms += HOUR;
    bench.go(&id, &[TriggerState::InProgress]);
    bench.now_ms += HOUR;
    pass_to(&mut bench, &id, "NET");
    pass_to(&mut bench, &id, "BSC");
    bench.go(&id, &[TriggerState::Accepted]);
    // Nine open hours, of which it has had two: 12:00 to 18:00, and one on the next day.
    assert_eq!(due_in(&bench, &id), (6 + 15 + 1) * HOUR);
    bench.go(&id, &[TriggerState::InProgress, TriggerState::Mended]);
    bench.judge(&id, EffectVerdict::NoEffect);
    assert_eq!(bench.get(&id).state, TriggerState::Dispatched);
    bench.go(&id, &[TriggerState::Accepted]);
    assert_eq!(due_in(&bench, &id), (6 + 15 + 3) * HOUR);
}

#[test]
fn a_part_is_no_demand_of_its_own_in_the_mean_of_hand_overs() {
    let mut bench = Bench::new();
    assert_eq!(bench.triggers.process().hops_mean(), None);
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    pass_to(&mut bench, &id, "NET");
    bench.fire("wide", "", Severity::Minor).unwrap();
    assert_eq!(bench.triggers.process().hops_mean(), Some(1.0));
}

/// From Tuesday to Thursday n1 is away, and n2 sits at the desk.
#[test]
fn reminders_escalations_and_effects_go_to_who_stands_in_today() {
    let mut bench = Bench::new();
    bench.now_ms += 6 * HOUR;
    // Monday 16:00, minor: due on Tuesday at 11:00.
    let id = bench.fire("far", "c1", Severity::Minor).unwrap();
    let news = bench.triggers.take_news();
    assert_eq!(names(&news[0]), ["n1"]);
    let [reminder] = &bench.pass(18 * HOUR)[..] else {
        panic!("no reminder");
    };
    assert_eq!(reminder.reason, NewsReason::Reminder);
    assert_eq!(names(reminder), ["n2"]);
    assert!(reminder.recipients[0].1.is_some(), "he may act");
    let overdue = bench.pass(HOUR);
    assert_eq!(overdue[0].reason, NewsReason::Overdue);
    assert_eq!(names(&overdue[0]), ["nl", "n2"]);
    assert_eq!(bench.get(&id).owner.person.name, "n1", "it is still his");
    // The answer goes to whoever was told, and to him.
    bench.triggers.take_news();
    bench.go(
        &id,
        &[
            TriggerState::Accepted,
            TriggerState::InProgress,
            TriggerState::Mended,
        ],
    );
    let news = bench.triggers.take_news();
    let answered = news.iter().find(|one| one.reason == NewsReason::Answered);
    assert!(names(answered.unwrap()).contains(&"n2"), "{news:?}");
    // Back on Friday.
    bench.pass(96 * HOUR);
    bench.judge(&id, EffectVerdict::NoEffect);
    let news = bench.triggers.take_news();
    assert!(news.iter().any(|one| names(one).contains(&"n1")));
}

#[test]
fn nobody_climbs_to_himself() {
    let text = BOOK.replace(
        "due: {minor:",
        "due: {critical: {accept: 2h, mend: 4h}, minor:",
    );
    let mut bench = Bench::under(&text);
    // It waits for the lead of a department that has no leader.
    bench.fire("far", "c1", Severity::Critical).unwrap();
    bench.pass(HOUR);
    let [step] = &bench.pass(HOUR)[..] else {
        panic!("not overdue");
    };
    assert_eq!(names(step), ["co", "le"]);
    // The coordinator's own climb to the lead, by each step.
    let mut bench = Bench::new();
    let id = bench.fire("lost", "c1", Severity::Major).unwrap();
    assert_eq!(bench.get(&id).owner.person.name, "co");
    bench.triggers.take_news();
    bench.pass(HOUR);
    assert_eq!(names(&bench.pass(HOUR)[0]), ["le", "co"]);
    assert_eq!(names(&bench.pass(2 * HOUR)[0]), ["le", "co"]);
}
