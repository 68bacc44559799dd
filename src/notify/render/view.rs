//! From a notice to what a mail says, line by line, in the reader's language. Templates only lay out.
//!
//! Invariants:
//! * every number has its unit and every time its zone, here and nowhere else;
//! * text from events (dimensions, annotations) is cleaned before it meets a terminal or a header.

use serde::Serialize;

use super::acts::{Acts, Page};
use super::chart;
use super::marks::Marks;
use super::number::{Clock, limit, quantity, quantity_beside};
use super::words::{self, Label, name, pick};
use super::{correction, demand, lists, story};
use crate::alerting::{Alert, AlertState, Notice, NoticeReason, TransitionReason};
use crate::rules::{Language, Severity};

/// Characters of one text from outside; longer ones end in an ellipsis.
const TEXT_CHARS_MAX: usize = 160;
/// Windows in the text mail's chart: all that a notice carries, so that its label speaks of what is drawn.
const SPARK_MAX: usize = 60;

/// Everything that the templates need.
#[derive(Debug, Serialize)]
pub(super) struct View {
    pub(super) lang: &'static str,
    /// First words that an inbox shows beside the subject: state and severity, which the subject
    /// leaves out so that a thread keeps one subject.
    pub(super) preheader: String,
    pub(super) status: Label,
    /// "was" before the severity of what is over.
    pub(super) was: &'static str,
    pub(super) severity: Label,
    /// Background of the head, as a CSS colour.
    pub(super) colour: &'static str,
    pub(super) object: String,
    pub(super) kqi: Label,
    /// What the value is of, where the title does not say it.
    pub(super) shows: String,
    pub(super) value: String,
    pub(super) against: Option<String>,
    pub(super) since: String,
    pub(super) complained: Option<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) why_label: Label,
    pub(super) why: String,
    pub(super) correction: Option<Correction>,
    pub(super) chart: Option<ChartView>,
    pub(super) sections: Vec<Section>,
    pub(super) todo_label: Label,
    pub(super) todo: Vec<String>,
    /// What the reader may do by links.
    pub(super) acts: Option<Acts>,
    /// Where everything about its trigger is.
    pub(super) page: Option<Page>,
    pub(super) labels_label: Label,
    pub(super) labels: Vec<Fact>,
    pub(super) footer: Vec<String>,
}

/// A label and its value.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub(super) label: Label,
    pub(super) value: String,
}

/// A heading with facts below.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    pub(super) label: Label,
    pub(super) facts: Vec<Fact>,
    /// "and N more", or another closing line.
    pub(super) more: Option<String>,
}

/// What had been told, and what is true now.
#[derive(Debug, Serialize)]
pub(super) struct Correction {
    pub(super) told_label: Label,
    pub(super) told: String,
    pub(super) now_label: Label,
    pub(super) now: String,
}

/// The words around the chart.
#[derive(Debug, Serialize)]
pub(super) struct ChartView {
    pub(super) label: Label,
    pub(super) unit: String,
    pub(super) alt: String,
    pub(super) legend: Vec<Legend>,
    /// The same in characters, for a terminal.
    pub(super) spark: String,
    pub(super) from: String,
    pub(super) to: String,
}

/// One line of the legend.
#[derive(Debug, Serialize)]
pub(super) struct Legend {
    pub(super) mark: &'static str,
    pub(super) colour: String,
    pub(super) text: String,
}

/// What stays the same in a whole incident: the mails of one thread have one subject.
pub(super) fn subject(notice: &Notice) -> String {
    if let Some(told) = &notice.demand {
        return demand::subject(notice, told);
    }
    let language = notice.recipient.language;
    let alert = &notice.alert;
    let object = object(language, alert, " ");
    let word = pick(language, "告警", "Alert");
    format!("[{word}] {object} {}", clean(name(language, &alert.name)))
}

impl View {
    pub(super) fn of(notice: &Notice) -> View {
        if let Some(told) = &notice.demand {
            return demand::view(notice, told);
        }
        let language = notice.recipient.language;
        let alert = &notice.alert;
        let clock = Clock::of(&notice.time_zone);
        let label = |zh, en| Label::new(language, zh, en);
        let status = words::status(language, notice.reason);
        let severity = words::severity(language, alert.severity);
        let value = value(language, alert);
        let against = story::against(language, alert);
        let since = story::since(language, notice, &clock);
        let object = object(language, alert, " · ");
        let kqi = match language {
            Language::Zh => Label {
                main: clean(&alert.name.zh),
                aside: clean(&alert.name.en),
            },
            Language::En => Label {
                main: clean(&alert.name.en),
                aside: String::new(),
            },
        };
        let preheader = story::preheader(language, notice, &value, against.as_deref());
        View {
            lang: words::lang(language),
            preheader,
            status,
            was: story::was(language, notice),
            severity,
            colour: colour(notice.reason, alert.severity),
            object,
            kqi,
            shows: String::new(),
            value,
            against,
            since,
            complained: story::complained(language, notice),
            facts: story::facts(language, notice, &clock),
            why_label: label("为何现在通知", "Why now"),
            why: story::why(language, notice, &clock),
            correction: correction::correction(language, notice, &clock),
            chart: chart_view(language, notice, &clock),
            sections: lists::sections(language, notice, &clock),
            todo_label: label("建议处理", "What to do"),
            todo: story::todo(language, notice),
            acts: None,
            page: None,
            labels_label: label("全部标签", "All labels"),
            labels: lists::labels(language, notice),
            footer: lists::footer(language, notice, &clock),
        }
    }
}

