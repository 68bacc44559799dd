//! How many connections each address has, by its network ([`network_of`]): so many at most, and once more than half of
//! all are open no more than are left ([`Shares`]). A few addresses that open whatever they may leave room for the others.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::journal::{Amount, Holder, Shares, network_of};

/// The counts.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    each_max: usize,
    shares: Arc<Mutex<Shares>>,
}

/// One connection of an address, as long as this lives.
#[derive(Debug)]
pub(super) struct OfPeer {
    peers: Peers,
    holder: Holder,
}

/// Why an address gets no other connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnedAway {
    /// It has as many as one address may.
    Each,
    /// There are few left, and it has its share.
    Share,
}

impl Peers {
    /// No address has one yet; each may have so many, and one at least, of `connections_max` in all.
    pub(super) fn new(each_max: usize, connections_max: usize) -> Peers {
        let limit = Amount {
            requests: connections_max.max(1),
            bytes: usize::MAX,
        };
        Peers {
            each_max: each_max.max(1),
            shares: Arc::new(Mutex::new(Shares::new(limit))),
        }
    }

    /// One more connection of an address.
    ///
    /// # Errors
    /// It has as many as it may.
    pub(super) fn one_more(&self, peer: IpAddr) -> Result<OfPeer, TurnedAway> {
        let holder = Holder::Peer(Some(network_of(peer)));
        let mut shares = self.shares();
        if shares.held(&holder).requests >= self.each_max {
            return Err(TurnedAway::Each);
        }
        let taken = shares.take(&holder, Amount::request(0));
        taken.map_err(|_| TurnedAway::Share)?;
        drop(shares);
        let peers = self.clone();
        Ok(OfPeer { peers, holder })
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OfPeer {
    fn drop(&mut self) {
        let mut shares = self.peers.shares();
        shares.give_back(&self.holder, Amount::request(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_and_gives_back_what_it_closes() {
        let peers = Peers::new(2, 100);
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = peers.one_more(one).unwrap();
        let _second = peers.one_more(one).unwrap();
        assert_eq!(peers.one_more(one).unwrap_err(), TurnedAway::Each);
        let _others = peers.one_more(other).unwrap();
        drop(first);
        let third = peers.one_more(one);
        assert!(third.is_ok() && peers.one_more(one).is_err());
        // One network is one customer, and an IPv4 address is itself in either form.
        let six = |text: &str| peers.one_more(text.parse().unwrap());
        let held = [six("2001:db8::1"), six("2001:db8::2")];
        assert!(held.iter().all(Result::is_ok) && six("2001:db8::3").is_err());
        assert!(six("2001:db8:0:1::1").is_ok());
        assert!(six("::ffff:10.0.0.1").is_err());
        drop((third, held));
        assert_eq!(peers.shares().total().requests, 2);
    }

    #[test]
    fn five_that_take_what_they_get_leave_room_for_others() {
        let peers = Peers::new(25, 100);
        let mut held = Vec::new();
        let mut turned_away = 0;
        for _ in 0..100 {
            for address in 1..=5 {
                match peers.one_more([10, 0, 0, address].into()) {
                    Ok(one) => held.push(one),
                    Err(why) => {
                        assert_eq!(why, TurnedAway::Share);
                        turned_away += 1;
                    }
                }
            }
        }
        assert!(
            (75..90).contains(&held.len()) && turned_away > 400,
            "{}",
            held.len()
        );
        let others: Vec<_> = (1..=5)
            .map(|at| peers.one_more([10, 0, 1, at].into()))
            .collect();
        assert!(others.iter().all(Result::is_ok));
    }
}
