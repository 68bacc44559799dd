//! Things that will happen later, handed back in order of time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A queue ordered by time; equal times come out in the order they went in, so
/// that the same seed always gives the same bytes.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    entered: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at_ms: i64,
    order: u64,
    thing: T,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            entered: 0,
        }
    }
}

impl<T> Pending<T> {
    /// Puts `thing` off until `at_ms`.
    pub(crate) fn push(&mut self, at_ms: i64, thing: T) {
        self.heap.push(Reverse(Entry {
            at_ms,
            order: self.entered,
            thing,
        }));
        self.entered += 1;
    }

    /// When the next thing is due, milliseconds.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse(entry)| entry.at_ms)
    }

    /// Takes the next thing and its time.
    pub(crate) fn pop(&mut self) -> Option<(i64, T)> {
        self.heap
            .pop()
            .map(|Reverse(entry)| (entry.at_ms, entry.thing))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}
