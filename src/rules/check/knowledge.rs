//! The knowledge base: what it refers to exists, and no KQI shows two causes.

use super::kqis::Kqis;
use super::team::read_desk;
use super::{Ids, text_of, texts_of, unknown, words_of};
use crate::rules::book::{AlertRule, Department, Kqi, Service, Text};
use crate::rules::knowledge::{KnowledgeEntry, Remedy};
use crate::rules::problem::{Kind, Problems};
use crate::rules::syntax::Node;

/// What entries refer to.
pub(super) struct Context<'a> {
    pub(super) departments: &'a [Department],
    pub(super) services: &'a [Service],
    pub(super) kqis: &'a Kqis,
    /// What is watched: an entry that none of them leads to is never shown.
    pub(super) alerts: &'a [AlertRule],
}

pub(super) fn read(
    nodes: &[&Node],
    context: &Context<'_>,
    problems: &mut Problems,
) -> Vec<KnowledgeEntry> {
    let mut ids = Ids::new("knowledge entry");
    let mut entries: Vec<KnowledgeEntry> = Vec::new();
    for node in nodes {
        let Some(id) = node.get("id").filter(|id| ids.claim(id, problems)) else {
            continue;
        };
        let entry = read_entry(id.text().unwrap_or_default(), node, context, problems);
        check_signs(node, &entry, &entries, context, problems);
        check_reach(node, &entry, context, problems);
        entries.push(entry);
    }
    entries
}

fn read_entry(
    id: &str,
    node: &Node,
    context: &Context<'_>,
    problems: &mut Problems,
) -> KnowledgeEntry {
    if let Some(service) = node.get("service") {
        let known = context.services.iter().map(|service| service.id.as_str());
        if !known.clone().any(|known| Some(known) == service.text()) {
            unknown(Kind::Service, service, known, problems);
        }
    }
    let complexity = node.get("complexity").and_then(Node::number).unwrap_or(3.0);
    if let Some(field) = node
        .get("complexity")
        .filter(|_| !(1.0..=5.0).contains(&complexity))
    {
        problems.error(field.at, format!("a factor is 1 to 5, not {complexity}"));
    }
    let mut of_remedies = Ids::new("remedy");
    let mut remedies = Vec::new();
    for item in node.get("remedies").map(Node::items).unwrap_or_default() {
        if let Some(id) = item.get("id").filter(|id| of_remedies.claim(id, problems)) {
            remedies.push(Remedy {
                id: id.text().unwrap_or_default().to_owned(),
                text: words_of(item, "text"),
            });
        }
    }
    let owner = node.get("owner");
    KnowledgeEntry {
        id: id.to_owned(),
        title: words_of(node, "title"),
        service: node.get("service").and_then(Node::text).map(str::to_owned),
        kqis: texts_of(node, "kqis"),
        leaves: texts_of(node, "leaves"),
        causes: texts(node, "causes"),
        verify: texts(node, "verify"),
        remedies,
        complexity: complexity.clamp(1.0, 5.0) as u32,
        owner: owner.and_then(|owner| read_desk(owner, context.departments, problems)),
        say: node.get("say").map(|_| words_of(node, "say")),
        reference: text_of(node, "reference"),
    }
}

/// What shows this cause: KQIs that exist, and that show no other one.
fn check_signs(
    node: &Node,
    entry: &KnowledgeEntry,
    before: &[KnowledgeEntry],
    context: &Context<'_>,
    problems: &mut Problems,
) {
    for field in node.get("kqis").map(Node::items).unwrap_or_default() {
        let pattern = field.text().unwrap_or_default();
        let fits = |id: &str| match pattern.strip_suffix('*') {
            Some(begin) => id.starts_with(begin),
            None => id == pattern,
        };
        if !context.kqis.ids.keys().any(|id| fits(id)) {
            let known = context.kqis.ids.keys().map(String::as_str);
            unknown(Kind::Kqi, field, known, problems);
        }
        let shown = context.kqis.checked.iter().filter(|kqi| fits(&kqi.id));
        let shown = shown.filter(|kqi| entry.is_shown_by(kqi));
        for kqi in shown {
            if let Some(other) = before.iter().find(|other| other.is_shown_by(kqi)) {
                let hint = "a KQI shows one cause: take it off one of the two";
                problems.error_with(
                    field.at,
                    format!("kqi {:?} shows cause {:?} already", kqi.id, other.id),
                    Some(hint.to_owned()),
                );
            }
        }
    }
    if entry.kqis.is_empty() && entry.leaves.is_empty() {
        problems.error_with(
            node.at,
            format!("nothing shows cause {:?}", entry.id),
            Some("name kqis, leaves, or both".to_owned()),
        );
    }
}

/// Something opens a trigger of this cause: an alert on one of its KQIs, or, where it is known by what people complain of,
/// one on the complaints of its service, which takes the cause that most of them are a sign of.
fn check_reach(
    node: &Node,
    entry: &KnowledgeEntry,
    context: &Context<'_>,
    problems: &mut Problems,
) {
    let mut kqis = context.kqis.checked.iter();
    let is_unknown = !kqis.any(|kqi| entry.is_shown_by(kqi));
    // That it names nothing, or what is not there, is said already.
    if is_unknown && entry.leaves.is_empty() {
        return;
    }
    let watches = |kqi: &Kqi| context.alerts.iter().any(|alert| alert.kqi == kqi.id);
    let leads_here = |kqi: &Kqi| {
        let counts = !entry.leaves.is_empty() && kqi.counts_complaints_of(entry.service.as_deref());
        entry.is_shown_by(kqi) || counts
    };
    let mut kqis = context.kqis.checked.iter();
    if !kqis.any(|kqi| leads_here(kqi) && watches(kqi)) {
        let of = entry.service.as_deref().unwrap_or("any service");
        let words = format!(
            "no alert leads to cause {:?}: nobody is ever shown it",
            entry.id
        );
        let hint = format!(
            "name a KQI that is watched, or watch a KQI that counts the complaints of {of} by service"
        );
        problems.warn(node.at, words, Some(hint));
    }
}

fn texts(node: &Node, field: &str) -> Vec<Text> {
    let items = node.get(field).map(Node::items).unwrap_or_default();
    items
        .iter()
        .map(|item| match item.text() {
            Some(text) => Text {
                zh: text.to_owned(),
                en: text.to_owned(),
            },
            None => Text {
                zh: text_of(item, "zh"),
                en: text_of(item, "en"),
            },
        })
        .collect()
}
