//! What waits for the history, for threads that wait for it: whoever writes checkpoints, and the engine while it reads the
//! journal back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Counters;

/// Between two looks whether there is still a reason to wait.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Everything that was handed to the history up to a moment, by its number; nothing where some of it was left out just
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) struct Mark(pub(super) Option<u64>);

/// How far the history is with what it was handed. Clones are the same.
#[derive(Clone)]
pub(in crate::app) struct Backlog {
    runtime: Handle,
    /// How many epochs it is done with; closed when nobody writes any more.
    done: watch::Receiver<u64>,
    counters: Arc<Counters>,
}

impl Backlog {
    /// Must be called within the runtime.
    pub(super) fn new(done: watch::Receiver<u64>, counters: Arc<Counters>) -> Backlog {
        Backlog {
            runtime: Handle::current(),
            done,
            counters,
        }
    }

    /// Waits until the history has all up to a mark: for so long, and beyond that as long as `goes_on` says so. Not at all for
    /// what it will never have. Where no row waits in the end, nothing is missing that it could have.
    pub(in crate::app) fn has_taken(
        &self,
        mark: Mark,
        patience: Duration,
        goes_on: impl Fn() -> bool,
    ) -> bool {
        let Mark(Some(upto)) = mark else {
            return false;
        };
        let begun = Instant::now();
        while !self.is_past(upto) {
            if begun.elapsed() >= patience && !goes_on() {
                break;
            }
            if !self.look(upto) {
                break;
            }
        }
        self.is_past(upto) || self.counters.waiting.load(Ordering::Relaxed) == 0
    }

    /// Waits until it is done with anything more than that; false where that is not within so long, or `goes_on` ends it.
    pub(super) fn moves(&self, done: u64, patience: Duration, goes_on: impl Fn() -> bool) -> bool {
        let next = done + 1;
        let begun = Instant::now();
        while !self.is_past(next) {
            if begun.elapsed() >= patience || !goes_on() || !self.look(next) {
                return false;
            }
        }
        true
    }

    fn is_past(&self, upto: u64) -> bool {
        self.done() >= upto
    }

    /// The number of the last thing that it is done with.
    pub(super) fn done(&self) -> u64 {
        *self.done.borrow()
    }

    /// Waits for a moment; false once nobody writes any more.
    fn look(&self, upto: u64) -> bool {
        let mut done = self.done.clone();
        let waiting = async {
            let past = done.wait_for(|done| *done >= upto);
            // Time that is over is no end.
            tokio::time::timeout(LOOK_EVERY, past)
                .await
                .map_or(true, |past| past.is_ok())
        };
        self.runtime.block_on(waiting)
    }
}
