//! A new ledger in place of one that is lost or of no use.

use std::path::{Path, PathBuf};

use super::entry::{Fault, LedgerError};
use super::ledger::{Ledger, cause, signed, statement, unsigned};

impl Ledger {
    /// Begins a ledger in `data_dir` in place of one that is lost or of no use, which is set aside: whole or not
    /// at all. `decided_upto` is the newest epoch that counts as recorded; `begun_at`, the number of epochs that
    /// there were, stays readable as [`Ledger::begun_at`]. Answers what the ledger before is called now.
    ///
    /// # Errors
    /// [`LedgerError`]; there may be no ledger then, and never half a one.
    pub async fn begin_anew(
        data_dir: &Path,
        decided_upto: Option<u64>,
        begun_at: u64,
        now_ms: i64,
    ) -> Result<Option<PathBuf>, LedgerError> {
        let path = data_dir.join(Ledger::FILE);
        let io = |error: std::io::Error| LedgerError::Open {
            path: path.clone(),
            fault: match error.kind() {
                std::io::ErrorKind::StorageFull => Fault::Full,
                _ => Fault::Other,
            },
            source: cause(&error),
        };
        let making = data_dir.join("ledger.sqlite.making");
        for end in ["", "-wal", "-shm"] {
            let left = data_dir.join(format!("ledger.sqlite.making{end}"));
            match std::fs::remove_file(&left) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io(error));
                }
                _ => {}
            }
        }
        let ledger = Ledger::open_file(&making).await?;
        sqlx::query("INSERT INTO meta (name, value) VALUES ('begun_at', ?)")
            .bind(signed("epoch", begun_at)?)
            .execute(&ledger.pool)
            .await
            .map_err(statement("begin anew"))?;
        if let Some(upto) = decided_upto {
            ledger.record(upto, &[]).await?;
        }
        // Folds the log into the file, so that one file is all of it.
        ledger.close().await;
        std::fs::File::open(&making)
            .and_then(|file| file.sync_all())
            .map_err(io)?;
        let mut aside = None;
        for end in ["", "-wal", "-shm"] {
            let from = data_dir.join(format!("{}{end}", Ledger::FILE));
            let to = data_dir.join(format!("ledger.aside-{now_ms}.sqlite{end}"));
            if from.exists() {
                std::fs::rename(&from, &to).map_err(io)?;
                aside.get_or_insert(to);
            }
        }
        std::fs::rename(&making, &path)
            .and_then(|()| std::fs::File::open(data_dir)?.sync_all())
            .map_err(io)?;
        Ok(aside)
    }

    /// How many epochs there were when it was begun in place of another; none if it was not.
    pub async fn begun_at(&self) -> Result<Option<u64>, LedgerError> {
        let value: Option<i64> =
            sqlx::query_scalar("SELECT value FROM meta WHERE name = 'begun_at'")
                .fetch_optional(&self.pool)
                .await
                .map_err(statement("read begun_at"))?;
        value.map(|value| unsigned("epoch", value)).transpose()
    }
}
