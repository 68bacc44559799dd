//! `chrysalis journal verify | stat | dump`: looks into a journal without its lock, beside a running
//! engine as well. Changes nothing.

mod dump;
mod stat;
mod verify;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use chrysalis::journal::Position;

/// Which command.
#[derive(Subcommand)]
pub(crate) enum JournalCommand {
    /// Read every segment and checkpoint and the ledger through; name all damage; exit 1 if there is any.
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Say what is in it: records, events, epochs, bytes, producers, times.
    Stat {
        #[command(flatten)]
        place: Place,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write its records as NDJSON; long numbers are masked.
    Dump {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        wanted: Wanted,
    },
}

/// Where the journal is, and how times are written.
#[derive(Args)]
pub(crate) struct Place {
    /// An engine's data folder, or the folder `journal` in it.
    dir: PathBuf,
    /// Time zone of the times in the output; the machine's without it.
    #[arg(long, value_parser = zone)]
    zone: Option<TimeZone>,
}

/// What to write out.
#[derive(Args)]
pub(crate) struct Wanted {
    /// Position of the first record; the oldest kept without it.
    #[arg(long, value_name = "POSITION", value_parser = position)]
    from: Option<Position>,
    /// Position to stop before.
    #[arg(long, value_name = "POSITION", value_parser = position)]
    to: Option<Position>,
    /// At most so many records.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only records of this kind.
    #[arg(long)]
    kind: Option<Kind>,
    /// Write the event lines of batches and the texts of rule books as well.
    #[arg(long)]
    lines: bool,
    /// Do not mask numbers of subscribers.
    #[arg(long)]
    raw: bool,
}

/// Kinds of records.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Batch,
    Command,
    #[value(name = "rulebook")]
    RuleBook,
    Tick,
}

/// The folders of an engine.
struct Folders {
    /// That of the whole engine.
    data: PathBuf,
    journal: PathBuf,
    checkpoints: PathBuf,
}

/// `chrysalis journal`.
pub(crate) fn run(command: &JournalCommand) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match command {
        JournalCommand::Verify { place } => verify::verify(&place.folders()?, place, &mut out),
        JournalCommand::Stat { place, json } => {
            stat::stat(&place.folders()?, place, *json, &mut out)
        }
        JournalCommand::Dump { place, wanted } => {
            dump::dump(&place.folders()?, place, wanted, &mut out)
        }
    };
    // What was found before a failure is part of the answer.
    let flushed = out.flush().map_err(anyhow::Error::from);
    match done.and_then(|code| flushed.map(|()| code)) {
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done,
    }
}

/// Whoever reads has seen enough: `| head` is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl Place {
    fn folders(&self) -> anyhow::Result<Folders> {
        let dir = &self.dir;
        let shown = dir.display();
        let wanted = "give an engine's data folder, or the folder `journal` in it";
        if !dir.exists() {
            bail!("{shown} does not exist: {wanted}");
        }
        if !dir.is_dir() {
            bail!("{shown} is a file: {wanted}");
        }
        let data = if dir.join("journal").is_dir() {
            return Ok(Folders {
                data: dir.clone(),
                journal: dir.join("journal"),
                checkpoints: dir.join("checkpoints"),
            });
        } else if holds_journal(dir)? {
            dir.join("..")
        } else {
            bail!("{shown} holds no journal: {wanted}");
        };
        Ok(Folders {
            journal: dir.clone(),
            checkpoints: data.join("checkpoints"),
            data,
        })
    }

    /// A time with the zone's offset.
    fn time(&self, ms: i64) -> String {
        let zone = self.zone.clone().unwrap_or_else(TimeZone::system);
        Timestamp::from_millisecond(ms).map_or_else(
            |_| format!("{ms} ms"),
            |time| {
                let time = time.to_zoned(zone);
                time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
            },
        )
    }
}

fn holds_journal(dir: &Path) -> anyhow::Result<bool> {
    for entry in dir.read_dir()? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".journal") || name == "journal.lock" {
            return Ok(true);
        }
    }
    Ok(false)
}

fn position(text: &str) -> Result<Position, String> {
    let number = text.parse().map(Position);
    number.map_err(|_| "wanted a record's number, as `journal verify` tells them".to_owned())
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| "wanted an IANA name, for example Asia/Shanghai".to_owned())
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
