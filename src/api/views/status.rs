//! The engine's state on the wire.

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Access, HealthNow, iso};
use crate::dataflow::{Counts, SourceState, Watermarks};
use crate::engine::Snapshot;
use crate::event::{SourceId, Stream};
use crate::journal::writer::WriterStats;
use crate::rules::RuleBook;

/// The state of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StatusView {
    /// `starting`, `ready` or `stopping`.
    pub state: String,
    /// What a start is at: `replay` from here on; before there is an engine `checkpoint`, `journal`, `ledger` or `engine`,
    /// with `starting_read_bytes` and `starting_all_bytes` of it, and `starting_takes_events` once `/v1/events`, `/mm7` and `/v1/complaints` do.
    pub starting_step: Option<String>,
    /// How much of what there is to read back of the journal is replayed, by bytes, while starting.
    pub starting_percent: Option<u8>,
    /// How long that still takes if it goes on as so far, seconds.
    pub starting_left_s: Option<f64>,
    /// Version of the engine.
    pub version: String,
    /// Rule book in force.
    pub rule_book: RuleBookView,
    /// The newest epoch that the engine acted on.
    pub epoch: Option<u64>,
    /// Epochs in the journal that it has not acted on.
    pub epochs_behind: u64,
    /// The server's clock, ms.
    pub now_ms: i64,
    /// The server's clock.
    pub now: String,
    /// The journal's clock as of that epoch, ms.
    pub tick_ms: i64,
    /// The journal's clock as of that epoch.
    pub tick: String,
    /// The operator's zone.
    pub time_zone: String,
    /// When the server started, ms.
    pub started_at_ms: i64,
    /// When the server started.
    pub started_at: String,
    /// What the engine stamps itself.
    pub stamps: StampsView,
    /// The journal.
    pub journal: JournalView,
    /// Checkpoints.
    pub checkpoint: CheckpointView,
    /// Who may use the API.
    pub access: AccessView,
    /// What waits.
    pub queues: QueuesView,
    /// Mails and posts to webhooks; null while their ledger does not answer.
    pub notices: Option<NoticesNowView>,
    /// Event time of each stream that has spoken.
    pub streams: Vec<StreamView>,
    /// Each source that has spoken; at most 1,000.
    pub sources: Vec<SourceView>,
    /// Sources that have spoken.
    pub sources_total: usize,
    /// What the dataflow holds and has counted.
    pub dataflow: CountsView,
}

/// What the engine stamps itself: probes, tickets without `ts`, reports without a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StampsView {
    /// How much earlier than the clock it is stamped, ms, because that was set ahead and live sources do not tell of its
    /// time; 0 where the clock is believed.
    pub held_by_ms: i64,
    /// Lines that were stamped so since the start.
    pub held_total: u64,
}

/// A rule book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleBookView {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// Who may use the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccessView {
    /// Whether whoever reaches the server may read and command, because there is no token. Nobody sees
    /// subscribers' numbers then.
    pub open: bool,
    /// Tokens that there are.
    pub tokens: usize,
}

/// The newest checkpoint of this process; empty until it has written one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckpointView {
    /// The epoch that it is the end of.
    pub epoch: Option<u64>,
    /// When it was complete, ms.
    pub at_ms: Option<i64>,
    /// When it was complete.
    pub at: Option<String>,
    /// Size of the file.
    pub bytes: Option<u64>,
    /// Keys in it: entities, tuples and groups.
    pub keys: Option<u64>,
    /// How long encoding and writing took, beside the engine, ms.
    pub took_ms: Option<u64>,
    /// Checkpoints that could not be written since the start.
    pub failures: u64,
    /// Checkpoints that were not written since the start because the history had not taken what they cover: a start replays
    /// that again, and records it.
    pub held_for_history: u64,
    /// Checkpoints that were written although it had not, after `history.hold_epochs_max` epochs.
    pub without_history: u64,
    /// Epochs before the checkpoint that this start began from of which the history did not know: what was decided in
    /// them, if anything, is not recorded.
    pub history_misses_epochs: u64,
    /// Journal segments cut off since the start.
    pub segments_cut: u64,
}

