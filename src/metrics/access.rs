//! Who was sent away within the last minute, by address: what the engine's alert on refused access is made of.
//!
//! Counted by second and address. An address beyond [`ADDRESSES_MAX`] of a second counts as one that is not known, so
//! a flood from everywhere costs no memory.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::journal::network_of;

/// How far back is looked.
const MINUTE: Duration = Duration::from_secs(60);
/// The limit that these counts are set against.
pub(super) const LIMIT: &str = "http.access_refused_minute_max";
/// The limit of addresses told apart within a second.
pub(super) const ADDRESSES: &str = "http.access_addresses_max";

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRefused {
    /// Refusals within the last minute.
    pub minute: u64,
    /// Refusals since the start that were beyond the limit of their minute.
    pub over_total: u64,
    /// Refusals since the start whose address was not told apart, for there were too many within their second.
    pub untold_total: u64,
    /// The address most of the minute's came from, if it is known.
    pub most: Option<IpAddr>,
}

#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    seconds: VecDeque<Second>,
    over_total: u64,
    untold_total: u64,
}

#[derive(Debug)]
struct Second {
    began: Instant,
    counts: BTreeMap<Option<IpAddr>, u64>,
}

impl Refusals {
    /// Somebody was sent away; more than `minute_max` within a minute are over the limit, and of more than `addresses_max`
    /// addresses within a second it is not known which they are.
    pub(super) fn note(
        &self,
        peer: Option<IpAddr>,
        minute_max: u64,
        addresses_max: u64,
        now: Instant,
    ) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.forget(now);
        let of_now = counts.seconds.back();
        if of_now.is_none_or(|second| now.duration_since(second.began) >= Duration::from_secs(1)) {
            counts.seconds.push_back(Second {
                began: now,
                counts: BTreeMap::new(),
            });
        }
        if let Some(second) = counts.seconds.back_mut() {
            let (peer, by_peer) = (peer.map(network_of), &mut second.counts);
            let is_told = (by_peer.len() as u64) < addresses_max || by_peer.contains_key(&peer);
            *by_peer.entry(peer.filter(|_| is_told)).or_default() += 1;
            counts.untold_total += u64::from(!is_told);
        }
        if counts.minute() > minute_max {
            counts.over_total += 1;
        }
    }

    /// What there is now.
    pub(super) fn seen(&self, now: Instant) -> AccessRefused {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.forget(now);
        let mut by_peer: BTreeMap<IpAddr, u64> = BTreeMap::new();
        for (peer, count) in counts.seconds.iter().flat_map(|second| &second.counts) {
            if let Some(peer) = peer {
                *by_peer.entry(*peer).or_default() += count;
            }
        }
        let most = by_peer.into_iter().max_by_key(|(_, count)| *count);
        AccessRefused {
            minute: counts.minute(),
            over_total: counts.over_total,
            untold_total: counts.untold_total,
            most: most.map(|(peer, _)| peer),
        }
    }
}

impl Counts {
    fn forget(&mut self, now: Instant) {
        let is_old = |second: &Second| now.duration_since(second.began) >= MINUTE;
        while self.seconds.front().is_some_and(is_old) {
            self.seconds.pop_front();
        }
    }

    fn minute(&self) -> u64 {
        let counts = self
            .seconds
            .iter()
            .flat_map(|second| second.counts.values());
        counts.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u32) -> Option<IpAddr> {
        Some(IpAddr::from(n.to_be_bytes()))
    }

    #[test]
    fn a_minute_is_counted_and_names_who_came_most() {
        let (refusals, began) = (Refusals::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        for second in 0..50 {
            refusals.note(peer(1), 20, 64, at(second));
        }
        refusals.note(peer(2), 20, 64, at(50));
        refusals.note(None, 20, 64, at(50));
        let seen = refusals.seen(at(50));
        assert_eq!((seen.minute, seen.over_total, seen.most), (52, 32, peer(1)));
        // One every third second is less than twenty-one a minute, and nothing more is over.
        let (slow, began) = (Refusals::default(), Instant::now());
        for second in (0..600).step_by(3) {
            slow.note(peer(1), 20, 64, began + Duration::from_secs(second));
        }
        assert_eq!(slow.seen(began + Duration::from_secs(600)).over_total, 0);
        let seen = refusals.seen(at(111));
        assert_eq!((seen.minute, seen.over_total, seen.most), (0, 32, None));
    }

    #[test]
    fn addresses_without_end_cost_no_memory() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for n in 0..10_000 {
            refusals.note(peer(n), 20, 64, now);
        }
        assert_eq!(refusals.seen(now).minute, 10_000);
        let held = refusals.0.lock().unwrap();
        assert_eq!(held.seconds[0].counts.len(), 64 + 1);
        assert_eq!(held.untold_total, 10_000 - 64);
    }
}
