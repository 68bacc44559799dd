//! Rows of `./bench` that need a state of a given size, or a look between two threads. Each prints one
//! JSON object; `benches/run.py` repeats them and takes medians.

mod cost;
mod lines;
mod rows;
mod run;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One row.
#[derive(Debug, Parser)]
enum Row {
    /// One part so many times, for programs that count instructions.
    Cost {
        #[arg(long)]
        part: cost::Part,
        #[arg(long)]
        times: i64,
    },
    /// CPU per event with so many keys, each met ten times a minute.
    Keys {
        #[arg(long)]
        keys: u64,
        /// Minutes that are measured; one before them makes the keys.
        #[arg(long)]
        minutes: i64,
    },
    /// Memory per live key and minute, with histograms.
    Memory {
        #[arg(long, default_value_t = 20_000)]
        keys: u64,
        #[arg(long)]
        minutes: i64,
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// How long workers and engine are held by a checkpoint.
    Checkpoint {
        #[arg(long, default_value_t = 1_000_000)]
        keys: u64,
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// CPU per event under so many KQI rules, of which ten match each event.
    Rules {
        #[arg(long)]
        rules: usize,
        #[arg(long)]
        minutes: i64,
    },
    /// CPU per event in an empty engine, and in the same after so many minutes.
    State {
        #[arg(long, default_value_t = 1_000)]
        keys: u64,
        #[arg(long, default_value_t = 1_440)]
        minutes: i64,
    },
    /// Memory per open message, and CPU per receipt while so many are open.
    Mms {
        #[arg(long)]
        messages: u64,
        /// The shipped rule book.
        #[arg(long, default_value = "rules")]
        rules: PathBuf,
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
}

fn main() -> Result<()> {
    let told = match Row::parse() {
        Row::Cost { part, times } => cost::cost(part, times),
        Row::Keys { keys, minutes } => rows::keys(keys, minutes),
        Row::Memory {
            keys,
            minutes,
            workers,
        } => rows::memory(keys, minutes, workers),
        Row::Checkpoint { keys, workers } => rows::checkpoint(keys, workers),
        Row::Rules { rules, minutes } => rows::rules(rules, minutes),
        Row::State { keys, minutes } => rows::state(keys, minutes),
        Row::Mms {
            messages,
            rules,
            workers,
        } => rows::mms(messages, &rules, workers),
    }?;
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}
