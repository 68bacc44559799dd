//! What reports say of facts written by hand.

mod heard;
mod suggested;

use crate::alerting::{Alert, AlertState, TransitionReason};
use crate::effect::Totals;
use crate::event::Stream;
use crate::reports::effects::stages;
use crate::reports::{Facts, Object, Records, Report, Table, Value, build};
use crate::rules::testing::book;
use crate::rules::{Period, ReportKind, RuleBook, Text};
use crate::triggers::{Process, Trigger};

/// Eight KQIs, two of which show one cause.
fn small_book() -> RuleBook {
    book_of(8)
}

/// So many KQIs, the first two of which show one cause.
fn book_of(kqis: usize) -> RuleBook {
    let kqi = |n: usize| {
        format!(
            "      - {{id: k{n}, name: k{n}, layer: platform, stream: dial_test, aggregate: mean, group_by: [service, city], window: 5m, unit: s, anchors: [1, 2, 3, 4, 5], interval: {{max: 3}}, min_samples: 10, department: D}}\n"
        )
    };
    let kqis: String = (0..kqis).map(kqi).collect();
    book(&format!(
        "
book: {{name: t, version: '1', time_zone: Asia/Shanghai}}
departments:
  - {{id: D, name: d, roles: [{{id: r, name: r, contacts: [{{name: a, email: a@example.com}}]}}]}}
knowledge:
  - {{id: both, title: both, kqis: [k0, k1], causes: [c], verify: [v], remedies: [{{id: fix, text: fix it}}], reference: r}}
services:
  - id: s
    name: s
    kqis:
{kqis}reports:
  - {{id: week, name: week, kind: benchmark, period: weekly, at: '09:00', recipients: [{{department: D, role: r}}]}}
"
    ))
}

/// The benchmark of a week in which each object has this mean; places that are no cities say so: `host=h`.
fn benchmark(book: &RuleBook, cities: &[&str], mean: impl Fn(usize, usize) -> f64) -> Report {
    told(book, cities, mean, Vec::new(), Vec::new())
}

/// The same, with triggers and alerts beside it.
fn told(
    book: &RuleBook,
    cities: &[&str],
    mean: impl Fn(usize, usize) -> f64,
    triggers: Vec<&Trigger>,
    alerts: Vec<&Alert>,
) -> Report {
    let groups: Vec<Vec<(String, String)>> = cities
        .iter()
        .map(|city| {
            let (name, value) = city.split_once('=').unwrap_or(("city", city));
            vec![
                ("service".to_owned(), "s".to_owned()),
                (name.to_owned(), value.to_owned()),
            ]
        })
        .collect();
    let samples = 100;
    let objects = book.kqis.iter().enumerate().flat_map(|(kqi, of)| {
        let mean = &mean;
        groups
            .iter()
            .enumerate()
            .map(move |(city, dimensions)| Object {
                kqi: of,
                dimensions,
                is_count: false,
                is_exact: true,
                now: Some(Totals {
                    sum: 0.0,
                    weighted: mean(kqi, city) * samples as f64,
                    samples,
                }),
                before: None,
            })
    });
    let period = Period {
        key: "2026-03-02".to_owned(),
        from_ms: 7,
        to_ms: 8,
        before_ms: 6,
    };
    build(&Facts {
        book,
        rule: &book.reports[0],
        period: &period,
        now_ms: 9,
        triggers,
        alerts,
        objects: objects.collect(),
        process: &Process::default(),
        complaints_upto_ms: 8,
        unheard_ms: 0,
        is_before_heard: true,
        records: Records::default(),
        skipped: 0,
    })
}

/// A report of a day that was made late.
fn late(kind: ReportKind, alerts: Vec<&Alert>) -> Report {
    let mut book = small_book();
    book.reports[0].kind = kind;
    told(&book, &["a"], |_, _| 1.0, Vec::new(), alerts)
}

