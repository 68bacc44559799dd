//! How many questions wait for the workers: whoever gave up waiting has left his in their mailboxes.
//!
//! Policy: beyond the limit a question is not asked, and counted; it reads as one that was not answered in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Questions that wait; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    waiting: AtomicUsize,
    waiting_max: usize,
    refused: AtomicU64,
}

/// A question that waits, until every worker has dropped it.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Inner>);

impl Asked {
    pub(super) fn new(waiting_max: usize) -> Asked {
        let inner = Inner {
            waiting: AtomicUsize::new(0),
            waiting_max,
            refused: AtomicU64::new(0),
        };
        Asked {
            inner: Arc::new(inner),
        }
    }

    /// A place for one more; none if there is none.
    pub(super) fn place(&self) -> Option<Arc<Waiting>> {
        let taken = self.inner.waiting.fetch_add(1, Ordering::AcqRel);
        // Gives the place back when it is dropped.
        let waiting = Waiting(Arc::clone(&self.inner));
        if taken >= self.inner.waiting_max {
            self.inner.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Arc::new(waiting))
    }

    /// How many wait, may wait, and were not asked.
    pub(super) fn bound(&self) -> (u64, u64, u64) {
        (
            self.inner.waiting.load(Ordering::Relaxed) as u64,
            self.inner.waiting_max as u64,
            self.inner.refused.load(Ordering::Relaxed),
        )
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_when_all_workers_are_done() {
        let asked = Asked::new(2);
        let first = asked.place().unwrap();
        let of_a_worker = Arc::clone(&first);
        let _second = asked.place().unwrap();
        assert!(asked.place().is_none());
        drop(first);
        assert!(asked.place().is_none(), "a worker has it still");
        assert_eq!(asked.bound(), (2, 2, 2));
        drop(of_a_worker);
        assert!(asked.place().is_some());
    }
}
