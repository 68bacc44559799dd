//! Triggers' policy: every desk that is named exists, days are days, and times climb.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{crossing, duration_of, escalation, process, texts_of, unknown};
use crate::rules::book::{Department, Layer, Service, Severity};
use crate::rules::calendar::Calendar;
use crate::rules::duration::{DAY_MS, HOUR_MS, MINUTE_MS, parse_clock};
use crate::rules::knowledge::KnowledgeEntry;
use crate::rules::problem::{Kind, Problems};
use crate::rules::syntax::Node;
use crate::rules::team::{
    Absence, CopyRule, Desk, DueTimes, ProvinceRule, ReviewRule, Route, TriggerPolicy,
    UrgencyWeights, WorseValue,
};

/// Windows in a row that can be asked for; as many as the engine looks back on.
const WORSE_WINDOWS_MAX: usize = 50;

/// The role that is the coordinator where a book does not name one (监督协调岗).
const COORDINATOR: &str = "coordinator";

/// What the policy refers to.
pub(super) struct Context<'a> {
    pub(super) departments: &'a [Department],
    pub(super) services: &'a [Service],
    pub(super) knowledge: &'a [KnowledgeEntry],
    /// Ids of KQIs: a cause without an entry has the name of its KQI.
    pub(super) kqis: Vec<&'a str>,
    pub(super) zone: TimeZone,
}

