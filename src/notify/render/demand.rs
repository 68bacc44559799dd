//! The mail about a trigger: what is asked of whom until when, what is known of the cause, and what agents
//! tell customers meanwhile. The same layout as an alert's mail, in a thread of the trigger's own.

use super::lists;
use super::number::{Clock, quantity};
use super::story;
use super::view::{Fact, Section, View, chart_view, clean, clean_within, colour, value};
use super::words::{self, Label, name, pick};
use crate::alerting::{AlertState, DemandNotice, Notice, NoticeReason, Suggestion};
use crate::masking::mask;
use crate::reports::in_both;
use crate::rules::{Language, Text};

/// Lines of one list of suggestions; the rest is counted.
const LINES_MAX: usize = 6;
/// Characters of the text for agents: they read it out, so it is never cut in the middle of what people write.
const SAY_CHARS_MAX: usize = 1_000;
/// Cities that are named; the rest is counted. Judgement: those of a province.
const CITIES_MAX: usize = 24;
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
        lang: pick(language, "zh-CN", "en"),
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

/// Why the reader is told now, with what else the same step made of the trigger.
pub(super) fn why(language: Language, notice: &Notice) -> String {
    let also = notice.demand.iter().flat_map(|demand| &demand.also);
    let reasons = std::iter::once(notice.reason).chain(also.copied());
    let sentences: Vec<String> = reasons
        .map(|reason| why_of(language, notice, reason))
        .collect();
    sentences.join(pick(language, "", " "))
}

fn why_of(language: Language, notice: &Notice, reason: NoticeReason) -> String {
    let id = clean(&notice.alert.incident);
    let Some(demand) = &notice.demand else {
        return id;
    };
    let into = demand.absorbed_into.as_deref().map(clean);
    let is_over = notice.alert.state == AlertState::Resolved;
    let severity = words::severity(language, notice.alert.severity).main;
    let state = notice.trigger.as_ref().map(|of| of.state.as_str());
    let is_carried = state == Some("accepted") && demand.last.is_none();
    let (zh, en) = match reason {
        // Nobody took a step: it is accepted because a part of it was.
        NoticeReason::Progressed | NoticeReason::Assigned if is_carried => (
            format!(
                "触发单 {id} 现为「{}」：其中一部分此前已被受理。范围已扩大，处理请按新的范围重新开始。",
                words::trigger_state(Language::Zh, "accepted")
            ),
            format!(
                "Trigger {id} is \"{}\", because a part of it was accepted before. It is about more places now: the work \
                 begins anew.",
                words::trigger_state(Language::En, "accepted")
            ),
        ),
        NoticeReason::ReviewAsked => (
            format!("触发单 {id} 等待审核或确定责任方。"),
            format!("Trigger {id} waits for its review, or for an owner."),
        ),
        NoticeReason::Assigned if is_over => (
            format!("触发单 {id} 已派发，请受理。告警目前已解除，原因仍需查明。"),
            format!(
                "Trigger {id} has been dispatched: please accept it. The alert is over; its cause is still to be found."
            ),
        ),
        NoticeReason::Raised => (
            format!(
                "触发单 {id} 的级别升为「{severity}」，到期时间和抄送人随之调整，以下以现在为准。"
            ),
            format!(
                "The severity of trigger {id} rose to {severity}; its due time and its copies are now as shown here."
            ),
        ),
        NoticeReason::Assigned => (
            format!("触发单 {id} 已派发，请受理。"),
            format!("Trigger {id} has been dispatched: please accept it."),
        ),
        NoticeReason::Reminder => (
            format!("触发单 {id} 即将到期。"),
            format!("Trigger {id} is due soon."),
        ),
        NoticeReason::Overdue => (
            format!("触发单 {id} 已超时，逐级上报。"),
            format!("Trigger {id} is overdue and climbs the chain."),
        ),
        NoticeReason::HandedOver if demand.is_passed_around => (
            format!(
                "触发单 {id} 已转交，第 {} 次流转：一直没有部门承接，请协调岗和审核领导确定责任方。",
                demand.hops
            ),
            format!(
                "Trigger {id} was handed over (hop {}): no department keeps it. The coordinator and the lead are asked to \
                 settle whose it is.",
                demand.hops
            ),
        ),
        NoticeReason::HandedOver => (
            format!("触发单 {id} 已转交，第 {} 次流转。", demand.hops),
            format!("Trigger {id} was handed over (hop {}).", demand.hops),
        ),
        NoticeReason::Answered => (
            format!("触发单 {id} 已有答复，等待效果评估。"),
            format!("Trigger {id} has been answered; its effect is awaited."),
        ),
        NoticeReason::Progressed => {
            let last = demand.last.as_ref();
            let actor = last.map_or(String::new(), |(actor, _, _)| clean(actor));
            let state = notice.trigger.as_ref().map(|trigger| trigger.state.clone());
            let state = state.unwrap_or_default();
            (
                format!(
                    "{actor} 已将触发单 {id} 置为「{}」。",
                    words::trigger_state(Language::Zh, &state)
                ),
                format!(
                    "{actor} has moved trigger {id} to \"{}\".",
                    words::trigger_state(Language::En, &state)
                ),
            )
        }
        NoticeReason::Measured => (
            format!("触发单 {id} 因补到的数据重新评估了效果。"),
            format!("The effect of trigger {id} was measured again, because of late data."),
        ),
        NoticeReason::Reopened => (
            format!("触发单 {id} 重新打开，请再次受理。"),
            format!("Trigger {id} was reopened: please accept it again."),
        ),
        _ => match into {
            Some(into) => (
                format!("触发单 {id} 已并入 {into}。"),
                format!("Trigger {id} became part of {into}."),
            ),
            None => (
                format!("触发单 {id} 已关闭。"),
                format!("Trigger {id} is closed."),
            ),
        },
    };
    pick(language, &zh, &en).to_owned()
}

