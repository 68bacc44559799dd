//! 客服解释口径: what agents tell customers now, and what of it changed since the period began, by service and place (domain
//! facts H14, H23 to H25). Both are as of the moment when the report is made, which is where its period ends.

use std::collections::BTreeMap;

use crate::masking::mask;
use crate::reports::demands::figure;
use crate::reports::facts::{Facts, text};
use crate::reports::report::{Report, Shown, Table, Value};
use crate::reports::words::{state_text, words};
use crate::rules::Text;
use crate::triggers::{Explanation, Outcome, Trigger, TriggerState, by_urgency};

const NOW: &[(&str, &str, &str, Shown)] = &[
    ("service", "业务", "Service", Shown::Everywhere),
    ("place", "地点", "Place", Shown::Everywhere),
    ("title", "问题", "Trouble", Shown::Beneath),
    ("say", "口径", "Say", Shown::Everywhere),
    ("state", "状态", "State", Shown::Beneath),
    ("since", "自", "Since", Shown::Everywhere),
    ("due", "预计答复", "Answer by", Shown::Files),
    ("tickets", "工单", "Tickets", Shown::Everywhere),
    ("trigger", "触发单", "Trigger", Shown::Files),
];

const CHANGED: &[(&str, &str, &str, Shown)] = &[
    ("at", "时间", "When", Shown::Everywhere),
    ("service", "业务", "Service", Shown::Everywhere),
    ("place", "地点", "Place", Shown::Everywhere),
    ("say", "口径", "Say", Shown::Everywhere),
    ("state", "状态", "State", Shown::Beneath),
    ("trigger", "触发单", "Trigger", Shown::Files),
];

pub(super) fn fill(facts: &Facts<'_>, report: &mut Report) {
    // A trigger that became part of another one says only that.
    let absorbed = |trigger: &Trigger| matches!(trigger.outcome, Some(Outcome::Absorbed { .. }));
    let told = facts.triggers.iter().copied();
    let told: Vec<&Trigger> = told.filter(|trigger| !absorbed(trigger)).collect();
    // What was refused or called mended is no less wrong while its alert fires.
    let is_red = |trigger: &Trigger| {
        let waits = trigger.state == TriggerState::FeedbackGiven || trigger.rests(facts.now_ms);
        trigger.alert_firing && waits
    };
    let mut now: Vec<(&Trigger, &Explanation)> = told
        .iter()
        .filter(|trigger| trigger.state.is_unanswered() || is_red(trigger))
        .filter_map(|trigger| Some((*trigger, trigger.explanation()?)))
        .collect();
    now.sort_by(|(a, _), (b, _)| place_of(a).cmp(&place_of(b)).then_with(|| by_urgency(a, b)));
    let since_ms = facts.period.from_ms;
    // Who takes calls next reads what was said until now: the report is of the time up to its making, and says so.
    report.period.to_ms = facts.now_ms;
    let mut changed: Vec<(&Trigger, &Explanation)> = Vec::new();
    for &trigger in &told {
        let fresh = trigger.explanations.iter();
        let fresh = fresh.filter(|said| (since_ms..=facts.now_ms).contains(&said.at_ms));
        changed.extend(fresh.map(|said| (trigger, said)));
    }
    // The newest first; what was said in one instant, in the order in which it was.
    changed.sort_by_key(|(_, said)| std::cmp::Reverse(said.at_ms));
    let answered = changed
        .iter()
        .filter(|(_, said)| !said.state.is_unanswered());
    let answered = answered.map(|(trigger, _)| &trigger.id);
    let answered: std::collections::BTreeSet<_> = answered.collect();
    let services: BTreeMap<Option<&str>, usize> =
        now.iter()
            .fold(BTreeMap::new(), |mut services, (trigger, _)| {
                *services.entry(trigger.service.as_deref()).or_default() += 1;
                services
            });
    // What waits for its cause and has recovered meanwhile is explained, and not impaired.
    let impaired = now.iter().filter(|(trigger, _)| trigger.alert_firing);
    let impaired = impaired.count();
    report.figures = vec![
        figure("to_say", "待解释", "To be explained", now.len() as u64),
        figure(
            "impaired",
            "其中异常中",
            "Of these impaired now",
            impaired as u64,
        ),
        figure("services", "涉及业务", "Services", services.len() as u64),
        figure("changed", "口径变化", "Changed", changed.len() as u64),
        figure("answered", "已答复", "Answered", answered.len() as u64),
    ];
    let [since, at] = [since_ms, facts.now_ms].map(|at_ms| facts.moment(at_ms));
    report.remarks.push(text(
        format!("目前的口径截至 {at}；口径变化和已答复自 {since} 至此。"),
        format!("What is to be said now is as of {at}; what changed and was answered is of the time since {since}."),
    ));
    report.remarks.extend(shortened(&told, since_ms));
    if now.is_empty() {
        report.remarks.push(text(
            "目前没有需要解释的异常。",
            "Nothing is known to be wrong now.",
        ));
    }
    let mut table = Table::new("now", text("目前的口径", "To be said now"), NOW);
    for (trigger, said) in now {
        table.push([
            facts.service_name(trigger.service.as_deref()),
            Value::name(trigger.cause.place.name()),
            trigger.title.clone().into(),
            shown(&said.text).into(),
            words(state_text(said.state.name()), said.state.name()).into(),
            Value::Time(said.at_ms),
            trigger
                .deadline
                .map_or(Value::Empty, |deadline| Value::Time(deadline.due_ms)),
            Value::number(
                (trigger.tickets.len() as u64 + trigger.tickets_beyond) as f64,
                0,
                "",
            ),
            Value::name(&trigger.id),
        ]);
    }
    report.tables.push(table);
    let title = text("口径变化", "What changed");
    let mut table = Table::new("changed", title, CHANGED);
    for (trigger, said) in changed {
        table.push([
            Value::Time(said.at_ms),
            facts.service_name(trigger.service.as_deref()),
            Value::name(trigger.cause.place.name()),
            shown(&said.text).into(),
            words(state_text(said.state.name()), said.state.name()).into(),
            Value::name(&trigger.id),
        ]);
    }
    report.tables.push(table);
}

/// Says of how many triggers so much was said that the oldest of the period may be in the history only.
fn shortened(told: &[&Trigger], since_ms: i64) -> Option<Text> {
    let is_short = |trigger: &&&Trigger| {
        let oldest = trigger.explanations.get(1);
        trigger.explanations_gone > 0 && oldest.is_some_and(|oldest| oldest.at_ms >= since_ms)
    };
    let short = told.iter().filter(is_short).count();
    (short > 0).then(|| {
        text(
            format!("{short} 个触发单口径变化过多，其中较早的只在历史中，未列出。"),
            format!("Of {short} triggers so much was said that the older words are in the history only, and not listed."),
        )
    })
}

/// A report goes to many: numbers of subscribers that somebody wrote into a reason are masked.
fn shown(said: &Text) -> Text {
    text(mask(&said.zh), mask(&said.en))
}

/// What agents look for: the service, then the place.
fn place_of(trigger: &Trigger) -> (Option<&str>, &str) {
    (trigger.service.as_deref(), trigger.cause.place.name())
}
