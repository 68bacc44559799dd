//! Second confirmation: each finding has one class, and everything it names is there.

use super::leaves::{Context, check_in_trees, check_levels, check_reference, class_of};
use super::{Ids, duration_of, unknown, words_of};
use crate::event::LEVELS;
use crate::rules::confirm::{ConfirmRule, ConfirmVerdict, Finding};
use crate::rules::duration::DAY_MS;
use crate::rules::leaf::Question;
use crate::rules::problem::{Kind, Problems, did_you_mean};
use crate::rules::syntax::Node;
use crate::rules::team::Outlet;

/// How far back messages are looked at unless the rule says otherwise: MMSCs keep them for 72 hours.
const WITHIN_MS: i64 = 3 * DAY_MS;

pub(super) fn read(
    node: &Node,
    questions: &[Question],
    context: &Context<'_>,
    problems: &mut Problems,
) -> ConfirmRule {
    let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
    if let Some(regional) = node.get("regional") {
        let known = context.kqis.ids.keys().map(String::as_str);
        if !known.clone().any(|known| Some(known) == regional.text()) {
            unknown(Kind::Kqi, regional, known, problems);
        }
    }
    for field in ["order", "period"] {
        let Some(order) = node.get(field) else {
            continue;
        };
        let known = questions.iter().map(|question| question.id.as_str());
        let name = order.text().unwrap_or_default();
        if !known.clone().any(|known| known == name) {
            let hint = did_you_mean(name, known);
            problems.error_with(order.at, format!("the form has no question {name:?}"), hint);
        }
    }
    ConfirmRule {
        within_ms: duration_of(node, "within").unwrap_or(WITHIN_MS),
        regional: text("regional"),
        order: text("order"),
        period: text("period"),
        verdicts: read_verdicts(node, context, problems),
    }
}

fn read_verdicts(
    node: &Node,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Vec<ConfirmVerdict> {
    let mut found = Ids::new("finding");
    let mut verdicts = Vec::new();
    for node in node.get("verdicts").map(Node::items).unwrap_or_default() {
        let departments = context.departments.iter().map(|known| known.id.as_str());
        check_reference(Kind::Department, node, departments, problems);
        if let Some(path) = node.get("refile") {
            check_levels(path, LEVELS.len(), problems);
            check_in_trees(path, context.trees, problems);
        }
        let Some(word) = node.get("found") else {
            continue;
        };
        let is_new = found.claim(word, problems);
        let finding = Finding::NAMES
            .iter()
            .find(|(name, _)| Some(*name) == word.text());
        let Some((_, finding)) = finding.filter(|_| is_new) else {
            continue;
        };
        let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
        verdicts.push(ConfirmVerdict {
            found: *finding,
            class: class_of(node),
            department: text("department"),
            outlet: text("outlet").and_then(|outlet| Outlet::from_name(&outlet)),
            action: words_of(node, "action"),
            refile: text("refile"),
        });
    }
    verdicts
}
