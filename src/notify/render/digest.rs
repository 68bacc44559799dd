//! Many notices as one table, for a recipient who was told enough single mails within a minute.

use std::collections::BTreeMap;

use serde::Serialize;

use super::head::{self, Head};
use super::number::{Clock, limit};
use super::view::{clean, colour, object, value};
use super::words::{self, Label, name, pick};
use crate::alerting::{Notice, NoticeReason};
use crate::links::Links;
use crate::rules::Language;

/// Everything that the digest's templates need.
#[derive(Debug, Serialize)]
pub(super) struct DigestView {
    #[serde(flatten)]
    pub(super) head: Head,
    /// Whether a row is about a trigger: those have a column for their numbers.
    pub(super) has_numbers: bool,
    pub(super) rows: Vec<Row>,
    /// How many more there are, and where.
    pub(super) more: Option<String>,
    pub(super) footer: Vec<String>,
}

/// One notice.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) at: String,
    /// Number of the trigger that it is about.
    pub(super) number: Option<String>,
    /// Where that is looked at.
    pub(super) page: Option<String>,
    pub(super) status: String,
    pub(super) severity: String,
    pub(super) colour: &'static str,
    pub(super) object: String,
    pub(super) kqi: String,
    pub(super) value: String,
    pub(super) limit: String,
}

impl DigestView {
    /// Notices of one recipient, the most urgent first; `total` of them are told. None of no notice.
    pub(super) fn of(notices: &[Notice], total: u64, links: Option<&Links>) -> Option<DigestView> {
        let first = notices.first()?;
        let language = first.recipient.language;
        let clock = Clock::of(&first.time_zone);
        let newest_ms = notices
            .iter()
            .map(|notice| notice.decided_at_ms)
            .max()
            .unwrap_or(first.decided_at_ms);
        let rows: Vec<Row> = notices
            .iter()
            .map(|notice| row(language, notice, &clock, newest_ms, links))
            .collect();
        let has_numbers = rows.iter().any(|row| row.number.is_some());
        let left = total.saturating_sub(rows.len() as u64);
        let more = (left > 0).then(|| match language {
            Language::Zh => {
                format!("还有 {left} 条未列出：见状态页，或 GET /v1/alerts。")
            }
            Language::En => {
                format!("{left} more are not listed: see the status page, or GET /v1/alerts.")
            }
        });
        let summary = summary(language, notices, total);
        let at = clock.full(newest_ms);
        let (subject, why) = match language {
            Language::Zh => (
                format!("[告警汇总] {total} 条通知"),
                "一分钟内给您的通知超过了每位收件人的上限，其余合并在这一封里；之后的变化仍会单独通知。",
            ),
            Language::En => (
                format!("[Alert digest] {total} notices"),
                "There were more notices within a minute than single mails are sent; this mail tells \
                 the rest. What changes later is told as usual.",
            ),
        };
        Some(DigestView {
            head: Head {
                lang: words::lang(language),
                subject,
                preheader: summary.clone(),
                title: format!("{} · {at}", pick(language, "告警汇总", "Alert digest")),
                summary,
                colour: rows.first().map_or("#1f5fa8", |row| row.colour),
                columns: columns(language, has_numbers),
            },
            has_numbers,
            rows,
            more,
            footer: vec![
                why.to_owned(),
                format!(
                    "{} {}",
                    pick(language, "规则", "rules"),
                    clean(&first.rule_version)
                ),
                "Chrysalis".to_owned(),
            ],
        })
    }
}

fn columns(language: Language, has_numbers: bool) -> Vec<Label> {
    let number = has_numbers.then_some(("编号", "Number"));
    let others = [
        ("状态", "State"),
        ("级别", "Severity"),
        ("对象", "Object"),
        ("指标", "KQI"),
        ("当前值", "Value"),
        ("限值", "Limit"),
    ];
    let all = std::iter::once(("时间", "Time"))
        .chain(number)
        .chain(others);
    head::columns(language, all)
}

fn row(
    language: Language,
    notice: &Notice,
    clock: &Clock,
    beside_ms: i64,
    links: Option<&Links>,
) -> Row {
    let alert = &notice.alert;
    // What asks a department has a number, under which its own mails are threaded.
    let trigger = notice.demand.is_some().then_some(&alert.incident);
    Row {
        at: clock.short(notice.decided_at_ms, beside_ms),
        number: trigger.map(|id| clean(id)),
        page: trigger.and_then(|id| Some(links?.page(id))),
        status: words::status(language, notice.reason).main,
        severity: words::severity(language, alert.severity).main,
        colour: colour(notice.reason, alert.severity),
        object: object(language, alert, " "),
        kqi: clean(name(language, &alert.name)),
        value: value(language, alert),
        limit: limit_from(language, notice),
    }
}

/// The limit, and where it comes from: a number that nobody can look up is not to be judged by.
fn limit_from(language: Language, notice: &Notice) -> String {
    let alert = &notice.alert;
    let limit = limit(alert.limit_min, alert.limit_max, &alert.unit);
    match (limit, &notice.provenance, language) {
        (None, ..) => "–".to_owned(),
        (Some(limit), None, _) => limit,
        (Some(limit), Some(source), Language::Zh) => format!("{limit}（{}）", clean(source)),
        (Some(limit), Some(source), Language::En) => format!("{limit} ({})", clean(source)),
    }
}

/// "278 notices: 200 abnormal, 78 resolved", counted over what is listed where not all are.
fn summary(language: Language, notices: &[Notice], total: u64) -> String {
    let told = counted(language, notices);
    let listed = match (language, notices.len() as u64 == total) {
        (_, true) => String::new(),
        (Language::Zh, false) => format!("（所列 {} 条中）", notices.len()),
        (Language::En, false) => format!(" (of the {} listed)", notices.len()),
    };
    match language {
        Language::Zh => format!("共 {total} 条：{told}{listed}"),
        Language::En => format!("{total} notices: {told}{listed}"),
    }
}

/// "200 abnormal, 78 resolved".
pub(super) fn counted(language: Language, notices: &[Notice]) -> String {
    let mut counts: BTreeMap<NoticeReason, usize> = BTreeMap::new();
    for notice in notices {
        *counts.entry(notice.reason).or_default() += 1;
    }
    let parts: Vec<String> = counts
        .into_iter()
        .map(|(reason, count)| {
            let word = words::status(language, reason).main;
            match language {
                Language::Zh => format!("{word} {count}"),
                Language::En => format!("{count} {}", word.to_lowercase()),
            }
        })
        .collect();
    parts.join(pick(language, "，", ", "))
}
