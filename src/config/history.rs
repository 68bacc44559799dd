//! The history: where it is, and what may wait for it.

use serde::{Deserialize, Serialize};

use crate::bounded::at_least;

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
