//! Reports as series.

use prometheus::proto::MetricFamily;

use crate::metrics::Scrape;
use crate::metrics::family::Family;

/// What was told, what was missed, and what could not be written.
pub(super) fn reports(scrape: &Scrape<'_>, page: &mut Vec<MetricFamily>) {
    let reports = &scrape.snapshot.reports;
    let mut told = Family::counter("reports_told_total", "Reports told.", &["report"]);
    for (id, count) in &reports.told_total {
        told.add([id.as_str()], *count as f64);
    }
    told.finish(page);
    let counters = [
        (
            "reports_skipped_total",
            "Issues of reports that nobody was told because the engine was not running when they were due.",
            reports.skipped_total,
        ),
        (
            "report_file_failures_total",
            "Reports whose files could not be written since the start.",
            scrape.health.report_failures,
        ),
    ];
    for (name, help, value) in counters {
        Family::counter(name, help, &[])
            .with(value as f64)
            .finish(page);
    }
}
