//! Lines of kqi-1 into the tuples that the circuit takes, on a thread of its own.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;

use anyhow::{Context, Result};
use dbsp::ZWeight;
use dbsp::utils::{Tup2, Tup3};
use serde::Deserialize;

/// Number of the key, latency in fixed point (`SUM_SCALE`), ok.
pub(crate) type Event = Tup3<u32, Option<i64>, bool>;
/// Fixed-point units of a millisecond: sums of whole numbers do not depend on their order.
pub(crate) const SUM_SCALE: f64 = 1e6;
const MINUTE_MS: i64 = 60_000;
/// Events of a transaction: some 36 s of kqi-1.
const BATCH_EVENTS: usize = 50_000;
const BUFFER_BYTES: usize = 1 << 20;

/// What one transaction takes.
#[derive(Default)]
pub(crate) struct Batch {
    /// Events by the minute at which theirs ends, counted from 1970.
    pub(crate) events: Vec<Tup2<i64, Tup2<Event, ZWeight>>>,
    /// Names of the keys that are new: service, city and channel with commas between.
    pub(crate) names: Vec<String>,
    /// Highest time so far, ms.
    pub(crate) highest_ms: i64,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    ts: i64,
    #[serde(borrow)]
    service: Cow<'a, str>,
    #[serde(borrow)]
    city: Cow<'a, str>,
    #[serde(borrow)]
    channel: Cow<'a, str>,
    ok: bool,
    latency_ms: Option<f64>,
}

/// Reads the whole file; ends early when nobody takes the batches any more.
///
/// # Errors
/// A file that cannot be read, or a line that is no event.
pub(crate) fn read(path: PathBuf, batches: SyncSender<Batch>) -> Result<()> {
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut batch = Batch::default();
    let (mut bytes, mut key) = (Vec::new(), String::new());
    loop {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let line: Line<'_> = sonic_rs::from_slice(&bytes)?;
        if line.kind != "dial_test" {
            continue;
        }
        key.clear();
        for (at, part) in [&line.service, &line.city, &line.channel]
            .into_iter()
            .enumerate()
        {
            if at > 0 {
                key.push(',');
            }
            key.push_str(part);
        }
        let number = match numbers.get(&key) {
            Some(number) => *number,
            None => {
                let number = numbers.len() as u32;
                numbers.insert(key.clone(), number);
                batch.names.push(key.clone());
                number
            }
        };
        let latency = line
            .latency_ms
            .map(|value| (value * SUM_SCALE).round() as i64);
        let end = line.ts.div_euclid(MINUTE_MS) + 1;
        batch
            .events
            .push(Tup2(end, Tup2(Tup3(number, latency, line.ok), 1)));
        batch.highest_ms = batch.highest_ms.max(line.ts);
        if batch.events.len() == BATCH_EVENTS {
            let next = Batch {
                highest_ms: batch.highest_ms,
                ..Batch::default()
            };
            if batches.send(std::mem::replace(&mut batch, next)).is_err() {
                return Ok(());
            }
        }
    }
    // The receiver has gone only after a failure of its own, which it tells.
    let _ = batches.send(batch);
    Ok(())
}
