//! One suggestion a service and cause, the demand that holds it, and what needs no suggestion any more.

use super::{small_book, suggestions, told};
use crate::alerting::{Alert, TransitionReason};
use crate::effect::EffectVerdict;
use crate::reports::facts::text;
use crate::reports::{Report, Value, in_both};
use crate::rules::{Layer, RuleBook, Severity};
use crate::triggers::{
    Measured, Now, Opening, Outcome, Refusal, Trigger, TriggerBook, TriggerLimits, TriggerMove,
    TriggerState,
};

/// A demand for the cause of the first two KQIs at a place.
fn demand(book: &RuleBook, place: (&str, &str)) -> Trigger {
    let mut triggers = TriggerBook::new(TriggerLimits::default());
    let group = [("service", "s"), place];
    let group = group.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let opening = Opening {
        kqi: "k0".to_owned(),
        name: text("k0", "k0"),
        service: Some("s".to_owned()),
        service_name: None,
        layer: Layer::Platform,
        group_label: format!("service=s;{}={}", place.0, place.1),
        group: group.to_vec(),
        department: Some("D".to_owned()),
        severity: Severity::Minor,
        limit_min: None,
        limit_max: Some(3.0),
        unit: "s".to_owned(),
        since_ms: 1,
        evidence: None,
        complaints: Vec::new(),
    };
    let now = Now { book, at_ms: 1 };
    let id = triggers.demand(opening, now).unwrap();
    Trigger::clone(triggers.get(&id).unwrap())
}

fn closed(mut trigger: Trigger, at_ms: i64, outcome: Outcome) -> Trigger {
    trigger.history.push(TriggerMove {
        from: Some(trigger.state),
        to: TriggerState::Closed,
        at_ms,
        actor: "a".to_owned(),
        reason: None,
    });
    trigger.state = TriggerState::Closed;
    trigger.outcome = Some(outcome);
    trigger
}

fn mended(trigger: Trigger, at_ms: i64, verdict: EffectVerdict) -> Trigger {
    let mut trigger = closed(trigger, at_ms, Outcome::Mended);
    trigger.measured = Some(Measured {
        verdict,
        text: text("t", "t"),
        report: None,
        at_ms,
    });
    trigger
}

/// A week in which the first KQI is bad in a host and two cities.
fn week(book: &RuleBook, triggers: Vec<&Trigger>, alerts: Vec<&Alert>) -> Report {
    let mean = |kqi: usize, at: usize| match (kqi, at) {
        (0, 1) => 4.9,
        (0, _) => 4.5,
        _ => 1.0,
    };
    told(book, &["host=h", "b", "a"], mean, triggers, alerts)
}

#[track_caller]
fn cell(report: &Report, key: &str) -> Value {
    let mut tables = report.tables.iter();
    let table = tables.find(|table| table.key == "suggestions").unwrap();
    let at = table.columns.iter().position(|column| column.key == key);
    table.rows[0][at.unwrap()].clone()
}

#[test]
fn one_cause_in_many_places_is_one_suggestion_that_lists_them() {
    let book = small_book();
    let report = week(&book, Vec::new(), Vec::new());
    assert_eq!(suggestions(&report), 1);
    // The widest place first, then the cities, the gravest first.
    assert_eq!(
        cell(&report, "places"),
        Value::Text(text("h；2 个地市：b、a", "h; 2 cities: b, a"))
    );
    assert_eq!(cell(&report, "place"), Value::name("b"));
    assert_eq!(cell(&report, "trigger"), Value::Empty);
    assert_eq!(cell(&report, "state"), Value::Empty);
}

#[test]
fn a_suggestion_names_the_demand_that_holds_it_wherever_that_is_and_how_it_stands() {
    let book = small_book();
    let number = Value::name("T-000001");
    // Of the host, which serves the cities, and of one of its cities.
    for place in [("host", "h"), ("city", "a")] {
        let open = demand(&book, place);
        let report = week(&book, vec![&open], Vec::new());
        assert_eq!(cell(&report, "trigger"), number, "{place:?}");
        assert_ne!(cell(&report, "state"), Value::Empty, "{place:?}");
    }
    let refused = Outcome::NotOptimised {
        kind: Refusal::Uneconomic,
        reason: "r".to_owned(),
        review_at_ms: 99,
    };
    let refused = closed(demand(&book, ("host", "h")), 7, refused);
    let report = week(&book, vec![&refused], Vec::new());
    assert_eq!(cell(&report, "trigger"), number);
    assert_eq!(
        cell(&report, "state"),
        Value::Text(text("已关闭（不优化）", "closed (not optimised)"))
    );
    // What was over before the period, and what is about another cause, says nothing of this one.
    let before = mended(demand(&book, ("host", "h")), 6, EffectVerdict::Effective);
    let mut other = demand(&book, ("host", "h"));
    other.cause.cause = "k5".to_owned();
    for trigger in [&before, &other] {
        let report = week(&book, vec![trigger], Vec::new());
        assert_eq!(suggestions(&report), 1);
        assert_eq!(cell(&report, "trigger"), Value::Empty);
    }
}

#[test]
fn what_was_mended_with_a_proven_effect_is_counted_and_no_suggestion() {
    let book = small_book();
    let host = || demand(&book, ("host", "h"));
    let proven = mended(host(), 7, EffectVerdict::Effective);
    let report = week(&book, vec![&proven], Vec::new());
    assert_eq!(suggestions(&report), 0);
    let said = &report.remarks[1];
    assert_eq!(
        said.en,
        "1 more was mended and proven effective: see T-000001."
    );
    assert!(said.zh.contains("1 项") && said.zh.contains("T-000001"));
    assert!(report.remarks[0].en.contains("or were mended and proven"));

    // What fired since is a suggestion, where it did.
    let group = [("service", "s"), ("city", "a")];
    let group = group.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let reason = TransitionReason::Persisted;
    let mut fired = Alert::of_engine("k0", text("k0", "k0"), group.to_vec(), reason, 8);
    fired.kqi = Some("k0".to_owned());
    let report = week(&book, vec![&proven], vec![&fired]);
    assert_eq!(suggestions(&report), 1);
    assert_eq!(cell(&report, "places"), Value::Text(text("a", "a")));
    assert_eq!(
        cell(&report, "state"),
        Value::Text(text("已关闭（有效）", "closed (effective)"))
    );
    assert_eq!(report.remarks.len(), 1, "it is not over everywhere");

    // A mend that nothing proves, or of a city where the host is bad as well, ends nothing.
    let unproven = mended(host(), 7, EffectVerdict::NotProven);
    assert_eq!(suggestions(&week(&book, vec![&unproven], Vec::new())), 1);
    let city = mended(demand(&book, ("city", "a")), 7, EffectVerdict::Effective);
    let report = week(&book, vec![&city], Vec::new());
    assert_eq!(
        cell(&report, "places"),
        Value::Text(text("h；b", "h; b")),
        "the city itself is over"
    );
    // Nor what is asked for again.
    let mut again = host();
    again.id = "T-000002".to_owned();
    let report = week(&book, vec![&proven, &again], Vec::new());
    assert_eq!(cell(&report, "trigger"), Value::name("T-000002"));
}

/// The phrases are written in another room: what opens a demand must be known here.
#[test]
fn the_history_of_a_demand_is_said_in_both_languages() {
    let book = small_book();
    let history = demand(&book, ("city", "a")).history;
    assert!(history.len() >= 3, "{history:?}");
    for step in history {
        let reason = step.reason.unwrap();
        assert!(
            in_both(&step.actor, &reason).ends_with(&format!(" {reason}")),
            "{reason}"
        );
    }
}
