//! What stays with a trigger of all that spoke for it: the worst, the newest of each KQI, and the most complaints.

use crate::rules::{Severity, Text};
use crate::triggers::tests::bench::{Bench, opening, wanted};
use crate::triggers::{Evidence, Now, TriggerLimits, TriggerState};

const MINOR: Severity = Severity::Minor;

/// One more window of a KQI in a city, so many seconds after the first.
fn window(bench: &mut Bench, kqi: &str, at: i64, value: f64, complaints: &[(&str, i64)]) {
    let end_ms = bench.now_ms + at * 1_000;
    let known = opening(&bench.book, kqi, "c1", MINOR, end_ms).evidence;
    let evidence = Evidence {
        value: Some(value),
        ..known.unwrap()
    };
    let complaints = complaints.iter().map(|(name, count)| {
        let name = Text {
            zh: (*name).to_owned(),
            en: (*name).to_owned(),
        };
        (name, *count)
    });
    let complaints = complaints.collect();
    let now = Now {
        book: &bench.book,
        at_ms: bench.now_ms,
    };
    bench
        .triggers
        .support_open(evidence, MINOR, complaints, now);
}

fn values(bench: &Bench, id: &str, kqi: &str) -> Vec<f64> {
    let evidence = bench.get(id).evidence.iter();
    let own = evidence.filter(|known| known.kqi == kqi);
    own.filter_map(|known| known.value).collect()
}

#[test]
fn the_worst_window_stays_however_long_the_trouble_lasts() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    for at in 1..=200 {
        let value = match at {
            7 => 190.0,
            9 => 52.0,
            at => 70.0 + (at % 5) as f64,
        };
        window(&mut bench, "k", at, value, &[]);
    }
    let kept = values(&bench, &id, "k");
    assert_eq!(kept.len(), TriggerLimits::default().windows_max);
    assert_eq!(kept[..3], [60.0, 190.0, 52.0], "the first, and both ends");
    assert_eq!(*kept.last().unwrap(), 70.0);
    let evidence = &bench.get(&id).evidence;
    assert!(evidence.is_sorted_by_key(|known| known.end_ms));
    // What a refusal rests on is the worst of what was refused: the limit is 50, and twice as far out is 330.
    bench
        .wanted(&id, wanted(TriggerState::NotOptimised))
        .unwrap();
    let again = |value: f64, bench: &mut Bench| {
        bench.now_ms += 3_600_000;
        let known = opening(&bench.book, "k", "c1", MINOR, bench.now_ms).evidence;
        let windows = vec![
            Evidence {
                value: Some(value),
                ..known.unwrap()
            };
            3
        ];
        let kqi = bench.book.kqis.iter().find(|kqi| kqi.id == "k").unwrap();
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms,
        };
        bench.triggers.weigh_refusal(kqi, &windows, now)
    };
    assert!(!again(329.0, &mut bench));
    assert!(again(331.0, &mut bench));
}

#[test]
fn a_kqi_of_many_windows_does_not_drive_out_another_one() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    let wide = bench.fire("wide", "", MINOR).unwrap();
    assert_ne!(id, wide, "it takes the city");
    // Both speak for the wider one.
    for at in 1..=4 {
        let end_ms = bench.now_ms + at * 1_000;
        let known = opening(&bench.book, "wide", "", MINOR, end_ms).evidence;
        let now = Now {
            book: &bench.book,
            at_ms: bench.now_ms,
        };
        let known = known.unwrap();
        bench.triggers.support_open(known, MINOR, Vec::new(), now);
    }
    for at in 5..=200 {
        window(&mut bench, "k", at, 70.0, &[]);
    }
    assert_eq!(
        bench.get(&wide).evidence.len(),
        TriggerLimits::default().windows_max
    );
    let others = values(&bench, &wide, "wide");
    assert!(others.len() >= 3, "{others:?}");
}

#[test]
fn complaints_are_the_most_that_were_counted_since_it_opened() {
    let mut bench = Bench::new();
    let id = bench.fire("k", "c1", MINOR).unwrap();
    window(&mut bench, "k", 1, 70.0, &[("slow", 171), ("lost", 2)]);
    window(&mut bench, "k", 2, 70.0, &[("slow", 1)]);
    window(&mut bench, "k", 3, 70.0, &[]);
    let counts = bench.get(&id).complaints.iter();
    let counts: Vec<(&str, i64)> = counts.map(|(name, of)| (&*name.en, *of)).collect();
    assert_eq!(counts, [("slow", 171), ("lost", 2)]);
}

#[test]
fn windows_and_tickets_of_a_trigger_are_as_many_as_the_settings_say_and_the_others_are_counted() {
    let mut bench = Bench::new();
    bench.triggers.set_limits(TriggerLimits {
        windows_max: 5,
        ..TriggerLimits::default()
    });
    let id = bench.fire("k", "c1", MINOR).unwrap();
    for at in 1..=7 {
        window(&mut bench, "k", at, 60.0 + at as f64, &[]);
    }
    // The first is the least of all, the last the greatest; between them the newest stay.
    assert_eq!(values(&bench, &id, "k"), [60.0, 64.0, 65.0, 66.0, 67.0]);
    let [_, windows, ..] = bench.triggers.bounds_of_one();
    assert_eq!(windows, (5, 3));
    // A bound that is set lower takes nothing away: what comes takes the place of one that was there.
    bench.triggers.set_limits(TriggerLimits {
        windows_max: 4,
        ..TriggerLimits::default()
    });
    window(&mut bench, "k", 8, 68.0, &[]);
    assert_eq!(values(&bench, &id, "k"), [60.0, 65.0, 66.0, 67.0, 68.0]);
    bench.triggers.set_limits(TriggerLimits {
        tickets_max: 1,
        ..TriggerLimits::default()
    });
    for serial in ["1", "2", "3"] {
        bench.ticket(serial, "c1", true);
    }
    let trigger = bench.get(&id);
    assert_eq!((trigger.tickets.len(), trigger.tickets_beyond), (1, 2));
    let [tickets, ..] = bench.triggers.bounds_of_one();
    assert_eq!(tickets, (1, 2));
}
