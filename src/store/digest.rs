//! Digests and groups: one mail that tells many notices of one recipient.
//!
//! What is over a recipient's cap is told by a digest; when it is formed depends on when mails are due. What one decision
//! made of several triggers is told by a group, which is recorded with it.
//!
//! Invariants:
//! * a notice is in one digest at most, and only before it has become a message of its own;
//! * a digest takes notices until its message is made; from then on its bytes stay;
//! * its notices end with it: sent when it is sent, dead letters when it is one;
//! * in one thread nothing overtakes what a digest or a group tells;
//! * a group is there while it tells something: one that is over the cap before its message is made becomes part of the
//!   digest, and there is no group any more.

use std::collections::BTreeMap;

use sqlx::{Row, Sqlite, Transaction};

use super::entry::{DEMANDS, DIGEST, Entry, Fold, LedgerError, Members};
use super::ledger::{Ledger, statement, unsigned};

/// Comes before every notice of its recipient: it has waited already.
const DIGEST_URGENCY: u8 = u8::MAX;

impl Ledger {
    /// Puts what waits for a recipient into its open digest, or into a new one, durably when it
    /// returns; says how many. None, without a change, if the new one's identity was used before.
    pub async fn fold(&self, fold: &Fold<'_>) -> Result<Option<u64>, LedgerError> {
        let failed = statement("fold notices into a digest");
        let mut tx = self.begin().await?;
        let open: Option<String> = sqlx::query_scalar(
            "SELECT id FROM notices
             WHERE recipient = ? COLLATE NOCASE AND reason = 'digest' AND state = 'queued'
               AND eml IS NULL
             ORDER BY sequence LIMIT 1",
        )
        .bind(fold.recipient)
        .fetch_optional(&mut *tx)
        .await
        .map_err(&failed)?;
        let (id, is_new) = match open {
            Some(id) => (id, false),
            None => (fold.id.to_owned(), true),
        };
        if is_new && !insert(&mut tx, fold).await.map_err(&failed)? {
            return Ok(None);
        }
        let mut folded = 0;
        loop {
            // A later notice of a thread can follow only once the earlier one is in.
            let more = join(&mut tx, &id, fold).await.map_err(&failed)?;
            folded += more;
            if more == 0 {
                break;
            }
        }
        if folded == 0 {
            // Dropped: a digest of nothing must not stay.
            return Ok(Some(0));
        }
        sqlx::query(
            "DELETE FROM notices
             WHERE recipient = ? COLLATE NOCASE AND reason = 'demands' AND state = 'queued' AND eml IS NULL
               AND NOT EXISTS (SELECT 1 FROM notices AS told
                               WHERE told.digest = notices.id AND told.state = 'queued')",
        )
        .bind(fold.recipient)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
        tx.commit().await.map_err(&failed)?;
        Ok(Some(folded))
    }

    /// The notices that a digest or a group tells, the most urgent first, at most `limit`.
    pub async fn members(&self, digest: &str, limit: u32) -> Result<Members, LedgerError> {
        let failed = statement("read the notices of a digest");
        let row = sqlx::query(
            "SELECT count(*) AS total, coalesce(max(decided_at_ms), 0) AS newest FROM notices
             WHERE digest = ? AND state = 'queued'",
        )
        .bind(digest)
        .fetch_one(&self.pool)
        .await
        .map_err(&failed)?;
        let notices = sqlx::query_scalar(
            "SELECT notice FROM notices WHERE digest = ? AND state = 'queued'
             ORDER BY urgency DESC, sequence LIMIT ?",
        )
        .bind(digest)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(&failed)?;
        Ok(Members {
            notices,
            total: unsigned("count", row.get("total"))?,
            newest_at_ms: row.get("newest"),
        })
    }
}

async fn insert(tx: &mut Transaction<'static, Sqlite>, fold: &Fold<'_>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO notices (id, incident, revision, reason, recipient, message_id, notice, state,
                              decided_at_ms, next_attempt_at_ms, urgency)
         VALUES (?1, ?1, 1, ?2, ?3, ?4, x'', 'queued', ?5, ?6, ?7)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(fold.id)
    .bind(DIGEST)
    .bind(fold.recipient)
    .bind(fold.message_id)
    .bind(fold.now_ms)
    .bind(fold.until_ms)
    .bind(DIGEST_URGENCY)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn join(
    tx: &mut Transaction<'static, Sqlite>,
    digest: &str,
    fold: &Fold<'_>,
) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "UPDATE notices SET digest = ?1
         WHERE state = 'queued' AND eml IS NULL
           AND (digest IS NULL OR digest IN (
             SELECT open.id FROM notices AS open
             WHERE open.recipient = ?2 COLLATE NOCASE AND open.reason = 'demands'
               AND open.state = 'queued' AND open.eml IS NULL AND open.urgency <= ?4))
           AND reason NOT IN ('digest', 'report', 'demands')
           AND recipient = ?2 COLLATE NOCASE AND next_attempt_at_ms <= ?3 AND urgency <= ?4
           AND NOT EXISTS (
             SELECT 1 FROM notices AS earlier
             WHERE earlier.incident = notices.incident AND earlier.recipient = notices.recipient
               AND earlier.revision < notices.revision AND earlier.state IN ('queued', 'sending')
               AND earlier.digest IS NOT ?1)",
    )
    .bind(digest)
    .bind(fold.recipient)
    .bind(fold.now_ms)
    .bind(fold.urgency_max)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// The groups of an epoch that is being recorded, with what is new of each.
#[derive(Debug, Default)]
pub(super) struct Groups<'a>(BTreeMap<&'a str, u64>);

impl<'a> Groups<'a> {
    /// The group that will tell a notice. None where it was recorded before: it may be sent already, and what it did not
    /// tell then is told alone.
    pub(super) fn of(&self, entry: &'a Entry) -> Option<&'a str> {
        let digest = entry.digest.as_deref();
        digest.filter(|digest| self.0.contains_key(digest))
    }

    /// Takes note of a row that was inserted, or was there, and says how many notices are new by it.
    pub(super) fn count(&mut self, entry: &'a Entry, inserted: u64) -> u64 {
        if entry.reason == DEMANDS {
            if inserted > 0 {
                self.0.insert(&entry.id, 0);
            }
            return 0;
        }
        let told = entry.digest.as_deref();
        if let Some(told) = told.and_then(|digest| self.0.get_mut(digest)) {
            *told += inserted;
        }
        inserted
    }

    /// Takes out those that tell nothing, because all of it was recorded before.
    pub(super) async fn drop_empty(
        self,
        tx: &mut Transaction<'static, Sqlite>,
    ) -> sqlx::Result<()> {
        for (id, _) in self.0.into_iter().filter(|(_, told)| *told == 0) {
            sqlx::query("DELETE FROM notices WHERE id = ?")
                .bind(id)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }
}

/// What becomes of a mail becomes of the notices that it tells, if it is a digest or a group.
pub(super) async fn settle_members(
    tx: &mut Transaction<'static, Sqlite>,
    digest: &str,
    state: &str,
    now_ms: i64,
    error: Option<&str>,
    failure: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE notices SET state = ?, settled_at_ms = ?, last_error = ?, failure = ?
         WHERE digest = ? AND state = 'queued'",
    )
    .bind(state)
    .bind(now_ms)
    .bind(error)
    .bind(failure)
    .bind(digest)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
