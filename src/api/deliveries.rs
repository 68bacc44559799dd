//! The delivery ledger as operators see it: rows to read, and dead letters to send again.

use std::sync::Arc;

use crate::store::{DeadLetters, Ledger, LedgerError, Resent, ResentAll};

/// All that the routes need of the mail room.
#[derive(Clone)]
pub struct Deliveries {
    /// What was decided to be told, and how far it has come.
    pub ledger: Ledger,
    /// Lets the mail room look at the ledger now.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    /// Tells the mail room that the ledger failed here: it may be for good.
    pub failed: Arc<dyn Fn(&LedgerError) + Send + Sync>,
}

impl Deliveries {
    /// Sends a dead letter again; who wished that and why is kept with it.
    ///
    /// # Errors
    /// The ledger failed: nothing was changed.
    pub async fn resend(
        &self,
        id: &str,
        actor: &str,
        why: Option<&str>,
    ) -> Result<Resent, LedgerError> {
        let now_ms = crate::time::now_ms();
        let resent = self.ledger.resend(id, actor, why, now_ms).await;
        let resent = resent.inspect_err(|failure| (self.failed)(failure))?;
        tracing::info!(notice.id = id, actor, why, outcome = ?resent, "resend of a notice asked for");
        (self.wake)();
        Ok(resent)
    }

    /// Sends the oldest dead letters that a filter lets through again.
    ///
    /// # Errors
    /// The ledger failed: nothing was changed.
    pub async fn resend_all(
        &self,
        wanted: &DeadLetters,
        actor: &str,
        why: Option<&str>,
    ) -> Result<ResentAll, LedgerError> {
        let now_ms = crate::time::now_ms();
        let resent = self.ledger.resend_all(wanted, actor, why, now_ms).await;
        let resent = resent.inspect_err(|failure| (self.failed)(failure))?;
        tracing::info!(
            resent = resent.dead_letters,
            mails = resent.mails,
            left = resent.left,
            actor,
            why,
            "resend of dead letters asked for"
        );
        (self.wake)();
        Ok(resent)
    }
}
