//! The delivery ledger on SQLite: what was decided to be told, and what has left the building.
//!
//! It does not read notices, render, send or wait; `notify` does, and writes every step down here
//! first.
//!
//! Invariants:
//! * the notices of an epoch and `decided_upto` become durable in one transaction, or not at all;
//! * an id is inserted once: a replay that decides it again changes nothing;
//! * `decided_upto` never goes back;
//! * in one thread (incident and recipient) a notice is due only when none before it is on its way;
//! * `attempts` is raised before the mailer is called, so a crash in between is visible as `sending`;
//! * a message is in the ledger before its first attempt, and never changes after.

use std::error::Error;
use std::path::Path;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Row, Sqlite, Transaction};

use super::copy::{BUSY_TIMEOUT, copy_database};
use super::digest::Groups;
use super::entry::{Attempt, DEMANDS, DeliveryState, Entry, Fault, LedgerError, Recorded};

/// Connections to the file: one writes, the others let operators read meanwhile.
const CONNECTIONS_MAX: u32 = 4;

/// The delivery ledger. Cloning it shares the connections.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(super) pool: SqlitePool,
}

impl Ledger {
    /// Name of the file in the data folder.
    pub const FILE: &str = "ledger.sqlite";

    /// Copies the ledger in `data_dir` as it is at one moment, also beside an engine that writes it.
    /// `to` must not be there.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub async fn copy(data_dir: &Path, to: &Path) -> Result<(), LedgerError> {
        let path = data_dir.join(Ledger::FILE);
        copy_database(&path, to)
            .await
            .map_err(|source| LedgerError::Open {
                path,
                fault: fault_of(&source),
                source: cause(&source),
            })
    }

    /// Opens or creates [`Ledger::FILE`] in `data_dir`, which must exist.
    pub async fn open(data_dir: &Path) -> Result<Ledger, LedgerError> {
        Ledger::open_file(&data_dir.join(Ledger::FILE)).await
    }

    pub(super) async fn open_file(path: &Path) -> Result<Ledger, LedgerError> {
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX);
        Ledger::migrated(pool, options_of(path), path).await
    }

    /// Opens or creates the file at `path` through another VFS of SQLite, named `vfs`, by one connection that shares
    /// it with nobody: a simulation's disk has no memory that connections could share.
    pub async fn open_alone(vfs: &'static str, path: &Path) -> Result<Ledger, LedgerError> {
        // Before the mode of the journal: the write-ahead log then needs no shared memory.
        let options = options_of(path)
            .vfs(vfs)
            .locking_mode(SqliteLockingMode::Exclusive);
        Ledger::migrated(of_one_connection(), options, path).await
    }

    /// A ledger that is gone with its last clone.
    pub async fn in_memory() -> Result<Ledger, LedgerError> {
        // Every connection to `:memory:` is a database of its own, so there is exactly one, for ever.
        let options = SqliteConnectOptions::new().in_memory(true);
        Ledger::migrated(of_one_connection(), options, Path::new(":memory:")).await
    }

    async fn migrated(
        pool: SqlitePoolOptions,
        options: SqliteConnectOptions,
        path: &Path,
    ) -> Result<Ledger, LedgerError> {
        let open = |source: &(dyn Error + 'static)| LedgerError::Open {
            path: path.to_owned(),
            fault: fault_of(source),
            source: cause(source),
        };
        // SQLite ends a transaction by itself when the disk is full; sqlx then fails to end it once more, and
        // no other can begin on that connection. It goes, and another is opened.
        let pool = pool.before_acquire(|connection, _| {
            let is_stuck = connection.is_in_transaction();
            Box::pin(async move { Ok(!is_stuck) })
        });
        let pool = pool
            .connect_with(options)
            .await
            .map_err(|error| open(&error))?;
        // A schema that a newer program wrote is refused here, by the number of its migration.
        sqlx::migrate!("src/store/migrations")
            .run(&pool)
            .await
            .map_err(|error| open(&error))?;
        Ok(Ledger { pool })
    }

    /// The newest epoch whose notices are recorded.
    pub async fn decided_upto(&self) -> Result<Option<u64>, LedgerError> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = 'decided_upto'")
            .fetch_optional(&self.pool)
            .await
            .map_err(statement("read decided_upto"))?;
        row.map(|row| unsigned("epoch", row.get(0))).transpose()
    }

    /// Records an epoch's notices, durably when it returns. An epoch that was recorded before is
    /// skipped whole; a notice that was is left as it is. A group is there for those of its notices that are new.
    pub async fn record(&self, epoch: u64, entries: &[Entry]) -> Result<Recorded, LedgerError> {
        let value = signed("epoch", epoch)?;
        let failed = statement("record notices");
        let notices = entries.iter().filter(|entry| entry.reason != DEMANDS);
        let notices = notices.count() as u64;
        let mut tx = self.begin().await?;
        let upto: Option<i64> =
            sqlx::query_scalar("SELECT value FROM meta WHERE name = 'decided_upto'")
                .fetch_optional(&mut *tx)
                .await
                .map_err(&failed)?;
        if upto.is_some_and(|upto| upto >= value) {
            return Ok(Recorded {
                new: 0,
                known: notices,
            });
        }
        let mut new = 0;
        let mut groups = Groups::default();
        for entry in entries {
            let digest = groups.of(entry);
            let inserted = insert(&mut tx, entry, digest).await.map_err(&failed)?;
            new += groups.count(entry, inserted);
        }
        groups.drop_empty(&mut tx).await.map_err(&failed)?;
        sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES ('decided_upto', ?)")
            .bind(value)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
        tx.commit().await.map_err(&failed)?;
        Ok(Recorded {
            new,
            known: notices - new,
        })
    }

    /// Counts an attempt for each and says that it is under way, all durably when it returns; new
    /// messages are kept. Answers for each whether it may be made: one that does not wait may not.
    pub async fn mark_sending(&self, attempts: &[Attempt<'_>]) -> Result<Vec<bool>, LedgerError> {
        let failed = statement("mark notices as sending");
        let mut tx = self.begin().await?;
        let mut marked = Vec::with_capacity(attempts.len());
        for attempt in attempts {
            let done = sqlx::query(
                "UPDATE notices SET state = 'sending', attempts = attempts + 1,
                        subject = coalesce(subject, ?), eml = coalesce(eml, ?)
                 WHERE id = ? AND state = 'queued'",
            )
            .bind(attempt.message.map(|(subject, _)| subject))
            .bind(attempt.message.map(|(_, eml)| eml))
            .bind(attempt.id)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
            marked.push(done.rows_affected() == 1);
        }
        tx.commit().await.map_err(&failed)?;
        Ok(marked)
    }

    /// Lets waiting notices wait longer, without counting an attempt.
    pub async fn hold(&self, ids: &[String], until_ms: i64) -> Result<(), LedgerError> {
        let failed = statement("hold notices");
        let mut tx = self.begin().await?;
        for id in ids {
            sqlx::query(
                "UPDATE notices SET next_attempt_at_ms = ? WHERE id = ? AND state = 'queued'",
            )
            .bind(until_ms)
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
        }
        tx.commit().await.map_err(&failed)
    }

    /// Lets nothing wait for longer than `horizon_ms` from now: after the clock was set back, times that were
    /// said by the old clock are further away than any wait. Says how many it brought nearer.
    pub async fn bring_nearer(&self, now_ms: i64, horizon_ms: i64) -> Result<u64, LedgerError> {
        let done = sqlx::query(
            "UPDATE notices SET next_attempt_at_ms = ?1
             WHERE state = 'queued' AND next_attempt_at_ms > ?1 + ?2",
        )
        .bind(now_ms)
        .bind(horizon_ms)
        .execute(&self.pool)
        .await
        .map_err(statement("bring notices nearer"))?;
        Ok(done.rows_affected())
    }

    /// Makes dead letters of the oldest waiting notices beyond `queued_max`, and says how many: what
    /// is newest matters most, and nothing vanishes. What a digest will tell does not count: however
    /// many they are, they are one mail.
    pub async fn shed(&self, queued_max: u64, now_ms: i64) -> Result<u64, LedgerError> {
        let queued_max = signed("queue limit", queued_max)?;
        // What a group tells goes with it.
        let done = sqlx::query(
            "WITH shed AS (
                 SELECT sequence, id FROM notices
                 WHERE state = 'queued' AND digest IS NULL AND reason <> 'digest'
                 ORDER BY sequence DESC LIMIT -1 OFFSET ?1)
             UPDATE notices SET state = 'dead', settled_at_ms = ?2,
                    last_error = 'the delivery queue was over its limit of ' || ?1
             WHERE sequence IN (
                 SELECT sequence FROM shed
                 UNION ALL
                 SELECT told.sequence FROM shed CROSS JOIN notices AS told
                 WHERE told.digest = shed.id AND told.state = 'queued')",
        )
        .bind(queued_max)
        .bind(now_ms)
        .execute(&self.pool)
        .await
        .map_err(statement("shed waiting notices"))?;
        Ok(done.rows_affected())
    }

    /// Forgets notices that were sent or given up before a time, and says how many. Epochs up to
    /// `decided_upto` are never decided again, so no second copy can follow from it.
    pub async fn forget(&self, before_ms: i64) -> Result<u64, LedgerError> {
        let failed = statement("forget old notices");
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "DELETE FROM notices WHERE state IN ('sent', 'dead') AND settled_at_ms < ?",
        )
        .bind(before_ms)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
        forget_resends(&mut tx).await.map_err(&failed)?;
        tx.commit().await.map_err(&failed)?;
        Ok(done.rows_affected())
    }

    /// Closes the connections and folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Runs any statement: tests make the database fail with it.
    #[cfg(test)]
    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.pool).await.unwrap();
    }

    // IMMEDIATE takes the write lock at once: a transaction that reads first and writes later would
    // fail, not wait, when another writer came between.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, LedgerError> {
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(statement("begin a transaction"))
    }
}

