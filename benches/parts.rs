//! The parts that the time of an event goes into, one at a time: `cargo bench --bench parts`.
//!
//! For comparing two versions of a part on one machine. What is promised is measured by `./bench`, and
//! what must not creep up by `./check cost`, which counts instructions.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to go on with"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

use chrysalis::dataflow::{Dataflow, DataflowConfig, EpochInput, Limits, Work};
use chrysalis::event::{Batch, DecodeLimits, Decoder, Parser};
use chrysalis::measure::{Gathered, Histogram, Measure, Parts, Total, bucket_of};
use chrysalis::rules::{Plan, parse};
use criterion::{BatchSize, Criterion, Throughput};

/// The book of kqi-1.
const BOOK: &str = include_str!("../rules/bench/kqi-1.yaml");
/// Keys of kqi-1, and events of one in a piece.
const KEYS: u64 = 1_344;
const PER_KEY: u64 = 6;
const START_MS: i64 = 1_772_409_600_000;
const MINUTE_MS: i64 = 60_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    histograms(&mut criterion);
    dataflow(&mut criterion);
    criterion.final_summary();
}

fn plan() -> Arc<Plan> {
    let (book, _) = parse(&[("kqi-1.yaml".to_owned(), BOOK.to_owned())]);
    Arc::new(Plan::new(Arc::new(book.unwrap()), None).unwrap())
}

fn lines(per_key: u64) -> String {
    let mut text = String::new();
    for event in 0..KEYS * per_key {
        let key = event * 7_919 % KEYS;
        let ts = START_MS + (event * 60_000 / (KEYS * per_key)) as i64;
        writeln!(
            text,
            "{{\"type\":\"dial_test\",\"ts\":{ts},\"id\":\"k-{event:08}\",\"service\":\"s{}\",\
             \"channel\":\"sms\",\"city\":\"长沙{}\",\"network\":\"gsm\",\"probe\":\"probe-{key}\",\
             \"target\":\"10086\",\"ok\":{},\"latency_ms\":{},\"bytes\":6292,\"content_ok\":true}}",
            key / 84,
            key % 84,
            event % 50 != 0,
            200 + event * 37 % 3_000,
        )
        .unwrap();
    }
    text
}

fn decode(criterion: &mut Criterion) {
    let (plan, text) = (plan(), lines(PER_KEY));
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(KEYS * PER_KEY));
    for (name, parser, text) in [
        ("scanner", Parser::Fast, text.clone()),
        // A blank before the last brace: the scanner gives up there, and the line is read once more.
        (
            "scanner in vain and sonic",
            Parser::Fast,
            text.replace("true}", "true }"),
        ),
        ("plain", Parser::Plain, text),
    ] {
        let mut decoder =
            Decoder::new(plan.layout.clone(), DecodeLimits::default()).parsing(parser);
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(decoder.decode(text.as_bytes())));
        });
    }
    group.finish();
}

fn histograms(criterion: &mut Criterion) {
    let pane = |seed: u64, count: u64| {
        let values = (0..count).map(move |at| 200.0 + ((at + seed) * 7_919 % 3_000) as f64);
        let mut buckets: Vec<i32> = values.map(bucket_of).collect();
        Histogram::from_buckets(&mut buckets)
    };
    let mut group = criterion.benchmark_group("histogram");
    for count in [10, 60, 600] {
        let (one, other) = (pane(1, count), pane(5, count));
        group.bench_function(format!("merge {count}"), |bencher| {
            bencher.iter_batched_ref(
                || one.clone(),
                |into| into.merge(&other),
                BatchSize::SmallInput,
            );
        });
    }
    let parts = Parts {
        histogram: true,
        extremes: false,
    };
    group.bench_function("gather 60", |bencher| {
        bencher.iter(|| {
            let mut gathered = Gathered::default();
            let pane = gathered.begin();
            (0..60).for_each(|at| gathered.add(pane, 200.0 + f64::from(at * 37 % 3_000), parts));
            black_box(gathered.measures())
        });
    });
    let panes: Vec<Measure> = (0..5)
        .map(|seed| Measure {
            count: 60,
            valued: 60,
            histogram: pane(seed, 60),
            ..Measure::default()
        })
        .collect();
    let mut total = Total::default();
    group.bench_function("five panes and a quantile", |bencher| {
        bencher.iter(|| {
            total.clear();
            panes.iter().for_each(|pane| total.add(pane));
            black_box(total.quantile(0.95))
        });
    });
    group.finish();
}

/// Combiner, route and panes; and with every minute the windows as well. With the price of an epoch on
/// its way through one worker.
fn dataflow(criterion: &mut Criterion) {
    let plan = plan();
    let mut group = criterion.benchmark_group("dataflow");
    for (name, per_key, step_ms) in [
        ("combine", PER_KEY, 0),
        ("combine and windows", 1, MINUTE_MS),
    ] {
        let mut decoder = Decoder::new(plan.layout.clone(), DecodeLimits::default());
        let batch = decoder.decode(lines(per_key).as_bytes()).batch;
        let config = DataflowConfig {
            workers: 1,
            keeps_history: false,
            limits: Limits::default(),
        };
        let Dataflow {
            mut feed, mut cuts, ..
        } = Dataflow::<()>::start(config).unwrap();
        let (mut first, mut by_ms) = (Some(plan.clone()), 0);
        group.throughput(Throughput::Elements(KEYS * per_key));
        group.bench_function(name, |bencher| {
            let prepared = || {
                by_ms += step_ms;
                Arc::new(shifted(&batch, by_ms))
            };
            let run = |batch| {
                let owner = Default::default();
                let work = Work::Decoded { batch, owner };
                let input = EpochInput {
                    plan: first.take(),
                    work: vec![work],
                    ..EpochInput::default()
                };
                assert!(feed.submit(input, ()));
                black_box(cuts.next_cut())
            };
            bencher.iter_batched(prepared, run, BatchSize::PerIteration);
        });
        drop(feed);
        drop(cuts);
    }
    group.finish();
}

/// The batch as of a later time.
fn shifted(batch: &Batch, by_ms: i64) -> Batch {
    let mut batch = batch.clone();
    batch.facts.iter_mut().for_each(|fact| fact.ts_ms += by_ms);
    let sources = batch.sources.values_mut();
    sources.for_each(|progress| progress.ts_ms_max += by_ms);
    batch
}
