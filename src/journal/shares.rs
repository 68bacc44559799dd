//! Who holds how much of something bounded, and who may have more.
//!
//! * Nothing is held beyond the limits, by all together.
//! * Once more than half is held, nobody may hold more than what is left: the dynamic threshold of
//!   Choudhury and Hahne (1998) with its factor at 1, the value they recommend. Somebody who floods alone
//!   stops at a half, and `k` of them together at `k` parts of `k + 1`; so one who holds nothing finds
//!   room, and a short peak of one producer still gets half of everything.
//! * The engine's own commands are nobody's flood: only the limits hold for them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Holder {
    /// The engine itself, or an operator through it.
    #[default]
    Engine,
    /// Who sends under a token, by the token's name, whatever names it gives to producers.
    Token(Arc<str>),
    /// Where the server asks for no token, a producer by the name it gives.
    Producer(Arc<str>),
    /// Who gives no name, by address ([`network_of`]); all whose address is not known are one.
    Peer(Option<IpAddr>),
}

/// Whom an address stands for: itself, or its network of 64 bits if it is one of IPv6, for that is what one customer is
/// given. IPv4 in IPv6's clothes is IPv4.
pub fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// An amount of requests and of their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Requests.
    pub requests: usize,
    /// Bytes.
    pub bytes: usize,
}

/// Why there is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMore {
    /// A limit is reached.
    Full,
    /// The holder has its share: so much of it.
    Share(Amount),
}

/// The shares of something bounded.
#[derive(Debug)]
pub struct Shares {
    limit: Amount,
    total: Amount,
    held: HashMap<Holder, Amount>,
}

impl Shares {
    /// Nothing is held yet.
    pub fn new(limit: Amount) -> Shares {
        Shares {
            limit,
            total: Amount::default(),
            held: HashMap::new(),
        }
    }

    /// What all hold together.
    pub fn total(&self) -> Amount {
        self.total
    }

    /// What a holder has.
    pub fn held(&self, holder: &Holder) -> Amount {
        self.held.get(holder).copied().unwrap_or_default()
    }

    /// Takes more for a holder.
    ///
    /// # Errors
    /// [`NoMore`]; nothing was taken.
    pub fn take(&mut self, holder: &Holder, more: Amount) -> Result<(), NoMore> {
        self.grow(holder, Amount::default(), more)
    }

    /// Takes more for a request that holds `own` already, which is not held against it: who has nothing
    /// else under way may finish what it began.
    ///
    /// # Errors
    /// [`NoMore`]; nothing was taken.
    pub fn grow(&mut self, holder: &Holder, own: Amount, more: Amount) -> Result<(), NoMore> {
        let total = self.total.plus(more);
        if total.requests > self.limit.requests || total.bytes > self.limit.bytes {
            return Err(NoMore::Full);
        }
        let held = self.held(holder);
        let others = held.minus(own);
        let over = |limit: usize, total: usize, others: usize, held: usize, more: usize| {
            others > 0 && total > limit / 2 && held.saturating_add(more) > limit - total
        };
        let Amount { requests, bytes } = self.limit;
        let is_over = over(
            requests,
            total.requests,
            others.requests,
            held.requests,
            more.requests,
        ) || over(bytes, total.bytes, others.bytes, held.bytes, more.bytes);
        if is_over && *holder != Holder::Engine {
            return Err(NoMore::Share(held));
        }
        self.charge(holder, more);
        Ok(())
    }

    /// Takes more for a holder whatever the limits: it is there already.
    pub fn charge(&mut self, holder: &Holder, more: Amount) {
        self.total = self.total.plus(more);
        match self.held.get_mut(holder) {
            Some(held) => *held = held.plus(more),
            None => {
                self.held.insert(holder.clone(), more);
            }
        }
    }

    /// Gives back what was taken.
    pub fn give_back(&mut self, holder: &Holder, less: Amount) {
        self.total = self.total.minus(less);
        if let Some(held) = self.held.get_mut(holder) {
            *held = held.minus(less);
            if *held == Amount::default() {
                self.held.remove(holder);
            }
        }
    }
}

impl Amount {
    /// One request and its bytes.
    pub fn request(bytes: usize) -> Amount {
        Amount { requests: 1, bytes }
    }

    /// Bytes alone.
    pub fn bytes(bytes: usize) -> Amount {
        Amount { requests: 0, bytes }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, more: Amount) -> Amount {
        Amount {
            requests: self.requests.saturating_add(more.requests),
            bytes: self.bytes.saturating_add(more.bytes),
        }
    }

