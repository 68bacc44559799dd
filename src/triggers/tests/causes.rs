//! One cause, one trigger: joining, absorbing, coming back, resting.

use crate::effect::EffectVerdict;
use crate::rules::Severity;
use crate::triggers::tests::bench::{Bench, HOUR, path, wanted};
use crate::triggers::{
    NewsReason, Outcome, Place, TriggerBook, TriggerLimits, TriggerState, Wanted,
};

const MINOR: Severity = Severity::Minor;

#[test]
fn one_trigger_a_cause_and_evidence_joins_it() {
    let mut bench = Bench::new();
    let first = bench.fire("k", "c1", MINOR);
    assert_eq!(first.as_deref(), Some("T-000001"));
    bench.now_ms += 1_000;
    assert_eq!(bench.fire("k", "c1", Severity::Major), first);
    assert_eq!(bench.fire("k", "c2", MINOR).as_deref(), Some("T-000002"));
    assert_eq!(
        bench.fire("far", "c1", MINOR).as_deref(),
        Some("T-000003"),
        "another cause"
    );
    let trigger = bench.get("T-000001");
    assert_eq!(
        (trigger.evidence.len(), trigger.severity),
        (2, Severity::Major)
    );
    assert_eq!(trigger.sources.len(), 1);
}

#[test]
fn a_wider_place_absorbs_its_cities_and_takes_what_follows_there() {
    let mut bench = Bench::new();
    let city = bench.fire("k", "c1", MINOR).unwrap();
    bench.ticket("C-1", "c1", true);
    let wide = bench.fire("wide", "", MINOR).unwrap();
    assert_eq!(bench.open(), [&*wide]);
    let absorbed = bench.get(&city);
    assert_eq!(path(absorbed)[4..], ["feedback_given", "closed"]);
    assert_eq!(
        absorbed.outcome,
        Some(Outcome::Absorbed { into: wide.clone() })
    );
    assert!(
        absorbed
            .explanation()
            .unwrap()
            .text
            .en
            .contains("part of T-000002")
    );
    let trigger = bench.get(&wide);
    assert_eq!(
        (&trigger.absorbed[..], trigger.tickets.len()),
        (&[city][..], 1)
    );
    assert_eq!(trigger.sources.len(), 2);
    assert_eq!(bench.fire("k", "c4", MINOR).as_ref(), Some(&wide));
    assert_eq!(
        bench.triggers.newest("k", "service=s;city=c1").unwrap().id,
        wide
    );
    // It fires as long as any of its objects does.
    for (kqi, label) in [("wide", "service=s"), ("k", "service=s;city=c1")] {
        bench.alert_ended(kqi, label);
        assert!(bench.get(&wide).alert_firing);
    }
    let impaired = bench.get(&wide).explanation().cloned().unwrap();
    assert!(impaired.text.zh.contains("目前异常") && impaired.text.en.contains("is impaired"));
    bench.alert_ended("k", "service=s;city=c4");
    assert!(!bench.get(&wide).alert_firing);
    // Agents must not say that something is wrong which is over.
    let over = bench.get(&wide).explanation().cloned().unwrap();
    assert!(over.text.zh.contains("告警已解除") && over.text.en.contains("was impaired"));
    bench.fire("k", "c4", MINOR);
    assert_eq!(bench.get(&wide).explanation().unwrap().text, impaired.text);
}

#[test]
fn half_of_the_cities_are_the_province() {
    let mut bench = Bench::new();
    bench.fire("far", "c1", MINOR);
    bench.fire("far", "c2", MINOR);
    assert_eq!(bench.open().len(), 2);
    let province = bench.fire("far", "c3", MINOR).unwrap();
    assert_eq!(bench.open(), [&*province]);
    let trigger = bench.get(&province);
    assert_eq!(trigger.cause.place, Place::Province("P".to_owned()));
    assert_eq!(trigger.cities(), ["c1", "c2", "c3"]);
    assert_eq!(trigger.owner.department, "NET");
    assert_eq!(bench.fire("far", "c6", MINOR), Some(province));
}

