//! Reports: days fit their periods, and somebody gets each.

use jiff::civil::Weekday;

use super::team::read_desk;
use super::{Ids, name_of, texts_of, unknown};
use crate::rules::book::{Department, Service};
use crate::rules::duration::parse_clock;
use crate::rules::problem::{Kind, Problems};
use crate::rules::reports::{Every, ReportKind, ReportRule};
use crate::rules::syntax::Node;

/// Suggestions that a benchmark should rank unless the book says otherwise: 每周形成1份…15项以上
/// (domain fact E9).
const SUGGESTIONS_MIN: f64 = 15.0;
/// Scores below this need a suggestion unless the book says otherwise. Judgement: 4 is "good" on the
/// tolerance scale.
const SCORE_BELOW: f64 = 4.0;
/// Most reports of a book: each is judged by every tick.
const REPORTS_MAX: usize = 50;

/// What reports refer to.
pub(super) struct Context<'a> {
    pub(super) departments: &'a [Department],
    pub(super) services: &'a [Service],
}

pub(super) fn read(
    nodes: &[&Node],
    context: &Context<'_>,
    problems: &mut Problems,
) -> Vec<ReportRule> {
    let mut ids = Ids::new("report");
    let mut rules = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        if index == REPORTS_MAX {
            problems.error(node.at, format!("more than {REPORTS_MAX} reports"));
            break;
        }
        let rule = read_rule(node, context, problems);
        if node.get("id").is_some_and(|id| ids.claim(id, problems)) {
            rules.extend(rule);
        }
    }
    rules
}

fn read_rule(node: &Node, context: &Context<'_>, problems: &mut Problems) -> Option<ReportRule> {
    let word = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default();
    let kind = match word("kind") {
        "demand_list" => ReportKind::DemandList,
        "bulletin" => ReportKind::Bulletin,
        "benchmark" => ReportKind::Benchmark,
        "effects" => ReportKind::Effects,
        "frontline" => ReportKind::Frontline,
        _ => return None,
    };
    let every = read_every(node, problems)?;
    if kind != ReportKind::Benchmark {
        for name in ["suggestions_min", "score_below", "services"] {
            only_for(node, name, "a benchmark", problems);
        }
    }
    let number =
        |name: &str, default: f64| node.get(name).and_then(Node::number).unwrap_or(default);
    let score_below = number("score_below", SCORE_BELOW);
    if let Some(field) = node
        .get("score_below")
        .filter(|_| !(1.0..=5.0).contains(&score_below))
    {
        problems.error(field.at, format!("a score is 1 to 5, not {score_below}"));
    }
    for service in node.get("services").map(Node::items).unwrap_or_default() {
        let known = context.services.iter().map(|service| service.id.as_str());
        if !known.clone().any(|known| Some(known) == service.text()) {
            unknown(Kind::Service, service, known, problems);
        }
    }
    let field = node.get("recipients")?;
    let desks = field.items().iter();
    let recipients = desks.filter_map(|desk| read_desk(desk, context.departments, problems));
    let recipients: Vec<_> = recipients.collect();
    if field.items().is_empty() {
        let hint = "name for example {department: DATA, role: lead}";
        problems.error_with(field.at, "nobody gets this report", Some(hint.to_owned()));
    }
    Some(ReportRule {
        id: word("id").to_owned(),
        name: name_of(node),
        kind,
        every,
        at_minute: parse_clock(word("at"))?,
        recipients,
        suggestions_min: number("suggestions_min", SUGGESTIONS_MIN) as usize,
        score_below,
        services: texts_of(node, "services"),
    })
}

fn read_every(node: &Node, problems: &mut Problems) -> Option<Every> {
    let period = node.get("period").and_then(Node::text)?;
    if period != "weekly" {
        only_for(node, "weekday", "a weekly report", problems);
    }
    if period != "monthly" {
        only_for(node, "day", "a monthly report", problems);
    }
    match period {
        "daily" => Some(Every::Day),
        "weekly" => Some(Every::Week(weekday_of(
            node.get("weekday").and_then(Node::text),
        ))),
        "monthly" => {
            let day = node.get("day").and_then(Node::number).unwrap_or(1.0);
            if let Some(field) = node.get("day").filter(|_| !(1.0..=28.0).contains(&day)) {
                let hint = "use 1 to 28, which every month has";
                problems.error_with(
                    field.at,
                    format!("not every month has a day {day}"),
                    Some(hint.to_owned()),
                );
            }
            Some(Every::Month(day.clamp(1.0, 28.0) as i8))
        }
        _ => None,
    }
}

fn weekday_of(name: Option<&str>) -> Weekday {
    match name {
        Some("tue") => Weekday::Tuesday,
        Some("wed") => Weekday::Wednesday,
        Some("thu") => Weekday::Thursday,
        Some("fri") => Weekday::Friday,
        Some("sat") => Weekday::Saturday,
        Some("sun") => Weekday::Sunday,
        _ => Weekday::Monday,
    }
}

fn only_for(node: &Node, name: &str, whom: &str, problems: &mut Problems) {
    if let Some(entry) = node.entries().iter().find(|entry| entry.key == name) {
        let hint = format!("leave {name:?} out");
        problems.error_with(entry.at, format!("{name:?} is for {whom}"), Some(hint));
    }
}
