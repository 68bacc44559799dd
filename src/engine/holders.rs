//! Who holds BOSS interfaces, and who held them: named in the alerts about that, also after the release (domain
//! fact H21).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alerting::{Alert, Holder};
use crate::dataflow::{Cut, HoldTold};
use crate::engine::limits::EngineLimits;
use crate::engine::step::Engine;
use crate::event::Stream;
use crate::rules::Kqi;

/// Long holds by host and interface.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Holders {
    /// By connection and since when, ms.
    by_pair: BTreeMap<(String, String), BTreeMap<(String, i64), HoldTold>>,
    left_out_total: u64,
    /// Holds of pairs with too many that were not kept, since the start.
    #[serde(skip)]
    shorter_total: u64,
    #[serde(skip)]
    limits: EngineLimits,
}

impl Holders {
    /// Puts bounds in force; what is beyond them stays until it is forgotten.
    pub(super) fn set_limits(&mut self, limits: EngineLimits) {
        self.limits = limits;
    }

    /// Takes in what the cut tells.
    pub(super) fn note(&mut self, holds: &[HoldTold]) {
        for hold in holds {
            let pair = (hold.host.clone(), hold.interface.clone());
            let is_full = self.by_pair.len() >= self.limits.hold_pairs_max;
            if is_full && !self.by_pair.contains_key(&pair) {
                self.left_out_total += 1;
                continue;
            }
            let of_pair = self.by_pair.entry(pair).or_default();
            let told = of_pair.insert((hold.connection.clone(), hold.since_ms), hold.clone());
            if told.is_none() && of_pair.len() > self.limits.pair_holds_max {
                self.shorter_total += 1;
                let shortest = of_pair
                    .iter()
                    .min_by_key(|(key, hold)| (hold.held_ms(), std::cmp::Reverse(*key)))
                    .map(|(key, _)| key.clone());
                shortest.map(|key| of_pair.remove(&key));
            }
        }
    }

    /// How many pairs there are, and how often the holds of one more were not kept.
    pub(super) fn bound(&self) -> (usize, u64) {
        (self.by_pair.len(), self.left_out_total)
    }

    /// How often the shortest hold of a pair with too many went.
    pub(super) fn shorter_total(&self) -> u64 {
        self.shorter_total
    }

    /// Forgets what was over before.
    pub(super) fn forget(&mut self, horizon_ms: i64) {
        self.by_pair.retain(|_, of_pair| {
            of_pair.retain(|_, hold| hold.until_ms >= horizon_ms);
            !of_pair.is_empty()
        });
    }

    /// The longest hold of an object in `[from_ms, to_ms]`.
    fn longest(&self, group: &[(String, String)], from_ms: i64, to_ms: i64) -> Option<&HoldTold> {
        let wanted = |name: &str| {
            let mut values = group.iter();
            values.find(|(known, _)| known == name).map(|(_, v)| &**v)
        };
        let is = |name: &str, value: &str| wanted(name).is_none_or(|wanted| wanted == value);
        let pairs = self
            .by_pair
            .iter()
            .filter(|((host, interface), _)| is("host", host) && is("interface", interface));
        pairs
            .flat_map(|(_, of_pair)| of_pair.values())
            .filter(|hold| {
                is("connection", &hold.connection)
                    && is("client", hold.client.as_deref().unwrap_or_default())
                    && hold.since_ms <= to_ms
                    && hold.until_ms >= from_ms
            })
            .max_by_key(|hold| (hold.held_ms(), std::cmp::Reverse(hold.since_ms)))
    }
}

impl Engine {
    /// Takes in who holds what, and forgets who did.
    pub(super) fn note_holders(&mut self, cut: &Cut) {
        if !cut.holds.is_empty() {
            self.holders.note(&cut.holds);
            self.alerts_changed = true;
        }
        let rule = self
            .watchlist
            .plan
            .book
            .streams
            .get(&Stream::BossConnection);
        let retention_ms = rule.map_or(0, |rule| rule.retention_ms);
        let horizon_ms = cut.watermarks.horizon(Stream::BossConnection, retention_ms);
        self.holders.forget(horizon_ms);
    }

    /// Names the holder in an alert about BOSS connections.
    pub(super) fn name_holder(&self, kqi: &Kqi, alert: &mut Alert) {
        if !matches!(kqi.stream, Stream::BossConnection | Stream::BossOccupancy) {
            return;
        }
        let from_ms = alert.active_since_ms - kqi.window.size_ms;
        let to_ms = alert.resolved_at_ms.unwrap_or(alert.window_ms.1);
        let longest = self.holders.longest(&alert.group, from_ms, to_ms);
        alert.holder = longest.cloned().map(|hold| Holder {
            host: hold.host,
            interface: hold.interface,
            connection: hold.connection,
            client: hold.client,
            since_ms: hold.since_ms,
            until_ms: hold.until_ms,
            is_over: hold.is_over,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(connection: &str, since_ms: i64, until_ms: i64) -> HoldTold {
        HoldTold {
            host: "h".to_owned(),
            interface: "i".to_owned(),
            connection: connection.to_owned(),
            client: Some("batch".to_owned()),
            since_ms,
            until_ms,
            is_over: true,
        }
    }

    #[test]
    fn the_longest_of_an_object_is_named_as_long_as_it_is_kept() {
        let mut holders = Holders::default();
        holders.note(&[hold("stuck", 0, 50), hold("short", 10, 20)]);
        // Told again as it goes on, and released.
        holders.note(&[hold("stuck", 0, 90)]);
        let group = [("host".to_owned(), "h".to_owned())];
        let of = |holders: &Holders, from_ms, to_ms| {
            let found = holders.longest(&group, from_ms, to_ms);
            found.map(|hold| (hold.connection.clone(), hold.held_ms()))
        };
        assert_eq!(of(&holders, 15, 30), Some(("stuck".to_owned(), 90)));
        assert_eq!(of(&holders, 91, 99), None, "it was over by then");
        let other = [("host".to_owned(), "other".to_owned())];
        assert_eq!(holders.longest(&other, 0, 99), None);
        holders.forget(91);
        assert!(holders.by_pair.is_empty());
    }

    #[test]
    fn of_many_holds_the_longest_stay() {
        let mut holders = Holders::default();
        let many: Vec<HoldTold> = (0..100)
            .map(|n| hold(&format!("c{n}"), 0, 1_000 + n))
            .collect();
        holders.note(&many);
        let kept = |holders: &Holders| holders.by_pair.values().next().unwrap().len();
        assert_eq!((kept(&holders), holders.shorter_total()), (32, 68));
        let found = holders.longest(&[], 0, 9_000).unwrap();
        assert_eq!(found.connection, "c99");
        // A bound that is set lower loses nothing of what is kept, and nothing is added to it.
        holders.set_limits(EngineLimits {
            pair_holds_max: 2,
            ..EngineLimits::default()
        });
        assert_eq!(kept(&holders), 32);
        holders.note(&[hold("c100", 0, 2_000)]);
        assert_eq!((kept(&holders), holders.shorter_total()), (32, 69));
        // Told again as it goes on, it is no further one.
        holders.note(&[hold("c100", 0, 2_001)]);
        assert_eq!((kept(&holders), holders.shorter_total()), (32, 69));
    }
}