#[test]
fn a_province_goes_on_where_a_city_was_accepted_and_the_work_begins_anew() {
    let mut bench = Bench::new();
    let city = bench.fire("far", "c1", MINOR).unwrap();
    bench.go(&city, &[TriggerState::Accepted, TriggerState::InProgress]);
    bench.fire("far", "c2", MINOR);
    let province = bench.fire("far", "c3", MINOR).unwrap();
    let trigger = bench.get(&province);
    assert_eq!(trigger.state, TriggerState::Accepted);
    let last = trigger.history.last().unwrap();
    let why = last.reason.as_deref().unwrap();
    assert!(
        why.contains(&city) && why.contains("was accepted by"),
        "{why}"
    );
    // Nobody had accepted any of these.
    let mut bench = Bench::new();
    bench.fire("far", "c1", MINOR);
    bench.fire("far", "c2", MINOR);
    let province = bench.fire("far", "c3", MINOR).unwrap();
    assert_eq!(bench.get(&province).state, TriggerState::Dispatched);
}

#[test]
fn a_cause_that_comes_back_after_closing_refers_back() {
    let mut bench = Bench::new();
    let first = bench.fire("k", "c1", MINOR).unwrap();
    bench.go(
        &first,
        &[
            TriggerState::Accepted,
            TriggerState::InProgress,
            TriggerState::Mended,
        ],
    );
    bench.judge(&first, EffectVerdict::Effective);
    let second = bench.fire("k", "c1", MINOR).unwrap();
    assert_ne!(second, first);
    assert_eq!(bench.get(&second).recurrence_of, Some(first));
}

#[test]
fn a_cause_that_fires_again_before_its_effect_is_known_reopens_its_trigger() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    let done = [
        TriggerState::Accepted,
        TriggerState::InProgress,
        TriggerState::Mended,
    ];
    bench.go(&id, &done);
    bench.now_ms += HOUR;
    assert_eq!(bench.fire("k", "c1", MINOR).as_ref(), Some(&id));
    let path = path(bench.get(&id));
    assert_eq!(
        path[path.len() - 3..],
        ["reopened", "analysed", "dispatched"]
    );
}

#[test]
fn a_refusal_rests_until_its_review_date_or_until_it_is_worse() {
    let day = 24 * HOUR;
    for (severity, after_ms, opens) in [
        (MINOR, day, false),
        (MINOR, 29 * day, false),
        (MINOR, 31 * day, true),
        (Severity::Major, day, true),
    ] {
        let mut bench = Bench::new();
        let first = bench.fire("k", "c1", MINOR).unwrap();
        bench
            .wanted(&first, wanted(TriggerState::NotOptimised))
            .unwrap();
        bench.now_ms += after_ms;
        let again = bench.fire("k", "c1", severity);
        assert_eq!(again.is_some(), opens, "{severity:?} after {after_ms}");
        let rested = bench.triggers.process().rested_total;
        assert_eq!(rested, u64::from(!opens));
        if let Some(again) = again {
            assert_eq!(bench.get(&again).recurrence_of, Some(first));
        }
    }
    // A review date that is given holds.
    let mut bench = Bench::new();
    let first = bench.fire("k", "c1", MINOR).unwrap();
    let refused = Wanted {
        review_at_ms: Some(bench.now_ms + day),
        ..wanted(TriggerState::NotOptimised)
    };
    bench.wanted(&first, refused).unwrap();
    bench.now_ms += day;
    assert!(bench.fire("k", "c1", MINOR).is_some());
}

#[test]
fn what_was_refused_for_everywhere_rests_in_each_city() {
    let mut bench = Bench::new();
    let wide = bench.fire("wide", "", MINOR).unwrap();
    bench
        .wanted(&wide, wanted(TriggerState::NotOptimised))
        .unwrap();
    assert_eq!(bench.fire("k", "c1", MINOR), None);
}

