//! Looks at a ledger without changing it, also beside the engine that writes it.

use std::path::Path;

use sqlx::{Connection, SqliteConnection};

use super::copy::{read_only, read_through};
use super::entry::LedgerError;
use super::ledger::{Ledger, cause, fault_of, statement, unsigned};

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

/// Which epochs a ledger knows of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerReach {
    /// The newest epoch whose notices are recorded.
    pub decided_upto: Option<u64>,
    /// Epochs that there were when it was begun in another's place.
    pub begun_at: Option<u64>,
}

impl Ledger {
    /// Which epochs the ledger in `data_dir` knows of, by a few of its pages; the others may be damaged. None where there
    /// is no file.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub async fn reach(data_dir: &Path) -> Result<Option<LedgerReach>, LedgerError> {
        let path = data_dir.join(Ledger::FILE);
        if !path.exists() {
            return Ok(None);
        }
        let opened = read_only(&path).await;
        let mut connection = opened.map_err(|error| unopened(&path, &error))?;
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT name, value FROM meta")
            .fetch_all(&mut connection)
            .await
            .map_err(statement("read what it knows of"))?;
        connection.close().await.map_err(statement("be closed"))?;
        let known = |wanted: &str| {
            let row = rows.iter().find(|(name, _)| name == wanted);
            row.map(|(_, value)| unsigned("epoch", *value)).transpose()
        };
        Ok(Some(LedgerReach {
            decided_upto: known("decided_upto")?,
            begun_at: known("begun_at")?,
        }))
    }

    /// Reads the ledger in `data_dir` through; none where there is no file.
    ///
    /// # Errors
    /// It cannot be opened or read, or is damaged.
    pub async fn check(data_dir: &Path) -> Result<Option<LedgerCheck>, LedgerError> {
        let path = data_dir.join(Ledger::FILE);
        if !path.exists() {
            return Ok(None);
        }
        let mut connection = sound(&path).await?;
        let check = read(&mut connection).await?;
        connection.close().await.map_err(statement("be closed"))?;
        Ok(Some(check))
    }

    /// Reads every page of the ledger in `data_dir`, if there is one, and nothing that its tables hold: it may be of
    /// another schema. Takes as long as the file takes to be read once.
    ///
    /// # Errors
    /// It cannot be opened, or is damaged.
    pub async fn check_pages(data_dir: &Path) -> Result<(), LedgerError> {
        let path = data_dir.join(Ledger::FILE);
        if !path.exists() {
            return Ok(());
        }
        let connection = sound(&path).await?;
        connection.close().await.map_err(statement("be closed"))
    }
}

/// A connection to a file of which every page is as SQLite writes them.
async fn sound(path: &Path) -> Result<SqliteConnection, LedgerError> {
    match read_through(path).await {
        Ok((connection, None)) => Ok(connection),
        Ok((_, Some(what))) => Err(LedgerError::Damaged {
            path: path.to_owned(),
            what,
        }),
        Err(error) => Err(unopened(path, &error)),
    }
}

fn unopened(path: &Path, error: &sqlx::Error) -> LedgerError {
    LedgerError::Open {
        path: path.to_owned(),
        fault: fault_of(error),
        source: cause(error),
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
