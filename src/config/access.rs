//! Who may use the API.

use std::path::PathBuf;

use serde::Deserialize;

use crate::api::Role;

/// Who may use the API: everybody who reaches it, unless there are tokens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// Tokens; once there is one, nothing is answered without.
    pub tokens: Vec<TokenSettings>,
}

/// One token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// Whose it is: what is done with it is done in this name.
    pub name: String,
    /// File that holds the token; a line end after it does not count.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Or its SHA-256 in hexadecimal, as `printf %s TOKEN | sha256sum` gives it.
    #[serde(default)]
    pub token_sha256: Option<String>,
    /// What it may do beside reading.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Departments whose triggers it may move; all where it names none.
    #[serde(default)]
    pub departments: Vec<String>,
    /// Cities whose objects it sees, and no others; the whole where it names none.
    #[serde(default)]
    pub cities: Vec<String>,
}
