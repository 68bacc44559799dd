//! What the page shows, as text: every choice of word and colour class is made here and tested here.

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::alerting::{Alert, AlertState};
use crate::api::{Current, HealthNow, Lifecycle, Standing, ago, badness, iso, number_text};
use crate::console::process::{self, ProcessRow};
use crate::console::trigger_rows::TriggerRow;
use crate::console::words::{
    Chip, chip, clock, department, limit_source, limits, measured, place, service_name,
    severity_chip, severity_class, thousands, verdict_chip,
};
use crate::dataflow::Watermarks;
use crate::engine::Snapshot;
use crate::event::Stream;
use crate::journal::writer::WriterStats;
use crate::metrics::NotifyCounts;
use crate::rules::{Text, Verdict};
use crate::scores::health;
use crate::triggers::{Trigger, by_urgency};

/// Rows of a table; the rest is a link to the API.
const ROWS_MAX: usize = 50;

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct PageView {
    pub(super) title: String,
    pub(super) headline: Chip,
    pub(super) state: Chip,
    pub(super) now: String,
    pub(super) zone: String,
    pub(super) version: &'static str,
    pub(super) book: String,
    pub(super) facts: Vec<FactRow>,
    /// Notices that were given up: an operator has to look.
    pub(super) dead_letters: u64,
    pub(super) notices_queued: u64,
    pub(super) services: Vec<ServiceRow>,
    pub(super) alerts: Vec<AlertRow>,
    pub(super) alerts_total: usize,
    pub(super) pending_total: usize,
    pub(super) triggers: Vec<TriggerRow>,
    pub(super) triggers_total: usize,
    pub(super) process: Vec<ProcessRow>,
    pub(super) sources: Vec<SourceRow>,
    pub(super) sources_total: usize,
}

/// A number of the engine.
#[derive(Debug, Serialize)]
pub(super) struct FactRow {
    pub(super) zh: &'static str,
    pub(super) en: &'static str,
    pub(super) value: String,
}

/// A service.
#[derive(Debug, Serialize)]
pub(super) struct ServiceRow {
    pub(super) id: String,
    pub(super) zh: String,
    pub(super) en: String,
    pub(super) verdict: Chip,
    pub(super) health: String,
    pub(super) score: String,
    pub(super) counts: Vec<(Chip, u64)>,
}

/// An alert that fires.
#[derive(Debug, Serialize)]
pub(super) struct AlertRow {
    pub(super) incident: String,
    pub(super) severity: Chip,
    pub(super) zh: String,
    pub(super) en: String,
    pub(super) service: String,
    pub(super) place: String,
    pub(super) value: String,
    pub(super) limit: String,
    /// Where the limit comes from.
    pub(super) limit_source: Option<String>,
    pub(super) since: String,
    pub(super) department: String,
    pub(super) trigger: Option<String>,
}

/// A source of events.
#[derive(Debug, Serialize)]
pub(super) struct SourceRow {
    pub(super) stream: &'static str,
    pub(super) source: String,
    /// Whether outsiders tell it.
    pub(super) is_external: bool,
    pub(super) state: Chip,
    pub(super) newest: String,
    pub(super) behind: String,
    pub(super) watermark: String,
    pub(super) events: String,
}

impl AlertRow {
    fn of(alert: &Alert, snapshot: &Snapshot, now_ms: i64) -> AlertRow {
        let (book, zone) = (&snapshot.plan.book, &snapshot.plan.zone);
        let Text { zh, en } = alert.name.clone();
        AlertRow {
            incident: alert.incident.clone(),
            severity: severity_chip(alert.severity),
            zh,
            en,
            service: alert.service_name.as_ref().map_or_else(
                || service_name(book, alert.service.as_deref()),
                |name| name.zh.clone(),
            ),
            place: place(&alert.group),
            value: measured(alert.value, &alert.unit),
            limit: limits(alert.limit_min, alert.limit_max, &alert.unit),
            limit_source: limit_source(book, alert.kqi.as_deref()),
            since: clock(alert.active_since_ms, now_ms, zone),
            department: department(book, alert.department.as_deref()),
            trigger: alert.trigger.clone(),
        }
    }
}

/// Services of which nothing is known yet.
fn services_to_come(snapshot: &Snapshot) -> Vec<ServiceRow> {
    let book = &snapshot.plan.book;
    let row = |id: &str, Text { zh, en }: Text| ServiceRow {
        id: id.to_owned(),
        zh,
        en,
        verdict: chip("planned", "启动中", "starting"),
        health: "—".to_owned(),
        score: "—".to_owned(),
        counts: Vec::new(),
    };
    let known = book.services.iter();
    known
        .map(|service| row(&service.id, service.name.clone()))
        .collect()
}

