//! Complaint trees on the wire.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::TextView;
use crate::rules::{ComplaintTree, Leaf};

/// Every tree.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TreesView {
    /// In the order of the rule book.
    pub trees: Vec<TreeView>,
}

/// A complaint tree: what one navigates by.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TreeView {
    /// Identifier, and value of the dimension `tree`.
    pub tree: String,
    /// Display name.
    pub name: TextView,
    /// What its levels are called, the root first.
    pub levels: Vec<TextView>,
    /// Every node, those above before those below.
    pub nodes: Vec<TreeNodeView>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TreeNodeView {
    /// Names of its levels, the root first, joined by slashes.
    pub path: String,
    /// Its own name.
    pub name: String,
    /// Its level, from 1.
    pub level: usize,
    /// Whether nothing is below it.
    pub is_leaf: bool,
    /// Code of today.
    pub code: Option<String>,
    /// Codes of before.
    pub was: Vec<String>,
    /// Service whose complaints these are.
    pub service: Option<String>,
    /// Leaf whose form files a complaint here: `GET /v1/complaints/forms/{form}`.
    pub form: Option<String>,
}

impl TreeView {
    /// A tree with the nodes above those that the book names, and the forms of its leaves.
    pub fn of(tree: &ComplaintTree, leaves: &[Leaf]) -> TreeView {
        // By path: whether something is below it.
        let mut paths: BTreeMap<&str, bool> = BTreeMap::new();
        for path in tree.nodes.keys() {
            paths.entry(path).or_default();
            let above = path.match_indices('/').map(|(at, _)| &path[..at]);
            above.for_each(|path| {
                paths.insert(path, true);
            });
        }
        let node = |(path, is_above): (&str, bool)| {
            let known = tree.nodes.get(path);
            let form = leaves.iter().find(|leaf| leaf.path == path);
            TreeNodeView {
                path: path.to_owned(),
                name: path.rsplit('/').next().unwrap_or_default().to_owned(),
                level: path.split('/').count(),
                is_leaf: !is_above,
                code: known.and_then(|node| node.code.clone()),
                was: known.map(|node| node.was.clone()).unwrap_or_default(),
                service: known.and_then(|node| node.service.clone()),
                form: form.map(|leaf| leaf.id.clone()),
            }
        };
        TreeView {
            tree: tree.id.clone(),
            name: TextView::from(&tree.name),
            levels: tree.levels.iter().map(TextView::from).collect(),
            nodes: paths.into_iter().map(node).collect(),
        }
    }
}
