//! The work of one epoch: any worker takes the next piece as soon as it has time for it.
//!
//! Shared out in advance, an epoch would wait for the worker that the machine's other threads slow down.
//! Results do not depend on who takes what.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::dataflow::Work;

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

/// What there is to take.
pub(super) enum Next {
    /// A piece.
    Piece(Work),
    /// Nothing yet: there may be more. Who waits does so beside its other work.
    Later,
    /// The epoch's work is taken.
    End,
}

impl Supply {
    /// The next piece, if it is there.
    pub(super) fn next(&self) -> Next {
        let take = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match take.try_recv() {
            Ok(piece) => Next::Piece(piece),
            Err(TryRecvError::Empty) => Next::Later,
            Err(TryRecvError::Disconnected) => Next::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn piece(first_line: u64) -> Work {
        Work::Lines {
            lines: Default::default(),
            first_line,
            limits: None,
            owner: Default::default(),
        }
    }

    #[test]
    fn every_piece_is_taken_once_and_the_end_is_told_to_all() {
        let (pile, supply) = Pile::new(2);
        let takers: Vec<_> = (0..3)
            .map(|_| {
                let supply = supply.clone();
                std::thread::spawn(move || {
                    let mut taken = Vec::new();
                    loop {
                        match supply.next() {
                            Next::Piece(Work::Lines { first_line, .. }) => taken.push(first_line),
                            Next::Piece(Work::Decoded { .. } | Work::Packed { .. }) => {
                                taken.push(u64::MAX);
                            }
                            Next::Later => std::thread::yield_now(),
                            Next::End => return taken,
                        }
                    }
                })
            })
            .collect();
        // More than it holds: it waits for the takers.
        assert!((0..100).all(|number| pile.add(piece(number))));
        drop(pile);
        let taken = takers.into_iter().flat_map(|taker| taker.join().unwrap());
        let taken: Vec<u64> = taken.collect();
        assert_eq!(taken.len(), 100);
        assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 100);
    }

    #[test]
    fn a_pile_that_nobody_takes_from_is_told() {
        let (pile, supply) = Pile::new(1);
        drop(supply);
        assert!(!pile.add(piece(0)));
    }
}
