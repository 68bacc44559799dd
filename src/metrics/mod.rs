//! What Prometheus scrapes: counters that the edges keep, and a page made at scrape time from the
//! engine's snapshot, the journal's counts and the windows of the dataflow.
//!
//! Conventions: prefix `chrysalis_`, base units, bounded labels, never a subscriber's number. Gauges
//! of states go to zero and do not vanish; values that are no longer known vanish and do not freeze.

mod access;
mod checkpoint;
mod crossing;
mod csv_sink;
mod engine;
mod family;
mod health;
mod history;
mod journal;
mod kqi;
mod limits;
mod notify;
mod page;
mod reports;
mod unknown;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use crate::event::{Batch, Refusal, RefusalReason, Stream};

pub use access::AccessRefused;
pub use limits::{EdgeLimit, LimitSizes};
pub use page::Scrape;

/// Upper bounds of the latency histogram, seconds: an acknowledgement waits for one disk sync.
const LATENCY_BOUNDS_S: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0,
];

/// Upper bounds of the delay of verdicts, seconds: an epoch is a fifth of one, and 0.3 is what is promised.
const VERDICT_BOUNDS_S: [f64; 13] = [
    0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 30.0,
];

/// What the mail room has done, as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyCounts {
    /// Notices that wait now.
    pub queued: u64,
    /// Dead letters now, until they are sent again or forgotten.
    pub dead_letters: u64,
    /// Mails delivered since the start.
    pub sent: u64,
    /// Attempts that failed since the start, by what that means.
    pub failed: Vec<(&'static str, u64)>,
    /// Mails given up since the start.
    pub dead: u64,
    /// Notices given up since the start because too many waited.
    pub shed: u64,
    /// Digests among the mails delivered.
    pub digests: u64,
    /// Mails sent that tell several triggers.
    pub groups: u64,
    /// Notices that are told by a digest.
    pub folded: u64,
    /// Times that a notice had to wait for its recipient's next minute.
    pub held: u64,
    /// Mails given up since the start because they failed as often as they may.
    pub exhausted: u64,
    /// Mails on their way now.
    pub in_flight: u64,
    /// Rounds since the start with as many mails as may be on their way.
    pub rounds_full: u64,
    /// The most that one recipient had in the minute of the last round.
    pub minute_most: u64,
    /// Deliveries to webhooks since the start.
    pub webhooks: u64,
    /// Times since the start that the ledger failed the delivery of mails.
    pub ledger_failures: u64,
    /// Size of the ledger, bytes.
    pub ledger_bytes: u64,
    /// Mails that went from the ledger since the start because it was as large as it may be.
    pub ledger_forgotten: u64,
}

/// Where the mail room's counts are read.
pub type NotifySource = Box<dyn Fn() -> NotifyCounts + Send + Sync>;

/// What became of the rows of the history, as it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryCounts {
    /// Rows written since the start.
    pub recorded: u64,
    /// Rows left out since the start because it did not keep up.
    pub left_out: u64,
    /// Those among them that met `history.queue_rows_max`, and not `history.queue_epochs_max`.
    pub left_out_by_rows: u64,
    /// Attempts that failed since the start.
    pub failures: u64,
    /// Rows that wait now.
    pub waiting: u64,
    /// Epochs that they are of.
    pub waiting_epochs: u64,
    /// Newest epoch in it; -1 before the first.
    pub epoch: i64,
    /// Its size as far as it is known, bytes.
    pub bytes: u64,
    /// Rows that went since the start because it was as large as it may be.
    pub forgotten: u64,
}

/// Where the history's counts are read.
pub type HistorySource = Box<dyn Fn() -> HistoryCounts + Send + Sync>;

/// What became of the rows of the CSV sink, as it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsvSinkCounts {
    /// Rows written since the start.
    pub rows: u64,
    /// Rows that wait for a disk that fails.
    pub waiting: u64,
    /// Rows left out since the start because too many waited.
    pub left_out: u64,
    /// Attempts to write that failed since the start.
    pub failures: u64,
    /// Size of its files, bytes.
    pub bytes: u64,
    /// Files that went since the start because they were too old or too much.
    pub forgotten: u64,
}

/// Where the CSV sink's counts are read.
pub type CsvSinkSource = Box<dyn Fn() -> CsvSinkCounts + Send + Sync>;

/// What became, since the start, of epochs that were to have a digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestsNow {
    /// Digests written.
    pub written: u64,
    /// Epochs that wait for theirs.
    pub waiting: u64,
    /// Epochs without one, because those before waited for theirs.
    pub busy: u64,
    /// Epochs without one, because their batches were decoded under another layout.
    pub useless: u64,
    /// Epochs without one, because the disk is short of room.
    pub short: u64,
    /// Epochs without one, because it could not be written.
    pub failed: u64,
    /// Digests that a start found, of another version, layout or width of panes: their epochs were read.
    pub foreign: u64,
    /// Digests that a start found, and that are not what their first bytes say: their epochs were read.
    pub unreadable: u64,
}

