//! `loadgen run`: plays a scenario against a target.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use loadgen::quantity::{Moment, parse_moment};
use loadgen::{GenerateOptions, Generator, Pace, Scenario, Size, nominal_events};

use super::now_ms;
use super::sending::{Expectation, Sending, deliver, duration, positive};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Scenario file, or the name of a bundled one.
    scenario: String,
    #[command(flatten)]
    sending: Sending,
    /// Lines per second. Alone, lines follow each other at this rate and event
    /// time passes as it may; with --speed, the scenario's traffic is scaled so
    /// that it makes this rate at that speed.
    #[arg(long, value_parser = positive)]
    rate: Option<f64>,
    /// Seconds of event time per second of wall time [default: 1 unless --rate is given].
    #[arg(long, value_parser = positive)]
    speed: Option<f64>,
    /// Seed: the same seed gives the same events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Event time of the beginning, RFC 3339 or `now` [default: the scenario's own].
    #[arg(long, value_parser = start)]
    start: Option<Moment>,
    /// How long to look for alerts after the last event.
    #[arg(long, default_value = "15s", value_parser = duration)]
    drain: Duration,
    /// Write the ground truth to this file, too.
    #[arg(long)]
    truth: Option<PathBuf>,
}

fn start(text: &str) -> Result<Moment, String> {
    if text == "now" {
        Ok(Moment(now_ms()))
    } else {
        parse_moment(text)
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let scenario = Scenario::open(&arguments.scenario)?;
    let natural = nominal_events(&scenario);
    let natural_per_s = natural * 1_000.0 / scenario.duration.0 as f64;
    let (pace, size) = match (arguments.rate, arguments.speed) {
        (Some(rate), None) => (Pace::RatePerS(rate), Size::Natural),
        (None, speed) => (Pace::Speed(speed.unwrap_or(1.0)), Size::Natural),
        (Some(rate), Some(speed)) => (
            Pace::Speed(speed),
            Size::Scale(rate / (natural_per_s * speed)),
        ),
    };
    let options = GenerateOptions {
        seed: arguments.seed,
        start_ms: arguments.start.map(|start| start.0),
        size,
    };
    let mut generator = Generator::new(&scenario, options);
    let expectation = Expectation {
        incidents: generator.truth().incidents.clone(),
        drain: arguments.drain,
    };

    let scale = if let Size::Scale(scale) = size {
        scale
    } else {
        1.0
    };
    let whole = natural * scale;
    let lines_about = match (arguments.sending.duration, pace) {
        (None, _) | (_, Pace::Unpaced) => whole,
        (Some(duration), Pace::RatePerS(rate)) => whole.min(rate * duration.as_secs_f64()),
        (Some(duration), Pace::Speed(speed)) => {
            whole.min(natural_per_s * scale * speed * duration.as_secs_f64())
        }
    };
    deliver(
        &mut generator,
        &arguments.sending,
        pace,
        &scenario.scenario,
        lines_about as u64,
        Some(expectation),
    )?;
    if let Some(path) = &arguments.truth {
        let text = serde_json::to_string_pretty(generator.truth())
            .context("cannot write the ground truth as JSON")?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write the ground truth to {}", path.display()))?;
    }
    Ok(())
}
