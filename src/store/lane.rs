//! Lanes: whose notices are sent side by side with the others', so that a receiver that hangs holds up nobody
//! but itself.

use sqlx::{AssertSqlSafe, Row};

use super::entry::{Due, LedgerError};
use super::ledger::{Ledger, statement};

/// Part of what waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What is for one recipient.
    Of(String),
    /// What is for anybody but these.
    Besides(Vec<String>),
}

impl Lane {
    /// Everything.
    pub const ALL: Lane = Lane::Besides(Vec::new());

    /// A statement for this lane, whose first value are the [`Lane::names`].
    fn choose(&self, statement: &str) -> AssertSqlSafe<String> {
        let which = match self {
            Lane::Of(_) => "recipient IN (SELECT value FROM json_each(?))",
            Lane::Besides(_) => "recipient NOT IN (SELECT value FROM json_each(?))",
        };
        AssertSqlSafe(statement.replace("{lane}", which))
    }

    fn names(&self) -> String {
        match self {
            Lane::Of(name) => serde_json::json!([name]),
            Lane::Besides(names) => serde_json::json!(names),
        }
        .to_string()
    }
}

impl Ledger {
    /// Notices whose time has come, the most urgent first, then the oldest decision; at most `limit`.
    pub async fn due(&self, now_ms: i64, limit: u32, lane: &Lane) -> Result<Vec<Due>, LedgerError> {
        let rows = sqlx::query(lane.choose(
            "SELECT id, incident, reason, recipient, urgency, message_id, notice, eml, attempts
             FROM sendable WHERE {lane} AND next_attempt_at_ms <= ?
             ORDER BY urgency DESC, sequence LIMIT ?",
        ))
        .bind(lane.names())
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
                urgency: row.get("urgency"),
                message_id: row.get("message_id"),
                notice: row.get("notice"),
                eml: row.get("eml"),
                attempts: row.get("attempts"),
            })
            .collect())
    }

    /// The earliest time at which [`Ledger::due`] will have something, ms.
    pub async fn next_due_at_ms(&self, lane: &Lane) -> Result<Option<i64>, LedgerError> {
        let first = "SELECT min(next_attempt_at_ms) FROM sendable WHERE {lane}";
        sqlx::query_scalar(lane.choose(first))
            .bind(lane.names())
            .fetch_one(&self.pool)
            .await
            .map_err(statement("read the next due time"))
    }

    /// Puts attempts that a crash left open back in the queue, and says how many. Their mail may have
    /// gone out: the second copy carries the same Message-ID, and that is all SMTP allows.
    pub async fn requeue(&self, lane: &Lane) -> Result<u64, LedgerError> {
        let done = sqlx::query(lane.choose(
            "UPDATE notices SET state = 'queued', next_attempt_at_ms = 0,
                    last_error = 'the engine stopped during an attempt'
             WHERE {lane} AND state = 'sending'",
        ))
        .bind(lane.names())
        .execute(&self.pool)
        .await
        .map_err(statement("requeue open attempts"))?;
        Ok(done.rows_affected())
    }

    /// The recipient for whom most waits that a digest could tell, and the oldest notice of that; none while no
    /// more than `queued_max` wait in all. A group is one that waits.
    pub async fn crowd(&self, queued_max: u64) -> Result<Option<(String, String)>, LedgerError> {
        let row = sqlx::query(
            "SELECT recipient, min(sequence), id FROM notices
             WHERE state = 'queued' AND digest IS NULL AND eml IS NULL
               AND reason NOT IN ('digest', 'report', 'webhook')
               AND (SELECT count(*) FROM notices
                    WHERE state = 'queued' AND digest IS NULL AND reason <> 'digest') > ?
             GROUP BY recipient COLLATE NOCASE ORDER BY count(*) DESC, recipient LIMIT 1",
        )
        .bind(i64::try_from(queued_max).unwrap_or(i64::MAX))
        .fetch_optional(&self.pool)
        .await
        .map_err(statement("look for the recipient of most notices"))?;
        Ok(row.map(|row| (row.get("recipient"), row.get("id"))))
    }
}
