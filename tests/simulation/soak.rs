//! Days of four streams in virtual time: what is held, and what a checkpoint weighs, must not grow after the
//! first day. Thirty days, or `SOAK_DAYS`; numbers are printed for each day.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chrysalis::journal::{Epoch, LineFormat, Position, Record};
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::machine::Mind;
use crate::story::{self, BEGIN_MS};

const MINUTE_MS: i64 = 60_000;
const MINUTES_A_DAY: i64 = 24 * 60;

/// One minute of all streams: an incident of two hours every day.
fn minute(chance: &mut Chance, minute: i64) -> Record {
    let ts = BEGIN_MS + minute * MINUTE_MS;
    let in_incident = (600..720).contains(&(minute % MINUTES_A_DAY));
    let mut lines = String::new();
    let mut say = |value: Value| lines.push_str(&format!("{value}\n"));
    for probe in 0..12 {
        let at = ts + probe * 5_000 - chance.below(15_000) as i64;
        let ok = chance.percent(if in_incident { 50 } else { 98 });
        let city = ["cs", "zz", "xt"][probe as usize % 3];
        say(
            json!({"type": "dial_test", "ts": at, "service": "news", "city": city, "ok": ok, "latency_ms": chance.below(600)}),
        );
    }
    for message in 0..4 {
        let id = format!("m{minute}-{message}");
        say(
            json!({"type": "mms_submit", "ts": ts, "message_id": id, "service": "news", "city": "cs"}),
        );
        if chance.percent(90) {
            let at = ts + chance.below(40_000) as i64;
            say(json!({"type": "mms_receipt", "ts": at, "message_id": id, "status": "Retrieved"}));
        }
    }
    if chance.percent(if in_incident { 90 } else { 5 }) {
        say(
            json!({"type": "complaint", "ts": ts, "serial": format!("t{minute}"), "version": 0, "state": "filed", "path": "数据业务/手机报", "service": "news", "city": "cs"}),
        );
    }
    Record::Batch {
        producer: None,
        received_ms: ts,
        format: LineFormat::Ndjson,
        events: lines.lines().count() as u64,
        lines: Bytes::from(lines),
    }
}

/// Resident memory, KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

#[test]
fn what_is_held_does_not_grow_after_the_first_day() {
    let days = std::env::var("SOAK_DAYS").map_or(30, |days| days.parse().unwrap());
    let mut chance = Chance::new(7);
    let mut mind = Mind::new(2);
    let mut held: Vec<(u64, usize)> = Vec::new();
    let mut notices = 0;
    for day in 0..days {
        let begun = Instant::now();
        for of_day in 0..MINUTES_A_DAY {
            let at = day * MINUTES_A_DAY + of_day;
            let mut records = vec![minute(&mut chance, at)];
            if at == 0 {
                records.insert(0, story::book(80, BEGIN_MS));
            }
            let position = |record| (Position(at as u64), Arc::new(record), None);
            let epoch = Epoch {
                epoch: at as u64,
                now_ms: BEGIN_MS + (at + 1) * MINUTE_MS,
                records: records.into_iter().map(position).collect(),
                next: Position(at as u64 + 1),
                last: false,
            };
            notices += mind.think(epoch, of_day + 1 == MINUTES_A_DAY).len();
        }
        let (keys, bytes) = mind.state_size().unwrap();
        println!(
            "day {}: {keys} keys, checkpoint {} KiB, resident {} KiB, {:.2} ms an epoch, {notices} notices so far",
            day + 1,
            bytes / 1024,
            resident_kib(),
            begun.elapsed().as_secs_f64() * 1e3 / MINUTES_A_DAY as f64
        );
        held.push((keys, bytes));
    }
    assert!(notices > 0, "no incident was told");
    let (keys, bytes) = held[1];
    for (day, (now_keys, now_bytes)) in held.iter().enumerate().skip(2) {
        assert!(*now_keys <= keys + keys / 10, "keys on day {}", day + 1);
        // Triggers and ended alerts are remembered up to their limits, some hundred bytes each.
        let remembered = 40_000 * day;
        assert!(
            *now_bytes <= bytes + bytes / 10 + remembered,
            "checkpoint on day {}: {now_bytes} after {bytes}",
            day + 1
        );
    }
}
