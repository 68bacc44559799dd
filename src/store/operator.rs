//! What operators do with the ledger: look at it, and send dead letters again.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::entry::{Counts, Delivery, DeliveryState, LedgerError, Resent};
use super::ledger::{Ledger, state_named, statement, unsigned};

impl Ledger {
    /// Gives a dead letter its attempts back. One that never became a message is made into one again,
    /// for a later program may be able to.
    pub async fn resend(&self, id: &str) -> Result<Resent, LedgerError> {
        let failed = statement("resend a notice");
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT state FROM notices WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(&failed)?;
        let Some(row) = row else {
            return Ok(Resent::Unknown);
        };
        match state_named(row.get("state"))? {
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

    /// The message of a notice, as it goes on the wire; `None` also before its first attempt.
    pub async fn eml(&self, id: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        sqlx::query_scalar("SELECT eml FROM notices WHERE id = ? AND eml IS NOT NULL")
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
