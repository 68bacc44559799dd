//! The sentences of a mail: what it is about, why it comes now, how it ended, what to do.

use super::asked;
use super::correction;
use super::number::{Clock, difference, duration, limit, quantity};
use super::view::{Fact, clean, value};
use super::words::{self, Label, name, pick};
use crate::alerting::{Alert, AlertState, Beside, Notice, NoticeReason, TransitionReason, Trouble};
use crate::rules::Language;

/// State, severity and value against limit: all that an inbox shows beside the subject.
pub(super) fn preheader(
    language: Language,
    notice: &Notice,
    value: &str,
    against: Option<&str>,
) -> String {
    let status = words::status(language, notice.reason).main;
    let severity = words::severity(language, notice.alert.severity).main;
    let against = against.map(|against| format!("{}{against}", pick(language, "，", ", ")));
    let colon = pick(language, "：", ": ");
    let joint = pick(language, "·", " · ");
    format!(
        "{status}{joint}{severity}{colon}{value}{}",
        against.unwrap_or_default()
    )
}

/// The limit, and how the value stands to it.
pub(super) fn against(language: Language, alert: &Alert) -> Option<String> {
    let limit = limit(alert.limit_min, alert.limit_max, &alert.unit)?;
    let beyond = alert.value.and_then(|value| {
        let over = alert
            .limit_max
            .map(|max| value - max)
            .filter(|by| *by > 0.0);
        let under = alert
            .limit_min
            .map(|min| min - value)
            .filter(|by| *by > 0.0);
        let over = over.map(|by| (by, "超出", "over by"));
        over.or(under.map(|by| (by, "低于限值", "under by")))
    });
    let unjudged = alert.verdict.filter(|verdict| !verdict.is_judged());
    let stands = match (unjudged, beyond, alert.value) {
        // There may be a value; it proves nothing.
        (Some(verdict), ..) => verdict.text(language).to_owned(),
        (None, Some((by, zh, en)), _) => {
            let by = difference(language, by, &alert.unit);
            format!("{} {by}", pick(language, zh, en))
        }
        (None, None, Some(_)) => pick(language, "在合理区间内", "within it").to_owned(),
        (None, None, None) => return Some(format!("{} {limit}", pick(language, "限值", "limit"))),
    };
    Some(format!(
        "{} {limit}{}{stands}",
        pick(language, "限值", "limit"),
        pick(language, "，", ", ")
    ))
}

/// Since when, or from when to when.
pub(super) fn since(language: Language, notice: &Notice, clock: &Clock) -> String {
    if let Some(told) = correction::told_since(language, notice, clock) {
        return told;
    }
    let alert = &notice.alert;
    let since = clock.full(alert.active_since_ms);
    match (alert.resolved_at_ms, language) {
        (None, Language::Zh) => format!("自 {since} 起"),
        (None, Language::En) => format!("since {since}"),
        (Some(end_ms), Language::Zh) => {
            format!("{since} 至 {}", clock.short(end_ms, alert.active_since_ms))
        }
        (Some(end_ms), Language::En) => {
            format!("{since} to {}", clock.short(end_ms, alert.active_since_ms))
        }
    }
}

/// How many complained, if anybody did: as many as the KQI counts that counts most. Several count the same people, in
/// windows that overlap, and their sum would count them twice.
pub(super) fn complained(language: Language, notice: &Notice) -> Option<String> {
    let counts = notice.complaints.iter().map(|(_, count)| *count);
    let complaints = counts.max().unwrap_or(0);
    match (complaints, language) {
        (..=0, _) => None,
        // Of a trigger it is the greatest window since it opened, beside the tickets of all that time.
        (count, Language::Zh) if notice.demand.is_some() => {
            Some(format!("一个统计窗口最多投诉 {count} 件"))
        }
        (count, Language::En) if notice.demand.is_some() => {
            let word = if count == 1 {
                "complaint"
            } else {
                "complaints"
            };
            Some(format!("at most {count} {word} in one window"))
        }
        (count, Language::Zh) => Some(format!("投诉 {count} 件")),
        (1, Language::En) => Some("1 complaint".to_owned()),
        (count, Language::En) => Some(format!("{count} complaints")),
    }
}

