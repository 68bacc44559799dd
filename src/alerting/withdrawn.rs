//! Firings that turned out never to have been, or to be parts of others: people may have been told
//! of them, so one that comes back must be known again.
//!
//! Invariants:
//! * an episode is among the timeline's or here, never both;
//! * at most [`WithdrawnRoom::max`] an object; beyond it those go that ended first, as the past does when it
//!   is forgotten. One that went comes back as an incident of its own.

use serde::{Deserialize, Serialize};

use crate::alerting::Episode;

/// How many withdrawn episodes are remembered of one object, and how many went for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithdrawnRoom {
    /// Most of one object; what was remembered beyond a bound that is set lower stays until it is forgotten.
    pub max: usize,
    /// Episodes that had to go since the start.
    pub gone_total: u64,
}

impl Default for WithdrawnRoom {
    fn default() -> Self {
        // Judgement: retention bounds them long before; so many need as many corrections of one object.
        WithdrawnRoom {
            max: 64,
            gone_total: 0,
        }
    }
}

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
    pub(super) fn put(&mut self, was: Episode, until_ms: i64, room: &mut WithdrawnRoom) {
        let until_ms = was.resolved_at_ms.unwrap_or(until_ms);
        let at = self
            .episodes
            .partition_point(|(known_ms, _)| *known_ms <= until_ms);
        self.episodes.insert(at, (until_ms, was));
        if self.episodes.len() > room.max {
            self.episodes.remove(0);
            room.gone_total += 1;
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
        let room = &mut WithdrawnRoom::default();
        withdrawn.put(episode(1, 10, None), 20, room);
        withdrawn.put(episode(2, 5, Some(9)), 20, room);
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
        let mut room = WithdrawnRoom {
            max: 8,
            ..WithdrawnRoom::default()
        };
        for number in 0..=8 {
            let since_ms = 1_000 - i64::from(number) * 10;
            let was = episode(number, since_ms, Some(since_ms + 5));
            withdrawn.put(was, 0, &mut room);
        }
        let left = |withdrawn: &Withdrawn| {
            let left = withdrawn.episodes().map(|left| left.number);
            left.collect::<Vec<u32>>()
        };
        assert_eq!((left(&withdrawn).len(), room.gone_total), (8, 1));
        assert!(!left(&withdrawn).contains(&8));
        // A bound that is set lower loses nothing of what is remembered, and nothing is added to it.
        room.max = 1;
        withdrawn.put(episode(9, 2_000, Some(2_001)), 0, &mut room);
        assert_eq!((left(&withdrawn).len(), room.gone_total), (8, 2));
        assert!(left(&withdrawn).contains(&9));
    }
}
