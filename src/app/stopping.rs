//! How the engine ends: by a failure that it cannot survive, or in order.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use crate::api::Lifecycle;
use crate::app::App;

/// How long a shutdown waits for requests under way: a batch needs one sync of the disk. Who is still
/// sending a body sends it again to the next engine.
const REQUESTS_GRACE: Duration = Duration::from_secs(2);

impl App {
    /// Waits for a failure that the engine cannot survive, and tells it.
    pub async fn failure(&self) -> String {
        let mut failed = self.failed.clone();
        loop {
            if self.running.has_failed() {
                return "the journal has failed".to_owned();
            }
            if let Some(reason) = self.notifier.counts().ledger_end {
                return format!("mails cannot be sent: {reason}");
            }
            // A closed channel means the engine thread is gone, which the journal will show.
            let told = tokio::time::timeout(Duration::from_secs(1), failed.changed()).await;
            if let Some(reason) = failed.borrow().clone() {
                return reason;
            }
            if matches!(told, Ok(Err(_))) {
                return "the engine has stopped by itself".to_owned();
            }
        }
    }

    /// Stops in reverse order: no new requests, then the journal to its end, then what has been
    /// decided, the history, with the last checkpoint behind it, and the mails, within one deadline.
    ///
    /// # Errors
    /// The journal could not be closed in order, what was decided last could not be recorded, the last checkpoint
    /// not be written, or the history did not take all that waits for it; what was acknowledged is safe all the same,
    /// and the next start goes on from there.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.shutdown_deadline;
        let has_failed = self.failed.borrow().is_some();
        let failures = self.health().checkpoint_failures;
        self.health.set_lifecycle(Lifecycle::Stopping);
        let _ = self.stop_http.send(true);
        let grace = REQUESTS_GRACE.min(self.shutdown_deadline);
        if tokio::time::timeout(grace, self.http).await.is_err() {
            tracing::warn!("some requests did not end in time and are cut off");
        }
        let running = self.running;
        let (closed, scribe) = tokio::task::spawn_blocking(move || running.stop()).await?;
        let patience = deadline.saturating_duration_since(Instant::now());
        let recorded = self.recording.stop(patience);
        let written = tokio::task::spawn_blocking(move || drop(scribe));
        let mails = self.notifier.shutdown(patience);
        let (unrecorded, left, written) = tokio::join!(recorded, mails, written);
        let (left, ()) = (left?, written?);
        if left.queued > 0 {
            tracing::warn!(
                waiting = left.queued,
                "notices wait in the ledger for the next start"
            );
        }
        closed.context("the journal did not close in order")?;
        let reason = self.failed.borrow().clone();
        if let Some(reason) = reason.filter(|_| !has_failed) {
            return Err(anyhow!("{reason}: the next start decides it again"));
        }
        if self.health.now().checkpoint_failures > failures {
            return Err(anyhow!(
                "the last checkpoint could not be written: the next start goes on from the one before"
            ));
        }
        if unrecorded > 0 {
            return Err(anyhow!(
                "{unrecorded} rows are not in the history: the next start decides and records again what follows its checkpoint"
            ));
        }
        Ok(())
    }
}
