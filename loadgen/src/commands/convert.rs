//! `loadgen convert`: tables and logs of other systems to events.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use loadgen::convert::{Converted, Of, TelemetryAs, complaints, mbuni, smpp, telemetry};
use loadgen::open_text;

use super::say;

#[derive(Debug, Subcommand)]
pub(crate) enum Arguments {
    /// Complaint records (unique_key, opendate, closedate, complaint_type, borough) to complaint tickets.
    Complaints {
        /// Table, .csv or .csv.gz.
        input: String,
        /// Where the events go [default: stdout].
        output: Option<PathBuf>,
    },
    /// A series of telemetry (TimeStamp, Value, Label) to gauges or dial tests.
    Telemetry {
        /// Table, .csv or .csv.gz; its folder names the domain, its stem the series.
        input: String,
        /// Where the events go [default: stdout].
        output: Option<PathBuf>,
        /// Kind of event [default: dial_test for latencies, gauge for the rest].
        #[arg(long = "as", value_enum)]
        kind: Option<Kind>,
    },
    /// Delivery receipts of SMPP 3.4 (id:… submit date:… done date:… stat:…), one a line, to messages with their ends.
    SmppReceipts {
        /// File of lines, plain or .gz.
        input: String,
        /// Where the events go [default: stdout].
        output: Option<PathBuf>,
        /// Service of the messages. No KQI of the shipped book reads receipts of sms (minutes cannot measure 30 s): give
        /// the service whose KQIs do, as mobile_newspaper, or add a KQI on the stream mms_receipt for it.
        #[arg(long, default_value = "sms")]
        service: String,
        /// City of the subscribers, where the centre serves one: convert a file a city. Without it places are unknown, and
        /// KQIs by city count it under no city.
        #[arg(long)]
        city: Option<String>,
    },
    /// Records with tabs of an mbuni MMSC (not its access log with brackets) to messages that were submitted to handsets.
    MbuniLog {
        /// File of lines, plain or .gz.
        input: String,
        /// Where the events go [default: stdout].
        output: Option<PathBuf>,
        /// Service of the messages. No KQI of the shipped book reads submissions of mms: give mobile_newspaper for an
        /// edition's, or add a KQI on the streams mms_submit and mms_receipt for it.
        #[arg(long, default_value = "mms")]
        service: String,
        /// City of the subscribers, where the centre serves one: convert a file a city. Without it places are unknown, and
        /// KQIs by city count it under no city.
        #[arg(long)]
        city: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    #[value(name = "gauge")]
    Gauge,
    #[value(name = "dial_test")]
    DialTest,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let converted = match arguments {
        Arguments::Complaints { input, output } => {
            complaints(input, open_text(input)?, writer(output.as_ref())?)?
        }
        Arguments::SmppReceipts {
            input,
            output,
            service,
            city,
        } => {
            let city = city.as_deref();
            smpp(
                input,
                open_text(input)?,
                Of { service, city },
                writer(output.as_ref())?,
            )?
        }
        Arguments::MbuniLog {
            input,
            output,
            service,
            city,
        } => {
            let city = city.as_deref();
            mbuni(
                input,
                open_text(input)?,
                Of { service, city },
                writer(output.as_ref())?,
            )?
        }
        Arguments::Telemetry {
            input,
            output,
            kind,
        } => {
            let kind = kind.map(|kind| match kind {
                Kind::Gauge => TelemetryAs::Gauge,
                Kind::DialTest => TelemetryAs::DialTest,
            });
            telemetry(input, open_text(input)?, kind, writer(output.as_ref())?)?
        }
    };
    let Converted {
        rows,
        events,
        skipped,
        wrong,
        wrong_first,
    } = converted;
    for row in &wrong_first {
        say(&format!("left out: {row}"));
    }
    say(&format!(
        "{rows} rows, {events} events, {skipped} rows left out for want of a value, {wrong} that cannot be read"
    ));
    Ok(())
}

fn writer(path: Option<&PathBuf>) -> anyhow::Result<Box<dyn Write>> {
    Ok(match path {
        Some(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    })
}
