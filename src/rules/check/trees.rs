//! Complaint trees: as deep as their levels, every path once, codes that are codes.

use std::collections::BTreeMap;

use super::leaves::check_levels;
use super::{Ids, name_of, text_of, texts_of, unknown};
use crate::event::LEVELS;
use crate::rules::book::{Service, Text};
use crate::rules::problem::{Kind, Problems};
use crate::rules::syntax::Node;
use crate::rules::tree::{ComplaintTree, ComplaintTrees, TreeNode};

pub(super) fn read(
    nodes: &[&Node],
    services: &[Service],
    problems: &mut Problems,
) -> ComplaintTrees {
    let mut ids = Ids::new("tree");
    let mut paths = Ids::new("path");
    let mut trees = Vec::new();
    for node in nodes {
        let is_new = node.get("id").is_some_and(|id| ids.claim(id, problems));
        let levels = node.get("levels").map(Node::items).unwrap_or_default();
        if let Some(list) = node.get("levels").filter(|_| levels.len() > LEVELS.len()) {
            problems.error(
                list.at,
                format!(
                    "{} levels, a tree has at most {}",
                    levels.len(),
                    LEVELS.len()
                ),
            );
        }
        let tree = ComplaintTree {
            id: text_of(node, "id"),
            name: name_of(node),
            levels: levels.iter().map(level_name).collect(),
            nodes: read_nodes(node, levels.len(), services, &mut paths, problems),
        };
        if node.get("exact").and_then(Node::flag).unwrap_or(false) {
            check_exact(node, &tree, problems);
        }
        if is_new {
            trees.push(tree);
        }
    }
    ComplaintTrees::of(trees)
}

fn level_name(node: &Node) -> Text {
    match node.text() {
        Some(text) => Text {
            zh: text.to_owned(),
            en: text.to_owned(),
        },
        None => Text {
            zh: text_of(node, "zh"),
            en: text_of(node, "en"),
        },
    }
}

fn read_nodes(
    tree: &Node,
    levels: usize,
    services: &[Service],
    paths: &mut Ids,
    problems: &mut Problems,
) -> BTreeMap<String, TreeNode> {
    let mut nodes = BTreeMap::new();
    for node in tree.get("nodes").map(Node::items).unwrap_or_default() {
        if let Some(service) = node.get("service")
            && !services
                .iter()
                .any(|known| Some(known.id.as_str()) == service.text())
        {
            let known = services.iter().map(|known| known.id.as_str());
            unknown(Kind::Service, service, known, problems);
        }
        let Some(path) = node.get("path") else {
            continue;
        };
        check_levels(path, levels, problems);
        if !paths.claim(path, problems) {
            continue;
        }
        let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
        let found = TreeNode {
            code: text("code"),
            was: texts_of(node, "was"),
            service: text("service"),
        };
        nodes.insert(text_of(node, "path"), found);
    }
    nodes
}

/// A tree whose last-level nodes all have every level (domain fact G2).
fn check_exact(node: &Node, tree: &ComplaintTree, problems: &mut Problems) {
    for listed in node.get("nodes").map(Node::items).unwrap_or_default() {
        let Some(path) = listed.get("path") else {
            continue;
        };
        let text = path.text().unwrap_or_default();
        let levels = text.split('/').count();
        let below = format!("{text}/");
        let is_last = !tree.nodes.keys().any(|other| other.starts_with(&below));
        if is_last && levels < tree.levels.len() {
            problems.error(
                path.at,
                format!(
                    "a last-level node with {levels} levels, the tree is exact and has {}",
                    tree.levels.len()
                ),
            );
        }
    }
}
