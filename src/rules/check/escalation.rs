//! The chain that an overdue demand climbs: its steps exist, and lead to somebody in every department.

use super::{duration_of, text_of, unknown};
use crate::rules::book::Department;
use crate::rules::problem::{Kind, Problems};
use crate::rules::syntax::Node;
use crate::rules::team::EscalationStep;

/// Reads a step; every role and department that it names exists.
pub(super) fn read(
    node: &Node,
    departments: &[Department],
    problems: &mut Problems,
) -> EscalationStep {
    let role = node.get("role");
    let department = node.get("department").and_then(Node::text);
    let department = department.map(str::to_owned);
    let known = departments
        .iter()
        .filter(|of| {
            department
                .as_ref()
                .is_none_or(|department| of.id == *department)
        })
        .flat_map(|of| of.roles.iter().map(|role| role.id.as_str()));
    if let Some(role) = role
        && !known.clone().any(|known| Some(known) == role.text())
    {
        unknown(Kind::Role, role, known, problems);
    }
    let step = EscalationStep {
        after_ms: duration_of(node, "after").unwrap_or(0),
        role: text_of(node, "role"),
        department,
    };
    check_above(node, &step, departments, problems);
    step
}

/// A step within whichever department is asked: one that has no such role climbs to somebody of another department.
fn check_above(
    node: &Node,
    step: &EscalationStep,
    departments: &[Department],
    problems: &mut Problems,
) {
    let Some(role) = node.get("role").filter(|_| step.department.is_none()) else {
        return;
    };
    let has_role = |of: &&Department| of.roles.iter().any(|known| known.id == step.role);
    if !departments.iter().any(|of| has_role(&of)) {
        return;
    }
    let without = departments.iter().filter(|of| !has_role(of));
    let without: Vec<&str> = without.map(|of| of.id.as_str()).collect();
    if !without.is_empty() {
        let words = format!(
            "{} without a {:?}: what is overdue there climbs to the reviewer, or to another department",
            without.join(", "),
            step.role
        );
        let hint = format!("give each department a role {:?}", step.role);
        problems.warn(role.at, words, Some(hint));
    }
}
