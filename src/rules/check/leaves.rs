//! Leaves: paths of at most seven levels, codes, and questions that can be decided.

use super::codes::check_code;
use super::kqis::Kqis;
use super::{Ids, text_of, unknown, words_of};
use crate::event::LEVELS;
use crate::rules::book::{Department, Service};
use crate::rules::leaf::{Answer, ComplaintClass, Leaf, Question, QuestionRole, Suspicion};
use crate::rules::problem::{Kind, Problems, did_you_mean};
use crate::rules::syntax::Node;
use crate::rules::tree::ComplaintTrees;

/// What leaves refer to.
pub(super) struct Context<'a> {
    pub(super) departments: &'a [Department],
    pub(super) services: &'a [Service],
    pub(super) kqis: &'a Kqis,
    pub(super) trees: &'a ComplaintTrees,
}

pub(super) fn read(nodes: &[&Node], context: &Context<'_>, problems: &mut Problems) -> Vec<Leaf> {
    let mut ids = Ids::new("leaf");
    let mut leaves = Vec::new();
    for node in nodes {
        let is_new = node.get("id").is_some_and(|id| ids.claim(id, problems));
        check_path(node, context.trees, problems);
        check_reference(
            Kind::Service,
            node,
            context.services.iter().map(|known| known.id.as_str()),
            problems,
        );
        let questions = read_questions(node, context, problems);
        let confirm = node.get("confirm");
        let confirm =
            confirm.map(|confirm| super::confirm::read(confirm, &questions, context, problems));
        let leaf = Leaf {
            id: text_of(node, "id"),
            path: text_of(node, "path"),
            node: node.get("node").and_then(Node::text).map(str::to_owned),
            also: also(node)
                .filter_map(Node::text)
                .map(str::to_owned)
                .collect(),
            service: text_of(node, "service"),
            questions,
            confirm,
        };
        if is_new {
            leaves.push(leaf);
        }
    }
    leaves
}

fn check_path(node: &Node, trees: &ComplaintTrees, problems: &mut Problems) {
    if let Some(path) = node.get("path") {
        check_levels(path, LEVELS.len(), problems);
        check_in_trees(path, trees, problems);
    }
    for path in also(node) {
        check_levels(path, LEVELS.len(), problems);
        check_in_trees(path, trees, problems);
    }
    if let Some(code) = node.get("node") {
        check_code(code, problems);
    }
}

fn also(leaf: &Node) -> impl Iterator<Item = &Node> {
    leaf.get("also").map(Node::items).unwrap_or_default().iter()
}

/// Reports a path that is deeper than its tree, or has a hole.
pub(super) fn check_levels(path: &Node, levels_max: usize, problems: &mut Problems) {
    let Some(text) = path.text() else {
        return;
    };
    let levels = text.split('/').count();
    if levels > levels_max {
        problems.error(
            path.at,
            format!("a path of {levels} levels, the tree has {levels_max}"),
        );
    }
    if text.split('/').any(|level| level.trim().is_empty()) {
        problems.error(path.at, "a level of the path is empty");
    }
}

/// Where there are trees, forms belong to their nodes.
pub(super) fn check_in_trees(path: &Node, trees: &ComplaintTrees, problems: &mut Problems) {
    let Some(text) = path.text().filter(|_| !trees.trees.is_empty()) else {
        return;
    };
    if trees.tree_of(text).is_none() {
        let known = trees.trees.iter().flat_map(|tree| tree.nodes.keys());
        let hint = did_you_mean(text, known.map(String::as_str));
        problems.error_with(path.at, format!("no tree has the path {text:?}"), hint);
    }
}

fn read_questions(leaf: &Node, context: &Context<'_>, problems: &mut Problems) -> Vec<Question> {
    let mut ids = Ids::new("question");
    let mut questions = Vec::new();
    for node in leaf.get("questions").map(Node::items).unwrap_or_default() {
        let is_new = node.get("id").is_some_and(|id| ids.claim(id, problems));
        let role = node.get("role").and_then(Node::text).unwrap_or_default();
        check_fields(role, node, problems);
        let bad = match node.get("bad").and_then(Node::text) {
            Some("yes") => Answer::Yes,
            _ => Answer::No,
        };
        let role = match role {
            "exclude" => QuestionRole::Exclude {
                bad,
                guidance: words_of(node, "guidance"),
            },
            "suspect" => QuestionRole::Suspect {
                bad,
                suspicion: read_suspicion(node, context, problems),
            },
            _ => QuestionRole::Element,
        };
        if is_new {
            questions.push(Question {
                id: text_of(node, "id"),
                text: words_of(node, "text"),
                role,
            });
        }
    }
    questions
}

/// Each role takes its own fields, and needs those that decide.
fn check_fields(role: &str, node: &Node, problems: &mut Problems) {
    let (takes, needs): (&[&str], &[&str]) = match role {
        "exclude" => (&["bad", "guidance"], &["bad", "guidance"]),
        "suspect" => (
            &["bad", "cause", "class", "department", "kqi"],
            &["bad", "cause", "class"],
        ),
        _ => (&[], &[]),
    };
    for name in ["bad", "guidance", "cause", "class", "department", "kqi"] {
        match node.get(name) {
            Some(field) if !takes.contains(&name) => {
                problems.error(field.at, format!("role {role:?} takes no {name:?}"));
            }
            None if needs.contains(&name) => {
                problems.error(node.at, format!("role {role:?} needs {name:?}"));
            }
            _ => {}
        }
    }
}

fn read_suspicion(node: &Node, context: &Context<'_>, problems: &mut Problems) -> Suspicion {
    let departments = context.departments.iter().map(|known| known.id.as_str());
    check_reference(Kind::Department, node, departments, problems);
    let kqis = context.kqis.ids.keys().map(String::as_str);
    check_reference(Kind::Kqi, node, kqis, problems);
    let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
    Suspicion {
        cause: words_of(node, "cause"),
        class: class_of(node),
        department: text("department"),
        kqi: text("kqi"),
    }
}

/// The class that a node names; a wrong word was reported by `shape`.
pub(super) fn class_of(node: &Node) -> ComplaintClass {
    let class = node.get("class").and_then(Node::text).unwrap_or_default();
    ComplaintClass::NAMES
        .iter()
        .find(|(name, ..)| *name == class)
        .map_or(ComplaintClass::Usage, |(.., class)| *class)
}

pub(super) fn check_reference<'a>(
    kind: Kind,
    node: &Node,
    known: impl Iterator<Item = &'a str> + Clone,
    problems: &mut Problems,
) {
    if let Some(field) = node.get(kind.name())
        && !known.clone().any(|known| Some(known) == field.text())
    {
        unknown(kind, field, known, problems);
    }
}