/// Before the severity: that of an alert which is over was its worst, and is no longer; that of one
/// which never was had only been told.
pub(super) fn was(language: Language, notice: &Notice) -> &'static str {
    match notice.alert.state {
        _ if correction::is_none(notice) => pick(language, "曾通知为", "told as"),
        AlertState::Resolved => pick(language, "曾为", "was"),
        AlertState::Pending | AlertState::Firing => "",
    }
}

/// The table below the verdict.
pub(super) fn facts(language: Language, notice: &Notice, clock: &Clock) -> Vec<Fact> {
    let alert = &notice.alert;
    let fact = |zh, en, value| Fact {
        label: Label::new(language, zh, en),
        value,
    };
    let is_none = correction::is_none(notice);
    let mut facts = Vec::new();
    if is_none {
        // What was not, did not last.
    } else if let Some(end_ms) = alert.resolved_at_ms {
        let lasted = duration(language, end_ms - alert.active_since_ms);
        facts.push(fact("持续", "Lasted", lasted));
    } else if alert.window_ms.1 > alert.active_since_ms {
        let lasts = duration(language, alert.window_ms.1 - alert.active_since_ms);
        facts.push(fact("已持续", "Lasting", lasts));
    }
    if let Some(worst) = alert
        .worst_value
        .filter(|worst| Some(*worst) != alert.value && !is_none)
    {
        facts.push(fact("最差值", "Worst", quantity(worst, &alert.unit)));
    }
    if let Some(score) = alert.score {
        facts.push(fact("评分", "Score", format!("{score:.1} / 5")));
    }
    if let Some(trouble) = Trouble::of(alert) {
        facts.push(fact("限值", "Limit", trouble.limit().to_owned()));
        facts.push(fact("现值", "Now", alert.samples.to_string()));
        let peer = alert.group.iter().find(|(name, _)| name == "peer");
        facts.extend(peer.map(|(_, peer)| fact("来源", "From", peer.clone())));
        return facts;
    }
    if alert.kqi.is_none() {
        // Its subject is sources of events, which have neither windows nor samples.
        facts.push(fact("数据源", "Sources", alert.samples.to_string()));
        return facts;
    }
    let (start_ms, window_end_ms) = alert.window_ms;
    let window = format!(
        "{} – {}",
        clock.short(start_ms, window_end_ms),
        clock.short(window_end_ms, start_ms)
    );
    facts.push(fact("窗口", "Window", window));
    facts.push(fact("样本", "Samples", alert.samples.to_string()));
    if let Some(expected) = alert.expected {
        facts.push(fact(
            "往周同时段平均",
            "Same hours of earlier weeks",
            quantity(expected, ""),
        ));
    }
    facts
}

/// Why this mail comes now.
pub(super) fn why(language: Language, notice: &Notice, clock: &Clock) -> String {
    match notice.reason {
        NoticeReason::First => first(language, notice, clock),
        NoticeReason::Escalated => escalated(language, notice),
        NoticeReason::Resolved => resolved(language, notice),
        NoticeReason::Corrected => correction::why(language, notice),
        NoticeReason::RuleChanged if notice.correction.is_some() => {
            correction::why(language, notice)
        }
        NoticeReason::RuleChanged => resolved(language, notice),
        NoticeReason::ReviewAsked
        | NoticeReason::Assigned
        | NoticeReason::Reminder
        | NoticeReason::Overdue
        | NoticeReason::HandedOver
        | NoticeReason::Answered
        | NoticeReason::Closed
        | NoticeReason::Reopened
        | NoticeReason::Measured
        | NoticeReason::Raised
        | NoticeReason::Progressed => asked::why(language, notice),
    }
}

