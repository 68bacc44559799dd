//! Arguments and steps that `run` and `replay` share.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use loadgen::quantity::parse_span;
use loadgen::{IncidentTruth, Pace, SendOptions, SendReport, SendTally, Source, Watcher, send};

use super::{now_ms, print, progress_bar};

/// Above this speed, batches that overtake each other in flight would look like
/// disorder of many seconds of event time.
const ORDERED_ABOVE_SPEED: f64 = 10.0;

/// Requests in flight when order does not matter. Judgement: while a target waits for its disk with some of them, it has
/// others to decode; with eight, one whose disk is slow has nothing to do for a part of the time.
const IN_FLIGHT: usize = 16;

/// Longest that a line waits for its batch to fill.
const LINGER: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub(crate) struct Sending {
    /// Base URL of the target, such as http://127.0.0.1:8080.
    #[arg(long)]
    target: String,
    /// File with the token that the target wants; a line end after it does not count.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Stop sending after this long, such as 90s.
    #[arg(long, value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Most lines in one request.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Most requests open at a time [default: 16; 1 above speed 10, so that batches keep their order].
    #[arg(long)]
    in_flight: Option<usize>,
    /// Name of the producer, for safe retries. Under a name used before, the
    /// target takes batches for repetitions [default: a new name each time].
    #[arg(long)]
    producer: Option<String>,
    /// Compress request bodies with gzip.
    #[arg(long)]
    gzip: bool,
    /// How long to retry a batch before giving it up.
    #[arg(long, default_value = "60s", value_parser = duration)]
    retry_for: Duration,
    /// Write the closing report as JSON to this file, too.
    #[arg(long)]
    report: Option<PathBuf>,
}

/// What to look for in the target's alerts.
pub(crate) struct Expectation {
    pub(crate) incidents: Vec<IncidentTruth>,
    /// How long to look on after sending.
    pub(crate) drain: Duration,
}

/// Sends a source, looks for the incidents, prints and keeps the report.
pub(crate) fn deliver(
    source: &mut dyn Source,
    arguments: &Sending,
    pace: Pace,
    name: &str,
    lines_about: u64,
    expectation: Option<Expectation>,
) -> anyhow::Result<()> {
    let in_order = match pace {
        Pace::Speed(speed) => speed > ORDERED_ABOVE_SPEED,
        Pace::RatePerS(_) | Pace::Unpaced => false,
    };
    let token = arguments.token_file.as_ref().map(|path| {
        let token = std::fs::read_to_string(path);
        let token = token.with_context(|| format!("cannot read the token in {}", path.display()));
        token.map(|token| token.trim_end().to_owned())
    });
    let options = SendOptions {
        target: arguments.target.clone(),
        token: token.transpose()?,
        pace,
        batch_lines: arguments.batch as usize,
        linger: LINGER,
        in_flight: arguments
            .in_flight
            .unwrap_or(if in_order { 1 } else { IN_FLIGHT }),
        producer: arguments
            .producer
            .clone()
            .unwrap_or_else(|| fresh_producer(name)),
        gzip: arguments.gzip,
        retry_for: arguments.retry_for,
        duration: arguments.duration,
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let report = runtime.block_on(send_and_watch(source, &options, lines_about, expectation))?;
    print(&report.to_string());
    if let Some(path) = &arguments.report {
        let text =
            serde_json::to_string_pretty(&report).context("cannot write the report as JSON")?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write the report to {}", path.display()))?;
    }
    Ok(())
}

async fn send_and_watch(
    source: &mut dyn Source,
    options: &SendOptions,
    lines_about: u64,
    expectation: Option<Expectation>,
) -> anyhow::Result<SendReport> {
    let (finished, done) = tokio::sync::watch::channel(false);
    let watching = match &expectation {
        Some(_) => Some(tokio::spawn(
            Watcher::new(&options.target, options.token.as_deref())?.watch(done),
        )),
        None => None,
    };
    let bar = progress_bar(lines_about);
    let shown = bar.clone();
    let stop = async {
        // Without a signal handler there is just no early end.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        // The first ends the run with a report; a second does not wait for it.
        tokio::spawn(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    };
    let tally: SendTally = send(source, options, stop, move |lines| {
        shown.set_position(lines);
    })
    .await?;
    let mut report = tally.report();
    let _ = finished.send(true);
    if let (Some(watching), Some(expectation)) = (watching, expectation) {
        bar.set_message("looking for alerts");
        let watcher = watching.await.context("the watcher of alerts failed")?;
        let played_until_ms = tally.last_due_ms.unwrap_or(i64::MIN);
        report.detection = Some(
            watcher
                .drain(expectation.drain, &expectation.incidents, played_until_ms)
                .await,
        );
    }
    bar.finish_and_clear();
    Ok(report)
}

/// A name that no earlier run had.
fn fresh_producer(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("loadgen-{name}-{}-{}", std::process::id(), now_ms())
}

/// A length of time on the command line.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_span(text).map(|span| Duration::from_millis(span.0.unsigned_abs()))
}

/// A number above zero on the command line.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err(format!("`{text}` is not a number above 0")),
    }
}