/// The period is of the instants 7 and before 8; the report is made at 9.
#[test]
fn what_came_after_the_period_is_not_in_it() {
    let alert = |at_ms: i64, resolved_at_ms: Option<i64>| {
        let name = Text {
            zh: "k".to_owned(),
            en: "k".to_owned(),
        };
        let reason = TransitionReason::OverLimit;
        Alert {
            incident: format!("{at_ms}"),
            resolved_at_ms,
            state: resolved_at_ms.map_or(AlertState::Firing, |_| AlertState::Resolved),
            ..Alert::of_engine("k0", name, Vec::new(), reason, at_ms)
        }
    };
    // Before it and still firing at its end; within it; after it.
    let all = [alert(5, Some(8)), alert(7, Some(7)), alert(8, None)];
    let report = late(ReportKind::Bulletin, all.iter().collect());
    let counts: Vec<&Value> = report.figures.iter().map(|of| &of.value).collect();
    let number = |count: f64| Value::number(count, 0, "");
    assert_eq!(counts[..3], [&number(1.0), &number(1.0), &number(1.0)]);
    let mut tables = report.tables.iter();
    let alerts = tables.find(|table| table.key == "alerts").unwrap();
    assert_eq!(alerts.rows.len(), 2, "{alerts:?}");
    // What agents say is as of now, and its period ends there.
    let report = late(ReportKind::Frontline, Vec::new());
    assert_eq!((report.period.from_ms, report.period.to_ms), (7, 9));
    assert!(report.remarks[0].zh.contains("目前的口径截至"));
}

fn suggestions(report: &Report) -> usize {
    let table = report
        .tables
        .iter()
        .find(|table| table.key == "suggestions");
    table.unwrap().rows.len()
}

#[test]
fn e9_as_many_suggestions_as_the_data_support_and_not_one_more() {
    // Everything is bad in three cities: sixteen KQIs, of which two show one cause.
    let bad = benchmark(&book_of(16), &["a", "b", "c"], |_, _| 4.5);
    assert_eq!(suggestions(&bad), 15);
    let words = &bad.remarks[0];
    assert!(
        words.en.contains("support 15 suggestions (at least 15"),
        "{words:?}"
    );
    // Eight KQIs: seven, in however many cities, and the report says so instead of stretching them.
    let book = small_book();
    let few = benchmark(&book, &["a", "b", "c"], |_, _| 4.5);
    assert_eq!(suggestions(&few), 7);
    let words = &few.remarks[0];
    assert!(
        words
            .en
            .contains("support only 7 suggestions, fewer than the 15"),
        "{words:?}"
    );
    assert!(words.zh.contains("只支持 7 条"), "{words:?}");
    // What scores 4 or better, and lies within its limits, needs none.
    let none = benchmark(&book, &["a"], |_, _| 1.9);
    assert_eq!(suggestions(&none), 0);
}

#[test]
fn the_worst_comes_first_and_names_the_best_city() {
    let book = small_book();
    let report = benchmark(&book, &["a", "b"], |kqi, city| match (kqi, city) {
        (3, 0) => 4.9,
        (5, 0) => 2.5,
        _ => 1.0,
    });
    let table = report
        .tables
        .iter()
        .find(|table| table.key == "suggestions");
    let table = table.unwrap();
    let cell = |row: usize, key: &str| {
        let at = table.columns.iter().position(|column| column.key == key);
        table.rows[row][at.unwrap()].clone()
    };
    assert_eq!(table.rows.len(), 2);
    assert_eq!(cell(0, "kqi"), Value::name("k3"));
    assert_eq!(cell(1, "kqi"), Value::name("k5"));
    let Value::Text(best) = cell(0, "best") else {
        panic!("{:?}", cell(0, "best"));
    };
    assert_eq!(best.en, "best b 5.00");
    let cities = report
        .tables
        .iter()
        .find(|table| table.key == "cities")
        .unwrap();
    assert_eq!(
        cities.rows[0][1],
        Value::Text(crate::reports::facts::text("b", "b"))
    );
}

#[test]
fn rows_beyond_the_bound_are_left_out_and_counted() {
    let mut report = benchmark(&book_of(16), &["a", "b", "c"], |_, _| 4.5);
    let whole = report.clone();
    let beyond = |table: &Table| table.rows.len().saturating_sub(4) as u64;
    let wanted: u64 = whole.tables.iter().map(beyond).sum();
    assert!(wanted > 10);
    assert_eq!(report.cut_to(4), wanted);
    for (table, before) in report.tables.iter().zip(&whole.tables) {
        assert_eq!(table.left_out, beyond(before));
        assert_eq!(table.rows, before.rows[..before.rows.len().min(4)]);
    }
    assert_eq!(report.cut_to(4), 0);
}

#[test]
fn g10_the_funnel_of_the_source() {
    let figures = stages(157_000, 47_000, 122, 67);
    let beside = |at: usize| figures[at].beside.clone().unwrap().en;
    assert_eq!(
        (beside(1), beside(3)),
        ("29.9 %".to_owned(), "54.9 %".to_owned())
    );
    // Of nothing there is no share.
    assert!(
        stages(0, 0, 0, 0)
            .iter()
            .all(|figure| figure.beside.is_none())
    );
}
