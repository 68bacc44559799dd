//! What of one trigger is bounded: sources, people, steps.

use crate::effect::EffectVerdict;
use crate::rules::Severity;
use crate::triggers::tests::bench::{Bench, path, wanted};
use crate::triggers::{MoveError, Now, Trigger, TriggerLimits, TriggerState};

const MINOR: Severity = Severity::Minor;

fn under(limits: TriggerLimits) -> Bench {
    let mut bench = Bench::new();
    bench.triggers.set_limits(limits);
    bench
}

fn acknowledge(bench: &mut Bench, id: &str, who: &str) -> Result<Trigger, MoveError> {
    bench.now_ms += 60_000;
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench.triggers.acknowledge(id, who, now).cloned()
}

/// What the bound of steps did.
fn over(bench: &Bench) -> u64 {
    let [.., (_, over)] = bench.triggers.bounds_of_one();
    over
}

#[test]
fn a_long_history_takes_moves_and_no_acknowledgements_of_others() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    let moves_max = bench.get(&id).history.len() + 2;
    bench.triggers.set_limits(TriggerLimits {
        moves_max,
        ..TriggerLimits::default()
    });
    for who in ["a", "b"] {
        acknowledge(&mut bench, &id, who).unwrap();
    }
    let before = bench.get(&id).clone();
    let refused = acknowledge(&mut bench, &id, "c").unwrap_err();
    let full = MoveError::HistoryFull {
        id: id.clone(),
        steps: moves_max,
    };
    assert_eq!(refused, full);
    let words = refused.to_string();
    assert!(words.contains("limits.trigger_moves_max"), "{words}");
    assert_eq!(*bench.get(&id), before, "nothing has changed");
    assert_eq!(over(&bench), 1);
    // Who has acknowledged it holds it back anew, which adds nothing.
    let again = acknowledge(&mut bench, &id, "a").unwrap();
    assert!(again.ack_until_ms > before.ack_until_ms);
    assert_eq!((again.history.len(), over(&bench)), (moves_max, 1));
    // No move is refused, and no step that goes with one is left out.
    bench.hand_over(&id, ("NET", "contact")).unwrap();
    use TriggerState::{Accepted, InProgress, Mended};
    bench.go(&id, &[Accepted, InProgress, Mended]);
    let moved = bench.get(&id);
    assert!(moved.history.len() > moves_max + 3);
    assert!(path(moved).ends_with(&["accepted", "in_progress", "mended", "feedback_given"]));
    assert_eq!(over(&bench), 1);
}

#[test]
fn what_late_data_say_again_and_again_fills_no_history() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    let moves_max = bench.get(&id).history.len() + 1;
    bench.triggers.set_limits(TriggerLimits {
        moves_max,
        ..TriggerLimits::default()
    });
    let label = "service=s;city=c1";
    for turn in 0..3 {
        let at_ms = bench.now_ms + turn;
        bench.triggers.withdraw("k", label, "i", true, "w", at_ms);
        bench.triggers.confirm("k", label, Vec::new(), "c", at_ms);
    }
    let trigger = bench.get(&id);
    assert_eq!(trigger.history.len(), moves_max);
    let last = trigger.history.last().unwrap();
    assert_eq!(last.reason.as_deref(), Some("cause withdrawn: w"));
    // What is so counts, whether it is remarked or not.
    assert!(!trigger.sources[0].withdrawn);
    assert_eq!(over(&bench), 5);
}

#[test]
fn a_verdict_that_is_awaited_is_kept_where_its_remark_is_not() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    use TriggerState::{Accepted, InProgress, Mended};
    bench.go(&id, &[Accepted, InProgress, Mended]);
    bench.triggers.set_limits(TriggerLimits {
        moves_max: 1,
        ..TriggerLimits::default()
    });
    let steps = bench.get(&id).history.len();
    bench.judge(&id, EffectVerdict::TooEarly);
    let trigger = bench.get(&id);
    let said = trigger.measured.as_ref().map(|said| said.verdict);
    assert_eq!(
        (said, trigger.history.len()),
        (Some(EffectVerdict::TooEarly), steps)
    );
    assert_eq!(over(&bench), 1);
    bench.judge(&id, EffectVerdict::NotProven);
    let trigger = bench.get(&id);
    assert!(trigger.history.len() > steps, "it moves on");
    assert_eq!(over(&bench), 1);
}

#[test]
fn sources_beyond_the_bound_speak_for_a_trigger_unnamed_and_are_forgotten_with_it() {
    let limits = TriggerLimits {
        sources_max: 2,
        final_max: 1,
        ..TriggerLimits::default()
    };
    let mut bench = under(limits);
    let id = bench.fire("wide", "", MINOR).unwrap();
    for city in ["c1", "c2", "c3"] {
        assert_eq!(bench.fire("k", city, MINOR).as_ref(), Some(&id), "{city}");
    }
    let [.., sources, _, _] = bench.triggers.bounds_of_one();
    assert_eq!((bench.get(&id).sources.len(), sources), (2, (2, 2)));
    let unnamed = bench.triggers.newest("k", "service=s;city=c3").unwrap();
    assert_eq!(unnamed.id, id);
    // A start under a greater bound knows that it was full.
    bench.triggers.set_limits(TriggerLimits {
        sources_max: 200,
        ..limits
    });
    let refuse = |bench: &mut Bench, id: &str| {
        let refused = wanted(TriggerState::NotOptimised);
        bench.wanted(id, refused).unwrap();
    };
    refuse(&mut bench, &id);
    let next = bench.fire("far", "c5", MINOR).unwrap();
    refuse(&mut bench, &next);
    assert!(bench.triggers.get(&id).is_none(), "one closed one is kept");
    let mut left = bench.triggers.objects.keys().map(|(kqi, _)| &**kqi);
    assert_eq!((left.next(), left.next()), (Some("far"), None));
}

#[test]
fn people_beyond_the_bound_are_told_once_and_counted() {
    let mut bench = under(TriggerLimits {
        told_max: 1,
        ..TriggerLimits::default()
    });
    let id = bench.fire("k", "c1", MINOR).unwrap();
    bench.triggers.take_news();
    bench.hand_over(&id, ("NET", "contact")).unwrap();
    let news = bench.triggers.take_news();
    let mut heard = news.iter().flat_map(|news| &news.recipients);
    assert!(heard.any(|(who, _)| who.email.starts_with('n')), "{news:?}");
    let told: Vec<&str> = bench.get(&id).told.iter().map(|who| &*who.email).collect();
    assert_eq!(told, ["b@example.com"], "the first stay");
    let [.., told, _] = bench.triggers.bounds_of_one();
    assert_eq!((told.0, told.1 >= 1), (1, true));
}
