//! Who is asked, and by what: the lead before anybody works, whoever was handed it, and agents who promise nothing that is
//! over.

use crate::effect::EffectVerdict;
use crate::rules::{OwnerBy, Severity};
use crate::triggers::tests::bench::{Bench, HOUR};
use crate::triggers::{NewsReason, TriggerState};

fn said(bench: &Bench, id: &str) -> String {
    let said = bench.get(id).explanation();
    said.map_or(String::new(), |said| said.text.zh.clone())
}

#[test]
fn what_waits_for_the_lead_reminds_the_lead_and_not_whom_it_shall_ask() {
    let text = crate::triggers::tests::bench::BOOK.replace(
        "due: {minor:",
        "due: {critical: {accept: 2h, mend: 4h}, minor:",
    );
    let mut bench = Bench::under(&text);
    let id = bench.fire("far", "c1", Severity::Critical).unwrap();
    assert_eq!(bench.get(&id).state, TriggerState::Analysed);
    bench.triggers.take_news();
    let told = |bench: &mut Bench, ms| {
        let news = bench.pass(ms);
        let [one] = news.as_slice() else {
            panic!("{news:?}");
        };
        let who = one.recipients.iter();
        let who: Vec<String> = who.map(|(who, _)| who.name.clone()).collect();
        (one.reason, who.join(" "))
    };
    assert_eq!(
        told(&mut bench, HOUR),
        (NewsReason::Reminder, "le".to_owned())
    );
    // The data department has no leader, and its lead is who is overdue: whoever comes next in the chain hears of it.
    let (reason, who) = told(&mut bench, HOUR);
    assert_eq!((reason, &*who), (NewsReason::Overdue, "co le"));
}

#[test]
fn a_province_is_reviewed_and_copied_by_its_gravest_city() {
    let mut bench = Bench::new();
    bench.fire("far", "c1", Severity::Minor);
    bench.fire("far", "c2", Severity::Minor);
    let province = bench.fire("far", "c3", Severity::Critical).unwrap();
    let trigger = bench.get(&province);
    assert_eq!(trigger.cause.place.name(), "P");
    assert_eq!(trigger.severity, Severity::Critical);
    assert!(trigger.review_required);
    assert_eq!(trigger.state, TriggerState::Analysed);
    assert_eq!(trigger.copies[0].name, "nl");
}

#[test]
fn what_became_critical_at_work_is_reviewed_when_it_is_opened_again() {
    let mut bench = Bench::new();
    let id = bench.fire("far", "c1", Severity::Major).unwrap();
    bench.go(&id, &[TriggerState::Accepted]);
    bench.fire("far", "c1", Severity::Critical);
    let trigger = bench.get(&id);
    assert_eq!(
        (trigger.severity, trigger.state, trigger.review_required),
        (Severity::Critical, TriggerState::Accepted, false),
        "who works at it goes on"
    );
    bench.go(&id, &[TriggerState::InProgress, TriggerState::Mended]);
    bench.judge(&id, EffectVerdict::NoEffect);
    let trigger = bench.get(&id);
    assert_eq!(
        (trigger.state, trigger.review_required),
        (TriggerState::Analysed, true)
    );
}

#[test]
fn what_a_person_handed_over_stays_there_as_part_of_a_province() {
    let mut bench = Bench::new();
    bench.fire("far", "c1", Severity::Minor);
    let second = bench.fire("far", "c2", Severity::Minor).unwrap();
    bench.hand_over(&second, ("BSC", "contact")).unwrap();
    bench.go(&second, &[TriggerState::Accepted]);
    let province = bench.fire("far", "c3", Severity::Minor).unwrap();
    let trigger = bench.get(&province);
    assert_eq!(
        (&*trigger.owner.department, trigger.owner.by, trigger.state),
        ("BSC", OwnerBy::HandOver, TriggerState::Accepted)
    );
}

#[test]
fn handing_over_to_the_same_desk_gains_no_time() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    let due = bench.get(&id).deadline;
    bench.now_ms += HOUR / 2;
    let refused = bench.hand_over(&id, ("BSC", "contact")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "trigger T-000001 is dispatched: it is with BSC (contact) already"
    );
    assert_eq!(bench.get(&id).deadline, due);
    // Who has to find an owner may take it on.
    let lost = bench.fire("lost", "c1", Severity::Major).unwrap();
    assert_eq!(bench.get(&lost).state, TriggerState::Classified);
    bench.hand_over(&lost, ("DATA", "coordinator")).unwrap();
    assert_eq!(bench.get(&lost).state, TriggerState::Dispatched);
}

#[test]
fn agents_have_words_while_an_owner_is_looked_for_and_promise_nothing_that_is_over() {
    let mut bench = Bench::new();
    let lost = bench.fire("lost", "c1", Severity::Major).unwrap();
    assert!(
        said(&bench, &lost).contains("正在核实"),
        "{}",
        said(&bench, &lost)
    );
    let id = bench.fire("k", "c2", Severity::Major).unwrap();
    let number = bench.get(&id).explanations.len();
    assert_eq!(number, 1, "what goes on by itself is said once");
    assert!(said(&bench, &id).contains("预计 03-02 12:00 前答复"));
    bench.pass(2 * HOUR);
    assert!(
        said(&bench, &id).contains("已超过预计时间"),
        "{}",
        said(&bench, &id)
    );
}

/// Only what the data have spoken about has waited for a proof.
#[test]
fn what_is_open_again_awaits_no_effect() {
    let process = "  process: [{id: proof, name: n, measure: feedback_given, window: 30d, anchors: [1, 2, 3, 4, 5], provenance: [{of: anchors, kind: judgement, reference: t}]}]
knowledge:
";
    let text = crate::triggers::tests::bench::BOOK.replace("knowledge:\n", process);
    let mut bench = Bench::under(&text);
    let proofs = |bench: &Bench| {
        let kqi = &bench.book.triggers.process[0];
        let samples = bench.triggers.samples();
        let means = samples.means(kqi, std::iter::empty(), bench.now_ms + 1);
        means.values().map(|(_, count)| count).sum::<u64>()
    };
    let id = bench.fire("k", "c1", Severity::Major).unwrap();
    let states = [
        TriggerState::Accepted,
        TriggerState::InProgress,
        TriggerState::Mended,
    ];
    bench.go(&id, &states);
    bench.judge(&id, EffectVerdict::TooEarly);
    bench.go(&id, &[TriggerState::Reopened]);
    assert_eq!(bench.get(&id).measured, None);
    assert_eq!(proofs(&bench), 0);
    bench.go(&id, &states);
    bench.judge(&id, EffectVerdict::NoEffect);
    assert_eq!(proofs(&bench), 1);
    assert!(bench.get(&id).state.is_unanswered());
    assert!(bench.get(&id).measured.is_some(), "it is why");
}
