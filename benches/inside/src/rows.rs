//! The rows.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrysalis::dataflow::StateError;
use chrysalis::engine::SaveError;
use serde_json::{Value, json};

use crate::lines::{Chance, MINUTE_MS, START_MS, dial, dial_minute, dial_with, receipt, submit};
use crate::run::{Run, book, cpu_ns, resident_bytes};

/// Events of one epoch: what `replay` takes at once.
const EPOCH_EVENTS: u64 = 70_000;
/// The same in bytes.
const EPOCH_BYTES: usize = 240 * EPOCH_EVENTS as usize;
/// Events of a key and minute.
const PER_KEY: u64 = 10;

const HEAD: &str =
    "book: {name: bench, version: '1', time_zone: Asia/Shanghai, pane: 1m, any_service: true}
streams: {dial_test: {allowed_lateness: 35s, idle_timeout: 5m, retention: 26h}}
kqis:
";

/// Count, ratio, mean and p95 by minute, by service and city.
pub(crate) fn one_family() -> String {
    let mut text = HEAD.to_owned();
    kqi(&mut text, "ratio", "ratio", "good: ok, unit: ratio", None);
    kqi(&mut text, "mean", "mean", "unit: ms", None);
    kqi(&mut text, "p95", "p95", "unit: ms", None);
    text
}

/// The same, with a limit on one of them: an alert rule watches every key.
fn watched_family() -> String {
    let mut text = HEAD.to_owned();
    let ratio = "good: ok, unit: ratio, interval: {min: 0.5}";
    kqi(&mut text, "ratio", "ratio", ratio, None);
    kqi(&mut text, "mean", "mean", "unit: ms", None);
    kqi(&mut text, "p95", "p95", "unit: ms", None);
    text
}

fn kqi(text: &mut String, id: &str, aggregate: &str, rest: &str, filter: Option<usize>) {
    let filter = filter.map_or_else(String::new, |service| {
        format!(", filter: \"service == 's{service}'\"")
    });
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "  - {{id: {id}, name: {{zh: {id}, en: {id}}}, layer: experience, stream: dial_test, \
         aggregate: {aggregate}, {rest}, group_by: [service, city], window: 1m{filter}}}"
    );
}

/// Feeds minutes in epochs of about the same size; returns CPU ns and events.
fn feed_minutes(
    run: &mut Run,
    chance: &mut Chance,
    keys: u64,
    minutes: std::ops::Range<i64>,
) -> Result<(u64, u64)> {
    let (mut spent_ns, mut events) = (0, 0);
    let mut text = String::new();
    let mut gathered = 0;
    let mut give = |run: &mut Run, text: &mut String, gathered: &mut u64| -> Result<()> {
        let before = cpu_ns();
        run.epoch(std::mem::take(text), false)?;
        spent_ns += cpu_ns() - before;
        events += std::mem::take(gathered);
        Ok(())
    };
    for minute in minutes {
        // A minute of many keys is more than an epoch: so many keys at a time.
        let step = (EPOCH_EVENTS / PER_KEY).min(keys);
        let mut from = 0;
        while from < keys {
            let until = (from + step).min(keys);
            dial_minute(&mut text, chance, minute, from..until, PER_KEY);
            gathered += (until - from) * PER_KEY;
            from = until;
            if gathered >= EPOCH_EVENTS {
                give(run, &mut text, &mut gathered)?;
            }
        }
    }
    if gathered > 0 {
        give(run, &mut text, &mut gathered)?;
    }
    Ok((spent_ns, events))
}

fn per(spent: u64, count: u64) -> f64 {
    spent as f64 / count.max(1) as f64
}

/// CPU per event with so many keys, all of which have been met before with every outcome: what a key costs when it is new is
/// no part of it, for few minutes of many keys would have a hundred times more of that than many minutes of few.
pub(crate) fn keys(keys: u64, minutes: i64) -> Result<Value> {
    let mut run = Run::start(book(&one_family())?, 1)?;
    let mut chance = Chance::new(1);
    feed_minutes(&mut run, &mut chance, keys, 0..1)?;
    let mut text = String::new();
    for key in 0..keys {
        dial_with(
            &mut text,
            &mut chance,
            (START_MS + MINUTE_MS - 1, key),
            false,
        );
        if text.len() > EPOCH_BYTES || key + 1 == keys {
            run.epoch(std::mem::take(&mut text), false)?;
        }
    }
    let (spent, events) = feed_minutes(&mut run, &mut chance, keys, 1..1 + minutes)?;
    run.stop();
    Ok(json!({"keys": keys, "events": events, "ns_per_event": per(spent, events)}))
}

