//! Words of reports and mails by their names in the API.

use crate::reports::facts::text;
use crate::rules::{Severity, Text};

/// State of a trigger, by its name.
pub fn state_text(state: &str) -> Option<(&'static str, &'static str)> {
    Some(match state {
        "open" => ("待受理", "open"),
        "detected" => ("已发现", "detected"),
        "classified" => ("待分析", "classified"),
        "analysed" => ("待审核", "analysed"),
        "reviewed" => ("已审核", "reviewed"),
        "dispatched" => ("待受理", "dispatched"),
        "reopened" => ("重新打开", "reopened"),
        "mended" => ("已完成", "mended"),
        "feedback_given" => ("已反馈", "feedback given"),
        "effect_measured" => ("已评估", "effect measured"),
        "closed" => ("已关闭", "closed"),
        "accepted" => ("已受理", "accepted"),
        "in_progress" => ("处理中", "in progress"),
        "done" => ("已完成", "done"),
        "not_optimised" => ("不优化", "not optimised"),
        _ => return None,
    })
}

/// Verdict on an effect, by its name.
pub fn verdict_text(verdict: &str) -> Option<(&'static str, &'static str)> {
    Some(match verdict {
        "effective" => ("有效", "effective"),
        "no_effect" => ("无效", "no effect"),
        "worse" => ("恶化", "worse"),
        "too_early" => ("尚早", "too early"),
        "not_proven" => ("未能证实", "not proven"),
        "unprovable" => ("数据无法证明", "not provable by data"),
        _ => return None,
    })
}

/// Severity by its X.733 name.
pub const fn severity_text(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Warning => ("提示", "Warning"),
        Severity::Minor => ("次要", "Minor"),
        Severity::Major => ("重要", "Major"),
        Severity::Critical => ("紧急", "Critical"),
    }
}

/// The words for a name, or the name itself.
pub(super) fn words(found: Option<(&str, &str)>, name: &str) -> Text {
    let (zh, en) = found.unwrap_or((name, name));
    text(zh, en)
}
