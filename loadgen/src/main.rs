//! The `loadgen` command: reads arguments, calls the library, prints.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Load for Chrysalis, from scenarios or from files.
///
/// SCENARIO is a YAML file or the name of a bundled scenario: kqi-1,
/// four-streams, experience-card, mobile-newspaper, newspaper-days.
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
    /// Play a scenario against a target, and report latencies and detection.
    ///
    /// Sending is open loop: a slow target does not slow the schedule down, and
    /// latency counts from the moment a batch should have gone.
    Run(commands::run::Arguments),
    /// Send a file of events to a target.
    Replay(commands::replay::Arguments),
    /// Play the departments: accept the target's open triggers, work on them, and mend what fires no more.
    Departments(commands::departments::Arguments),
    /// Turn tables of real data, receipts and logs into events.
    #[command(subcommand)]
    Convert(commands::convert::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Generate(arguments) => commands::generate::run(&arguments),
        Command::Run(arguments) => commands::run::run(&arguments),
        Command::Replay(arguments) => commands::replay::run(&arguments),
        Command::Departments(arguments) => commands::departments::run(&arguments),
        Command::Convert(arguments) => commands::convert::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            commands::say(&format!("loadgen: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
