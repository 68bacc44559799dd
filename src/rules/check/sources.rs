//! Sources of events: each is one.

use super::{Ids, name_of};
use crate::rules::problem::Problems;
use crate::rules::sources::{Source, Sources};
use crate::rules::syntax::Node;

pub(super) fn read(nodes: &[&Node], problems: &mut Problems) -> Sources {
    let mut ids = Ids::new("source");
    let mut sources = Sources::new();
    for node in nodes {
        let Some(id) = node.get("id").filter(|id| ids.claim(id, problems)) else {
            continue;
        };
        let source = Source {
            name: name_of(node),
            internal: node.get("internal").and_then(Node::flag),
        };
        sources.insert(id.text().unwrap_or_default().to_owned(), source);
    }
    sources
}