/// Reads the section; without one everything has its default.
pub(super) fn read(
    node: Option<&Node>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> TriggerPolicy {
    let mut policy = defaults(context);
    let Some(node) = node else {
        return policy;
    };
    if let Some(automatic) = node.get("automatic").and_then(Node::flag) {
        policy.automatic = automatic;
    }
    let departments = context.departments;
    let desk = |name: &str, problems: &mut Problems| {
        let node = node.get(name)?;
        read_desk(node, departments, problems)
    };
    policy.coordinator = desk("coordinator", problems).or(policy.coordinator);
    policy.reviewer = desk("reviewer", problems);
    policy.frontline = desk("frontline", problems);
    for item in items(node, "review") {
        check_department(item, departments, problems);
        policy.review.push(ReviewRule {
            department: text(item, "department"),
            severity: severity_of(item),
        });
    }
    if let Some(field) = node.get("review").filter(|_| policy.reviewer.is_none())
        && !field.items().is_empty()
    {
        let hint = "add for example reviewer: {department: DATA, role: lead}";
        problems.error_with(
            field.at,
            "a review needs a reviewer, and none is named",
            Some(hint.to_owned()),
        );
    }
    for item in items(node, "routes") {
        policy.routes.extend(read_route(item, context, problems));
    }
    for item in items(node, "copies") {
        check_department(item, departments, problems);
        let to = item.get("to");
        let to = to.and_then(|to| read_desk(to, departments, problems));
        policy.copies.extend(to.map(|to| CopyRule {
            department: text(item, "department"),
            severity: severity_of(item),
            to,
        }));
    }
    read_due(node, &mut policy, problems);
    for item in items(node, "escalation") {
        check_department(item, departments, problems);
        policy
            .escalation
            .push(escalation::read(item, departments, problems));
    }
    if node.get("hops_max").is_some() {
        policy.hops_max = natural(node, "hops_max");
    }
    if let Some(ms) = duration_of(node, "remind_before") {
        policy.remind_before_ms = ms;
    }
    if let Some(ms) = duration_of(node, "acknowledged_for") {
        policy.ack_ms = ms;
    }
    if let Some(ms) = duration_of(node, "tickets_back") {
        policy.tickets_back_ms = ms;
    }
    if let Some(ms) = duration_of(node, "effect_within") {
        policy.effect_within_ms = ms;
    }
    if let Some(refusal) = node.get("not_optimised") {
        read_refusal(refusal, &mut policy, problems);
    }
    policy.crossing = crossing::read(node.get("crossing"), departments, problems);
    if let Some(province) = node.get("province_wide") {
        read_province(province, &mut policy, problems);
    }
    if let Some(urgency) = node.get("urgency") {
        let weight = |name: &str| natural(urgency, name).min(1_000);
        policy.weights = UrgencyWeights {
            impact: weight("impact"),
            keyness: weight("keyness"),
            complexity: weight("complexity"),
            urgency: weight("urgency"),
        };
    }
    read_keyness(node, &mut policy, context, problems);
    if let Some(calendar) = node.get("calendar") {
        policy.calendar = read_calendar(calendar, context.zone.clone(), problems);
    }
    policy.process = process::read(items(node, "process"), &context.kqis, problems);
    for item in items(node, "absences") {
        policy
            .absences
            .extend(read_absence(item, departments, problems));
    }
    policy
}

fn defaults(context: &Context<'_>) -> TriggerPolicy {
    let coordinator = context.departments.iter().find_map(|department| {
        let role = department
            .roles
            .iter()
            .find(|role| role.id == COORDINATOR)?;
        Some(Desk {
            department: department.id.clone(),
            role: role.id.clone(),
        })
    });
    let due = [
        (Severity::Warning, 24, 120),
        (Severity::Minor, 8, 72),
        (Severity::Major, 4, 24),
        (Severity::Critical, 1, 8),
    ];
    TriggerPolicy {
        automatic: true,
        coordinator,
        reviewer: None,
        frontline: None,
        review: Vec::new(),
        routes: Vec::new(),
        copies: Vec::new(),
        due: due
            .map(|(severity, accept, mend)| {
                let due = DueTimes {
                    accept_ms: accept * HOUR_MS,
                    mend_ms: mend * HOUR_MS,
                };
                (severity, due)
            })
            .into(),
        remind_before_ms: 30 * MINUTE_MS,
        escalation: Vec::new(),
        // Judgement: the first may be a mistake of the routing, the second its correction.
        hops_max: 3,
        ack_ms: 4 * HOUR_MS,
        tickets_back_ms: DAY_MS,
        effect_within_ms: 28 * DAY_MS,
        review_after_ms: 30 * DAY_MS,
        worse_by: 1,
        worse_value: WorseValue {
            times: 2.0,
            windows: 3,
        },
        province: ProvinceRule {
            cities_min: 3,
            share_min: 0.5,
        },
        crossing: crossing::defaults(),
        weights: UrgencyWeights {
            impact: 4,
            keyness: 3,
            complexity: 1,
            urgency: 4,
        },
        keyness: BTreeMap::new(),
        calendar: Calendar::always(context.zone.clone()),
        process: Vec::new(),
        absences: Vec::new(),
    }
}

/// A department and a role of it; what is not there is a problem.
pub(super) fn read_desk(
    node: &Node,
    departments: &[Department],
    problems: &mut Problems,
) -> Option<Desk> {
    let id = node.get("department")?;
    let Some(department) = departments
        .iter()
        .find(|d| Some(d.id.as_str()) == id.text())
    else {
        unknown(
            Kind::Department,
            id,
            departments.iter().map(|d| d.id.as_str()),
            problems,
        );
        return None;
    };
    let role = node.get("role")?;
    let roles = department.roles.iter().map(|role| role.id.as_str());
    if !roles.clone().any(|known| Some(known) == role.text()) {
        unknown(Kind::Role, role, roles, problems);
        return None;
    }
    Some(Desk {
        department: department.id.clone(),
        role: role.text()?.to_owned(),
    })
}

fn read_route(node: &Node, context: &Context<'_>, problems: &mut Problems) -> Option<Route> {
    if let Some(cause) = node.get("cause") {
        let known = context.knowledge.iter().map(|entry| entry.id.as_str());
        let known = known.chain(context.kqis.iter().copied());
        if !known.clone().any(|known| Some(known) == cause.text()) {
            unknown(Kind::Cause, cause, known, problems);
        }
    }
    if let Some(service) = node.get("service") {
        let known = context.services.iter().map(|service| service.id.as_str());
        if !known.clone().any(|known| Some(known) == service.text()) {
            unknown(Kind::Service, service, known, problems);
        }
    }
    if ["cause", "service", "layer"]
        .iter()
        .all(|name| node.get(name).is_none())
    {
        let hint = "name a cause, a service or a layer; what is left is the coordinator's";
        problems.error_with(
            node.at,
            "a route that fits everything",
            Some(hint.to_owned()),
        );
    }
    let to = read_desk(node.get("to")?, context.departments, problems)?;
    Some(Route {
        cause: text(node, "cause"),
        service: text(node, "service"),
        layer: match node.get("layer").and_then(Node::text) {
            Some("experience") => Some(Layer::Experience),
            Some("platform") => Some(Layer::Platform),
            Some("network") => Some(Layer::Network),
            _ => None,
        },
        to,
    })
}

fn read_due(node: &Node, policy: &mut TriggerPolicy, problems: &mut Problems) {
    let Some(table) = node.get("due") else {
        return;
    };
    for (severity, due) in &mut policy.due {
        let Some(given) = table.get(severity.name()) else {
            continue;
        };
        for (field, ms) in [("accept", &mut due.accept_ms), ("mend", &mut due.mend_ms)] {
            if let Some(given_ms) = duration_of(given, field) {
                *ms = given_ms;
            }
            if let Some(field) = given.get(field).filter(|_| *ms <= 0) {
                problems.error(field.at, "a due time of nothing cannot be met");
            }
        }
    }
}

fn read_refusal(node: &Node, policy: &mut TriggerPolicy, problems: &mut Problems) {
    if let Some(ms) = duration_of(node, "review_after") {
        policy.review_after_ms = ms;
    }
    if let Some(steps) = node.get("worse_by").and_then(Node::number) {
        policy.worse_by = steps.clamp(0.0, 255.0) as u8;
    }
    let worse = &mut policy.worse_value;
    if let Some(times) = node.get("worse_times") {
        worse.times = times.number().unwrap_or(worse.times);
        if worse.times != 0.0 && worse.times <= 1.0 {
            let words = format!(
                "{} times as far is not worse: more than 1, or 0 for never",
                worse.times
            );
            problems.error(times.at, words);
        }
    }
    if let Some(windows) = node.get("worse_windows") {
        worse.windows = natural(node, "worse_windows") as usize;
        if !(1..=WORSE_WINDOWS_MAX).contains(&worse.windows) {
            let words = format!(
                "1 to {WORSE_WINDOWS_MAX} windows in a row, not {}",
                worse.windows
            );
            problems.error(windows.at, words);
        }
    }
}

fn read_province(node: &Node, policy: &mut TriggerPolicy, problems: &mut Problems) {
    let share = node.get("share");
    let share_min = share.and_then(Node::number).unwrap_or(1.0);
    if let Some(share) = share.filter(|_| !(0.0..=1.0).contains(&share_min)) {
        problems.error(share.at, format!("a share is 0 to 1, not {share_min}"));
    }
    let cities_min = natural(node, "cities") as usize;
    if let Some(cities) = node.get("cities").filter(|_| cities_min < 2) {
        problems.error(cities.at, "one city is no province: write 2 or more");
    }
    policy.province = ProvinceRule {
        cities_min,
        share_min,
    };
}

fn read_keyness(
    node: &Node,
    policy: &mut TriggerPolicy,
    context: &Context<'_>,
    problems: &mut Problems,
) {
    for entry in node
        .get("key_services")
        .map(Node::entries)
        .unwrap_or_default()
    {
        if !context
            .services
            .iter()
            .any(|service| service.id == entry.key)
        {
            let known = context.services.iter().map(|service| service.id.as_str());
            let hint = crate::rules::problem::did_you_mean(&entry.key, known);
            problems.error_with(entry.at, format!("unknown service {:?}", entry.key), hint);
        }
        let keyness = entry.node.number().unwrap_or(3.0);
        if !(1.0..=5.0).contains(&keyness) {
            problems.error(entry.node.at, format!("a factor is 1 to 5, not {keyness}"));
        }
        policy
            .keyness
            .insert(entry.key.clone(), keyness.clamp(1.0, 5.0) as u32);
    }
}

fn read_calendar(node: &Node, zone: TimeZone, problems: &mut Problems) -> Calendar {
    let clock = |name: &str| node.get(name).and_then(Node::text).and_then(parse_clock);
    let (from_minute, to_minute) = (clock("from").unwrap_or(0), clock("to").unwrap_or(24 * 60));
    if let Some(to) = node.get("to").filter(|_| to_minute <= from_minute) {
        problems.error(to.at, "the closing is not later than the opening");
    }
    let names = texts_of(node, "days");
    let week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let days = match node.get("days") {
        Some(_) => week.map(|day| names.iter().any(|name| name == day)),
        None => [true, true, true, true, true, false, false],
    };
    let mut dates = |name: &str| -> BTreeSet<Date> {
        let items = items(node, name).iter();
        items.filter_map(|item| read_date(item, problems)).collect()
    };
    let (holidays, workdays) = (dates("holidays"), dates("workdays"));
    if let Some(both) = holidays.intersection(&workdays).next() {
        let message = format!("{both} is a holiday and a workday");
        problems.error(
            node.get("workdays").map_or(node.at, |field| field.at),
            message,
        );
    }
    Calendar {
        zone,
        days,
        from_minute,
        to_minute,
        holidays,
        workdays,
    }
}

fn read_absence(
    node: &Node,
    departments: &[Department],
    problems: &mut Problems,
) -> Option<Absence> {
    let email = node.get("email")?;
    let contacts = departments.iter().flat_map(|department| {
        let roles = department.roles.iter();
        roles.flat_map(|role| role.contacts.iter().map(|contact| contact.email.as_str()))
    });
    if !contacts.clone().any(|known| Some(known) == email.text()) {
        unknown(Kind::Contact, email, contacts, problems);
    }
    let from = read_date(node.get("from")?, problems)?;
    let last = node.get("to")?;
    let to = read_date(last, problems)?;
    if to < from {
        problems.error(
            last.at,
            format!("an absence ends before it begins, at {from}"),
        );
    }
    let email = email.text()?.to_owned();
    Some(Absence { email, from, to })
}

fn read_date(node: &Node, problems: &mut Problems) -> Option<Date> {
    let text = node.text()?;
    let date = text.parse().ok();
    if date.is_none() {
        problems.error_with(
            node.at,
            format!("{text:?} is not a day"),
            Some("write for example \"2026-10-01\"".to_owned()),
        );
    }
    date
}

fn check_department(node: &Node, departments: &[Department], problems: &mut Problems) {
    if let Some(field) = node.get("department")
        && !departments
            .iter()
            .any(|d| Some(d.id.as_str()) == field.text())
    {
        unknown(
            Kind::Department,
            field,
            departments.iter().map(|d| d.id.as_str()),
            problems,
        );
    }
}

fn items<'a>(node: &'a Node, name: &str) -> &'a [Node] {
    node.get(name).map(Node::items).unwrap_or_default()
}

fn text(node: &Node, name: &str) -> Option<String> {
    node.get(name).and_then(Node::text).map(str::to_owned)
}

fn natural(node: &Node, name: &str) -> u32 {
    node.get(name).and_then(Node::number).unwrap_or(0.0) as u32
}

fn severity_of(node: &Node) -> Severity {
    match node.get("severity").and_then(Node::text) {
        Some("critical") => Severity::Critical,
        Some("major") => Severity::Major,
        Some("minor") => Severity::Minor,
        _ => Severity::Warning,
    }
}