#[test]
fn what_is_averaged_is_bounded_after_every_move() {
    let mut bench = Bench::new();
    bench.triggers.set_limits(TriggerLimits {
        samples_max: 2,
        ..TriggerLimits::default()
    });
    for city in ["c1", "c2"] {
        let id = bench.fire("k", city, MINOR).unwrap();
        for to in [TriggerState::Accepted, TriggerState::InProgress] {
            bench.go(&id, &[to]);
            assert!(bench.triggers.samples().len() <= 2);
        }
    }
    assert!(bench.triggers.samples().gone_total() > 0);
}

#[test]
fn beyond_the_limit_none_opens_until_one_is_closed() {
    let mut bench = Bench::new();
    bench.triggers = TriggerBook::new(TriggerLimits {
        open_max: 1,
        final_max: 1,
        ..TriggerLimits::default()
    });
    let first = bench.fire("k", "c1", MINOR).unwrap();
    assert_eq!(bench.fire("k", "c2", MINOR), None);
    assert_eq!(bench.triggers.refused_total(), 1);
    // Evidence for what is open is no new trigger.
    assert_eq!(bench.fire("k", "c1", MINOR), Some(first.clone()));
    for (id, place) in [(&*first, "c2"), ("T-000002", "c3")] {
        bench
            .wanted(id, wanted(TriggerState::NotOptimised))
            .unwrap();
        assert!(bench.fire("k", place, MINOR).is_some());
    }
    let left: Vec<&str> = bench.triggers.triggers().map(|t| &*t.id).collect();
    assert_eq!(left, ["T-000002", "T-000003"], "one closed one is kept");
    assert!(bench.triggers.newest("k", "service=s;city=c1").is_none());
}

#[test]
fn tickets_wait_for_their_cause_and_are_taken_back() {
    let mut bench = Bench::new();
    bench.ticket("C-1", "c1", true);
    bench.ticket("C-2", "c2", true);
    bench.ticket("C-3", "c1", true);
    bench.ticket("C-3", "c1", false);
    let id = bench.fire("k", "c1", MINOR).unwrap();
    bench.ticket("C-4", "c1", true);
    bench.ticket("C-4", "c1", true);
    bench.ticket("C-5", "c1", true);
    bench.ticket("C-5", "c1", false);
    let serials = |bench: &Bench| {
        let tickets = bench.get(&id).tickets.iter();
        tickets
            .map(|ticket| ticket.serial.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(serials(&bench), ["C-1", "C-4"]);
    bench
        .wanted(&id, wanted(TriggerState::NotOptimised))
        .unwrap();
    let tickets = &bench.get(&id).tickets;
    assert!(
        tickets
            .iter()
            .all(|ticket| ticket.answered_at_ms == Some(bench.now_ms))
    );
}

#[test]
fn whose_acceptance_is_carried_reads_one_mail_that_does_not_ask_for_it_again() {
    let mut bench = Bench::new();
    let city = bench.fire("far", "c1", MINOR).unwrap();
    bench.go(&city, &[TriggerState::Accepted]);
    bench.fire("far", "c2", MINOR);
    bench.triggers.take_news();
    let province = bench.fire("far", "c3", MINOR).unwrap();
    let news = bench.triggers.take_news();
    let owner = &bench.get(&province).owner.person.email;
    let of_owner: Vec<_> = news
        .iter()
        .filter(|news| news.trigger.id == province)
        .filter(|news| news.recipients.iter().any(|(who, _)| who.email == *owner))
        .map(|news| (news.reason, news.trigger.state))
        .collect();
    assert_eq!(
        of_owner,
        [(NewsReason::Progressed, TriggerState::Accepted)],
        "{news:#?}"
    );
}