impl CheckpointView {
    fn of(health: &HealthNow, zone: &TimeZone) -> CheckpointView {
        let newest = health.checkpoint;
        CheckpointView {
            epoch: newest.map(|checkpoint| checkpoint.epoch),
            at_ms: newest.map(|checkpoint| checkpoint.at_ms),
            at: newest.map(|checkpoint| iso(checkpoint.at_ms, zone)),
            bytes: newest.map(|checkpoint| checkpoint.bytes),
            keys: newest.map(|checkpoint| checkpoint.keys),
            took_ms: newest.map(|checkpoint| checkpoint.took_ms),
            failures: health.checkpoint_failures,
            held_for_history: health.checkpoints_held,
            without_history: health.checkpoints_without_history,
            history_misses_epochs: health.history_misses,
            segments_cut: health.segments_cut,
        }
    }
}

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct JournalView {
    /// Events acknowledged since the journal began, repeats not counted.
    pub events_total: u64,
    /// Epochs closed since the journal began.
    pub epochs_total: u64,
    /// Position of the next record.
    pub next_position: u64,
    /// Bytes written since the start.
    pub written_bytes: u64,
    /// Records written since the start.
    pub records_written: u64,
    /// Times it was made durable since the start.
    pub fsyncs: u64,
    /// How long the last of them took, microseconds.
    pub fsync_us_last: u64,
    /// Segment files.
    pub segments: u64,
    /// Repeated batches since the start.
    pub duplicates: u64,
    /// Producers remembered.
    pub producers: usize,
    /// The disk is full: nothing is acknowledged.
    pub full: bool,
    /// Bytes free for the journal; null if its file system does not say.
    pub disk_free_bytes: Option<u64>,
    /// Bytes that are kept free.
    pub disk_free_bytes_min: u64,
    /// Less than that is free: new batches are refused, all else goes on.
    pub refusing: bool,
    /// Little more than that is free, and batches of those who filled most of what was left are refused.
    pub refusing_over_share: bool,
}

/// What waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueuesView {
    /// Submissions that wait to be durable.
    pub journal_requests: usize,
    /// Weight of the records that the dataflow has not got yet, bytes.
    pub journal_bytes: usize,
    /// Submissions refused since the start because of that.
    pub journal_refused_busy: u64,
    /// Submissions refused since the start because their producer had its share of the queue.
    pub journal_refused_share: u64,
    /// Memory of bodies under way, bytes.
    pub ingest_in_flight_bytes: usize,
}

/// Mails and posts to webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoticesNowView {
    /// That wait or are on their way.
    pub waiting: u64,
    /// That were given up: `GET /v1/notices?state=dead` lists them, `POST /v1/notices/resend` sends them again.
    pub dead_letters: u64,
}

/// Event time of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StreamView {
    /// Stream.
    pub stream: String,
    /// No more events before this are expected, ms.
    pub watermark_ms: Option<i64>,
    /// No more events before this are expected.
    pub watermark: Option<String>,
    /// The server's clock less the watermark.
    pub lag_s: Option<f64>,
    /// All its sources are silent.
    pub silent: bool,
}

/// One source of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SourceView {
    /// Stream.
    pub stream: String,
    /// The events' `source`; null for those that name none.
    pub source: Option<String>,
    /// The operator's own data, and not what outsiders tell: as the rule book has the source, or else the stream.
    pub internal: bool,
    /// Its newest event less the allowed lateness, ms.
    pub watermark_ms: i64,
    /// Its newest event less the allowed lateness.
    pub watermark: String,
    /// Its newest event, ms.
    pub newest_event_ms: i64,
    /// Its newest event.
    pub newest_event: String,
    /// The server's clock less its newest event.
    pub lag_s: f64,
    /// Events so far.
    pub events: u64,
    /// Silent for longer than its time-out.
    pub idle: bool,
    /// It speaks, but for longer than its idle time-out only of the past.
    pub lagging: bool,
}

