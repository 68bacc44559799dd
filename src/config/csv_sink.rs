//! Transitions of alerts as CSV files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::bounded::{at_least, between};

/// The CSV sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsvSinkSettings {
    /// Folder of the files, `alerts` in the data folder unless given. One engine's, and on the data folder's storage
    /// where another process stands by.
    pub folder: Option<PathBuf>,
    /// Files of days before that go, days.
    #[serde(deserialize_with = "between::<1, 36_500, _, _>")]
    pub keep_days: i32,
    /// Size of all files, bytes: beyond it the oldest go, whole.
    #[serde(deserialize_with = "at_least::<1_048_576, _, _>")]
    pub bytes_max: u64,
    /// Rows that may wait for a disk that fails; more are left out and counted.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub waiting_rows_max: usize,
}

impl Default for CsvSinkSettings {
    fn default() -> Self {
        // Judgement: a year and a month, as reports are kept; five million rows.
        CsvSinkSettings {
            folder: None,
            keep_days: 400,
            bytes_max: 1 << 30,
            // Judgement: an hour of a storm of alerts, some 20 MiB.
            waiting_rows_max: 65_536,
        }
    }
}
