//! How large the history is, and what goes first when a file of our own is too large.

use sqlx::{AssertSqlSafe, Row};

use super::{History, HistoryError, TABLES, statement};

impl History {
    /// Its size, bytes, without pages that are free and will be used again; indexes count.
    ///
    /// # Errors
    /// [`HistoryError::Statement`]
    pub async fn bytes(&self) -> Result<u64, HistoryError> {
        let sql = if self.is_sqlite {
            "SELECT (page_count - freelist_count) * page_size
             FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
                .to_owned()
        } else {
            let sizes = TABLES.map(|table| format!("pg_total_relation_size('{}')", table.name));
            format!("SELECT CAST({} AS BIGINT)", sizes.join(" + "))
        };
        let row = sqlx::query(AssertSqlSafe(sql))
            .fetch_one(&self.pool)
            .await
            .map_err(statement("read"))?;
        let bytes: i64 = row.try_get(0).map_err(statement("read"))?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// Lets the rows of the oldest epochs go until a file of our own is no larger than `bytes_max`, and says how
    /// many went. A database server is bounded by whoever keeps it.
    ///
    /// # Errors
    /// [`HistoryError::Statement`]
    pub async fn forget_beyond(&self, bytes_max: u64) -> Result<u64, HistoryError> {
        let mut forgotten = 0;
        while self.is_sqlite && self.bytes().await? > bytes_max {
            let gone = self.forget_oldest().await?;
            if gone == 0 {
                break;
            }
            forgotten += gone;
        }
        Ok(forgotten)
    }

    /// Lets a twentieth of the epochs go that there are.
    async fn forget_oldest(&self) -> Result<u64, HistoryError> {
        let failed = statement("shorten");
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for table in TABLES {
            let sql = format!("SELECT min(epoch), max(epoch) FROM {}", table.name);
            let row = sqlx::query(AssertSqlSafe(sql))
                .fetch_one(&self.pool)
                .await
                .map_err(&failed)?;
            let (min, max): (Option<i64>, Option<i64>) = (
                row.try_get(0).map_err(&failed)?,
                row.try_get(1).map_err(&failed)?,
            );
            first = first.min(min.unwrap_or(i64::MAX));
            last = last.max(max.unwrap_or(i64::MIN));
        }
        if first >= last {
            // The newest epoch stays, however large.
            return Ok(0);
        }
        let below = first + ((last - first) / 20).max(1);
        let mut tx = self.pool.begin().await.map_err(&failed)?;
        let mut gone = 0;
        for table in TABLES {
            let sql = format!("DELETE FROM {} WHERE epoch < $1", table.name);
            let done = sqlx::query(AssertSqlSafe(sql))
                .bind(below)
                .execute(&mut *tx)
                .await
                .map_err(&failed)?;
            gone += done.rows_affected();
        }
        tx.commit().await.map_err(&failed)?;
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Filter, History, NOTICES};

    #[tokio::test]
    async fn the_oldest_epochs_go_when_the_file_is_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::in_folder(folder.path()).await.unwrap();
        let empty = history.bytes().await.unwrap();
        for epoch in 0..100u64 {
            let thread = "x".repeat(2_000);
            let row = NOTICES.row([
                ("id", format!("n{epoch}").as_str().into()),
                ("at_ms", (epoch as i64).into()),
                ("thread", thread.as_str().into()),
                ("revision", 1.into()),
                ("reason", "first".into()),
                ("recipient", "a@b.c".into()),
                ("alert", "a".into()),
                ("severity", "major".into()),
            ]);
            history.record(epoch, &[row]).await.unwrap();
        }
        let full = history.bytes().await.unwrap();
        assert!(full > empty + 200_000, "{empty} {full}");
        assert_eq!(history.forget_beyond(full).await.unwrap(), 0);
        let bound = empty + 100_000;
        let gone = history.forget_beyond(bound).await.unwrap();
        assert!((40..80).contains(&gone), "{gone}");
        assert!(history.bytes().await.unwrap() <= bound);
        let filter = Filter {
            limit: 1_000,
            ..Filter::default()
        };
        let rows = history.read(&NOTICES, &filter).await.unwrap().rows;
        assert_eq!(rows.len() as u64, 100 - gone);
        assert!(rows.iter().any(|row| row["id"] == "n99"));
        // However little there may be, the newest stays.
        history.forget_beyond(1).await.unwrap();
        assert_eq!(history.told_upto().await.unwrap(), Some(99));
    }
}
