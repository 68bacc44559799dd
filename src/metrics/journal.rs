//! The journal as series.

use prometheus::proto::MetricFamily;

use crate::metrics::family::Family;
use crate::metrics::{DigestsNow, Scrape};

/// The journal.
pub(super) fn journal(scrape: &Scrape<'_>, page: &mut Vec<MetricFamily>) {
    let stats = scrape.journal;
    let counters = [
        (
            "journal_events_total",
            "Events acknowledged since the journal began.",
            stats.events_total,
        ),
        (
            "journal_epochs_total",
            "Epochs closed since the journal began.",
            stats.epochs_total,
        ),
        (
            "journal_records_written_total",
            "Records written since the start.",
            stats.log.records_written_total,
        ),
        (
            "journal_written_bytes_total",
            "Bytes written since the start.",
            stats.log.bytes_written_total,
        ),
        (
            "journal_syncs_total",
            "Times the journal was made durable since the start.",
            stats.log.syncs_total,
        ),
        (
            "journal_refused_busy_total",
            "Submissions refused because the journal or what follows it was behind.",
            stats.refused_busy_total,
        ),
        (
            "journal_refused_share_total",
            "Submissions refused because much waited and their producer had its share of it.",
            stats.refused_share_total,
        ),
        (
            "journal_refused_taken_total",
            "Batches refused because their producer's name belongs to another token.",
            stats.refused_taken_total,
        ),
        (
            "journal_refused_full_total",
            "Submissions refused because the disk was full.",
            stats.refused_full_total,
        ),
        (
            "journal_refused_low_total",
            "Batches refused because the disk had less room than is kept free.",
            stats.refused_low_total,
        ),
        (
            "journal_refused_disk_share_total",
            "Batches refused because the disk came near that and their producer had its share of what was left.",
            stats.refused_disk_share_total,
        ),
        (
            "journal_producers_forgotten_total",
            "Producers forgotten after their time: a repeat of theirs would count again.",
            stats.producers_forgotten_total,
        ),
    ];
    for (name, help, value) in counters {
        Family::counter(name, help, &[])
            .with(value as f64)
            .finish(page);
    }
    let gauges = [
        (
            "journal_sync_duration_seconds",
            "How long the last sync took.",
            stats.log.sync_us_last as f64 / 1e6,
        ),
        (
            "journal_segments",
            "Segment files.",
            stats
                .log
                .segments
                .saturating_sub(scrape.health.segments_cut) as f64,
        ),
        (
            "journal_producers",
            "Producers remembered for safe retries.",
            stats.producers as f64,
        ),
        (
            "journal_queue_requests",
            "Submissions that wait to be durable.",
            stats.queue_requests as f64,
        ),
        (
            "journal_queue_bytes",
            "Weight of the records not handed over to the dataflow yet.",
            stats.queue_bytes as f64,
        ),
        (
            "journal_full",
            "1 while the disk is full.",
            f64::from(u8::from(stats.full)),
        ),
        (
            "journal_refusing",
            "1 while batches are refused because the disk has less room than is kept free.",
            f64::from(u8::from(stats.space.is_low())),
        ),
        (
            "journal_epochs_behind",
            "Epochs closed in the journal that the engine has not acted on.",
            scrape.health.epochs_behind(scrape.journal) as f64,
        ),
    ];
    for (name, help, value) in gauges {
        Family::gauge(name, help, &[]).with(value).finish(page);
    }
    if let Some(free_bytes) = stats.space.free_bytes {
        let help = "Bytes free on the journal's file system.";
        Family::gauge("journal_disk_free_bytes", help, &[])
            .with(free_bytes as f64)
            .finish(page);
    }
}

/// What became of epochs that were to have a digest.
pub(super) fn digests(counts: DigestsNow, page: &mut Vec<MetricFamily>) {
    let mut family = Family::counter(
        "journal_digests_total",
        "Epochs that were to have a digest, from which the next start is quicker, and digests found that are of no use (foreign, unreadable), by what became of them.",
        &["outcome"],
    );
    let outcomes = [
        ("written", counts.written),
        ("busy", counts.busy),
        ("useless", counts.useless),
        ("short", counts.short),
        ("failed", counts.failed),
        ("foreign", counts.foreign),
        ("unreadable", counts.unreadable),
    ];
    for (outcome, count) in outcomes {
        family.add([outcome], count as f64);
    }
    family.finish(page);
}
