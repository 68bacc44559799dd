//! The history: everything that was decided, for ever, in SQL. SQLite beside the journal, or a
//! PostgreSQL server by its URL.
//!
//! It is written behind the engine's back and never asked by it. Invariants:
//! * the rows of an epoch become durable in one transaction with the number of the epoch;
//! * an epoch is recorded once: a replay that decides it again changes nothing;
//! * the same SQL runs on both databases.

mod read;
mod size;
mod tables;

use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyConnectOptions, AnyPoolOptions};
use sqlx::query::Query;
use sqlx::{Any, AnyPool, AssertSqlSafe, Connection, Row};
use thiserror::Error;

use crate::store::copy::{copy_database, read_through};
use crate::store::entry::Fault;
use crate::store::ledger::{cause, fault_of};

pub use read::{Filter, Page};
pub use tables::{
    ALERT_TRANSITIONS, AUDIT, Column, ColumnKind, EFFECTS, FEEDBACK, HistoryRow, NOTICES, TABLES,
    TRIGGER_MOVES, TRIGGERS, Table, Value,
};

/// Connections: one writes, the others read.
const CONNECTIONS_MAX: u32 = 4;

/// How long a connection may take to come.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Values in one statement: well under SQLite's limit of 32,766.
const VALUES_MAX: usize = 8_000;

/// The history cannot be opened, written or read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// It cannot be opened.
    #[error("cannot open the history {url}: {source}")]
    Open {
        /// Where, without the password.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer program brought it to a schema of its own.
    #[error(
        "the history {url} was written by a newer program, and this one writes nothing into it: start the newer \
         program, or give this one a history of its own (`history.url`)"
    )]
    Newer {
        /// Where, without the password.
        url: String,
    },
    /// The file is not what was written.
    #[error("the history {url} is damaged: {what}")]
    Damaged {
        /// The file.
        url: String,
        /// What the database said.
        what: String,
    },
    /// A statement failed.
    #[error("cannot {action} the history: {source}")]
    Statement {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: sqlx::Error,
    },
}

/// The history. Cloning it shares the connections.
#[derive(Clone, Debug)]
pub struct History {
    pool: AnyPool,
    is_sqlite: bool,
    /// Where it is, as it may be shown.
    shown: Arc<str>,
}

impl History {
    /// Name of the default file in the data folder.
    pub const FILE: &str = "history.sqlite";

