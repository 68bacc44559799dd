//! Unchecked files → a [`RuleBook`], or all the reasons why not.
//!
//! Keeps the invariants listed at the top of `book`. Every check goes on after a problem with
//! whatever it could read, so that one run shows an author everything; the book is handed out only
//! when there was no error. Not here: form (`shape`), or what the engine makes of a book (`plan`).

mod alerts;
mod anchors;
mod codes;
mod conditions;
mod confirm;
mod crossing;
mod departments;
mod dial;
mod escalation;
mod health;
mod ids;
mod knowledge;
mod kqis;
mod leaves;
mod measures;
mod mms;
mod places;
mod process;
mod reports;
mod services;
mod sources;
mod streams;
mod surges;
mod team;
mod trees;
mod units;
mod windows;

use std::path::Path;
use std::sync::Arc;

use crate::rules::book::{RuleBook, Text};
use crate::rules::duration::{MINUTE_MS, parse_duration};
use crate::rules::files::{FILE_BYTES_MAX, read_readable, too_large};
use crate::rules::grammar::BOOK;
use crate::rules::problem::{Kind, Position, Problem, Problems, did_you_mean};
use crate::rules::shape::Shape;
use crate::rules::syntax::{Entry, Node, Value, parse_text};

use ids::Ids;

/// Reads and checks a rule book: a folder or one file. The book is there when nothing is an error.
pub fn load(path: &Path) -> (Option<RuleBook>, Vec<Problem>) {
    let (files, unreadable) = read_readable(path);
    let mut problems = Problems::new(files.iter().map(|(path, _)| path.clone()).collect());
    if !unreadable.is_empty() {
        problems.doubt_all();
    }
    let (book, found) = parse_into(&files, problems);
    let book = book.filter(|_| unreadable.is_empty());
    (book, [unreadable, found].concat())
}

/// Checks a rule book given as (path, text) pairs. Pure: the same texts give the same answer.
///
/// ```
/// use chrysalis::rules::parse;
/// let text = "
/// book: {name: small, version: '1', time_zone: Asia/Shanghai}
/// services:
///   - id: sms_hall
///     name: {zh: 短信营业厅, en: SMS hall}
///     kqis:
///       - {id: tests, name: 拨测数, layer: platform, stream: dial_test, aggregate: count, window: 5m, department: BSC}
/// departments:
///   - id: BSC
///     name: {zh: 业务支撑中心, en: Business support centre}
///     roles: [{id: duty, name: 值班, contacts: [{name: 值班, email: bsc@example.com}]}]
/// ";
/// let (book, problems) = parse(&[("small.yaml".to_owned(), text.to_owned())]);
/// assert!(problems.is_empty(), "{problems:?}");
/// let kqi = &book.unwrap().kqis[0];
/// assert_eq!(kqi.filter.as_ref().unwrap().source(), "service == \"sms_hall\"");
/// ```
pub fn parse(files: &[(String, String)]) -> (Option<RuleBook>, Vec<Problem>) {
    let paths = files.iter().map(|(path, _)| path.clone());
    parse_into(files, Problems::new(paths.collect()))
}

fn parse_into(
    files: &[(String, String)],
    mut problems: Problems,
) -> (Option<RuleBook>, Vec<Problem>) {
    let nodes = parse_files(files, &mut problems);
    for node in &nodes {
        Shape::Record(&BOOK).judge(node, &mut problems);
    }
    let sections = Sections::collect(&nodes, &mut problems);
    let book = build(&sections, &mut problems);
    let book = book.filter(|_| !problems.has_errors());
    (book, problems.into_list())
}

/// The files that are YAML; the others are reported.
fn parse_files(files: &[(String, String)], problems: &mut Problems) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (index, (_, text)) in files.iter().enumerate() {
        if text.len() as u64 > FILE_BYTES_MAX {
            let whole = Position {
                file: index,
                ..Position::default()
            };
            problems.error(whole, too_large());
            problems.doubt_all();
            continue;
        }
        match parse_text(text, index) {
            Ok(node) if node.value == Value::Null => {}
            Ok(node) => nodes.push(node),
            Err((at, message)) => {
                problems.error(at, message);
                // References into it would look broken.
                doubt_file(text, problems);
            }
        }
    }
    nodes
}

