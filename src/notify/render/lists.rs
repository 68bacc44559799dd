//! The lists of a mail: what the alert is made of, who complained, who owns it, and all labels.

use super::demand;
use super::number::{Clock, duration};
use super::view::{Fact, Section, clean};
use super::words::{self, Label, name};
use crate::alerting::{Alert, Notice};
use crate::rules::Language;

/// Complaint KQIs, dimensions and annotations listed, each; the rest is counted.
const LISTED_MAX: usize = 8;

/// Dimensions, complaints, trigger, and what happened at the same time.
pub(super) fn sections(language: Language, notice: &Notice, clock: &Clock) -> Vec<Section> {
    let label = |zh, en| Label::new(language, zh, en);
    let alert = &notice.alert;
    let mut sections = Vec::new();
    let dimensions: Vec<Fact> = alert
        .group
        .iter()
        .map(|(id, value)| Fact {
            label: words::dimension(language, id),
            value: match &alert.service_name {
                Some(service) if id == "service" => clean(name(language, service)),
                _ => clean(value),
            },
        })
        .collect();
    sections.extend(section(language, label("维度", "Dimensions"), dimensions));
    sections.extend(holder(language, alert, clock));
    let unit = |count: &i64| match language {
        Language::Zh => format!("{count} 件"),
        Language::En => format!("{count} complaint{}", if *count == 1 { "" } else { "s" }),
    };
    let complaints: Vec<Fact> = notice
        .complaints
        .iter()
        .map(|(about, count)| Fact {
            label: Label {
                main: clean(name(language, about)),
                aside: String::new(),
            },
            value: unit(count),
        })
        .collect();
    sections.extend(section(
        language,
        label("相关投诉", "Complaints"),
        complaints,
    ));
    if let Some(trigger) = &notice.trigger {
        let owner = [&trigger.department, &trigger.role]
            .map(|text| clean(name(language, text)))
            .join(" · ");
        let facts = vec![
            Fact {
                label: label("编号", "Number"),
                value: clean(&trigger.id),
            },
            Fact {
                label: label("责任方", "Owner"),
                value: owner,
            },
            Fact {
                label: label("状态", "State"),
                value: clean(words::trigger_state(language, &trigger.state)),
            },
        ];
        sections.extend(section(
            language,
            label("优化触发单", "Optimization trigger"),
            facts,
        ));
        let suggestion = trigger.suggestion.as_ref();
        sections.extend(suggestion.map(|known| demand::suggested(language, known)));
    }
    let notes: Vec<Fact> = notice
        .annotations
        .iter()
        .map(|text| Fact {
            label: label("说明", "Note"),
            value: clean(text),
        })
        .collect();
    sections.extend(section(
        language,
        label("同一时段的事件", "At the same time"),
        notes,
    ));
    sections
}

/// Who holds what the alert is about, or held it.
pub(super) fn holder(language: Language, alert: &Alert, clock: &Clock) -> Option<Section> {
    let holder = alert.holder.as_ref()?;
    let label = |zh, en| Label::new(language, zh, en);
    let fact = |label, value: String| Fact { label, value };
    let client = holder.client.as_deref().map_or_else(
        || words::pick(language, "来源未说明", "not told by the source").to_owned(),
        clean,
    );
    let lasted = duration(language, holder.until_ms - holder.since_ms);
    let lasted = match (holder.is_over, language) {
        (true, Language::Zh) => format!("{lasted}，已释放"),
        (true, Language::En) => format!("{lasted}, given back"),
        (false, Language::Zh) => format!("{lasted}，未释放"),
        (false, Language::En) => format!("{lasted}, not given back"),
    };
    let interface = format!("{} {}", clean(&holder.host), clean(&holder.interface));
    let facts = vec![
        fact(label("占用方", "Client"), client),
        fact(label("连接", "Connection"), clean(&holder.connection)),
        fact(label("接口", "Interface"), interface),
        fact(label("起始", "Since"), clock.full(holder.since_ms)),
        fact(label("占用时长", "Held"), lasted),
    ];
    section(language, label("接口占用者", "Holder"), facts)
}

fn section(language: Language, label: Label, mut facts: Vec<Fact>) -> Option<Section> {
    let hidden = facts.len().saturating_sub(LISTED_MAX);
    facts.truncate(LISTED_MAX);
    let more = (hidden > 0).then(|| match language {
        Language::Zh => format!("另有 {hidden} 项"),
        Language::En => format!("and {hidden} more"),
    });
    (!facts.is_empty()).then_some(Section { label, facts, more })
}

/// Everything that names the alert, as the API has it, with where its limit comes from.
pub(super) fn labels(language: Language, notice: &Notice) -> Vec<Fact> {
    let alert = &notice.alert;
    let plain = |key: &str, value: &str| Fact {
        label: Label {
            main: key.to_owned(),
            aside: String::new(),
        },
        value: clean(value),
    };
    let mut labels = vec![
        plain("alert", &alert.alert),
        plain("incident", &alert.incident),
    ];
    labels.extend(alert.kqi.as_deref().map(|kqi| plain("kqi", kqi)));
    labels.extend(
        alert
            .service
            .as_deref()
            .map(|service| plain("service", service)),
    );
    labels.push(plain("group", &alert.group_label));
    labels.extend(
        alert
            .layer
            .map(|layer| plain("layer", words::layer(language, layer))),
    );
    labels.extend(
        alert
            .department
            .as_deref()
            .map(|id| plain("department", id)),
    );
    labels.push(plain("state", alert.state.name()));
    labels.push(plain("state_reason", alert.reason.name()));
    labels.push(plain("notice_reason", notice.reason.name()));
    labels.push(plain("revision", &notice.revision.to_string()));
    labels.push(plain("rules", &notice.rule_version));
    labels.extend(
        notice
            .provenance
            .as_deref()
            .map(|source| plain("limit_source", source)),
    );
    labels
}

/// For which role one is told, when, and in which zone.
pub(super) fn footer(language: Language, notice: &Notice, clock: &Clock) -> Vec<String> {
    let mut footer = Vec::new();
    if let Some((department, role)) = &notice.role {
        let role = [department, role]
            .map(|text| clean(name(language, text)))
            .join(" · ");
        footer.push(match language {
            Language::Zh => format!("您因担任「{role}」而收到此邮件。"),
            Language::En => format!("You are told because you hold the role {role}."),
        });
    }
    let at = clock.full(notice.decided_at_ms);
    let zone = clock.name();
    footer.push(match language {
        Language::Zh => format!("由 Chrysalis 于 {at} 判定；时间均为 {zone}。"),
        Language::En => format!("Decided by Chrysalis at {at}; all times are {zone}."),
    });
    footer
}
