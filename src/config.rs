//! The configuration file: everything that differs between two installations.
//!
//! Every value has a default, so no file is needed to begin. Unknown keys are errors that name their
//! line. Judgement numbers say where they come from.

mod access;
mod bounds;
mod csv_sink;
mod limits;
mod server;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::api::HttpConfig;
use crate::bounded::{DAY_MS, DAY_S, MOST, at_least, between};
use crate::journal::writer::WriterConfig;
use crate::journal::{Memory, Retention};
use crate::notify::{HookConfig, MailConfig};
use crate::probes::ProbeConfig;
use crate::rules::did_you_mean;

pub use access::{AccessSettings, TokenSettings};
pub use csv_sink::CsvSinkSettings;
pub use limits::LimitSettings;
pub use server::ServerSettings;

const HOUR_MS: i64 = 3_600_000;

/// Dataflow workers that are of any use on one machine.
pub const WORKERS_MAX: usize = 256;

/// The least of [`JournalSettings::record_bytes_max`]: the longest line of an event, a report of MM7, and most rule books of
/// one's own take no more.
const RECORD_BYTES_MIN: u64 = 64 << 10;

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

/// Journal settings.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalSettings {
    /// Size at which a segment is full, bytes.
    #[serde(deserialize_with = "at_least::<1_024, _, _>")]
    pub segment_bytes_max: u64,
    /// Time that an epoch gathers, ms: shorter is fresher, longer combines better. At most five seconds: a step of the clock
    /// that is longer is taken for a stop, in which nobody could be heard.
    #[serde(deserialize_with = "between::<1, 5_000, _, _>")]
    pub epoch_interval_ms: u64,
    /// Largest record, bytes: a batch unpacked, or a rule book. At least 64 KiB, at most 64 MiB.
    #[serde(deserialize_with = "between::<RECORD_BYTES_MIN, MOST, _, _>")]
    pub record_bytes_max: usize,
    /// Requests that may wait for the disk; more are told to come back.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub queue_requests_max: usize,
    /// Bytes that may wait for the disk or the dataflow; more are told to come back. At least twice
    /// `record_bytes_max`.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub queue_bytes_max: usize,
    /// Closed epochs that may wait between the journal and the dataflow; with one more the journal's thread waits, its queue
    /// fills, and in the end producers are told to come back.
    #[serde(deserialize_with = "between::<1, 1_000, _, _>")]
    pub epochs_ahead_max: usize,
    /// Epochs that may wait for their digest, each with up to 16 MiB; of more none is made, and a start reads their batches.
    // Room for as many is made at the start.
    #[serde(deserialize_with = "between::<1, 1_000, _, _>")]
    pub digests_waiting_max: usize,
    /// Producers whose sequences are remembered, so that a repeat counts once. A new name beyond it is
    /// refused with 429; once more than half is used, also one beyond the fair share of its address.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub producers_max: usize,
    /// How long a producer is remembered for certain after its last batch, on the journal's clock, hours:
    /// a repeat within that time counts once, whatever else happens.
    pub producers_keep_h: u32,
    /// Numbers of a producer, its newest and those below it, of which a repeat is known for one: what goes back to
    /// another is refused with 409. At most 65.
    #[serde(deserialize_with = "between::<1, 65, _, _>")]
    pub sequences_max: u64,
    /// New batches are refused with 507 while the journal's file system has less free than this, bytes;
    /// 0 takes them until it is full. Once less than one and a half times this is free, those are refused whose producer has
    /// written more than is left since there was twice as much. Commands and notices go on.
    pub disk_free_bytes_min: u64,
    /// How many are told apart by what they have written since then; whoever comes beyond them shares one share.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub disk_holders_max: usize,
    /// Segments younger than this are kept although a checkpoint covers them, hours.
    pub retention_h: u32,
    /// As much of the journal is kept although a checkpoint covers it and it is older, bytes.
    pub retention_bytes: u64,
}

