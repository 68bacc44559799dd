//! What a notice takes back: the words for what had been mailed, and for what is true now.
//!
//! What had been mailed is quoted from the notice before; only what is true now comes from the alert.

use super::number::{Clock, duration, limit, quantity};
use super::view::{Correction, value};
use super::words::{self, Label, pick};
use crate::alerting::{Limit, Notice, Statement, TransitionReason, Truth};
use crate::rules::Language;

/// What had been told and what is true now, where that is another thing.
pub(super) fn correction(language: Language, notice: &Notice, clock: &Clock) -> Option<Correction> {
    let correction = notice.correction.as_ref()?;
    Some(Correction {
        told_label: Label::new(language, "此前通知", "You were told"),
        told: told(language, &correction.told, clock),
        now_label: Label::new(language, "现在确认", "True now"),
        now: now(language, notice, &correction.told, correction.truth, clock),
    })
}

/// Whether the incident turned out to be none: times and numbers of its own would say that it was.
pub(super) fn is_none(notice: &Notice) -> bool {
    let truth = notice
        .correction
        .as_ref()
        .map(|correction| correction.truth);
    truth.is_some_and(Truth::is_none)
}

/// When it fired and when it ended, to be marked in the chart.
pub(super) fn moments(notice: &Notice) -> [Option<i64>; 2] {
    if is_none(notice) {
        return [None, None];
    }
    [notice.alert.fired_at_ms, notice.alert.resolved_at_ms]
}

/// Since when something had been told that turned out to be nothing.
pub(super) fn told_since(language: Language, notice: &Notice, clock: &Clock) -> Option<String> {
    let correction = notice.correction.as_ref().filter(|_| is_none(notice))?;
    let since = clock.full(correction.told.since_ms);
    Some(match language {
        Language::Zh => format!("曾通知自 {since} 起异常"),
        Language::En => format!("had been told as abnormal since {since}"),
    })
}

/// Why what had been told is taken back.
pub(super) fn why(language: Language, notice: &Notice) -> String {
    let told = notice
        .correction
        .as_ref()
        .map(|correction| &correction.told);
    let is_back = told.is_some_and(Statement::is_withdrawal);
    match (notice.alert.reason, language) {
        (TransitionReason::RuleChanged, Language::Zh) => {
            format!(
                "{}，已通知过的结论随之重新判定。",
                rule_changed(language, notice)
            )
        }
        (TransitionReason::RuleChanged, Language::En) => format!(
            "{}, so what you had been told is judged again.",
            rule_changed(language, notice)
        ),
        (TransitionReason::Corrected, Language::Zh) if is_back => {
            "此前的更正又被更晚到达的数据推翻。".to_owned()
        }
        (TransitionReason::Corrected, Language::En) if is_back => {
            "Still later data overturned the correction that you had been sent.".to_owned()
        }
        (TransitionReason::Corrected, Language::Zh) => {
            "迟到的数据改变了已经通知过的结论。".to_owned()
        }
        (TransitionReason::Corrected, Language::En) => {
            "Late data changed what you had been told.".to_owned()
        }
        (_, Language::Zh) => {
            "通知过的结论作出以后，异常仍在持续，现已达到规则的触发条件。".to_owned()
        }
        (_, Language::En) => {
            "It went on after what you had been told, and is now what the rule asks for.".to_owned()
        }
    }
}

/// That the rule was changed, with the limit before and after where that is another now.
pub(super) fn rule_changed(language: Language, notice: &Notice) -> String {
    let alert = &notice.alert;
    let none = || pick(language, "无", "none").to_owned();
    let now = limit(alert.limit_min, alert.limit_max, &alert.unit).unwrap_or_else(none);
    let before = notice.limit_before.as_ref();
    let before =
        before.map(|Limit { min, max, unit }| limit(*min, *max, unit).unwrap_or_else(none));
    match (before, language) {
        (None, Language::Zh) => "规则已更改（限值未变）".to_owned(),
        (None, Language::En) => "The rule was changed (its limit was not)".to_owned(),
        (Some(before), Language::Zh) => format!("规则已更改（限值由 {before} 改为 {now}）"),
        (Some(before), Language::En) => {
            format!("The rule was changed (limit {before} before, {now} now)")
        }
    }
}

/// What the mail before this one said.
fn told(language: Language, said: &Statement, clock: &Clock) -> String {
    let at = clock.full(said.decided_at_ms);
    let mail = match language {
        Language::Zh => format!("{at} 的邮件："),
        Language::En => format!("Mail of {at}: "),
    };
    let severity = words::severity(language, said.severity).main;
    let since = clock.short(said.since_ms, said.decided_at_ms);
    let said = match (said.truth, language) {
        (Some(Truth::NeverWas), Language::Zh) => {
            format!("自 {since} 起的异常（{severity}）当时不构成告警。")
        }
        (Some(Truth::NeverWas), Language::En) => {
            format!("what had been told as abnormal since {since} ({severity}) never was an alert.")
        }
        (Some(Truth::PartOf { since_ms }), Language::Zh) => format!(
            "自 {since} 起的异常（{severity}）属于自 {} 起的那次告警。",
            clock.full(since_ms)
        ),
        (Some(Truth::PartOf { since_ms }), Language::En) => format!(
            "what had been told as abnormal since {since} ({severity}) is a part of the alert that \
             began at {}.",
            clock.full(since_ms)
        ),
        (_, language) => {
            let story = Span {
                since_ms: said.since_ms,
                ended_ms: said.resolved_at_ms,
                beside_ms: said.decided_at_ms,
            };
            let story = story.words(language, clock);
            let worst = said.worst_value.or(said.value);
            let worst = worst_words(language, worst, &said.limit.unit);
            match language {
                Language::Zh => format!("{story}，{severity}{worst}。"),
                Language::En => format!("{story}, {severity}{worst}."),
            }
        }
    };
    format!("{mail}{said}")
}

