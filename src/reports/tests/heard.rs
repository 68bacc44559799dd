//! A number of complaints of a time in which nobody heard any says so, and is no change.

use super::*;

const HOUR_MS: i64 = 3_600_000;
/// Complaints that were counted in the period, and in the one before.
const COUNTED: (f64, f64) = (6.0, 12.0);

/// The bulletin of a day of which so much was not heard, and whose day before was heard or not.
fn bulletin(unheard_ms: i64, is_before_heard: bool, object: bool) -> Report {
    let mut book = small_book();
    book.reports[0].kind = ReportKind::Bulletin;
    book.kqis[0].stream = Stream::Complaint;
    let city = [("city".to_owned(), "a".to_owned())];
    let totals = |sum: f64| {
        Some(Totals {
            sum,
            weighted: 0.0,
            samples: 0,
        })
    };
    let object = object.then(|| Object {
        kqi: &book.kqis[0],
        dimensions: &city,
        is_count: true,
        is_exact: true,
        now: totals(COUNTED.0),
        before: totals(COUNTED.1),
    });
    let period = Period {
        key: "2026-03-02".to_owned(),
        from_ms: 24 * HOUR_MS,
        to_ms: 48 * HOUR_MS,
        before_ms: 0,
    };
    build(&Facts {
        book: &book,
        rule: &book.reports[0],
        period: &period,
        now_ms: 56 * HOUR_MS,
        triggers: Vec::new(),
        alerts: Vec::new(),
        objects: object.into_iter().collect(),
        process: &Process::default(),
        complaints_upto_ms: 48 * HOUR_MS,
        unheard_ms,
        is_before_heard,
        records: Records::default(),
        skipped: 0,
    })
}

/// What the row says: its number, what was not heard of it, the number before, and the change.
fn row(report: &Report) -> [Value; 4] {
    let mut tables = report.tables.iter();
    let table = tables.find(|table| table.key == "complaints").unwrap();
    assert_eq!(table.rows.len(), 1);
    ["count", "unheard", "before", "change"].map(|key| {
        let at = table.columns.iter().position(|column| column.key == key);
        table.rows[0][at.unwrap()].clone()
    })
}

fn says(report: &Report, zh: &str, en: &str) -> bool {
    let mut remarks = report.remarks.iter();
    remarks.any(|remark| remark.zh.contains(zh) && remark.en.contains(en))
}

#[test]
fn a_number_of_a_time_that_nobody_heard_is_marked_and_no_change_in_both_languages() {
    let number = |value: f64| Value::number(value, 0, "");
    let (now, before) = (number(COUNTED.0), number(COUNTED.1));
    let own = |report: &Report, hours: u32| {
        let (zh, en) = (
            format!("{hours} 小时没有收到"),
            format!("{hours} h of this period"),
        );
        says(report, &zh, &en)
    };
    let whole = bulletin(0, true, true);
    let half = Value::change(-50.0, 1, "%");
    assert_eq!(
        row(&whole),
        [now.clone(), Value::Empty, before.clone(), half]
    );
    assert!(!says(&whole, "没有收", "not heard"), "{:?}", whole.remarks);
    // Half of the day: the number before stands, and nobody calls that fewer complaints. A begun hour is one.
    let mark = |hours: u32| {
        let (zh, en) = (
            format!("{hours} 小时未收到"),
            format!("{hours} h not heard"),
        );
        Value::Text(Text { zh, en })
    };
    for (unheard_ms, hours) in [(12 * HOUR_MS, 12), (12 * HOUR_MS + 1, 13)] {
        let part = bulletin(unheard_ms, true, true);
        let wanted = [now.clone(), mark(hours), before.clone(), Value::Empty];
        assert_eq!(row(&part), wanted);
        assert!(own(&part, hours), "{:?}", part.remarks);
        assert!(!says(&part, "没有收全", "period before"));
    }
    // Neither of them.
    let neither = bulletin(7 * HOUR_MS, false, true);
    assert_eq!(row(&neither), [now, mark(7), Value::Empty, Value::Empty]);
    assert!(own(&neither, 7) && says(&neither, "没有收全", "period before"));
    // A day of which nothing is known has no row, and is not taken for one without complaints.
    let none = bulletin(24 * HOUR_MS, true, false);
    assert!(own(&none, 24), "{:?}", none.remarks);
}