/// What the dataflow holds and has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountsView {
    /// Facts older than the retention of their stream.
    pub facts_too_late: u64,
    /// Complaint tickets that were told, or told again, as filed before the retention of their stream: they are old versions, in no
    /// report's complaint records.
    pub tickets_too_late: u64,
    /// Facts of new tuples beyond the limit: they are not counted.
    pub facts_over_limit: u64,
    /// Facts of new dimension tuples of producers that hold their share of the limit.
    pub facts_over_share: u64,
    /// Facts counted for the overflow group `__other__`.
    pub facts_folded: u64,
    /// Groups that are told as `__other__`.
    pub groups_folded: u64,
    /// Records of new entities beyond the limit.
    pub entities_refused: u64,
    /// Records of new messages, tickets and connections of producers that hold their share of the limit.
    pub entities_over_share: u64,
    /// Records beyond the limit on those of all messages, tickets and connections together.
    pub records_refused: u64,
    /// Records of producers that hold their share of that limit.
    pub records_over_share: u64,
    /// Delivery reports that are earlier than their message's submission, beyond what clocks differ.
    pub reports_early: u64,
    /// Delivery reports held that count in no window: nobody told their submission (`mms_submit`), and they say no service.
    /// A submission that comes later counts them.
    pub receipts_waiting: u64,
    /// Such reports that were forgotten after the retention of their stream, since the start.
    pub receipts_unclaimed: u64,
    /// Conditions that had no answer.
    pub predicate_errors: u64,
    /// Messages, tickets and connections held.
    pub entities: u64,
    /// Their records held.
    pub records: u64,
    /// Dimension tuples held.
    pub tuples: u64,
    /// Groups held.
    pub groups: u64,
    /// Group panes held.
    pub group_panes: u64,
}

/// Sources listed, which is the size of one answer.
const SOURCES_MAX: usize = 1_000;

impl From<&Counts> for CountsView {
    fn from(counts: &Counts) -> CountsView {
        CountsView {
            facts_too_late: counts.facts_too_late,
            tickets_too_late: counts.tickets_too_late,
            facts_over_limit: counts.facts_over_limit,
            facts_over_share: counts.facts_over_share,
            facts_folded: counts.facts_folded,
            groups_folded: counts.groups_folded,
            entities_refused: counts.entities_refused,
            entities_over_share: counts.entities_over_share,
            records_refused: counts.records_refused,
            records_over_share: counts.records_over_share,
            reports_early: counts.reports_early,
            receipts_waiting: counts.receipts_waiting,
            receipts_unclaimed: counts.receipts_unclaimed,
            predicate_errors: counts.predicate_errors,
            entities: counts.entities,
            records: counts.records,
            tuples: counts.tuples,
            groups: counts.groups,
            group_panes: counts.group_panes,
        }
    }
}

impl From<&WriterStats> for JournalView {
    fn from(stats: &WriterStats) -> JournalView {
        JournalView {
            events_total: stats.events_total,
            epochs_total: stats.epochs_total,
            next_position: stats.next.0,
            written_bytes: stats.log.bytes_written_total,
            records_written: stats.log.records_written_total,
            fsyncs: stats.log.syncs_total,
            fsync_us_last: stats.log.sync_us_last,
            segments: stats.log.segments,
            duplicates: stats.duplicates_total,
            producers: stats.producers,
            full: stats.full,
            disk_free_bytes: stats.space.free_bytes,
            disk_free_bytes_min: stats.space.free_bytes_min,
            refusing: stats.space.is_low(),
            refusing_over_share: stats.disk_share_refuses,
        }
    }
}

impl StreamView {
    fn of(stream: Stream, marks: &Watermarks, now_ms: i64, zone: &TimeZone) -> StreamView {
        let at_ms = Some(marks.of(stream)).filter(|ms| ![i64::MIN, i64::MAX].contains(ms));
        StreamView {
            stream: stream.name().to_owned(),
            watermark_ms: at_ms,
            watermark: at_ms.map(|ms| iso(ms, zone)),
            lag_s: at_ms.map(|ms| (now_ms - ms) as f64 / 1_000.0),
            silent: marks.is_silent(stream),
        }
    }
}

