//! Suggestions that data support: one a service and cause, wherever it shows, the one that matters most first.
//!
//! An object calls for one when it scores under the report's mark, lay outside its reasonable interval
//! over the period as a whole, or had an alert in it. Several KQIs and places that show one cause are one suggestion, as
//! they are one demand. What was mended with a proven effect, and has not fired since, is none: it is counted. Nothing
//! else makes one: the count is the data's.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::CITY;
use crate::reports::facts::{Facts, Judged, dimension, limit, limit_source, place, text, unit};
use crate::reports::held::{Demands, Key, standing};
use crate::reports::report::{Shown, Table, Value};
use crate::rules::{KnowledgeEntry, Subject, Text};
use crate::triggers::{Place, Trigger};

/// Alerts in the period beyond which one more says nothing new.
const ALERTS_MAX: u32 = 4;
/// Cities that are named; the rest is counted. Judgement: those of a province.
const CITIES_MAX: usize = 24;
/// Wider places, demands that are named; the rest is counted. Judgement: what a row can hold.
const NAMED_MAX: usize = 6;

const COLUMNS: &[(&str, &str, &str, Shown)] = &[
    ("rank", "#", "#", Shown::Everywhere),
    ("problem", "问题", "Problem", Shown::Everywhere),
    ("service", "业务", "Service", Shown::Beneath),
    ("places", "地点", "Places", Shown::Beneath),
    ("suggestion", "建议", "Suggestion", Shown::Everywhere),
    ("worked", "以往效果", "Worked before", Shown::Beneath),
    ("score", "得分", "Score", Shown::Everywhere),
    ("best", "最佳地市", "Best city", Shown::Beneath),
    ("value", "值", "Value", Shown::Everywhere),
    ("unit", "单位", "Unit", Shown::Files),
    ("limit", "合理区间", "Limit", Shown::Beneath),
    (
        "limit_source",
        "限值出处",
        "Source of the limit",
        Shown::Noted,
    ),
    ("place", "得分地点", "Place of the score", Shown::Beneath),
    ("alerts", "告警", "Alerts", Shown::Everywhere),
    (
        "department",
        "建议责任部门",
        "Whom to ask",
        Shown::Everywhere,
    ),
    ("trigger", "已有需求", "Demand", Shown::Beneath),
    ("state", "需求状态", "Its state", Shown::Beneath),
    ("priority", "优先级", "Priority", Shown::Everywhere),
    ("kqi", "指标编号", "KQI id", Shown::Files),
];

/// A suggestion with its grounds.
pub(super) struct Suggestion<'a> {
    /// The object that is worst.
    worst: &'a Judged<'a>,
    /// Everything that shows the cause.
    objects: Vec<&'a Judged<'a>>,
    entry: Option<&'a KnowledgeEntry>,
    cause: &'a str,
    /// Of all of them.
    alerts: u32,
    /// Of the worst one.
    priority: u32,
    /// The demands that hold it.
    demands: Vec<&'a Trigger>,
}

impl Suggestion<'_> {
    /// Whether the knowledge base says what to do.
    pub(super) fn is_explained(&self) -> bool {
        self.entry.is_some()
    }
}

/// What the data support.
pub(super) struct Found<'a> {
    /// By priority.
    pub(super) suggestions: Vec<Suggestion<'a>>,
    /// Objects that call for none because they were mended with a proven effect.
    pub(super) settled: usize,
    /// Causes that would be suggestions too, had that not been done everywhere.
    pub(super) mended: usize,
    /// The numbers of the demands by which they were mended, by service and cause.
    pub(super) proven: Vec<&'a str>,
}

/// Everything that the data support, by priority.
pub(super) fn find<'a>(facts: &'a Facts<'a>, judged: &'a [Judged<'a>]) -> Found<'a> {
    let demands = Demands::of(facts);
    let mut found: BTreeMap<Key<'a>, Suggestion<'a>> = BTreeMap::new();
    let mut mended: BTreeMap<Key<'a>, BTreeSet<&'a str>> = BTreeMap::new();
    let mut settled = 0;
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
        let key = (object.service(), cause);
        if let Some(proven) = demands.proven(key, object) {
            mended.entry(key).or_default().insert(proven.id.as_str());
            settled += 1;
            continue;
        }
        let priority = priority(facts, object, entry, alerts);
        let known = found.entry(key).or_insert_with(|| Suggestion {
            worst: object,
            objects: Vec::new(),
            entry,
            cause,
            alerts: 0,
            priority,
            demands: Vec::new(),
        });
        known.objects.push(object);
        known.alerts = known.alerts.saturating_add(alerts);
        let is_worse = priority > known.priority
            || priority == known.priority && score_of(object) < score_of(known.worst);
        if is_worse {
            (known.worst, known.priority) = (object, priority);
        }
    }
    mended.retain(|key, _| !found.contains_key(key));
    for (key, suggestion) in &mut found {
        suggestion.demands = demands.holding(*key, &suggestion.objects);
    }
    let mut suggestions: Vec<Suggestion<'_>> = found.into_values().collect();
    // The sort is stable: equal ones stay in the order of service and cause.
    suggestions.sort_by(|a, b| {
        (b.priority.cmp(&a.priority))
            .then_with(|| score_of(a.worst).total_cmp(&score_of(b.worst)))
            .then_with(|| b.objects.len().cmp(&a.objects.len()))
    });
    Found {
        suggestions,
        settled,
        mended: mended.len(),
        proven: mended.into_values().flatten().collect(),
    }
}