/// How the file of a ledger is opened.
fn options_of(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL, not NORMAL: the engine goes on past an epoch because its notices are on disk.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
}

fn of_one_connection() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Forgets who wished notices sent again that are not there any more.
pub(super) async fn forget_resends(tx: &mut Transaction<'static, Sqlite>) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM resends WHERE notice NOT IN (SELECT id FROM notices)")
        .execute(&mut **tx)
        .await?;
    Ok(())
}

// One row a statement: the connection keeps it prepared, so a thousand rows are a thousand steps of
// the same program inside one transaction.
async fn insert(
    tx: &mut Transaction<'static, Sqlite>,
    entry: &Entry,
    digest: Option<&str>,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO notices (id, incident, revision, reason, recipient, urgency, message_id,
                              notice, state, decided_at_ms, digest)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(&entry.id)
    .bind(&entry.incident)
    .bind(entry.revision)
    .bind(&entry.reason)
    .bind(&entry.recipient)
    .bind(entry.urgency)
    .bind(&entry.message_id)
    .bind(&entry.notice)
    .bind(entry.decided_at_ms)
    .bind(digest)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

pub(super) fn statement(action: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |error| LedgerError::Statement {
        action,
        fault: fault_of(&error),
        source: cause(&error),
    }
}

/// The first cause of an error in its own words: the database's errors repeat their causes in theirs, and
/// whoever prints the chain would say everything twice.
pub(super) fn cause(error: &dyn Error) -> Box<dyn Error + Send + Sync> {
    let mut first = error;
    while let Some(source) = first.source() {
        first = source;
    }
    first.to_string().into()
}

/// What a failure means, by the first in its chain that says so.
pub(super) fn fault_of(error: &(dyn Error + 'static)) -> Fault {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(MigrateError::VersionMissing(_)) = error.downcast_ref::<MigrateError>() {
            return Fault::Newer;
        }
        let said = error.downcast_ref::<sqlx::Error>();
        let said = said.and_then(sqlx::Error::as_database_error);
        let code = said.and_then(|error| error.code());
        if let Some(code) = code.and_then(|code| code.parse::<i32>().ok()) {
            return fault_of_code(code);
        }
        next = error.source();
    }
    Fault::Other
}