fn first(language: Language, notice: &Notice, clock: &Clock) -> String {
    let alert = &notice.alert;
    let fired_ms = alert.fired_at_ms.unwrap_or(alert.active_since_ms);
    let lasted = duration(language, fired_ms - alert.active_since_ms);
    let at = clock.hour(fired_ms);
    if let Some(trouble) = Trouble::of(alert) {
        let meaning = trouble.meaning();
        return match language {
            Language::Zh => meaning.zh,
            Language::En => meaning.en,
        };
    }
    match (alert.reason, language) {
        (TransitionReason::SourceSilent, Language::Zh) => {
            "数据源没有任何数据：只由它观测的对象现在无法判断。没有数据不等于正常。".to_owned()
        }
        (TransitionReason::SourceSilent, Language::En) => {
            "The source sends nothing: what it alone watches cannot be judged. No data does not mean healthy."
                .to_owned()
        }
        (TransitionReason::SourceLagging, Language::Zh) => {
            "数据源仍在发送，但只有很久以前的数据：只由它观测的对象现在无法判断；窗口不再等它，它的数据到达后再更正。".to_owned()
        }
        (TransitionReason::SourceLagging, Language::En) => {
            "The source sends only old data: what it alone watches cannot be judged now. Nothing waits for it any longer; what it sends corrects what was told."
                .to_owned()
        }
        (TransitionReason::OverLimit, Language::Zh) => format!(
            "该指标的对象数超过上限：现有 {} 个对象合并为 __other__ 统计，无法单独判断。请检查数据中的维度取值，或调高 limits.groups_max。",
            alert.samples
        ),
        (TransitionReason::OverLimit, Language::En) => format!(
            "The KQI has more groups than its limit: {} of them are told only together, as __other__. Look at the dimension values that are sent, or raise limits.groups_max.",
            alert.samples
        ),
        (TransitionReason::BlindSpot, language) => blind_spot(language, alert.beside.as_ref()),
        (TransitionReason::RuleChanged, _) => {
            let changed = correction::rule_changed(language, notice);
            let since = clock.full(alert.active_since_ms);
            match language {
                Language::Zh => {
                    format!("{changed}；按新规则自 {since} 起异常。此前未通知过您。")
                }
                Language::En => format!(
                    "{changed}. Under the new one it is abnormal since {since}. You had not been told before."
                ),
            }
        }
        (TransitionReason::Corrected, Language::Zh) => {
            format!("迟到的数据表明它已于 {at} 触发；此前未通知过您。")
        }
        (TransitionReason::Corrected, Language::En) => {
            format!("Late data shows that it fired at {at}. You had not been told before.")
        }
        (TransitionReason::Persisted, Language::Zh) => {
            format!("连续异常 {lasted}，达到规则要求的持续时间，于 {at} 触发；此前未通知过您。")
        }
        (TransitionReason::Persisted, Language::En) => format!(
            "It stayed abnormal for {lasted}, as long as the rule asks, and fired at {at}. You had not been told before."
        ),
        (_, Language::Zh) => format!("{at} 的窗口超出合理区间；此前未通知过您。"),
        (_, Language::En) => format!(
            "The window that ended at {at} left the reasonable interval. You had not been told before."
        ),
    }
}

fn escalated(language: Language, notice: &Notice) -> String {
    let severity = words::severity(language, notice.alert.severity).main;
    let value = value(language, &notice.alert);
    match language {
        Language::Zh => format!("比此前通知的更严重：级别升为「{severity}」，最新值 {value}。"),
        Language::En => {
            format!("It is worse than you were told: now {severity}, newest value {value}.")
        }
    }
}

