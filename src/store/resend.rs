//! Sending dead letters again: one, or all that a filter lets through.

use sqlx::{Row, Sqlite, Transaction};

use super::entry::{DeadLetters, DeliveryState, LedgerError, Resent};
use super::ledger::{Ledger, state_named, statement, unsigned};

/// Dead letters that are no part of a digest that is dead as well: the digest goes, and they with it.
macro_rules! heads {
    ($what:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM notices AS n
             WHERE state = 'dead'
               AND NOT EXISTS (SELECT 1 FROM notices AS d WHERE d.id = n.digest AND d.state = 'dead')
               AND (?1 IS NULL OR incident = ?1) AND (?2 IS NULL OR recipient = ?2 COLLATE NOCASE)
               AND (?3 IS NULL OR failure = ?3)"
        )
    };
}

impl Ledger {
    /// Gives a dead letter its attempts back, and keeps who wished that and why. One that never became a
    /// message is made into one again, for a later program may be able to. A digest goes with what it
    /// tells; one of its notices goes alone. Wishing twice changes nothing.
    pub async fn resend(
        &self,
        id: &str,
        actor: &str,
        why: Option<&str>,
        now_ms: i64,
    ) -> Result<Resent, LedgerError> {
        let failed = statement("resend a notice");
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "SELECT state, EXISTS (SELECT 1 FROM resends WHERE notice = ?1) AS before
             FROM notices WHERE id = ?1",
        )
        .bind(id)
        .fetch_optional(&mut *tx)
        .await
        .map_err(&failed)?;
        let Some(row) = row else {
            return Ok(Resent::Unknown);
        };
        match (state_named(row.get("state"))?, row.get("before")) {
            (DeliveryState::Dead, _) => {}
            (state, true) => return Ok(Resent::Before(state)),
            (state, false) => return Ok(Resent::NotDead(state)),
        }
        queue_again(&mut tx, id, actor, why, now_ms)
            .await
            .map_err(&failed)?;
        tx.commit().await.map_err(&failed)?;
        Ok(Resent::Queued)
    }

    /// [`Ledger::resend`] of the oldest dead letters that a filter lets through, all in one transaction. Answers
    /// how many mails that are, and how many dead letters it still lets through.
    pub async fn resend_all(
        &self,
        wanted: &DeadLetters,
        actor: &str,
        why: Option<&str>,
        now_ms: i64,
    ) -> Result<(u64, u64), LedgerError> {
        let failed = statement("resend notices");
        let mut tx = self.begin().await?;
        let ids: Vec<String> =
            sqlx::query_scalar(concat!(heads!("id"), " ORDER BY sequence LIMIT ?4"))
                .bind(&wanted.incident)
                .bind(&wanted.recipient)
                .bind(&wanted.failure)
                .bind(wanted.limit)
                .fetch_all(&mut *tx)
                .await
                .map_err(&failed)?;
        for id in &ids {
            queue_again(&mut tx, id, actor, why, now_ms)
                .await
                .map_err(&failed)?;
        }
        let left: i64 = sqlx::query_scalar(heads!("count(*)"))
            .bind(&wanted.incident)
            .bind(&wanted.recipient)
            .bind(&wanted.failure)
            .fetch_one(&mut *tx)
            .await
            .map_err(&failed)?;
        tx.commit().await.map_err(&failed)?;
        Ok((ids.len() as u64, unsigned("count", left)?))
    }
}

async fn queue_again(
    tx: &mut Transaction<'static, Sqlite>,
    id: &str,
    actor: &str,
    why: Option<&str>,
    now_ms: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE notices SET state = 'queued', next_attempt_at_ms = 0, settled_at_ms = NULL,
                attempts = CASE WHEN id = ?1 THEN 0 ELSE attempts END,
                digest = CASE WHEN id = ?1 THEN NULL ELSE digest END
         WHERE id = ?1 OR (digest = ?1 AND state = 'dead')",
    )
    .bind(id)
    .execute(&mut **tx)
    .await?;
    sqlx::query("INSERT INTO resends (notice, at_ms, actor, why) VALUES (?, ?, ?, ?)")
        .bind(id)
        .bind(now_ms)
        .bind(actor)
        .bind(why)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
