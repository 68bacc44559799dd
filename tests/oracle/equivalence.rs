//! After every epoch, windows equal the naive recomputation; cuts are the same at any number of
//! workers.

use std::collections::BTreeMap;

use chrysalis::rules::Verdict;

use crate::alerts::{
    check_evidence, check_last_words, check_moves, check_notices, check_standing, moves,
};
use crate::generate::{Journal, Manner, arrivals, cut, journal, rearranged, redistributed};
use crate::naive::{Answers, Truth, truth};
use crate::rng::Rng;
use crate::run::{Bounds, Outcome, run, run_restarting, run_unasked};
use crate::windows::{Accumulated, asked, difference};

/// Seeds to try: a base set, or as many as `ORACLE_SEEDS` says.
pub(crate) fn seeds(base: u64) -> std::ops::Range<u64> {
    let wanted = std::env::var("ORACLE_SEEDS").ok();
    0..wanted.map_or(base, |text| text.parse().expect("ORACLE_SEEDS is a number"))
}

/// Interesting things that happened, so that the oracle cannot pass without having tried them.
#[derive(Default, Debug)]
struct Coverage {
    corrections: usize,
    removals: usize,
    suppressed: usize,
    insufficient: usize,
    expired: usize,
    held: usize,
    changes: usize,
    rates: usize,
    undefined_rates: usize,
    provisional: usize,
    idle: usize,
    ahead: usize,
    refused: usize,
    abnormal: usize,
    reloads: usize,
    incidents: usize,
    endings: usize,
    corrected_notices: usize,
    rule_changed_notices: usize,
    confirmed_notices: usize,
    torn: usize,
    delivered: usize,
    evidence: usize,
}

impl Coverage {
    fn check(&self) {
        let text = format!("{self:?}");
        assert!(
            !text.contains(": 0"),
            "something interesting never happened: {text}"
        );
    }
}

/// Runs a journal at one worker, and compares with the truth after every epoch.
fn compare(seed: u64, journal: &Journal, coverage: &mut Coverage) -> (Outcome, Truth) {
    let mut answers = Answers::default();
    let mut accumulated = Accumulated::default();
    let mut last = None;
    let mut before = journal.epochs[0].book.clone().unwrap();
    let outcome = run(journal, 1, |index, cut, plan, queries| {
        let truth = truth(&journal.epochs[..=index], &mut answers);
        let fail = |what: &str, words: String| {
            panic!("seed {seed}, after {} epochs, {what}: {words}", index + 1)
        };
        let told = asked(plan, queries);
        if let Err(words) = difference(&truth, truth.rows.iter(), &told) {
            fail("asked", words);
        }
        accumulated.take(cut, &plan.book, &before);
        before = plan.book.clone();
        let sealed = truth.rows.iter().filter(|(_, row)| row.sealed);
        if let Err(words) = difference(&truth, sealed, &accumulated.rows) {
            fail("accumulated from cuts", words);
        }
        coverage.provisional += told.values().filter(|told| !told.sealed).count();
        coverage.refused += cut.refused.len();
        coverage.reloads += usize::from(cut.plan.is_some());
        if index + 1 == journal.epochs.len() {
            let of = |id: &'static str| {
                told.iter()
                    .filter(move |((kqi, _, _), _)| kqi.starts_with(id))
            };
            let is = |wanted: fn(Verdict) -> bool| {
                told.values()
                    .filter(|told| wanted(told.cell.verdict))
                    .count()
            };
            coverage.suppressed += is(|verdict| verdict == Verdict::Suppressed);
            coverage.insufficient += is(|verdict| verdict == Verdict::Insufficient);
            coverage.abnormal += is(|verdict| matches!(verdict, Verdict::Abnormal(_)));
            coverage.held += of("conn_held").count();
            coverage.changes += of("dial_change")
                .filter(|(_, told)| told.count == 0)
                .count();
            coverage.rates += of("complaint_rate").count();
            coverage.undefined_rates += of("complaint_rate")
                .filter(|(_, told)| told.cell.value.is_none())
                .count();
            coverage.idle += usize::from(truth.clocks.was_idle);
            coverage.ahead += usize::from(truth.clocks.was_ahead);
            let mut deliveries = of("dial_content").map(|(_, told)| told);
            coverage.torn += deliveries
                .clone()
                .filter(|told| told.good < told.count)
                .count();
            coverage.delivered += usize::from(deliveries.any(|told| told.good > 0));
            coverage.expired += of("mms_cause")
                .filter(|((_, label, _), _)| label.starts_with("status=Expired"))
                .count();
        }
        last = Some(truth);
    });
    coverage.corrections += accumulated.corrections;
    coverage.removals += accumulated.removals;
    (outcome, last.unwrap())
}

