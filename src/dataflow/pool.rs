//! Values that many keys have in common, held once: five million open messages are of a few services,
//! cities and kinds of outcome.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashSet;

/// Values below which nobody looks for ones that are not needed any more.
const SWEEP_MIN: usize = 4096;

/// Distinct values that somebody holds. It keeps at most twice as many as are held elsewhere.
pub(super) struct Pool<T: ?Sized> {
    known: FxHashSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: Eq + Hash + ?Sized> Pool<T> {
    /// A pool without values.
    pub(super) fn new() -> Pool<T> {
        Pool {
            known: FxHashSet::default(),
            sweep_at: SWEEP_MIN,
        }
    }

    /// Puts the one that is held in the place of an equal value.
    pub(super) fn share(&mut self, value: &mut Arc<T>) {
        if let Some(known) = self.known.get(&**value) {
            *value = known.clone();
            return;
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|value| Arc::strong_count(value) > 1);
            self.sweep_at = (2 * self.known.len()).max(SWEEP_MIN);
        }
        self.known.insert(value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_held_once_and_not_for_ever() {
        let mut pool: Pool<str> = Pool::new();
        let mut first: Arc<str> = "长沙".into();
        let mut second: Arc<str> = "长沙".into();
        pool.share(&mut first);
        pool.share(&mut second);
        assert!(Arc::ptr_eq(&first, &second));
        for number in 0..10 * SWEEP_MIN {
            pool.share(&mut number.to_string().into());
        }
        assert!(pool.known.len() <= SWEEP_MIN, "{}", pool.known.len());
        let mut third: Arc<str> = "长沙".into();
        pool.share(&mut third);
        assert!(Arc::ptr_eq(&first, &third), "what is held stays");
    }
}
