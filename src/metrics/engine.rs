//! The engine's own health as series, and its alerts and triggers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use prometheus::proto::MetricFamily;

use crate::alerting::{Alert, AlertState};
use crate::api::{Lifecycle, severity_name};
use crate::engine::ProcessValue;
use crate::event::Stream;
use crate::metrics::Scrape;
use crate::metrics::family::Family;
use crate::triggers::{Process, TriggerState};

/// Alert, service, severity, state.
pub(super) type AlertLabels = (String, String, &'static str, &'static str);

/// Label sets of alert counts that are remembered; beyond it, those that are zero go away. A size of the page, as the next two:
/// what it shows is bounded where it is kept.
const ALERTS_SEEN_MAX: usize = 5_000;
/// Sources with series of their own; the rest are left out and counted.
const SOURCES_MAX: usize = 1_000;
/// Ended alerts that stay on the page as zeros, so that graphs fall to the ground.
const ENDED_SHOWN_MAX: usize = 1_000;

/// Which part of its life the process is in.
pub(super) fn life(now: &str, page: &mut Vec<MetricFamily>) {
    let mut family = Family::gauge("state", "1 for the state of the engine.", &["state"]);
    for state in ["standby", "starting", "ready", "stopping"] {
        family.add([state], f64::from(u8::from(state == now)));
    }
    family.finish(page);
}

/// Version, rule book, life cycle.
pub(super) fn state(scrape: &Scrape<'_>, page: &mut Vec<MetricFamily>) {
    let book = &scrape.snapshot.plan.book;
    let mut info = Family::gauge(
        "build_info",
        "Version of the engine and of the rule book in force.",
        &["version", "rule_book", "rule_version"],
    );
    info.add([env!("CARGO_PKG_VERSION"), &book.name, &book.version], 1.0);
    info.finish(page);
    life(scrape.health.lifecycle.name(), page);
    let percent = match scrape.health.lifecycle {
        Lifecycle::Starting { percent } => f64::from(percent),
        Lifecycle::Ready | Lifecycle::Stopping => 100.0,
    };
    Family::gauge(
        "replay_progress_ratio",
        "How much of the journal that the start has to read back is replayed, by bytes.",
        &[],
    )
    .with(percent / 100.0)
    .finish(page);
    if let Some(left_ms) = scrape.health.starting_left_ms(scrape.now_ms) {
        Family::gauge(
            "replay_left_seconds",
            "How long the start still takes if it goes on as so far; absent once it is over.",
            &[],
        )
        .with(left_ms as f64 / 1_000.0)
        .finish(page);
    }
    Family::gauge(
        "clock_ahead_seconds",
        "How far the engine's time is ahead of the machine's clock, because that was set back.",
        &[],
    )
    .with(scrape.clock_ahead_ms as f64 / 1000.0)
    .finish(page);
    Family::gauge(
        "ingest_in_flight_bytes",
        "Memory that bodies under way hold.",
        &[],
    )
    .with(scrape.in_flight.bytes as f64)
    .finish(page);
}