fn resolved(language: Language, notice: &Notice) -> String {
    let alert = &notice.alert;
    let end_ms = alert.resolved_at_ms.unwrap_or(alert.window_ms.1);
    let lasted = duration(language, end_ms - alert.active_since_ms);
    let value = value(language, alert);
    let is_unjudged = alert.verdict.is_some_and(|verdict| !verdict.is_judged());
    match (alert.reason, language) {
        (TransitionReason::NoData, Language::Zh) => {
            format!("历时 {lasted} 后不再有可判断的数据，按规则结束。这不表示业务已恢复正常。")
        }
        (TransitionReason::NoData, Language::En) => format!(
            "After {lasted} there was nothing left to judge, and the rule lets that end it. That is no proof of health."
        ),
        (TransitionReason::RuleChanged, Language::Zh) => {
            format!("规则已更改或删除，告警在 {lasted} 后随之结束；业务状况未必改变。")
        }
        (TransitionReason::RuleChanged, Language::En) => format!(
            "The rule was changed or removed, which ended this after {lasted}. The service may be as it was."
        ),
        (TransitionReason::SourceSilent, Language::Zh) => {
            "数据源已完全静默，由它的静默告警继续说明；并未恢复。".to_owned()
        }
        (TransitionReason::SourceSilent, Language::En) => {
            "The source has fallen silent, which is an alert of its own. It has not recovered."
                .to_owned()
        }
        (TransitionReason::SourceBack, Language::Zh)
            if alert.alert == TransitionReason::SourceLagging.name() =>
        {
            format!("数据源在 {lasted} 后追上当前时间。")
        }
        (TransitionReason::SourceBack, Language::En)
            if alert.alert == TransitionReason::SourceLagging.name() =>
        {
            format!("The source has caught up after {lasted}.")
        }
        (TransitionReason::SourceBack, Language::Zh) => {
            format!("数据源在 {lasted} 后恢复上报。")
        }
        (TransitionReason::SourceBack, Language::En) => {
            format!("The source speaks again after {lasted}.")
        }
        (TransitionReason::Confirmed, Language::Zh) => {
            "同一业务、同一地区的指标也已异常，与投诉互相印证：不再是盲点，由指标的告警继续说明。".to_owned()
        }
        (TransitionReason::Confirmed, Language::En) => {
            "A KQI of the same service and place is abnormal too and confirms the complaints: no blind spot any more. The KQI's own alert goes on."
                .to_owned()
        }
        (TransitionReason::Cleared, Language::Zh) if alert.alert == "blind_spot" => {
            format!("投诉回落，历时 {lasted}。指标始终没有发现它：请补充监测。")
        }
        (TransitionReason::Cleared, Language::En) if alert.alert == "blind_spot" => {
            format!("Complaints fell back after {lasted}. No KQI ever saw it: please measure it.")
        }
        (TransitionReason::WithinLimit, Language::Zh) if Trouble::of(alert).is_some() => {
            format!("{lasted} 后恢复正常，不再拒收或丢弃。")
        }
        (TransitionReason::WithinLimit, Language::En) if Trouble::of(alert).is_some() => {
            format!("It is over after {lasted}: nothing is refused or left out any more.")
        }
        (TransitionReason::WithinLimit, Language::Zh) => {
            format!("对象数在 {lasted} 后回到上限以内，全部单独统计。")
        }
        (TransitionReason::WithinLimit, Language::En) => {
            format!(
                "After {lasted} the groups are within the limit again, and each is told by itself."
            )
        }
        // The newest window came after the one that ended it, and says nothing.
        (_, Language::Zh) if is_unjudged => format!("指标回到合理区间，历时 {lasted}。"),
        (_, Language::En) if is_unjudged => {
            format!("The value came back into the reasonable interval after {lasted}.")
        }
        (_, Language::Zh) => format!("指标回到合理区间（{value}），历时 {lasted}。"),
        (_, Language::En) => {
            format!("The value is back in the reasonable interval ({value}) after {lasted}.")
        }
    }
}

