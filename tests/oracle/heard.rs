//! Changes against a window that was not heard: new installations, silences, what comes days late, and a book that
//! thinks otherwise of silence.

use chrysalis::rules::Verdict;
use serde_json::{Value, json};

use crate::book::checked;
use crate::equivalence::{same, same_restarted_and_unasked, seeds};
use crate::generate::{Journal, epochs_of, event};
use crate::naive::{Answers, truth};
use crate::rng::Rng;
use crate::run::run;
use crate::windows::{Accumulated, asked, difference};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A Monday, 00:00 in Shanghai.
const MONDAY_MS: i64 = 1_772_380_800_000;
const DAYS: i64 = 11;

const BOOK: &str = "
book: {name: heard, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams:
  complaint: {allowed_lateness: 1h, retention: 20d, quiet_max: 5h, unheard_percent_max: 10, dimensions: [service, city, escalated]}
  dial_test: {allowed_lateness: 1h, retention: 20d, quiet_max: 12h, unheard_percent_max: 0, dimensions: [city]}
  gauge: {allowed_lateness: 1h, retention: 20d, quiet_max: 1h, dimensions: [name]}
departments:
  - {id: D, name: d, roles: [{id: r, name: r, contacts: [{name: a, email: a@example.com}]}]}
alert_policies:
  default: {for: 0s, keep_firing_for: 0s, missing: resolve}
kqis:
  - {id: by_city, name: n, layer: experience, stream: complaint, aggregate: change, against: 1d, unit: ratio, group_by: [city], window: {size: 6h, hop: 2h}, interval: {max: 0.5}, department: D}
  - {id: half_hours, name: n, layer: experience, stream: complaint, aggregate: change, against: 2h, unit: ratio, group_by: [], window: {size: 90m, hop: 30m}}
  - {id: escalated, name: n, layer: experience, stream: complaint, aggregate: change, against: 3d, good: escalated == true, unit: ratio, group_by: [service], window: {size: 1d, hop: 6h}, interval: {max: 0.2}, department: D}
  - {id: counted, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: {size: 6h, hop: 2h}}
  - {id: surge, name: n, layer: experience, stream: complaint, aggregate: surge, weeks: 1, group_by: [city], window: {size: 6h, hop: 2h}}
  - {id: probes, name: n, layer: network, stream: dial_test, aggregate: change, against: 1d, unit: ratio, group_by: [city], window: {size: 1d, hop: 3h}, interval: {max: 0.3}, department: D}
  - {id: survey, name: n, layer: experience, stream: gauge, aggregate: change, against: 1d, filter: name == 'survey', unit: ratio, group_by: [name], window: 1d, interval: {max: 0.2}, department: D}
";

/// Lines with the moment at which they arrive. Nobody speaks before the first day's morning, nor for a day in the middle;
/// of that a little comes days later.
fn story(rng: &mut Rng) -> Vec<(i64, Value)> {
    let begin_ms = MONDAY_MS + 7 * HOUR_MS + rng.below(5 * HOUR_MS);
    let end_ms = MONDAY_MS + DAYS * DAY_MS;
    let silent_ms = MONDAY_MS + 4 * DAY_MS + rng.below(DAY_MS);
    let silence = silent_ms..silent_ms + 8 * HOUR_MS + rng.below(16 * HOUR_MS);
    let mut lines = Vec::new();
    let (mut ts_ms, mut serial) = (begin_ms, 0);
    while ts_ms < end_ms {
        let late_ms = match rng.below(12) {
            _ if silence.contains(&ts_ms) => 2 * DAY_MS + rng.below(DAY_MS),
            0 => rng.below(DAY_MS),
            _ => rng.below(HOUR_MS),
        };
        // In one story of three nothing of the silence is ever heard.
        if !silence.contains(&ts_ms) || rng.chance(66) {
            let mut line = event("complaint", ts_ms);
            line["serial"] = json!(format!("s{serial}"));
            line["state"] = json!("filed");
            line["path"] = json!("a/b");
            line["service"] = json!(rng.pick(&["svc_a", "svc_b"]));
            line["city"] = json!(rng.pick(&["cs", "cs", "zz"]));
            line["escalated"] = json!(rng.chance(60));
            lines.push((ts_ms + late_ms, line));
        }
        serial += 1;
        // Some pauses are as long as is usual, to the hour, or a little longer.
        let pause_ms = rng.pick(&[20 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 5 * HOUR_MS]);
        ts_ms += pause_ms + rng.below(HOUR_MS);
    }
    for _ in 0..70 {
        let ts_ms = begin_ms + rng.below(end_ms - begin_ms);
        let mut line = event("dial_test", ts_ms);
        line["service"] = json!("svc_a");
        line["ok"] = json!(true);
        line["city"] = json!(rng.pick(&["cs", "zz"]));
        let late_ms = if rng.chance(20) { 2 * DAY_MS } else { HOUR_MS };
        lines.push((ts_ms + rng.below(late_ms), line));
    }
    for _ in 0..20 {
        let ts_ms = begin_ms + rng.below(end_ms - begin_ms);
        let mut line = event("gauge", ts_ms);
        line["name"] = json!("survey");
        line["value"] = json!(1 + rng.below(9));
        lines.push((ts_ms + rng.below(HOUR_MS), line));
    }
    lines.sort_by_key(|(at_ms, _)| *at_ms);
    lines
}

fn journal(seed: u64) -> Journal {
    let mut rng = Rng::new(seed);
    let lines = story(&mut rng);
    let mut epochs = epochs_of(&mut rng, &lines, 12, checked(BOOK));
    // What is silence, and how much of it is borne, changes on the way.
    let at = epochs.len() * 2 / 3;
    let other = match seed % 3 {
        0 => Some(("quiet_max: 5h", "quiet_max: 3h")),
        1 => Some(("unheard_percent_max: 10", "unheard_percent_max: 60")),
        _ => None,
    };
    epochs[at].book = other.map(|(old, new)| checked(&BOOK.replace(old, new)));
    Journal { epochs }
}

#[test]
fn what_was_not_heard_is_compared_with_nothing_at_any_number_of_workers() {
    let (mut abnormal, mut unknown, mut found_out) = (0, 0, 0);
    for seed in seeds(6) {
        let journal = journal(seed);
        let mut answers = Answers::default();
        let mut accumulated = Accumulated::default();
        let mut before = journal.epochs[0].book.clone().unwrap();
        let one = run(&journal, 1, |index, cut, plan, queries| {
            for update in &cut.updates {
                for cell in &update.cells {
                    let kqi = plan.book.kqis[cell.kqi].id.clone();
                    let key = (kqi, update.group.label.clone(), update.start_ms);
                    let was = accumulated.rows.get(&key);
                    // Nothing came to the window itself, and it is known all the same.
                    found_out += usize::from(was.is_some_and(|was| {
                        (was.count, was.cell.samples) == (update.count, cell.samples)
                            && was.cell.value.is_none()
                            && cell.value.is_some()
                            && cut.plan.is_none()
                    }));
                }
            }
            accumulated.take(cut, &plan.book, &before);
            before = plan.book.clone();
            if index % 5 != 4 && index + 1 != journal.epochs.len() {
                return;
            }
            let truth = truth(&journal.epochs[..=index], &mut answers);
            let at = format!("seed {seed}, after {} epochs", index + 1);
            let sealed = truth.rows.iter().filter(|(_, row)| row.sealed);
            if let Err(words) = difference(&truth, sealed, &accumulated.rows) {
                panic!("{at}: {words}");
            }
            if let Err(words) = difference(&truth, truth.rows.iter(), &asked(plan, queries)) {
                panic!("{at}, asked: {words}");
            }
        });
        let changes = accumulated.rows.iter();
        let changes = changes.filter(|((kqi, _, _), _)| kqi != "counted" && kqi != "surge");
        for (_, told) in changes {
            abnormal += usize::from(matches!(told.cell.verdict, Verdict::Abnormal(_)));
            unknown += usize::from(told.cell.value.is_none());
        }
        same(seed, "2 workers", &one, &run(&journal, 2, |_, _, _, _| {}));
        same(seed, "4 workers", &one, &run(&journal, 4, |_, _, _, _| {}));
        same_restarted_and_unasked(seed, &journal, &one);
    }
    assert!(abnormal > 0 && unknown > 0 && found_out > 0);
}
