//! Crossings, naively: the firings of all alerts of a service, each set against each of the other side.

use std::collections::BTreeSet;

use chrysalis::alerting::AlertState;
use chrysalis::dataflow::Watermarks;
use chrysalis::engine::EngineLimits;
use chrysalis::event::Stream;
use chrysalis::rules::{Interval, Kqi, Verdict, judge};
use chrysalis::triggers::Crossing;

use crate::alerts::{Course, Object, courses};
use crate::equivalence::{same, seeds};
use crate::generate::{Journal, Manner, journal};
use crate::naive::{Answers, Row, Truth, truth};
use crate::rng::Rng;
use crate::run::{Bounds, Outcome, run, run_limited, run_restarting};

const MINUTE_MS: i64 = 60_000;

/// What an object comes to: crossing, KQI, label, red objects of the other side.
type Word = (&'static str, String, String, Vec<(String, String)>);

/// A place as its label says it.
#[derive(Clone, Debug, PartialEq)]
enum Where {
    Whole,
    City(String),
    Province(String),
    Site(String),
}

fn where_is(label: &str) -> Where {
    let value = |name: &str| {
        let mut parts = label.split(';').filter_map(|part| part.split_once('='));
        parts
            .find(|(of, _)| *of == name)
            .map(|(_, is)| is.to_owned())
    };
    let rest: Vec<&str> = label
        .split(';')
        .filter(|part| {
            !part.is_empty() && !part.starts_with("service=") && !part.starts_with("group=")
        })
        .collect();
    match (value("city"), value("province")) {
        (Some(city), _) => Where::City(city),
        (None, Some(province)) => Where::Province(province),
        _ if rest.is_empty() => Where::Whole,
        _ => Where::Site(rest.join(";")),
    }
}

/// Whether what happens at one of two places may be what happens at the other; `cs` and `zz` are in `p`.
fn one_place(a: &Where, b: &Where) -> bool {
    match (a, b) {
        _ if a == b => true,
        (Where::Whole, _) | (_, Where::Whole) => true,
        (Where::Site(_), Where::Site(_)) => false,
        (Where::Site(_), _) | (_, Where::Site(_)) => true,
        (Where::Province(province), Where::City(city))
        | (Where::City(city), Where::Province(province)) => {
            province == "p" && ["cs", "zz"].contains(&city.as_str())
        }
        _ => false,
    }
}

/// Whether what is complained of at one place is complained of at the other.
fn lies_in(inner: &Where, outer: &Where) -> bool {
    match (inner, outer) {
        _ if inner == outer => true,
        (_, Where::Whole) | (Where::Whole, Where::Site(_)) => true,
        (Where::Whole, _) | (Where::Site(_), _) => false,
        (Where::City(city), Where::Province(province)) => {
            province == "p" && ["cs", "zz"].contains(&city.as_str())
        }
        (Where::City(_) | Where::Province(_), Where::Site(_)) => true,
        _ => false,
    }
}

fn service_of(kqi: &Kqi, label: &str) -> Option<String> {
    let by_label = || {
        let mut parts = label.split(';').filter_map(|part| part.split_once('='));
        parts
            .find(|(name, _)| *name == "service")
            .map(|(_, is)| is.to_owned())
    };
    let in_group = kqi.group_by.iter().any(|by| by == "service");
    kqi.service
        .clone()
        .or_else(|| by_label().filter(|_| in_group))
}

/// Everything that fires and has another side.
fn naive(truth: &Truth, watermarks: &Watermarks) -> BTreeSet<Word> {
    let book = &truth.book;
    let rule = &book.triggers.crossing;
    let courses = courses(truth);
    let kqi_of = |object: &Object| {
        let alert = book
            .alerts
            .iter()
            .find(|alert| alert.id == object.0)
            .unwrap();
        book.kqis.iter().find(|kqi| kqi.id == alert.kqi).unwrap()
    };
    let objects: Vec<(&Object, &Course, &Kqi, String)> = courses
        .iter()
        .filter_map(|(object, course)| {
            let kqi = kqi_of(object);
            let service = service_of(kqi, &object.1)?;
            (kqi.window.size_ms <= rule.window_ms_max).then_some((object, course, kqi, service))
        })
        .collect();
    let complains = |kqi: &Kqi| kqi.stream == Stream::Complaint;
    let passed = |stream: Stream, at_ms: i64| {
        let clock_ms = watermarks
            .clock(stream)
            .div_euclid(MINUTE_MS)
            .saturating_mul(MINUTE_MS);
        clock_ms >= at_ms && !watermarks.is_silent(stream)
    };
    let mut words = BTreeSet::new();
    for (object, course, kqi, service) in &objects {
        let Some((AlertState::Firing, ..)) = course.stands else {
            continue;
        };
        let (since_ms, fired_ms, _) = *course.firings.last().unwrap();
        let from_ms = since_ms - kqi.window.hop_ms;
        let others: Vec<_> = objects
            .iter()
            .filter(|(of, _, other, their)| {
                their == service
                    && complains(other) != complains(kqi)
                    && one_place(&where_is(&object.1), &where_is(&of.1))
            })
            .collect();
        let mut against = Vec::new();
        for (of, course, other, _) in &others {
            for (since_ms, _, end_ms) in &course.firings {
                let their_from_ms = since_ms - other.window.hop_ms;
                let overlap_ms = other.window.size_ms - other.window.hop_ms;
                let end_ms = end_ms.map_or(i64::MAX / 2, |ms| (ms - overlap_ms).max(*since_ms));
                let meets = if complains(kqi) {
                    from_ms < end_ms + rule.lag_ms
                } else {
                    from_ms < end_ms + rule.lead_ms
                };
                // What fires now goes on after whatever began.
                assert!(their_from_ms < i64::MAX / 2);
                if meets {
                    against.push((other.id.clone(), of.1.clone()));
                }
            }
        }
        against.sort();
        against.dedup();
        against.truncate(20);
        let crossing = if !against.is_empty() {
            Some(Crossing::Confirmed)
        } else if complains(kqi) {
            let until_ms = fired_ms + rule.lead_ms;
            let quiet = unalerted(truth, service, &object.1, from_ms);
            let is_red = |(kqi, row): &(&Kqi, &Row)| {
                let verdict = judge(kqi, row.samples as u64, row.value).1;
                matches!(verdict, Verdict::Abnormal(_)) && !row.suppressible
            };
            let normal = quiet.iter().filter(|(kqi, row)| {
                judge(kqi, row.samples as u64, row.value).1 == Verdict::Normal
            });
            let quiet_streams: Vec<Stream> = normal.map(|(kqi, _)| kqi.stream).collect();
            if quiet.iter().any(is_red) {
                None
            } else {
                blind(truth, &others, &quiet_streams, from_ms, until_ms, &passed)
            }
        } else {
            let asked = book.alerts.iter().any(|alert| {
                let other = book.kqis.iter().find(|kqi| kqi.id == alert.kqi).unwrap();
                complains(other)
                    && other.window.size_ms <= rule.window_ms_max
                    && match &other.service {
                        Some(of) => of == service,
                        None => other.group_by.iter().any(|by| by == "service"),
                    }
            });
            let of_side = |other: &Kqi| {
                complains(other)
                    && other.window.size_ms <= rule.window_ms_max
                    && book.alerts.iter().any(|alert| alert.kqi == other.id)
            };
            // Windows that hold every complaint of a city say which of them longer ones hold.
            let whole = book.kqis.iter().filter(|other| {
                let of_service = match &other.service {
                    Some(of) => of == service,
                    None => other.group_by.iter().any(|by| by == "service"),
                };
                of_side(other)
                    && of_service
                    && other.filter.is_none()
                    && other.group_by.iter().any(|by| by == "city")
            });
            let finest_ms = whole.map(|other| other.window.size_ms).min();
            let since_ms = from_ms - rule.lead_ms;
            let complained = truth.rows.iter().any(|((id, label, _), row)| {
                let other = book.kqis.iter().find(|kqi| kqi.id == *id).unwrap();
                let size_ms = other.window.size_ms;
                let is_after = match finest_ms {
                    Some(finest_ms) if size_ms > finest_ms => row.end_ms - size_ms >= since_ms,
                    _ => row.end_ms > since_ms,
                };
                of_side(other)
                    && service_of(other, label).as_ref() == Some(service)
                    && lies_in(&where_is(label), &where_is(&object.1))
                    && row.sealed
                    && is_after
                    && row.samples > 0
            });
            (asked && !complained && passed(Stream::Complaint, from_ms + rule.lag_ms))
                .then_some(Crossing::SilentDegradation)
        };
        if let Some(crossing) = crossing {
            words.insert((crossing.name(), kqi.id.clone(), object.1.clone(), against));
        }
    }
    words
}

type Other<'a> = &'a (&'a Object, &'a Course, &'a Kqi, String);

/// Windows of KQIs with a limit and no alert, of a service and at a place, since an instant.
fn unalerted<'a>(
    truth: &'a Truth,
    service: &str,
    label: &str,
    from_ms: i64,
) -> Vec<(&'a Kqi, &'a Row)> {
    let book = &truth.book;
    let rows = truth.rows.iter().filter_map(|((id, of, _), row)| {
        let kqi = book.kqis.iter().find(|kqi| kqi.id == *id)?;
        let is_asked = kqi.stream != Stream::Complaint
            && kqi.interval != Interval::default()
            && kqi.window.size_ms <= book.triggers.crossing.window_ms_max
            && book.alerts.iter().all(|alert| alert.kqi != *id);
        let is_there = service_of(kqi, of).as_deref() == Some(service)
            && one_place(&where_is(label), &where_is(of));
        (is_asked && is_there && row.sealed && row.end_ms > from_ms).then_some((kqi, row))
    });
    rows.collect()
}

fn blind(
    truth: &Truth,
    others: &[Other<'_>],
    quiet_streams: &[Stream],
    from_ms: i64,
    until_ms: i64,
    passed: &dyn Fn(Stream, i64) -> bool,
) -> Option<Crossing> {
    let pending =
        |(_, course, ..): &Other<'_>| matches!(course.stands, Some((AlertState::Pending, ..)));
    let normal = |(object, _, kqi, _): &Other<'_>| {
        let mut rows = truth.rows.iter();
        rows.any(|((id, label, _), row)| {
            *id == kqi.id
                && *label == object.1
                && row.sealed
                && row.end_ms > from_ms
                && judge(kqi, row.samples as u64, row.value).1 == Verdict::Normal
        })
    };
    if others.iter().any(pending) {
        return None;
    }
    let seen: Vec<_> = others.iter().filter(|other| normal(other)).collect();
    let streams = seen.iter().map(|(_, _, kqi, _)| kqi.stream);
    let mut streams = streams.chain(quiet_streams.iter().copied()).peekable();
    let is_any = streams.peek().is_some();
    (is_any && streams.all(|stream| passed(stream, until_ms))).then_some(Crossing::BlindSpot)
}

fn told(outcome: &Outcome) -> BTreeSet<Word> {
    let crossed = outcome.snapshot.crossed.iter();
    crossed
        .map(|of| {
            let (kqi, label) = (of.kqi.clone(), of.group_label.clone());
            (of.crossing.name(), kqi, label, of.against.clone())
        })
        .collect()
}

#[test]
fn crossings_equal_the_naive_join_at_any_number_of_workers() {
    let mut met = BTreeSet::new();
    for seed in seeds(40) {
        let whole = journal(seed, Manner::Wild, 0);
        let mut rng = Rng::new(seed ^ 0xC055);
        for _ in 0..6 {
            let epochs = 1 + rng.below(whole.epochs.len() as i64 - 1) as usize;
            let journal = Journal {
                epochs: whole.epochs[..epochs].to_vec(),
            };
            let one = run(&journal, 1, |_, _, _, _| {});
            let truth = truth(&journal.epochs, &mut Answers::default());
            let wanted = naive(&truth, &one.snapshot.watermarks);
            assert_eq!(told(&one), wanted, "seed {seed}, {epochs} epochs");
            met.extend(wanted.iter().map(|word| word.0));
            for workers in [2, 4] {
                let other = run(&journal, workers, |_, _, _, _| {});
                same(seed, "workers", &one, &other);
                assert_eq!(told(&one), told(&other), "seed {seed}, {workers} workers");
            }
            let mut dice = Rng::new(seed ^ 0xD1CE);
            let restarted = run_restarting(
                &journal,
                &mut |_| 2,
                &mut |_| dice.chance(20),
                |_, _, _, _| {},
            );
            same(seed, "restarted", &one, &restarted);
            assert_eq!(told(&one), told(&restarted), "seed {seed}, restarted");
        }
    }
    let all: BTreeSet<&str> = Crossing::ALL.map(Crossing::name).into();
    assert_eq!(met, all, "every crossing must have been met");
}

#[test]
fn a_crossing_names_as_many_as_it_may_and_counts_the_rest() {
    let limits = Bounds {
        engine: EngineLimits {
            crossing_named_max: 1,
            ..EngineLimits::default()
        },
        ..Bounds::default()
    };
    let mut unnamed = 0;
    for seed in seeds(40) {
        let whole = journal(seed, Manner::Wild, 0);
        let mut rng = Rng::new(seed ^ 0xC055);
        for _ in 0..2 {
            let epochs = 1 + rng.below(whole.epochs.len() as i64 - 1) as usize;
            let journal = Journal {
                epochs: whole.epochs[..epochs].to_vec(),
            };
            let mut beyond = 0;
            let all = told(&run(&journal, 2, |_, _, _, _| {})).into_iter();
            let wanted: BTreeSet<Word> = all
                .map(|(name, kqi, label, mut against)| {
                    beyond += against.len().saturating_sub(1) as u64;
                    against.truncate(1);
                    (name, kqi, label, against)
                })
                .collect();
            let run_with = |restart: &mut dyn FnMut(usize) -> bool| {
                run_limited(&journal, limits, &mut |_| 2, restart, |_, _, _, _| {})
            };
            let few = run_with(&mut |_| false);
            assert_eq!(told(&few), wanted, "seed {seed}, {epochs} epochs");
            let mut bounds = few.snapshot.bounds.iter();
            let bound = bounds.find(|bound| bound.name == "limits.crossing_named_max");
            let counted = bound.unwrap().over_total;
            assert!(counted >= beyond, "seed {seed}: {counted} of {beyond}");
            let restarted = run_with(&mut |epoch| epoch % 7 == 3);
            assert_eq!(told(&restarted), wanted, "seed {seed}, restarted");
            unnamed += beyond;
        }
    }
    assert!(unnamed > 0, "no crossing had more to name");
}
