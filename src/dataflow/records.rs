//! Records of all entities of a worker together: how many there may be, and whose they are.
//!
//! An id is not a measure of what it takes: a message has a record for each recipient and report. So there is a bound on
//! their sum beside that on the ids, with the shares of `owner`. A record is charged to the owner of its entity.

use crate::dataflow::Counters;
use crate::dataflow::owner::{Holdings, Owner};

/// Whether one record more may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stock {
    /// It may.
    Free,
    /// There are as many as there may be.
    Full,
    /// Its owner has its share of them.
    OverShare,
}

impl Stock {
    /// Whether it may.
    pub(super) fn has_room(self) -> bool {
        self == Stock::Free
    }

    /// Counts that the policy acted. False where it did not.
    pub(super) fn count(self, counters: &Counters) -> bool {
        match self {
            Stock::Free => return false,
            Stock::Full => Counters::add(&counters.records_refused, 1),
            Stock::OverShare => Counters::add(&counters.records_over_share, 1),
        }
        true
    }
}

/// How many there are, and whose; follows from the slots.
#[derive(Debug, Default)]
pub(super) struct Records {
    held: usize,
    holdings: Holdings,
}

impl Records {
    /// How many there are.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether one more may be kept for an owner.
    pub(super) fn stock(&self, owner: Owner, max: usize) -> Stock {
        if self.held >= max {
            Stock::Full
        } else if self.holdings.has_share(owner, self.held, max) {
            Stock::Free
        } else {
            Stock::OverShare
        }
    }

    /// An entity of an owner has so many, and had others before.
    pub(super) fn changed(&mut self, owner: Owner, before: usize, after: usize) {
        self.held = self.held + after - before;
        self.holdings
            .give_back_many(owner, before.saturating_sub(after));
        self.holdings.take_many(owner, after.saturating_sub(before));
    }

    /// An entity that has so many came into other hands.
    pub(super) fn moved(&mut self, from: Owner, to: Owner, count: usize) {
        self.holdings.give_back_many(from, count);
        self.holdings.take_many(to, count);
    }
}
