//! Suggestions that data support: one a cause and place, the one that matters most first.
//!
//! An object calls for one when it scores under the report's mark, lay outside its reasonable interval
//! over the period as a whole, or had an alert in it. Several KQIs that show one cause in one place are one
//! suggestion. Nothing else makes one: the count is the data's.

use std::collections::BTreeMap;

use crate::event::CITY;
use crate::reports::facts::{Facts, Judged, dimension, limit, place, text, unit};
use crate::reports::report::{Shown, Table, Value};
use crate::rules::{KnowledgeEntry, Subject, Text};

/// Alerts in the period beyond which one more says nothing new.
const ALERTS_MAX: u32 = 4;

const COLUMNS: &[(&str, &str, &str, Shown)] = &[
    ("rank", "#", "#", Shown::Everywhere),
    ("problem", "问题", "Problem", Shown::Everywhere),
    ("service", "业务", "Service", Shown::Beneath),
    ("place", "地点", "Place", Shown::Beneath),
    ("suggestion", "建议", "Suggestion", Shown::Everywhere),
    ("worked", "以往效果", "Worked before", Shown::Beneath),
    ("score", "得分", "Score", Shown::Everywhere),
    ("best", "最佳地市", "Best city", Shown::Beneath),
    ("value", "值", "Value", Shown::Everywhere),
    ("unit", "单位", "Unit", Shown::Files),
    ("limit", "合理区间", "Limit", Shown::Beneath),
    ("alerts", "告警", "Alerts", Shown::Everywhere),
    (
        "department",
        "建议责任部门",
        "Whom to ask",
        Shown::Everywhere,
    ),
    ("trigger", "已有需求", "Demand", Shown::Beneath),
    ("priority", "优先级", "Priority", Shown::Everywhere),
    ("kqi", "指标编号", "KQI id", Shown::Files),
];

/// A suggestion with its grounds.
pub(super) struct Suggestion<'a> {
    worst: &'a Judged<'a>,
    entry: Option<&'a KnowledgeEntry>,
    cause: &'a str,
    alerts: u32,
    priority: u32,
}

impl Suggestion<'_> {
    /// Whether the knowledge base says what to do.
    pub(super) fn is_explained(&self) -> bool {
        self.entry.is_some()
    }
}

/// Everything that the data support, by priority.
pub(super) fn find<'a>(facts: &'a Facts<'a>, judged: &'a [Judged<'a>]) -> Vec<Suggestion<'a>> {
    let mut found: BTreeMap<(Option<&str>, &str, String), Suggestion<'a>> = BTreeMap::new();
    for object in judged {
        let alerts = alerts_of(facts, object);
        let is_low = object
            .score
            .is_some_and(|score| score < facts.rule.score_below);
        if !is_low && !object.is_outside && alerts == 0 {
            continue;
        }
        let mut entries = facts.book.knowledge.iter();
        let entry = entries.find(|entry| entry.is_shown_by(object.kqi));
        let cause = entry.map_or(object.kqi.id.as_str(), |entry| entry.id.as_str());
        let suggestion = Suggestion {
            worst: object,
            entry,
            cause,
            alerts,
            priority: priority(facts, object, entry, alerts),
        };
        let key = (object.service(), cause, place(object.dimensions));
        match found.get_mut(&key) {
            Some(known) if known.priority >= suggestion.priority => {
                known.alerts = known.alerts.max(alerts);
            }
            _ => {
                found.insert(key, suggestion);
            }
        }
    }
    let mut found: Vec<Suggestion<'_>> = found.into_values().collect();
    // The sort is stable: equal ones stay in the order of service, cause and place.
    found.sort_by(|a, b| {
        let score = |of: &Suggestion<'_>| of.worst.score.unwrap_or(1.0);
        (b.priority.cmp(&a.priority)).then_with(|| score(a).total_cmp(&score(b)))
    });
    found
}

/// The four factors of E7, as triggers weigh them, from what the period shows.
fn priority(
    facts: &Facts<'_>,
    object: &Judged<'_>,
    entry: Option<&KnowledgeEntry>,
    alerts: u32,
) -> u32 {
    let policy = &facts.book.triggers;
    let impact = match object.score {
        Some(score) => (6.0 - score).round().clamp(1.0, 5.0) as u32,
        // Without a scale nothing says how bad it is.
        None => 3,
    };
    let keyness = object.service().and_then(|id| policy.keyness.get(id));
    let simplicity = 6 - entry.map_or(3, |entry| entry.complexity).clamp(1, 5);
    let weights = policy.weights;
    weights.impact * impact
        + weights.keyness * keyness.copied().unwrap_or(3)
        + weights.complexity * simplicity
        + weights.urgency * (1 + alerts.min(ALERTS_MAX))
}

/// Alerts of an object that fired in the period.
fn alerts_of(facts: &Facts<'_>, object: &Judged<'_>) -> u32 {
    let fired = facts.alerts.iter().filter(|alert| {
        alert.kqi.as_deref() == Some(&object.kqi.id)
            && alert.group == object.dimensions
            && alert
                .fired_at_ms
                .is_some_and(|at_ms| facts.is_within(at_ms))
    });
    u32::try_from(fired.count()).unwrap_or(u32::MAX)
}

/// The suggestions as a table.
pub(super) fn table(facts: &Facts<'_>, judged: &[Judged<'_>], found: &[Suggestion<'_>]) -> Table {
    let best = best_cities(judged);
    let mut table = Table::new("suggestions", text("优化建议", "Suggestions"), COLUMNS);
    for (index, suggestion) in found.iter().enumerate() {
        let worst = suggestion.worst;
        let peer = best.get(worst.kqi.id.as_str()).copied();
        let is_city = dimension(worst.dimensions, CITY).is_some();
        let peer = peer.filter(|(score, _)| is_city && worst.score.is_some_and(|own| *score > own));
        push(&mut table, index + 1, suggestion, peer, facts);
    }
    table
}

/// A city's score.
type Peer<'a> = (f64, &'a str);

