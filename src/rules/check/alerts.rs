//! Alert policies, the alerts KQIs have by default, and those the book names.

use std::collections::BTreeMap;

use super::kqis::Kqis;
use super::{Ids, duration_of, text_of, unknown};
use crate::rules::book::{AlertRule, Interval, Kqi, Missing, Severity};
use crate::rules::problem::{Kind, Problems};
use crate::rules::syntax::{Entry, Node};

/// The word that leaves a KQI without an alert.
const NO_ALERT: &str = "none";
/// The policy of KQIs that name none.
const DEFAULT: &str = "default";

/// When abnormal windows become an alert.
#[derive(Clone, Copy, Debug)]
struct Policy {
    severity: Option<Severity>,
    for_ms: i64,
    keep_firing_for_ms: i64,
    missing: Missing,
}

/// The policies of a book; `default` is always among them.
pub(super) struct Policies(BTreeMap<String, Policy>);

pub(super) fn read_policies(entries: &[&Entry], problems: &mut Problems) -> Policies {
    let plain = Policy {
        severity: None,
        for_ms: 0,
        keep_firing_for_ms: 0,
        missing: Missing::Hold,
    };
    let mut ids = Ids::new("alert policy");
    let mut policies = BTreeMap::from([(DEFAULT.to_owned(), plain)]);
    for entry in entries {
        if entry.key == NO_ALERT {
            problems.error(entry.at, "\"none\" means no alert and cannot be a policy");
        } else if ids.claim_across_files(entry, problems) {
            policies.insert(entry.key.clone(), plain.changed_by(&entry.node));
        }
    }
    Policies(policies)
}

impl Policies {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Reports an `alert` field that leads nowhere.
    pub(super) fn check_reference(&self, node: &Node, problems: &mut Problems) {
        let Some(field) = node.get("alert") else {
            return;
        };
        let Some(name) = field.text().filter(|name| *name != NO_ALERT) else {
            return;
        };
        if !self.0.contains_key(name) {
            unknown(
                Kind::Policy,
                field,
                self.names().chain([NO_ALERT]),
                problems,
            );
        } else if !has_limit(node) {
            problems.error(
                field.at,
                format!(
                    "kqi {:?} has neither anchors nor an interval, so it is never abnormal",
                    text_of(node, "id")
                ),
            );
        }
    }
}

impl Policy {
    fn changed_by(self, node: &Node) -> Policy {
        Policy {
            severity: match node.get("severity").and_then(Node::text) {
                Some("by_score") => None,
                Some("warning") => Some(Severity::Warning),
                Some("minor") => Some(Severity::Minor),
                Some("major") => Some(Severity::Major),
                Some("critical") => Some(Severity::Critical),
                _ => self.severity,
            },
            for_ms: duration_of(node, "for").unwrap_or(self.for_ms),
            keep_firing_for_ms: duration_of(node, "keep_firing_for")
                .unwrap_or(self.keep_firing_for_ms),
            missing: match node.get("missing").and_then(Node::text) {
                Some("hold") => Missing::Hold,
                Some("resolve") => Missing::Resolve,
                _ => self.missing,
            },
        }
    }

    fn rule(self, id: &str, kqi: &str) -> AlertRule {
        AlertRule {
            id: id.to_owned(),
            kqi: kqi.to_owned(),
            severity: self.severity,
            for_ms: self.for_ms,
            keep_firing_for_ms: self.keep_firing_for_ms,
            missing: self.missing,
        }
    }
}

/// All alert rules: the KQIs' own in catalogue order, then the named ones.
pub(super) fn read(
    kqis: &Kqis,
    nodes: &[&Node],
    policies: &Policies,
    problems: &mut Problems,
) -> Vec<AlertRule> {
    let mut ids = Ids::new("alert");
    let mut rules = Vec::new();
    for (kqi, (field, at)) in kqis.checked.iter().zip(&kqis.alert_fields) {
        let policy = policies.0.get(field.as_deref().unwrap_or(DEFAULT));
        // `none` is not among the policies, which is just what it means.
        if let Some(policy) = policy.filter(|_| can_be_abnormal(kqi)) {
            ids.claim_at(&kqi.id, *at, problems);
            rules.push(policy.rule(&kqi.id, &kqi.id));
        }
    }
    for node in nodes {
        let id = node.get("id").filter(|id| ids.claim(id, problems));
        let policy = match node.get("policy") {
            None => policies.0.get(DEFAULT),
            Some(field) => {
                let policy = field.text().and_then(|name| policies.0.get(name));
                if policy.is_none() {
                    unknown(Kind::Policy, field, policies.names(), problems);
                }
                policy
            }
        };
        let Some(kqi) = node.get("kqi") else {
            continue;
        };
        check_kqi(kqi, kqis, problems);
        if let (Some(policy), Some(id), Some(kqi)) = (policy, id.and_then(Node::text), kqi.text()) {
            rules.push(policy.changed_by(node).rule(id, kqi));
        }
    }
    rules
}

fn check_kqi(field: &Node, kqis: &Kqis, problems: &mut Problems) {
    let Some(id) = field.text() else {
        return;
    };
    if !kqis.ids.contains_key(id) {
        unknown(
            Kind::Kqi,
            field,
            kqis.ids.keys().map(String::as_str),
            problems,
        );
    } else if kqis.limitless.contains(id) {
        problems.error(
            field.at,
            format!("kqi {id:?} has neither anchors nor an interval, so it is never abnormal"),
        );
    }
}

/// Whether a KQI says what is abnormal, be it in words that cannot be read.
pub(super) fn has_limit(kqi: &Node) -> bool {
    kqi.get("anchors").is_some() || kqi.get("interval").is_some()
}

fn can_be_abnormal(kqi: &Kqi) -> bool {
    kqi.interval != Interval::default()
}
