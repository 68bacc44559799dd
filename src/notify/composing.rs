//! Makes due notices into messages, beside the threads that serve IO.

use std::sync::Arc;

use super::counters::{Counters, add};
use super::email::{Composer, Message};
use crate::store::Due;

/// A due notice and what it became.
pub(super) struct Composed {
    pub(super) due: Due,
    pub(super) made: Made,
}

/// What became of a due notice.
pub(super) enum Made {
    /// Its message is in the ledger since an earlier attempt.
    Before(Vec<u8>),
    /// Its message is new.
    Now(Message),
    /// It cannot be a message, and why.
    Refused(String),
}

/// Composes those that have no message yet, side by side: no more at a time than are given. One that
/// the end of the runtime cuts off is left out, and waits in the ledger as it did.
pub(super) async fn compose(
    composer: &Arc<Composer>,
    counters: &Counters,
    due: Vec<Due>,
) -> Vec<Composed> {
    let begun: Vec<_> = due
        .into_iter()
        .map(|mut due| {
            let (message_id, notice) = (due.message_id.clone(), std::mem::take(&mut due.notice));
            let composing = due.eml.is_none().then(|| {
                let composer = Arc::clone(composer);
                tokio::task::spawn_blocking(move || composer.compose(&message_id, &notice))
            });
            (due, composing)
        })
        .collect();
    let mut composed = Vec::with_capacity(begun.len());
    for (mut due, composing) in begun {
        let made = match composing {
            None => Made::Before(due.eml.take().unwrap_or_default()),
            Some(composing) => match composing.await {
                Ok(Ok(message)) => {
                    add(&counters.composed, 1);
                    Made::Now(message)
                }
                Ok(Err(error)) => Made::Refused(with_cause(&error)),
                // A mistake of this program: without an end it would be tried for ever, at once.
                Err(error) if error.is_panic() => {
                    Made::Refused("composing the mail ended in a panic".to_owned())
                }
                Err(_) => continue,
            },
        };
        composed.push(Composed { due, made });
    }
    composed
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
