//! What was refused rests until its date or until it is clearly worse, and who complains of it meanwhile is answered.

use crate::rules::Severity;
use crate::triggers::tests::bench::{Bench, HOUR, opening, wanted};
use crate::triggers::{Evidence, NewsReason, Now, Outcome, TriggerState, Wanted};

const MINOR: Severity = Severity::Minor;

fn refused_until(bench: &mut Bench, id: &str, review_at_ms: i64) {
    let refused = Wanted {
        review_at_ms: Some(review_at_ms),
        ..wanted(TriggerState::NotOptimised)
    };
    bench.wanted(id, refused).unwrap();
}

#[test]
fn on_its_review_date_what_still_fires_is_asked_again() {
    for still_fires in [true, false] {
        let mut bench = Bench::new();
        let first = bench.fire("k", "c1", MINOR).unwrap();
        let review_at_ms = bench.now_ms + 24 * HOUR;
        refused_until(&mut bench, &first, review_at_ms);
        bench.triggers.take_news();
        assert!(bench.pass(23 * HOUR).is_empty());
        if !still_fires {
            bench.alert_ended("k", "service=s;city=c1");
        }
        let news = bench.pass(HOUR);
        let open = bench.open();
        assert_eq!(open.len(), usize::from(still_fires));
        if still_fires {
            let asked = bench.get("T-000002");
            assert_eq!(asked.recurrence_of.as_ref(), Some(&first));
            assert_eq!(asked.state, TriggerState::Dispatched);
            assert!(asked.alert_firing && asked.sources.len() == 1);
            let reason = asked.history.last().unwrap().reason.clone().unwrap();
            assert!(reason.contains("review date of T-000001"), "{reason}");
            assert_eq!(news[0].reason, NewsReason::Assigned);
        }
    }
}

/// A city that began to fire while a refusal for everywhere rested.
#[test]
fn what_a_refusal_held_back_is_asked_on_its_review_date_as_well() {
    let mut bench = Bench::new();
    let wide = bench.fire("wide", "", MINOR).unwrap();
    let review_at_ms = bench.now_ms + 24 * HOUR;
    refused_until(&mut bench, &wide, review_at_ms);
    assert_eq!(bench.fire("k", "c1", MINOR), None);
    bench.alert_ended("wide", "service=s");
    bench.pass(24 * HOUR);
    let asked = bench.get("T-000002");
    assert_eq!(asked.cities(), ["c1"]);
    assert!(asked.alert_firing);
}

#[test]
fn a_review_date_that_nobody_will_see_is_brought_within_reach() {
    for asked_ms in [i64::MAX, i64::MIN] {
        let mut bench = Bench::new();
        let id = bench.fire("k", "c1", MINOR).unwrap();
        refused_until(&mut bench, &id, asked_ms);
        let trigger = bench.get(&id);
        let Some(Outcome::NotOptimised { review_at_ms, .. }) = &trigger.outcome else {
            panic!("{:?}", trigger.outcome);
        };
        let days = (review_at_ms - bench.now_ms) / (24 * HOUR);
        assert!((0..=732).contains(&days), "{days}");
        let say = &trigger.explanation().unwrap().text.zh;
        assert!(!say.contains("将于  复核"), "{say}");
    }
}

/// Says what the newest abnormal windows of a city come to, the newest first.
fn weigh(bench: &mut Bench, city: &str, values: &[f64]) -> bool {
    let kqi = bench.book.kqis.iter().find(|kqi| kqi.id == "k").unwrap();
    let end_ms = bench.now_ms;
    let known = opening(&bench.book, "k", city, Severity::Critical, end_ms).evidence;
    let windows = values.iter().enumerate().map(|(back, value)| Evidence {
        end_ms: end_ms - 5 * back as i64,
        value: Some(*value),
        ..known.clone().unwrap()
    });
    let windows: Vec<Evidence> = windows.collect();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench.triggers.weigh_refusal(kqi, &windows, now)
}