/// Watermarks and sources.
pub(super) fn event_time(scrape: &Scrape<'_>, page: &mut Vec<MetricFamily>) {
    let marks = &scrape.snapshot.watermarks;
    let lag_s = |at_ms: i64| (scrape.now_ms.saturating_sub(at_ms)) as f64 / 1_000.0;
    if scrape.snapshot.epoch.is_some() {
        Family::gauge(
            "epoch_age_seconds",
            "Wall clock less the tick of the newest epoch acted on.",
            &[],
        )
        .with(lag_s(scrape.snapshot.now_ms))
        .finish(page);
    }
    let mut watermark = Family::gauge(
        "watermark_timestamp_seconds",
        "No more events before this are expected on the stream.",
        &["stream"],
    );
    let mut lag = Family::gauge(
        "watermark_lag_seconds",
        "Wall clock less the stream's watermark; absent before its first event.",
        &["stream"],
    );
    let mut silent = Family::gauge(
        "stream_silent",
        "1 when the stream has spoken and all its sources are silent.",
        &["stream"],
    );
    for stream in Stream::ALL {
        silent.add(
            [stream.name()],
            f64::from(u8::from(marks.is_silent(stream))),
        );
        let at_ms = marks.of(stream);
        if at_ms != i64::MIN && at_ms != i64::MAX {
            watermark.add([stream.name()], at_ms as f64 / 1_000.0);
            lag.add([stream.name()], lag_s(at_ms));
        }
    }
    [watermark, lag, silent]
        .into_iter()
        .for_each(|family| family.finish(page));
    let labels = &["stream", "source"];
    let mut source_lag = Family::gauge(
        "source_lag_seconds",
        "Wall clock less the newest event of the source.",
        labels,
    );
    let mut source_idle = Family::gauge(
        "source_idle",
        "1 while the source is silent for longer than its time-out.",
        labels,
    );
    let mut source_lagging = Family::gauge(
        "source_lagging",
        "1 if the source has spoken only of the past for longer than its idle time-out.",
        labels,
    );
    let mut events = Family::counter(
        "source_events_total",
        "Events of the source in the retained journal.",
        labels,
    );
    for (id, state) in marks.sources().take(SOURCES_MAX) {
        let values = [id.stream.name(), id.name.as_deref().unwrap_or_default()];
        source_lag.add(values, lag_s(state.ts_ms_max));
        source_idle.add(values, f64::from(u8::from(state.idle)));
        source_lagging.add(values, f64::from(u8::from(state.lagging)));
        events.add(values, state.events as f64);
    }
    [source_lag, source_idle, source_lagging, events]
        .into_iter()
        .for_each(|family| family.finish(page));
    Family::gauge("sources", "Sources that have spoken.", &[])
        .with(marks.sources().count() as f64)
        .finish(page);
}

/// What the dataflow counts and holds.
pub(super) fn dataflow(scrape: &Scrape<'_>, page: &mut Vec<MetricFamily>) {
    let counts = &scrape.health.counts;
    let counters = [
        (
            "dataflow_facts_too_late_total",
            "Facts older than the retention of their stream.",
            counts.facts_too_late,
        ),
        (
            "dataflow_tickets_too_late_total",
            "Tickets told as filed before the retention: old versions, in no report's records.",
            counts.tickets_too_late,
        ),
        (
            "dataflow_facts_over_limit_total",
            "Facts of new tuples beyond the limit: they are not counted.",
            counts.facts_over_limit,
        ),
        (
            "dataflow_facts_over_share_total",
            "Facts of new tuples of a producer that holds its share of the limit: they are not counted.",
            counts.facts_over_share,
        ),
        (
            "dataflow_facts_folded_total",
            "Facts counted for the overflow group `__other__`, for their own group was beyond the limit.",
            counts.facts_folded,
        ),
        (
            "dataflow_entities_refused_total",
            "Records of new messages, tickets or connections beyond the limit.",
            counts.entities_refused,
        ),
        (
            "dataflow_entities_over_share_total",
            "Records of new messages, tickets or connections of a producer that holds its share of the limit.",
            counts.entities_over_share,
        ),
        (
            "dataflow_records_refused_total",
            "Records of messages, tickets, connections or deliveries beyond the limit on all of them together.",
            counts.records_refused,
        ),
        (
            "dataflow_records_over_share_total",
            "Records of messages, tickets, connections or deliveries of a producer that holds its share of that limit.",
            counts.records_over_share,
        ),
        (
            "mms_reports_early_total",
            "Delivery reports that are earlier than their message's submission, beyond mms.early_tolerance.",
            counts.reports_early,
        ),
        (
            "mms_receipts_unclaimed_total",
            "Delivery reports that were forgotten and had counted in no window: nobody told their submission.",
            counts.receipts_unclaimed,
        ),
        (
            "dataflow_predicate_errors_total",
            "Conditions that had no answer for a tuple.",
            counts.predicate_errors,
        ),
    ];
    for (name, help, value) in counters {
        Family::counter(name, help, &[])
            .with(value as f64)
            .finish(page);
    }
    Family::gauge(
        "mms_receipts_without_submission",
        "Delivery reports that count in no window yet: nobody told their submission, and they say no service.",
        &[],
    )
    .with(counts.receipts_waiting as f64)
    .finish(page);
    let mut held = Family::gauge(
        "dataflow_held",
        "What the dataflow holds now, by kind.",
        &["kind"],
    );
    for (kind, value) in [
        ("entities", counts.entities),
        ("records", counts.records),
        ("tuples", counts.tuples),
        ("tuple_panes", counts.tuple_panes),
        ("groups", counts.groups),
        ("group_panes", counts.group_panes),
    ] {
        held.add([kind], value as f64);
    }
    held.finish(page);
    let mut folded = Family::gauge(
        "kqi_folded_groups",
        "Groups beyond limits.groups_max that are told as `__other__`, by the first KQI of those with the \
         same groups; absent where there are none.",
        &["kqi"],
    );
    for (kqi, groups) in scrape.snapshot.folded.iter() {
        folded.add([kqi], *groups as f64);
    }
    folded.finish(page);
}

