//! Probes of Prometheus' `blackbox_exporter` as dial tests: the engine asks an exporter at an interval, and what
//! it answers to one question becomes one line.
//!
//! A scrape is one test, whole or not there: success and duration belong together, which remote write does not
//! promise (it deals series out to shards). An exporter that does not answer is no test that failed: nothing is
//! told, and it is counted.

mod config;
mod exposition;
mod scrape;

pub use config::{ProbeConfig, ProbeConfigError};
pub use exposition::{Probed, read};
pub use scrape::{Outcome, Probe, Probes, SOURCE};
