//! Reports on the wire; the same as in their `report.json`.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::iso;
use crate::api::views::TextView;
use crate::reports::{Figure, Report, Table, Value};

/// Reports that are kept in memory, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReportsView {
    /// Those that the filters let through.
    pub reports: Vec<ReportHeadView>,
}

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportHeadView {
    /// Identifier of its rule.
    pub id: String,
    /// `demand_list`, `bulletin`, `benchmark` or `effects`.
    pub kind: String,
    /// Display name.
    pub name: TextView,
    /// The period's name: its first day, or the month.
    pub period: String,
    /// First instant of the period, ms.
    pub from_ms: i64,
    /// First instant of the period.
    pub from: String,
    /// First instant after the period, ms.
    pub to_ms: i64,
    /// First instant after the period.
    pub to: String,
    /// When it was decided, by the journal's clock, ms.
    pub decided_at_ms: i64,
    /// When it was decided.
    pub decided_at: String,
    /// Name and version of the rule book that judged.
    pub rule_version: String,
    /// Where the whole of it is.
    pub href: String,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReportView {
    /// What it is about.
    #[serde(flatten)]
    pub head: ReportHeadView,
    /// The numbers that matter most.
    pub figures: Vec<FigureView>,
    /// What must be said in words: what is missing, and why.
    pub remarks: Vec<TextView>,
    /// The tables.
    pub tables: Vec<TableView>,
}

/// A number with its name.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FigureView {
    /// Its name.
    pub key: String,
    /// Display name.
    pub name: TextView,
    /// The number; null where nothing is known.
    #[schema(value_type = Option<f64>)]
    pub value: serde_json::Value,
    /// What it is to be read against.
    pub beside: Option<TextView>,
}

/// Rows under columns.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TableView {
    /// Its name.
    pub key: String,
    /// Display name.
    pub title: TextView,
    /// Columns in their order.
    pub columns: Vec<ReportColumnView>,
    /// Rows: by the column's key a number, a name, a time, a text in both languages, or null.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<BTreeMap<String, serde_json::Value>>,
    /// Rows beyond the bound.
    pub left_out: u64,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportColumnView {
    /// Its name in rows.
    pub key: String,
    /// Display name.
    pub name: TextView,
}

impl ReportHeadView {
    /// What a report is about.
    pub fn of(report: &Report) -> ReportHeadView {
        let zone = zone_of(report);
        let period = &report.period;
        ReportHeadView {
            id: report.id.clone(),
            kind: report.kind.name().to_owned(),
            name: (&report.name).into(),
            period: period.key.clone(),
            from_ms: period.from_ms,
            from: iso(period.from_ms, &zone),
            to_ms: period.to_ms,
            to: iso(period.to_ms, &zone),
            decided_at_ms: report.decided_at_ms,
            decided_at: iso(report.decided_at_ms, &zone),
            rule_version: report.rule_version.clone(),
            href: format!("/v1/reports/{}/{}", report.id, period.key),
        }
    }
}

impl ReportView {
    /// The whole report.
    pub fn of(report: &Report) -> ReportView {
        let zone = zone_of(report);
        let figure = |figure: &Figure| FigureView {
            key: figure.key.clone(),
            name: (&figure.name).into(),
            value: json(&figure.value, &zone),
            beside: figure.beside.as_ref().map(Into::into),
        };
        ReportView {
            head: ReportHeadView::of(report),
            figures: report.figures.iter().map(figure).collect(),
            remarks: report.remarks.iter().map(Into::into).collect(),
            tables: report
                .tables
                .iter()
                .map(|table| table_view(table, &zone))
                .collect(),
        }
    }
}

fn table_view(table: &Table, zone: &TimeZone) -> TableView {
    let columns = table.columns.iter().map(|column| ReportColumnView {
        key: column.key.clone(),
        name: (&column.name).into(),
    });
    let row = |row: &Vec<Value>| {
        let cells = table.columns.iter().zip(row);
        let cells = cells.map(|(column, value)| (column.key.clone(), json(value, zone)));
        cells.collect()
    };
    TableView {
        key: table.key.clone(),
        title: (&table.title).into(),
        columns: columns.collect(),
        rows: table.rows.iter().map(row).collect(),
        left_out: table.left_out,
    }
}

/// A value with the digits that it is told with.
fn json(value: &Value, zone: &TimeZone) -> serde_json::Value {
    match value {
        Value::Empty => serde_json::Value::Null,
        Value::Text(text) => serde_json::json!({"zh": text.zh, "en": text.en}),
        Value::Name(name) => name.as_str().into(),
        Value::Number { value, digits, .. } => {
            let power = 10_f64.powi(i32::from(*digits));
            let rounded = (value * power).round() / power;
            if *digits == 0 {
                (rounded as i64).into()
            } else {
                rounded.into()
            }
        }
        Value::Time(at_ms) => iso(*at_ms, zone).into(),
    }
}

fn zone_of(report: &Report) -> TimeZone {
    TimeZone::get(&report.time_zone).unwrap_or(TimeZone::UTC)
}
