//! SQLite files that somebody may write meanwhile: copies of them, and whether they are whole.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

/// Time that a statement waits for another writer.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Copies a database as it is at one moment. `to` must not be there.
pub(super) async fn copy_database(from: &Path, to: &Path) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(from)
        .busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await?;
    sqlx::query("VACUUM INTO ?")
        .bind(to.to_string_lossy())
        .execute(&mut connection)
        .await?;
    connection.close().await
}

/// Opens a database only to read it.
pub(super) async fn read_only(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    // SQLite keeps the log beside the file that a link points to.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut log = real.clone().into_os_string();
    log.push("-wal");
    // Without a log beside it nobody has it open, and even SQLite's own side files are not made.
    let options = SqliteConnectOptions::new()
        .filename(&real)
        .read_only(true)
        .immutable(!Path::new(&log).exists())
        .busy_timeout(BUSY_TIMEOUT);
    options.connect().await
}

/// [`read_only`], and reads every page of it (`quick_check`); what is wrong with it, if anything.
pub(super) async fn read_through(
    path: &Path,
) -> Result<(SqliteConnection, Option<String>), sqlx::Error> {
    let mut connection = read_only(path).await?;
    let found: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_all(&mut connection)
        .await?;
    let what = found.into_iter().find(|line| line != "ok");
    Ok((connection, what))
}
