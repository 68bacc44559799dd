//! The history as series.

use prometheus::proto::MetricFamily;

use crate::metrics::HistoryCounts;
use crate::metrics::family::Family;

/// What has been recorded, what waits, and what was left out.
pub(super) fn history(counts: HistoryCounts, page: &mut Vec<MetricFamily>) {
    let gauges = [
        (
            "history_rows_waiting",
            "Rows that wait to be written into the history.",
            counts.waiting as f64,
        ),
        (
            "history_epoch",
            "Newest epoch in the history; -1 before the first.",
            counts.epoch as f64,
        ),
        (
            "history_bytes",
            "Size of the history's tables, as its database tells it.",
            counts.bytes as f64,
        ),
    ];
    for (name, help, value) in gauges {
        Family::gauge(name, help, &[]).with(value).finish(page);
    }
    let counters = [
        (
            "history_rows_total",
            "Rows written into the history.",
            counts.recorded,
        ),
        (
            "history_rows_left_out_total",
            "Rows left out of the history because it did not keep up.",
            counts.left_out,
        ),
        (
            "history_rows_forgotten_total",
            "Rows that went from the history because it was as large as history.bytes_max.",
            counts.forgotten,
        ),
        (
            "history_failures_total",
            "Attempts to write the history that failed and were made again.",
            counts.failures,
        ),
    ];
    for (name, help, value) in counters {
        Family::counter(name, help, &[])
            .with(value as f64)
            .finish(page);
    }
}