fn push(
    table: &mut Table,
    rank: usize,
    suggestion: &Suggestion<'_>,
    peer: Option<Peer<'_>>,
    facts: &Facts<'_>,
) {
    let Suggestion { worst, entry, .. } = suggestion;
    let kqi = worst.kqi;
    let (advice, worked) = advice(suggestion, facts);
    let subject = Subject {
        cause: suggestion.cause,
        service: worst.service(),
        layer: kqi.layer,
        department: kqi.department.as_deref(),
    };
    let owner = facts.book.owner(subject, facts.now_ms);
    let open = facts.triggers.iter().find(|trigger| {
        !trigger.state.is_final()
            && trigger.cause.cause == suggestion.cause
            && trigger.group == worst.dimensions
    });
    table.push([
        Value::count(rank),
        entry.map_or(&kqi.name, |entry| &entry.title).clone().into(),
        facts.service_name(worst.service()),
        Value::name(place(worst.dimensions)),
        advice.into(),
        worked.into(),
        worst
            .score
            .map_or(Value::Empty, |score| Value::number(score, 2, "")),
        peer.map(|(score, city)| {
            text(
                format!("最佳 {city} {score:.2}"),
                format!("best {city} {score:.2}"),
            )
        })
        .into(),
        worst.shown(),
        Value::name(unit(kqi)),
        limit(kqi.interval.min, kqi.interval.max, &unit(kqi)),
        Value::number(f64::from(suggestion.alerts), 0, ""),
        owner.map(|owner| owner.department_name).into(),
        Value::name(open.map_or("", |trigger| trigger.id.as_str())),
        Value::number(f64::from(suggestion.priority), 0, ""),
        Value::name(&kqi.id),
    ]);
}

/// What to do, and how often that worked: the remedy that worked most often, of equal ones the first. What
/// no entry explains is to be looked into, and says so.
fn advice(suggestion: &Suggestion<'_>, facts: &Facts<'_>) -> (Text, Option<Text>) {
    let name = &suggestion.worst.kqi.name;
    let mut best: Option<(&Text, u64, u64)> = None;
    for remedy in suggestion.entry.iter().flat_map(|entry| &entry.remedies) {
        let worked = facts.process.worked(suggestion.cause, &remedy.id);
        if best.is_none_or(|(_, effective, _)| worked.effective > effective) {
            best = Some((&remedy.text, worked.effective, worked.tried()));
        }
    }
    match best {
        Some((remedy, _, 0)) => (remedy.clone(), None),
        Some((remedy, effective, tried)) => {
            let worked = text(
                format!("{tried} 次中有效 {effective} 次"),
                format!("effective {effective} of {tried} times"),
            );
            (remedy.clone(), Some(worked))
        }
        None => (
            text(
                format!("查明「{}」得分低的原因（知识库尚无条目）", name.zh),
                format!(
                    "Find out what lowers {:?} (not in the knowledge base yet)",
                    name.en
                ),
            ),
            None,
        ),
    }
}

/// The city that does best, by KQI; of equal ones the first.
fn best_cities<'a>(judged: &'a [Judged<'_>]) -> BTreeMap<&'a str, Peer<'a>> {
    let mut best: BTreeMap<&str, Peer<'_>> = BTreeMap::new();
    for object in judged {
        let (Some(score), Some(city)) = (object.score, dimension(object.dimensions, CITY)) else {
            continue;
        };
        let known = best.entry(&object.kqi.id).or_insert((score, city));
        if score > known.0 {
            *known = (score, city);
        }
    }
    best
}
