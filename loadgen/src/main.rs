//! The `loadgen` command: reads arguments, calls the library, prints.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Load for Chrysalis, from scenarios or from files.
///
/// SCENARIO is a YAML file or the name of a bundled scenario: kqi-1,
/// four-streams, experience-card, mobile-newspaper.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a scenario's events as NDJSON to stdout, and the ground truth beside it.
    Generate(commands::generate::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Generate(arguments) => commands::generate::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            commands::say(&format!("loadgen: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