fn services(current: &Current) -> Vec<ServiceRow> {
    let measured = current.measured();
    let row = |id: &str, name: Text| {
        let standing = Standing::of(current, id);
        let mut counts: Vec<(Verdict, u64)> = standing
            .counts
            .iter()
            .map(|(verdict, count)| (*verdict, *count))
            .collect();
        counts.sort_by_key(|(verdict, _)| std::cmp::Reverse(badness(*verdict)));
        ServiceRow {
            id: id.to_owned(),
            zh: name.zh,
            en: name.en,
            verdict: verdict_chip(standing.worst()),
            health: health(&current.plan.book, id, &measured)
                .mean
                .map_or_else(|| "—".to_owned(), |score| format!("{score:.1}")),
            score: standing
                .score
                .map_or_else(|| "—".to_owned(), |score| format!("{score:.1}")),
            counts: counts
                .into_iter()
                .map(|(verdict, count)| (verdict_chip(verdict), count))
                .collect(),
        }
    };
    let known = current.plan.book.services.iter();
    known
        .map(|service| row(&service.id, service.name.clone()))
        .collect()
}

fn sources(snapshot: &Snapshot, now_ms: i64) -> Vec<SourceRow> {
    let marks: &Watermarks = &snapshot.watermarks;
    let zone = &snapshot.plan.zone;
    marks
        .sources()
        .take(ROWS_MAX)
        .map(|(id, state)| {
            let watermark = match marks.of(id.stream) {
                i64::MIN | i64::MAX => "—".to_owned(),
                ms => clock(ms, now_ms, zone),
            };
            SourceRow {
                stream: id.stream.name(),
                source: id.name.as_deref().unwrap_or_default().to_owned(),
                is_external: !(snapshot.plan.book).is_internal(id.stream, id.name.as_deref()),
                state: if state.idle {
                    chip("silent", "静默", "silent")
                } else if state.lagging {
                    chip("silent", "滞后", "lagging")
                } else {
                    chip("ok", "有数据", "speaking")
                },
                newest: clock(state.ts_ms_max, now_ms, zone),
                behind: match now_ms - state.ts_ms_max {
                    // Its clock, or ours, is wrong.
                    ms if ms < 0 => format!("−{}", ago(-ms)),
                    ms => ago(ms),
                },
                watermark,
                events: thousands(state.events),
            }
        })
        .collect()
}

/// The sentence at the top: the first thing that somebody should do something about.
fn headline(
    health: &HealthNow,
    firing: &[&Alert],
    snapshot: &Snapshot,
    stats: &WriterStats,
    services: &[ServiceRow],
    now_ms: i64,
) -> Chip {
    if stats.full {
        return chip(
            "critical",
            "磁盘已满，停止接收",
            "the disk is full, nothing is taken",
        );
    }
    if stats.space.is_low() {
        return chip(
            "critical",
            "磁盘空间不足，暂停接收新数据",
            "the disk runs low, no new events are taken",
        );
    }
    match health.lifecycle {
        Lifecycle::Starting { percent } => {
            let left = health.starting_left_ms(now_ms).map(ago);
            let (zh, en) = match &left {
                Some(left) => (format!("，约剩 {left}"), format!(", about {left} left")),
                None => Default::default(),
            };
            return chip(
                "planned",
                format!("启动中，日志回放 {percent}%{zh}"),
                format!("starting, {percent} % of the journal replayed{en}"),
            );
        }
        Lifecycle::Stopping => return chip("planned", "正在停止", "stopping"),
        Lifecycle::Ready => {}
    }
    if let Some(worst) = firing.iter().map(|alert| alert.severity).max() {
        let count = firing.len();
        return chip(
            severity_class(worst),
            format!("{count} 个告警"),
            if count == 1 {
                "1 alert fires".to_owned()
            } else {
                format!("{count} alerts fire")
            },
        );
    }
    if Stream::ALL
        .iter()
        .any(|stream| snapshot.watermarks.is_silent(*stream))
    {
        return chip("silent", "有数据流静默", "a stream is silent");
    }
    if snapshot.watermarks.sources().next().is_none() {
        return chip("blind", "尚未收到数据", "nothing received yet");
    }
    let blind = services
        .iter()
        .any(|service| !matches!(service.verdict.class, "ok" | "planned"));
    if blind {
        return chip(
            "blind",
            "无告警，部分业务无法判断",
            "no alert fires, but not every service can be judged",
        );
    }
    chip("ok", "无告警", "no alert fires")
}

