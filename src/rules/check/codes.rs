//! Node codes: each is or was the code of one node.

use super::Ids;
use crate::rules::codes::NodeCodes;
use crate::rules::leaf::Leaf;
use crate::rules::problem::Problems;
use crate::rules::syntax::Node;

pub(super) fn read(
    nodes: &[&Node],
    trees: &[&Node],
    leaves: &[Leaf],
    problems: &mut Problems,
) -> NodeCodes {
    let mut ids = Ids::new("node code");
    let mut codes = NodeCodes::default();
    let of_trees = trees.iter().filter_map(|tree| tree.get("nodes"));
    let of_trees = of_trees.flat_map(Node::items);
    for node in nodes.iter().copied().chain(of_trees) {
        let Some(code) = node.get("code") else {
            if let Some(was) = node.get("was") {
                problems.error(was.at, "codes of before need the code of today");
            }
            continue;
        };
        let Some(now) = code.text() else {
            continue;
        };
        check_code(code, problems);
        let was = node.get("was").map(Node::items).unwrap_or_default();
        for known in std::iter::once(code).chain(was) {
            if ids.claim(known, problems)
                && let Some(text) = known.text()
            {
                codes.now.insert(text.to_owned(), now.to_owned());
            }
        }
    }
    for node in leaves.iter().filter_map(|leaf| leaf.node.as_ref()) {
        codes
            .now
            .entry(node.clone())
            .or_insert_with(|| node.clone());
    }
    codes
}

/// Reports what is not `O` and three times two digits.
pub(super) fn check_code(code: &Node, problems: &mut Problems) {
    let Some(text) = code.text() else {
        return;
    };
    let digits = text.strip_prefix('O');
    if !digits.is_some_and(|digits| digits.len() == 6 && digits.parse::<u32>().is_ok()) {
        problems.error_with(
            code.at,
            format!("{text:?} is not a node code"),
            Some("write for example O010104".to_owned()),
        );
    }
}
