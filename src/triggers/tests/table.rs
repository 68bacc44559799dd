//! Every line of the table, and nothing else.

use crate::effect::EffectVerdict;
use crate::rules::Severity;
use crate::triggers::flow::{By, TABLE};
use crate::triggers::tests::bench::{Bench, measured, path, wanted};
use crate::triggers::{MoveError, NewsReason, Now, Refusal, Trigger, TriggerState, Wanted};

/// A trigger that is brought into a state by force, to try every move from there.
fn forced(state: TriggerState) -> (Bench, String) {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    let trigger = bench.triggers.edit(&id).unwrap();
    trigger.state = state;
    (bench, id)
}

/// Names of states.
type Names = &'static [&'static str];

/// The flow once more, from what the departments do (`/v1/triggers` says it by these names) and not from the table: what may
/// follow by anybody's hand, by the engine's alone, and by a hand-over.
const FLOW: [(&str, Names, Names, Names); 13] = [
    ("detected", &["classified"], &["feedback_given"], &[]),
    ("classified", &["analysed"], &["feedback_given"], &[]),
    (
        "analysed",
        &["reviewed", "dispatched", "not_optimised"],
        &["feedback_given"],
        &[],
    ),
    (
        "reviewed",
        &["dispatched", "analysed", "not_optimised"],
        &["feedback_given"],
        &[],
    ),
    (
        "dispatched",
        &["accepted", "not_optimised"],
        &["feedback_given"],
        &["dispatched", "analysed"],
    ),
    (
        "accepted",
        &["in_progress", "not_optimised"],
        &["feedback_given"],
        &["dispatched", "analysed"],
    ),
    (
        "in_progress",
        &["mended", "not_optimised"],
        &["feedback_given"],
        &["dispatched", "analysed"],
    ),
    ("mended", &["feedback_given"], &[], &[]),
    ("not_optimised", &["feedback_given"], &[], &[]),
    (
        "feedback_given",
        &["reopened"],
        &["closed", "effect_measured"],
        &[],
    ),
    ("effect_measured", &[], &["closed", "reopened"], &[]),
    ("closed", &[], &["reopened"], &[]),
    ("reopened", &["analysed"], &["feedback_given"], &[]),
];

/// Names of states that may follow one by somebody's hand.
fn followers(from: TriggerState, by: By) -> &'static [&'static str] {
    let line = FLOW.iter().find(|line| line.0 == from.name()).unwrap();
    match by {
        By::Anyone => line.1,
        By::Engine => line.2,
        By::HandOver => line.3,
    }
}

#[test]
fn the_table_is_the_flow_line_by_line() {
    for from in TriggerState::ALL {
        for by in [By::Anyone, By::Engine, By::HandOver] {
            let lines = TABLE.iter().filter(|line| line.0 == from && line.2 == by);
            let mut has: Vec<&str> = lines.map(|line| line.1.name()).collect();
            let mut wants = followers(from, by).to_vec();
            has.sort_unstable();
            wants.sort_unstable();
            assert_eq!(has, wants, "{from:?} by {by:?}");
        }
    }
}

#[test]
fn every_move_of_the_flow_and_no_other() {
    for from in TriggerState::ALL {
        for to in TriggerState::ALL {
            let (mut bench, id) = forced(from);
            let before: Trigger = bench.get(&id).clone();
            let moved = bench.wanted(&id, wanted(to));
            let legal = followers(from, By::Anyone).contains(&to.name());
            assert_eq!(moved.is_ok(), legal, "{from:?} → {to:?}");
            let after = bench.get(&id);
            if legal {
                assert_eq!(
                    after.history[before.history.len()].to,
                    to,
                    "{from:?} → {to:?}"
                );
                assert_eq!(after.history[..before.history.len()], before.history);
            } else {
                assert_eq!(*after, before, "a refused move changes nothing");
                let MoveError::Illegal { legal, .. } = moved.unwrap_err() else {
                    panic!("{from:?} → {to:?} is illegal");
                };
                for state in followers(from, By::Anyone) {
                    assert!(legal.contains(state), "{legal} names {state}");
                }
            }
        }
    }
}

