//! The bodies that may be under way, together: how many, and their memory. What does not fit is refused at
//! once: a body that waited half-read would hold what the others need to finish. Nobody keeps the others
//! out by sending many, or slowly: see [`Shares`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ingest::IngestError;
use crate::journal::{Amount, Holder, NoMore, Shares};
use crate::metrics::EdgeLimit;

/// Room for all bodies under way.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    shares: Arc<Mutex<Shares>>,
}

/// A body's part; given back on drop.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Budget,
    holder: Holder,
    held: Amount,
}

impl Budget {
    /// A budget of so much.
    pub(super) fn new(limit: Amount) -> Budget {
        Budget {
            shares: Arc::new(Mutex::new(Shares::new(limit))),
        }
    }

    /// Room for one more body, which has no bytes yet.
    pub(super) fn lease(&self, holder: Holder) -> Result<Lease, IngestError> {
        let held = Amount::request(0);
        let mut shares = self.shares();
        let taken = shares.take(&holder, held);
        taken.map_err(|no_more| refused(no_more, &shares, EdgeLimit::InFlightRequests))?;
        Ok(Lease {
            budget: self.clone(),
            holder,
            held,
        })
    }

    /// What is held now.
    pub(super) fn used(&self) -> Amount {
        self.shares().total()
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        // Whole between any two statements, so a panic elsewhere does not spoil it.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Takes more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), IngestError> {
        let more = Amount::bytes(bytes);
        let mut shares = self.budget.shares();
        let taken = shares.grow(&self.holder, self.held, more);
        taken.map_err(|no_more| refused(no_more, &shares, EdgeLimit::InFlightBytes))?;
        self.held = self.held.plus(more);
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.shares().give_back(&self.holder, self.held);
    }
}

fn refused(no_more: NoMore, shares: &Shares, limit: EdgeLimit) -> IngestError {
    match no_more {
        NoMore::Full => {
            let Amount { requests, bytes } = shares.total();
            IngestError::Crowded {
                requests,
                bytes,
                limit,
            }
        }
        NoMore::Share(Amount { requests, bytes }) => IngestError::Share {
            requests,
            bytes,
            limit,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(requests: usize, bytes: usize) -> Budget {
        Budget::new(Amount { requests, bytes })
    }

    #[test]
    fn what_is_held_comes_back_and_no_more_than_all_is_given() {
        let budget = budget(10, 100);
        let lease = || budget.lease(Holder::Peer(None));
        let mut one = budget.lease(Holder::Producer("one".into())).unwrap();
        one.grow(60).unwrap();
        one.grow(20).unwrap();
        assert_eq!(budget.used().bytes, 80);
        let refused = lease().unwrap().grow(30).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "2 bodies of 80 bytes are under way, as many as may be: come back in a second"
        );
        drop(one);
        assert_eq!(budget.used(), Amount::default());
        lease().unwrap().grow(100).unwrap();
    }

    #[test]
    fn one_sender_of_many_bodies_leaves_room_for_the_others() {
        let budget = budget(10, 1_000);
        let flood = Holder::Producer("flood".into());
        let mut held = Vec::new();
        let refused = loop {
            match budget.lease(flood.clone()) {
                Ok(lease) => held.push(lease),
                Err(refused) => break refused,
            }
        };
        assert_eq!(held.len(), 5);
        assert_eq!(
            refused.to_string(),
            "many bodies are under way, and this producer's fair share is used up: 5 bodies of 0 \
             bytes are its own; come back in a second"
        );
        budget.lease(Holder::Peer(None)).unwrap().grow(900).unwrap();
        drop(held);
        budget.lease(flood).unwrap();
    }
}
