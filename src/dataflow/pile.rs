//! The work of one epoch: workers take it piece by piece, as they have time for it.
//!
//! Shared out in advance, an epoch would wait for the worker that the machine's other threads slow down. But a tuple
//! whose facts two workers take is combined and carried through the graph twice. So who comes first has the pile for
//! itself as soon as there is another for who comes next; where nothing follows, all help. Results do not depend on who
//! takes what.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use crate::dataflow::Work;

/// How many pieces may lie there before they are taken, over all piles that are begun with it.
#[derive(Clone)]
pub struct Ahead(Arc<Room>);

struct Room {
    left: Mutex<usize>,
    freed: Condvar,
}

/// The room that a piece takes until it is taken, or nobody is left who could.
struct Place(Arc<Room>);

impl Ahead {
    /// Room for so many pieces, at least one.
    pub fn new(pieces_max: usize) -> Ahead {
        Ahead(Arc::new(Room {
            left: Mutex::new(pieces_max.max(1)),
            freed: Condvar::new(),
        }))
    }

    /// Waits until there is room.
    fn place(&self) -> Place {
        let mut left = self.0.left();
        while *left == 0 {
            let waited = self.0.freed.wait(left);
            left = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *left -= 1;
        Place(self.0.clone())
    }
}

impl Room {
    fn left(&self) -> MutexGuard<'_, usize> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.left() += 1;
        self.0.freed.notify_one();
    }
}

/// Where work is laid down. The epoch's work is complete when it is dropped.
pub struct Pile {
    add: Sender<(Work, Place)>,
    ahead: Ahead,
    lies: Weak<Lies>,
}

/// Where workers take it from.
#[derive(Clone)]
pub(super) struct Supply(Arc<Lies>);

/// What both sides know of a pile.
struct Lies {
    take: Mutex<Take>,
    /// Nothing more will be laid down.
    is_complete: AtomicBool,
    /// There is a pile behind it.
    is_followed: AtomicBool,
}

/// The workers' end.
struct Take {
    pieces: Receiver<(Work, Place)>,
    /// The worker that took the first piece.
    taker: Option<usize>,
}

impl Pile {
    /// A pile, and its other side.
    pub(super) fn new(ahead: Ahead) -> (Pile, Supply) {
        let (add, pieces) = channel();
        let taker = None;
        let lies = Arc::new(Lies {
            take: Mutex::new(Take { pieces, taker }),
            is_complete: AtomicBool::new(false),
            is_followed: AtomicBool::new(false),
        });
        let pile = Pile {
            add,
            ahead,
            lies: Arc::downgrade(&lies),
        };
        (pile, Supply(lies))
    }

    /// Lays a piece down; waits while there is no room. False when no worker is left.
    pub fn add(&self, work: Work) -> bool {
        self.add.send((work, self.ahead.place())).is_ok()
    }
}

impl Drop for Pile {
    fn drop(&mut self) {
        if let Some(lies) = self.lies.upgrade() {
            lies.is_complete.store(true, Ordering::Release);
        }
    }
}

/// A pile that another may follow. It does not keep the pile there.
#[derive(Default)]
pub(super) struct Newest(Weak<Lies>);

impl Newest {
    /// Another pile is there, which is the newest now.
    pub(super) fn is(&mut self, supply: &Supply) {
        let before = std::mem::replace(&mut self.0, Arc::downgrade(&supply.0));
        if let Some(before) = before.upgrade() {
            before.is_followed.store(true, Ordering::Release);
        }
    }
}

/// What there is to take.
pub(super) enum Next {
    /// A piece.
    Piece(Work),
    /// Nothing yet: there may be more. Who waits does so beside its other work.
    Later,
    /// The epoch's work is taken, or is another's.
    End,
}

impl Supply {
    /// The next piece for a worker, if it is there.
    pub(super) fn next(&self, worker: usize) -> Next {
        let mut take = self.0.take.lock().unwrap_or_else(PoisonError::into_inner);
        if take.taker.is_some_and(|taker| taker != worker) {
            if self.0.is_followed.load(Ordering::Acquire) {
                return Next::End;
            }
            if !self.0.is_complete.load(Ordering::Acquire) {
                return Next::Later;
            }
        }
        match take.pieces.try_recv() {
            Ok((piece, _)) => {
                take.taker.get_or_insert(worker);
                Next::Piece(piece)
            }
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

    fn line(next: Next) -> Option<u64> {
        match next {
            Next::Piece(Work::Lines { first_line, .. }) => Some(first_line),
            _ => None,
        }
    }

    #[test]
    fn every_piece_is_taken_once_and_the_end_is_told_to_all() {
        let ahead = Ahead::new(2);
        let (pile, supply) = Pile::new(ahead.clone());
        let takers: Vec<_> = (0..3)
            .map(|worker| {
                let supply = supply.clone();
                std::thread::spawn(move || {
                    let mut taken = Vec::new();
                    loop {
                        match supply.next(worker) {
                            Next::Later => std::thread::yield_now(),
                            Next::End => return taken,
                            piece => taken.extend(line(piece)),
                        }
                    }
                })
            })
            .collect();
        // More than there is room for: it waits for the takers.
        assert!((0..100).all(|number| pile.add(piece(number))));
        drop(pile);
        let taken = takers.into_iter().flat_map(|taker| taker.join().unwrap());
        let taken: Vec<u64> = taken.collect();
        assert_eq!(taken.len(), 100);
        assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 100);
        assert_eq!(*ahead.0.left(), 2);
    }

    #[test]
    fn who_comes_first_has_a_pile_that_another_follows() {
        let ahead = Ahead::new(9);
        let mut newest = Newest::default();
        let (pile, supply) = Pile::new(ahead.clone());
        newest.is(&supply);
        assert!((0..3).all(|number| pile.add(piece(number))));
        assert_eq!(line(supply.next(1)), Some(0));
        assert!(
            matches!(supply.next(0), Next::Later),
            "more may come, or another"
        );
        drop(pile);
        assert_eq!(line(supply.next(0)), Some(1), "nothing follows: it helps");
        let (_next, behind) = Pile::new(ahead);
        newest.is(&behind);
        assert!(matches!(supply.next(0), Next::End), "it is the other's");
        assert_eq!(line(supply.next(1)), Some(2));
        assert!(matches!(supply.next(1), Next::End));
        assert!(matches!(behind.next(1), Next::Later));
    }

    #[test]
    fn a_pile_that_nobody_takes_from_is_told_and_takes_no_room() {
        let ahead = Ahead::new(1);
        let (pile, supply) = Pile::new(ahead.clone());
        assert!(pile.add(piece(0)));
        drop(supply);
        assert!(!pile.add(piece(1)));
        assert_eq!(*ahead.0.left(), 1);
    }
}