    /// URL of [`History::FILE`] in a folder.
    pub fn url_in(data: &Path) -> String {
        // A path may hold anything; a URL may not.
        let mut url = String::from("sqlite://");
        for byte in data.join(History::FILE).display().to_string().bytes() {
            match byte {
                b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                    url.push(char::from(byte));
                }
                other => url.push_str(&format!("%{other:02X}")),
            }
        }
        url.push_str("?mode=rwc");
        url
    }

    /// Opens or creates [`History::FILE`] in a folder that exists.
    ///
    /// # Errors
    /// [`HistoryError::Open`]
    pub async fn in_folder(data: &Path) -> Result<History, HistoryError> {
        History::open(&History::url_in(data)).await
    }

    /// Copies [`History::FILE`] in a folder as it is at one moment, also beside an engine that writes it.
    /// `to` must not be there.
    ///
    /// # Errors
    /// [`HistoryError::Open`]
    pub async fn copy(data: &Path, to: &Path) -> Result<(), HistoryError> {
        let path = data.join(History::FILE);
        copy_database(&path, to)
            .await
            .map_err(|source| HistoryError::Open {
                url: path.display().to_string(),
                source: source.into(),
            })
    }

    /// Reads every page of [`History::FILE`] in a folder, if there is one, without changing anything.
    ///
    /// # Errors
    /// [`HistoryError::Open`], [`HistoryError::Damaged`]
    pub async fn check_pages(data: &Path) -> Result<(), HistoryError> {
        let path = data.join(History::FILE);
        if !path.exists() {
            return Ok(());
        }
        let url = path.display().to_string();
        let (connection, what) = read_through(&path)
            .await
            .map_err(|error| open(&url, &error))?;
        if let Some(what) = what {
            return Err(HistoryError::Damaged { url, what });
        }
        let closed = connection.close().await;
        closed.map_err(|error| open(&url, &error))
    }

    /// The history at a `sqlite:` or `postgres:` URL, which need not answer yet: [`History::prepare`] sees
    /// to it. Must be called within a runtime.
    ///
    /// # Errors
    /// [`HistoryError::Open`]: the URL is none.
    pub fn lazy(url: &str) -> Result<History, HistoryError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let shown = without_password(url);
        let options: AnyConnectOptions = url.parse().map_err(|error| open(&shown, &error))?;
        let is_sqlite = url.starts_with("sqlite:");
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(CONNECT_PATIENCE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if is_sqlite {
                        // A checkpoint may be newer than what a machine that dies would lose otherwise, and what lies
                        // before it is not decided again.
                        for pragma in [
                            "journal_mode = WAL",
                            "synchronous = FULL",
                            "busy_timeout = 10000",
                        ] {
                            let sql = AssertSqlSafe(format!("PRAGMA {pragma}"));
                            sqlx::query(sql).execute(&mut *connection).await?;
                        }
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        Ok(History {
            pool,
            is_sqlite,
            shown: shown.into(),
        })
    }

    /// Brings the tables up to date.
    ///
    /// # Errors
    /// [`HistoryError::Open`], [`HistoryError::Newer`]
    pub async fn prepare(&self) -> Result<(), HistoryError> {
        let ready = sqlx::migrate!("src/store/history/migrations")
            .run(&self.pool)
            .await;
        ready.map_err(|error| open(&self.shown, &error))
    }

    /// Opens the history at a `sqlite:` or `postgres:` URL, and brings its tables up to date.
    ///
    /// # Errors
    /// [`HistoryError::Open`]
    pub async fn open(url: &str) -> Result<History, HistoryError> {
        let history = History::lazy(url)?;
        history.prepare().await?;
        Ok(history)
    }

    /// The newest epoch that is recorded.
    ///
    /// # Errors
    /// [`HistoryError::Statement`]
    pub async fn recorded_upto(&self) -> Result<Option<u64>, HistoryError> {
        let row = sqlx::query("SELECT epoch FROM history_progress WHERE id = 1")
            .fetch_one(&self.pool)
            .await
            .map_err(statement("read"))?;
        let epoch: i64 = row.try_get(0).map_err(statement("read"))?;
        Ok(u64::try_from(epoch).ok())
    }

    /// The newest epoch of which a notice is recorded.
    ///
    /// # Errors
    /// [`HistoryError::Statement`]
    pub async fn told_upto(&self) -> Result<Option<u64>, HistoryError> {
        let row = sqlx::query("SELECT epoch FROM notices ORDER BY at_ms DESC LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .map_err(statement("read"))?;
        let Some(row) = row else { return Ok(None) };
        let epoch: i64 = row.try_get(0).map_err(statement("read"))?;
        Ok(u64::try_from(epoch).ok())
    }

    /// Records the rows of epochs up to `epoch`; false when that was recorded before, and nothing is
    /// changed.
    ///
    /// # Errors
    /// [`HistoryError::Statement`]; nothing of it is recorded then.
    pub async fn record(&self, epoch: u64, rows: &[HistoryRow]) -> Result<bool, HistoryError> {
        let failed = statement("write");
        let number = i64::try_from(epoch).unwrap_or(i64::MAX);
        let mut tx = self.pool.begin().await.map_err(&failed)?;
        let progress =
            sqlx::query("UPDATE history_progress SET epoch = $1 WHERE id = 1 AND epoch < $1")
                .bind(number)
                .execute(&mut *tx)
                .await
                .map_err(&failed)?;
        if progress.rows_affected() == 0 {
            return Ok(false);
        }
        for table in TABLES {
            let of_table: Vec<&HistoryRow> = rows.iter().filter(|row| row.table == table).collect();
            for some in of_table.chunks(VALUES_MAX / table.columns.len()) {
                // Not kept prepared: PostgreSQL would read every later batch by the types of the first one's values.
                let mut query =
                    sqlx::query(AssertSqlSafe(insert(table, some.len()))).persistent(false);
                for row in some {
                    for (column, value) in table.columns.iter().zip(&row.values) {
                        query = match column.name {
                            "epoch" => query.bind(number),
                            _ => bind(query, column.kind, value),
                        };
                    }
                }
                query.execute(&mut *tx).await.map_err(&failed)?;
            }
        }
        tx.commit().await.map_err(&failed)?;
        Ok(true)
    }
}

/// A statement that inserts that many rows.
fn insert(table: &Table, rows: usize) -> String {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let width = names.len();
    let rows: Vec<String> = (0..rows)
        .map(|row| {
            let places: Vec<String> = (1..=width)
                .map(|at| format!("${}", row * width + at))
                .collect();
            format!("({})", places.join(", "))
        })
        .collect();
    let otherwise = if table.replaces {
        let kept = names.iter().filter(|name| !table.key.contains(name));
        let sets: Vec<String> = kept
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        format!("UPDATE SET {}", sets.join(", "))
    } else {
        "NOTHING".to_owned()
    };
    format!(
        "INSERT INTO {} ({}) VALUES {} ON CONFLICT ({}) DO {otherwise}",
        table.name,
        names.join(", "),
        rows.join(", "),
        table.key.join(", "),
    )
}

/// Binds a value, or a nothing of the column's type: PostgreSQL tells those apart.
fn bind<'q>(
    query: Query<'q, Any, AnyArguments>,
    kind: ColumnKind,
    value: &Value,
) -> Query<'q, Any, AnyArguments> {
    match (kind, value) {
        // PostgreSQL keeps no NUL in a text and refuses the row for ever; both databases shall tell the same.
        (_, Value::Text(text)) => query.bind(text.replace('\0', "\u{fffd}")),
        (_, Value::Integer(number)) => query.bind(*number),
        (_, Value::Real(number)) => query.bind(*number),
        (ColumnKind::Text | ColumnKind::Document, Value::Null) => query.bind(None::<String>),
        (ColumnKind::Integer, Value::Null) => query.bind(None::<i64>),
        (ColumnKind::Real, Value::Null) => query.bind(None::<f64>),
    }
}

