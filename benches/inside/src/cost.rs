//! The same work so many times, for a program that counts instructions: nothing depends on the machine's
//! mood. `benches/cost.py` takes the difference of two numbers of times, so that what is done once does
//! not count.

use std::sync::Arc;

use anyhow::{Result, ensure};
use chrysalis::dataflow::Work;
use chrysalis::event::{Batch, DecodeLimits, Decoder};
use chrysalis::rules::Plan;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::lines::{Chance, MINUTE_MS, dial_minute};
use crate::rows::one_family;
use crate::run::{Run, book};

/// Keys of the work: as many as kqi-1 has.
const KEYS: u64 = 1_344;
/// Events of a key in a piece, about as `replay` meets them in 2 MiB.
const PER_KEY: u64 = 6;

/// What is repeated.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Part {
    /// Lines to a batch.
    Decode,
    /// Batches of one minute through combiner and route into their panes.
    Combine,
    /// Batches with one event a key and minute: a window is sealed for each.
    Windows,
}

/// Architecture, and what of it the libraries here choose their instructions by, as this process is shown it: by valgrind,
/// if it runs under that.
fn instruction_set() -> Vec<&'static str> {
    let mut names = vec![std::env::consts::ARCH];
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("bmi2", std::arch::is_x86_feature_detected!("bmi2")),
            ("avx", std::arch::is_x86_feature_detected!("avx")),
            ("sse4_2", std::arch::is_x86_feature_detected!("sse4.2")),
            (
                "pclmulqdq",
                std::arch::is_x86_feature_detected!("pclmulqdq"),
            ),
        ];
        let shown = known.iter().filter(|(_, is_there)| *is_there);
        names.extend(shown.map(|(name, _)| *name));
    }
    names
}

/// Repeats a part; tells how many units of work one time is, and the instruction set.
pub(crate) fn cost(part: Part, times: i64) -> Result<Value> {
    let (units, unit) = repeat(part, times)?;
    let instruction_set = instruction_set();
    Ok(json!({"units_a_time": units, "unit": unit, "instruction_set": instruction_set}))
}

fn repeat(part: Part, times: i64) -> Result<(u64, &'static str)> {
    let per_key = match part {
        Part::Windows => 1,
        Part::Decode | Part::Combine => PER_KEY,
    };
    let mut text = String::new();
    dial_minute(&mut text, &mut Chance::new(1), 0, 0..KEYS, per_key);
    let events = KEYS * per_key;
    let book = book(&one_family())?;
    let layout = Plan::new(Arc::new(book.clone()), None)?.layout;
    let mut decoder = Decoder::new(layout, DecodeLimits::default());
    if let Part::Decode = part {
        for _ in 0..times {
            let decoded = decoder.decode(text.as_bytes());
            ensure!(decoded.batch.events == events, "lines are refused");
        }
        return Ok((events, "line"));
    }
    let batch = decoder.decode(text.as_bytes()).batch;
    let mut run = Run::start(book, 1)?;
    let mut windows = 0;
    for time in 0..times {
        let minute = match part {
            Part::Windows => time,
            Part::Decode | Part::Combine => 0,
        };
        let work = Work::Decoded {
            batch: Arc::new(shifted(&batch, minute * MINUTE_MS)),
            owner: Default::default(),
        };
        windows += run.give(vec![work], false)?.windows;
    }
    run.stop();
    Ok(match part {
        Part::Windows => {
            // All but the last, which waits for the watermark.
            ensure!(
                windows as i64 == (times - 1) * KEYS as i64,
                "{windows} windows"
            );
            (KEYS, "window")
        }
        Part::Decode | Part::Combine => (events, "event"),
    })
}

/// The batch as of a later time.
fn shifted(batch: &Batch, by_ms: i64) -> Batch {
    let mut batch = batch.clone();
    batch.facts.iter_mut().for_each(|fact| fact.ts_ms += by_ms);
    batch
        .sources
        .values_mut()
        .for_each(|progress| progress.ts_ms_max += by_ms);
    batch
}
