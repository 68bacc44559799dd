//! Surges: every window against its weeks, naively, over six weeks with late data, tickets that change
//! their mind, an outage that is no data, and retention far shorter than the baseline.

use std::collections::BTreeMap;

use chrysalis::event::Stream;
use chrysalis::rules::Verdict;
use serde_json::{Value, json};

use crate::book::checked;
use crate::equivalence::{same, same_restarted_and_unasked, seeds};
use crate::generate::{Journal, epochs_of, event};
use crate::naive::{Answers, truth};
use crate::rng::Rng;
use crate::run::{run, run_restarting};
use crate::windows::{Accumulated, difference};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A Monday, 00:00 in Shanghai.
const MONDAY_MS: i64 = 1_772_380_800_000;

const BOOK: &str = "
book: {name: weeks, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams:
  complaint: {allowed_lateness: 1h, retention: 10d, quiet_max: 30h, dimensions: [service, city, escalated]}
  dial_test: {allowed_lateness: 1h, retention: 3d, dimensions: [city]}
departments:
  - {id: D, name: d, roles: [{id: r, name: r, contacts: [{name: a, email: a@example.com}]}]}
alert_policies:
  default: {for: 0s, keep_firing_for: 0s, missing: resolve}
kqis:
  - {id: surge_city, name: n, layer: experience, stream: complaint, aggregate: surge, weeks: 3, min_weeks: 2, group_by: [city], window: {size: 3h, hop: 1h}, interval: {max: 2}, department: D}
  - {id: surge_escalated, name: n, layer: experience, stream: complaint, aggregate: surge, weeks: 2, good: escalated == true, group_by: [service], window: 1h}
  - {id: surge_day, name: n, layer: experience, stream: complaint, aggregate: surge, weeks: 4, min_weeks: 1, group_by: [city], window: {size: 1d, hop: 30m}, interval: {max: 3}}
  - {id: count_city, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: {size: 3h, hop: 1h}}
";

const PROBES: &str = "
  - {id: surge_probes, name: n, layer: network, stream: dial_test, aggregate: surge, weeks: 3, min_weeks: 1, group_by: [city], window: 6h}
";

/// Hours of the day in which anything happens, so that stories stay small.
const HOURS: [i64; 4] = [3, 11, 12, 21];

/// Lines with the moment at which they arrive: a rhythm of weeks, a surge in the fifth, an outage from the
/// tenth to the twelfth day of which a little is heard a week too late.
fn story(rng: &mut Rng) -> Vec<(i64, Value)> {
    let mut lines = Vec::new();
    let mut serial = 0;
    for day in 0..40 {
        for hour in HOURS {
            let usual = if hour == 3 { 2 } else { 4 };
            let surge = i64::from(day == 32 && hour == 12) * 14;
            for _ in 0..rng.below(usual) + surge {
                let ts_ms = MONDAY_MS + day * DAY_MS + hour * HOUR_MS + rng.below(HOUR_MS);
                ticket(rng, serial, ts_ms, (9..12).contains(&day), &mut lines);
                serial += 1;
            }
            for _ in 0..rng.below(3) {
                let ts_ms = MONDAY_MS + day * DAY_MS + hour * HOUR_MS + rng.below(HOUR_MS);
                let mut line = event("dial_test", ts_ms);
                line["service"] = json!("svc_a");
                line["ok"] = json!(true);
                line["city"] = json!(rng.pick(&["cs", "zz"]));
                let late_ms = if rng.chance(10) { DAY_MS } else { HOUR_MS };
                lines.push((ts_ms + rng.below(late_ms), line));
            }
        }
    }
    lines.sort_by_key(|(at_ms, _)| *at_ms);
    lines
}

fn ticket(rng: &mut Rng, serial: i64, ts_ms: i64, outage: bool, lines: &mut Vec<(i64, Value)>) {
    let mut line = event("complaint", ts_ms);
    line["serial"] = json!(format!("s{serial}"));
    line["state"] = json!("filed");
    line["path"] = json!("a/b");
    line["service"] = json!(rng.pick(&["svc_a", "svc_a", "svc_b"]));
    line["city"] = json!(rng.pick(&["cs", "cs", "zz"]));
    line["escalated"] = json!(rng.chance(60));
    let late_ms = match rng.below(10) {
        _ if outage && rng.chance(90) => return,
        _ if outage => 8 * DAY_MS,
        0 => 2 * DAY_MS,
        _ => HOUR_MS,
    };
    let at_ms = ts_ms + rng.below(late_ms);
    lines.push((at_ms, line.clone()));
    if rng.chance(20) {
        let changed_ms = at_ms + rng.below(3 * DAY_MS);
        line["ts"] = json!(changed_ms);
        line["state"] = json!(rng.pick(&["withdrawn", "reclassified", "excluded"]));
        line["city"] = json!(rng.pick(&["cs", "zz"]));
        lines.push((changed_ms, line));
    }
}

fn journal(seed: u64) -> Journal {
    let mut rng = Rng::new(seed);
    let lines = story(&mut rng);
    let epochs = epochs_of(&mut rng, &lines, 40, checked(&format!("{BOOK}{PROBES}")));
    Journal { epochs }
}

#[test]
fn surges_equal_the_naive_recomputation_at_any_number_of_workers() {
    let (mut abnormal, mut insufficient, mut corrections) = (0, 0, 0);
    for seed in seeds(4) {
        let journal = journal(seed);
        let mut answers = Answers::default();
        let mut accumulated = Accumulated::default();
        let book = journal.epochs[0].book.clone().unwrap();
        let one = run(&journal, 1, |index, cut, plan, _| {
            accumulated.take(cut, &plan.book, &book);
            if index % 11 != 10 && index + 1 != journal.epochs.len() {
                return;
            }
            let truth = truth(&journal.epochs[..=index], &mut answers);
            let sealed = truth.rows.iter().filter(|(_, row)| row.sealed);
            if let Err(words) = difference(&truth, sealed, &accumulated.rows) {
                panic!("seed {seed}, after {} epochs: {words}", index + 1);
            }
        });
        let told = |wanted: fn(Verdict) -> bool| {
            let cells = accumulated.rows.values().map(|told| told.cell);
            cells.filter(|cell| wanted(cell.verdict)).count()
        };
        abnormal += told(|verdict| matches!(verdict, Verdict::Abnormal(_)));
        insufficient += told(|verdict| verdict == Verdict::Insufficient);
        corrections += accumulated.corrections;
        same(seed, "2 workers", &one, &run(&journal, 2, |_, _, _, _| {}));
        same(seed, "4 workers", &one, &run(&journal, 4, |_, _, _, _| {}));
        same_restarted_and_unasked(seed, &journal, &one);
    }
    assert!(abnormal > 0 && insufficient > 0 && corrections > 0);
}

/// A rule that comes over a history of three days knows nothing of the weeks before it: they are no
/// zeros, and nothing is judged until a week has passed that it has seen.
#[test]
fn a_rule_that_comes_later_knows_no_week_before_its_history() {
    let mut journal = journal(7);
    let at = journal.epochs.len() / 2;
    journal.epochs[0].book = Some(checked(BOOK));
    journal.epochs[at].book = Some(checked(&format!("{BOOK}{PROBES}")));
    let mut told: BTreeMap<i64, Option<f64>> = BTreeMap::new();
    let mut kept_from_ms = i64::MIN;
    let mut take =
        |index: usize, cut: &chrysalis::dataflow::Cut, plan: &chrysalis::rules::Plan, _: &_| {
            if index < at {
                // What the epoch before the rule has retired is what the rule does not know.
                kept_from_ms = cut.watermarks.of(Stream::DialTest) - 3 * DAY_MS;
            }
            for update in &cut.updates {
                for cell in &update.cells {
                    let is_it = plan.book.kqis[cell.kqi].id == "surge_probes";
                    if is_it && update.group.label == "city=cs" && !cell.is_absent() {
                        told.insert(update.start_ms, cell.expected);
                    }
                }
            }
        };
    let one = run(&journal, 1, &mut take);
    let looks_back_to = |start_ms: &i64| start_ms - 7 * DAY_MS;
    let expected = |wanted: &dyn Fn(i64) -> bool| -> Vec<Option<f64>> {
        let windows = told
            .iter()
            .filter(|(start_ms, _)| wanted(looks_back_to(start_ms)));
        windows.map(|(_, expected)| *expected).collect()
    };
    let unknown = expected(&|ms| ms < kept_from_ms - HOUR_MS);
    let known = expected(&|ms| ms >= kept_from_ms);
    assert!(unknown.len() > 5 && known.len() > 10);
    assert!(unknown.iter().all(Option::is_none), "{unknown:?}");
    assert!(known.iter().all(Option::is_some), "{known:?}");
    let mut dice = Rng::new(3);
    let restarted = run_restarting(
        &journal,
        &mut |_| 2,
        &mut |_| dice.chance(20),
        |_, _, _, _| {},
    );
    same(7, "restarted", &one, &restarted);
}
