//! What of one trigger is bounded: sources, people, steps, explanations.

use crate::effect::EffectVerdict;
use crate::rules::Severity;
use crate::triggers::tests::bench::{Bench, path, wanted};
use crate::triggers::{Explanation, MoveError, Now, Trigger, TriggerLimits, TriggerState};

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
    let [.., (_, over), _] = bench.triggers.bounds_of_one();
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
    let [_, _, sources, ..] = bench.triggers.bounds_of_one();
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
    let [_, _, _, told, ..] = bench.triggers.bounds_of_one();
    assert_eq!((told.0, told.1 >= 1), (1, true));
}

/// What agents were told of since this was asked last, by number.
fn told(bench: &mut Bench) -> Vec<(u32, Explanation)> {
    let said = bench.triggers.take_said().into_iter();
    said.map(|said| (said.number, said.explanation)).collect()
}

#[test]
fn explanations_beyond_the_bound_go_from_behind_the_first_and_numbers_go_on() {
    let limits = TriggerLimits {
        explanations_max: 4,
        ..TriggerLimits::default()
    };
    let mut bench = under(limits);
    let label = "service=s;city=c1";
    let id = bench.fire("k", "c1", MINOR).unwrap();
    let mut all = told(&mut bench);
    for _ in 0..5 {
        bench.alert_ended("k", label);
        all.extend(told(&mut bench));
        bench.fire("k", "c1", MINOR);
        all.extend(told(&mut bench));
    }
    let numbers: Vec<u32> = all.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=11).collect::<Vec<u32>>(), "each was said");
    let kept = |bench: &Bench| {
        let kept = bench.get(&id).numbered_explanations();
        let kept = kept.map(|(number, said)| (number, said.clone()));
        kept.collect::<Vec<_>>()
    };
    let wanted: Vec<_> = [1, 9, 10, 11]
        .map(|number: usize| all[number - 1].clone())
        .into();
    assert_eq!(kept(&bench), wanted);
    let trigger = bench.get(&id);
    assert_eq!(
        (trigger.explanations_told(), trigger.explanations_gone),
        (11, 7)
    );
    assert_eq!(trigger.explanation(), Some(&all[10].1));
    let explanations = |bench: &Bench| {
        let [.., explanations] = bench.triggers.bounds_of_one();
        explanations
    };
    assert_eq!(explanations(&bench), (4, 7));
    // A checkpoint knows how many went; under a smaller bound more go with the next.
    let bytes = postcard::to_allocvec(&bench.triggers).unwrap();
    bench.triggers = postcard::from_bytes(&bytes).unwrap();
    bench.triggers.set_limits(TriggerLimits {
        explanations_max: 2,
        ..limits
    });
    bench.alert_ended("k", label);
    let next = told(&mut bench);
    assert_eq!(next[0].0, 12);
    assert_eq!(kept(&bench), [all[0].clone(), next[0].clone()]);
    assert_eq!(explanations(&bench), (2, 3));
}

/// The history has what a step leaves: none of what it says may be gone by then.
#[test]
fn what_one_step_says_is_all_there_when_it_ends() {
    let mut bench = under(TriggerLimits {
        explanations_max: 2,
        ..TriggerLimits::default()
    });
    let label = "service=s;city=c1";
    let id = bench.fire("k", "c1", MINOR).unwrap();
    bench.alert_ended("k", label);
    assert_eq!(told(&mut bench).len(), 2);
    let numbers = |bench: &Bench| {
        let kept = bench.get(&id).numbered_explanations();
        kept.map(|(number, _)| number).collect::<Vec<u32>>()
    };
    for _ in 0..2 {
        bench.fire("k", "c1", MINOR);
        bench.alert_ended("k", label);
    }
    assert_eq!(numbers(&bench), [1, 3, 4, 5, 6]);
    let said: Vec<u32> = told(&mut bench).iter().map(|(number, _)| *number).collect();
    assert_eq!(said, [3, 4, 5, 6]);
    bench.fire("k", "c1", MINOR);
    assert_eq!(numbers(&bench), [1, 7]);
}
