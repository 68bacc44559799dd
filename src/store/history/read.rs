//! Reading the history back: one page of one table, newest first.

use serde_json::{Map, Number, Value as Json};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Column, ColumnKind, History, HistoryError, Table, Value, bind, statement};

/// Which rows are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// From this `at_ms` on.
    pub from_ms: Option<i64>,
    /// Before this `at_ms`.
    pub to_ms: Option<i64>,
    /// Columns that must have a value.
    pub equals: Vec<(&'static Column, Value)>,
    /// Rows at most.
    pub limit: u32,
    /// Rows to pass over.
    pub offset: u32,
}

/// A page of rows, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The rows as JSON objects; documents are objects in them.
    pub rows: Vec<Map<String, Json>>,
    /// Whether there are more.
    pub has_more: bool,
}

impl History {
    /// Rows of a table, newest first.
    ///
    /// # Errors
    /// [`HistoryError::Statement`]
    pub async fn read(&self, table: &Table, filter: &Filter) -> Result<Page, HistoryError> {
        let mut wanted: Vec<(&str, &str, ColumnKind, Value)> = Vec::new();
        if let Some(from_ms) = filter.from_ms {
            wanted.push(("at_ms", ">=", ColumnKind::Integer, from_ms.into()));
        }
        if let Some(to_ms) = filter.to_ms {
            wanted.push(("at_ms", "<", ColumnKind::Integer, to_ms.into()));
        }
        for (column, value) in &filter.equals {
            wanted.push((column.name, "=", column.kind, value.clone()));
        }
        let conditions: Vec<String> = (1..)
            .zip(&wanted)
            .map(|(at, (name, compares, ..))| format!("{name} {compares} ${at}"))
            .collect();
        let conditions = if conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", conditions.join(" AND "))
        };
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let key: Vec<String> = table
            .key
            .iter()
            .map(|name| format!("{name} DESC"))
            .collect();
        let sql = format!(
            "SELECT {} FROM {} {conditions} ORDER BY at_ms DESC, {} LIMIT ${} OFFSET ${}",
            names.join(", "),
            table.name,
            key.join(", "),
            wanted.len() + 1,
            wanted.len() + 2,
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (_, _, kind, value) in &wanted {
            query = bind(query, *kind, value);
        }
        let rows = query
            .bind(i64::from(filter.limit) + 1)
            .bind(i64::from(filter.offset))
            .fetch_all(&self.pool)
            .await
            .map_err(statement("read"))?;
        let has_more = rows.len() > filter.limit as usize;
        let rows: Result<Vec<_>, sqlx::Error> = rows
            .iter()
            .take(filter.limit as usize)
            .map(|row| object(table, row))
            .collect();
        Ok(Page {
            rows: rows.map_err(statement("read"))?,
            has_more,
        })
    }
}

fn object(table: &Table, row: &AnyRow) -> Result<Map<String, Json>, sqlx::Error> {
    let mut object = Map::new();
    for (at, column) in table.columns.iter().enumerate() {
        let value = match column.kind {
            ColumnKind::Text => row.try_get::<Option<String>, _>(at)?.map(Json::String),
            ColumnKind::Integer => row.try_get::<Option<i64>, _>(at)?.map(Json::from),
            ColumnKind::Real => {
                let number = row.try_get::<Option<f64>, _>(at)?;
                number.and_then(Number::from_f64).map(Json::Number)
            }
            ColumnKind::Document => row
                .try_get::<Option<String>, _>(at)?
                .map(|text| serde_json::from_str(&text).unwrap_or(Json::String(text))),
        };
        object.insert(column.name.to_owned(), value.unwrap_or(Json::Null));
    }
    Ok(object)
}