/// Memory per live key and minute.
pub(crate) fn memory(keys: u64, minutes: i64, workers: usize) -> Result<Value> {
    let mut run = Run::start(book(&one_family())?, workers)?;
    let mut chance = Chance::new(1);
    // Ten minutes first: what is there once, and buffers that are used again, are not the panes'.
    let first = 10;
    feed_minutes(&mut run, &mut chance, keys, 0..first)?;
    let (before, held) = (resident_bytes()?, run.counts());
    feed_minutes(&mut run, &mut chance, keys, first..first + minutes)?;
    let (after, holds) = (resident_bytes()?, run.counts());
    let panes = holds.group_panes - held.group_panes;
    let tuple_panes = holds.tuple_panes - held.tuple_panes;
    run.stop();
    Ok(json!({
        "panes": panes,
        "tuple_panes": tuple_panes,
        "events_per_pane": PER_KEY,
        "resident_bytes": after,
        "bytes_per_pane": per(after.saturating_sub(before), panes),
    }))
}

/// How long a checkpoint holds workers and engine.
pub(crate) fn checkpoint(keys: u64, workers: usize) -> Result<Value> {
    const ORDINARY: usize = 9;
    /// Checkpoints that are asked for: one alone is as long as whatever else the machine did in it.
    const MARKED: usize = 5;
    let mut run = Run::start(book(&watched_family())?, workers)?;
    let mut chance = Chance::new(1);
    for minute in 0..2 {
        let mut from = 0;
        while from < keys {
            let until = (from + EPOCH_EVENTS).min(keys);
            let mut text = String::new();
            dial_minute(&mut text, &mut chance, minute, from..until, 1);
            run.epoch(text, false)?;
            from = until;
        }
    }
    let mut ts = START_MS + 2 * MINUTE_MS;
    let mut some = |run: &mut Run, checkpoint: bool| {
        let mut text = String::new();
        // A fifth of a second at 100,000 events/s.
        for _ in 0..20_000 {
            let key = chance.below(keys);
            dial(&mut text, &mut chance, ts, key);
        }
        ts += 200;
        run.epoch(text, checkpoint)
    };
    let (mut usual, mut pauses) = (Vec::new(), Vec::new());
    let mut state = None;
    for _ in 0..MARKED {
        // Whoever still held the one before would have what follows copied.
        drop(state.take());
        let mut ordinary = Vec::new();
        for _ in 0..ORDINARY {
            let took = some(&mut run, false)?;
            ordinary.push(took.dataflow + took.engine);
        }
        let marked = some(&mut run, true)?;
        let ordinary = median(&mut ordinary);
        usual.push(ordinary);
        let workers = (marked.dataflow + marked.engine).saturating_sub(ordinary);
        let began = Instant::now();
        let engine = run.engine().state();
        pauses.push((workers, began.elapsed()));
        drop(engine);
        state = marked.state;
    }
    let state = state.context("no state came with its cut")?;
    let live = state.keys();
    let began = Instant::now();
    let engine = run.engine().state();
    let engine_handing = began.elapsed();
    let mut engine_bytes = 0;
    engine.pieces(|piece| {
        engine_bytes += piece.len();
        Ok::<(), SaveError>(())
    })?;
    drop(engine);
    let engine_encoding = began.elapsed() - engine_handing;
    // While another thread encodes, operators copy what they touch.
    let writer = std::thread::spawn(move || {
        let began = Instant::now();
        let mut bytes = 0;
        let encoded = state.pieces(|piece| {
            bytes += piece.len();
            Ok::<(), StateError>(())
        });
        drop(state);
        encoded.map(|()| (bytes, began.elapsed()))
    });
    let mut during = Vec::new();
    while !writer.is_finished() {
        let took = some(&mut run, false)?;
        during.push(took.dataflow + took.engine);
    }
    let written = writer.join().ok().context("the writer panicked")??;
    run.stop();
    let told = |of: fn(&(Duration, Duration)) -> Duration| -> Vec<f64> {
        pauses.iter().map(|pause| ms(of(pause))).collect()
    };
    Ok(json!({
        "state_keys": live,
        "epoch_ms": ms(median(&mut usual)),
        "pauses_workers_ms": told(|pause| pause.0),
        "pauses_engine_ms": told(|pause| pause.1),
        "encode_engine_beside_ms": ms(engine_encoding),
        "epoch_while_writing_ms": during.first().copied().map(ms),
        "slowest_while_writing_ms": during.iter().copied().max().map(ms),
        "bytes": written.0 + engine_bytes,
        "encode_s": written.1.as_secs_f64(),
    }))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// CPU per event under so many rules, of which ten match each event.
pub(crate) fn rules(rules: usize, minutes: i64) -> Result<Value> {
    const MATCHING: [(&str, &str, &str); 10] = [
        ("ratio", "ratio", "good: ok, unit: ratio"),
        ("count", "count", "unit: count"),
        ("mean", "mean", "unit: ms"),
        ("sum", "sum", "unit: ms"),
        ("p50", "p50", "unit: ms"),
        ("p75", "p75", "unit: ms"),
        ("p90", "p90", "unit: ms"),
        ("p95", "p95", "unit: ms"),
        ("p99", "p99", "unit: ms"),
        ("p80", "p80", "unit: ms"),
    ];
    let sets = rules / MATCHING.len();
    let mut text = HEAD.to_owned();
    for set in 0..sets {
        for (name, aggregate, rest) in MATCHING {
            // With one set it is for all of the services, with a hundred each has its own.
            let filter = (sets > 1).then_some(set);
            kqi(
                &mut text,
                &format!("k{set}_{name}"),
                aggregate,
                rest,
                filter,
            );
        }
    }
    const KEYS: u64 = 1_000;
    let mut run = Run::start(book(&text)?, 1)?;
    let mut chance = Chance::new(1);
    feed_minutes(&mut run, &mut chance, KEYS, 0..5)?;
    let (spent, events) = feed_minutes(&mut run, &mut chance, KEYS, 5..5 + minutes)?;
    run.stop();
    Ok(
        json!({"rules": sets * MATCHING.len(), "events": events, "ns_per_event": per(spent, events)}),
    )
}

/// CPU per event in an empty engine, and in the same after a day.
pub(crate) fn state(keys: u64, minutes: i64) -> Result<Value> {
    const MEASURED: i64 = 60;
    let mut run = Run::start(book(&one_family())?, 1)?;
    let mut chance = Chance::new(1);
    feed_minutes(&mut run, &mut chance, keys, 0..5)?;
    let (spent, events) = feed_minutes(&mut run, &mut chance, keys, 5..5 + MEASURED)?;
    let full = 5 + minutes.max(MEASURED);
    feed_minutes(&mut run, &mut chance, keys, 5 + MEASURED..full)?;
    let holds = run.counts();
    let (later, events_later) = feed_minutes(&mut run, &mut chance, keys, full..full + MEASURED)?;
    run.stop();
    Ok(json!({
        "panes": holds.group_panes,
        "ns_per_event_empty": per(spent, events),
        "ns_per_event_full": per(later, events_later),
    }))
}

/// Memory per open message, and receipts/s while they are open.
pub(crate) fn mms(messages: u64, rules: &Path, workers: usize) -> Result<Value> {
    let (book, problems) = chrysalis::rules::load(rules);
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let mut run = Run::start(book.with_context(|| words.join("\n"))?, workers)?;
    let before = resident_bytes()?;
    let ts_of = |number: u64| START_MS + (number * 60_000 / 50_000 / 60) as i64;
    let began = Instant::now();
    let mut from = 0;
    while from < messages {
        let until = (from + EPOCH_EVENTS).min(messages);
        let mut text = String::new();
        (from..until).for_each(|message| submit(&mut text, ts_of(message), message));
        run.epoch(text, false)?;
        from = until;
    }
    let submitting = began.elapsed();
    let (after, holds) = (resident_bytes()?, run.counts());
    // Receipts of messages all over the state: a fifth of them.
    let receipts = messages / 5;
    let (mut wall, mut spent, mut given) = (Duration::ZERO, 0, 0);
    while given < receipts {
        let until = (given + EPOCH_EVENTS).min(receipts);
        let mut text = String::new();
        for number in given..until {
            receipt(&mut text, ts_of(messages + number), number * 5 + number % 5);
        }
        let cpu = cpu_ns();
        let took = run.epoch(text, false)?;
        spent += cpu_ns() - cpu;
        wall += took.dataflow + took.engine;
        given = until;
    }
    run.stop();
    Ok(json!({
        "open": holds.entities,
        "bytes_per_open": per(after.saturating_sub(before), holds.entities),
        "resident_bytes": after,
        "submits_per_s": messages as f64 / submitting.as_secs_f64(),
        "receipts_per_s": receipts as f64 / wall.as_secs_f64(),
        "cpu_ns_per_receipt": per(spent, receipts),
    }))
}