/// Alerts by state, and one series for each that fires.
pub(super) fn alerts(
    scrape: &Scrape<'_>,
    seen: &Mutex<BTreeSet<AlertLabels>>,
    page: &mut Vec<MetricFamily>,
) {
    let mut counts: BTreeMap<AlertLabels, u64> = BTreeMap::new();
    let mut firing: BTreeMap<[&str; 5], f64> = BTreeMap::new();
    let mut ended = 0;
    for alert in scrape.snapshot.alerts.iter() {
        if alert.state == AlertState::Resolved {
            ended += 1;
            if ended <= ENDED_SHOWN_MAX {
                firing.entry(firing_labels(alert)).or_insert(0.0);
            }
            continue;
        }
        *counts.entry(count_labels(alert)).or_default() += 1;
        if alert.state == AlertState::Firing {
            firing.insert(firing_labels(alert), 1.0);
        }
    }
    let mut family = Family::gauge(
        "alerts",
        "Alerts that are pending or firing; zero once there were some.",
        &["alert", "service", "severity", "state"],
    );
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() > ALERTS_SEEN_MAX {
        seen.clear();
    }
    seen.extend(counts.keys().cloned());
    for labels in seen.iter() {
        let (alert, service, severity, state) = labels;
        let count = counts.get(labels).copied().unwrap_or(0);
        family.add([alert, service, severity, state], count as f64);
    }
    family.finish(page);
    let mut family = Family::gauge(
        "alert_firing",
        "1 while the alert fires on this object, 0 for a while after.",
        &["alert", "service", "city", "group", "severity"],
    );
    for (labels, value) in firing {
        family.add(labels, value);
    }
    family.finish(page);
}

fn count_labels(alert: &Alert) -> AlertLabels {
    (
        alert.alert.clone(),
        alert.service.clone().unwrap_or_default(),
        severity_name(alert.severity),
        alert.state.name(),
    )
}

fn firing_labels(alert: &Alert) -> [&str; 5] {
    let city = alert
        .group
        .iter()
        .find(|(name, _)| name == "city")
        .map_or("", |(_, value)| value);
    [
        &alert.alert,
        alert.service.as_deref().unwrap_or_default(),
        city,
        &alert.group_label,
        severity_name(alert.severity),
    ]
}

