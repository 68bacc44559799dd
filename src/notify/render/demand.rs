//! The mail about a trigger: what is asked of whom until when, what is known of the cause, and what agents
//! tell customers meanwhile. The same layout as an alert's mail, in a thread of the trigger's own.

use super::asked::{todo, why};
use super::lists;
use super::number::{Clock, quantity};
use super::story;
use super::view::{Fact, Section, View, chart_view, clean, clean_within, colour, value};
use super::words::{self, Label, name, pick};
use crate::alerting::{Alert, DemandNotice, Notice, Suggestion};
use crate::masking::mask;
use crate::reports::in_both;
use crate::rules::{Language, Text};

/// Lines of one list of suggestions; the rest is counted.
const LINES_MAX: usize = 6;
/// Characters of the text for agents: they read it out, so it is never cut in the middle of what people write.
const SAY_CHARS_MAX: usize = 1_000;
/// Cities that are named; the rest is counted. Judgement: those of a province.
const CITIES_MAX: usize = 24;
/// Causes, and remedies, that a section of a mail about several triggers names. Judgement: the first are tried first.
const LED_MAX: usize = 2;
/// Characters of the grounds of one KQI's verdict.
const GROUNDS_CHARS_MAX: usize = 600;

/// Subject of all mails of a trigger.
pub(super) fn subject(notice: &Notice, demand: &DemandNotice) -> String {
    let language = notice.recipient.language;
    let word = pick(language, "触发单", "Trigger");
    let about = object(language, notice, demand, " ");
    let title = clean(name(language, &demand.title));
    format!("[{word} {}] {about} {title}", clean(&notice.alert.incident))
}

/// What the mail says.
pub(super) fn view(notice: &Notice, demand: &DemandNotice) -> View {
    let language = notice.recipient.language;
    let clock = Clock::of(&notice.time_zone);
    let label = |zh, en| Label::new(language, zh, en);
    let alert = &notice.alert;
    let status = words::status(language, notice.reason);
    let severity = words::severity(language, alert.severity);
    let due = demand.due_ms.map(|due_ms| clock.full(due_ms));
    let title = match language {
        Language::Zh => Label {
            main: clean(&demand.title.zh),
            aside: clean(&demand.title.en),
        },
        Language::En => Label {
            main: clean(&demand.title.en),
            aside: String::new(),
        },
    };
    let until = due.as_ref().map(|due| match language {
        Language::Zh => format!("请于 {due} 前处理"),
        Language::En => format!("due by {due}"),
    });
    let because = why(language, notice);
    let colon = pick(language, "：", ": ");
    View {
        lang: words::lang(language),
        preheader: format!("{}{colon}{because}", status.main),
        status,
        was: "",
        severity,
        colour: colour(notice.reason, alert.severity),
        object: object(language, notice, demand, " · "),
        kqi: title,
        shows: demand
            .shows
            .as_ref()
            .map_or(String::new(), |shows| clean(name(language, shows))),
        value: value(language, alert),
        against: story::against(language, alert),
        since: until.unwrap_or_else(|| story::since(language, notice, &clock)),
        complained: story::complained(language, notice),
        facts: facts(language, notice, demand, &clock),
        why_label: label("为何现在通知", "Why now"),
        why: because,
        correction: None,
        chart: chart_view(language, notice, &clock),
        sections: lists::holder(language, alert, &clock)
            .into_iter()
            .chain(sections(language, notice, demand))
            .collect(),
        todo_label: label("建议处理", "What to do"),
        todo: todo(language, notice, demand),
        acts: None,
        page: None,
        labels_label: label("全部标签", "All labels"),
        labels: lists::labels(language, notice),
        footer: lists::footer(language, notice, &clock),
    }
}

/// What of a trigger's mail a section of a mail about several says: what is asked until when, what the data and people
/// say of it, what causes it and what helps.
pub(super) fn brief(notice: &Notice, demand: &DemandNotice) -> Vec<Fact> {
    let language = notice.recipient.language;
    let clock = Clock::of(&notice.time_zone);
    let mut facts: Vec<Fact> = owner(language, notice, demand);
    facts.extend(scope(language, demand));
    facts.extend(due(language, demand, &clock));
    facts.extend(last_step(language, notice, demand, &clock));
    facts.extend(effect(language, demand));
    let mut sections = told(language, demand);
    let trigger = notice.trigger.as_ref();
    if let Some(known) = trigger.and_then(|trigger| trigger.suggestion.as_ref()) {
        // Of the knowledge base only what leads; the rest is on the trigger's page.
        let led = Suggestion {
            causes: known.causes.iter().take(LED_MAX).cloned().collect(),
            verify: Vec::new(),
            remedies: known.remedies.iter().take(LED_MAX).cloned().collect(),
            ..known.clone()
        };
        sections.push(suggested(language, &led));
    }
    facts.extend(sections.into_iter().flat_map(|section| section.facts));
    facts
}

