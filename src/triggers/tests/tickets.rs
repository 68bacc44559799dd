//! Tickets whose later versions say something else, or the same again.

use crate::effect::EffectVerdict;
use crate::rules::Severity;
use crate::triggers::tests::bench::{Bench, HOUR, wanted};
use crate::triggers::{TicketNews, TriggerState};

const MINOR: Severity = Severity::Minor;
const SLOW: &str = "回复慢";

/// A version of a ticket: what it does not say is empty.
fn hear(bench: &mut Bench, serial: &str, (service, city, leaf): (&str, &str, &str), at_ms: i64) {
    let news = TicketNews {
        filed_at_ms: at_ms,
        service: service.to_owned(),
        ..bench.filed(serial, city, leaf)
    };
    bench.hear(&news);
}

/// Serials of a trigger's tickets, and whether they are answered.
fn linked(bench: &Bench, id: &str) -> Vec<(String, bool)> {
    let tickets = bench.get(id).tickets.iter();
    let linked = tickets.map(|ticket| (ticket.serial.clone(), ticket.answered_at_ms.is_some()));
    linked.collect()
}

#[test]
fn a_city_or_service_that_a_later_version_corrects_is_another_triggers() {
    let mut bench = Bench::new();
    let first = bench.fire("k", "c1", MINOR).unwrap();
    let second = bench.fire("k", "c2", MINOR).unwrap();
    let at_ms = bench.now_ms;
    hear(&mut bench, "R1", ("s", "c1", SLOW), at_ms);
    assert_eq!(linked(&bench, &first), [("R1".to_owned(), false)]);
    hear(&mut bench, "R1", ("", "c2", ""), at_ms);
    assert_eq!(linked(&bench, &first), []);
    assert_eq!(linked(&bench, &second), [("R1".to_owned(), false)]);
    // Of another service it waits for that one's, and comes back with the next correction.
    hear(&mut bench, "R1", ("other", "", ""), at_ms);
    assert_eq!(linked(&bench, &second), []);
    hear(&mut bench, "R1", ("s", "", SLOW), at_ms);
    assert_eq!(linked(&bench, &second), [("R1".to_owned(), false)]);
}

#[test]
fn a_city_that_only_a_later_version_tells_is_known() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    let at_ms = bench.now_ms;
    hear(&mut bench, "R1", ("s", "", SLOW), at_ms);
    assert_eq!(linked(&bench, &id), []);
    hear(&mut bench, "R1", ("", "c1", ""), at_ms);
    assert_eq!(linked(&bench, &id), [("R1".to_owned(), false)]);
    assert_eq!(bench.triggers.bounds()[0].0, 0, "it waits no more");
}

#[test]
fn what_was_answered_stays_answered_whatever_is_said_again() {
    let mut bench = Bench::new();
    let filed_ms = bench.now_ms;
    let first = bench.fire("k", "c1", MINOR).unwrap();
    hear(&mut bench, "S0", ("s", "c1", SLOW), filed_ms);
    hear(&mut bench, "S1", ("s", "c1", SLOW), filed_ms);
    bench.go(
        &first,
        &[
            TriggerState::Accepted,
            TriggerState::InProgress,
            TriggerState::Mended,
        ],
    );
    let answered = [("S0".to_owned(), true), ("S1".to_owned(), true)];
    // While the effect is waited for, the full file says the same again.
    hear(&mut bench, "S0", ("s", "c1", SLOW), filed_ms);
    assert_eq!(linked(&bench, &first), answered);
    bench.judge(&first, EffectVerdict::Effective);
    // They are closed, with their path; and the trouble comes back.
    bench.now_ms += 6 * HOUR;
    let closed_ms = bench.now_ms;
    hear(&mut bench, "S0", ("", "", SLOW), closed_ms);
    let second = bench.fire("k", "c1", MINOR).unwrap();
    hear(&mut bench, "S1", ("s", "c1", SLOW), closed_ms);
    hear(&mut bench, "N0", ("s", "c1", SLOW), closed_ms);
    assert_eq!(linked(&bench, &first), answered);
    assert_eq!(linked(&bench, &second), [("N0".to_owned(), false)]);
    let filed = bench.get(&first).tickets.iter();
    assert!(filed.into_iter().all(|of| of.filed_at_ms == filed_ms));
    // What moves elsewhere was answered there, and is owed that one's answer.
    let other = bench.fire("k", "c2", MINOR).unwrap();
    hear(&mut bench, "S1", ("", "c2", ""), closed_ms);
    assert_eq!(linked(&bench, &first), answered[..1]);
    assert_eq!(linked(&bench, &other), [("S1".to_owned(), false)]);
    assert_eq!(bench.get(&other).tickets[0].filed_at_ms, filed_ms);
}

#[test]
fn a_correction_within_the_place_that_was_answered_takes_no_answer_back() {
    let mut bench = Bench::new();
    let wide = bench.fire("wide", "", MINOR).unwrap();
    let at_ms = bench.now_ms;
    hear(&mut bench, "R1", ("s", "c1", SLOW), at_ms);
    bench
        .wanted(&wide, wanted(TriggerState::NotOptimised))
        .unwrap();
    hear(&mut bench, "R1", ("", "c2", ""), at_ms);
    assert_eq!(linked(&bench, &wide), [("R1".to_owned(), true)]);
    assert_eq!(bench.get(&wide).tickets[0].city, "c2");
}

/// The rule book binds a trigger to the complaints of a day before it.
#[test]
fn a_ticket_from_long_before_is_not_of_a_trouble_that_is_open() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    let other = bench.fire("far", "c1", MINOR).unwrap();
    let at_ms = bench.now_ms;
    hear(&mut bench, "OLD", ("s", "c1", SLOW), at_ms - 240 * HOUR);
    hear(&mut bench, "ODD", ("s", "c1", "打不开"), at_ms - 240 * HOUR);
    hear(&mut bench, "DAY", ("s", "c1", SLOW), at_ms - 24 * HOUR);
    assert_eq!(linked(&bench, &id), [("DAY".to_owned(), false)]);
    assert_eq!(linked(&bench, &other), []);
    assert_eq!(bench.triggers.bounds()[0].0, 2, "they wait");
}
