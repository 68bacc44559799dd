//! The configuration file: everything that differs between two installations.
//!
//! Every value has a default, so no file is needed to begin. Unknown keys are errors that name their
//! line. Judgement numbers say where they come from.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::api::HttpConfig;
use crate::dataflow::Limits;
use crate::notify::MailConfig;

/// Dataflow workers that are of any use on one machine.
pub const WORKERS_MAX: usize = 256;

/// The configuration of `chrysalis serve`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder for journal, ledger and outbox.
    pub data: PathBuf,
    /// Address of the HTTP server.
    pub listen: String,
    /// Rule book; without it `rules` in the working folder, or else the shipped book.
    pub rules: Option<PathBuf>,
    /// Dataflow worker threads; 0 takes one for each core.
    pub workers: usize,
    /// Journal.
    pub journal: JournalSettings,
    /// HTTP limits.
    pub http: HttpConfig,
    /// Mail.
    pub mail: MailConfig,
    /// Bounds of the dataflow's state, each per worker.
    pub limits: Limits,
    /// How long a shutdown waits for notices to leave, in seconds.
    pub shutdown_deadline_s: u64,
}

/// Journal settings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalSettings {
    /// Size at which a segment is full, bytes.
    pub segment_bytes_max: u64,
    /// Time that an epoch gathers, ms: shorter is fresher, longer combines better.
    pub epoch_interval_ms: u64,
    /// Requests that may wait for the disk; more are told to come back.
    pub queue_requests_max: usize,
    /// Bytes that may wait for the disk or the dataflow; more are told to come back.
    pub queue_bytes_max: usize,
}

impl Default for JournalSettings {
    fn default() -> Self {
        JournalSettings {
            segment_bytes_max: 64 * 1024 * 1024,
            // 200 ms: half a second from event to verdict leaves room for the windows' arithmetic.
            epoch_interval_ms: 200,
            queue_requests_max: 1024,
            queue_bytes_max: 256 * 1024 * 1024,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: "chrysalis-data".into(),
            listen: "127.0.0.1:8080".to_owned(),
            rules: None,
            workers: 0,
            journal: JournalSettings::default(),
            http: HttpConfig::default(),
            mail: MailConfig::default(),
            limits: Limits::default(),
            shutdown_deadline_s: 10,
        }
    }
}

/// The configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a configuration.
    #[error("{path}: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or says something that is not known.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        serde_saphyr::from_str(&text).map_err(|error| ConfigError::Invalid {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Worker threads to start, at most [`WORKERS_MAX`].
    pub fn workers(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given.min(WORKERS_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chrysalis.yaml");
        std::fs::write(
            &path,
            "listen: 127.0.0.1:1\njournal:\n  epoch_intervall_ms: 5\n",
        )
        .unwrap();
        let words = Config::read(&path).unwrap_err().to_string();
        assert!(words.contains("chrysalis.yaml"), "{words}");
        assert!(
            words.contains("epoch_intervall_ms") && words.contains('3'),
            "{words}"
        );
    }

    #[test]
    fn nothing_need_be_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.yaml");
        std::fs::write(&path, "workers: 3\n").unwrap();
        let config = Config::read(&path).unwrap();
        assert_eq!(
            (config.workers(), config.listen.as_str()),
            (3, "127.0.0.1:8080")
        );
    }
}
