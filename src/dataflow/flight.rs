//! How many epochs are under way between the feed and the cuts.
//!
//! Policy: beyond the limit the next waits, which is counted; behind it the journal's queue fills, and in the end the
//! producers are told to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of the epochs under way; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Flight(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: u64,
    begun: AtomicU64,
    waited: AtomicU64,
}

impl Flight {
    pub(super) fn new(max: usize) -> Flight {
        Flight(Arc::new(Inner {
            max: max as u64,
            begun: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        }))
    }

    /// An epoch is to be handed over.
    pub(super) fn begins(&self) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// It found no room, and waits.
    pub(super) fn waits(&self) {
        self.0.waited.fetch_add(1, Ordering::Relaxed);
    }

    /// One that had begun made room for the next.
    pub(super) fn ends(&self) {
        self.0.begun.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are under way, may be, and had to wait.
    pub(super) fn bound(&self) -> (u64, u64, u64) {
        // One that waits is not under way yet.
        let held = self.0.begun.load(Ordering::Relaxed).min(self.0.max);
        (held, self.0.max, self.0.waited.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_not_under_way() {
        let flight = Flight::new(2);
        let told = flight.clone();
        flight.begins();
        assert_eq!(told.bound(), (1, 2, 0));
        flight.begins();
        flight.begins();
        flight.waits();
        assert_eq!(told.bound(), (2, 2, 1));
        told.ends();
        told.ends();
        told.ends();
        assert_eq!(flight.bound(), (0, 2, 1));
    }
}