impl PageView {
    pub(super) fn of(
        snapshot: &Snapshot,
        current: Option<&Current>,
        health: &HealthNow,
        stats: &WriterStats,
        mails: Option<&NotifyCounts>,
        now_ms: i64,
    ) -> PageView {
        let (book, zone) = (&snapshot.plan.book, &snapshot.plan.zone);
        let in_state = |state| move |alert: &&Alert| alert.state == state;
        let alerts = || snapshot.alerts.iter().map(|alert| &**alert);
        let mut firing: Vec<&Alert> = alerts().filter(in_state(AlertState::Firing)).collect();
        let pending = alerts().filter(in_state(AlertState::Pending));
        let services = match current {
            Some(current) => services(current),
            None => services_to_come(snapshot),
        };
        let headline = headline(health, &firing, snapshot, stats, &services, now_ms);
        firing.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.active_since_ms)));
        let mut open: Vec<&Trigger> = snapshot
            .triggers
            .iter()
            .map(|trigger| &**trigger)
            .filter(|trigger| !trigger.state.is_final())
            .collect();
        open.sort_by(|a, b| by_urgency(a, b));
        let state = match health.lifecycle {
            Lifecycle::Ready => chip("ok", "运行中", "ready"),
            Lifecycle::Starting { .. } => chip("planned", "启动中", "starting"),
            Lifecycle::Stopping => chip("planned", "停止中", "stopping"),
        };
        PageView {
            title: format!("{} · {}", headline.zh, book.name),
            headline,
            state,
            now: clock_full(now_ms, zone),
            zone: book.time_zone.clone(),
            version: env!("CARGO_PKG_VERSION"),
            book: format!("{} {}", book.name, book.version),
            facts: facts(snapshot, health, stats, now_ms),
            dead_letters: mails.map_or(0, |mails| mails.dead_letters),
            notices_queued: mails.map_or(0, |mails| mails.queued),
            services,
            alerts_total: firing.len(),
            pending_total: pending.count(),
            alerts: firing
                .iter()
                .take(ROWS_MAX)
                .map(|alert| AlertRow::of(alert, snapshot, now_ms))
                .collect(),
            triggers_total: open.len(),
            process: process::rows(snapshot),
            triggers: open
                .iter()
                .take(ROWS_MAX)
                .map(|trigger| TriggerRow::of(trigger, snapshot, now_ms))
                .collect(),
            sources: sources(snapshot, now_ms),
            sources_total: snapshot.watermarks.sources().count(),
        }
    }
}

fn clock_full(ms: i64, zone: &TimeZone) -> String {
    let text = iso(ms, zone);
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text,
    }
}

fn facts(
    snapshot: &Snapshot,
    health: &HealthNow,
    stats: &WriterStats,
    now_ms: i64,
) -> Vec<FactRow> {
    let row = |zh, en, value| FactRow { zh, en, value };
    let tick = match snapshot.epoch {
        Some(_) => ago(now_ms - snapshot.now_ms),
        None => "—".to_owned(),
    };
    vec![
        row("已确认事件", "events", thousands(stats.events_total)),
        row(
            "纪元",
            "epoch",
            snapshot.epoch.map_or("—".to_owned(), thousands),
        ),
        row("距上一节拍", "since tick", tick),
        row(
            "待处理纪元",
            "epochs behind",
            thousands(health.epochs_behind(stats)),
        ),
        row(
            "日志队列",
            "journal queue",
            format!("{} KiB", thousands(stats.queue_bytes as u64 / 1024)),
        ),
        row(
            "上次检查点",
            "last checkpoint",
            match (health.checkpoint, health.checkpoint_failures) {
                (_, 1..) => format!("{} 次失败 failed", health.checkpoint_failures),
                (_, 0) if health.epochs_held > 0 => "等待历史库 waits for the history".to_owned(),
                (Some(checkpoint), 0) => ago(now_ms - checkpoint.at_ms),
                (None, 0) => "—".to_owned(),
            },
        ),
        row(
            "日志磁盘剩余",
            "disk left",
            stats.space.free_bytes.map_or("—".to_owned(), |bytes| {
                format!("{} MiB", thousands(bytes >> 20))
            }),
        ),
        row(
            "上次落盘",
            "last sync",
            format!(
                "{} ms",
                number_text(stats.log.sync_us_last as f64 / 1_000.0)
            ),
        ),
    ]
}
