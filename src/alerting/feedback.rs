//! What agents tell customers from now on (客服解释口径), as it is told to systems: a value, like a notice.

use serde::{Deserialize, Serialize};

use crate::rules::{Severity, Text};

/// A new explanation of a trigger (domain facts H14, H23 to H25).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The trigger.
    pub trigger: String,
    /// Number of this explanation of the trigger, from 1.
    pub number: u32,
    /// When it was decided, by the journal's clock, ms.
    pub decided_at_ms: i64,
    /// Service; empty where the trigger has none.
    pub service: String,
    /// Place; empty for everywhere.
    pub place: String,
    /// Cities that it is about by name.
    pub cities: Vec<String>,
    /// What is wrong, in a few words.
    pub title: Text,
    /// Severity.
    pub severity: Severity,
    /// State that is explained.
    pub state: String,
    /// `mended`, `not_optimised` or `absorbed`; none before there is an answer.
    pub outcome: Option<String>,
    /// What to say.
    pub text: Text,
    /// When an answer is due, ms.
    pub due_ms: Option<i64>,
    /// Tickets that wait for it, or get it as their answer.
    pub tickets: u64,
}
