//! Load for Chrysalis: scenarios, incidents with ground truth, pacing, report.
//!
//! The path of an event: a [`Scenario`] (YAML) is turned by a [`Generator`]
//! into lines in the order of their delivery, with a [`GroundTruth`] beside
//! them; `generate` writes them, `run` sends them by a schedule that does not
//! wait for the target, and then compares the target's alerts with the truth.
//!
//! It knows the engine only by its wire format and its HTTP routes. Nothing
//! here reads the wall clock to decide what an event says.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test may fail loudly"
    )
)]

pub mod quantity;

mod line;
mod pending;
mod places;
mod scenario;
mod truth;

mod generate;
mod write;

pub mod convert;

mod departments;
mod detect;
mod report;
mod send;
mod source;
mod watch;

pub use departments::{Departments, Shift, StepTaken};
pub use detect::{Detection, Finding, FindingVerdict, SeenAlert, judge, read_alerts};
pub use generate::{Delivery, GenerateOptions, GeneratedEvent, Generator, Size, nominal_events};
pub use places::HUNAN;
pub use report::{SendReport, SendTally};
pub use scenario::*;
pub use send::{Pace, SendError, SendOptions, send};
pub use source::{FileSource, Source, SourceError, open_text};
pub use truth::{GroundTruth, IncidentTruth, LineCounts, Observed};
pub use watch::Watcher;
pub use write::write_all;
