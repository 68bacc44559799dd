//! The memory that bodies under way may use, together. What does not fit is refused at once: a body
//! that waited half-read would hold what the others need to finish.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ingest::IngestError;

/// Bytes for all bodies under way.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: Arc<Semaphore>,
    bytes_max: usize,
}

/// A body's share; given back on drop.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of so many bytes.
    pub(super) fn new(bytes_max: usize) -> Budget {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS);
        Budget {
            left: Arc::new(Semaphore::new(bytes_max)),
            bytes_max,
        }
    }

    /// An empty share.
    pub(super) fn lease(&self) -> Lease {
        Lease {
            budget: self.clone(),
            held: None,
        }
    }

    /// Bytes held now.
    pub(super) fn used(&self) -> usize {
        self.bytes_max.saturating_sub(self.left.available_permits())
    }
}

impl Lease {
    /// Takes more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), IngestError> {
        let crowded = || IngestError::Crowded {
            bytes: self.budget.used(),
        };
        let wanted = u32::try_from(bytes).map_err(|_| crowded())?;
        let more = Arc::clone(&self.budget.left)
            .try_acquire_many_owned(wanted)
            .map_err(|_| crowded())?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back_and_no_more_than_all_is_given() {
        let budget = Budget::new(100);
        let mut one = budget.lease();
        one.grow(60).unwrap();
        one.grow(20).unwrap();
        assert_eq!(budget.used(), 80);
        let refused = budget.lease().grow(30).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "bodies of 80 bytes are under way, as many as may be: come back in a second"
        );
        drop(one);
        assert_eq!(budget.used(), 0);
        budget.lease().grow(100).unwrap();
    }
}
