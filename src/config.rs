//! The configuration file: everything that differs between two installations.
//!
//! Every value has a default, so no file is needed to begin. Unknown keys are errors that name their
//! line. Judgement numbers say where they come from.

mod access;
mod bounds;
mod csv_sink;
mod history;
mod journal;
mod limits;
mod server;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::api::HttpConfig;
use crate::bounded::{DAY_S, between};
use crate::notify::{HookConfig, MailConfig};
use crate::probes::ProbeConfig;
use crate::rules::did_you_mean;

pub use access::{AccessSettings, TokenSettings};
pub use csv_sink::CsvSinkSettings;
pub use history::HistorySettings;
pub use journal::{CheckpointSettings, JournalSettings};
pub use limits::LimitSettings;
pub use server::ServerSettings;

/// Dataflow workers that are of any use on one machine.
pub const WORKERS_MAX: usize = 256;

/// The configuration of `chrysalis serve`.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// Checkpoints.
    pub checkpoint: CheckpointSettings,
    /// HTTP limits.
    pub http: HttpConfig,
    /// Who may use the API.
    #[serde(skip_serializing)]
    pub access: AccessSettings,
    /// How people reach the server from their mails.
    #[serde(skip_serializing)]
    pub server: ServerSettings,
    /// Mail.
    pub mail: MailConfig,
    /// Other systems that are told over HTTP.
    #[serde(skip_serializing)]
    pub webhooks: Vec<HookConfig>,
    /// Transitions of alerts as CSV files; none unless it is given.
    pub csv_sink: Option<CsvSinkSettings>,
    /// Exporters of Prometheus' blackbox probes that are asked, as dial tests.
    #[serde(skip_serializing)]
    pub blackbox: Vec<ProbeConfig>,
    /// Where everything that was decided is kept for ever.
    pub history: HistorySettings,
    /// Bounds of the state.
    pub limits: LimitSettings,
    /// How long a shutdown waits for notices to leave, in seconds; a day at most.
    #[serde(deserialize_with = "between::<0, DAY_S, _, _>")]
    pub shutdown_deadline_s: u64,
    /// Begin from the journal's first record and not from a checkpoint. No key of the file, for it is of
    /// one start: `serve --replay-everything`.
    #[serde(skip)]
    pub replay_everything: bool,
    /// Begin a new ledger in place of one that is lost, older or damaged. No key of the file either:
    /// `serve --new-ledger`.
    #[serde(skip)]
    pub new_ledger: Option<NewLedger>,
}

/// What a new ledger takes for told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewLedger {
    /// All that was decided so far: nothing is told twice, and what had not left yet never leaves.
    Told,
    /// What the checkpoint covers: what is decided again after it is told, perhaps for a second time.
    Untold,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: "chrysalis-data".into(),
            listen: "127.0.0.1:8080".to_owned(),
            rules: None,
            workers: 0,
            journal: JournalSettings::default(),
            checkpoint: CheckpointSettings::default(),
            http: HttpConfig::default(),
            access: AccessSettings::default(),
            server: ServerSettings::default(),
            mail: MailConfig::default(),
            webhooks: Vec::new(),
            csv_sink: None,
            blackbox: Vec::new(),
            history: HistorySettings::default(),
            limits: LimitSettings::default(),
            shutdown_deadline_s: 10,
            replay_everything: false,
            new_ledger: None,
        }
    }
}

/// The configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a configuration.
    #[error("{place}: {reason}")]
    Invalid {
        /// The file, with line and column where one is to blame.
        place: String,
        /// What is wrong, with a hint where one is near.
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
        serde_saphyr::from_str(&text).map_err(|error| invalid(path, &error))
    }

    /// Worker threads to start, at most [`WORKERS_MAX`].
    pub fn workers(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given.min(WORKERS_MAX),
        }
    }
}