/// Checkpoint settings.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointSettings {
    /// Time between two, ms: what a start has to replay at most, and what it costs to have less. At most a day.
    #[serde(deserialize_with = "between::<0, DAY_MS, _, _>")]
    pub interval_ms: u64,
}

/// History settings.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistorySettings {
    /// URL of a database, `postgres://user:password@host/name` or `sqlite:///path?mode=rwc`; without it a
    /// SQLite file in the data folder.
    // It may hold a password.
    #[serde(skip_serializing)]
    pub url: Option<String>,
    /// Size of the file in the data folder, bytes: beyond it the rows of the oldest epochs go, counted and
    /// alarmed. A database server is bounded by whoever keeps it; its size is shown.
    #[serde(deserialize_with = "at_least::<1_048_576, _, _>")]
    pub bytes_max: u64,
    /// Epochs with something to record that may wait for the database; rows of more are left out and counted.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub queue_epochs_max: usize,
    /// Rows of theirs that may wait, or one epoch of more.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub queue_rows_max: usize,
    /// Epochs for which checkpoints wait for the history at most: what a start replays while a database is away, and how much of
    /// the journal is kept for it beyond the retention. Then one is written without it, counted and alarmed.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub hold_epochs_max: u64,
}

impl Default for HistorySettings {
    fn default() -> Self {
        // Judgement: a thousand decisions an hour, of half a KiB each, for more than ten years.
        HistorySettings {
            url: None,
            bytes_max: 64 << 30,
            // Judgement: a quarter of an hour of a busy engine.
            queue_epochs_max: 4_096,
            // Judgement: some 100 MiB, at a KiB a row; a hundred thousand rows are written in seconds.
            queue_rows_max: 100_000,
            // Judgement: an hour of a busy engine, five epochs a second: time to mend a database, and minutes to replay.
            hold_epochs_max: 18_000,
        }
    }
}

impl std::fmt::Debug for HistorySettings {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistorySettings")
            .field("bytes_max", &self.bytes_max)
            .field("queue_epochs_max", &self.queue_epochs_max)
            .field("queue_rows_max", &self.queue_rows_max)
            .field("hold_epochs_max", &self.hold_epochs_max)
            .finish_non_exhaustive()
    }
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        // Judgement: a minute of journal is replayed in a few seconds.
        CheckpointSettings {
            interval_ms: 60_000,
        }
    }
}

impl JournalSettings {
    /// How producers are remembered.
    pub fn memory(&self) -> Memory {
        Memory {
            producers_max: self.producers_max,
            keep_ms: i64::from(self.producers_keep_h).saturating_mul(HOUR_MS),
            sequences_max: self.sequences_max,
        }
    }

    /// What is kept of the journal although no start needs it.
    pub fn retention(&self) -> Retention {
        Retention {
            age_ms: i64::from(self.retention_h).saturating_mul(HOUR_MS),
            bytes: self.retention_bytes,
        }
    }
}

impl Default for JournalSettings {
    fn default() -> Self {
        JournalSettings {
            segment_bytes_max: 64 * 1024 * 1024,
            // 200 ms: half a second from event to verdict leaves room for the windows' arithmetic.
            epoch_interval_ms: 200,
            record_bytes_max: 32 * 1024 * 1024,
            queue_requests_max: 1024,
            queue_bytes_max: 256 * 1024 * 1024,
            // Judgement: less than a second of epochs smooths what a checkpoint or a large window costs; what they hold is
            // within `queue_bytes_max`.
            epochs_ahead_max: 4,
            digests_waiting_max: 2,
            producers_max: Memory::default().producers_max,
            producers_keep_h: (Memory::default().keep_ms / HOUR_MS) as u32,
            sequences_max: Memory::default().sequences_max,
            // Judgement: a day and a gigabyte to look into what was said and heard, and to replay it
            // under another rule book.
            retention_h: 24,
            retention_bytes: 1 << 30,
            // Judgement: room for three checkpoints of a million keys (about 200 MiB each) and a day of
            // ticks, commands and mails, while somebody makes room.
            disk_free_bytes_min: 1 << 30,
            disk_holders_max: WriterConfig::default().disk_holders_max,
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
