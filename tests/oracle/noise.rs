//! What is red must be worth a look: false alerts of the shipped book's ratios when nothing is wrong but chance, and
//! how soon a total loss is told all the same.
//!
//! Fourteen objects (cities, or pairs of host and interface) are probed each half minute, or as often as a KQI needs to be
//! judged at all. One in two hundred fails; where the limit is 1 % one in a thousand, which is what the ITU's best tier
//! promises: who usually loses half of what a limit allows needs another limit, and no window helps. Receipts are not
//! here: they come in editions of thousands.

use std::collections::BTreeMap;

use chrysalis::app::{RuleSource, book_of};
use chrysalis::event::Stream;
use chrysalis::rules::{Aggregate, AlertRule, Kqi, RuleBook, Verdict, judge};

use crate::rng::Rng;

const OBJECTS: i64 = 14;
/// Days that each object lives.
const DAYS: i64 = 600;
const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
/// False alerts a day that the NOC may get by one KQI, all objects together.
const A_DAY_MAX: f64 = 0.1;

fn shipped() -> RuleBook {
    let files = RuleSource::Path("rules".into()).read().unwrap();
    book_of(&files).unwrap()
}

/// Ratios over probes and calls that alert somebody.
fn watched(book: &RuleBook) -> Vec<(&Kqi, &AlertRule)> {
    let kqis = book.kqis.iter().filter(|kqi| {
        let is_live = matches!(kqi.stream, Stream::DialTest | Stream::BossCall);
        kqi.aggregate == Aggregate::Ratio && is_live
    });
    let rule = |kqi: &Kqi| book.alerts.iter().find(|rule| rule.kqi == kqi.id);
    kqis.filter_map(|kqi| Some((kqi, rule(kqi)?))).collect()
}

/// Probes of a window, and the time between two of them.
fn probes(kqi: &Kqi) -> (i64, i64) {
    let of_window = (kqi.window.size_ms / (MINUTE_MS / 2)).max(kqi.min_samples as i64);
    (of_window, kqi.window.size_ms / of_window)
}

/// Whether a window of so many probes, so many of them lost, is red.
fn is_red(kqi: &Kqi, probes: i64, lost: i64) -> bool {
    // Some ratios count what is good, others what is lost.
    let counted = match kqi.interval.min {
        Some(_) => probes - lost,
        None => lost,
    };
    let value = kqi.in_unit(counted as f64 / probes as f64);
    let (_, verdict) = judge(kqi, probes as u64, Some(value));
    matches!(verdict, Verdict::Abnormal(_))
}

/// How many of a window's probes must be lost for it to be red.
fn lost_min(kqi: &Kqi) -> i64 {
    let (probes, _) = probes(kqi);
    (0..=probes)
        .find(|lost| is_red(kqi, probes, *lost))
        .expect("a total loss is red")
}

/// Alerts of one object that loses one in `usual` by chance.
fn by_chance(kqi: &Kqi, rule: &AlertRule, usual: f64, rng: &mut Rng) -> u64 {
    let (_, every_ms) = probes(kqi);
    let enough = lost_min(kqi);
    let mut lost = Vec::new();
    let mut at_ms = 0;
    loop {
        // From one loss to the next: geometric.
        let chance = (rng.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let gap = ((1.0 - chance).ln() / (1.0 - 1.0 / usual).ln()).floor() as i64 + 1;
        at_ms += gap * every_ms;
        if at_ms >= DAYS * DAY_MS {
            break;
        }
        lost.push(at_ms);
    }
    let (mut from, mut to) = (0, 0);
    let (mut red_since, mut last_red, mut is_firing, mut alerts) = (None, i64::MIN / 2, false, 0);
    let mut end_ms = kqi.window.size_ms;
    while end_ms <= DAYS * DAY_MS {
        while lost.get(to).is_some_and(|at| *at < end_ms) {
            to += 1;
        }
        while lost
            .get(from)
            .is_some_and(|at| *at < end_ms - kqi.window.size_ms)
        {
            from += 1;
        }
        if (to - from) as i64 >= enough {
            let since = *red_since.get_or_insert(end_ms);
            if !is_firing && end_ms - since >= rule.for_ms {
                is_firing = true;
                alerts += 1;
            }
            last_red = end_ms;
        } else {
            red_since = None;
            is_firing &= end_ms - last_red < rule.keep_firing_for_ms;
        }
        end_ms += kqi.window.hop_ms;
    }
    alerts
}

/// The longest from the first lost probe to the alert, when all are lost from then on.
fn told_after_ms(kqi: &Kqi, rule: &AlertRule) -> i64 {
    let (_, every_ms) = probes(kqi);
    let enough_ms = lost_min(kqi) * every_ms;
    let hop_ms = kqi.window.hop_ms;
    // It begins right after the moment in which it would have been enough for a window.
    let first_red_ms = enough_ms + hop_ms;
    let more = rule.for_ms.max(0).div_euclid(hop_ms) + i64::from(rule.for_ms % hop_ms != 0);
    first_red_ms + more * hop_ms
}

/// What may be lost by the limit, as a share.
fn room(kqi: &Kqi) -> f64 {
    let (probes, _) = probes(kqi);
    (lost_min(kqi) - 1) as f64 / probes as f64
}

#[test]
fn chance_alone_alerts_nobody_more_than_once_in_ten_days() {
    let book = shipped();
    let watched = watched(&book);
    assert!(watched.len() > 30, "{}", watched.len());
    let mut known = BTreeMap::new();
    let mut noisy = Vec::new();
    for (kqi, rule) in watched {
        let usual = if room(kqi) < 0.015 { 1_000.0 } else { 200.0 };
        let window = kqi.window;
        // Ratios of one shape have the same noise.
        let shape = (
            window.size_ms,
            window.hop_ms,
            probes(kqi),
            lost_min(kqi),
            (rule.for_ms, rule.keep_firing_for_ms),
            usual as i64,
        );
        let a_day = *known.entry(shape).or_insert_with(|| {
            let mut rng = Rng::new(7);
            let alerts: u64 = (0..OBJECTS)
                .map(|_| by_chance(kqi, rule, usual, &mut rng))
                .sum();
            alerts as f64 / DAYS as f64
        });
        if a_day >= A_DAY_MAX {
            noisy.push(format!("{}: {a_day:.2} a day", kqi.id));
        }
    }
    assert!(noisy.is_empty(), "{noisy:#?}");
}

#[test]
fn a_total_loss_is_told_within_minutes() {
    let book = shipped();
    let mut late = Vec::new();
    for (kqi, rule) in watched(&book) {
        let minutes = told_after_ms(kqi, rule) / MINUTE_MS;
        // A limit of a few percent takes windows of hours, and those hop by quarters of an hour.
        let minutes_max = if room(kqi) > 0.045 && kqi.window.hop_ms <= 5 * MINUTE_MS {
            20
        } else {
            50
        };
        if minutes > minutes_max {
            late.push(format!("{}: {minutes} minutes", kqi.id));
        }
    }
    assert!(late.is_empty(), "{late:#?}");
}
