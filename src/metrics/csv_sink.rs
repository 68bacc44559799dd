//! The CSV sink as series.

use prometheus::proto::MetricFamily;

use crate::metrics::CsvSinkCounts;
use crate::metrics::family::Family;

/// What was written, and what was not.
pub(super) fn csv_sink(counts: CsvSinkCounts, page: &mut Vec<MetricFamily>) {
    let counters = [
        (
            "csv_sink_rows_total",
            "Rows written to the CSV sink.",
            counts.rows,
        ),
        (
            "csv_sink_rows_left_out_total",
            "Rows left out of the CSV sink because too many waited for a disk that fails.",
            counts.left_out,
        ),
        (
            "csv_sink_failures_total",
            "Attempts to write to the CSV sink that failed and were made again.",
            counts.failures,
        ),
    ];
    for (name, help, value) in counters {
        Family::counter(name, help, &[])
            .with(value as f64)
            .finish(page);
    }
}
