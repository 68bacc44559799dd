//! Node codes of the complaint tree: those of today, and what was filed under codes of before (domain
//! facts G3, G4). A code is looked up when a fact is routed, so a mapping that is corrected by a new book
//! counts for the whole retained history.

use std::collections::BTreeMap;

/// Every code that the book knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeCodes {
    /// The code of today, by every code that it is or was filed under.
    pub now: BTreeMap<String, String>,
}

impl NodeCodes {
    /// The code of today; none for one that nobody has mapped.
    pub fn of(&self, node: &str) -> Option<&str> {
        self.now.get(node).map(String::as_str)
    }
}
