//! The bounded queue in front of the journal's thread.
//!
//! * Never holds more requests or bytes than its limits; what does not fit is refused, not delayed.
//! * Bytes count from before they are queued until they are released, which is when their epoch has
//!   been handed over: what the thread holds on to is within the same limit.
//! * After `close` nothing comes in, and everything that is in can still be taken.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Why the queue takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A limit is reached.
    Busy,
    /// It has been closed.
    Closed,
}

/// What the queue counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) requests: usize,
    pub(super) bytes: usize,
    pub(super) refused_busy_total: u64,
}

pub(super) struct Queue<T> {
    requests_max: usize,
    bytes_max: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<(usize, T)>,
    depth: Depth,
    closed: bool,
}

/// What was waiting.
pub(super) struct Taken<T> {
    pub(super) items: Vec<T>,
    /// What the items count for.
    pub(super) bytes: usize,
    /// Nothing more will come after what is in the queue.
    pub(super) closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(requests_max: usize, bytes_max: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            depth: Depth::default(),
            closed: false,
        };
        Self {
            requests_max,
            bytes_max,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Makes room for a request of this size; [`Queue::push`] or [`Queue::release`] must follow.
    pub(super) fn reserve(&self, bytes: usize) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.closed {
            return Err(Refusal::Closed);
        }
        let depth = &mut state.depth;
        if depth.requests >= self.requests_max || depth.bytes + bytes > self.bytes_max {
            depth.refused_busy_total += 1;
            return Err(Refusal::Busy);
        }
        depth.requests += 1;
        depth.bytes += bytes;
        Ok(())
    }

    /// Counts bytes that came from elsewhere, whatever the limit.
    pub(super) fn charge(&self, bytes: usize) {
        self.state().depth.bytes += bytes;
    }

    /// Queues an item for which room was reserved.
    pub(super) fn push(&self, bytes: usize, item: T) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.closed {
            drop(state);
            self.release(1, bytes);
            return Err(Refusal::Closed);
        }
        state.items.push_back((bytes, item));
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Gives room back.
    pub(super) fn release(&self, requests: usize, bytes: usize) {
        let mut state = self.state();
        state.depth.requests = state.depth.requests.saturating_sub(requests);
        state.depth.bytes = state.depth.bytes.saturating_sub(bytes);
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
            bytes: 0,
            closed: state.closed,
        };
        while let Some((bytes, item)) = state
            .items
            .pop_front_if(|(bytes, _)| taken.items.is_empty() || taken.bytes + *bytes <= bytes_max)
        {
            taken.bytes += bytes;
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
        self.state().depth
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // The counts are whole between any two statements, so a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
