//! Looks at a ledger without changing it, also beside the engine that writes it.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::copy::BUSY_TIMEOUT;
use super::entry::LedgerError;
use super::ledger::{Ledger, cause, statement, unsigned};

/// What a ledger holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerCheck {
    /// The newest epoch whose notices are recorded.
    pub decided_upto: Option<u64>,
    /// Notices that are kept.
    pub notices: u64,
    /// Those that have not left yet.
    pub waiting: u64,
}

impl Ledger {
    /// Reads the ledger in `data_dir` through; none where there is no file.
    ///
    /// # Errors
    /// It cannot be opened or read, or is damaged.
    pub async fn check(data_dir: &Path) -> Result<Option<LedgerCheck>, LedgerError> {
        let path = data_dir.join(Ledger::FILE);
        if !path.exists() {
            return Ok(None);
        }
        // Without a log beside it nobody has it open, and even SQLite's own side files are not made.
        let log = data_dir.join(format!("{}-wal", Ledger::FILE));
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .read_only(true)
            .immutable(!log.exists())
            .busy_timeout(BUSY_TIMEOUT);
        let open = |source: sqlx::Error| LedgerError::Open {
            path: path.clone(),
            source: cause(&source),
        };
        let mut connection = options.connect().await.map_err(open)?;
        let found: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_all(&mut connection)
            .await
            .map_err(open)?;
        if let Some(what) = found.into_iter().find(|line| line != "ok") {
            return Err(LedgerError::Damaged { path, what });
        }
        let check = read(&mut connection).await?;
        connection.close().await.map_err(open)?;
        Ok(Some(check))
    }
}

async fn read(connection: &mut SqliteConnection) -> Result<LedgerCheck, LedgerError> {
    let upto: Option<i64> =
        sqlx::query_scalar("SELECT value FROM meta WHERE name = 'decided_upto'")
            .fetch_optional(&mut *connection)
            .await
            .map_err(statement("read decided_upto"))?;
    let (notices, waiting): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE state IN ('queued', 'sending')) FROM notices",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(statement("count notices"))?;
    Ok(LedgerCheck {
        decided_upto: upto.map(|upto| unsigned("epoch", upto)).transpose()?,
        notices: unsigned("count", notices)?,
        waiting: unsigned("count", waiting)?,
    })
}