/// Cuts and effects of two runs are the same.
#[track_caller]
pub(crate) fn same(seed: u64, what: &str, one: &Outcome, other: &Outcome) {
    for (a, b) in one.cuts.iter().zip(&other.cuts) {
        let at = format!("seed {seed}, {what}, epoch {}", a.epoch);
        assert_eq!(a.updates, b.updates, "{at}");
        assert_eq!(a.watermarks, b.watermarks, "{at}");
        assert_eq!(a.overflow, b.overflow, "{at}");
        assert_eq!((a.events, a.now_ms), (b.events, b.now_ms), "{at}");
    }
    for (epoch, (a, b)) in one.effects.iter().zip(&other.effects).enumerate() {
        assert_eq!(a, b, "seed {seed}, {what}, effects of epoch {epoch}");
    }
    assert_eq!(
        one.snapshot.alerts, other.snapshot.alerts,
        "seed {seed}, {what}"
    );
    assert_eq!(
        one.snapshot.triggers, other.snapshot.triggers,
        "seed {seed}, {what}"
    );
}

/// A run gives the same with restarts from checkpoints, and where nobody asks about windows between epochs.
#[track_caller]
pub(crate) fn same_restarted_and_unasked(seed: u64, journal: &Journal, one: &Outcome) {
    let mut rng = Rng::new(seed ^ 0x5AFE);
    let mut dice = Rng::new(seed ^ 0xD1CE);
    let restarted = run_restarting(
        journal,
        &mut |_| rng.pick(&[1, 2, 3, 4]),
        &mut |_| dice.chance(20),
        |_, _, _, _| {},
    );
    same(seed, "restarted from checkpoints", one, &restarted);
    let none = Bounds::default();
    let unasked = run_unasked(journal, none, &mut |_| 2, &mut |_| false);
    same(seed, "nobody asks", one, &unasked);
    let workers = &mut |_: usize| rng.pick(&[1, 2, 3, 4]);
    let unasked = run_unasked(journal, none, workers, &mut |_| dice.chance(10));
    same(seed, "nobody asks, restarted", one, &unasked);
}

#[test]
fn windows_equal_the_naive_recomputation_after_every_epoch() {
    let mut coverage = Coverage::default();
    for seed in seeds(40) {
        let edits = (seed % 4) as usize;
        let journal = journal(seed, Manner::Wild, edits);
        let (one, truth) = compare(seed, &journal, &mut coverage);
        check_standing(seed, &truth, &one);
        let told = check_notices(seed, &one);
        coverage.incidents += told.incidents;
        coverage.endings += told.endings;
        coverage.corrected_notices += told.corrections;
        coverage.rule_changed_notices += told.rule_changes;
        coverage.confirmed_notices += told.confirmations;
        if edits == 0 {
            coverage.evidence += check_evidence(seed, &truth, &one);
            check_last_words(seed, &truth, &one);
        }
        same(seed, "2 workers", &one, &run(&journal, 2, |_, _, _, _| {}));
        let other = redistributed(seed, &journal);
        same(seed, "4 workers", &one, &run(&other, 4, |_, _, _, _| {}));
        same_restarted_and_unasked(seed, &journal, &one);
    }
    coverage.check();
}

#[test]
fn without_late_data_transitions_equal_the_fold_and_no_arrival_order_shows() {
    let (mut steps, mut heard) = (0, 0);
    for seed in seeds(40) {
        let mut rng = Rng::new(seed);
        let story = arrivals(&mut rng, Manner::Punctual);
        let journal = cut(&mut rng, &story, Manner::Punctual);
        let truth = truth(&journal.epochs, &mut Answers::default());
        let one = run_punctual(seed, &journal, 1, &truth);
        heard += check_notices(seed, &one.0).incidents;
        steps += moves(&one.0).values().map(Vec::len).sum::<usize>();
        let story = rearranged(&mut rng, &story);
        let other = cut(&mut rng, &story, Manner::Punctual);
        let other = run_punctual(seed, &other, 3, &truth);
        assert_eq!(one.1, other.1, "seed {seed}: final windows");
    }
    assert!(steps > 0 && heard > 0, "no alert in any story");
}

/// Runs a journal in which nothing is late; gives the final windows too.
fn run_punctual(
    seed: u64,
    journal: &Journal,
    workers: usize,
    truth: &Truth,
) -> (Outcome, BTreeMap<crate::naive::Key, String>) {
    let mut windows = BTreeMap::new();
    let outcome = run(journal, workers, |index, _, plan, queries| {
        if index + 1 == journal.epochs.len() {
            let told = asked(plan, queries).into_iter();
            windows = told.map(|(key, told)| (key, format!("{told:?}"))).collect();
        }
    });
    check_moves(seed, truth, &outcome);
    check_standing(seed, truth, &outcome);
    (outcome, windows)
}
