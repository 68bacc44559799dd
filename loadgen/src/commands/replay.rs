//! `loadgen replay`: sends a file of events to a target.

use loadgen::{FileSource, Pace};

use super::sending::{Sending, deliver, positive};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Events, one JSON object a line: .ndjson, .ndjson.gz, .ndjson.zst, or - for stdin.
    file: String,
    #[command(flatten)]
    sending: Sending,
    /// Lines per second [default: as fast as the target takes them].
    #[arg(long, value_parser = positive, conflicts_with = "speed")]
    rate: Option<f64>,
    /// Seconds of event time per second of wall time, by the `ts` of the lines.
    #[arg(long, value_parser = positive)]
    speed: Option<f64>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let pace = match (arguments.rate, arguments.speed) {
        (Some(rate), _) => Pace::RatePerS(rate),
        (None, Some(speed)) => Pace::Speed(speed),
        (None, None) => Pace::Unpaced,
    };
    let timed = matches!(pace, Pace::Speed(_));
    let mut source = FileSource::open(&arguments.file, timed)?;
    // How many lines a file has is not known before it is read.
    deliver(&mut source, &arguments.sending, pace, "replay", 0, None)
}