fn statement(action: &'static str) -> impl Fn(sqlx::Error) -> HistoryError {
    move |source| HistoryError::Statement { action, source }
}

fn open(shown: &str, error: &(dyn std::error::Error + 'static)) -> HistoryError {
    if fault_of(error) == Fault::Newer {
        let url = shown.to_owned();
        return HistoryError::Newer { url };
    }
    HistoryError::Open {
        url: shown.to_owned(),
        source: cause(error),
    }
}

/// A URL as it may be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{name}:***@{host}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_history_of_a_newer_program_is_called_so_and_a_damaged_one_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::in_folder(folder.path()).await.unwrap();
        let newer =
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (99999, 'newer', TRUE, x'00', 0)";
        sqlx::query(newer).execute(&history.pool).await.unwrap();
        let refused = history.prepare().await.unwrap_err();
        assert!(matches!(refused, HistoryError::Newer { .. }), "{refused}");
        assert!(refused.to_string().contains("start the newer program"));
        // Folds the log into the file.
        history.pool.close().await;
        History::check_pages(folder.path()).await.unwrap();
        let file = folder.path().join(History::FILE);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[4096..].fill(0);
        std::fs::write(&file, bytes).unwrap();
        let damaged = History::check_pages(folder.path()).await.unwrap_err();
        assert!(matches!(damaged, HistoryError::Damaged { .. }), "{damaged}");
    }
}
