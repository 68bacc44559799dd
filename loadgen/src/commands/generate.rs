//! `loadgen generate`: a scenario to NDJSON and ground truth.

use std::path::{Path, PathBuf};

use anyhow::Context;
use loadgen::quantity::{Moment, parse_moment};
use loadgen::{GenerateOptions, Generator, Scenario, Size, nominal_events, write_all};

use super::{progress_bar, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Scenario file, or the name of a bundled one.
    scenario: String,
    /// Scale the traffic to this many lines over the same stretch of event time
    /// (exact for scenarios of dial tests alone, such as kqi-1; near for others).
    #[arg(long)]
    events: Option<u64>,
    /// Seed: the same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the ground truth goes [default: <scenario>.truth.json in this folder].
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Event time of the beginning, RFC 3339 [default: the scenario's own].
    #[arg(long, value_parser = parse_moment)]
    start: Option<Moment>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let scenario = Scenario::open(&arguments.scenario)?;
    let options = GenerateOptions {
        seed: arguments.seed,
        start_ms: arguments.start.map(|start| start.0),
        size: arguments.events.map_or(Size::Natural, Size::Events),
    };
    let truth_path = arguments
        .truth
        .clone()
        .unwrap_or_else(|| truth_beside(&arguments.scenario));

    let mut generator = Generator::new(&scenario, options);
    let bar = progress_bar(
        arguments
            .events
            .unwrap_or_else(|| nominal_events(&scenario) as u64),
    );
    let written = write_all(&mut generator, std::io::stdout().lock(), |lines| {
        bar.set_position(lines);
    });
    bar.finish_and_clear();
    written.context("cannot write events to stdout")?;

    let truth = generator.truth();
    let text =
        serde_json::to_string_pretty(truth).context("cannot write the ground truth as JSON")?;
    std::fs::write(&truth_path, text + "\n")
        .with_context(|| format!("cannot write the ground truth to {}", truth_path.display()))?;
    say(&format!(
        "{}: {} lines, {} incidents; ground truth in {}",
        truth.scenario,
        truth.lines.total,
        truth.incidents.len(),
        truth_path.display()
    ));
    Ok(())
}

/// `some/where/kqi-1.yaml` → `kqi-1.truth.json`.
fn truth_beside(scenario: &str) -> PathBuf {
    let stem = Path::new(scenario)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or(scenario);
    // A bundled name such as `kqi-1` has no suffix to lose.
    PathBuf::from(format!("{stem}.truth.json"))
}
