//! What is handed to the journal, and its bytes: made by whoever submits, before the journal's one thread takes it.

use std::net::IpAddr;
use std::sync::Arc;

use super::error::JournalError;
use super::record::{self, Encoded, Record};
use super::shares::Holder;

/// What a producer hands in: a record, and what it has already worked out about it.
#[derive(Debug, Clone)]
pub struct Submit<A> {
    /// What is journaled.
    pub record: Record,
    /// Travels with the record to the next stage but is not journaled: after a restart it is
    /// `A::default()`, and the next stage works it out again.
    pub attachment: A,
}

/// A submission with its bytes made.
pub struct Prepared<A> {
    pub(super) record: Arc<Record>,
    pub(super) encoded: Encoded,
    pub(super) attachment: A,
    peer: Option<IpAddr>,
}

impl<A> Prepared<A> {
    /// Who is held to account for new names: the token, or else the address.
    pub(super) fn holder(&self) -> Holder {
        match &*self.record {
            Record::Batch {
                sender: Some(sender),
                ..
            } => Holder::Token(sender.as_str().into()),
            _ => Holder::Peer(self.peer),
        }
    }

    /// The same, as it came from an address.
    #[must_use]
    pub fn coming_from(self, peer: Option<IpAddr>) -> Prepared<A> {
        Prepared { peer, ..self }
    }
}

impl<A> Submit<A> {
    /// Compresses and encodes the record: the dear part, best done on the submitting thread.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`].
    pub fn prepare(self, record_bytes_max: usize) -> Result<Prepared<A>, JournalError> {
        let encoded = record::encode(&self.record, record_bytes_max)?;
        Ok(Prepared {
            record: Arc::new(self.record),
            encoded,
            attachment: self.attachment,
            peer: None,
        })
    }
}