/// Without a scale nothing says how bad it is.
fn score_of(object: &Judged<'_>) -> f64 {
    object.score.unwrap_or(1.0)
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
pub(super) fn table(facts: &Facts<'_>, judged: &[Judged<'_>], found: &Found<'_>) -> Table {
    let best = best_cities(judged);
    let mut table = Table::new("suggestions", text("优化建议", "Suggestions"), COLUMNS);
    for (index, suggestion) in found.suggestions.iter().enumerate() {
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
    let limit = limit(kqi.interval.min, kqi.interval.max, &unit(kqi));
    let limit_source = limit_source(Some(kqi), &limit);
    table.push([
        Value::count(rank),
        entry.map_or(&kqi.name, |entry| &entry.title).clone().into(),
        facts.service_name(worst.service()),
        places(&suggestion.objects).into(),
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
        limit,
        limit_source,
        Value::name(place(worst.dimensions)),
        Value::number(f64::from(suggestion.alerts), 0, ""),
        owner.map(|owner| owner.department_name).into(),
        Value::name(numbers(&suggestion.demands)),
        states(&suggestion.demands).into(),
        Value::number(f64::from(suggestion.priority), 0, ""),
        Value::name(&kqi.id),
    ]);
}

/// Everywhere that it shows: what is wider than a city first, then the cities, the gravest first.
fn places(objects: &[&Judged<'_>]) -> Option<Text> {
    let mut by_score: Vec<&Judged<'_>> = objects.to_vec();
    by_score.sort_by(|a, b| score_of(a).total_cmp(&score_of(b)));
    let mut wider: BTreeSet<(Place, String)> = BTreeSet::new();
    let mut cities: Vec<&str> = Vec::new();
    for object in by_score {
        match dimension(object.dimensions, CITY) {
            Some(city) if cities.contains(&city) => {}
            Some(city) => cities.push(city),
            None => {
                wider.insert((Place::of(object.dimensions), place(object.dimensions)));
            }
        }
    }
    let is_alone = wider.len() + cities.len() == 1;
    let mut parts: Vec<Text> = Vec::new();
    for (_, name) in wider.iter().take(NAMED_MAX) {
        match name.as_str() {
            // A service that is one object has no place.
            "" if is_alone => {}
            "" => parts.push(text("整个业务", "the service as a whole")),
            name => parts.push(text(name, name)),
        }
    }
    let more = wider.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        parts.push(text(format!("另有 {more} 处"), format!("{more} more")));
    }
    match cities.as_slice() {
        [] => {}
        [one] => parts.push(text(*one, *one)),
        many => {
            let (count, shown) = (many.len(), &many[..many.len().min(CITIES_MAX)]);
            let is_cut = shown.len() < count;
            let (zh, en) = if is_cut { ("等", ", …") } else { ("", "") };
            parts.push(text(
                format!("{count} 个地市：{}{zh}", shown.join("、")),
                format!("{count} cities: {}{en}", shown.join(", ")),
            ));
        }
    }
    (!parts.is_empty()).then(|| joined(&parts))
}

/// The numbers of demands.
fn numbers(demands: &[&Trigger]) -> String {
    let shown = demands.iter().take(NAMED_MAX);
    let mut numbers: Vec<&str> = shown.map(|trigger| trigger.id.as_str()).collect();
    if demands.len() > NAMED_MAX {
        numbers.push("…");
    }
    numbers.join(" ")
}

/// How they stand, in the order of their numbers; said once where all stand alike.
fn states(demands: &[&Trigger]) -> Option<Text> {
    let shown = demands.iter().take(NAMED_MAX);
    let mut states: Vec<Text> = shown.map(|trigger| standing(trigger)).collect();
    if states.iter().all(|state| *state == states[0]) {
        states.truncate(1);
    }
    (!states.is_empty()).then(|| joined(&states))
}

fn joined(parts: &[Text]) -> Text {
    let join = |of: fn(&Text) -> &str, by: &str| {
        let all: Vec<&str> = parts.iter().map(of).collect();
        all.join(by)
    };
    text(join(|part| &part.zh, "；"), join(|part| &part.en, "; "))
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
