//! Complaint tickets that wait for a trigger.
//!
//! Invariant: there are at most so many, and what goes is the oldest of whoever has most of them (the longest queue of
//! McKenney, 1990, as a bound of memory): a flood of one producer's complaints takes its own, and not those of others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::triggers::trigger::LinkedTicket;

/// Service and serial number.
type Key = (String, String);

/// The tickets, and who brought them, by mark.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Waiting {
    tickets: BTreeMap<Key, (LinkedTicket, u32)>,
    /// Services, by serial.
    services: BTreeMap<String, String>,
    /// Those of each owner, by the time of their filing.
    of_owner: BTreeMap<u32, BTreeSet<(i64, Key)>>,
    /// Owners by how many they have; of equals the smaller mark gives first.
    sizes: BTreeSet<(usize, Reverse<u32>)>,
    gone_total: u64,
}

impl Waiting {
    /// Puts a ticket in, in place of what was known of it; beyond `max` others go.
    pub(super) fn put(&mut self, service: &str, ticket: LinkedTicket, owner: u32, max: usize) {
        self.take(service, &ticket.serial);
        let key = (service.to_owned(), ticket.serial.clone());
        let at = (ticket.filed_at_ms, key.clone());
        self.change(owner, |of_owner| of_owner.insert(at));
        self.services.insert(key.1.clone(), key.0.clone());
        self.tickets.insert(key, (ticket, owner));
        self.bound(max);
    }

    /// Lets go what is beyond so many.
    pub(super) fn bound(&mut self, max: usize) {
        while self.tickets.len() > max {
            let Some((_, Reverse(owner))) = self.sizes.last().copied() else {
                return;
            };
            let of_owner = self.of_owner.get(&owner);
            let Some((_, (service, serial))) = of_owner.and_then(BTreeSet::first).cloned() else {
                return;
            };
            self.take(&service, &serial);
            self.gone_total += 1;
        }
    }

    /// Takes a ticket out.
    pub(super) fn take(&mut self, service: &str, serial: &str) -> Option<LinkedTicket> {
        let key = (service.to_owned(), serial.to_owned());
        let (ticket, owner) = self.tickets.remove(&key)?;
        let at = (ticket.filed_at_ms, key);
        self.change(owner, |of_owner| of_owner.remove(&at));
        self.services.remove(serial);
        Some(ticket)
    }

    /// A ticket, and its service.
    pub(super) fn get(&self, serial: &str) -> Option<(&str, &LinkedTicket)> {
        let service = self.services.get(serial)?;
        let (ticket, _) = self.tickets.get(&(service.clone(), serial.to_owned()))?;
        Some((service, ticket))
    }

    /// The service of a ticket.
    pub(super) fn service_of(&self, serial: &str) -> Option<&String> {
        self.services.get(serial)
    }

    /// Tickets of a service.
    pub(super) fn of_service<'a>(
        &'a self,
        service: &'a str,
    ) -> impl Iterator<Item = &'a LinkedTicket> {
        let from = (service.to_owned(), String::new());
        self.tickets
            .range(from..)
            .take_while(move |((of, _), _)| of == service)
            .map(|(_, (ticket, _))| ticket)
    }

    /// How many wait, and how many had to go.
    pub(super) fn held(&self) -> (usize, u64) {
        (self.tickets.len(), self.gone_total)
    }

    fn change(&mut self, owner: u32, change: impl FnOnce(&mut BTreeSet<(i64, Key)>) -> bool) {
        let of_owner = self.of_owner.entry(owner).or_default();
        self.sizes.remove(&(of_owner.len(), Reverse(owner)));
        change(of_owner);
        match of_owner.len() {
            0 => {
                self.of_owner.remove(&owner);
            }
            many => {
                self.sizes.insert((many, Reverse(owner)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(waiting: &mut Waiting, serial: &str, filed_at_ms: i64, owner: u32) {
        let ticket = LinkedTicket {
            serial: serial.to_owned(),
            path: "p/l".to_owned(),
            leaf: "l".to_owned(),
            city: "cs".to_owned(),
            filed_at_ms,
            answered_at_ms: None,
        };
        waiting.put("s", ticket, owner, 10);
    }

    #[test]
    fn a_flood_of_complaints_takes_the_room_of_its_own_and_not_of_others() {
        let mut waiting = Waiting::default();
        for at in 0..3 {
            put(&mut waiting, &format!("honest{at}"), at, 1);
        }
        for at in 0..1_000 {
            // From the past and from the future.
            put(&mut waiting, &format!("flood{at}"), (at - 500) * 1_000, 2);
        }
        put(&mut waiting, "honest3", 3, 1);
        assert_eq!(waiting.held(), (10, 994));
        let serials = waiting.of_service("s").map(|ticket| ticket.serial.as_str());
        let honest: Vec<_> = serials
            .filter(|serial| serial.starts_with("honest"))
            .collect();
        assert_eq!(honest, ["honest0", "honest1", "honest2", "honest3"]);
        // One alone loses its oldest, and what was said again counts once.
        for at in 0..3 {
            assert!(waiting.take("s", &format!("honest{at}")).is_some());
        }
        put(&mut waiting, "honest3", 4, 1);
        waiting.bound(2);
        assert_eq!(waiting.held().0, 2);
        let known = waiting.get("honest3");
        let known = known.map(|(service, ticket)| (service, &*ticket.city));
        assert_eq!(known, Some(("s", "cs")));
        assert_eq!(waiting.get("honest0"), None);
        for (_, serial) in waiting.tickets.clone().into_keys() {
            waiting.take("s", &serial);
        }
        assert!(waiting.sizes.is_empty() && waiting.of_owner.is_empty());
        assert!(waiting.services.is_empty());
    }
}