/// The sections of all files, side by side.
#[derive(Default)]
struct Sections<'a> {
    head: Option<&'a Node>,
    mms: Option<&'a Node>,
    dial_tests: Option<&'a Node>,
    /// Sections that are given once too often; what stands in them is judged all the same.
    repeated: Vec<&'a Entry>,
    triggers: Option<&'a Node>,
    health: Option<&'a Node>,
    streams: Vec<&'a Entry>,
    anchor_sets: Vec<&'a Entry>,
    policies: Vec<&'a Entry>,
    departments: Vec<&'a Node>,
    places: Vec<&'a Node>,
    sources: Vec<&'a Node>,
    leaves: Vec<&'a Node>,
    trees: Vec<&'a Node>,
    codes: Vec<&'a Node>,
    knowledge: Vec<&'a Node>,
    reports: Vec<&'a Node>,
    services: Vec<&'a Node>,
    kqis: Vec<&'a Node>,
    alerts: Vec<&'a Node>,
}

impl<'a> Sections<'a> {
    fn collect(nodes: &'a [Node], problems: &mut Problems) -> Sections<'a> {
        let mut sections = Sections::default();
        if nodes
            .iter()
            .any(|node| !matches!(node.value, Value::Map(_)))
        {
            problems.doubt_all();
        }
        for entry in nodes.iter().flat_map(Node::entries) {
            let node = &entry.node;
            doubt_unread(entry, problems);
            match entry.key.as_str() {
                "book" if !once(&mut sections.head, entry, problems) => {
                    sections.repeated.push(entry);
                }
                "mms" if !once(&mut sections.mms, entry, problems) => {
                    sections.repeated.push(entry);
                }
                "dial_tests" if !once(&mut sections.dial_tests, entry, problems) => {
                    sections.repeated.push(entry);
                }
                "triggers" if !once(&mut sections.triggers, entry, problems) => {
                    sections.repeated.push(entry);
                }
                "health" if !once(&mut sections.health, entry, problems) => {
                    sections.repeated.push(entry);
                }
                "streams" => sections.streams.extend(node.entries()),
                "anchor_sets" => sections.anchor_sets.extend(node.entries()),
                "alert_policies" => sections.policies.extend(node.entries()),
                "departments" => sections.departments.extend(node.items()),
                "places" => sections.places.extend(node.items()),
                "sources" => sections.sources.extend(node.items()),
                "leaves" => sections.leaves.extend(node.items()),
                "trees" => sections.trees.extend(node.items()),
                "codes" => sections.codes.extend(node.items()),
                "knowledge" => sections.knowledge.extend(node.items()),
                "reports" => sections.reports.extend(node.items()),
                "services" => sections.services.extend(node.items()),
                "kqis" => sections.kqis.extend(node.items()),
                "alerts" => sections.alerts.extend(node.items()),
                _ => {}
            }
        }
        sections
    }
}

/// What a section names; none for a section that there is not.
fn kinds_of(section: &str) -> Option<&'static [Kind]> {
    Some(match section {
        "book" => &[Kind::Book],
        "streams" => &[Kind::Stream],
        "anchor_sets" => &[Kind::AnchorSet],
        "alert_policies" => &[Kind::Policy],
        "departments" => &[Kind::Department, Kind::Role, Kind::Contact],
        "knowledge" => &[Kind::Cause],
        "places" => &[Kind::Place],
        "services" => &[Kind::Service, Kind::Kqi],
        "kqis" => &[Kind::Kqi],
        "mms" | "dial_tests" | "sources" | "leaves" | "trees" | "codes" | "alerts" | "triggers"
        | "reports" | "health" => &[],
        _ => return None,
    })
}

