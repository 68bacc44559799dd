//! Sending dead letters again: one, or all that a filter lets through.

use sqlx::{Row, Sqlite, Transaction};

use super::entry::{DeadLetters, DeliveryState, LedgerError, Resent, ResentAll};
use super::ledger::{Ledger, state_named, statement, unsigned};

/// The dead letters, by this name, that the filter lets through.
macro_rules! wanted {
    ($name:literal) => {
        concat!(
            $name,
            ".state = 'dead' AND (?1 IS NULL OR ",
            $name,
            ".incident = ?1)
             AND (?2 IS NULL OR ",
            $name,
            ".recipient = ?2 COLLATE NOCASE)
             AND (?3 IS NULL OR ",
            $name,
            ".failure = ?3)"
        )
    };
}

/// What is sent again for them. Where a digest is wanted as well it goes, and its notices with it. A digest is of no
/// incident: who asks for one incident gets its notice by itself, and not all that others were told with it.
const HEADS: &str = concat!(
    "SELECT id FROM notices AS n WHERE ",
    wanted!("n"),
    " AND NOT EXISTS (SELECT 1 FROM notices AS d WHERE d.id = n.digest AND ",
    wanted!("d"),
    ") ORDER BY sequence LIMIT ?4"
);
const LEFT: &str = concat!("SELECT count(*) FROM notices AS n WHERE ", wanted!("n"));

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

    /// [`Ledger::resend`] of the oldest dead letters that a filter lets through, all in one transaction.
    pub async fn resend_all(
        &self,
        wanted: &DeadLetters,
        actor: &str,
        why: Option<&str>,
        now_ms: i64,
    ) -> Result<ResentAll, LedgerError> {
        let failed = statement("resend notices");
        let mut tx = self.begin().await?;
        let ids: Vec<String> = sqlx::query_scalar(HEADS)
            .bind(&wanted.incident)
            .bind(&wanted.recipient)
            .bind(&wanted.failure)
            .bind(wanted.limit)
            .fetch_all(&mut *tx)
            .await
            .map_err(&failed)?;
        let mut dead_letters = 0;
        for id in &ids {
            dead_letters += queue_again(&mut tx, id, actor, why, now_ms)
                .await
                .map_err(&failed)?;
        }
        let left: i64 = sqlx::query_scalar(LEFT)
            .bind(&wanted.incident)
            .bind(&wanted.recipient)
            .bind(&wanted.failure)
            .fetch_one(&mut *tx)
            .await
            .map_err(&failed)?;
        tx.commit().await.map_err(&failed)?;
        Ok(ResentAll {
            dead_letters,
            mails: ids.len() as u64,
            left: unsigned("count", left)?,
        })
    }
}

/// Says how many dead letters are none now.
async fn queue_again(
    tx: &mut Transaction<'static, Sqlite>,
    id: &str,
    actor: &str,
    why: Option<&str>,
    now_ms: i64,
) -> sqlx::Result<u64> {
    let done = sqlx::query(
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
    Ok(done.rows_affected())
}
