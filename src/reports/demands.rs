//! 数据业务优化需求: open demands, the most urgent first (domain fact H13).

use std::collections::BTreeMap;

use crate::reports::bulletin::closed_at;
use crate::reports::facts::{Facts, measured, text};
use crate::reports::report::{Bar, Chart, Figure, Report, Shown, Table, Tone, Value};
use crate::reports::words::{severity_text, state_text, words};
use crate::rules::Text;
use crate::triggers::{Trigger, by_urgency};

/// Departments in the chart; the rest have rows only.
const BARS_MAX: usize = 8;

const COLUMNS: &[(&str, &str, &str, Shown)] = &[
    ("rank", "#", "#", Shown::Everywhere),
    ("trigger", "编号", "Number", Shown::Everywhere),
    ("title", "需求", "Demand", Shown::Everywhere),
    ("service", "业务", "Service", Shown::Beneath),
    ("place", "地点", "Place", Shown::Beneath),
    ("severity", "级别", "Severity", Shown::Everywhere),
    ("urgency", "紧迫度", "Urgency", Shown::Everywhere),
    ("department", "责任部门", "Owner", Shown::Everywhere),
    ("role", "角色", "Role", Shown::Files),
    ("person", "责任人", "Person", Shown::Beneath),
    ("state", "状态", "State", Shown::Everywhere),
    ("opened", "发现时间", "Opened", Shown::Files),
    ("due", "期限", "Due", Shown::Everywhere),
    ("overdue", "超期", "Overdue", Shown::Beneath),
    ("hops", "流转", "Hops", Shown::Everywhere),
    ("evidence", "证据", "Evidence", Shown::Everywhere),
    ("newest", "最新值", "Newest value", Shown::Beneath),
    ("unit", "单位", "Unit", Shown::Files),
    ("tickets", "工单", "Tickets", Shown::Everywhere),
    ("recurrence_of", "复发自", "Recurrence of", Shown::Files),
];

pub(super) fn fill(facts: &Facts<'_>, report: &mut Report) {
    let mut open: Vec<&Trigger> = facts
        .triggers
        .iter()
        .copied()
        .filter(|trigger| !trigger.state.is_final())
        .collect();
    open.sort_by(|a, b| by_urgency(a, b));
    let overdue = open
        .iter()
        .filter(|trigger| is_overdue(trigger, facts))
        .count();
    let tickets: u64 = open.iter().map(|trigger| tickets(trigger)).sum();
    let waiting = open.iter().filter(|t| t.state.is_before_accepted()).count();
    let within = |at_ms: Option<i64>| at_ms.is_some_and(|at_ms| facts.is_within(at_ms));
    let all = || facts.triggers.iter();
    let opened = all().filter(|t| within(Some(t.opened_at_ms))).count() as u64;
    let closed = all().filter(|t| within(closed_at(t))).count() as u64;
    report.figures = vec![
        figure("open", "未完成需求", "Open demands", open.len() as u64),
        figure("not_accepted", "待受理", "Not accepted yet", waiting as u64),
        figure("overdue", "已超期", "Overdue", overdue as u64),
        figure("opened", "本期新增", "Opened in the period", opened),
        figure("closed", "本期关闭", "Closed in the period", closed),
        figure("tickets", "等待答复的工单", "Tickets that wait", tickets),
    ];
    if open.is_empty() {
        report
            .remarks
            .push(text("目前没有未完成的优化需求。", "No demand is open."));
    }
    report.chart = chart(&open, facts);
    let mut table = Table::new(
        "demands",
        text("优化需求清单", "Demands by urgency"),
        COLUMNS,
    );
    for (index, trigger) in open.iter().enumerate() {
        push(&mut table, index + 1, trigger, facts);
    }
    report.tables.push(table);
}

fn push(table: &mut Table, rank: usize, trigger: &Trigger, facts: &Facts<'_>) {
    let newest = trigger.evidence.last();
    let value = newest.and_then(|known| Some((known.value?, known.unit.as_str())));
    let service = trigger.service_name.clone().map(Value::from);
    let service = service.unwrap_or_else(|| facts.service_name(trigger.service.as_deref()));
    table.push([
        Value::count(rank),
        Value::name(&trigger.id),
        trigger.title.clone().into(),
        service,
        Value::name(trigger.cause.place.name()),
        words(Some(severity_text(trigger.severity)), "").into(),
        Value::number(f64::from(trigger.urgency.total), 0, ""),
        trigger.owner.department_name.clone().into(),
        trigger.owner.role_name.clone().into(),
        Value::name(&trigger.owner.person.name),
        words(state_text(trigger.state.name()), trigger.state.name()).into(),
        Value::Time(trigger.opened_at_ms),
        trigger
            .deadline
            .map_or(Value::Empty, |deadline| Value::Time(deadline.due_ms)),
        if is_overdue(trigger, facts) {
            text("超期", "overdue").into()
        } else {
            Value::Empty
        },
        Value::number(f64::from(trigger.hops), 0, ""),
        Value::count(trigger.evidence.len()),
        value.map_or(Value::Empty, |(value, unit)| measured(value, unit)),
        Value::name(value.map_or("", |(_, unit)| unit)),
        Value::number(tickets(trigger) as f64, 0, ""),
        Value::name(trigger.recurrence_of.as_deref().unwrap_or_default()),
    ]);
}

fn chart(open: &[&Trigger], facts: &Facts<'_>) -> Option<Chart> {
    let mut departments: BTreeMap<&str, (Text, u64, bool)> = BTreeMap::new();
    for trigger in open {
        let owner = &trigger.owner;
        let (_, count, late) = departments
            .entry(&owner.department)
            .or_insert_with(|| (owner.department_name.clone(), 0, false));
        *count += 1;
        *late |= is_overdue(trigger, facts);
    }
    // One bar says no more than the figure above it.
    if departments.len() < 2 {
        return None;
    }
    let mut departments: Vec<_> = departments.into_values().collect();
    departments.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    let full = departments
        .first()
        .map_or(1.0, |(_, count, _)| *count as f64);
    let bars = departments
        .into_iter()
        .take(BARS_MAX)
        .map(|(name, count, late)| Bar {
            name,
            value: count as f64,
            text: Value::number(count as f64, 0, ""),
            tone: if late { Tone::Bad } else { Tone::Plain },
        });
    Some(Chart {
        title: text(
            "各部门未完成需求（红色：有超期）",
            "Open demands by department (red: some are overdue)",
        ),
        full,
        bars: bars.collect(),
    })
}

fn is_overdue(trigger: &Trigger, facts: &Facts<'_>) -> bool {
    let due = trigger.deadline.filter(|_| trigger.state.is_unanswered());
    due.is_some_and(|deadline| deadline.due_ms < facts.now_ms)
}

fn tickets(trigger: &Trigger) -> u64 {
    trigger.tickets.len() as u64 + trigger.tickets_beyond
}

/// A count among the figures.
pub(super) fn figure(key: &str, zh: &str, en: &str, count: u64) -> Figure {
    Figure {
        key: key.to_owned(),
        name: text(zh, en),
        value: Value::number(count as f64, 0, ""),
        beside: None,
    }
}