/// A file is no YAML: what its sections, which stand at the beginning of a line, may name is in doubt.
fn doubt_file(text: &str, problems: &mut Problems) {
    let names = text.lines().filter_map(|line| line.split_once(':'));
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
    let sections: Vec<Option<&[Kind]>> = names
        .filter(|(name, _)| is_name(name))
        .map(|(name, _)| kinds_of(name))
        .collect();
    if sections.is_empty() || sections.iter().any(Option::is_none) {
        return problems.doubt_all();
    }
    for kind in sections.into_iter().flatten().flatten() {
        problems.doubt(*kind);
    }
}

/// Notes of which kind something could not be read, so that nobody hears of what follows from that.
fn doubt_unread(entry: &Entry, problems: &mut Problems) {
    let node = &entry.node;
    let Some(kinds) = kinds_of(&entry.key) else {
        // A section by a wrong name may be any.
        return problems.doubt_all();
    };
    let nameless = |items: &[Node], name: &str| {
        let named = |item: &Node| item.get(name).and_then(Node::text).is_some();
        !items.iter().all(named)
    };
    let list = |name: &str| !matches!(node.value, Value::List(_)) || nameless(node.items(), name);
    let is_unread = match entry.key.as_str() {
        "departments" | "services" | "kqis" => list("id"),
        "places" => {
            list("province") || node.items().iter().any(|item| item.get("cities").is_none())
        }
        _ => !matches!(node.value, Value::Map(_)),
    };
    if is_unread {
        kinds.iter().for_each(|kind| problems.doubt(*kind));
    }
    let unread =
        |kqis: &Node| !matches!(kqis.value, Value::List(_)) || nameless(kqis.items(), "id");
    let mut services = node.items().iter().filter(|_| entry.key == "services");
    if services.any(|service| service.get("kqis").is_some_and(unread)) {
        problems.doubt(Kind::Kqi);
    }
}

/// Takes a section that may stand in one file only; tells whether it is the first.
fn once<'a>(slot: &mut Option<&'a Node>, entry: &'a Entry, problems: &mut Problems) -> bool {
    match slot {
        None => *slot = Some(&entry.node),
        // Within one file `shape` has already said so.
        Some(first) if first.at.file == entry.at.file => return false,
        Some(first) => {
            let place = problems.place(first.at);
            problems.error(
                entry.at,
                format!("section {:?} is given twice, first at {place}", entry.key),
            );
            return false;
        }
    }
    true
}