/// The limit is 50, and it was refused at 60: twice as far is 70. Critical has no step of severity left.
#[test]
fn what_is_critical_comes_back_before_its_date_when_its_value_is_clearly_worse() {
    for (values, comes) in [
        (&[70.0, 75.0, 90.0][..], true),
        (&[70.0, 75.0, 90.0, 51.0], true),
        (&[90.0, 90.0, 69.0], false),
        (&[900.0, 900.0], false),
        (&[], false),
    ] {
        let mut bench = Bench::new();
        let first = bench.fire("k", "c1", Severity::Critical).unwrap();
        bench.triggers.take_news();
        bench
            .wanted(&first, wanted(TriggerState::NotOptimised))
            .unwrap();
        bench.now_ms += HOUR;
        bench.fire("k", "c1", Severity::Critical);
        assert_eq!(weigh(&mut bench, "c1", values), comes, "{values:?}");
        assert_eq!(bench.open().len(), usize::from(comes), "{values:?}");
        assert_eq!(bench.get(&first).rests(bench.now_ms), !comes);
        if comes {
            let asked = bench.get("T-000002");
            assert_eq!(asked.recurrence_of.as_ref(), Some(&first));
            assert!(asked.alert_firing && asked.sources.len() == 1);
            assert_eq!(asked.evidence[0].value, Some(70.0));
            let said = asked.history.last().unwrap().reason.clone().unwrap();
            assert!(said.starts_with("clearly worse than T-000001"), "{said}");
            // Once is enough, and its old date is nobody's any more.
            assert!(!weigh(&mut bench, "c1", values));
            bench.pass(40 * 24 * HOUR);
            assert_eq!(bench.open(), ["T-000002"]);
            assert_eq!(bench.get("T-000002").sources.len(), 1);
        }
    }
}

#[test]
fn a_refusal_that_is_not_to_be_weighed_by_value_rests() {
    let mut bench = Bench::new();
    bench.book.triggers.worse_value.times = 0.0;
    let first = bench.fire("k", "c1", Severity::Critical).unwrap();
    bench
        .wanted(&first, wanted(TriggerState::NotOptimised))
        .unwrap();
    assert!(!weigh(&mut bench, "c1", &[900.0; 3]));
}

/// It is graver by a step: what the refusal held back elsewhere speaks for the new demand.
#[test]
fn what_a_refusal_held_back_speaks_for_the_demand_that_follows() {
    let mut bench = Bench::new();
    let first = bench.fire("k", "c1", MINOR).unwrap();
    bench
        .wanted(&first, wanted(TriggerState::NotOptimised))
        .unwrap();
    bench.now_ms += HOUR;
    assert_eq!(bench.fire("k", "c1", MINOR), None);
    let again = bench.fire("k", "c1", Severity::Major).unwrap();
    assert!(!bench.get(&first).rests(bench.now_ms));
    assert!(!bench.get(&first).alert_firing);
    bench.alert_ended("k", "service=s;city=c1");
    assert!(!bench.get(&again).alert_firing);
}

/// Refused everywhere as minor, and in one city as critical: there it rests, elsewhere it is graver.
#[test]
fn of_several_refusals_each_rests_as_gravely_as_it_was_refused() {
    let mut bench = Bench::new();
    let city = bench.fire("k", "c1", Severity::Critical).unwrap();
    bench
        .wanted(&city, wanted(TriggerState::NotOptimised))
        .unwrap();
    let wide = bench.fire("wide", "", MINOR).unwrap();
    bench
        .wanted(&wide, wanted(TriggerState::NotOptimised))
        .unwrap();
    bench.now_ms += HOUR;
    assert_eq!(bench.fire("k", "c1", Severity::Critical), None);
    assert!(bench.fire("k", "c2", Severity::Critical).is_some());
}

#[test]
fn who_complains_while_a_refusal_rests_is_answered_by_it() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    let review_at_ms = bench.now_ms + 24 * HOUR;
    refused_until(&mut bench, &id, review_at_ms);
    bench.now_ms += HOUR;
    bench.ticket("C-1", "c1", true);
    bench.ticket("C-1", "c1", true);
    bench.ticket("C-2", "c2", true);
    let tickets = &bench.get(&id).tickets;
    assert_eq!(tickets.len(), 1, "another city was refused nothing");
    assert_eq!(tickets[0].answered_at_ms, Some(bench.now_ms));
    // After its date it answers nobody.
    bench.pass(24 * HOUR);
    bench.alert_ended("k", "service=s;city=c1");
    bench.ticket("C-3", "c1", true);
    assert_eq!(bench.get(&id).tickets.len(), 1);
}
