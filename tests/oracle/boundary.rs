//! Where history ends: retention, and what a later book wants but nobody kept.

use std::collections::BTreeMap;

use chrysalis::alerting::{AlertState, NoticeReason, TransitionReason};
use chrysalis::event::Stream;
use serde_json::{Value, json};

use crate::book::{self, EDITS, checked};
use crate::equivalence::seeds;
use crate::generate::{BEGIN_MS, Epoch, Handing, Journal, SPAN_MS, event};
use crate::naive::{Answers, Key, Row, accepted, truth};
use crate::rng::Rng;
use crate::run::run;
use crate::story::time_of;
use crate::windows::{Accumulated, Told, asked, difference};

const MINUTE_MS: i64 = 60_000;
const RETENTION_MS: i64 = 12 * MINUTE_MS;

// Its story is shorter than the hours by which hearing is told (`heard.rs` has those): it compares with whatever there is.
const SHORT: &str = "
book: {name: short, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {dial_test: {allowed_lateness: 1m, idle_timeout: 1h, retention: 12m, unheard_percent_max: 100}}
kqis:
  - {id: one, name: n, layer: platform, stream: dial_test, aggregate: ratio, good: ok, group_by: [city], window: 1m, unit: ratio}
  - {id: sliding, name: n, layer: platform, stream: dial_test, aggregate: mean, group_by: [city], window: {size: 6m, hop: 2m}, unit: ms}
  - {id: change, name: n, layer: platform, stream: dial_test, aggregate: change, against: 6m, group_by: [], window: 6m, unit: percent}
";

fn epoch(lines: Vec<Value>) -> Epoch {
    let lines = lines.iter().map(Value::to_string).collect();
    // Later than anything that is told, so that the clock holds nothing back.
    let (now_ms, book, end) = (BEGIN_MS + 10 * SPAN_MS, None, false);
    Epoch {
        now_ms,
        book,
        works: vec![(Handing::Lines, lines)],
        commands: Vec::new(),
        end,
    }
}

fn dial_test(ts_ms: i64, city: &str, ok: bool, latency_ms: f64) -> Value {
    let mut line = event("dial_test", ts_ms);
    line["service"] = json!("svc_a");
    line["city"] = json!(city);
    line["ok"] = json!(ok);
    line["latency_ms"] = json!(latency_ms);
    line
}

/// Lines that come up to twenty minutes late under a retention of twelve.
fn long_story(seed: u64) -> Journal {
    let mut rng = Rng::new(seed);
    let mut lines: Vec<(i64, Value)> = Vec::new();
    for _ in 0..300 {
        let ts_ms = BEGIN_MS + rng.below(2 * SPAN_MS);
        let late_ms = if rng.chance(20) {
            20 * MINUTE_MS
        } else {
            MINUTE_MS
        };
        let city = rng.pick(&["cs", "zz"]);
        let line = dial_test(ts_ms, city, rng.chance(70), rng.below(5_000) as f64);
        lines.push((ts_ms + rng.below(late_ms), line));
    }
    lines.sort_by_key(|(at_ms, _)| *at_ms);
    let mut epochs = Vec::new();
    let mut lines = lines.into_iter().map(|(_, line)| line).peekable();
    while lines.peek().is_some() {
        let take = 1 + rng.below(30) as usize;
        epochs.push(epoch(lines.by_ref().take(take).collect()));
    }
    epochs.push(Epoch {
        commands: Vec::new(),
        end: true,
        ..epoch(Vec::new())
    });
    epochs[0].book = Some(checked(SHORT));
    Journal { epochs }
}

/// What must stand: facts beyond the horizon are refused, and a window that has lost a pane keeps
/// the values it had when it was whole.
struct Standing {
    kept: Vec<Epoch>,
    horizon_ms: i64,
    refused: u64,
    rows: BTreeMap<Key, Row>,
}

impl Standing {
    fn take(&mut self, epoch: &Epoch) -> BTreeMap<Key, Row> {
        // One epoch of the truth: without what is too late, but with the progress it makes.
        let is_kept = |line: &Value| {
            let ts_ms = time_of(line, "ts");
            ts_ms.div_euclid(MINUTE_MS) * MINUTE_MS >= self.horizon_ms
        };
        let (kept, late): (Vec<Value>, Vec<Value>) = accepted(std::slice::from_ref(epoch))
            .into_iter()
            .partition(is_kept);
        self.refused += late.len() as u64;
        let lines = kept.iter().map(Value::to_string).collect();
        let mut epoch = epoch.clone();
        epoch.works = vec![(Handing::Lines, lines)];
        self.kept.push(epoch);
        let truth = truth(&self.kept, &mut Answers::default());
        let reach = |key: &Key| match key.0.as_str() {
            "change" => 6 * MINUTE_MS,
            _ => 0,
        };
        let whole = |key: &Key, horizon_ms: i64| key.2 - reach(key) >= horizon_ms;
        for (key, row) in truth
            .rows
            .iter()
            .filter(|(key, _)| whole(key, self.horizon_ms))
        {
            if row.sealed {
                self.rows.insert(key.clone(), row.clone());
            }
        }
        let watermark_ms = truth.clocks.watermark(Stream::DialTest);
        if watermark_ms != i64::MAX {
            let horizon_ms = watermark_ms.saturating_sub(RETENTION_MS);
            self.horizon_ms = horizon_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        }
        let rows = truth.rows.into_iter();
        rows.filter(|(key, _)| whole(key, self.horizon_ms))
            .collect()
    }
}

#[test]
fn beyond_retention_facts_are_refused_and_windows_stand() {
    let mut refused = 0;
    for seed in seeds(12) {
        let journal = long_story(seed);
        let horizon_ms = i64::MIN;
        let mut standing = Standing {
            kept: Vec::new(),
            horizon_ms,
            refused: 0,
            rows: BTreeMap::new(),
        };
        let mut accumulated = Accumulated::default();
        let outcome = run(&journal, 2, |index, cut, plan, queries| {
            let at = format!("seed {seed}, after {} epochs", index + 1);
            let visible = standing.take(&journal.epochs[index]);
            accumulated.take(cut, &plan.book, &plan.book);
            let truth = truth(&standing.kept, &mut Answers::default());
            let check = |what: &str, rows: &BTreeMap<Key, Row>, told: &BTreeMap<Key, Told>| {
                if let Err(words) = difference(&truth, rows.iter(), told) {
                    panic!("{at}, {what}: {words}");
                }
            };
            check("asked", &visible, &asked(plan, queries));
            check("told", &standing.rows, &accumulated.rows);
        });
        assert_eq!(
            outcome.counts.facts_too_late, standing.refused,
            "seed {seed}"
        );
        refused += standing.refused;
    }
    assert!(refused > 0, "nothing was too late");
}

const TICKETS: &str = "
book: {name: tickets, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {complaint: {allowed_lateness: 1m, idle_timeout: 1h, retention: 12m}}
kqis:
  - {id: filed, name: n, layer: platform, stream: complaint, aggregate: count, group_by: [city], window: 1m, unit: count}
";

/// A file of two months ago is told again: its tickets were known, and are forgotten. They are no records of now.
#[test]
fn a_ticket_that_would_have_been_forgotten_is_no_new_record() {
    let ticket = |serial: &str, state: &str, minute: i64| {
        let mut line = event("complaint", BEGIN_MS + minute * MINUTE_MS);
        line["serial"] = json!(serial);
        line["state"] = json!(state);
        line["city"] = json!("cs");
        line["path"] = json!("a/b");
        line
    };
    let filed = |serial: &str, minute: i64| ticket(serial, "filed", minute);
    let mut epochs: Vec<Epoch> = [
        vec![filed("old", 0)],
        vec![filed("old", 0), ticket("old", "closed", 1)],
        vec![filed("clock", 40)],
        vec![filed("clock", 41)],
        // What it is told with does not matter, nor in which order.
        vec![
            ticket("old", "reclassified", 41),
            filed("old", 0),
            filed("new", 41),
        ],
        // It is kept again, because something new was said of it.
        vec![filed("old", 0)],
        vec![ticket("never", "excluded", 2), filed("other", 42)],
    ]
    .map(epoch)
    .into();
    epochs[0].book = Some(checked(TICKETS));
    let journal = Journal { epochs };
    for workers in [1, 3] {
        let outcome = run(&journal, workers, |_, _, _, _| {});
        let records = outcome.cuts.iter().map(|cut| {
            let records = cut.tickets.iter().filter(|ticket| ticket.is_record);
            records.map(|ticket| ticket.serial.as_str()).collect()
        });
        let records: Vec<Vec<&str>> = records.collect();
        let want: [&[&str]; 7] = [&["old"], &[], &["clock"], &[], &["new"], &[], &["other"]];
        assert_eq!(records, want, "{workers} workers");
        assert_eq!(outcome.counts.tickets_too_late, 2, "{workers} workers");
    }
}

const KEPT_LITTLE: &str = "
book: {name: little, version: '1', time_zone: Asia/Shanghai, any_service: true}
kqis:
  - {id: fast, name: n, layer: platform, stream: dial_test, aggregate: ratio, good_within: 2s, group_by: [], window: 10m, unit: ratio}
";

const WANTS_MORE: &str = "
book: {name: more, version: '2', time_zone: Asia/Shanghai, any_service: true}
kqis:
  - {id: fast, name: n, layer: platform, stream: dial_test, aggregate: ratio, good_within: 3s, group_by: [], window: 10m, unit: ratio}
  - {id: by_city, name: n, layer: platform, stream: dial_test, aggregate: count, group_by: [city], window: 10m, unit: count}
  - {id: median, name: n, layer: platform, stream: dial_test, aggregate: p50, group_by: [], window: 10m, unit: ms}
";

/// What nobody kept cannot be asked of history: it counts from the reload on, on the safe side.
#[test]
fn dimensions_limits_and_quantiles_that_were_not_kept_begin_at_the_reload() {
    let begin_ms = BEGIN_MS - BEGIN_MS.rem_euclid(10 * MINUTE_MS);
    let lines = |latency_ms: f64| -> Vec<Value> {
        (0..4)
            .map(|at| dial_test(begin_ms + at, "cs", true, latency_ms))
            .collect()
    };
    let mut epochs = vec![epoch(lines(2_500.0)), epoch(lines(2_600.0))];
    epochs[0].book = Some(checked(KEPT_LITTLE));
    epochs[1].book = Some(checked(WANTS_MORE));
    let mut values = BTreeMap::new();
    run(&Journal { epochs }, 2, |index, _, plan, queries| {
        if index == 1 {
            let told = asked(plan, queries).into_iter();
            values = told
                .map(|((kqi, label, _), told)| ((kqi, label), told.cell.value))
                .collect();
        }
    });
    let value = |kqi: &str, label: &str| values[&(kqi.to_owned(), label.to_owned())].unwrap();
    assert_eq!(
        value("fast", ""),
        0.5,
        "2.5 s was over 2 s, and nobody knows about 3 s"
    );
    assert_eq!(
        (value("by_city", "city="), value("by_city", "city=cs")),
        (4.0, 4.0)
    );
    assert!(
        (value("median", "") - 2_600.0).abs() < 52.0,
        "of the facts since the reload"
    );
}

#[test]
fn alerts_of_rules_that_vanish_are_resolved_and_told() {
    let minute = |minute: i64| -> Vec<Value> {
        let at = BEGIN_MS + minute * MINUTE_MS;
        (0..6)
            .map(|n| dial_test(at + n, "cs", minute < 2, 900.0))
            .collect()
    };
    let mut epochs: Vec<Epoch> = (0..9).map(|at| epoch(minute(at))).collect();
    epochs[0].book = Some(book::first());
    let removed = EDITS.iter().find(|edit| edit.name == "removed").unwrap();
    epochs[8].book = Some(book::edited(removed));
    let outcome = run(&Journal { epochs }, 1, |_, _, _, _| {});
    let gone = |alert: &str| matches!(alert, "dial_success" | "dial_count");
    let ended = outcome
        .transitions()
        .filter(|step| step.reason == TransitionReason::RuleChanged);
    let ended: Vec<(&str, AlertState)> = ended
        .map(|step| (step.alert.as_str(), step.state))
        .collect();
    assert_eq!(
        ended,
        [
            ("dial_success", AlertState::Resolved),
            ("dial_count", AlertState::Resolved)
        ]
    );
    assert!(
        outcome
            .snapshot
            .alerts
            .iter()
            .all(|alert| { alert.state == AlertState::Resolved || !gone(&alert.alert) })
    );
    let told = outcome
        .notices()
        .filter(|notice| gone(&notice.alert.alert))
        .last()
        .unwrap();
    assert_eq!(told.reason, NoticeReason::RuleChanged);
}

const HOLDS: &str = "
book: {name: holds, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {boss_connection: {allowed_lateness: 0s, idle_timeout: 1h, retention: 12m}}
kqis:
  - {id: longest, name: n, layer: platform, stream: boss_connection, aggregate: max, group_by: [host], window: 1m, unit: ms}
";

#[test]
fn a_hold_that_has_left_the_retention_is_not_taken_back() {
    let change = |minute: i64, connection: &str, state: &str| {
        let mut line = event("boss_connection", BEGIN_MS + minute * MINUTE_MS);
        line["host"] = json!(if connection == "1" { "h1" } else { "h2" });
        line["interface"] = json!("i");
        line["connection"] = json!(connection);
        line["state"] = json!(state);
        line
    };
    let mut epochs = vec![
        epoch(vec![change(0, "1", "acquired"), change(0, "2", "acquired")]),
        epoch(vec![change(5, "2", "released")]),
        // An hour later, in one piece: event time stands five minutes behind the beginning until it is through.
        epoch(vec![
            change(65, "1", "released"),
            change(65, "1", "acquired"),
        ]),
        epoch(vec![change(66, "2", "acquired")]),
    ];
    epochs[0].book = Some(checked(HOLDS));
    let journal = Journal { epochs };
    for workers in [1, 2, 4] {
        let outcome = run(&journal, workers, |_, _, _, _| {});
        let told = |at: usize| outcome.cuts[at].updates.iter();
        let first = told(1).filter(|update| update.group.label == "host=h1");
        let first: Vec<_> = first
            .filter(|update| update.standing == chrysalis::dataflow::Standing::Sealed)
            .map(|update| update.start_ms)
            .collect();
        assert!(first.len() >= 3, "{first:?}");
        let later = told(2).chain(told(3));
        let undone: Vec<_> = later
            .filter(|update| first.contains(&update.start_ms))
            .collect();
        assert!(undone.is_empty(), "{undone:?}");
    }
}
