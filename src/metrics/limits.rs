//! Every limit: how much there is of what it bounds, how much there may be, what its policy did.
//!
//! * The label is the limit's name in the configuration.
//! * A limit of one thing (a body, a line, an answer) has no amount that fills up, and no `limit_held`.
//! * Every key of the configuration that ends in `_max` or `_min` is here, but times and sizes of files: a
//!   test goes through them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;

use crate::api::Current;
use crate::event::RefusalReason;
use crate::metrics::family::Family;
use crate::metrics::{
    CsvSinkCounts, HistoryCounts, Metrics, NotifyCounts, Scrape, access, unknown,
};

/// What there may be of each, by the limit's name in the configuration.
pub type LimitSizes = BTreeMap<String, u64>;

/// Limits whose policy acts at the edge, where it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeLimit {
    /// `http.body_bytes_max`
    BodyBytes,
    /// `http.plain_bytes_max`
    PlainBytes,
    /// `http.line_bytes_max`
    LineBytes,
    /// `http.lines_max`
    Lines,
    /// `http.in_flight_requests_max`
    InFlightRequests,
    /// `http.in_flight_bytes_max`
    InFlightBytes,
    /// `http.connections_max`
    Connections,
    /// `http.connections_per_peer_max`
    ConnectionsPerPeer,
    /// `http.write_timeout_ms`
    WriteTimeout,
    /// `http.window_rows_max`
    WindowRows,
    /// `journal.record_bytes_max`
    RecordBytes,
    /// `http.clock_ahead_ms_max`
    ClockAhead,
    /// `limits.report_periods_max`
    ReportPeriods,
    /// `limits.effects_max`
    Effects,
}

impl EdgeLimit {
    const COUNT: usize = EdgeLimit::Effects as usize + 1;
}

/// How often each of them was met.
#[derive(Debug, Default)]
pub(super) struct EdgeCounts([AtomicU64; EdgeLimit::COUNT]);

impl EdgeCounts {
    fn of(&self, limit: EdgeLimit) -> u64 {
        self.0[limit as usize].load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// What there may be of something, by the limit's name; nothing before it is known.
    pub(super) fn limit(&self, name: &str) -> Option<u64> {
        self.limits.get()?.get(name).copied()
    }

    /// The policy of a limit acted: something was refused, cut, or had to wait.
    pub fn went_over(&self, limit: EdgeLimit) {
        self.went_over_by(limit, 1);
    }

    /// [`Metrics::went_over`], so many times.
    pub fn went_over_by(&self, limit: EdgeLimit, times: u64) {
        self.edges.0[limit as usize].fetch_add(times, Ordering::Relaxed);
    }

    /// How often it did.
    pub(crate) fn over(&self, limit: EdgeLimit) -> u64 {
        self.edges.of(limit)
    }
}

/// What is known of one limit.
struct Row<'a> {
    name: &'a str,
    held: Option<u64>,
    over: u64,
}