/// Where the counts of digests are read.
pub type DigestSource = Box<dyn Fn() -> DigestsNow + Send + Sync>;

/// The counters of the edges.
pub struct Metrics {
    registry: Registry,
    accepted: IntCounterVec,
    refused: IntCounterVec,
    duplicates: IntCounter,
    unknown_fields: IntCounterVec,
    unknown_statuses: IntCounter,
    unknown_failures: IntCounter,
    remarks_cut: IntCounter,
    unknown_names: unknown::Names,
    http: HistogramVec,
    action_links: IntCounterVec,
    access_refused: IntCounterVec,
    refusals: access::Refusals,
    probes: IntCounterVec,
    verdict: Histogram,
    damaged_files: IntGauge,
    notify: OnceLock<NotifySource>,
    history: OnceLock<HistorySource>,
    csv_sink: OnceLock<CsvSinkSource>,
    digests: OnceLock<DigestSource>,
    limits: OnceLock<LimitSizes>,
    edges: limits::EdgeCounts,
    /// Label sets of alert counts that were shown once; they go to zero instead of away.
    alerts_seen: Mutex<BTreeSet<engine::AlertLabels>>,
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Errors
    /// Two metrics have one name, which the tests rule out.
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let accepted = counters(
            "chrysalis_events_accepted_total",
            "Events acknowledged since the start, repeats not counted, by type.",
            &["type"],
        )?;
        let refused = counters(
            "chrysalis_events_refused_total",
            "Lines refused since the start, by class of reason; /v1/quarantine shows the newest.",
            &["reason"],
        )?;
        let unknown_fields = counters(
            "chrysalis_event_unknown_fields_total",
            "Lines with a field that nobody knows, by its name; the field was left out.",
            &["field"],
        )?;
        let duplicates = IntCounter::new(
            "chrysalis_batches_duplicate_total",
            "Batches that had been acknowledged before and were not counted again.",
        )?;
        registry.register(Box::new(duplicates.clone()))?;
        let unknown_statuses = IntCounter::new(
            "chrysalis_mms_unknown_status_total",
            "Receipts taken as Indeterminate because no rule maps their status word; /v1/quarantine shows the newest.",
        )?;
        registry.register(Box::new(unknown_statuses.clone()))?;
        let unknown_failures = IntCounter::new(
            "chrysalis_dial_test_unknown_failure_total",
            "Dial tests taken as failed in the class `other` because no rule maps the failure that they name; /v1/quarantine shows the newest.",
        )?;
        registry.register(Box::new(unknown_failures.clone()))?;
        let remarks_cut = IntCounter::new(
            "chrysalis_mms_remarks_cut_total",
            "Delivery reports over MM7 that were taken with less of their remark than it has: texts have a limit.",
        )?;
        registry.register(Box::new(remarks_cut.clone()))?;
        let access_refused = counters(
            "chrysalis_access_refused_total",
            "Requests refused since the start, by reason: no_token, unknown_token, role, city, department, forged_link. The log has who, what and from where.",
            &["reason"],
        )?;
        for reason in [
            "no_token",
            "unknown_token",
            "role",
            "city",
            "department",
            "forged_link",
        ] {
            access_refused.with_label_values(&[reason]);
        }
        // Memory, processor time, open files of this process, by their usual names.
        #[cfg(target_os = "linux")]
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let http = HistogramVec::new(
            HistogramOpts::new(
                "chrysalis_http_request_duration_seconds",
                "Time from a request's head to its answer, by route.",
            )
            .buckets(LATENCY_BOUNDS_S.to_vec()),
            &["route", "method", "status"],
        )?;
        registry.register(Box::new(http.clone()))?;
        let probes = counters(
            "chrysalis_blackbox_scrapes_total",
            "Questions to blackbox exporters since the start, by probe and how they ended: told, no_answer, refused.",
            &["probe", "outcome"],
        )?;
        let action_links = counters(
            "chrysalis_action_links_total",
            "Requests to links of mails since the start, by what came of them.",
            &["outcome"],
        )?;
        let verdict = Histogram::with_opts(
            HistogramOpts::new(
                "chrysalis_epoch_verdict_duration_seconds",
                "Time from the tick that closed an epoch until its verdicts were told; not while catching up after a start.",
            )
            .buckets(VERDICT_BOUNDS_S.to_vec()),
        )?;
        registry.register(Box::new(verdict.clone()))?;
        let damaged_files = IntGauge::new(
            "chrysalis_damaged_files",
            "Checkpoints that the start passed over, and older checkpoints and journal segments, that were found damaged since the start.",
        )?;
        registry.register(Box::new(damaged_files.clone()))?;
        for stream in Stream::ALL {
            accepted.with_label_values(&[stream.name()]);
        }
        accepted.with_label_values(&[ANNOTATION]);
        for reason in RefusalReason::ALL {
            refused.with_label_values(&[reason.name()]);
        }
        Ok(Metrics {
            registry,
            accepted,
            refused,
            duplicates,
            unknown_fields,
            unknown_statuses,
            unknown_failures,
            remarks_cut,
            unknown_names: unknown::Names::default(),
            http,
            action_links,
            access_refused,
            refusals: access::Refusals::default(),
            probes,
            verdict,
            damaged_files,
            notify: OnceLock::new(),
            history: OnceLock::new(),
            csv_sink: OnceLock::new(),
            digests: OnceLock::new(),
            limits: OnceLock::new(),
            edges: limits::EdgeCounts::default(),
            alerts_seen: Mutex::default(),
        })
    }

    /// The verdicts of an epoch were told, so long after the tick that closed it.
    pub fn verdicts_told(&self, after: Duration) {
        self.verdict.observe(after.as_secs_f64());
    }

    /// So many files below the newest checkpoint were found damaged since the start.
    pub fn note_damaged_files(&self, count: u64) {
        self.damaged_files
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// How many files below the newest checkpoint were found damaged since the start.
    pub(crate) fn damaged_files(&self) -> u64 {
        u64::try_from(self.damaged_files.get()).unwrap_or(0)
    }

    /// Lets the page show what the mail room counts; the first source stays.
    pub fn set_notify_source(&self, source: NotifySource) {
        // A second source would be a second mail room, which there is not.
        let _ = self.notify.set(source);
    }

    /// Lets the page show what became of the history's rows; the first source stays.
    pub fn set_history_source(&self, source: HistorySource) {
        let _ = self.history.set(source);
    }

    /// Lets the page show what the CSV sink has written; the first source stays.
    pub fn set_csv_sink_source(&self, source: CsvSinkSource) {
        // There is one sink.
        let _ = self.csv_sink.set(source);
    }

    /// Lets the page show what became of digests; the first source stays.
    pub fn set_digest_source(&self, source: DigestSource) {
        let _ = self.digests.set(source);
    }

    /// Lets the page show the limits of the configuration; the first ones stay.
    pub fn set_limit_sizes(&self, sizes: LimitSizes) {
        // They change with a restart only.
        let _ = self.limits.set(sizes);
    }

    /// A batch was acknowledged.
    pub(crate) fn accepted(&self, batch: &Batch) {
        let mut of_streams = 0;
        for (id, progress) in &batch.sources {
            of_streams += progress.events;
            self.accepted
                .with_label_values(&[id.stream.name()])
                .inc_by(progress.events);
        }
        self.accepted
            .with_label_values(&[ANNOTATION])
            .inc_by(batch.events.saturating_sub(of_streams));
    }

    /// Lines were refused.
    pub(crate) fn refused(&self, refused: &[Refusal]) {
        for refusal in refused {
            self.refused
                .with_label_values(&[refusal.class.name()])
                .inc();
        }
    }

    /// A batch came again.
    pub(crate) fn duplicate(&self) {
        self.duplicates.inc();
    }

    /// Lines were taken although a word in them, a receipt's status or a test's failure, is mapped by no rule, or a remark
    /// is too long.
    pub(crate) fn doubtful(&self, lines: &[Refusal]) {
        for line in lines {
            match line.class {
                RefusalReason::UnknownFailure => self.unknown_failures.inc(),
                RefusalReason::LongText => self.remarks_cut.inc(),
                _ => self.unknown_statuses.inc(),
            }
        }
    }

    /// Somebody at this address was sent away.
    pub(crate) fn access_refused(&self, reason: &str, peer: Option<IpAddr>) {
        self.access_refused.with_label_values(&[reason]).inc();
        let minute_max = self.limit(access::LIMIT).unwrap_or(u64::MAX);
        let addresses_max = self.limit(access::ADDRESSES).unwrap_or(1);
        self.refusals
            .note(peer, minute_max, addresses_max, Instant::now());
    }

    /// Who was sent away within the last minute.
    pub fn refused_now(&self) -> AccessRefused {
        self.refusals.seen(Instant::now())
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, method: &str, status: &str, took: Duration) {
        self.http
            .with_label_values(&[route, method, status])
            .observe(took.as_secs_f64());
    }

    /// Somebody came by a link of a mail.
    pub(crate) fn came_by_link(&self, outcome: &'static str) {
        self.action_links.with_label_values(&[outcome]).inc();
    }

    /// An exporter was asked; names of probes are the configuration's.
    pub fn probed(&self, probe: &str, outcome: &str) {
        self.probes.with_label_values(&[probe, outcome]).inc();
    }

    /// What the mail room tells; nothing before it is there.
    pub(crate) fn notify_counts(&self) -> Option<NotifyCounts> {
        self.notify.get().map(|source| source())
    }

    /// What the CSV sink tells; nothing where there is none.
    fn digest_counts(&self) -> DigestsNow {
        let source = self.digests.get();
        source.map(|source| source()).unwrap_or_default()
    }

    fn csv_sink_counts(&self) -> Option<CsvSinkCounts> {
        self.csv_sink.get().map(|source| source())
    }

    /// What the history tells; nothing before it is there.
    fn history_counts(&self) -> Option<HistoryCounts> {
        self.history.get().map(|source| source())
    }
}

/// The one event type that belongs to no stream.
const ANNOTATION: &str = "annotation";
