//! What operators see of the ledger.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::entry::{Counts, Delivery, DeliveryState, LedgerError, Wanted};
use super::ledger::{Ledger, state_named, statement, unsigned};

/// The columns of a [`Delivery`].
macro_rules! columns {
    () => {
        "SELECT id, incident, revision, reason, recipient, subject, message_id, state, attempts,
                next_attempt_at_ms, last_error, failure, digest, decided_at_ms, settled_at_ms,
                (SELECT actor FROM resends WHERE notice = id ORDER BY rowid DESC LIMIT 1) AS resent_by,
                (SELECT at_ms FROM resends WHERE notice = id ORDER BY rowid DESC LIMIT 1) AS resent_at
         FROM notices"
    };
}

impl Ledger {
    /// One row.
    pub async fn delivery(&self, id: &str) -> Result<Option<Delivery>, LedgerError> {
        let row = sqlx::query(concat!(columns!(), " WHERE id = ?"))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(statement("read a notice"))?;
        row.as_ref().map(delivery).transpose()
    }

    /// Rows in a state (or all), newest decision first.
    pub async fn list(
        &self,
        state: Option<DeliveryState>,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Delivery>, LedgerError> {
        self.find(&Wanted {
            state,
            limit,
            offset,
            ..Wanted::default()
        })
        .await
    }

    /// The rows that are wanted, newest decision first.
    pub async fn find(&self, wanted: &Wanted) -> Result<Vec<Delivery>, LedgerError> {
        let rows = sqlx::query(concat!(
            columns!(),
            " WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR incident = ?2)
               AND (?3 IS NULL OR digest = ?3)
             ORDER BY sequence DESC LIMIT ?4 OFFSET ?5"
        ))
        .bind(wanted.state.map(DeliveryState::name))
        .bind(&wanted.incident)
        .bind(&wanted.digest)
        .bind(wanted.limit)
        .bind(wanted.offset)
        .fetch_all(&self.pool)
        .await
        .map_err(statement("list notices"))?;
        rows.iter().map(delivery).collect()
    }

    /// The message of a notice, as it goes on the wire; `None` also before its first attempt.
    pub async fn eml(&self, id: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        sqlx::query_scalar("SELECT eml FROM notices WHERE id = ? AND eml IS NOT NULL")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(statement("read a message"))
    }

    /// How many wait or are on their way, and how many are dead letters. Does not look at what was sent.
    pub async fn unsettled(&self) -> Result<(u64, u64), LedgerError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM notices WHERE state IN ('queued', 'sending')) AS waiting,
                    (SELECT count(*) FROM notices WHERE state = 'dead') AS dead",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(statement("count what waits"))?;
        Ok((
            unsigned("count", row.get("waiting"))?,
            unsigned("count", row.get("dead"))?,
        ))
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
        failure: row.get("failure"),
        digest: row.get("digest"),
        resent: row
            .get::<Option<String>, _>("resent_by")
            .zip(row.get("resent_at")),
        decided_at_ms: row.get("decided_at_ms"),
        settled_at_ms: row.get("settled_at_ms"),
    })
}
