//! Makes due notices into messages, beside the threads that serve IO.

use std::sync::Arc;

use super::counters::{Counters, add};
use super::email::{Composer, Message};
use crate::store::{DEMANDS, DIGEST, Due, Ledger, LedgerError, Members, REPORT, WEBHOOK};

/// Notices that a digest lists; it says how many more it tells. Judgement: what a person still reads, and
/// well under the 100 KB at which mail programs cut.
const DIGEST_ROWS_MAX: u32 = 100;

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
    ledger: &Ledger,
    counters: &Counters,
    due: Vec<Due>,
) -> Result<Vec<Composed>, LedgerError> {
    let mut begun = Vec::with_capacity(due.len());
    for mut due in due {
        let composing = match &due.eml {
            Some(_) => None,
            None => {
                let what = what_to_compose(ledger, &mut due).await?;
                let (message_id, composer) = (due.message_id.clone(), Arc::clone(composer));
                Some(tokio::task::spawn_blocking(move || match what {
                    What::Notice(notice) => composer.compose(&message_id, &notice),
                    What::Report(report) => composer.compose_report(&message_id, &report),
                    What::Hook(body) => Ok(Message {
                        subject: WEBHOOK.to_owned(),
                        eml: body,
                    }),
                    What::Digest(members) => composer.compose_digest(&message_id, &members),
                    What::Demands(members) => composer.compose_demands(&message_id, &members),
                }))
            }
        };
        begun.push((due, composing));
    }
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
    Ok(composed)
}

/// What a message is made of.
enum What {
    Notice(Vec<u8>),
    Report(Vec<u8>),
    Hook(Vec<u8>),
    Digest(Members),
    Demands(Members),
}

async fn what_to_compose(ledger: &Ledger, due: &mut Due) -> Result<What, LedgerError> {
    if [DIGEST, DEMANDS].contains(&due.reason.as_str()) {
        let members = ledger.members(&due.id, DIGEST_ROWS_MAX).await?;
        return Ok(match due.reason == DIGEST {
            true => What::Digest(members),
            false => What::Demands(members),
        });
    }
    let stored = std::mem::take(&mut due.notice);
    Ok(match due.reason.as_str() {
        REPORT => What::Report(stored),
        WEBHOOK => What::Hook(stored),
        _ => What::Notice(stored),
    })
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
