//! Where the numbers of the book come from.

use serde::{Deserialize, Serialize};

use crate::rules::book::Kqi;

/// Where a judged number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// What it is about: `anchors`, `limit`, `min_samples`, `window`, …
    pub of: String,
    /// Kind of source.
    pub kind: ProvenanceKind,
    /// The source itself, for example `MIIT 3G service norm, 2009`.
    pub reference: String,
}

/// Kind of source of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvenanceKind {
    /// An operator's document.
    Document,
    /// A standard or regulation.
    Standard,
    /// Our judgement: to be tuned.
    Judgement,
}

impl ProvenanceKind {
    /// The name in files and the API.
    pub const fn name(self) -> &'static str {
        match self {
            ProvenanceKind::Document => "document",
            ProvenanceKind::Standard => "standard",
            ProvenanceKind::Judgement => "judgement",
        }
    }
}

impl Kqi {
    /// Where its limit comes from, as people read it: the kind of the source, and the source.
    pub fn limit_source(&self) -> Option<String> {
        let source = self.limit_provenance()?;
        Some(format!("{}: {}", source.kind.name(), source.reference))
    }

    /// Where its limit comes from: its own word on that, or else its anchor set's. The third anchor is the limit
    /// unless the rule says otherwise.
    pub fn limit_provenance(&self) -> Option<&Provenance> {
        let (of_set, own) = self.provenance.split_at_checked(self.provenance_of_set)?;
        let about = |known: &'_ [Provenance], of: &str| known.iter().position(|one| one.of == of);
        let first = |known: &[Provenance]| {
            ["limit", "interval", "b3", "anchors"]
                .iter()
                .find_map(|of| about(known, of))
        };
        first(own)
            .map(|at| &own[at])
            .or_else(|| first(of_set).map(|at| &of_set[at]))
    }
}
