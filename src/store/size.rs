//! How large the ledger is, and what goes first when that is too much.

use super::entry::LedgerError;
use super::ledger::{Ledger, forget_resends, statement, unsigned};

/// Rows that go in one transaction.
const ROWS_AT_ONCE: i64 = 500;

impl Ledger {
    /// Its size, bytes, without pages that are free and will be used again.
    pub async fn bytes(&self) -> Result<u64, LedgerError> {
        let bytes: i64 = sqlx::query_scalar(
            "SELECT (page_count - freelist_count) * page_size
             FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(statement("tell its size"))?;
        unsigned("size", bytes)
    }

    /// Forgets mails that are settled until it is no larger than a tenth below `bytes_max`, and says how many:
    /// those that were sent first, then the oldest dead letters. What waits stays. As with
    /// [`Ledger::forget`] no second copy can follow from it.
    pub async fn forget_beyond(&self, bytes_max: u64) -> Result<u64, LedgerError> {
        let enough = bytes_max - bytes_max / 10;
        let mut forgotten = 0;
        for state in ["sent", "dead"] {
            while self.bytes().await? > enough {
                let gone = self.forget_oldest(state).await?;
                if gone == 0 {
                    break;
                }
                forgotten += gone;
            }
        }
        Ok(forgotten)
    }

    async fn forget_oldest(&self, state: &str) -> Result<u64, LedgerError> {
        let failed = statement("forget the oldest notices");
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "DELETE FROM notices WHERE sequence IN (
                 SELECT sequence FROM notices WHERE state = ? ORDER BY sequence LIMIT ?)",
        )
        .bind(state)
        .bind(ROWS_AT_ONCE)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
        forget_resends(&mut tx).await.map_err(&failed)?;
        tx.commit().await.map_err(&failed)?;
        Ok(done.rows_affected())
    }
}
