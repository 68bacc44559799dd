//! Services: a name means one of them, whoever calls it so.

use super::{Ids, name_of, texts_of};
use crate::rules::book::Service;
use crate::rules::problem::Problems;
use crate::rules::syntax::Node;

pub(super) fn read(nodes: &[&Node], problems: &mut Problems) -> Vec<Service> {
    let mut ids = Ids::new("service");
    let mut services = Vec::new();
    for node in nodes {
        // Its KQIs are judged, whatever is wrong with its id.
        let Some(id) = node.get("id").filter(|id| ids.claim(id, problems)) else {
            continue;
        };
        services.push(Service {
            id: id.text().unwrap_or_default().to_owned(),
            name: name_of(node),
            aliases: texts_of(node, "aliases"),
            is_channel: node.get("channel").and_then(Node::flag).unwrap_or(false),
        });
    }
    for alias in nodes
        .iter()
        .filter_map(|node| node.get("aliases"))
        .flat_map(Node::items)
    {
        ids.claim(alias, problems);
    }
    services
}
