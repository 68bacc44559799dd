//! What a report is: figures, remarks, a chart and tables, each in both languages. A value; how it looks in
//! a mail or a file is somebody else's business.

use serde::{Deserialize, Serialize};

use crate::rules::{Contact, Period, ReportKind, Text};

/// A report about one period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Identifier of its rule.
    pub id: String,
    /// What it tells.
    pub kind: ReportKind,
    /// Display name.
    pub name: Text,
    /// What it is about.
    pub period: Period,
    /// Whether the period is one day.
    pub is_daily: bool,
    /// When it was decided, by the journal's clock, ms.
    pub decided_at_ms: i64,
    /// IANA zone of its times.
    pub time_zone: String,
    /// Name and version of the rule book that judged.
    pub rule_version: String,
    /// The numbers that matter most.
    pub figures: Vec<Figure>,
    /// What must be said in words: what is missing, and why.
    pub remarks: Vec<Text>,
    /// One picture, where it helps.
    pub chart: Option<Chart>,
    /// The tables.
    pub tables: Vec<Table>,
}

/// A number with its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name in the API.
    pub key: String,
    /// Display name.
    pub name: Text,
    /// The number.
    pub value: Value,
    /// What it is to be read against.
    pub beside: Option<Text>,
}

/// Bars side by side, the first on top.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// What it shows.
    pub title: Text,
    /// What a full bar stands for.
    pub full: f64,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// What it is of.
    pub name: Text,
    /// How long it is.
    pub value: f64,
    /// What is written at its end.
    pub text: Value,
    /// How it is to be taken.
    pub tone: Tone,
}

/// How a bar is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Neither good nor bad.
    Plain,
    /// As it should be.
    Good,
    /// To be watched.
    Fair,
    /// Not as it should be.
    Bad,
}

/// Rows under columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its name in files and the API.
    pub key: String,
    /// Display name.
    pub title: Text,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, each with a value for every column.
    pub rows: Vec<Vec<Value>>,
    /// Rows beyond what a table may have.
    pub left_out: u64,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the API.
    pub key: String,
    /// Display name.
    pub name: Text,
    /// Where it is shown.
    pub shown: Shown,
}

/// Where a column is shown: a mail has less room than a spreadsheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// In mails, files and the API.
    Everywhere,
    /// In mails, under the column before it.
    Beneath,
    /// In files and the API.
    Files,
    /// Everywhere; in mails once under the table, with its number at the rows that it is of.
    Noted,
}

/// A value of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Nothing is known.
    Empty,
    /// Words.
    Text(Text),
    /// A name, the same in all languages.
    Name(String),
    /// A number; always finite.
    Number {
        /// The number.
        value: f64,
        /// Digits behind the point.
        digits: u8,
        /// Its unit as people write it; empty where it has none.
        unit: String,
        /// Whether a plus is written.
        signed: bool,
    },
    /// An instant, ms.
    Time(i64),
}

impl Value {
    /// A number of things.
    pub fn count(count: usize) -> Value {
        Value::number(count as f64, 0, "")
    }

    /// A number; nothing where it is none.
    pub fn number(value: f64, digits: u8, unit: &str) -> Value {
        Value::of(value, digits, unit, false)
    }

    /// A difference, with its sign.
    pub fn change(value: f64, digits: u8, unit: &str) -> Value {
        Value::of(value, digits, unit, true)
    }

    /// A name; nothing where it is empty.
    pub fn name(name: impl Into<String>) -> Value {
        let name = name.into();
        if name.is_empty() {
            Value::Empty
        } else {
            Value::Name(name)
        }
    }

    fn of(value: f64, digits: u8, unit: &str, signed: bool) -> Value {
        if !value.is_finite() {
            return Value::Empty;
        }
        // No zero has a sign.
        let power = 10_f64.powi(i32::from(digits));
        let is_zero = (value * power).round() == 0.0;
        Value::Number {
            value: if is_zero { 0.0 } else { value },
            digits,
            unit: unit.to_owned(),
            signed,
        }
    }
}

/// A value that may be missing.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Empty, Into::into)
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Value {
        Value::Text(text)
    }
}

impl Table {
    /// A table of columns, as (key, zh, en, where), without rows.
    pub(super) fn new(key: &str, title: Text, columns: &[(&str, &str, &str, Shown)]) -> Table {
        let columns = columns.iter().map(|(key, zh, en, shown)| Column {
            key: (*key).to_owned(),
            name: Text {
                zh: (*zh).to_owned(),
                en: (*en).to_owned(),
            },
            shown: *shown,
        });
        Table {
            key: key.to_owned(),
            title,
            columns: columns.collect(),
            rows: Vec::new(),
            left_out: 0,
        }
    }

    /// Takes a row.
    pub(super) fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(row.into());
    }
}

impl Report {
    /// Leaves the last rows of each table out that has more, and counts them; tells how many those are of all tables.
    #[must_use]
    pub fn cut_to(&mut self, rows_max: usize) -> u64 {
        let mut left_out = 0;
        for table in &mut self.tables {
            let beyond = table.rows.len().saturating_sub(rows_max) as u64;
            table.rows.truncate(rows_max);
            table.left_out += beyond;
            left_out += beyond;
        }
        left_out
    }
}

/// A report on its way to one recipient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportNotice {
    /// Identity of (report, period, recipient); the ledger's key and the source of the Message-ID.
    pub id: String,
    /// Whom.
    pub recipient: Contact,
    /// The report.
    pub report: Report,
}

impl ReportNotice {
    /// Its mail thread: each issue is one of its own.
    pub fn thread(&self) -> String {
        format!("report.{}.{}", self.report.id, self.report.period.key)
    }
}

/// A report that is due, and who gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportTold {
    /// The report.
    pub report: std::sync::Arc<Report>,
    /// Whom, by address.
    pub recipients: Vec<Contact>,
}

impl ReportTold {
    /// The report for each recipient.
    pub fn notices(&self) -> impl Iterator<Item = ReportNotice> {
        let of = |recipient: &Contact| ReportNotice {
            id: format!(
                "report.{}.{}.{}",
                self.report.id, self.report.period.key, recipient.email
            ),
            recipient: recipient.clone(),
            report: (*self.report).clone(),
        };
        self.recipients.iter().map(of)
    }
}
