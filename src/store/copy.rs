//! Copies of SQLite files that somebody writes meanwhile.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

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