    fn minus(self, less: Amount) -> Amount {
        Amount {
            requests: self.requests.saturating_sub(less.requests),
            bytes: self.bytes.saturating_sub(less.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Amount = Amount {
        requests: 1_000,
        bytes: 12_000,
    };

    fn producer(name: &str) -> Holder {
        Holder::Producer(name.into())
    }

    /// Takes pieces until there is no more; returns why.
    fn flood(shares: &mut Shares, holder: &Holder, piece: Amount) -> NoMore {
        for _ in 0..=LIMIT.requests {
            if let Err(no_more) = shares.take(holder, piece) {
                return no_more;
            }
        }
        panic!("no end to it");
    }

    #[test]
    fn floods_leave_room_for_who_holds_nothing() {
        let mut shares = Shares::new(LIMIT);
        let held = |shares: &Shares, name: &str| shares.held[&producer(name)].bytes;
        let stopped = flood(&mut shares, &producer("a"), Amount::request(100));
        assert_eq!(held(&shares, "a"), 6_000);
        assert!(matches!(stopped, NoMore::Share(amount) if amount.bytes == 6_000));
        // The first flood goes on as room comes back, and takes no more than its share of it.
        flood(&mut shares, &producer("b"), Amount::request(100));
        assert_eq!(held(&shares, "b"), 3_000);
        shares.give_back(
            &producer("a"),
            Amount {
                requests: 60,
                bytes: 6_000,
            },
        );
        for _ in 0..1_000 {
            // Who has most comes to an end most often.
            let is_a = held(&shares, "b") < shares.held.get(&producer("a")).map_or(0, |a| a.bytes);
            let larger = producer(if is_a { "a" } else { "b" });
            shares.give_back(&larger, Amount::request(100));
            let _ = shares.take(&producer("a"), Amount::request(100));
            let _ = shares.take(&producer("b"), Amount::request(100));
        }
        // A third each, up to a piece, and a third is left.
        for name in ["a", "b"] {
            let bytes = held(&shares, name);
            assert!(bytes.abs_diff(4_000) <= 200, "{name}: {bytes}");
        }
        shares
            .take(&producer("slow"), Amount::request(3_000))
            .unwrap();
        shares.take(&Holder::Engine, Amount::request(900)).unwrap();
        let full = shares.take(&producer("new"), Amount::request(5_000));
        assert_eq!(full, Err(NoMore::Full));
    }

    #[test]
    fn many_small_requests_are_a_flood_as_well() {
        let mut shares = Shares::new(LIMIT);
        let peer = Holder::Peer(Some([10, 0, 0, 1].into()));
        let stopped = flood(&mut shares, &peer, Amount::request(0));
        assert!(matches!(stopped, NoMore::Share(amount) if amount.requests == 500));
        shares
            .take(&Holder::Peer(None), Amount::request(0))
            .unwrap();
        for _ in 0..500 {
            shares.give_back(&peer, Amount::request(0));
        }
        shares.give_back(&Holder::Peer(None), Amount::request(0));
        assert_eq!((shares.total(), shares.held.len()), (Amount::default(), 0));
    }

    #[test]
    fn a_request_alone_may_grow_to_the_limit_and_one_of_many_may_not() {
        let mut shares = Shares::new(LIMIT);
        let mut own = Amount::request(0);
        shares.take(&producer("a"), own).unwrap();
        while own.bytes < LIMIT.bytes {
            shares
                .grow(&producer("a"), own, Amount::bytes(1_000))
                .unwrap();
            own = own.plus(Amount::bytes(1_000));
        }
        shares.give_back(&producer("a"), own);
        shares.take(&producer("a"), Amount::request(5_000)).unwrap();
        let mut own = Amount::request(0);
        shares.take(&producer("a"), own).unwrap();
        let stopped = loop {
            let more = Amount::bytes(100);
            if let Err(no_more) = shares.grow(&producer("a"), own, more) {
                break no_more;
            }
            own = own.plus(more);
        };
        assert!(
            matches!(stopped, NoMore::Share(_)) && own.bytes == 1_000,
            "{own:?}"
        );
    }

    #[test]
    fn the_largest_record_finds_room_twice_and_the_engine_finds_all() {
        let mut shares = Shares::new(LIMIT);
        shares.take(&producer("a"), Amount::request(6_000)).unwrap();
        let second = shares.take(&producer("a"), Amount::request(6_000));
        assert!(matches!(second, Err(NoMore::Share(_))));
        shares.take(&producer("b"), Amount::request(6_000)).unwrap();
        let mut shares = Shares::new(LIMIT);
        assert_eq!(
            flood(&mut shares, &Holder::Engine, Amount::request(100)),
            NoMore::Full
        );
        assert_eq!(shares.total().bytes, LIMIT.bytes);
    }
}
