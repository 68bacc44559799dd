//! A report as one page: figures, remarks, bars, tables. Which rows a mail has room for is decided here; the
//! files beside it have all.

use serde::Serialize;

use super::view::{clean, clean_within};
use super::words::{lang, pick};
use crate::reports::{Reader, Report, Shown, Table, Tone, Value};
use crate::rules::{Language, Severity};

/// Rows of a table in a mail; the rest is in its file. Judgement: what is still read, and well under the
/// 100 KB at which mail programs cut.
const ROWS_MAX: usize = 25;

/// Characters of a remark or of the grounds of a verdict.
const WORDS_MAX: usize = 1_000;

/// Blocks of a full bar in plain text.
const BLOCKS: f64 = 24.0;

const GOOD: &str = "#2f8f3f";
const FAIR: &str = "#b7791f";
const BAD: &str = "#d03a3a";
/// Of what is said small, as the templates have it.
const SOFT: &str = "#5a626c";
/// Columns beyond which a table does not fit a telephone.
const WIDE_FROM: usize = 5;
const PLAIN: &str = "#2a72c3";

/// Everything that the report's templates need.
#[derive(Debug, Serialize)]
pub(super) struct ReportView {
    pub(super) lang: &'static str,
    pub(super) subject: String,
    /// What an inbox shows beside the subject.
    pub(super) preheader: String,
    pub(super) title: String,
    pub(super) period: String,
    pub(super) figures: Vec<FigureView>,
    pub(super) remarks: Vec<String>,
    pub(super) chart: Option<ChartView>,
    pub(super) tables: Vec<TableView>,
    pub(super) footer: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct FigureView {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) beside: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ChartView {
    pub(super) title: String,
    pub(super) bars: Vec<BarView>,
}

#[derive(Debug, Serialize)]
pub(super) struct BarView {
    pub(super) name: String,
    /// 0 to 100.
    pub(super) percent: u32,
    pub(super) blocks: String,
    pub(super) colour: &'static str,
    pub(super) text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct TableView {
    pub(super) title: String,
    /// Whether it needs more room than a telephone has, and is moved sideways there.
    pub(super) is_wide: bool,
    pub(super) columns: Vec<ColumnView>,
    pub(super) rows: Vec<Vec<CellView>>,
    /// What is said where there is no row.
    pub(super) empty: &'static str,
    pub(super) more: Option<String>,
    /// What several rows share, each with its number.
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ColumnView {
    pub(super) name: String,
    pub(super) align: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct CellView {
    pub(super) text: String,
    pub(super) beneath: String,
    pub(super) beneath_colour: &'static str,
    pub(super) align: &'static str,
    /// `nowrap` for what is one word to the eye.
    pub(super) wrap: &'static str,
    /// Of a mark before the text; empty for none.
    pub(super) mark: &'static str,
}

impl ReportView {
    pub(super) fn of(report: &Report, reader: &Reader) -> ReportView {
        let language = reader.language();
        let name = clean(reader.words(&report.name));
        let period = reader.period(report);
        let figures: Vec<FigureView> = report
            .figures
            .iter()
            .map(|figure| FigureView {
                name: clean(reader.words(&figure.name)),
                value: reader.text(&figure.value),
                beside: figure
                    .beside
                    .as_ref()
                    .map_or_else(String::new, |beside| clean(reader.words(beside))),
            })
            .collect();
        let summary: Vec<String> = figures
            .iter()
            .map(|figure| format!("{} {}", figure.name, figure.value))
            .collect();
        let at = reader.time(report.decided_at_ms);
        ReportView {
            lang: lang(language),
            subject: match language {
                Language::Zh => format!("[报告] {name} {period}"),
                Language::En => format!("[Report] {name} {period}"),
            },
            preheader: summary.join(pick(language, "，", ", ")),
            title: name,
            period,
            figures,
            remarks: report
                .remarks
                .iter()
                .map(|remark| clean_within(reader.words(remark), WORDS_MAX))
                .collect(),
            chart: report.chart.as_ref().map(|chart| ChartView {
                title: clean(reader.words(&chart.title)),
                bars: chart
                    .bars
                    .iter()
                    .map(|bar| {
                        let share = (bar.value / chart.full.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
                        BarView {
                            name: clean(reader.words(&bar.name)),
                            percent: (share * 100.0).round() as u32,
                            blocks: "█".repeat((share * BLOCKS).round() as usize),
                            colour: colour(bar.tone),
                            text: reader.text(&bar.text),
                        }
                    })
                    .collect(),
            }),
            tables: report
                .tables
                .iter()
                .map(|table| table_view(table, reader))
                .collect(),
            footer: vec![
                match language {
                    Language::Zh => format!(
                        "由 Chrysalis 于 {at} 生成；时间均为 {}。完整表格见附件（CSV）。",
                        report.time_zone
                    ),
                    Language::En => format!(
                        "Made by Chrysalis at {at}; all times are {}. The whole tables are attached as CSV.",
                        report.time_zone
                    ),
                },
                format!(
                    "{} {}",
                    pick(language, "规则", "rules"),
                    clean(&report.rule_version)
                ),
            ],
        }
    }
}

fn table_view(table: &Table, reader: &Reader) -> TableView {
    let language = reader.language();
    let columns: Vec<ColumnView> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.shown == Shown::Everywhere)
        .map(|(at, column)| ColumnView {
            name: clean(reader.words(&column.name)),
            align: align(table, at),
        })
        .collect();
    let shown = table.rows.len().min(ROWS_MAX);
    let beyond = (table.rows.len() - shown) as u64 + table.left_out;
    let mut more = Vec::new();
    if beyond > 0 {
        more.push(match language {
            Language::Zh => format!("另有 {beyond} 行，见附件。"),
            Language::En => format!("{beyond} more rows are in the attached file."),
        });
    }
    if table.left_out > 0 {
        let left_out = table.left_out;
        more.push(match language {
            Language::Zh => format!("其中 {left_out} 行超出上限，未列入文件。"),
            Language::En => format!("{left_out} of them are beyond the file's limit too."),
        });
    }
    let mut notes = Vec::new();
    let rows = table.rows[..shown]
        .iter()
        .map(|row| cells(table, row, reader, &mut notes))
        .collect();
    TableView {
        title: clean(reader.words(&table.title)),
        is_wide: columns.len() > WIDE_FROM
            && table.columns.iter().any(|of| of.shown == Shown::Beneath),
        columns,
        rows,
        empty: pick(language, "无", "none"),
        more: (!more.is_empty()).then(|| more.join(" ")),
        notes: (1_usize..)
            .zip(notes)
            .map(|(number, note)| format!("[{number}] {note}"))
            .collect(),
    }
}

/// The cells of a row. What is said under the table is added to the notes, unless a row before said the same: the
/// rows of a table bound them.
fn cells(table: &Table, row: &[Value], reader: &Reader, notes: &mut Vec<String>) -> Vec<CellView> {
    let mut cells: Vec<CellView> = Vec::new();
    for (at, (column, value)) in table.columns.iter().zip(row).enumerate() {
        let text = clean_within(&reader.text(value), WORDS_MAX);
        match column.shown {
            Shown::Everywhere => cells.push(CellView {
                text,
                beneath: String::new(),
                beneath_colour: SOFT,
                wrap: if is_short(value) || !mark(&column.key, value).is_empty() {
                    "nowrap"
                } else {
                    "normal"
                },
                align: align(table, at),
                mark: mark(&column.key, value),
            }),
            Shown::Beneath if *value != Value::Empty => {
                if let Some(cell) = cells.last_mut() {
                    if !cell.beneath.is_empty() {
                        cell.beneath.push_str(" · ");
                    }
                    cell.beneath.push_str(&text);
                    if column.key == "overdue" {
                        cell.beneath_colour = BAD;
                    }
                }
            }
            Shown::Noted if *value != Value::Empty => {
                let note = format!("{}: {text}", clean(reader.words(&column.name)));
                let known = notes.iter().position(|known| *known == note);
                let at = known.unwrap_or(notes.len());
                if known.is_none() {
                    notes.push(note);
                }
                if let Some(cell) = cells.last_mut() {
                    cell.beneath.push_str(&format!(" [{}]", at + 1));
                }
            }
            Shown::Beneath | Shown::Noted | Shown::Files => {}
        }
    }
    cells
}

/// Numbers, times and identifiers are not broken.
fn is_short(value: &Value) -> bool {
    match value {
        Value::Number { .. } | Value::Time(_) => true,
        Value::Name(name) => name.is_ascii() && name.len() <= 16,
        Value::Empty | Value::Text(_) => false,
    }
}

/// Numbers stand under each other.
fn align(table: &Table, at: usize) -> &'static str {
    let is_number = |row: &Vec<Value>| matches!(row.get(at), Some(Value::Number { .. }));
    if table.rows.iter().any(is_number) {
        "right"
    } else {
        "left"
    }
}

/// A colour that repeats what the text says; it never speaks alone.
fn mark(key: &str, value: &Value) -> &'static str {
    match (key, value) {
        ("score", Value::Number { value, .. }) if *value < 3.0 => BAD,
        ("score", Value::Number { value, .. }) if *value < 4.0 => FAIR,
        ("score", Value::Number { .. }) => GOOD,
        ("severity", Value::Text(text)) => match text.en.as_str() {
            name if name == severity_name(Severity::Critical) => BAD,
            name if name == severity_name(Severity::Major) => "#e07b1a",
            _ => FAIR,
        },
        ("verdict", Value::Text(text)) => match text.en.as_str() {
            "effective" => GOOD,
            "worse" => BAD,
            _ => FAIR,
        },
        _ => "",
    }
}

const fn severity_name(severity: Severity) -> &'static str {
    crate::reports::severity_text(severity).1
}

const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => PLAIN,
        Tone::Good => GOOD,
        Tone::Fair => FAIR,
        Tone::Bad => BAD,
    }
}
