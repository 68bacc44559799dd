//! The delivery ledger on SQLite: what was decided to be told, and what has left the building.
//!
//! It does not render, send or wait; `notify` does, and writes every step down here first.
//!
//! Invariants:
//! * the notices of an epoch and `decided_upto` become durable in one transaction, or not at all;
//! * an id is inserted once: a replay that decides it again changes nothing;
//! * `decided_upto` never goes back;
//! * in one thread (incident and recipient) a notice is due only when none before it is on its way;
//! * `attempts` is raised before the mailer is called, so a crash in between is visible as `sending`.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row, Sqlite, Transaction};

use super::entry::{
    Counts, Delivery, DeliveryState, Due, Entry, Failed, LedgerError, Recorded, Resent,
};

/// Time that a statement waits for another writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to the file: one writes, the others let operators read meanwhile.
const CONNECTIONS_MAX: u32 = 4;

/// Characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 500;

/// The delivery ledger. Cloning it shares the connections.
#[derive(Clone, Debug)]
pub struct Ledger {
    pool: SqlitePool,
}

impl Ledger {
    /// Opens or creates `ledger.sqlite` in `data_dir`, which must exist.
    pub async fn open(data_dir: &Path) -> Result<Ledger, LedgerError> {
        let path = data_dir.join("ledger.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL, not NORMAL: the engine goes on past an epoch because its notices are on disk.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX);
        Ledger::migrated(pool, options, &path).await
    }

    /// A ledger that is gone with its last clone.
    pub async fn in_memory() -> Result<Ledger, LedgerError> {
        // Every connection to `:memory:` is a database of its own, so there is exactly one, for ever.
        let pool = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
        let options = SqliteConnectOptions::new().in_memory(true);
        Ledger::migrated(pool, options, Path::new(":memory:")).await
    }

    async fn migrated(
        pool: SqlitePoolOptions,
        options: SqliteConnectOptions,
        path: &Path,
    ) -> Result<Ledger, LedgerError> {
        let open = |source: Box<dyn std::error::Error + Send + Sync>| LedgerError::Open {
            path: path.to_owned(),
            source,
        };
        let pool = pool
            .connect_with(options)
            .await
            .map_err(|error| open(error.into()))?;
        // A schema that a newer program wrote is refused here, by the number of its migration.
        sqlx::migrate!("src/store/migrations")
            .run(&pool)
            .await
            .map_err(|error| open(error.into()))?;
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
    /// skipped whole; a notice that was is left as it is.
    pub async fn record(&self, epoch: u64, entries: &[Entry]) -> Result<Recorded, LedgerError> {
        let value = signed("epoch", epoch)?;
        let failed = statement("record notices");
        let mut tx = self.begin().await?;
        let upto: Option<i64> =
            sqlx::query_scalar("SELECT value FROM meta WHERE name = 'decided_upto'")
                .fetch_optional(&mut *tx)
                .await
                .map_err(&failed)?;
        if upto.is_some_and(|upto| upto >= value) {
            return Ok(Recorded {
                new: 0,
                known: entries.len() as u64,
            });
        }
        let mut new = 0;
        for entry in entries {
            new += insert(&mut tx, entry).await.map_err(&failed)?;
        }
        sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES ('decided_upto', ?)")
            .bind(value)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
        tx.commit().await.map_err(&failed)?;
        Ok(Recorded {
            new,
            known: entries.len() as u64 - new,
        })
    }

    /// Notices whose time has come, oldest decision first, at most `limit`.
    pub async fn due(&self, now_ms: i64, limit: u32) -> Result<Vec<Due>, LedgerError> {
        let rows = sqlx::query(
            "SELECT id, incident, reason, recipient, message_id, eml, attempts FROM sendable
             WHERE next_attempt_at_ms <= ?
             ORDER BY sequence LIMIT ?",
        )
        .bind(now_ms)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(statement("read what is due"))?;
        Ok(rows
            .iter()
            .map(|row| Due {
                id: row.get("id"),
                incident: row.get("incident"),
                reason: row.get("reason"),
                recipient: row.get("recipient"),
                message_id: row.get("message_id"),
                eml: row.get("eml"),
                attempts: row.get("attempts"),
            })
            .collect())
    }

    /// The earliest time at which [`Ledger::due`] will have something, ms.
    pub async fn next_due_at_ms(&self) -> Result<Option<i64>, LedgerError> {
        sqlx::query_scalar("SELECT min(next_attempt_at_ms) FROM sendable")
            .fetch_one(&self.pool)
            .await
            .map_err(statement("read the next due time"))
    }

    /// Counts an attempt and says that it is under way. False if the notice does not wait.
    pub async fn mark_sending(&self, id: &str) -> Result<bool, LedgerError> {
        let done = sqlx::query(
            "UPDATE notices SET state = 'sending', attempts = attempts + 1
             WHERE id = ? AND state = 'queued'",
        )
        .bind(id)
        .execute(&self.pool)
        .await
        .map_err(statement("mark a notice as sending"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Says that the mailer took it. False if no attempt was under way.
    pub async fn mark_sent(&self, id: &str, now_ms: i64) -> Result<bool, LedgerError> {
        let done = sqlx::query(
            "UPDATE notices SET state = 'sent', settled_at_ms = ?, last_error = NULL
             WHERE id = ? AND state = 'sending'",
        )
        .bind(now_ms)
        .bind(id)
        .execute(&self.pool)
        .await
        .map_err(statement("mark a notice as sent"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Says that the attempt under way failed. False if there was none.
    pub async fn mark_failed(
        &self,
        id: &str,
        failed: Failed,
        error: &str,
    ) -> Result<bool, LedgerError> {
        let (state, next_ms, settled_ms) = match failed {
            Failed::RetryAt(at_ms) => (DeliveryState::Queued, at_ms, None),
            Failed::Dead(at_ms) => (DeliveryState::Dead, 0, Some(at_ms)),
        };
        let error: String = error.chars().take(ERROR_CHARS_MAX).collect();
        let done = sqlx::query(
            "UPDATE notices SET state = ?, next_attempt_at_ms = ?, settled_at_ms = ?, last_error = ?
             WHERE id = ? AND state = 'sending'",
        )
        .bind(state.name())
        .bind(next_ms)
        .bind(settled_ms)
        .bind(error)
        .bind(id)
        .execute(&self.pool)
        .await
        .map_err(statement("mark a notice as failed"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Lets a waiting notice wait longer, without counting an attempt.
    pub async fn hold(&self, id: &str, until_ms: i64) -> Result<(), LedgerError> {
        sqlx::query("UPDATE notices SET next_attempt_at_ms = ? WHERE id = ? AND state = 'queued'")
            .bind(until_ms)
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(statement("hold a notice"))?;
        Ok(())
    }

    /// Puts attempts that a crash left open back in the queue, and says how many. Their mail may have
    /// gone out: the second copy carries the same Message-ID, and that is all SMTP allows.
    pub async fn requeue(&self) -> Result<u64, LedgerError> {
        let done = sqlx::query(
            "UPDATE notices SET state = 'queued', next_attempt_at_ms = 0,
                    last_error = 'the engine stopped during an attempt'
             WHERE state = 'sending'",
        )
        .execute(&self.pool)
        .await
        .map_err(statement("requeue open attempts"))?;
        Ok(done.rows_affected())
    }

    /// Makes dead letters of the oldest waiting notices beyond `queued_max`, and says how many: what
    /// is newest matters most, and nothing vanishes.
    pub async fn shed(&self, queued_max: u64, now_ms: i64) -> Result<u64, LedgerError> {
        let queued_max = signed("queue limit", queued_max)?;
        let done = sqlx::query(
            "UPDATE notices SET state = 'dead', settled_at_ms = ?,
                    last_error = 'the delivery queue was over its limit of ' || ?
             WHERE sequence IN (
                 SELECT sequence FROM notices WHERE state = 'queued'
                 ORDER BY sequence DESC LIMIT -1 OFFSET ?)",
        )
        .bind(now_ms)
        .bind(queued_max)
        .bind(queued_max)
        .execute(&self.pool)
        .await
        .map_err(statement("shed waiting notices"))?;
        Ok(done.rows_affected())
    }

    /// Forgets notices that were sent or given up before a time, and says how many. Epochs up to
    /// `decided_upto` are never decided again, so no second copy can follow from it.
    pub async fn forget(&self, before_ms: i64) -> Result<u64, LedgerError> {
        let done = sqlx::query(
            "DELETE FROM notices WHERE state IN ('sent', 'dead') AND settled_at_ms < ?",
        )
        .bind(before_ms)
        .execute(&self.pool)
        .await
        .map_err(statement("forget old notices"))?;
        Ok(done.rows_affected())
    }

    /// Gives a dead letter its attempts back.
    pub async fn resend(&self, id: &str) -> Result<Resent, LedgerError> {
        let failed = statement("resend a notice");
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT state, length(eml) AS bytes FROM notices WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(&failed)?;
        let Some(row) = row else {
            return Ok(Resent::Unknown);
        };
        match state_named(row.get("state"))? {
            DeliveryState::Dead if row.get::<i64, _>("bytes") == 0 => Ok(Resent::NoMessage),
            DeliveryState::Dead => {
                sqlx::query(
                    "UPDATE notices SET state = 'queued', attempts = 0, next_attempt_at_ms = 0,
                            settled_at_ms = NULL
                     WHERE id = ?",
                )
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(&failed)?;
                tx.commit().await.map_err(&failed)?;
                Ok(Resent::Queued)
            }
            state => Ok(Resent::NotDead(state)),
        }
    }

    /// Rows in a state (or all), newest decision first.
    pub async fn list(
        &self,
        state: Option<DeliveryState>,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Delivery>, LedgerError> {
        let rows = sqlx::query(
            "SELECT id, incident, revision, reason, recipient, subject, message_id, state, attempts,
                    next_attempt_at_ms, last_error, decided_at_ms, settled_at_ms
             FROM notices WHERE ?1 IS NULL OR state = ?1
             ORDER BY sequence DESC LIMIT ?2 OFFSET ?3",
        )
        .bind(state.map(DeliveryState::name))
        .bind(limit)
        .bind(offset)
        .fetch_all(&self.pool)
        .await
        .map_err(statement("list notices"))?;
        rows.iter().map(delivery).collect()
    }

    /// The message of a notice, as it goes on the wire.
    pub async fn eml(&self, id: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        sqlx::query_scalar("SELECT eml FROM notices WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(statement("read a message"))
    }

    /// How many rows there are in each state.
    pub async fn counts(&self) -> Result<Counts, LedgerError> {
        let rows = sqlx::query("SELECT state, count(*) AS rows FROM notices GROUP BY state")
            .fetch_all(&self.pool)
            .await
            .map_err(statement("count notices"))?;
        let mut counts = Counts::default();
        for row in rows {
            let number = unsigned("count", row.get("rows"))?;
            match state_named(row.get("state"))? {
                DeliveryState::Queued => counts.queued = number,
                DeliveryState::Sending => counts.sending = number,
                DeliveryState::Sent => counts.sent = number,
                DeliveryState::Dead => counts.dead = number,
            }
        }
        Ok(counts)
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
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, LedgerError> {
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(statement("begin a transaction"))
    }
}

async fn insert(tx: &mut Transaction<'static, Sqlite>, entry: &Entry) -> Result<u64, sqlx::Error> {
    let state = match entry.refused {
        None => DeliveryState::Queued,
        Some(_) => DeliveryState::Dead,
    };
    let done = sqlx::query(
        "INSERT INTO notices (id, incident, revision, reason, recipient, subject, message_id, eml,
                              state, last_error, decided_at_ms, settled_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(&entry.id)
    .bind(&entry.incident)
    .bind(entry.revision)
    .bind(&entry.reason)
    .bind(&entry.recipient)
    .bind(&entry.subject)
    .bind(&entry.message_id)
    .bind(&entry.eml)
    .bind(state.name())
    .bind(&entry.refused)
    .bind(entry.decided_at_ms)
    .bind(entry.refused.as_ref().map(|_| entry.decided_at_ms))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

fn delivery(row: &SqliteRow) -> Result<Delivery, LedgerError> {
    Ok(Delivery {
        id: row.get("id"),
        incident: row.get("incident"),
        revision: row.get("revision"),
        reason: row.get("reason"),
        recipient: row.get("recipient"),
        subject: row.get("subject"),
        message_id: row.get("message_id"),
        state: state_named(row.get("state"))?,
        attempts: row.get("attempts"),
        next_attempt_at_ms: row.get("next_attempt_at_ms"),
        last_error: row.get("last_error"),
        decided_at_ms: row.get("decided_at_ms"),
        settled_at_ms: row.get("settled_at_ms"),
    })
}

fn statement(action: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |error| LedgerError::Statement {
        action,
        source: error.into(),
    }
}

fn state_named(name: &str) -> Result<DeliveryState, LedgerError> {
    DeliveryState::from_name(name).ok_or_else(|| LedgerError::Value {
        what: "state",
        value: name.to_owned(),
    })
}

fn signed(what: &'static str, value: u64) -> Result<i64, LedgerError> {
    i64::try_from(value).map_err(|_| LedgerError::Value {
        what,
        value: value.to_string(),
    })
}

fn unsigned(what: &'static str, value: i64) -> Result<u64, LedgerError> {
    u64::try_from(value).map_err(|_| LedgerError::Value {
        what,
        value: value.to_string(),
    })
}
