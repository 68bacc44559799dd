//! What was mended waits for its own effect; whose complaint is answered.

use crate::effect::EffectVerdict;
use crate::rules::Severity;
use crate::triggers::tests::bench::{Bench, HOUR, opening, path, wanted};
use crate::triggers::{Evidence, Now, Outcome, Place, TriggerState};

const MINOR: Severity = Severity::Minor;
const MENDED: [TriggerState; 3] = [
    TriggerState::Accepted,
    TriggerState::InProgress,
    TriggerState::Mended,
];

#[test]
fn cities_that_were_mended_are_no_part_of_a_trouble_that_comes_after() {
    let mut bench = Bench::new();
    let mended: Vec<String> = ["c1", "c2"]
        .map(|city| bench.fire("far", city, MINOR).unwrap())
        .to_vec();
    for (id, city) in mended.iter().zip(["c1", "c2"]) {
        bench.go(id, &MENDED);
        bench.alert_ended("far", &format!("service=s;city={city}"));
    }
    // With them it would be half of the province.
    let third = bench.fire("far", "c3", MINOR).unwrap();
    assert_eq!(bench.get(&third).cause.place, Place::City("c3".to_owned()));
    for id in &mended {
        assert_eq!(bench.get(id).state, TriggerState::FeedbackGiven);
    }
    // Nor of a wider one.
    let wide = bench
        .fire("far", "c4", MINOR)
        .and_then(|_| bench.fire("far", "c5", MINOR))
        .unwrap();
    assert_eq!(bench.get(&wide).absorbed.len(), 3);
    assert_eq!(bench.get(&wide).cities(), ["c3", "c4", "c5"]);
    for id in &mended {
        assert_eq!(bench.get(id).outcome, Some(Outcome::Mended));
        bench.judge(id, EffectVerdict::Effective);
        assert_eq!(bench.get(id).state, TriggerState::Closed);
    }
}

#[test]
fn what_did_not_help_becomes_a_part_of_the_wider_trouble_that_is_worked_on() {
    let mut bench = Bench::new();
    let city = bench.fire("k", "c1", MINOR).unwrap();
    bench.go(&city, &MENDED);
    let wide = bench.fire("wide", "", MINOR).unwrap();
    assert_eq!(bench.get(&city).state, TriggerState::FeedbackGiven);
    // What fires there again is evidence for what is worked on.
    assert_eq!(bench.fire("k", "c1", MINOR), Some(wide.clone()));
    bench.judge(&city, EffectVerdict::NoEffect);
    let trigger = bench.get(&city);
    assert_eq!(
        path(trigger)[6..],
        [
            "mended",
            "feedback_given",
            "effect_measured",
            "reopened",
            "feedback_given",
            "closed"
        ]
    );
    assert_eq!(trigger.outcome, Some(Outcome::Absorbed { into: wide }));
}

#[test]
fn what_cannot_be_proven_is_closed_when_it_is_well_and_reopened_while_it_fires() {
    for (is_over, ends) in [(true, "closed"), (false, "dispatched")] {
        let mut bench = Bench::new();
        let id = bench.fire("k", "c1", MINOR).unwrap();
        bench.go(&id, &MENDED);
        if is_over {
            bench.alert_ended("k", "service=s;city=c1");
        }
        bench.judge(&id, EffectVerdict::NotProven);
        let path = path(bench.get(&id));
        assert_eq!(path.last(), Some(&ends));
        assert!(path.contains(&"effect_measured"));
        let said = &bench.get(&id).explanation().unwrap().text.en;
        assert!(!said.contains("the data show"), "{said}");
    }
}

/// An hour long: it fires after the mend for what was lost before it.
#[test]
fn windows_that_began_before_the_mend_are_no_evidence_against_it() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    bench.go(&id, &MENDED);
    bench.alert_ended("k", "service=s;city=c1");
    let mended_ms = bench.now_ms;
    let fire = |bench: &mut Bench, window_ms: Option<(i64, i64)>, end_ms: i64| {
        let mut fires = opening(&bench.book, "k", "c1", MINOR, end_ms);
        fires.evidence = fires.evidence.zip(window_ms).map(|(known, window_ms)| {
            let (start_ms, end_ms) = window_ms;
            Evidence {
                start_ms,
                end_ms,
                ..known
            }
        });
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms,
        };
        let mended = |_: &str| Some(mended_ms);
        bench.triggers.demand_beside(fires, mended, now)
    };
    let before = (mended_ms - HOUR, mended_ms);
    let within = (mended_ms - 1, mended_ms + HOUR - 1);
    for window_ms in [Some(before), Some(within), None] {
        bench.now_ms += HOUR;
        let joined = fire(&mut bench, window_ms, mended_ms);
        assert_eq!(joined.as_ref(), Some(&id));
        let trigger = bench.get(&id);
        assert_eq!(trigger.state, TriggerState::FeedbackGiven, "{window_ms:?}");
        assert!(trigger.alert_firing, "it is felt all the same");
    }
    let after = (mended_ms, mended_ms + HOUR);
    fire(&mut bench, Some(after), mended_ms);
    assert_eq!(bench.get(&id).state, TriggerState::Dispatched);
}

