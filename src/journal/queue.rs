//! The bounded queue in front of the journal's thread.
//!
//! * Never holds more requests or bytes than its limits; what does not fit is refused, not delayed.
//! * Nobody keeps the others out by filling it: see [`Shares`].
//! * Bytes count from before they are queued until they are released, which is when their epoch has
//!   been handed over: what the thread holds on to is within the same limit.
//! * After `close` nothing comes in, and everything that is in can still be taken.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::shares::{Amount, Holder, NoMore, Shares};

/// Why the queue takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A limit is reached.
    Busy,
    /// The holder has its share: so much of it.
    Share(Amount),
    /// It has been closed.
    Closed,
}

/// What the queue counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) requests: usize,
    pub(super) bytes: usize,
    pub(super) refused_busy_total: u64,
    pub(super) refused_share_total: u64,
    /// Of both, those for which there were too many requests, and too many bytes.
    pub(super) over_requests_total: u64,
    pub(super) over_bytes_total: u64,
}

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<(usize, T)>,
    shares: Shares,
    refused_busy_total: u64,
    refused_share_total: u64,
    over_requests_total: u64,
    over_bytes_total: u64,
    closed: bool,
}

/// What was waiting.
pub(super) struct Taken<T> {
    pub(super) items: Vec<T>,
    /// Nothing more will come after what is in the queue.
    pub(super) closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(requests_max: usize, bytes_max: usize) -> Self {
        let limit = Amount {
            requests: requests_max,
            bytes: bytes_max,
        };
        let state = State {
            items: VecDeque::new(),
            shares: Shares::new(limit),
            refused_busy_total: 0,
            refused_share_total: 0,
            over_requests_total: 0,
            over_bytes_total: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Makes room for a request of this size; [`Queue::push`] or [`Queue::release`] must follow.
    pub(super) fn reserve(&self, holder: &Holder, bytes: usize) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.closed {
            return Err(Refusal::Closed);
        }
        let taken = state.shares.take(holder, Amount::request(bytes));
        if taken.is_err() {
            // For its bytes, unless one without any would be refused as well.
            match state.shares.take(holder, Amount::request(0)) {
                Ok(()) => {
                    state.shares.give_back(holder, Amount::request(0));
                    state.over_bytes_total += 1;
                }
                Err(_) => state.over_requests_total += 1,
            }
        }
        match taken {
            Ok(()) => Ok(()),
            Err(NoMore::Full) => {
                state.refused_busy_total += 1;
                Err(Refusal::Busy)
            }
            Err(NoMore::Share(held)) => {
                state.refused_share_total += 1;
                Err(Refusal::Share(held))
            }
        }
    }

    /// Counts bytes that came from elsewhere, whatever the limit.
    pub(super) fn charge(&self, bytes: usize) {
        let mut state = self.state();
        state.shares.charge(&Holder::Engine, Amount::bytes(bytes));
    }

    /// Queues an item for which room was reserved; the room is given back if the queue is closed.
    pub(super) fn push(&self, holder: &Holder, bytes: usize, item: T) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.closed {
            state.shares.give_back(holder, Amount::request(bytes));
            return Err(Refusal::Closed);
        }
        state.items.push_back((bytes, item));
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Gives room back.
    pub(super) fn release<'a>(&self, amounts: impl IntoIterator<Item = (&'a Holder, Amount)>) {
        let mut state = self.state();
        for (holder, amount) in amounts {
            state.shares.give_back(holder, amount);
        }
    }

    /// Takes everything that waits, up to a size but at least one item; waits for the first until
    /// `deadline`.
    pub(super) fn take(&self, deadline: Instant, bytes_max: usize) -> Taken<T> {
        let mut state = self.state();
        while state.items.is_empty() && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let mut taken = Taken {
            items: Vec::new(),
            closed: state.closed,
        };
        let mut taken_bytes = 0;
        while let Some((bytes, item)) = state
            .items
            .pop_front_if(|(bytes, _)| taken.items.is_empty() || taken_bytes + *bytes <= bytes_max)
        {
            taken_bytes += bytes;
            taken.items.push(item);
        }
        taken
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    pub(super) fn depth(&self) -> Depth {
        let state = self.state();
        let Amount { requests, bytes } = state.shares.total();
        Depth {
            requests,
            bytes,
            refused_busy_total: state.refused_busy_total,
            refused_share_total: state.refused_share_total,
            over_requests_total: state.over_requests_total,
            over_bytes_total: state.over_bytes_total,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // The counts are whole between any two statements, so a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
