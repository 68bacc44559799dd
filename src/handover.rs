//! A bounded way from one thread to the next, with counts of what is on it.
//!
//! Policy: beyond the limit the giver waits, which is counted. What feeds it fills up behind it, until in the end the
//! producers are told to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Where things go in.
#[derive(Debug)]
pub struct Giver<T> {
    way: SyncSender<T>,
    counts: Counts,
}

/// Where they come out, in order. Dropping it makes the giver's side fail.
#[derive(Debug)]
pub struct Taker<T> {
    way: Receiver<T>,
    counts: Counts,
}

/// Counts of what is on a way; clones are the same.
#[derive(Clone, Debug)]
pub struct Counts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: u64,
    held: AtomicU64,
    waited: AtomicU64,
}

/// Nobody takes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody takes what is handed over any more")]
pub struct Gone;

/// Makes a way that holds so many things at most.
pub fn handover<T>(max: usize) -> (Giver<T>, Taker<T>) {
    let (give, take) = sync_channel(max);
    let counts = Counts(Arc::new(Inner {
        max: max as u64,
        held: AtomicU64::new(0),
        waited: AtomicU64::new(0),
    }));
    let giver = Giver {
        way: give,
        counts: counts.clone(),
    };
    (giver, Taker { way: take, counts })
}

impl<T> Giver<T> {
    /// Hands over, and waits while there is no room.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn give(&self, thing: T) -> Result<(), Gone> {
        let Some(thing) = self.offer(thing)? else {
            return Ok(());
        };
        self.counts.waits();
        self.counts.comes();
        self.way.send(thing).map_err(|_| Gone)
    }

    /// Hands over if there is room, and gives back what there is none for. Whoever waits then says so:
    /// [`Counts::waits`].
    ///
    /// # Errors
    /// [`Gone`].
    pub fn offer(&self, thing: T) -> Result<Option<T>, Gone> {
        self.counts.comes();
        match self.way.try_send(thing) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(thing)) => {
                self.counts.goes();
                Ok(Some(thing))
            }
            Err(TrySendError::Disconnected(_)) => Err(Gone),
        }
    }

    /// The counts of this way.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl<T> Taker<T> {
    /// Waits for the next; `None` when the giver is gone and all is taken.
    pub fn take(&self) -> Option<T> {
        let thing = self.way.recv().ok()?;
        self.counts.goes();
        Some(thing)
    }

    /// All that comes.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.take())
    }
}

impl Counts {
    /// Something found no room, and waits.
    pub fn waits(&self) {
        self.0.waited.fetch_add(1, Ordering::Relaxed);
    }

    /// How many are on the way, may be, and had to wait.
    pub fn bound(&self) -> (u64, u64, u64) {
        // One that waits is not on the way yet.
        let held = self.0.held.load(Ordering::Relaxed).min(self.0.max);
        (held, self.0.max, self.0.waited.load(Ordering::Relaxed))
    }

    // Before it is given, so that nothing is taken that has not come.
    fn comes(&self) {
        self.0.held.fetch_add(1, Ordering::Relaxed);
    }

    fn goes(&self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_no_room_waits_and_is_counted() {
        let (giver, taker) = handover(2);
        let counts = giver.counts().clone();
        assert_eq!(giver.give(1), Ok(()));
        assert_eq!(counts.bound(), (1, 2, 0));
        assert_eq!(giver.offer(2), Ok(None));
        assert_eq!(giver.offer(3), Ok(Some(3)));
        assert_eq!(counts.bound(), (2, 2, 0));
        let waiting = std::thread::spawn(move || {
            assert_eq!(giver.give(3), Ok(()));
        });
        while counts.bound().2 == 0 {
            std::thread::yield_now();
        }
        assert_eq!(counts.bound(), (2, 2, 1));
        assert_eq!(taker.iter().collect::<Vec<_>>(), [1, 2, 3]);
        waiting.join().unwrap();
        assert_eq!(counts.bound(), (0, 2, 1));
    }

    #[test]
    fn nobody_takes_any_more() {
        let (giver, taker) = handover(1);
        drop(taker);
        assert_eq!(giver.give(1), Err(Gone));
        assert_eq!(giver.offer(1), Err(Gone));
    }
}
