//! Steps of work, counted in tests: what a record costs must not grow with how many there are already.

use std::cell::Cell;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// A step was taken: a number was read, a report looked at, a fact made.
pub(super) fn step() {
    STEPS.set(STEPS.get() + 1);
}

/// How many some work takes on this thread.
pub(super) fn of(work: impl FnOnce()) -> u64 {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}
