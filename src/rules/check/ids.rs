//! Ids are claimed once, and a second claim names the place of the first.

use std::collections::BTreeMap;

use crate::rules::problem::{Position, Problems};
use crate::rules::syntax::{Entry, Node};

/// The ids of one kind, each with the place that claimed it first.
pub(super) struct Ids {
    kind: &'static str,
    pub(super) seen: BTreeMap<String, Position>,
}

impl Ids {
    pub(super) fn new(kind: &'static str) -> Ids {
        Ids {
            kind,
            seen: BTreeMap::new(),
        }
    }

    /// True for the first claim of an id; a second one is a problem.
    pub(super) fn claim(&mut self, id: &Node, problems: &mut Problems) -> bool {
        let Some(text) = id.text() else {
            return false;
        };
        self.claim_at(text, id.at, problems)
    }

    /// The same for a key of a table; repeats within one file were reported by `shape`.
    pub(super) fn claim_across_files(&mut self, entry: &Entry, problems: &mut Problems) -> bool {
        match self.seen.get(&entry.key) {
            Some(first) if first.file == entry.at.file => false,
            _ => self.claim_at(&entry.key, entry.at, problems),
        }
    }

    pub(super) fn claim_at(&mut self, id: &str, at: Position, problems: &mut Problems) -> bool {
        if let Some(first) = self.seen.get(id) {
            let place = problems.place(*first);
            problems.error(
                at,
                format!("{} {id:?} exists already, at {place}", self.kind),
            );
            return false;
        }
        self.seen.insert(id.to_owned(), at);
        true
    }
}
