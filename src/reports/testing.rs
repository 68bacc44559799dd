//! Reports for the tests of other rooms.

use crate::reports::facts::text;
use crate::reports::report::Report;
use crate::rules::{Period, ReportKind};

/// A report of Monday 2 March 2026 in Shanghai, with nothing in it.
pub(crate) fn report() -> Report {
    const MONDAY: i64 = 1_772_380_800_000;
    const DAY: i64 = 86_400_000;
    Report {
        id: "daily".to_owned(),
        kind: ReportKind::Bulletin,
        name: text("每日通报", "Daily bulletin"),
        period: Period {
            key: "2026-03-02".to_owned(),
            from_ms: MONDAY,
            to_ms: MONDAY + DAY,
            before_ms: MONDAY - DAY,
        },
        is_daily: true,
        decided_at_ms: MONDAY + DAY + DAY / 3,
        time_zone: "Asia/Shanghai".to_owned(),
        rule_version: "t 1".to_owned(),
        figures: Vec::new(),
        remarks: Vec::new(),
        chart: None,
        tables: Vec::new(),
    }
}
