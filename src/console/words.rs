//! The words, colours and number formats of the page.

use crate::api::iso;
use crate::api::number_text;
use crate::rules::Language;
use crate::rules::RuleBook;
use crate::rules::Severity;
use crate::rules::Verdict;
use crate::triggers::TriggerState;
use jiff::tz::TimeZone;
use serde::Serialize;

/// A word with a colour; the colour never speaks alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Chip {
    pub(super) class: &'static str,
    pub(super) zh: String,
    pub(super) en: String,
}

pub(super) fn chip(class: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Chip {
    Chip {
        class,
        zh: zh.into(),
        en: en.into(),
    }
}

/// Colour of a verdict. Green is for what was measured and found normal, and for nothing else.
pub(super) fn verdict_chip(verdict: Verdict) -> Chip {
    let class = match verdict {
        Verdict::Normal => "ok",
        Verdict::Abnormal(severity) => severity_class(severity),
        Verdict::Insufficient | Verdict::NoTraffic => "blind",
        Verdict::SourceSilent => "silent",
        Verdict::Suppressed => "planned",
    };
    chip(
        class,
        verdict.text(Language::Zh),
        verdict.text(Language::En),
    )
}

pub(super) const fn severity_class(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Minor => "minor",
        Severity::Major => "major",
        Severity::Critical => "critical",
    }
}

pub(super) fn severity_chip(severity: Severity) -> Chip {
    let (zh, en) = match severity {
        Severity::Warning => ("警告", "warning"),
        Severity::Minor => ("次要", "minor"),
        Severity::Major => ("重要", "major"),
        Severity::Critical => ("紧急", "critical"),
    };
    chip(severity_class(severity), zh, en)
}

pub(super) fn trigger_chip(state: TriggerState) -> Chip {
    match state {
        TriggerState::Detected => chip("major", "已发现", "detected"),
        TriggerState::Classified => chip("major", "待分析", "classified"),
        TriggerState::Analysed => chip("major", "待审核", "analysed"),
        TriggerState::Reviewed => chip("major", "已审核", "reviewed"),
        TriggerState::Dispatched => chip("major", "待受理", "dispatched"),
        TriggerState::Reopened => chip("major", "重新打开", "reopened"),
        TriggerState::Accepted => chip("planned", "已受理", "accepted"),
        TriggerState::InProgress => chip("planned", "处理中", "in progress"),
        TriggerState::Mended => chip("blind", "已完成", "mended"),
        TriggerState::NotOptimised => chip("blind", "不优化", "not optimised"),
        TriggerState::FeedbackGiven => chip("blind", "已反馈", "feedback given"),
        TriggerState::EffectMeasured => chip("blind", "已评估", "effect measured"),
        TriggerState::Closed => chip("blind", "已关闭", "closed"),
    }
}

/// A time of day, with the date when it is not today's.
pub(super) fn clock(ms: i64, now_ms: i64, zone: &TimeZone) -> String {
    let (text, now) = (iso(ms, zone), iso(now_ms, zone));
    match (text.get(..10), text.get(11..19), now.get(..10)) {
        (Some(day), Some(time), Some(today)) if day == today => time.to_owned(),
        (Some(day), Some(time), _) => format!("{day} {time}"),
        _ => text,
    }
}

/// `1234567` → `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn measured(value: Option<f64>, unit: &str) -> String {
    match value {
        Some(value) if unit.is_empty() || unit == "%" => format!("{}{unit}", number_text(value)),
        // A histogram's buckets are two per cent wide: more digits would only pretend.
        Some(value) if value.abs() >= 100.0 => format!("{value:.0} {unit}"),
        Some(value) if value.abs() >= 10.0 => format!("{} {unit}", number_text(tenths(value))),
        Some(value) => format!("{} {unit}", number_text(value)),
        None => "—".to_owned(),
    }
}

pub(super) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

pub(super) fn limits(min: Option<f64>, max: Option<f64>, unit: &str) -> String {
    match (min, max) {
        (None, None) => String::new(),
        (Some(_), None) => format!("≥ {}", measured(min, unit)),
        (None, Some(_)) => format!("≤ {}", measured(max, unit)),
        (Some(_), Some(_)) => format!("{} – {}", measured(min, ""), measured(max, unit)),
    }
}

/// Where the limit of a KQI comes from.
pub(super) fn limit_source(book: &RuleBook, kqi: Option<&str>) -> Option<String> {
    let mut known = book.kqis.iter();
    known.find(|known| Some(&*known.id) == kqi)?.limit_source()
}

/// The values of a group, without the service, which has a place of its own.
pub(super) fn place(group: &[(String, String)]) -> String {
    let values: Vec<&str> = group
        .iter()
        .filter(|(name, value)| name != "service" && !value.is_empty())
        .map(|(_, value)| value.as_str())
        .collect();
    values.join(" · ")
}

pub(super) fn department(book: &RuleBook, id: Option<&str>) -> String {
    let known = book
        .departments
        .iter()
        .find(|department| Some(department.id.as_str()) == id);
    known.map_or_else(
        || id.unwrap_or("—").to_owned(),
        |department| department.name.zh.clone(),
    )
}

pub(super) fn service_name(book: &RuleBook, id: Option<&str>) -> String {
    let known = book
        .services
        .iter()
        .find(|service| Some(service.id.as_str()) == id);
    known.map_or_else(
        || id.unwrap_or_default().to_owned(),
        |service| service.name.zh.clone(),
    )
}
