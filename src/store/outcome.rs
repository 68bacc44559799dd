//! How attempts end: sent, to be tried again, given up, or never begun.

use super::digest::settle_members;
use super::entry::{DeliveryState, Failed, LedgerError};
use super::ledger::{Ledger, statement};

/// Characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 500;

impl Ledger {
    /// Makes a dead letter of a waiting notice of which no message can be made. False if it does not
    /// wait.
    pub async fn mark_refused(
        &self,
        id: &str,
        reason: &str,
        now_ms: i64,
    ) -> Result<bool, LedgerError> {
        let failed = statement("mark a notice as refused");
        let (error, dead) = (shortened(reason), DeliveryState::Dead.name());
        let permanent = Some("permanent");
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "UPDATE notices SET state = 'dead', settled_at_ms = ?, last_error = ?, failure = ?
             WHERE id = ? AND state = 'queued'",
        )
        .bind(now_ms)
        .bind(&error)
        .bind(permanent)
        .bind(id)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
        if done.rows_affected() == 1 {
            settle_members(&mut tx, id, dead, now_ms, Some(&error), permanent)
                .await
                .map_err(&failed)?;
        }
        tx.commit().await.map_err(&failed)?;
        Ok(done.rows_affected() == 1)
    }

    /// Says that the mailer took it, and with it what it tells. False if no attempt was under way.
    pub async fn mark_sent(&self, id: &str, now_ms: i64) -> Result<bool, LedgerError> {
        let failed = statement("mark a notice as sent");
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "UPDATE notices SET state = 'sent', settled_at_ms = ?, last_error = NULL, failure = NULL
             WHERE id = ? AND state = 'sending'",
        )
        .bind(now_ms)
        .bind(id)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
        if done.rows_affected() == 1 {
            let sent = DeliveryState::Sent.name();
            settle_members(&mut tx, id, sent, now_ms, None, None)
                .await
                .map_err(&failed)?;
        }
        tx.commit().await.map_err(&failed)?;
        Ok(done.rows_affected() == 1)
    }

    /// Says that the attempt under way failed, what was said, and by its name what that means. False if
    /// there was none.
    pub async fn mark_failed(
        &self,
        id: &str,
        failed: Failed,
        error: &str,
        failure: &str,
    ) -> Result<bool, LedgerError> {
        let error = shortened(error);
        let wrong = statement("mark a notice as failed");
        let (state, next_ms, settled_ms) = match failed {
            Failed::RetryAt(at_ms) => (DeliveryState::Queued, at_ms, None),
            Failed::Dead(at_ms) => (DeliveryState::Dead, 0, Some(at_ms)),
        };
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "UPDATE notices SET state = ?, next_attempt_at_ms = ?, settled_at_ms = ?,
                    last_error = ?, failure = ?
             WHERE id = ? AND state = 'sending'",
        )
        .bind(state.name())
        .bind(next_ms)
        .bind(settled_ms)
        .bind(&error)
        .bind(failure)
        .bind(id)
        .execute(&mut *tx)
        .await
        .map_err(&wrong)?;
        if let Some(now_ms) = settled_ms.filter(|_| done.rows_affected() == 1) {
            let dead = state.name();
            settle_members(&mut tx, id, dead, now_ms, Some(&error), Some(failure))
                .await
                .map_err(&wrong)?;
        }
        tx.commit().await.map_err(&wrong)?;
        Ok(done.rows_affected() == 1)
    }
}

fn shortened(error: &str) -> String {
    error.chars().take(ERROR_CHARS_MAX).collect()
}
