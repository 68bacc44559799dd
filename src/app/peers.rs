//! How many connections each address has, by its network ([`network_of`]).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::journal::network_of;

/// The counts.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    each_max: usize,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address, as long as this lives.
#[derive(Debug)]
pub(super) struct OfPeer {
    peers: Peers,
    network: IpAddr,
}

impl Peers {
    /// No address has one yet; each may have so many, and one at least.
    pub(super) fn new(each_max: usize) -> Peers {
        Peers {
            each_max: each_max.max(1),
            held: Arc::default(),
        }
    }

    /// One more connection of an address; none if it has as many as it may.
    pub(super) fn one_more(&self, peer: IpAddr) -> Option<OfPeer> {
        let network = network_of(peer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(network).or_insert(0);
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        drop(held);
        Some(OfPeer {
            peers: self.clone(),
            network,
        })
    }
}

impl Drop for OfPeer {
    fn drop(&mut self) {
        let mut held = self
            .peers
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_and_gives_back_what_it_closes() {
        let peers = Peers::new(2);
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = peers.one_more(one).unwrap();
        let _second = peers.one_more(one).unwrap();
        assert!(peers.one_more(one).is_none());
        let _others = peers.one_more(other).unwrap();
        drop(first);
        let third = peers.one_more(one);
        assert!(third.is_some() && peers.one_more(one).is_none());
        // One network is one customer, and an IPv4 address is itself in either form.
        let six = |text: &str| peers.one_more(text.parse().unwrap());
        let held = [six("2001:db8::1"), six("2001:db8::2")];
        assert!(held.iter().all(Option::is_some) && six("2001:db8::3").is_none());
        assert!(six("2001:db8:0:1::1").is_some());
        assert!(six("::ffff:10.0.0.1").is_none());
        drop((third, held));
        assert_eq!(peers.held.lock().unwrap().len(), 2);
    }
}
