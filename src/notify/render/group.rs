//! What one decision made of several triggers, as one mail: a table of all, then a section for each with what is asked and
//! the links to answer it by.

use serde::Serialize;

use super::demand;
use super::digest::counted;
use super::head::{self, Head};
use super::lists;
use super::number::Clock;
use super::view::{Fact, View, clean, colour};
use super::viewed;
use super::words::{self, Label, name, pick};
use crate::alerting::Notice;
use crate::links::Links;
use crate::rules::Language;

/// Everything that the group's templates need.
#[derive(Debug, Serialize)]
pub(super) struct GroupView {
    #[serde(flatten)]
    pub(super) head: Head,
    pub(super) rows: Vec<Row>,
    pub(super) parts: Vec<Part>,
    pub(super) why_label: Label,
    /// How long the links work, and that they are the reader's own; none where there are none.
    pub(super) note: Option<String>,
    pub(super) footer: Vec<String>,
}

/// One trigger in the table.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) number: String,
    pub(super) status: String,
    pub(super) service: String,
    pub(super) kqi: String,
    pub(super) object: String,
    pub(super) severity: String,
    pub(super) colour: &'static str,
    /// The score by the four factors.
    pub(super) urgency: String,
    pub(super) due: String,
}

/// One trigger's section.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub(super) number: String,
    /// What its own mail would say; not all of it is shown.
    pub(super) view: View,
    /// Whether its chart is the picture of the mail.
    pub(super) has_picture: bool,
    pub(super) facts: Vec<Fact>,
}

impl GroupView {
    /// Notices about triggers of one recipient, the most urgent first, with the chart of the first that has one. None of no
    /// notice about a trigger.
    pub(super) fn of(
        notices: &[Notice],
        links: Option<&Links>,
    ) -> Option<(GroupView, Option<Vec<u8>>)> {
        let first = notices.first()?;
        let language = first.recipient.language;
        let clock = Clock::of(&first.time_zone);
        let (mut rows, mut parts, mut picture) = (Vec::new(), Vec::new(), None);
        for notice in notices {
            let Some(demand) = &notice.demand else {
                continue;
            };
            let (view, chart) = viewed(notice, links);
            let has_picture = picture.is_none() && chart.is_some();
            picture = picture.or(chart);
            let number = clean(&notice.alert.incident);
            let shows = demand.shows.as_ref().unwrap_or(&notice.alert.name);
            rows.push(Row {
                number: number.clone(),
                status: view.status.main.clone(),
                service: demand::service(language, &notice.alert),
                kqi: clean(name(language, shows)),
                object: clean(&demand.place),
                severity: words::severity(language, notice.alert.severity).main,
                colour: colour(notice.reason, notice.alert.severity),
                urgency: demand.urgency.to_string(),
                due: demand.due_ms.map_or_else(
                    || "–".to_owned(),
                    |due_ms| clock.short(due_ms, notice.decided_at_ms),
                ),
            });
            parts.push(Part {
                number,
                view,
                has_picture,
                facts: demand::brief(notice, demand),
            });
        }
        let lead = parts.first()?;
        let about = format!("{} {}", lead.view.object, lead.view.kqi.main);
        let subject = subject(language, &about, parts.len());
        let numbers: Vec<&str> = parts.iter().map(|part| &*part.number).collect();
        let numbers = numbers.join(pick(language, "、", ", "));
        let told = counted(language, notices);
        let summary = match language {
            Language::Zh => format!("共 {} 项：{told}", parts.len()),
            Language::En => format!("{}: {told}", in_number(parts.len())),
        };
        let acts = parts.iter().find_map(|part| part.view.acts.as_ref());
        let at = clock.full(first.decided_at_ms);
        let view = GroupView {
            head: Head {
                lang: words::lang(language),
                subject,
                // Which triggers, beside how many.
                preheader: format!("{summary} · {numbers}"),
                title: format!(
                    "{} · {at}",
                    pick(language, "优化触发单", "Optimization triggers")
                ),
                summary,
                colour: rows.first().map_or("#1f5fa8", |row| row.colour),
                columns: columns(language),
            },
            why_label: Label::new(language, "为何现在通知", "Why now"),
            note: acts.map(|acts| acts.note.clone()),
            footer: footer(language, notices, &clock),
            rows,
            parts,
        };
        Some((view, picture))
    }
}

fn subject(language: Language, about: &str, count: usize) -> String {
    match (language, count) {
        (Language::Zh, 1) => format!("[触发单] 1 项：{about}"),
        (Language::Zh, _) => format!("[触发单] {count} 项：{about} 等"),
        (Language::En, 1) => format!("[Triggers] 1 demand: {about}"),
        (Language::En, _) => {
            let more = count - 1;
            format!("[Triggers] {}: {about}, and {more} more", in_number(count))
        }
    }
}

fn in_number(count: usize) -> String {
    let word = if count == 1 { "demand" } else { "demands" };
    format!("{count} {word}")
}

fn columns(language: Language) -> Vec<Label> {
    let all = [
        ("编号", "Number"),
        ("状态", "State"),
        ("业务", "Service"),
        ("指标", "KQI"),
        ("对象", "Object"),
        ("级别", "Severity"),
        ("优先级得分", "Urgency"),
        ("到期", "Due"),
    ];
    head::columns(language, all)
}

/// For which roles one is told, each once; when, and in which zone; and why in one mail.
fn footer(language: Language, notices: &[Notice], clock: &Clock) -> Vec<String> {
    let mut footer: Vec<String> = Vec::new();
    for line in notices
        .iter()
        .flat_map(|notice| lists::footer(language, notice, clock))
    {
        if !footer.contains(&line) {
            footer.push(line);
        }
    }
    footer.push(
        pick(
            language,
            "同一次判定涉及您的多张触发单，合并在这一封里；之后每一张的变化属于它自己的邮件线索。",
            "One decision was about several triggers of yours, and this mail tells them all; it belongs to the thread of each.",
        )
        .to_owned(),
    );
    footer
}