/// The newest value, precise enough beside its limit.
pub(super) fn value(language: Language, alert: &Alert) -> String {
    let limits: Vec<f64> = [alert.limit_min, alert.limit_max]
        .into_iter()
        .flatten()
        .collect();
    match alert.value {
        Some(value) => quantity_beside(value, &limits, &alert.unit),
        None if alert.kqi.is_none() => of_source(language, alert).to_owned(),
        None => pick(language, "无值", "no value").to_owned(),
    }
}

/// What is known of a source of events, which has no value.
fn of_source(language: Language, alert: &Alert) -> &'static str {
    match (alert.state, alert.reason) {
        (AlertState::Resolved, TransitionReason::SourceBack) => {
            pick(language, "已恢复", "back again")
        }
        _ if alert.alert == TransitionReason::SourceLagging.name() => {
            pick(language, "只有旧数据", "only old data")
        }
        _ => pick(language, "没有数据", "no data"),
    }
}

/// Text from outside, on one line and without control characters: a city's name must not drive
/// a terminal.
pub(super) fn clean(text: &str) -> String {
    clean_within(text, TEXT_CHARS_MAX)
}

/// [`clean`], with another limit.
pub(super) fn clean_within(text: &str, chars_max: usize) -> String {
    let mut clean = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == chars_max {
            clean.push('…');
            break;
        }
        clean.push(if c.is_control() || is_override(c) {
            ' '
        } else {
            c
        });
    }
    clean.trim().to_owned()
}

/// Marks that turn the direction of what follows can make a line say its opposite.
fn is_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Service and place: the service's display name and the values of the other dimensions.
pub(super) fn object(language: Language, alert: &Alert, between: &str) -> String {
    let service = alert
        .service_name
        .as_ref()
        .map(|text| clean(name(language, text)));
    let service = service.or_else(|| alert.service.as_deref().map(clean));
    let places = alert
        .group
        .iter()
        .filter(|(id, _)| id != "service")
        .map(|(_, v)| clean(v));
    let parts: Vec<String> = service
        .into_iter()
        .chain(places)
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        clean(&alert.alert)
    } else {
        parts.join(between)
    }
}

/// The head's colour. White text on each has a contrast of at least 4.5 : 1.
pub(super) const fn colour(reason: NoticeReason, severity: Severity) -> &'static str {
    match (reason, severity) {
        (NoticeReason::Resolved | NoticeReason::Answered | NoticeReason::Closed, _) => "#2e7d32",
        (NoticeReason::Corrected | NoticeReason::RuleChanged, _) => "#5b4b8a",
        (_, Severity::Critical) => "#b71c1c",
        (_, Severity::Major) => "#b84a00",
        (_, Severity::Minor) => "#806200",
        (_, Severity::Warning) => "#1f5fa8",
    }
}

pub(super) fn chart_view(language: Language, notice: &Notice, clock: &Clock) -> Option<ChartView> {
    let alert = &notice.alert;
    let values: Vec<f64> = notice
        .chart
        .iter()
        .filter_map(|point| point.value)
        .collect();
    let (first, last) = (notice.chart.first()?, notice.chart.last()?);
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    let mut legend = vec![Legend {
        mark: "━",
        colour: css(chart::LINE),
        text: pick(language, "指标值", "value").to_owned(),
    }];
    if let Some(limit) = limit(alert.limit_min, alert.limit_max, &alert.unit) {
        let text = format!("{} {limit}", pick(language, "限值", "limit"));
        legend.push(Legend {
            mark: "╍",
            colour: css(chart::LIMIT),
            text,
        });
    }
    let marks = Marks::of(notice);
    for moment in &marks.moments {
        if (first.end_ms..=last.end_ms).contains(&moment.at_ms) {
            let name = pick(language, moment.name.0, moment.name.1);
            legend.push(Legend {
                mark: "⚑",
                colour: css(moment.colour),
                text: format!("{name} {}", clock.short(moment.at_ms, last.end_ms)),
            });
        }
    }
    for period in &marks.periods {
        if period.from_ms <= last.end_ms && period.to_ms >= first.end_ms {
            legend.push(Legend {
                mark: "▂",
                colour: css(period.colour),
                text: pick(language, period.name.0, period.name.1).to_owned(),
            });
        }
    }
    let unit = &alert.unit;
    let alt = match language {
        Language::Zh => format!(
            "{} 个窗口，最小 {}，最大 {}，最新 {}",
            notice.chart.len(),
            quantity(low, unit),
            quantity(high, unit),
            value(language, alert),
        ),
        Language::En => format!(
            "{} windows, lowest {}, highest {}, newest {}",
            notice.chart.len(),
            quantity(low, unit),
            quantity(high, unit),
            value(language, alert),
        ),
    };
    Some(ChartView {
        label: chart_label(language, notice),
        unit: alert.unit.clone(),
        alt,
        legend,
        spark: spark(notice, low.min(0.0), high),
        from: clock.short(first.end_ms, last.end_ms),
        to: clock.full(last.end_ms),
    })
}

/// A trigger may be about more than the object whose windows are drawn.
fn chart_label(language: Language, notice: &Notice) -> Label {
    let label = Label::new(language, "走势", "Trend");
    let shows = notice.demand.as_ref();
    match shows.and_then(|demand| demand.shows.as_ref()) {
        Some(shows) => Label {
            main: format!(
                "{}{}{}",
                label.main,
                pick(language, "：", ": "),
                clean(name(language, shows))
            ),
            ..label
        },
        None => label,
    }
}

/// The newest windows as a row of blocks; a window without a value is a dot.
fn spark(notice: &Notice, low: f64, high: f64) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let points = &notice.chart[notice.chart.len().saturating_sub(SPARK_MAX)..];
    let block = |value: f64| {
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.0
        };
        BLOCKS
            .get((share * 7.0).round() as usize)
            .copied()
            .unwrap_or('·')
    };
    points
        .iter()
        .map(|point| point.value.map_or('·', block))
        .collect()
}

fn css([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
