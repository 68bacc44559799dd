//! What windows are made of equals what a naive program counts fact by fact, and the parts of every dimension sum to the
//! whole: for every aggregate, at any number of workers, after restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrysalis::dataflow::{Group, Queries, Span, Spans};
use chrysalis::event::{DimensionValue, Stream};
use chrysalis::rules::{Aggregate, Kqi, Plan};
use chrysalis::scores::{Amount, contributions};

use crate::clock::Clocks;
use crate::equivalence::seeds;
use crate::facts::{self, Fact};
use crate::generate::{BEGIN_MS, Journal, Manner, SPAN_MS, journal};
use crate::naive::{Answers, accepted, in_unit, judged};
use crate::rng::Rng;
use crate::run::run_restarting;

/// Quantiles tell values apart to a 64th.
const BUCKET: f64 = 1.0 / 64.0;

/// What was seen, so that nothing passes for want of it.
#[derive(Default)]
struct Coverage(BTreeMap<&'static str, usize>);

#[test]
fn parts_equal_the_naive_recomputation_and_sum_to_the_whole() {
    let mut coverage = Coverage::default();
    for seed in seeds(24) {
        let journal = journal(seed, Manner::Wild, (seed % 3) as usize);
        let mut rng = Rng::new(seed ^ 0x9A27);
        let mut dice = Rng::new(seed ^ 0xD1CE);
        let last = journal.epochs.len() - 1;
        let mut workers = Rng::new(seed);
        run_restarting(
            &journal,
            &mut |_| workers.pick(&[1, 2, 4]),
            &mut |_| dice.chance(20),
            |index, _, plan, queries| {
                if index == last || rng.chance(10) {
                    check(
                        seed,
                        index,
                        &journal,
                        plan,
                        queries,
                        &mut rng,
                        &mut coverage,
                    );
                }
            },
        );
    }
    let wanted = [
        "bad_facts",
        "excess",
        "facts",
        "facts_beyond",
        "facts_more",
        "facts_outside",
        "level_more",
        "relief",
        "sum",
    ];
    let seen: Vec<&str> = coverage.0.keys().copied().collect();
    assert_eq!(seen, wanted, "{:?}", coverage.0);
}

fn check(
    seed: u64,
    index: usize,
    journal: &Journal,
    plan: &Plan,
    queries: &Queries,
    rng: &mut Rng,
    coverage: &mut Coverage,
) {
    let epochs = &journal.epochs[..=index];
    let facts = facts::of(&accepted(epochs), &plan.book, &Clocks::after(epochs));
    let mut answers = Answers::default();
    for (at, kqi) in plan.book.kqis.iter().enumerate() {
        let mut judged = judged(kqi, &facts, &mut answers);
        // A hold of no length counts nothing.
        judged.retain(|(fact, _)| fact.weight != 0);
        let start_ms = BEGIN_MS + rng.below(SPAN_MS / 60_000) * 60_000 - 120_000;
        let end_ms = start_ms + kqi.window.size_ms.min(SPAN_MS);
        let groups: BTreeMap<String, Arc<Group>> = judged
            .iter()
            .map(|(fact, _)| {
                let value = |name: &String| (name.clone(), fact.get(name).to_string());
                let group = Group::new(kqi.group_by.iter().map(value).collect());
                (group.label.clone(), Arc::new(group))
            })
            .collect();
        // Some objects have no window that is told.
        let told: BTreeMap<String, bool> = groups
            .keys()
            .filter(|_| rng.chance(80))
            .map(|label| (label.clone(), label.len() % 2 == 0))
            .collect();
        let span = |(label, group): (&String, &Arc<Group>)| {
            let span = told.get(label).map(|is_outside| Span {
                start_ms,
                end_ms,
                is_outside: *is_outside,
            });
            (Arc::clone(group), span)
        };
        let spans: Spans = groups.iter().map(span).collect();
        let (version, parts) = queries.parts(at, spans).unwrap();
        assert_eq!(version, plan.version);
        let shares = contributions(kqi, &parts.whole, &parts.by, &[]);
        let own: Vec<(&Fact, bool, i64)> = judged
            .iter()
            .filter_map(|(fact, good)| {
                let is_outside = told.get(&crate::naive::label(kqi, fact))?;
                let against_ms = match kqi.aggregate {
                    Aggregate::Change { against_ms } => against_ms,
                    _ => 0,
                };
                let is_in = |ts_ms: i64| (start_ms..end_ms).contains(&ts_ms);
                let now = is_in(fact.ts_ms).then_some((fact, *good, i64::from(*is_outside)));
                // Marked as before by less than nothing.
                let before =
                    (against_ms > 0 && is_in(fact.ts_ms + against_ms)).then_some((fact, *good, -1));
                Some(now.into_iter().chain(before))
            })
            .flatten()
            .collect();
        let less = is_less_worse(kqi, &own);
        let at = format!("seed {seed}, epoch {index}, {}", kqi.id);
        let whole_of = own.clone();
        let close = |told: Amount, of: &[(&Fact, bool, i64)], what: &str| {
            let (least, most) = amount(kqi, of, &whole_of, less);
            let told = match told {
                Amount::Facts(facts) => facts as f64,
                Amount::Measured(value) => value,
            };
            // Each fact's value is kept with six decimals, and a hold is as many facts as milliseconds.
            let facts: i64 = of.iter().map(|(fact, ..)| fact.weight).sum();
            let slack = 1e-6 * (1.0 + most.abs()) + facts as f64 * in_unit(kqi, 0.5e-6).abs();
            assert!(
                least - slack <= told && told <= most + slack,
                "{at}, {what}: {told}, and not {least} to {most}"
            );
            told
        };
        let whole = close(shares.total, &own, "all");
        let names: Vec<&str> = shares
            .values
            .iter()
            .map(|of| of.dimension.as_str())
            .collect();
        let expected = kqi
            .group_by
            .iter()
            .filter(|name| *name != "service" || kqi.service.is_none());
        for name in expected {
            assert!(
                own.is_empty() || names.contains(&name.as_str()),
                "{at}: no {name}"
            );
        }
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        for part in &shares.values {
            let of_value: Vec<_> = own
                .iter()
                .filter(|(fact, ..)| shown(kqi, fact, &part.dimension) == part.value)
                .copied()
                .collect();
            assert!(!of_value.is_empty(), "{at}: nothing is {part:?}");
            let told = close(part.amount, &of_value, &format!("{part:?}"));
            *sums.entry(part.dimension.as_str()).or_default() += told;
            if told != 0.0 {
                *coverage.0.entry(shares.counted).or_default() += 1;
            }
            if told < 0.0 && shares.counted == "excess" {
                *coverage.0.entry("relief").or_default() += 1;
            }
        }
        for (name, sum) in sums {
            assert!(
                (sum - whole).abs() <= 1e-6 * (1.0 + whole.abs()),
                "{at}: {name} sums to {sum}, and not {whole}"
            );
        }
    }
}

/// A value as parts have it: of other dimensions than the KQI's own flags are left out.
fn shown(kqi: &Kqi, fact: &Fact, name: &str) -> String {
    match fact.get(name) {
        DimensionValue::Flag(_) if !kqi.group_by.iter().any(|own| own == name) => String::new(),
        value => value.to_string(),
    }
}

/// Whether the mean is below its smallest reasonable value, where it has a largest one too.
fn is_less_worse(kqi: &Kqi, of: &[(&Fact, bool, i64)]) -> bool {
    let valued: Vec<(f64, f64)> = of
        .iter()
        .filter_map(|(fact, ..)| Some((fact.value?, fact.weight as f64)))
        .collect();
    let weight: f64 = valued.iter().map(|(_, weight)| weight).sum();
    let mean = valued
        .iter()
        .map(|(value, weight)| value * weight)
        .sum::<f64>()
        / weight.max(1.0);
    let under = |min: f64| kqi.interval.max.is_none() || in_unit(kqi, mean) < min;
    kqi.interval.min.is_some_and(under)
}

/// What some facts contribute, at least and at most: quantiles cannot tell values next to a limit apart.
fn amount(
    kqi: &Kqi,
    of: &[(&Fact, bool, i64)],
    whole: &[(&Fact, bool, i64)],
    less: bool,
) -> (f64, f64) {
    let sign = if less { -1.0 } else { 1.0 };
    let judges = kqi.good.is_some() || kqi.good_within.is_some();
    let limit = if less {
        kqi.interval.min
    } else {
        kqi.interval.max
    };
    let better_high = match &kqi.anchors {
        Some(anchors) => anchors.values[0] > anchors.values[4],
        None => kqi.interval.min.is_some(),
    };
    let sum = |one: &dyn Fn(&Fact, bool, i64) -> f64| {
        let parts = of.iter();
        parts
            .map(|(fact, good, mark)| fact.weight as f64 * one(fact, *good, *mark))
            .sum::<f64>()
    };
    let flag = |flag: bool| f64::from(u8::from(flag));
    let exact = match kqi.aggregate {
        Aggregate::Ratio => sum(&|_, good, _| flag(good != better_high)),
        Aggregate::Count | Aggregate::RatePer10k { .. } | Aggregate::Surge { .. } => {
            sum(&|_, good, _| flag(good || !judges))
        }
        Aggregate::Change { .. } if kqi.stream == Stream::Gauge => {
            let sum_of = |before: bool| {
                let of = of.iter().filter(|(_, _, mark)| (*mark < 0) == before);
                of.filter_map(|(fact, ..)| fact.value).sum::<f64>()
            };
            let number = |before: bool| {
                let of = whole.iter().filter(|(_, _, mark)| (*mark < 0) == before);
                of.filter(|(fact, ..)| fact.value.is_some()).count() as f64
            };
            match (number(false), number(true)) {
                (0.0, _) | (_, 0.0) => 0.0,
                (now, before) => sign * (sum_of(false) / now - sum_of(true) / before),
            }
        }
        Aggregate::Change { .. } => {
            let counted = |good: bool, mark: i64| {
                let one = flag(good || !judges);
                if mark < 0 { -one } else { one }
            };
            sign * sum(&|_, good, mark| counted(good, mark))
        }
        Aggregate::Latest => sum(&|fact, _, _| flag(fact.value.is_some())),
        Aggregate::Dispersion => sum(&|fact, _, mark| flag(mark > 0 && fact.value.is_some())),
        Aggregate::Mean if limit.is_some() => {
            let over = |value: f64| in_unit(kqi, value) - limit.unwrap();
            sign * sum(&|fact, _, _| fact.value.map_or(0.0, over))
        }
        Aggregate::Mean | Aggregate::Sum => {
            sum(&|fact, _, _| fact.value.map_or(0.0, |value| in_unit(kqi, value)))
        }
        Aggregate::Quantile(_) | Aggregate::Min | Aggregate::Max => {
            let slack = match kqi.aggregate {
                Aggregate::Quantile(_) => BUCKET,
                _ => 1e-9,
            };
            let beyond = |slack: f64| {
                sum(&|fact: &Fact, _, _| {
                    flag(fact.value.is_some_and(|value| {
                        let value = in_unit(kqi, value);
                        let over = kqi
                            .interval
                            .max
                            .is_some_and(|max| value > max * (1.0 + slack));
                        over || kqi
                            .interval
                            .min
                            .is_some_and(|min| value < min * (1.0 - slack))
                    }))
                })
            };
            return (beyond(slack), beyond(-slack));
        }
    };
    (exact, exact)
}
