//! Sources of events: who they are, and whose (domain fact H5).
//!
//! An event says its source, or none. Whether that is the operator's own follows from the rule book when a fact is
//! routed, as its province does: a source that is registered later counts so for the whole retained history.

use std::collections::BTreeMap;

use crate::event::Stream;
use crate::rules::{RuleBook, Text};

/// A registered source of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Display name.
    pub name: Text,
    /// True for the operator's own data, false for what outsiders tell; as its stream where nothing is said.
    pub internal: Option<bool>,
}

/// Every source that the book knows, by its `source` on the wire.
pub type Sources = BTreeMap<String, Source>;

impl RuleBook {
    /// Whether what a source tells on a stream is the operator's own: what the source's entry says, or else the stream's.
    pub fn is_internal(&self, stream: Stream, source: Option<&str>) -> bool {
        let known = source.and_then(|source| self.sources.get(source));
        known
            .and_then(|known| known.internal)
            .or_else(|| Some(self.streams.get(&stream)?.internal))
            .unwrap_or(true)
    }
}
