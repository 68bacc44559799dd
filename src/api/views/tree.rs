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
    /// Leaf whose form files a complaint here: `GET /v1/complaints/forms/{form}`, or by the node's own code.
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
            let form = leaves.iter().find(|leaf| leaf.is_at(path));
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

/// Tickets of a day by node of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TreeCountsView {
    /// The tree.
    pub tree: String,
    /// The day.
    pub day: String,
    /// Tickets that count, in this tree.
    pub total: u64,
    /// Those of the day that are in another tree, or in none.
    pub elsewhere: u64,
    /// Nodes that have some, those above before those below.
    pub nodes: Vec<NodeCountView>,
    /// The cities whose tickets were looked at, where the token is for some; null for all.
    pub cities: Option<Vec<String>>,
}

/// Tickets under one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeCountView {
    /// Names of its levels, the root first, joined by slashes.
    pub path: String,
    /// Its level, from 1.
    pub level: usize,
    /// Code of today; null where it has none or the tree does not name the node.
    pub code: Option<String>,
    /// Tickets at it and below.
    pub tickets: u64,
    /// Tickets at it itself: with those of the nodes just below they are `tickets`.
    pub own: u64,
}

impl TreeCountsView {
    /// Counts paths of tickets; those that are not of the tree are counted together.
    pub fn of<'a>(
        tree: &ComplaintTree,
        day: &str,
        paths: impl Iterator<Item = &'a str>,
        is_here: impl Fn(&str) -> bool,
    ) -> TreeCountsView {
        let mut by_path: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let (mut total, mut elsewhere) = (0, 0);
        for path in paths {
            if !is_here(path) {
                elsewhere += 1;
                continue;
            }
            total += 1;
            by_path.entry(path).or_default().1 += 1;
            let ends = path.match_indices('/').map(|(at, _)| at);
            for end in ends.chain([path.len()]) {
                by_path.entry(&path[..end]).or_default().0 += 1;
            }
        }
        let node = |(path, (tickets, own)): (&str, (u64, u64))| NodeCountView {
            path: path.to_owned(),
            level: path.split('/').count(),
            code: tree.nodes.get(path).and_then(|node| node.code.clone()),
            tickets,
            own,
        };
        TreeCountsView {
            tree: tree.id.clone(),
            day: day.to_owned(),
            total,
            elsewhere,
            nodes: by_path.into_iter().map(node).collect(),
            cities: None,
        }
    }
}
