//! What is known of causes: how to verify them, what mends them, who does, and what agents say
//! meanwhile (domain facts G7, G13, G15, H8).

use crate::rules::team::Desk;
use crate::rules::{Kqi, Text};

/// One cause that is known by name. KQIs and complaint leaves that it lists are signs of one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnowledgeEntry {
    /// Identifier: the cause's name in triggers, routes and metrics.
    pub id: String,
    /// What is wrong, in a few words.
    pub title: Text,
    /// Service; every one without it.
    pub service: Option<String>,
    /// KQIs, by id; `*` at the end stands for any rest.
    pub kqis: Vec<String>,
    /// Last levels of complaint paths.
    pub leaves: Vec<String>,
    /// Likely causes.
    pub causes: Vec<Text>,
    /// How to verify them.
    pub verify: Vec<Text>,
    /// What mends them.
    pub remedies: Vec<Remedy>,
    /// How hard it is to mend, 1 to 5 (复杂度; E7).
    pub complexity: u32,
    /// Who mends it.
    pub owner: Option<Desk>,
    /// What agents tell customers beside the state (客服解释口径).
    pub say: Option<Text>,
    /// Where this is known from.
    pub reference: String,
}

/// One way to mend a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// Identifier within the entry.
    pub id: String,
    /// What to do.
    pub text: Text,
}

impl KnowledgeEntry {
    /// Whether a KQI is a sign of this cause.
    pub fn is_shown_by(&self, kqi: &Kqi) -> bool {
        let service_fits = self.service.is_none() || self.service == kqi.service;
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(begin) => kqi.id.starts_with(begin),
            None => *pattern == kqi.id,
        };
        service_fits && self.kqis.iter().any(fits)
    }

    /// Whether a complaint under this leaf is a sign of this cause.
    pub fn is_complained_of(&self, service: &str, leaf: &str) -> bool {
        let own = self.service.as_deref();
        own.is_none_or(|own| own == service) && self.leaves.iter().any(|known| known == leaf)
    }
}
