//! Numbers of the episodes of the engine's own alerts: what makes a new incident of a subject another than all before.
//!
//! Invariants:
//! * a subject never gets a number twice, also when it was forgotten meanwhile;
//! * at most [`EngineLimits::alert_subjects_max`] subjects are known. Beyond it the first that does not fire goes, and whoever comes
//!   new, or back, counts on from the highest number that went.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::limits::EngineLimits;

/// Episodes by subject.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Episodes<S: Ord> {
    newest: BTreeMap<S, u32>,
    /// No subject that went had a higher number.
    gone_upto: u32,
    gone_total: u64,
    #[serde(skip)]
    limits: EngineLimits,
}

impl<S: Ord> Default for Episodes<S> {
    fn default() -> Self {
        Episodes {
            newest: BTreeMap::new(),
            gone_upto: 0,
            gone_total: 0,
            limits: EngineLimits::default(),
        }
    }
}

impl<S: Ord + Clone> Episodes<S> {
    /// Bounds in force.
    pub(super) fn limits(&self) -> EngineLimits {
        self.limits
    }

    /// Puts bounds in force; those beyond them stay until somebody comes new.
    pub(super) fn set_limits(&mut self, limits: EngineLimits) {
        self.limits = limits;
    }

    /// The number of an episode that begins. `fires` tells whose alert fires: those are kept.
    pub(super) fn begin(&mut self, subject: &S, fires: impl Fn(&S) -> bool) -> u32 {
        let max = self.limits.alert_subjects_max;
        if !self.newest.contains_key(subject) && self.newest.len() >= max {
            let first = self.newest.keys().find(|known| !fires(known)).cloned();
            if let Some(number) = first.and_then(|first| self.newest.remove(&first)) {
                self.gone_upto = self.gone_upto.max(number);
                self.gone_total += 1;
            }
        }
        let number = self.newest.entry(subject.clone()).or_insert(self.gone_upto);
        *number += 1;
        *number
    }

    /// How many subjects are known, and how many went.
    pub(super) fn bound(&self) -> (usize, u64) {
        (self.newest.len(), self.gone_total)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SUBJECTS_MAX: usize = 100;

    fn episodes() -> Episodes<u32> {
        let mut episodes = Episodes::default();
        episodes.set_limits(EngineLimits {
            alert_subjects_max: SUBJECTS_MAX,
            ..EngineLimits::default()
        });
        episodes
    }

    #[test]
    fn subjects_go_and_their_numbers_never_come_again() {
        let mut episodes = episodes();
        let mut seen = BTreeSet::new();
        let fires = |subject: &u32| *subject == 3;
        // Everybody twice, in rounds, and more of them than are remembered.
        for _ in 0..2 {
            for subject in 0..2 * SUBJECTS_MAX as u32 {
                let number = episodes.begin(&subject, fires);
                assert!(seen.insert((subject, number)), "{subject} again {number}");
                assert!(episodes.bound().0 <= SUBJECTS_MAX);
            }
        }
        assert_eq!(episodes.newest.get(&3), Some(&2), "it fires, and is kept");
        assert!(episodes.bound().1 >= SUBJECTS_MAX as u64);
    }

    #[test]
    fn what_all_fires_is_kept_beyond_the_bound() {
        let mut episodes = episodes();
        for subject in 0..=SUBJECTS_MAX as u32 {
            assert_eq!(episodes.begin(&subject, |_| true), 1);
        }
        assert_eq!(episodes.bound(), (SUBJECTS_MAX + 1, 0));
    }
}