#[test]
fn a_known_cause_with_a_known_owner_is_dispatched_at_once_by_the_engine() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    let trigger = bench.get(&id);
    assert_eq!(
        path(trigger),
        ["detected", "classified", "analysed", "dispatched"]
    );
    assert!(trigger.history.iter().all(|step| step.actor == "engine"));
    assert!(
        trigger.history[1..]
            .iter()
            .all(|step| step.reason.is_some())
    );
    assert_eq!(trigger.owner.department, "BSC");
}

#[test]
fn what_the_book_wants_reviewed_waits_for_the_lead_and_the_copies_are_recorded() {
    let mut bench = Bench::new();
    let id = bench.fire("far", "c1", Severity::Critical).unwrap();
    let trigger = bench.get(&id);
    assert_eq!(trigger.state, TriggerState::Analysed);
    assert_eq!(trigger.copies[0].name, "nl");
    let refused = bench.advance(&id, TriggerState::Dispatched).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "trigger T-000001 is analysed, it can become reviewed or not_optimised, not dispatched"
    );
    let news = bench.triggers.take_news();
    let told: Vec<&str> = news[0]
        .recipients
        .iter()
        .map(|(who, _)| &*who.name)
        .collect();
    assert_eq!(told, ["le", "nl"]);
    bench.go(&id, &[TriggerState::Reviewed]);
    assert_eq!(bench.get(&id).state, TriggerState::Dispatched);
}

#[test]
fn no_hand_over_goes_around_the_lead() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", Severity::Critical).unwrap();
    bench.go(&id, &[TriggerState::Accepted]);
    assert_eq!(bench.get(&id).decided_by(&bench.book), "BSC");
    bench.triggers.take_news();
    let desk = bench.book.first_desk("NET").unwrap();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    let handed = bench.triggers.hand_over(&id, &desk, "王工", Some("r"), now);
    let handed = handed.unwrap();
    assert_eq!(
        (
            handed.state,
            handed.review_required,
            &*handed.owner.department
        ),
        (TriggerState::Analysed, true, "NET")
    );
    let reasons: Vec<NewsReason> = bench
        .triggers
        .take_news()
        .iter()
        .map(|news| news.reason)
        .collect();
    assert!(reasons.contains(&NewsReason::ReviewAsked), "{reasons:?}");
    // Who shall be asked does not decide whether.
    assert_eq!(bench.get(&id).decided_by(&bench.book), "DATA");
    let said = bench.get(&id).explanation().unwrap();
    assert!(said.text.zh.contains("正在核实"), "{}", said.text.zh);
    bench.go(&id, &[TriggerState::Reviewed]);
    assert_eq!(bench.get(&id).state, TriggerState::Dispatched);
    assert_eq!(bench.get(&id).decided_by(&bench.book), "NET");
}

#[test]
fn without_the_engine_every_early_step_is_taken_by_hand() {
    let text = crate::triggers::tests::bench::BOOK
        .replace("triggers:\n", "triggers:\n  automatic: false\n");
    let mut bench = Bench::under(&text);
    let id = bench.fire("k", "c1", Severity::Minor).unwrap();
    assert_eq!(bench.get(&id).state, TriggerState::Detected);
    bench.go(
        &id,
        &[
            TriggerState::Classified,
            TriggerState::Analysed,
            TriggerState::Dispatched,
            TriggerState::Accepted,
        ],
    );
    assert!(
        bench.get(&id).history[1..]
            .iter()
            .all(|step| step.actor == "王工")
    );
}

