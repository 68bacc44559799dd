//! Where the histories of these tests are: SQLite in each engine's folder, or, where `CHRYSALIS_TEST_POSTGRES` names
//! a server (`tests/history/both.sh`), a PostgreSQL database for each engine.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The URL of a new, empty database; none for SQLite.
pub(crate) async fn fresh() -> Option<String> {
    let server = std::env::var("CHRYSALIS_TEST_POSTGRES").ok()?;
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let name = format!("acceptance_{}_{number}", std::process::id());
    let admin = format!("{server}/postgres");
    let mut connection = PgConnection::connect(&admin).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    Some(format!("{server}/{name}"))
}
