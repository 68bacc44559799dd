//! The windows of kqi-1 by DBSP: `peer-dbsp EVENTS.ndjson OUT_DIR`.
//!
//! Events are gathered by minute in a window operator that lets them go when the watermark has passed their
//! minute; what it lets go is folded once, not kept up to date. Five minutes are made of finished minutes
//! in the same way. So nothing is ever retracted, and the state is bounded: that is the cheapest plan that
//! this engine has for results which are told once.

mod read;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result, anyhow};
use dbsp::algebra::UnimplementedSemigroup;
use dbsp::circuit::CircuitConfig;
use dbsp::operator::Fold;
use dbsp::typed_batch::{IndexedZSetReader, SpineSnapshot};
use dbsp::utils::{Tup2, Tup5};
use dbsp::{
    DBData, IndexedZSetHandle, InputHandle, OrdIndexedZSet, OutputHandle, RootCircuit, Runtime,
    Stream, TypedBox, ZWeight,
};
use feldera_types::config::dev_tweaks::DevTweaks;

use crate::read::{Event, SUM_SCALE, read};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The version that Cargo.toml names.
const DBSP: &str = "0.349.0";
const WORKERS: usize = 2;
const MINUTE_MS: i64 = 60_000;
const SLIDING: i64 = 5;
/// `allowed_lateness` of the rule book.
const LATENESS_MS: i64 = 35_000;
/// What a window lets go must come in one piece, since it is folded once: two minutes of kqi-1 are 170,000
/// events, half of them on each worker. The comparison would show windows in pieces.
const RECORDS_AT_ONCE: u64 = 1 << 18;
/// Batches read before the circuit takes them.
const AHEAD: usize = 2;
/// Bits of a bucket within an octave: exponent and first bits of the mantissa, as the engine has them.
const SHIFT: u32 = 52 - 5;

/// Count, good, those with a latency, their sum in fixed point, and events by bucket, lowest first.
type Totals = Tup5<i64, i64, i64, i64, Vec<Tup2<u16, i64>>>;
/// End in minutes and number of the key.
type Window = Tup2<i64, u32>;
type Told = OutputHandle<SpineSnapshot<OrdIndexedZSet<Window, Totals>>>;

struct Handles {
    events: IndexedZSetHandle<i64, Event>,
    /// Ends of windows that may be told now: from the first, before the second.
    due: InputHandle<(i64, i64)>,
    minutes: Told,
    fives: Told,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let events = arguments.next().context("no file of events")?;
    let out = arguments.next().context("no folder for results")?;
    let first_due = Arc::new(AtomicI64::new(0));
    let mut config = CircuitConfig::from(WORKERS);
    config.dev_tweaks = DevTweaks {
        splitter_chunk_size_records: Some(RECORDS_AT_ONCE),
        ..DevTweaks::default()
    };
    let build = {
        let first_due = first_due.clone();
        move |circuit: &mut RootCircuit| circuit_of(circuit, &first_due)
    };
    let (mut circuit, handles) = Runtime::init_circuit(config, build)?;
    let (batches, taken) = sync_channel(AHEAD);
    let reader = std::thread::spawn(move || read(events, batches));
    let mut names = Vec::new();
    let mut minutes = create(&out, "1m.csv")?;
    let mut fives = create(&out, "5m.csv")?;
    let (mut told, mut last) = (0, 0);
    let mut step = |events: &mut Vec<_>, until: i64, names: &[String]| -> Result<()> {
        first_due.store(told, Ordering::Relaxed);
        handles.events.append(events);
        handles.due.set_for_all((told, until));
        circuit.transaction()?;
        told = until;
        write(&handles.minutes, &mut minutes, names, 1)?;
        write(&handles.fives, &mut fives, names, SLIDING)
    };
    for mut batch in taken {
        names.append(&mut batch.names);
        last = batch.highest_ms;
        // Before any event, nothing is due.
        let until = (last - LATENESS_MS).div_euclid(MINUTE_MS) + 1;
        step(&mut batch.events, until, &names)?;
    }
    step(
        &mut Vec::new(),
        last.div_euclid(MINUTE_MS) + SLIDING + 1,
        &names,
    )?;
    reader
        .join()
        .map_err(|_| anyhow!("the reader panicked"))??;
    minutes.flush()?;
    fives.flush()?;
    println!("{{\"version\": \"{DBSP}\"}}");
    Ok(())
}