/// The service that it is about, in the reader's language.
pub(super) fn service(language: Language, alert: &Alert) -> String {
    let named = alert.service_name.as_ref();
    let named = named.map(|text| clean(name(language, text)));
    let named = named.or_else(|| alert.service.as_deref().map(clean));
    named.unwrap_or_default()
}

fn object(language: Language, notice: &Notice, demand: &DemandNotice, between: &str) -> String {
    let service = service(language, &notice.alert);
    let parts = [service, clean(&demand.place)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(between)
}

/// The cities that a province-wide trouble is about.
fn cities(language: Language, cities: &[String]) -> String {
    let shown: Vec<String> = cities
        .iter()
        .take(CITIES_MAX)
        .map(|city| clean(city))
        .collect();
    let shown = shown.join(pick(language, "、", ", "));
    match (cities.len().saturating_sub(CITIES_MAX), language) {
        (0, _) => shown,
        (_, Language::Zh) => format!("{shown} 等 {} 个", cities.len()),
        (more, Language::En) => format!("{shown} and {more} more"),
    }
}

fn facts(language: Language, notice: &Notice, demand: &DemandNotice, clock: &Clock) -> Vec<Fact> {
    let fact = |zh, en, value: String| fact(language, zh, en, value);
    let mut facts = owner(language, notice, demand);
    facts.extend(scope(language, demand));
    facts.push(fact(
        "出口",
        "Outlet",
        words::outlet(language, &demand.outlet).to_owned(),
    ));
    if !demand.copies.is_empty() {
        facts.push(fact("抄送", "Copies", clean(&demand.copies.join("、"))));
    }
    facts.extend(due(language, demand, clock));
    if let Some(crossing) = &demand.crossing {
        let crossing = clean(name(language, crossing));
        facts.push(fact("投诉与指标", "Complaints and KQIs", crossing));
    }
    let worst = notice.alert.worst_value;
    if let Some(worst) = worst.filter(|worst| Some(*worst) != notice.alert.value) {
        let worst = quantity(worst, &notice.alert.unit);
        facts.push(fact("最差值", "Worst", worst));
    }
    facts.push(fact("优先级得分", "Urgency", urgency(language, demand)));
    facts.push(fact("流转次数", "Hops", demand.hops.to_string()));
    facts.push(fact("关联工单", "Tickets", demand.tickets.to_string()));
    facts.extend(last_step(language, notice, demand, clock));
    if let Some(earlier) = &demand.recurrence_of {
        facts.push(fact(
            "再次出现，原触发单",
            "Came back, earlier trigger",
            clean(earlier),
        ));
    }
    facts.extend(effect(language, demand));
    facts
}

fn fact(language: Language, zh: &str, en: &str, value: String) -> Fact {
    let label = Label::new(language, zh, en);
    Fact { label, value }
}

/// Whose it is, and how far it has come.
fn owner(language: Language, notice: &Notice, demand: &DemandNotice) -> Vec<Fact> {
    let Some(trigger) = &notice.trigger else {
        return Vec::new();
    };
    let department = clean(name(language, &trigger.department));
    let role = clean(name(language, &trigger.role));
    let owner = format!("{department} · {role} · {}", clean(&demand.owner));
    let state = clean(words::trigger_state(language, &trigger.state));
    vec![
        fact(language, "责任方", "Owner", owner),
        fact(language, "状态", "State", state),
    ]
}

/// Which cities it is about, and what became a part of it.
fn scope(language: Language, demand: &DemandNotice) -> Vec<Fact> {
    let mut facts = Vec::new();
    if demand.cities.len() > 1 {
        let named = cities(language, &demand.cities);
        facts.push(fact(language, "地市", "Cities", named));
    }
    if !demand.parts.is_empty() {
        let parts = demand.parts.iter().map(|part| clean(part));
        let parts: Vec<String> = parts.collect();
        let named = cities(language, &parts);
        facts.push(fact(language, "已并入本单", "Took in", named));
    }
    facts
}

fn due(language: Language, demand: &DemandNotice, clock: &Clock) -> Option<Fact> {
    let due = clock.full(demand.due_ms?);
    Some(fact(language, "到期", "Due", due))
}

fn last_step(
    language: Language,
    notice: &Notice,
    demand: &DemandNotice,
    clock: &Clock,
) -> Option<Fact> {
    let (actor, reason, at_ms) = demand.last.as_ref()?;
    let at = clock.short(*at_ms, notice.decided_at_ms);
    // Of what the engine wrote itself, in the history's English, a Chinese mail says both.
    let reason = match language {
        Language::Zh => in_both(actor, reason),
        Language::En => reason.clone(),
    };
    let why = match reason.is_empty() {
        true => String::new(),
        false => format!(": {}", clean(&mask(&reason))),
    };
    let last = format!("{at} {}{why}", clean(actor));
    Some(fact(language, "最近动作", "Last step", last))
}

fn effect(language: Language, demand: &DemandNotice) -> Option<Fact> {
    let (verdict, text) = demand.verdict.as_ref()?;
    let verdict = words::verdict(language, verdict);
    let told = match demand.grounds.is_empty() {
        true => format!(
            "{verdict} · {}",
            clean_within(name(language, text), GROUNDS_CHARS_MAX)
        ),
        false => verdict.to_owned(),
    };
    Some(fact(language, "效果", "Effect", told))
}

fn sections(language: Language, notice: &Notice, demand: &DemandNotice) -> Vec<Section> {
    let mut sections = told(language, demand);
    let trigger = notice.trigger.as_ref();
    if let Some(suggestion) = trigger.and_then(|trigger| trigger.suggestion.as_ref()) {
        sections.push(suggested(language, suggestion));
    }
    sections
}

/// What the data say of its effect, and agents to customers.
fn told(language: Language, demand: &DemandNotice) -> Vec<Section> {
    let mut sections = Vec::new();
    if !demand.grounds.is_empty() {
        sections.push(measured(language, demand));
    }
    let say = clean_within(&mask(name(language, &demand.explanation)), SAY_CHARS_MAX);
    if !say.is_empty() {
        sections.push(Section {
            label: Label::new(language, "客服解释口径", "What agents tell customers"),
            facts: vec![Fact {
                label: Label::new(language, "口径", "Say"),
                value: say,
            }],
            more: None,
        });
    }
    sections
}

/// The score with the four factors that it is made of.
fn urgency(language: Language, demand: &DemandNotice) -> String {
    let total = demand.urgency;
    match (demand.factors, language) {
        (None, _) => total.to_string(),
        (Some((impact, keyness, simplicity, pressing)), Language::Zh) => format!(
            "{total}（满意度影响 {impact}，关键性 {keyness}，易处理 {simplicity}，迫切性 {pressing}；各 1 至 5）"
        ),
        (Some((impact, keyness, simplicity, pressing)), Language::En) => format!(
            "{total} (impact on satisfaction {impact}, key-ness {keyness}, simplicity {simplicity}, pressing {pressing}; 1 to 5 each)"
        ),
    }
}

/// The effect, KQI by KQI: before, after, interval, sizes, and what it was compared with.
fn measured(language: Language, demand: &DemandNotice) -> Section {
    let facts = demand.grounds.iter().take(LINES_MAX).map(|text| Fact {
        label: Label::new(language, "对比", "Compared"),
        value: clean_within(name(language, text), GROUNDS_CHARS_MAX),
    });
    let more = demand.grounds.len().saturating_sub(LINES_MAX);
    Section {
        label: Label::new(language, "效果评估", "Measured effect"),
        facts: facts.collect(),
        more: (more > 0).then(|| match language {
            Language::Zh => format!("另有 {more} 项"),
            Language::En => format!("and {more} more"),
        }),
    }
}

/// What the knowledge base says of the cause.
pub(super) fn suggested(language: Language, suggestion: &Suggestion) -> Section {
    let mut facts = Vec::new();
    let mut list = |zh, en, texts: &[Text]| {
        for text in texts.iter().take(LINES_MAX) {
            facts.push(Fact {
                label: Label::new(language, zh, en),
                value: clean(name(language, text)),
            });
        }
    };
    list("可能原因", "Likely cause", &suggestion.causes);
    list("如何查证", "Verify", &suggestion.verify);
    for remedy in suggestion.remedies.iter().take(LINES_MAX) {
        let text = clean(name(language, &remedy.text));
        let (tried, effective) = (remedy.tried, remedy.effective);
        let record = match (tried, language) {
            (0, _) => String::new(),
            (_, Language::Zh) => format!("（截至目前 {tried} 次中 {effective} 次有效）"),
            (_, Language::En) => format!(" (effective {effective} of {tried} times so far)"),
        };
        facts.push(Fact {
            label: Label::new(language, "处理建议", "Remedy"),
            value: format!("{text}{record}"),
        });
    }
    Section {
        label: Label::new(language, "知识库", "Knowledge base"),
        facts,
        more: Some(clean(&suggestion.reference)),
    }
}
