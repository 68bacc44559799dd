//! How webhooks are configured.

use std::path::PathBuf;

use serde::Deserialize;

use crate::bounded::{DAY_S, between};

/// What a webhook can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookEvent {
    /// What agents tell customers, whenever it changes.
    Feedback,
    /// What is mailed of triggers, once and not for each reader.
    Trigger,
    /// What is mailed of alerts, likewise.
    Alert,
}

/// One webhook.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookConfig {
    /// Name: letters, digits, hyphens and underscores. Part of the identity of what is delivered.
    pub name: String,
    /// Where it is posted to, `https://` or `http://`.
    pub url: String,
    /// File with the secret that bodies are signed with; a line end after it does not count. Without it they
    /// are not signed.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// PEM file of a further certificate authority, for receivers that sign their own.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What it is told.
    #[serde(default = "everything")]
    pub events: Vec<HookEvent>,
    /// How long an attempt may take, seconds.
    #[serde(default = "timeout_s", deserialize_with = "between::<1, DAY_S, _, _>")]
    pub timeout_s: u64,
}

fn everything() -> Vec<HookEvent> {
    vec![HookEvent::Feedback, HookEvent::Trigger, HookEvent::Alert]
}

const fn timeout_s() -> u64 {
    10
}