fn object(language: Language, notice: &Notice, demand: &DemandNotice, between: &str) -> String {
    let alert = &notice.alert;
    let service = alert
        .service_name
        .as_ref()
        .map(|text| clean(name(language, text)));
    let service = service.or_else(|| alert.service.as_deref().map(clean));
    let parts = [service.unwrap_or_default(), clean(&demand.place)];
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
    let fact = |zh, en, value: String| Fact {
        label: Label::new(language, zh, en),
        value,
    };
    let mut facts = Vec::new();
    if let Some(trigger) = &notice.trigger {
        let department = clean(name(language, &trigger.department));
        let role = clean(name(language, &trigger.role));
        let owner = format!("{department} · {role} · {}", clean(&demand.owner));
        facts.push(fact("责任方", "Owner", owner));
        let state = clean(words::trigger_state(language, &trigger.state));
        facts.push(fact("状态", "State", state));
    }
    if demand.cities.len() > 1 {
        facts.push(fact("地市", "Cities", cities(language, &demand.cities)));
    }
    if !demand.parts.is_empty() {
        let parts = demand.parts.iter().map(|part| clean(part));
        let parts: Vec<String> = parts.collect();
        facts.push(fact("已并入本单", "Took in", cities(language, &parts)));
    }
    facts.push(fact(
        "出口",
        "Outlet",
        words::outlet(language, &demand.outlet).to_owned(),
    ));
    if !demand.copies.is_empty() {
        facts.push(fact("抄送", "Copies", clean(&demand.copies.join("、"))));
    }
    if let Some(due_ms) = demand.due_ms {
        facts.push(fact("到期", "Due", clock.full(due_ms)));
    }
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
    if let Some((actor, reason, at_ms)) = &demand.last {
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
        facts.push(fact("最近动作", "Last step", last));
    }
    if let Some(earlier) = &demand.recurrence_of {
        facts.push(fact(
            "再次出现，原触发单",
            "Came back, earlier trigger",
            clean(earlier),
        ));
    }
    if let Some((verdict, text)) = &demand.verdict {
        let verdict = words::verdict(language, verdict);
        facts.push(fact(
            "效果",
            "Effect",
            match demand.grounds.is_empty() {
                true => format!(
                    "{verdict} · {}",
                    clean_within(name(language, text), GROUNDS_CHARS_MAX)
                ),
                false => verdict.to_owned(),
            },
        ));
    }
    facts
}

fn sections(language: Language, notice: &Notice, demand: &DemandNotice) -> Vec<Section> {
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
    let trigger = notice.trigger.as_ref();
    if let Some(suggestion) = trigger.and_then(|trigger| trigger.suggestion.as_ref()) {
        sections.push(suggested(language, suggestion));
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
            (_, Language::Zh) => format!("（此前 {tried} 次中 {effective} 次有效）"),
            (_, Language::En) => format!(" (effective {effective} times of {tried})"),
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

fn todo(language: Language, notice: &Notice, demand: &DemandNotice) -> Vec<String> {
    let id = clean(&notice.alert.incident);
    let owner = clean(&demand.owner);
    let (zh, en) = match notice.reason {
        NoticeReason::ReviewAsked => (
            format!("请审核触发单 {id}，或转交给责任部门。"),
            format!("Please review trigger {id}, or hand it over to whom it concerns."),
        ),
        NoticeReason::Assigned | NoticeReason::Reopened | NoticeReason::HandedOver => (
            format!("{owner}：请受理触发单 {id}；如不优化，请说明技术不可行或不经济及理由。"),
            format!(
                "{owner}: please accept trigger {id}; if it will not be optimised, say whether that is infeasible or uneconomic, and why."
            ),
        ),
        NoticeReason::Raised if demand.due_ms.is_some() => (
            format!("{owner}：请按新的到期时间处理触发单 {id}；抄送人知悉即可。"),
            format!(
                "{owner}: please see to trigger {id} by its new due time. Who gets a copy need do nothing."
            ),
        ),
        NoticeReason::Reminder | NoticeReason::Overdue => (
            format!("{owner}：请处理触发单 {id}，或先确认已收到。"),
            format!("{owner}: please see to trigger {id}, or acknowledge it first."),
        ),
        NoticeReason::Progressed => {
            // Who hears of another person's step has nothing to deny.
            let actor = demand.last.as_ref().map(|(actor, _, _)| actor);
            let is_own = actor.is_some_and(|actor| *actor == notice.recipient.name);
            let (deny_zh, deny_en) = match is_own {
                true => (
                    "若此操作并非您本人所为，请立即联系管理员。",
                    " If you did not do this, tell your administrator at once.",
                ),
                false => ("", ""),
            };
            (
                format!(
                    "{owner}：处理完毕后请登记；如不优化，请说明技术不可行或不经济及理由。{deny_zh}"
                ),
                format!(
                    "{owner}: please say when it is mended; if it will not be optimised, say whether that is infeasible or uneconomic, and why.{deny_en}"
                ),
            )
        }
        NoticeReason::Answered => (
            "请按上述口径答复客户；效果评估后另行通知。".to_owned(),
            "Please answer customers as above; you will be told what the data say.".to_owned(),
        ),
        _ => (
            "无需其他操作；请按上述口径答复客户。".to_owned(),
            "Nothing else is needed; answer customers as above.".to_owned(),
        ),
    };
    vec![pick(language, &zh, &en).to_owned()]
}