fn circuit_of(circuit: &mut RootCircuit, first_due: &Arc<AtomicI64>) -> Result<Handles> {
    let (due, due_handle) = circuit.add_input_stream::<(i64, i64)>();
    let due = due.apply(|(first, until)| (TypedBox::new(*first), TypedBox::new(*until)));
    let (events, events_handle) = circuit.add_input_indexed_zset::<i64, Event>();
    let minutes = finished(&events, &due, first_due)
        .map_index(|(end, event)| (Tup2(*end, event.0), Tup2(event.1, event.2)))
        .stream_aggregate(Fold::<_, Totals, UnimplementedSemigroup<_>, _, _>::new(
            Totals::default(),
            add_events,
        ));
    let panes = minutes.flat_map_index(|(window, totals)| {
        let (Tup2(end, key), totals) = (*window, totals.clone());
        (0..SLIDING).map(move |later| (end + later, Tup2(key, totals.clone())))
    });
    let fives = finished(&panes, &due, first_due)
        .map_index(|(end, pane)| (Tup2(*end, pane.0), pane.1.clone()))
        .stream_aggregate(Fold::<_, Totals, UnimplementedSemigroup<_>, _, _>::new(
            Totals::default(),
            add_panes,
        ));
    Ok(Handles {
        events: events_handle,
        due: due_handle,
        minutes: minutes.accumulate_output(),
        fives: fives.accumulate_output(),
    })
}

type Due = Stream<
    RootCircuit,
    (
        TypedBox<i64, dbsp::dynamic::DynData>,
        TypedBox<i64, dbsp::dynamic::DynData>,
    ),
>;

/// What has become due now; the operator's retractions of what was due before are dropped.
fn finished<V: DBData>(
    stream: &Stream<RootCircuit, OrdIndexedZSet<i64, V>>,
    due: &Due,
    first_due: &Arc<AtomicI64>,
) -> Stream<RootCircuit, OrdIndexedZSet<i64, V>> {
    let first_due = first_due.clone();
    stream
        .window((true, false), due)
        .filter(move |(end, _)| *end >= first_due.load(Ordering::Relaxed))
}

/// Equal events come once, with how many they are; latencies come in order.
fn add_events(totals: &mut Totals, event: &Tup2<Option<i64>, bool>, times: ZWeight) {
    let Tup5(count, good, valued, sum, buckets) = totals;
    *count += times;
    *good += i64::from(event.1) * times;
    if let Some(latency) = event.0 {
        *valued += times;
        *sum += latency * times;
        let bucket = ((latency as f64 / SUM_SCALE).to_bits() >> SHIFT) as u16;
        match buckets.last_mut() {
            Some(last) if last.0 == bucket => last.1 += times,
            _ => buckets.push(Tup2(bucket, times)),
        }
    }
}

/// Equal panes of a key come once, too.
fn add_panes(totals: &mut Totals, pane: &Totals, times: ZWeight) {
    totals.0 += pane.0 * times;
    totals.1 += pane.1 * times;
    totals.2 += pane.2 * times;
    totals.3 += pane.3 * times;
    let before = std::mem::take(&mut totals.4);
    let (mut one, mut other) = (before.iter().peekable(), pane.4.iter().peekable());
    let merged = &mut totals.4;
    merged.reserve(before.len() + pane.4.len());
    loop {
        merged.push(match (one.peek(), other.peek()) {
            (Some(a), Some(b)) if a.0 == b.0 => {
                let sum = Tup2(a.0, a.1 + b.1 * times);
                (one.next(), other.next());
                sum
            }
            (Some(a), b) if b.is_none_or(|b| a.0 < b.0) => {
                let kept = **a;
                one.next();
                kept
            }
            (_, Some(b)) => {
                let added = Tup2(b.0, b.1 * times);
                other.next();
                added
            }
            _ => break,
        });
    }
}

/// Nearest rank: the middle of its bucket.
fn p95(totals: &Totals) -> Option<f64> {
    let rank = (0.95 * totals.2 as f64).ceil() as i64;
    let mut seen = 0;
    let at = totals.4.iter().find(|bucket| {
        seen += bucket.1;
        seen >= rank
    })?;
    let [low, high] = [0, 1].map(|more| f64::from_bits((u64::from(at.0) + more) << SHIFT));
    Some(low + (high - low) / 2.0)
}

fn create(folder: &Path, name: &str) -> Result<BufWriter<File>> {
    let path = folder.join(name);
    Ok(BufWriter::new(File::create(&path).with_context(|| {
        format!("cannot write {}", path.display())
    })?))
}

fn write(told: &Told, file: &mut BufWriter<File>, names: &[String], minutes: i64) -> Result<()> {
    for (Tup2(end, key), totals, weight) in told.concat().iter() {
        anyhow::ensure!(weight == 1, "a window is told {weight} times");
        let ratio = totals.1 as f64 / totals.0 as f64;
        let (start_ms, end_ms) = ((end - minutes) * MINUTE_MS, end * MINUTE_MS);
        write!(
            file,
            "{},{start_ms},{end_ms},{},{ratio},",
            names[key as usize], totals.0
        )?;
        if totals.2 > 0 {
            write!(file, "{}", totals.3 as f64 / (SUM_SCALE * totals.2 as f64))?;
        }
        match p95(&totals) {
            Some(value) => writeln!(file, ",{value}")?,
            None => writeln!(file, ",")?,
        }
    }
    Ok(())
}
