//! Checkpoints: how old the newest is and what it cost.

use prometheus::proto::MetricFamily;

use crate::metrics::Scrape;
use crate::metrics::family::Family;

/// Adds them to the page; of a process that has written none only the failures are there.
pub(super) fn checkpoint(scrape: &Scrape<'_>, page: &mut Vec<MetricFamily>) {
    let health = scrape.health;
    let counters = [
        (
            "checkpoint_failures_total",
            "Checkpoints that could not be written since the start.",
            health.checkpoint_failures,
        ),
        (
            "checkpoints_held_for_history_total",
            "Checkpoints that were not written since the start because the history had not taken what they cover.",
            health.checkpoints_held,
        ),
        (
            "checkpoints_without_history_total",
            "Checkpoints that were written since the start although the history had not taken what they cover, after history.hold_epochs_max epochs.",
            health.checkpoints_without_history,
        ),
        (
            "journal_segments_cut_total",
            "Journal segments that no start needs any more, cut off since the start.",
            health.segments_cut,
        ),
    ];
    for (name, help, value) in counters {
        Family::counter(name, help, &[])
            .with(value as f64)
            .finish(page);
    }
    let help = "Epochs before the checkpoint of this start of which the history did not know.";
    Family::gauge("history_misses_epochs", help, &[])
        .with(health.history_misses as f64)
        .finish(page);
    let Some(newest) = health.checkpoint else {
        return;
    };
    let gauges = [
        (
            "checkpoint_age_seconds",
            "Time since the newest checkpoint was complete.",
            (scrape.now_ms - newest.at_ms) as f64 / 1e3,
        ),
        (
            "checkpoint_epoch",
            "The epoch that the newest checkpoint is the end of.",
            newest.epoch as f64,
        ),
        (
            "checkpoint_size_bytes",
            "Size of the newest checkpoint.",
            newest.bytes as f64,
        ),
        (
            "checkpoint_keys",
            "Entities, tuples and groups in the newest checkpoint.",
            newest.keys as f64,
        ),
        (
            "checkpoint_duration_seconds",
            "How long encoding and writing the newest checkpoint took, beside the engine.",
            newest.took_ms as f64 / 1e3,
        ),
    ];
    for (name, help, value) in gauges {
        Family::gauge(name, help, &[]).with(value).finish(page);
    }
}
