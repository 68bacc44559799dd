//! What the HTTP side gets of the mail room: the ledger to look at, and its counts.

use std::sync::Arc;

use crate::api::Deliveries;
use crate::metrics::{NotifyCounts, NotifySource};
use crate::notify::Notifier;
use crate::store::Ledger;

/// The ledger for operators.
pub(super) fn deliveries(ledger: Ledger, notifier: &Arc<Notifier>) -> Deliveries {
    let (wakes, ends) = (Arc::clone(notifier), Arc::clone(notifier));
    Deliveries {
        ledger,
        wake: Arc::new(move || wakes.wake()),
        failed: Arc::new(move |failure| ends.note_failure(failure)),
    }
}

/// The counts for metrics and the page.
pub(super) fn counts(notifier: &Arc<Notifier>) -> NotifySource {
    let notifier = Arc::clone(notifier);
    Box::new(move || {
        let counts = notifier.counts();
        let single: u64 = counts.sent.iter().map(|(_, count)| count).sum();
        NotifyCounts {
            queued: counts.waiting,
            dead_letters: counts.dead_letters,
            sent: single + counts.digests + counts.groups + counts.reports,
            failed: counts.failed,
            dead: counts.dead + counts.refused,
            shed: counts.shed,
            digests: counts.digests,
            groups: counts.groups,
            folded: counts.folded,
            held: counts.held,
            exhausted: counts.exhausted,
            in_flight: counts.in_flight,
            rounds_full: counts.rounds_full,
            minute_most: counts.minute_most,
            webhooks: counts.webhooks,
            ledger_failures: counts.ledger_failures,
            ledger_bytes: counts.ledger_bytes,
            ledger_forgotten: counts.ledger_forgotten,
        }
    })
}
