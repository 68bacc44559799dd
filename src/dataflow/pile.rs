//! The work of one epoch: any worker takes the next piece as soon as it has time for it.
//!
//! Shared out in advance, an epoch would wait for the worker that the machine's other threads slow down.
//! Results do not depend on who takes what.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::dataflow::run::Work;

/// Where work is laid down. The epoch's work is complete when it is dropped.
pub struct Pile(SyncSender<Work>);

/// Where workers take it from.
#[derive(Clone)]
pub(super) struct Supply(Arc<Mutex<Receiver<Work>>>);

impl Pile {
    /// A pile that holds so many pieces at a time, and its other side.
    pub(super) fn new(ahead_max: usize) -> (Pile, Supply) {
        let (add, take) = sync_channel(ahead_max.max(1));
        (Pile(add), Supply(Arc::new(Mutex::new(take))))
    }

    /// Lays a piece down; waits while there are as many as it holds. False when no worker is left.
    pub fn add(&self, work: Work) -> bool {
        self.0.send(work).is_ok()
    }
}

impl Supply {
    /// The next piece; waits for it while there may be more. `None` when the epoch's work is taken.
    pub(super) fn next(&self) -> Option<Work> {
        let take = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        take.recv().ok()
    }
}
