//! The commands of Chrysalis: `serve | demo | check | test | replay`; nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod commands;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "chrysalis",
    version,
    about = "Stream-processing monitoring with a closed loop"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List every problem of a rule book, with file and line; exit 1 if there is any.
    Check {
        /// Rule book folder, or one file.
        rules: PathBuf,
    },
    /// Run files through the dataflow and the engine on their own time axis, without effects.
    Replay {
        /// Rule book folder, or one file.
        #[arg(long)]
        rules: PathBuf,
        /// Worker threads.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
        workers: u16,
        /// Folder for windows.csv and alerts.csv.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Write alerts.csv only.
        #[arg(long)]
        alerts_only: bool,
        /// Files: .ndjson, .ndjson.gz, .ndjson.zst, or - for standard input.
        #[arg(required = true)]
        inputs: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Check { rules } => commands::check(&rules),
        Command::Replay {
            rules,
            workers,
            out,
            alerts_only,
            inputs,
        } => commands::replay(&rules, usize::from(workers), out, alerts_only, inputs),
    };
    result.unwrap_or_else(|error| {
        commands::complain(&error);
        ExitCode::FAILURE
    })
}
