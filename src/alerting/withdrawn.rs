//! Firings that turned out never to have been, or to be parts of others: people may have been told
//! of them, so one that comes back must be known again.
//!
//! Invariants:
//! * an episode is among the timeline's or here, never both;
//! * at most `WITHDRAWN_MAX` an object; beyond it those go that ended first, as the past does when it
//!   is forgotten. One that went comes back as an incident of its own.

use serde::{Deserialize, Serialize};

use crate::alerting::Episode;

/// Withdrawn episodes that are remembered of one object. Retention bounds them long before: so many
/// need as many corrections of one object.
const WITHDRAWN_MAX: usize = 64;

/// The withdrawn episodes of one object, in the order of their ends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Withdrawn {
    /// Until when each spanned, ms, and how it read last.
    episodes: Vec<(i64, Episode)>,
}

impl Withdrawn {
    /// How they read last.
    pub(super) fn episodes(&self) -> impl Iterator<Item = Episode> {
        self.episodes.iter().map(|(_, was)| *was)
    }

    /// How they read last, and the one of `present` that holds their time now.
    pub(super) fn held_by(
        &self,
        present: &[Episode],
    ) -> impl Iterator<Item = (Episode, Option<Episode>)> {
        self.episodes.iter().map(|(until_ms, was)| {
            let span = span(*was, *until_ms);
            let within = present.iter().find(|now| now.is_same(&span));
            (*was, within.copied())
        })
    }

    /// An episode is none any more. One that went on spanned everything up to `until_ms`.
    pub(super) fn put(&mut self, was: Episode, until_ms: i64) {
        let until_ms = was.resolved_at_ms.unwrap_or(until_ms);
        let at = self
            .episodes
            .partition_point(|(known_ms, _)| *known_ms <= until_ms);
        self.episodes.insert(at, (until_ms, was));
        if self.episodes.len() > WITHDRAWN_MAX {
            self.episodes.remove(0);
        }
    }

    /// The number under which an episode was known before it was withdrawn; it is withdrawn no more.
    pub(super) fn take_up(&mut self, now: &Episode) -> Option<u32> {
        let is_it = |(until_ms, was): &(i64, Episode)| span(*was, *until_ms).is_same(now);
        let at = self.episodes.iter().position(is_it)?;
        Some(self.episodes.remove(at).1.number)
    }

    /// Forgets what ended at or before a time.
    pub(super) fn forget(&mut self, horizon_ms: i64) {
        self.episodes.retain(|(until_ms, _)| *until_ms > horizon_ms);
    }

    /// True when nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.episodes.is_empty()
    }
}

fn span(was: Episode, until_ms: i64) -> Episode {
    Episode {
        resolved_at_ms: Some(until_ms),
        ..was
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Severity;

    fn episode(number: u32, since_ms: i64, resolved_at_ms: Option<i64>) -> Episode {
        Episode {
            number,
            since_ms,
            fired_at_ms: since_ms,
            resolved_at_ms,
            severity: Severity::Major,
        }
    }

    #[test]
    fn what_overlaps_is_known_again_and_once() {
        let mut withdrawn = Withdrawn::default();
        withdrawn.put(episode(1, 10, None), 20);
        withdrawn.put(episode(2, 5, Some(9)), 20);
        assert_eq!(withdrawn.take_up(&episode(9, 20, None)), None);
        assert_eq!(withdrawn.take_up(&episode(9, 9, Some(10))), None);
        assert_eq!(withdrawn.take_up(&episode(9, 19, None)), Some(1));
        assert_eq!(withdrawn.take_up(&episode(9, 19, None)), None);
        withdrawn.forget(8);
        assert!(!withdrawn.is_empty());
        withdrawn.forget(9);
        assert!(withdrawn.is_empty());
    }

    #[test]
    fn beyond_the_limit_the_oldest_goes() {
        let mut withdrawn = Withdrawn::default();
        for number in 0..=WITHDRAWN_MAX as u32 {
            let since_ms = 1_000 - i64::from(number) * 10;
            withdrawn.put(episode(number, since_ms, Some(since_ms + 5)), 0);
        }
        let left: Vec<u32> = withdrawn.episodes().map(|left| left.number).collect();
        assert_eq!(left.len(), WITHDRAWN_MAX);
        assert!(!left.contains(&(WITHDRAWN_MAX as u32)));
    }
}