impl RuleBookView {
    /// The name and version of a book.
    pub fn of(book: &RuleBook) -> RuleBookView {
        RuleBookView {
            name: book.name.clone(),
            version: book.version.clone(),
        }
    }
}

impl SourceView {
    /// A source, with how far behind the clock it is.
    pub fn of(id: &SourceId, state: &SourceState, snapshot: &Snapshot, now_ms: i64) -> SourceView {
        let zone = &snapshot.plan.zone;
        let rule = snapshot.plan.book.streams.get(&id.stream);
        let watermark_ms = state.ts_ms_max - rule.map_or(0, |rule| rule.allowed_lateness_ms);
        SourceView {
            stream: id.stream.name().to_owned(),
            source: id.name.as_deref().map(str::to_owned),
            internal: (snapshot.plan.book).is_internal(id.stream, id.name.as_deref()),
            watermark_ms,
            watermark: iso(watermark_ms, zone),
            newest_event_ms: state.ts_ms_max,
            newest_event: iso(state.ts_ms_max, zone),
            lag_s: (now_ms - state.ts_ms_max) as f64 / 1_000.0,
            events: state.events,
            idle: state.idle,
            lagging: state.lagging,
        }
    }
}

impl StatusView {
    /// The state as of `now_ms`.
    pub fn of(
        snapshot: &Snapshot,
        health: &HealthNow,
        stats: &WriterStats,
        (in_flight_bytes, stamps): (usize, (i64, u64)),
        access: &Access,
        unsettled: Option<(u64, u64)>,
        now_ms: i64,
    ) -> StatusView {
        let (zone, marks) = (&snapshot.plan.zone, &snapshot.watermarks);
        let spoken = |stream: &Stream| marks.of(*stream) != i64::MIN;
        StatusView {
            state: health.lifecycle.name().to_owned(),
            starting_step: matches!(health.lifecycle, crate::api::Lifecycle::Starting { .. })
                .then(|| "replay".to_owned()),
            starting_percent: match health.lifecycle {
                crate::api::Lifecycle::Starting { percent } => Some(percent),
                _ => None,
            },
            starting_left_s: health
                .starting_left_ms(now_ms)
                .map(|ms| ms as f64 / 1_000.0),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rule_book: RuleBookView::of(&snapshot.plan.book),
            epoch: snapshot.epoch,
            epochs_behind: health.epochs_behind(stats),
            now_ms,
            now: iso(now_ms, zone),
            tick_ms: snapshot.now_ms,
            tick: iso(snapshot.now_ms, zone),
            time_zone: snapshot.plan.book.time_zone.clone(),
            started_at_ms: health.started_at_ms,
            started_at: iso(health.started_at_ms, zone),
            stamps: StampsView {
                held_by_ms: stamps.0,
                held_total: stamps.1,
            },
            journal: stats.into(),
            checkpoint: CheckpointView::of(health, zone),
            access: AccessView {
                open: access.is_open(),
                tokens: access.tokens(),
            },
            queues: QueuesView {
                journal_requests: stats.queue_requests,
                journal_bytes: stats.queue_bytes,
                journal_refused_busy: stats.refused_busy_total,
                journal_refused_share: stats.refused_share_total,
                ingest_in_flight_bytes: in_flight_bytes,
            },
            notices: unsettled.map(|(waiting, dead_letters)| NoticesNowView {
                waiting,
                dead_letters,
            }),
            streams: Stream::ALL
                .into_iter()
                .filter(spoken)
                .map(|stream| StreamView::of(stream, marks, now_ms, zone))
                .collect(),
            sources: marks
                .sources()
                .take(SOURCES_MAX)
                .map(|(id, state)| SourceView::of(id, state, snapshot, now_ms))
                .collect(),
            sources_total: marks.sources().count(),
            dataflow: (&health.counts).into(),
        }
    }
}