impl<'a> Row<'a> {
    fn stock(name: &'a str, held: u64, over: u64) -> Row<'a> {
        let held = Some(held);
        Row { name, held, over }
    }

    fn of_one(name: &'a str, over: u64) -> Row<'a> {
        let held = None;
        Row { name, held, over }
    }
}

/// One row for each limit.
pub(super) fn limits(
    scrape: &Scrape<'_>,
    metrics: &Metrics,
    mails: &NotifyCounts,
    history: HistoryCounts,
    page: &mut Vec<MetricFamily>,
) {
    let mut held = Family::gauge(
        "limit_held",
        "How much there is of what the limit bounds.",
        &["limit"],
    );
    let mut max = Family::gauge(
        "limit_max",
        "How much there may be; for a limit that ends in _min, must be.",
        &["limit"],
    );
    let mut over = Family::counter(
        "limit_over_total",
        "How often something was refused, folded, cut, or had to wait or go because of the limit, since the start.",
        &["limit"],
    );
    let sizes = metrics.limits.get();
    let size = |name: &str| sizes.and_then(|sizes| sizes.get(name).copied());
    let rows = dataflow(scrape)
        .into_iter()
        .chain(journal(scrape, metrics))
        .chain(http(scrape, metrics))
        .chain(mail(mails))
        .chain(files(metrics))
        .chain([
            Row::stock("history.bytes_max", history.bytes, history.forgotten),
            Row::stock(
                "history.queue_epochs_max",
                history.waiting_epochs,
                history.left_out - history.left_out_by_rows.min(history.left_out),
            ),
            Row::stock(
                "history.queue_rows_max",
                history.waiting,
                history.left_out_by_rows,
            ),
            Row::stock(
                "history.hold_epochs_max",
                scrape.health.epochs_held,
                scrape.health.checkpoints_without_history,
            ),
        ])
        .chain(metrics.csv_sink_counts().into_iter().flat_map(csv_sink));
    for row in rows {
        if let Some(is) = row.held {
            held.add([row.name], is as f64);
        }
        if let Some(may_be) = size(row.name) {
            max.add([row.name], may_be as f64);
        }
        over.add([row.name], row.over as f64);
    }
    let bounds = scrape.snapshot.bounds.iter().chain(scrape.bounds);
    for bound in bounds.copied() {
        if let Some(is) = bound.held {
            held.add([bound.name], is as f64);
        }
        max.add([bound.name], bound.max as f64);
        over.add([bound.name], bound.over_total as f64);
    }
    [held, max, over]
        .into_iter()
        .for_each(|family| family.finish(page));
}

fn dataflow(scrape: &Scrape<'_>) -> Vec<Row<'static>> {
    let counts = &scrape.health.counts;
    let (sources, _, unnamed) = scrape.snapshot.watermarks.bound();
    vec![
        Row::stock("limits.sources_max", sources, unnamed),
        Row::stock(
            "limits.base_series_max",
            counts.base_series,
            counts.readings_left_out,
        ),
        Row::stock(
            "limits.annotations_max",
            counts.annotations,
            counts.annotations_gone,
        ),
        Row::stock(
            "limits.entities_max",
            counts.entities,
            counts.entities_refused + counts.entities_over_share,
        ),
        Row::stock(
            "limits.records_max",
            counts.records,
            counts.records_refused + counts.records_over_share,
        ),
        Row::stock(
            "limits.tuples_max",
            counts.tuples,
            counts.facts_over_limit + counts.facts_over_share,
        ),
        Row::stock("limits.groups_max", counts.groups, counts.facts_folded),
        Row::of_one("limits.message_receipts_max", counts.receipts_gone),
        Row::of_one("limits.message_records_max", counts.message_records_refused),
        Row::of_one("limits.delivery_parts_max", counts.parts_refused),
        Row::of_one("limits.ticket_versions_max", counts.versions_folded),
        Row::of_one("limits.connection_changes_max", counts.changes_gone),
        Row::of_one("limits.base_readings_max", counts.readings_gone),
    ]
}

fn journal(scrape: &Scrape<'_>, metrics: &Metrics) -> Vec<Row<'static>> {
    let stats = scrape.journal;
    // A file system that does not say has no row.
    let free = Row {
        name: "journal.disk_free_bytes_min",
        held: stats.space.free_bytes,
        over: stats.refused_low_total + stats.refused_disk_share_total,
    };
    let (ahead, _, waited) = stats.epochs_ahead;
    let (holders, of_others) = stats.disk_holders;
    let digests = metrics.digest_counts();
    vec![
        Row::stock("journal.epochs_ahead_max", ahead, waited),
        Row::stock(
            "journal.queue_requests_max",
            stats.queue_requests as u64,
            stats.over_requests_total,
        ),
        Row::stock(
            "journal.queue_bytes_max",
            stats.queue_bytes as u64,
            stats.over_bytes_total,
        ),
        Row::stock(
            "journal.producers_max",
            stats.producers as u64,
            stats.refused_names_total,
        ),
        free,
        Row::stock("journal.disk_holders_max", holders, of_others),
        Row::stock("journal.digests_waiting_max", digests.waiting, digests.busy),
        Row::of_one("journal.sequences_max", stats.refused_back_total),
        Row::of_one(
            "journal.record_bytes_max",
            metrics.edges.of(EdgeLimit::RecordBytes),
        ),
    ]
}

fn http(scrape: &Scrape<'_>, metrics: &Metrics) -> Vec<Row<'static>> {
    let over = |limit| metrics.edges.of(limit);
    let future = RefusalReason::FutureTime.name();
    let long = RefusalReason::LongText.name();
    let of_current = |current: &Current| {
        let objects: usize = current.kqis.iter().map(|kqi| kqi.groups.len()).sum();
        (objects as u64, current.left_out_total)
    };
    // A start that catches up holds none yet.
    let (objects, left_out_total) = scrape.current.map(of_current).unwrap_or_default();
    let under_way = scrape.in_flight;
    let refused = metrics.refused_now();
    let (unknown_names, unknown_lines) = metrics.unknown_names.bound();
    vec![
        Row::of_one("http.body_bytes_max", over(EdgeLimit::BodyBytes)),
        Row::of_one("http.plain_bytes_max", over(EdgeLimit::PlainBytes)),
        Row::of_one("http.line_bytes_max", over(EdgeLimit::LineBytes)),
        Row::of_one(
            "http.text_bytes_max",
            metrics.refused.with_label_values(&[long]).get(),
        ),
        Row::of_one("http.lines_max", over(EdgeLimit::Lines)),
        Row::of_one(
            "http.clock_skew_ms_max",
            metrics.refused.with_label_values(&[future]).get(),
        ),
        Row::of_one("http.clock_ahead_ms_max", over(EdgeLimit::ClockAhead)),
        Row::stock(
            "http.in_flight_requests_max",
            under_way.requests as u64,
            over(EdgeLimit::InFlightRequests),
        ),
        Row::stock(
            "http.in_flight_bytes_max",
            under_way.bytes as u64,
            over(EdgeLimit::InFlightBytes),
        ),
        Row::stock(
            "http.connections_max",
            scrape.connections,
            over(EdgeLimit::Connections),
        ),
        Row::of_one(
            "http.connections_per_peer_max",
            over(EdgeLimit::ConnectionsPerPeer),
        ),
        Row::of_one("http.write_timeout_ms", over(EdgeLimit::WriteTimeout)),
        Row::stock(access::LIMIT, refused.minute, refused.over_total),
        Row::of_one(access::ADDRESSES, refused.untold_total),
        Row::stock(unknown::LIMIT, unknown_names, unknown_lines),
        Row::stock("http.kqi_objects_max", objects, left_out_total),
        Row::of_one("http.window_rows_max", over(EdgeLimit::WindowRows)),
    ]
}

/// What is kept beside the state: files of reports, and effects for who listens in this process.
fn files(metrics: &Metrics) -> [Row<'static>; 2] {
    let over = |limit| metrics.edges.of(limit);
    [
        Row::of_one("limits.report_periods_max", over(EdgeLimit::ReportPeriods)),
        Row::of_one("limits.effects_max", over(EdgeLimit::Effects)),
    ]
}

fn csv_sink(counts: CsvSinkCounts) -> [Row<'static>; 2] {
    [
        Row::stock("csv_sink.bytes_max", counts.bytes, counts.forgotten),
        Row::stock("csv_sink.waiting_rows_max", counts.waiting, counts.left_out),
    ]
}

fn mail(mails: &NotifyCounts) -> Vec<Row<'static>> {
    vec![
        Row::stock("mail.queued_max", mails.queued, mails.shed),
        Row::stock(
            "mail.per_recipient_minute_max",
            mails.minute_most,
            mails.held,
        ),
        Row::stock("mail.in_flight_max", mails.in_flight, mails.rounds_full),
        Row::of_one("mail.attempts_max", mails.exhausted),
        Row::stock(
            "mail.ledger_bytes_max",
            mails.ledger_bytes,
            mails.ledger_forgotten,
        ),
    ]
}