fn build(sections: &Sections<'_>, problems: &mut Problems) -> Option<RuleBook> {
    let none = Node {
        at: Position {
            line: 1,
            column: 1,
            file: 0,
        },
        value: Value::Null,
    };
    if sections.head.is_none() && !problems.doubts(Kind::Book) {
        problems.error(none.at, "no section \"book\" in any file");
    }
    if sections.head.is_none() {
        problems.doubt(Kind::Book);
    }
    let head = sections.head.unwrap_or(&none);
    for again in &sections.repeated {
        match again.key.as_str() {
            "book" => drop(windows::Clock::read(&again.node, problems)),
            "dial_tests" => drop(dial::read(Some(&again.node), problems)),
            _ => drop(mms::read(Some(&again.node), problems)),
        }
    }
    let clock = windows::Clock::read(head, problems);
    let departments = departments::read(&sections.departments, problems);
    let services = services::read(&sections.services, problems);
    let sets = anchors::read_sets(&sections.anchor_sets, problems);
    let streams = streams::read(&sections.streams, problems);
    let policies = alerts::read_policies(&sections.policies, problems);
    let places = places::read(&sections.places, problems);
    let failures = dial::read(sections.dial_tests, problems).map(Arc::new);
    let context = kqis::Context {
        failures: failures.as_deref(),
        clock: &clock,
        departments: &departments,
        services: &services,
        sets: &sets,
        streams: &streams,
        policies: &policies,
        places: &places,
    };
    let kqis = kqis::read(sections, &context, problems);
    let kqi_ids = kqis.ids.clone();
    let alerts = alerts::read(&kqis, &sections.alerts, &policies, problems);
    let trees = trees::read(&sections.trees, &services, problems);
    let of_leaves = leaves::Context {
        departments: &departments,
        services: &services,
        kqis: &kqis,
        trees: &trees,
    };
    let leaves = leaves::read(&sections.leaves, &of_leaves, problems);
    let of_knowledge = knowledge::Context {
        departments: &departments,
        services: &services,
        kqis: &kqis,
        alerts: &alerts,
    };
    let knowledge = knowledge::read(&sections.knowledge, &of_knowledge, problems);
    let of_team = team::Context {
        departments: &departments,
        services: &services,
        knowledge: &knowledge,
        kqis: kqis.ids.keys().map(String::as_str).collect(),
        zone: zone_of(head),
    };
    let triggers = team::read(sections.triggers, &of_team, problems);
    let of_reports = reports::Context {
        departments: &departments,
        services: &services,
    };
    let reports = reports::read(&sections.reports, &of_reports, problems);
    Some(RuleBook {
        name: text_of(head, "name"),
        version: text_of(head, "version"),
        time_zone: text_of(head, "time_zone"),
        pane_ms: clock.pane_ms,
        any_service: head
            .get("any_service")
            .and_then(Node::flag)
            .unwrap_or(false),
        streams,
        services,
        alerts,
        kqis: kqis.checked,
        departments,
        places,
        sources: sources::read(&sections.sources, problems),
        codes: codes::read(&sections.codes, &sections.trees, &leaves, problems),
        trees,
        leaves,
        knowledge,
        triggers,
        health: health::read(sections.health, &kqi_ids, problems),
        reports,
        mms: mms::read(sections.mms, problems),
        failures,
        parts_wait_ms: dial::parts_wait_ms(sections.dial_tests),
        suppressing_annotations: texts_of(head, "suppressing_annotations"),
    })
}

/// The book's zone; one that is not known was reported with the clock.
fn zone_of(head: &Node) -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::get(&text_of(head, "time_zone")).unwrap_or(jiff::tz::TimeZone::UTC)
}

/// Reports a reference to something that is not there, unless it may be in what could not be read.
fn unknown<'a>(
    kind: Kind,
    node: &Node,
    known: impl IntoIterator<Item = &'a str>,
    problems: &mut Problems,
) {
    if let Some(name) = node.text().filter(|_| !problems.doubts(kind)) {
        let hint = did_you_mean(name, known);
        problems.error_with(node.at, format!("unknown {} {name:?}", kind.name()), hint);
    }
}

fn text_of(node: &Node, field: &str) -> String {
    node.get(field)
        .and_then(Node::text)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn texts_of(node: &Node, field: &str) -> Vec<String> {
    let items = node.get(field).map(Node::items).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| Some(item.text()?.to_owned()))
        .collect()
}

/// A display name.
fn name_of(node: &Node) -> Text {
    words_of(node, "name")
}

/// A text in two languages, or one for both.
fn words_of(node: &Node, field: &str) -> Text {
    let found = node.get(field);
    match found.and_then(Node::text) {
        Some(text) => Text {
            zh: text.to_owned(),
            en: text.to_owned(),
        },
        None => Text {
            zh: found.map_or_else(String::new, |found| text_of(found, "zh")),
            en: found.map_or_else(String::new, |found| text_of(found, "en")),
        },
    }
}

/// A length of time in milliseconds; malformed ones were reported by `shape`.
fn duration_of(node: &Node, field: &str) -> Option<i64> {
    node.get(field)
        .and_then(Node::text)
        .and_then(parse_duration)
}

/// The pane unless the book says otherwise.
const PANE_MS_DEFAULT: i64 = MINUTE_MS;

#[cfg(test)]
mod tests;
