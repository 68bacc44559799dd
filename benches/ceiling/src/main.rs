//! The ceiling of kqi-1: what the work itself costs when nothing is general.
//!
//! One thread reads lines, decodes them with `sonic-rs`, keeps panes and writes the same windows and
//! alerts that `chrysalis replay` writes under `rules/bench/kqi-1.yaml`. There are no rules, no
//! corrections after sealing, no recovery, no other streams: what replay costs beyond this is the
//! price of being an engine. `ceiling --check` proves that it does the same work.

mod check;
mod keys;
mod line;
mod rows;
mod windows;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;

use crate::rows::Rows;
use crate::windows::Windows;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes read at once: they stay in the second-level cache while they are decoded.
const CHUNK_BYTES: usize = 256 * 1024;

/// The work of kqi-1, by hand.
#[derive(Debug, Parser)]
struct Arguments {
    /// NDJSON of kqi-1.
    input: PathBuf,
    /// Folder for windows.csv and alerts.csv.
    #[arg(long)]
    out: PathBuf,
    /// Folder of a `chrysalis replay` of the same input, to compare with.
    #[arg(long)]
    check: Option<PathBuf>,
    /// Decode only: what the parser alone costs.
    #[arg(long)]
    decode_only: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let mut rows = Rows::create(&arguments.out)?;
    let mut windows = Windows::new();
    let (mut events, mut refused, mut checksum) = (0_u64, 0_u64, 0_i64);
    each_line(&arguments.input, |line| {
        let taken = match arguments.decode_only {
            true => line::with_line(line, &mut |event| {
                checksum ^= event.ts ^ event.city.len() as i64 ^ i64::from(event.ok);
            }),
            false => line::with_line(line, &mut |event| windows.add(event, &mut rows)),
        };
        match taken {
            true => events += 1,
            false => refused += 1,
        }
    })?;
    windows.finish(&mut rows);
    let (count, transitions) = (rows.count, rows.transitions);
    rows.finish()?;
    let seconds = started.elapsed().as_secs_f64();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{events} events, {count} windows, {transitions} transitions, {refused} refused, {} late in \
         {seconds:.3} s: {:.0} events/s",
        windows.late,
        events as f64 / seconds
    )?;
    if arguments.decode_only {
        writeln!(out, "checksum {checksum}")?;
    }
    if let Some(replayed) = arguments.check {
        let checked = check::compare(&arguments.out, &replayed)?;
        writeln!(out, "{checked}")?;
    }
    Ok(())
}

/// Calls for every line that is not blank. Lines may be of any length.
fn each_line(path: &Path, mut take: impl FnMut(&str)) -> Result<()> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut buffer = vec![0; 2 * CHUNK_BYTES];
    let mut filled = 0;
    loop {
        if buffer.len() - filled < CHUNK_BYTES {
            buffer.resize(filled + CHUNK_BYTES, 0);
        }
        let read = file.read(&mut buffer[filled..])?;
        filled += read;
        let end = match memchr::memrchr(b'\n', &buffer[..filled]) {
            _ if read == 0 => filled,
            Some(at) => at + 1,
            None => continue,
        };
        // Once for all lines: checking a long text is faster a byte than many short ones.
        let mut text = std::str::from_utf8(&buffer[..end]).context("input is not UTF-8")?;
        while !text.is_empty() {
            let line = match memchr::memchr(b'\n', text.as_bytes()) {
                Some(at) => {
                    let (line, rest) = text.split_at(at);
                    text = &rest[1..];
                    line
                }
                None => std::mem::take(&mut text),
            };
            if !line.is_empty() {
                take(line);
            }
        }
        if read == 0 {
            return Ok(());
        }
        buffer.copy_within(end..filled, 0);
        filled -= end;
    }
}