/// 12 of a leaf that no entry of the knowledge base names, before the trigger and after.
#[test]
fn complaints_that_the_knowledge_base_does_not_know_join_what_is_open_for_service_and_place() {
    let mut bench = Bench::new();
    bench.complain("C-1", "c1", "打不开");
    bench.complain("C-2", "c2", "打不开");
    let id = bench.fire("far", "c1", MINOR).unwrap();
    bench.complain("C-3", "c1", "打不开");
    // Of another cause it is known.
    bench.complain("C-4", "c1", "回复慢");
    let serials = |bench: &Bench| -> Vec<String> {
        let tickets = bench.get(&id).tickets.iter();
        tickets.map(|ticket| ticket.serial.clone()).collect()
    };
    assert_eq!(serials(&bench), ["C-1", "C-3"]);
    bench
        .wanted(&id, wanted(TriggerState::NotOptimised))
        .unwrap();
    let mut tickets = bench.get(&id).tickets.iter();
    assert!(tickets.all(|ticket| ticket.answered_at_ms.is_some()));
    // A cause that is known by its complaints answers no others.
    bench.complain("C-5", "c2", "乱扣费");
    let slow = bench.fire("k", "c2", MINOR).unwrap();
    bench.complain("C-6", "c2", "乱扣费");
    bench.complain("C-7", "c2", "回复慢");
    let serials: Vec<&str> = bench
        .get(&slow)
        .tickets
        .iter()
        .map(|of| &*of.serial)
        .collect();
    assert_eq!(serials, ["C-7"]);
}

/// Absorbed by the step that opened it: nobody heard of it, and nobody hears that it is over.
#[test]
fn what_opens_and_is_absorbed_by_one_step_is_no_news() {
    let mut bench = Bench::new();
    for city in ["c1", "c2", "c3"] {
        bench.fire("k", city, MINOR);
    }
    let wide = bench.fire("wide", "", MINOR).unwrap();
    let news = bench.triggers.take_news();
    let about: Vec<&str> = news.iter().map(|news| &*news.trigger.id).collect();
    assert!(about.iter().all(|id| *id == wide), "{about:?}");
}

/// What people had heard of they hear the end of: by the mail of what it is a part of now, which names it, and where they are
/// told of no such, by its own.
#[test]
fn what_became_a_part_is_told_by_the_mail_of_the_whole() {
    let mut bench = Bench::new();
    for city in ["c1", "c2"] {
        bench.fire("k", city, MINOR);
        bench.triggers.take_news();
    }
    // Of the first one the network department has heard as well.
    for department in ["NET", "BSC"] {
        let desk = bench.book.first_desk(department).unwrap();
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms,
        };
        let handed = bench
            .triggers
            .hand_over("T-000001", &desk, "王工", Some("r"), now);
        handed.unwrap();
        bench.triggers.take_news();
    }
    let wide = bench.fire("wide", "", MINOR).unwrap();
    assert_eq!(bench.triggers.now_within("T-000001"), wide);
    assert_eq!(bench.get(&wide).absorbed, ["T-000001", "T-000002"]);
    let news = bench.triggers.take_news();
    let told = news.iter().flat_map(|one| {
        let readers = one.recipients.iter();
        readers.map(|(who, _)| (one.trigger.id.as_str(), who.name.as_str()))
    });
    let told: Vec<(&str, &str)> = told.collect();
    let parts = told.iter().filter(|(id, _)| *id != wide);
    assert_eq!(parts.collect::<Vec<_>>(), [&("T-000001", "n1")], "{told:?}");
    assert!(told.contains(&(&*wide, "b")), "{told:?}");
}

/// A command carries the time of its line in the journal, which is before the end of its epoch.
#[test]
fn the_history_is_in_the_order_of_time() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    bench.now_ms -= 70;
    bench.go(&id, &[TriggerState::Accepted]);
    let history = &bench.get(&id).history;
    assert!(history.windows(2).all(|two| two[0].at_ms <= two[1].at_ms));
}