/// The reader's complaint as the rule book's are told: `file:line:column: what, a hint`.
fn invalid(path: &Path, error: &serde_saphyr::Error) -> ConfigError {
    let (place, told_again) = match error.location() {
        Some(at) => (
            format!("{}:{}:{}", path.display(), at.line(), at.column()),
            format!(" at line {}, column {}", at.line(), at.column()),
        ),
        None => (path.display().to_string(), String::new()),
    };
    let told = error.without_snippet().to_string();
    let told = told.strip_prefix("error: ").unwrap_or(&told);
    // The place is told already.
    let told = match told.split_once(": ") {
        Some((at, rest)) if at.starts_with("line ") => rest,
        _ => told,
    };
    let told = told.lines().next().unwrap_or(told);
    let told = told.strip_suffix(&told_again).unwrap_or(told);
    let reason = unknown_field(told)
        .or_else(|| {
            let is_whole = ["invalid u", "invalid i"]
                .iter()
                .any(|head| told.starts_with(head));
            is_whole.then(|| "this is not a whole number within range".to_owned())
        })
        .unwrap_or_else(|| told.to_owned());
    ConfigError::Invalid { place, reason }
}

/// An unknown field with its nearest neighbour among the known ones, or else all of them.
fn unknown_field(told: &str) -> Option<String> {
    let rest = told.strip_prefix("unknown field `")?;
    let (word, rest) = rest.split_once('`')?;
    let known: Vec<&str> = rest
        .strip_prefix(", expected one of ")
        .or_else(|| rest.strip_prefix(", expected "))?
        .split([',', ' ', '`'])
        .filter(|name| !name.is_empty())
        .collect();
    let hint = did_you_mean(word, known.iter().copied())
        .unwrap_or_else(|| format!("known are {}", known.join(", ")));
    Some(format!("unknown field {word:?}, {hint}"))
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
        let error = Config::read(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{}:3:3: unknown field \"epoch_intervall_ms\", did you mean \"epoch_interval_ms\"?",
                path.display()
            )
        );
        for (text, words) in [
            (
                "mail: {smtp: {host: a, colour: b}}",
                ":1:24: unknown field \"colour\", known are host, port, security, username, \
                 password_file, password_env, ca_file, timeout_s",
            ),
            (
                "\nworkers: x",
                ":2:10: this is not a whole number within range",
            ),
            (
                "workers: -1",
                ":1:10: this is not a whole number within range",
            ),
            ("rules: [", ":1:8: "),
            (
                "limits:\n  questions_max: 3",
                ":2:18: this is at least 4, and not 3",
            ),
            (
                "shutdown_deadline_s: 18446744073709551615",
                ":1:22: this is at most 86400, and not 18446744073709551615",
            ),
            (
                "journal: {record_bytes_max: 1}",
                ":1:29: this is at least 65536, and not 1",
            ),
            (
                "journal: {epoch_interval_ms: 0}",
                ":1:30: this is at least 1, and not 0",
            ),
            (
                "mail: {backoff_ms_max: 9223372036854775807}",
                ":1:24: this is at most 604800000, and not 9223372036854775807",
            ),
            (
                "mail: {smtp: {host: a, timeout_s: 0}}",
                ":1:35: this is at least 1, and not 0",
            ),
            (
                "webhooks: [{name: a, url: b, timeout_s: 86401}]",
                ":1:41: this is at most 86400, and not 86401",
            ),
            (
                "csv_sink: {keep_days: -1}",
                ":1:23: this is at least 1, and not -1",
            ),
            (
                "csv_sink: {keep_days: 2000000000}",
                ":1:23: this is at most 36500, and not 2000000000",
            ),
            (
                "limits: {effects_max: 65537}",
                ":1:23: this is at most 65536, and not 65537",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Config::read(&path).unwrap_err().to_string();
            let words = format!("{}{words}", path.display());
            assert!(error.starts_with(&words), "{error}");
            assert!(
                !error.contains("<input>") && !error.contains('\n') && !error.contains(" at line "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named_once() {
        let error = anyhow::Error::from(Config::read(Path::new("/no/such.yaml")).unwrap_err());
        let words = format!("{error:#}");
        assert_eq!(words.matches("No such file").count(), 1, "{words}");
        assert!(
            words.starts_with("cannot read configuration /no/such.yaml: "),
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
