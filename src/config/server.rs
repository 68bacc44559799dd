//! How people reach the server from their mails.

use std::path::PathBuf;

use serde::Deserialize;

use crate::bounded::at_least;

const HOUR_MS: i64 = 3_600_000;

/// How people reach the server from outside.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// URL under which people's browsers reach this server, for example `https://noc.example.com`. Without
    /// it mails have no links to act by.
    pub public_url: Option<String>,
    /// File with the secret that links are signed with, 32 bytes or more; without it `link.key` in the data
    /// folder, which is made once. A new secret ends every link that was mailed before.
    pub link_key_file: Option<PathBuf>,
    /// How long a link may be used after its mail was decided, hours.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub link_valid_h: u32,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            public_url: None,
            link_key_file: None,
            // Judgement: a week, for the longest due time of the shipped book is five working days.
            link_valid_h: 168,
        }
    }
}

impl ServerSettings {
    /// How long a link may be used, ms.
    pub fn link_valid_ms(&self) -> i64 {
        i64::from(self.link_valid_h).saturating_mul(HOUR_MS)
    }
}