/// By SQLite's extended result codes: `SQLITE_FULL`, and `SQLITE_IOERR_SHMSIZE` where the index of the write-ahead log
/// cannot grow; every kind of `SQLITE_CORRUPT`, and `SQLITE_NOTADB`; `SQLITE_IOERR_FSYNC` and `SQLITE_IOERR_DIR_FSYNC`.
fn fault_of_code(code: i32) -> Fault {
    match (code, code & 0xff) {
        (13 | 4874, _) => Fault::Full,
        (1034 | 1290, _) => Fault::Unsynced,
        (_, 11 | 26) => Fault::Damaged,
        _ => Fault::Other,
    }
}

pub(super) fn state_named(name: &str) -> Result<DeliveryState, LedgerError> {
    DeliveryState::from_name(name).ok_or_else(|| LedgerError::Value {
        what: "state",
        value: name.to_owned(),
    })
}

pub(super) fn signed(what: &'static str, value: u64) -> Result<i64, LedgerError> {
    i64::try_from(value).map_err(|_| LedgerError::Value {
        what,
        value: value.to_string(),
    })
}

pub(super) fn unsigned(what: &'static str, value: i64) -> Result<u64, LedgerError> {
    u64::try_from(value).map_err(|_| LedgerError::Value {
        what,
        value: value.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_damage_is_told_from_a_full_disk_and_from_what_passes() {
        // SQLITE_CORRUPT, _VTAB, _SEQUENCE, _INDEX; SQLITE_NOTADB.
        for code in [11, 267, 523, 779, 26] {
            assert_eq!(fault_of_code(code), Fault::Damaged, "{code}");
        }
        for code in [13, 4874] {
            assert_eq!(fault_of_code(code), Fault::Full, "{code}");
        }
        for code in [1034, 1290] {
            assert_eq!(fault_of_code(code), Fault::Unsynced, "{code}");
        }
        // SQLITE_ERROR, _BUSY, _IOERR, _IOERR_WRITE.
        for code in [1, 5, 10, 778] {
            assert_eq!(fault_of_code(code), Fault::Other, "{code}");
        }
    }
}