fn now(
    language: Language,
    notice: &Notice,
    said: &Statement,
    truth: Truth,
    clock: &Clock,
) -> String {
    let alert = &notice.alert;
    let newest = newest(language, notice, clock);
    let severity = words::severity(language, alert.severity).main;
    let worst = worst_words(language, alert.worst_value, &alert.unit);
    let story = Span {
        since_ms: alert.active_since_ms,
        ended_ms: alert.resolved_at_ms,
        beside_ms: notice.decided_at_ms,
    };
    let lasted = duration(
        language,
        alert.resolved_at_ms.unwrap_or(alert.window_ms.1) - alert.active_since_ms,
    );
    let story = story.words(language, clock);
    let by_rule = alert.reason == TransitionReason::RuleChanged;
    match (truth, language) {
        (Truth::Fires, Language::Zh) => {
            let not_over = match said.resolved_at_ms {
                _ if said.is_withdrawal() => "确有其事，仍在持续：",
                Some(_) => "并未结束：",
                None => "",
            };
            format!("{not_over}{story}，{severity}{worst}；{newest}。")
        }
        (Truth::Fires, Language::En) => {
            let not_over = match said.resolved_at_ms {
                _ if said.is_withdrawal() => "It fires after all: ",
                Some(_) => "It is not over: ",
                None => "It is ",
            };
            format!("{not_over}{story}, {severity}{worst}; {newest}.")
        }
        (Truth::Ended, Language::Zh) if said.is_withdrawal() => {
            format!("确有其事，现已结束：{story}（{lasted}），{severity}{worst}；{newest}。")
        }
        (Truth::Ended, Language::En) if said.is_withdrawal() => format!(
            "It was after all, and is over: {story} ({lasted}), {severity}{worst}; {newest}."
        ),
        (Truth::Ended, Language::Zh) => {
            format!("已经结束：{story}（{lasted}），{severity}{worst}；{newest}。")
        }
        (Truth::Ended, Language::En) => {
            format!("It is over: {story} ({lasted}), {severity}{worst}; {newest}.")
        }
        (Truth::NeverWas, Language::Zh) if by_rule => {
            format!("按新规则，当时不构成告警；{newest}。")
        }
        (Truth::NeverWas, Language::En) if by_rule => {
            format!("Under the new rule it never was an alert; {newest}.")
        }
        (Truth::NeverWas, Language::Zh) => format!("补齐数据后，当时不构成告警；{newest}。"),
        (Truth::NeverWas, Language::En) => {
            format!("With all data in, it never was an alert; {newest}.")
        }
        (Truth::PartOf { since_ms }, Language::Zh) => format!(
            "它属于自 {} 起的那次告警，该告警另有邮件。",
            clock.full(since_ms)
        ),
        (Truth::PartOf { since_ms }, Language::En) => format!(
            "It is a part of the alert that began at {}, which has mails of its own.",
            clock.full(since_ms)
        ),
    }
}

/// From when to when something was abnormal.
struct Span {
    since_ms: i64,
    ended_ms: Option<i64>,
    /// A time whose day need not be said again.
    beside_ms: i64,
}

impl Span {
    fn words(&self, language: Language, clock: &Clock) -> String {
        let since = clock.short(self.since_ms, self.beside_ms);
        let ended = self.ended_ms.map(|ms| clock.short(ms, self.since_ms));
        match (ended, language) {
            (None, Language::Zh) => format!("自 {since} 起异常"),
            (None, Language::En) => format!("abnormal since {since}"),
            (Some(ended), Language::Zh) => format!("{since} 至 {ended} 异常"),
            (Some(ended), Language::En) => format!("abnormal from {since} to {ended}"),
        }
    }
}

fn worst_words(language: Language, worst: Option<f64>, unit: &str) -> String {
    match (worst, language) {
        (None, _) => String::new(),
        (Some(worst), Language::Zh) => format!("，最差值 {}", quantity(worst, unit)),
        (Some(worst), Language::En) => format!(", worst {}", quantity(worst, unit)),
    }
}

/// The newest value, and of when: it need not be of the incident.
fn newest(language: Language, notice: &Notice, clock: &Clock) -> String {
    let value = value(language, &notice.alert);
    let at = clock.short(notice.alert.window_ms.1, notice.decided_at_ms);
    let unjudged = notice.alert.verdict.filter(|verdict| !verdict.is_judged());
    let unjudged = unjudged.map(|verdict| verdict.text(language));
    match (unjudged, language) {
        (None, Language::Zh) => format!("最新值 {value}（{at}）"),
        (None, Language::En) => format!("the newest value is {value} ({at})"),
        (Some(why), Language::Zh) => format!("最新值 {value}（{at}，{why}）"),
        (Some(why), Language::En) => format!("the newest value is {value} ({at}, {why})"),
    }
}