#[test]
fn what_has_no_owner_falls_to_the_coordinator_who_hands_it_over() {
    let mut bench = Bench::new();
    let id = bench.fire("lost", "c1", Severity::Minor).unwrap();
    let trigger = bench.get(&id);
    assert_eq!(
        (trigger.state, &*trigger.owner.role),
        (TriggerState::Classified, "coordinator")
    );
    let desk = crate::rules::Desk {
        department: "NET".to_owned(),
        role: "contact".to_owned(),
    };
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench
        .triggers
        .hand_over(&id, &desk, "监督", Some("网络原因"), now)
        .unwrap();
    let trigger = bench.get(&id);
    assert_eq!((trigger.state, trigger.hops), (TriggerState::Dispatched, 1));
    assert_eq!(trigger.owner.person.name, "n1");
}

#[test]
fn a_refusal_needs_kind_and_reason_and_is_explained_and_closed() {
    let (mut bench, id) = forced(TriggerState::Dispatched);
    let refuse = |kind, reason| Wanted {
        kind,
        ..Wanted::plain(TriggerState::NotOptimised, "李", reason)
    };
    let refused = bench.wanted(&id, refuse(Some(Refusal::Uneconomic), Some("  ")));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "trigger T-000001 cannot become not_optimised without a reason"
    );
    let refused = bench.wanted(&id, refuse(None, Some("r"))).unwrap_err();
    assert!(
        matches!(refused, MoveError::KindMissing { .. }),
        "{refused}"
    );
    let closed = bench.wanted(&id, refuse(Some(Refusal::Uneconomic), Some("投入过大")));
    let closed = closed.unwrap();
    assert_eq!(
        path(&closed)[4..],
        ["not_optimised", "feedback_given", "closed"]
    );
    let say = &closed.explanation().unwrap().text.zh;
    assert!(say.contains("不经济") && say.contains("投入过大"), "{say}");
}

#[test]
fn the_effect_closes_or_reopens_and_too_early_leaves_it() {
    for (verdict, ends) in [
        (EffectVerdict::TooEarly, vec!["feedback_given"]),
        (EffectVerdict::Unprovable, vec!["feedback_given"]),
        (
            EffectVerdict::Effective,
            vec!["feedback_given", "effect_measured", "closed"],
        ),
        (
            EffectVerdict::NoEffect,
            vec![
                "feedback_given",
                "effect_measured",
                "reopened",
                "analysed",
                "dispatched",
            ],
        ),
        (
            EffectVerdict::Worse,
            vec![
                "feedback_given",
                "effect_measured",
                "reopened",
                "analysed",
                "dispatched",
            ],
        ),
    ] {
        let (mut bench, id) = forced(TriggerState::InProgress);
        let mended = Wanted {
            remedy: Some("release"),
            ..Wanted::plain(TriggerState::Mended, "王工", None)
        };
        bench.wanted(&id, mended).unwrap();
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms + 5,
        };
        bench
            .triggers
            .effect_measured(&id, measured(verdict, "−78 %"), now)
            .unwrap();
        let again =
            bench
                .triggers
                .effect_measured(&id, measured(EffectVerdict::TooEarly, "x"), now);
        assert_eq!(again.is_ok(), verdict.is_awaited());
        let trigger = bench.get(&id);
        let path = path(trigger);
        assert_eq!(path[path.len() - ends.len()..], ends, "{verdict:?}");
        assert_eq!(trigger.outcome.is_none(), ends.len() == 5, "{verdict:?}");
        let worked = bench.triggers.process().worked("slow", "release");
        assert_eq!(worked.tried(), u64::from(!verdict.is_awaited()));
        assert_eq!(
            worked.effective,
            u64::from(verdict == EffectVerdict::Effective)
        );
    }
}

#[test]
fn remedies_are_those_of_the_knowledge_base() {
    let (mut bench, id) = forced(TriggerState::InProgress);
    let mended = Wanted {
        remedy: Some("pray"),
        ..Wanted::plain(TriggerState::Mended, "王工", None)
    };
    assert_eq!(
        bench.wanted(&id, mended).unwrap_err().to_string(),
        "the knowledge base has no remedy \"pray\" for \"slow\", it has release, restart"
    );
}