/// The next steps.
pub(super) fn todo(language: Language, notice: &Notice) -> Vec<String> {
    let over = notice.alert.state == AlertState::Resolved;
    let mut todo = Vec::new();
    if !over {
        if !notice.annotations.is_empty() {
            let text = pick(
                language,
                "先核对上面同一时段的事件（割接、天气等）是否就是原因。",
                "First see whether what happened at the same time (above) explains it.",
            );
            todo.push(text.to_owned());
        }
        let has_host = notice.alert.group.iter().any(|(id, _)| id == "host");
        todo.push(words::first_look(language, notice.alert.layer, has_host).to_owned());
    }
    if let Some(trigger) = &notice.trigger {
        let id = clean(&trigger.id);
        let owner = clean(name(language, &trigger.department));
        let text = match (over, trigger.state.as_str(), language) {
            (false, "open" | "dispatched", Language::Zh) => {
                format!("{owner}：请受理触发单 {id}；如不优化，请写明理由。")
            }
            (false, "open" | "dispatched", Language::En) => {
                format!("{owner}: please accept trigger {id}, or say why it will not be optimised.")
            }
            (false, _, Language::Zh) => format!("{owner}：请在触发单 {id} 上更新进展。"),
            (false, _, Language::En) => format!("{owner}: please keep trigger {id} up to date."),
            (true, "feedback_given" | "closed", _) => return finish(language, notice, todo),
            (true, _, Language::Zh) if notice.correction.is_some() => {
                format!("{owner}：触发单 {id} 的依据已改变，请核对后关闭。")
            }
            (true, _, Language::En) if notice.correction.is_some() => {
                format!(
                    "{owner}: the ground for trigger {id} has changed; please review and close it."
                )
            }
            (true, _, Language::Zh) => {
                format!("{owner}：请在触发单 {id} 中写明原因和措施，再关闭。")
            }
            (true, _, Language::En) => {
                format!("{owner}: please write cause and remedy into trigger {id} and close it.")
            }
        };
        todo.push(text);
    }
    finish(language, notice, todo)
}

fn finish(language: Language, notice: &Notice, mut todo: Vec<String>) -> Vec<String> {
    let (zh, en) = match notice.alert.state {
        AlertState::Resolved => ("无需其他操作。", "Nothing else is needed."),
        _ => (
            "恢复后，本线索内会收到结束通知。",
            "You will be told in this thread when it is over.",
        ),
    };
    todo.push(pick(language, zh, en).to_owned());
    todo
}

/// Names of KQIs in a sentence; there may be as many as a service has.
const UNJUDGED_NAMED_MAX: usize = 8;

/// That people complain of what no KQI shows: of how many that can be said, and of which it cannot.
fn blind_spot(language: Language, beside: Option<&Beside>) -> String {
    let none = Vec::new();
    let unjudged = beside.map_or(&none, |beside| &beside.unjudged);
    let named = unjudged.iter().take(UNJUDGED_NAMED_MAX);
    let named: Vec<String> = named.map(|text| clean(name(language, text))).collect();
    let count = unjudged.len();
    let is_cut = count > named.len();
    match language {
        Language::Zh => {
            let judged = beside.map_or_else(String::new, |of| format!("（{} 项）", of.normal));
            let etc = if is_cut { "等" } else { "" };
            let rest = match count {
                0 => String::new(),
                _ => format!(
                    "另有 {count} 项没有数据或样本不足，无法判断：{}{etc}。",
                    named.join("、")
                ),
            };
            format!(
                "投诉明显上升，而同一业务、同一地区能判断的指标{judged}都正常：有问题没有被监测到。{rest}请核对投诉内容，补充拨测或指标。"
            )
        }
        Language::En => {
            let judged = beside.map_or_else(String::new, |of| format!(" ({})", of.normal));
            let etc = if is_cut { ", …" } else { "" };
            let rest = match count {
                0 => String::new(),
                _ => format!(
                    " {count} more could not be judged, for want of data or samples: {}{etc}.",
                    named.join(", ")
                ),
            };
            format!(
                "Complaints are up while every KQI of the service and place that can be judged{judged} is normal: something is not measured.{rest} Read what people say, and add a dial test or a KQI for it."
            )
        }
    }
}