/// Triggers by state and department.
pub(super) fn triggers(scrape: &Scrape<'_>, page: &mut Vec<MetricFamily>) {
    let snapshot = scrape.snapshot;
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for department in &snapshot.plan.book.departments {
        for state in TriggerState::ALL {
            counts.insert((state.name(), &department.id), 0);
        }
    }
    for trigger in snapshot.triggers.iter() {
        *counts
            .entry((trigger.state.name(), &trigger.owner.department))
            .or_default() += 1;
    }
    let mut family = Family::gauge(
        "triggers",
        "Optimization triggers, by state and department.",
        &["state", "department"],
    );
    for ((state, department), count) in counts {
        family.add([state, department], count as f64);
    }
    family.finish(page);
    process(&snapshot.process, page);
    process_kqis(&snapshot.process_values, page);
    Family::counter(
        "triggers_refused_total",
        "Triggers that were not opened because too many were open; the alerts were mailed all the same.",
        &[],
    )
    .with(snapshot.triggers_refused_total as f64)
    .finish(page);
    Family::counter(
        "past_windows_refused_total",
        "Windows whose past is not kept for measuring effects, because too many objects have one.",
        &[],
    )
    .with(snapshot.past_refused_total as f64)
    .finish(page);
}

/// KQIs of the process of triggers, as the rule book judges them.
fn process_kqis(values: &[ProcessValue], page: &mut Vec<MetricFamily>) {
    let labels = &["kqi", "department"];
    let mut value = Family::gauge(
        "process_kqi_value",
        "KQI of the process of triggers: mean over its window, in hand-overs or hours, by department (empty: all).",
        labels,
    );
    let mut limit = Family::gauge(
        "process_kqi_limit",
        "Largest reasonable value of a KQI of the process of triggers.",
        labels,
    );
    let mut score = Family::gauge(
        "process_kqi_score",
        "Score of a KQI of the process of triggers, 1 to 5; none with too few samples.",
        labels,
    );
    for of in values {
        let whose = || [of.kqi.id.as_str(), of.department.as_str()];
        value.add(whose(), of.value);
        limit.add(whose(), of.limit());
        if let Some(points) = of.score {
            score.add(whose(), points);
        }
    }
    value.finish(page);
    limit.finish(page);
    score.finish(page);
}

/// Counters of the process of triggers itself.
fn process(process: &Process, page: &mut Vec<MetricFamily>) {
    let seconds = |ms: i64| ms as f64 / 1e3;
    let mut count = Family::counter(
        "trigger_state_stays_total",
        "Stays of triggers in a state that ended, by department and state.",
        &["department", "state"],
    );
    let mut time = Family::counter(
        "trigger_state_seconds_total",
        "Time that triggers spent in a state, by department and state.",
        &["department", "state"],
    );
    for ((department, state), stays) in &process.stays {
        count.add([department, state.name()], stays.count as f64);
        time.add([department, state.name()], seconds(stays.total_ms));
    }
    count.finish(page);
    time.finish(page);
    let mut closed = Family::counter(
        "triggers_closed_total",
        "Triggers that were closed, by department and outcome.",
        &["department", "outcome"],
    );
    let mut resolution = Family::counter(
        "trigger_resolution_seconds_total",
        "Time from opening to closing of triggers that were closed, by department and outcome.",
        &["department", "outcome"],
    );
    for ((department, outcome), stays) in &process.closed {
        closed.add([department, outcome], stays.count as f64);
        resolution.add([department, outcome], seconds(stays.total_ms));
    }
    closed.finish(page);
    resolution.finish(page);
    let mut hops = Family::counter(
        "trigger_hops_total",
        "Hand-overs of triggers between departments, by the department that handed on.",
        &["department"],
    );
    for (department, count) in &process.hops {
        hops.add([department], *count as f64);
    }
    hops.finish(page);
    for (name, help, value) in [
        (
            "triggers_opened_total",
            "Triggers opened.",
            process.opened_total,
        ),
        (
            "trigger_reminders_total",
            "Reminders of due times.",
            process.reminders_total,
        ),
        (
            "trigger_escalations_total",
            "Steps of escalation that overdue triggers took.",
            process.escalations_total,
        ),
        (
            "triggers_rested_total",
            "Demands that a decision not to optimise held back.",
            process.rested_total,
        ),
        (
            "triggers_unowned_total",
            "Demands for which the rule book names nobody at all.",
            process.unowned_total,
        ),
    ] {
        Family::counter(name, help, &[])
            .with(value as f64)
            .finish(page);
    }
}
