//! Complaint tickets and the triggers whose answer they get (domain facts H14, H23).
//!
//! A ticket belongs to a trigger when its leaf is a sign of the trigger's cause, for the same service and
//! place. One whose leaf no entry of the knowledge base names belongs to what is open for its service and place and has
//! no entry that names its leaves, the narrowest place and the oldest trigger first: who complains there is owed the
//! answer, and not that of a cause that is known by other complaints. What complaints raised takes those of other leaves
//! as well (`raised`), unless another open trigger, or a refusal that is respected, has their cause. Invariant: at most `waiting_max` tickets wait without a trigger (`waiting`); at most
//! `LINKED_MAX` are linked to one trigger and `linked_max` to all, more are counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::triggers::book::{Now, TriggerLimits};
use crate::triggers::raised::raised_since_ms;
use crate::triggers::trigger::LinkedTicket;
use crate::triggers::waiting::Waiting;
use crate::triggers::{Cause, Place, Trigger, TriggerBook, Urgency};

/// Tickets linked to one trigger.
const LINKED_MAX: usize = 1_000;

/// What is heard of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TicketNews {
    /// Serial number.
    pub serial: String,
    /// When it was filed, event time, ms.
    pub filed_at_ms: i64,
    /// Service; empty where the version does not say.
    pub service: String,
    /// City; empty where the version does not say.
    pub city: String,
    /// Last level of its path; empty where the version does not say.
    pub leaf: String,
    /// Whether it still is a complaint: not excluded, not withdrawn.
    pub counts: bool,
    /// Who brought it, by mark.
    pub owner: u32,
}

/// Tickets that wait for a trigger, and those that have one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tickets {
    pub(super) waiting: Waiting,
    /// Triggers of those that are linked, by serial.
    linked: BTreeMap<String, String>,
    /// Those that were only counted.
    beyond_total: u64,
}

/// How many there are of something, how many there may be, and how often one had to go or was left out.
pub type Held = (usize, usize, u64);

impl Tickets {
    /// Those that wait, and those that are linked.
    pub(super) fn held(&self, limits: &TriggerLimits) -> [Held; 2] {
        let (waiting, gone_total) = self.waiting.held();
        [
            (waiting, limits.waiting_max, gone_total),
            (self.linked.len(), limits.linked_max, self.beyond_total),
        ]
    }

    /// Forgets what was linked to a trigger.
    pub(super) fn forget(&mut self, trigger: &Trigger) {
        for ticket in &trigger.tickets {
            if self.linked.get(&ticket.serial) == Some(&trigger.id) {
                self.linked.remove(&ticket.serial);
            }
        }
    }

    /// Serials of a service whose tickets fit.
    fn that_fit(&self, service: &str, fits: impl Fn(&LinkedTicket) -> bool) -> Vec<String> {
        let waiting = self.waiting.of_service(service);
        waiting
            .filter(|ticket| fits(ticket))
            .map(|ticket| ticket.serial.clone())
            .collect()
    }
}

pub(super) fn place_of(city: &str) -> Place {
    if city.is_empty() {
        Place::Whole
    } else {
        Place::City(city.to_owned())
    }
}

/// The cause that a leaf is a sign of, by the knowledge base.
pub(super) fn cause_of<'a>(service: &str, leaf: &str, now: Now<'a>) -> Option<&'a str> {
    let mut entries = now.book.knowledge.iter();
    let entry = entries.find(|entry| entry.is_complained_of(service, leaf))?;
    Some(&entry.id)
}

/// Whether the knowledge base names the complaints of a cause: others are no sign of it.
fn names_leaves(cause: &str, now: Now<'_>) -> bool {
    let mut entries = now.book.knowledge.iter();
    entries.any(|entry| entry.id == cause && !entry.leaves.is_empty())
}

impl TriggerBook {
    /// A ticket was filed, changed, or taken back. True if a trigger changed.
    pub fn hear_ticket(&mut self, news: &TicketNews, now: Now<'_>) -> bool {
        if !news.counts {
            return self.unlink(&news.serial);
        }
        if news.leaf.is_empty() {
            return false;
        }
        // A later version says only what changed.
        let known = self.known_ticket(&news.serial);
        let (service, city) = match &known {
            Some((service, city)) => (service.clone(), city.clone()),
            None => (news.service.clone(), news.city.clone()),
        };
        let changed = known.is_some() && self.unlink(&news.serial);
        let cause = cause_of(&service, &news.leaf, now);
        if cause.is_none() && service.is_empty() {
            return changed;
        }
        let ticket = LinkedTicket {
            serial: news.serial.clone(),
            leaf: news.leaf.clone(),
            city: city.clone(),
            filed_at_ms: news.filed_at_ms,
            answered_at_ms: None,
        };
        if let Some(id) = self.open_of(&service, cause, &city, now) {
            return self.link(&id, ticket, now);
        }
        if self.answer_by_refusal(&service, cause, &ticket, now) {
            return true;
        }
        if let Some(id) = self.raised_around(&service, &ticket, now) {
            return self.link(&id, ticket, now);
        }
        let max = self.limits.waiting_max;
        self.tickets.waiting.put(&service, ticket, news.owner, max);
        changed
    }

    /// A ticket of a cause that was refused here, while that is respected, is answered at once. True if it was.
    fn answer_by_refusal(
        &mut self,
        service: &str,
        cause: Option<&str>,
        ticket: &LinkedTicket,
        now: Now<'_>,
    ) -> bool {
        let of = cause.map(|cause| Cause {
            service: service.to_owned(),
            cause: cause.to_owned(),
            place: place_of(&ticket.city),
        });
        let id = of.and_then(|cause| {
            let first = self.resting(&cause, now).next();
            first.map(|trigger| trigger.id.clone())
        });
        let Some(id) = id else {
            return false;
        };
        let answered = LinkedTicket {
            answered_at_ms: Some(now.at_ms),
            ..ticket.clone()
        };
        self.link(&id, answered, now);
        true
    }

    /// Service and city of a ticket that waits, or is linked to an open trigger.
    fn known_ticket(&self, serial: &str) -> Option<(String, String)> {
        if let Some(place) = self.tickets.waiting.place_of(serial) {
            return Some(place);
        }
        let trigger = self.triggers.get(self.tickets.linked.get(serial)?)?;
        let mut linked = trigger.tickets.iter();
        let ticket = linked.find(|ticket| ticket.serial == serial)?;
        Some((trigger.cause.service.clone(), ticket.city.clone()))
    }

    /// The open trigger of a cause, or of any where none is known, at a city or around it.
    fn open_of(
        &self,
        service: &str,
        cause: Option<&str>,
        city: &str,
        now: Now<'_>,
    ) -> Option<String> {
        let place = place_of(city);
        let fits = |open: &Place| place.joins(open, &now.book.places);
        if let Some(cause) = cause {
            let mut open = self
                .alike(service, cause)
                .filter(|(open, _)| fits(&open.place));
            return open.next().map(|(_, id)| id.clone());
        }
        let open = self
            .of_service(service)
            .filter(|(open, _)| fits(&open.place) && !names_leaves(&open.cause, now));
        let first = open.min_by_key(|(open, id)| (open.place != place, *id));
        first.map(|(_, id)| id.clone())
    }

    /// Open triggers of a service.
    pub(super) fn of_service<'a>(
        &'a self,
        service: &'a str,
    ) -> impl Iterator<Item = (&'a Cause, &'a String)> {
        let first = Cause {
            service: service.to_owned(),
            cause: String::new(),
            place: Place::Whole,
        };
        let open = self.open.range(first..);
        open.take_while(move |(open, _)| open.service == service)
    }

    /// Links the tickets that waited for a trigger like this.
    pub(super) fn link_city_tickets(&mut self, id: &str, now: Now<'_>) {
        let Some(trigger) = self.triggers.get(id).cloned() else {
            return;
        };
        let service = trigger.cause.service.clone();
        let mut entries = now.book.knowledge.iter();
        let entry = entries.find(|entry| entry.id == trigger.cause.cause);
        let takes_any = !names_leaves(&trigger.cause.cause, now);
        let is_sign = |leaf: &str| {
            entry.is_some_and(|entry| entry.is_complained_of(&service, leaf))
                || (takes_any && cause_of(&service, leaf, now).is_none())
        };
        let first_ms = trigger
            .since_ms
            .saturating_sub(now.book.triggers.tickets_back_ms);
        let counted_ms = raised_since_ms(&trigger, now);
        let fitting = self.tickets.that_fit(&service, |ticket| {
            let is_counted = counted_ms.is_some_and(|from_ms| ticket.filed_at_ms >= from_ms);
            (is_counted || (ticket.filed_at_ms >= first_ms && is_sign(&ticket.leaf)))
                && place_of(&ticket.city).joins(&trigger.cause.place, &now.book.places)
        });
        for serial in fitting {
            if let Some(ticket) = self.tickets.waiting.take(&service, &serial) {
                self.link(id, ticket, now);
            }
        }
    }

    fn link(&mut self, id: &str, ticket: LinkedTicket, now: Now<'_>) -> bool {
        if self
            .tickets
            .linked
            .get(&ticket.serial)
            .is_some_and(|known| known == id)
        {
            return false;
        }
        let is_full = self.tickets.linked.len() >= self.limits.linked_max;
        let Some(trigger) = self.edit(id) else {
            return false;
        };
        if is_full || trigger.tickets.len() >= LINKED_MAX {
            trigger.tickets_beyond += 1;
            self.tickets.beyond_total += 1;
            return true;
        }
        let serial = ticket.serial.clone();
        trigger.tickets.push(ticket);
        trigger.urgency = Urgency::of(trigger, now.book);
        self.tickets.linked.insert(serial, id.to_owned());
        true
    }

    /// A ticket is no complaint any more.
    fn unlink(&mut self, serial: &str) -> bool {
        let waiting = &mut self.tickets.waiting;
        if let Some(service) = waiting.service_of(serial).cloned() {
            waiting.take(&service, serial);
        }
        let Some(id) = self.tickets.linked.get(serial).cloned() else {
            return false;
        };
        let Some(trigger) = self.edit(&id).filter(|trigger| !trigger.state.is_final()) else {
            return false;
        };
        trigger.tickets.retain(|known| known.serial != serial);
        self.tickets.linked.remove(serial);
        true
    }

    /// Tickets of a trigger that is absorbed wait for the other one's answer.
    pub(super) fn hand_tickets_on(&mut self, from: &str, to: &str) {
        let Some(trigger) = self.edit(from) else {
            return;
        };
        let tickets = std::mem::take(&mut trigger.tickets);
        let beyond = std::mem::take(&mut trigger.tickets_beyond);
        let Some(trigger) = self.edit(to) else {
            return;
        };
        trigger.tickets_beyond += beyond;
        let mut linked = Vec::new();
        for ticket in tickets {
            if trigger.tickets.len() < LINKED_MAX {
                linked.push((ticket.serial.clone(), Some(to.to_owned())));
                trigger.tickets.push(ticket);
            } else {
                linked.push((ticket.serial, None));
                trigger.tickets_beyond += 1;
            }
        }
        for (serial, to) in linked {
            match to {
                Some(to) => self.tickets.linked.insert(serial, to),
                None => self.tickets.linked.remove(&serial),
            };
        }
    }

    /// Every ticket that waits gets the answer.
    pub(super) fn answer_tickets(&mut self, id: &str, now: Now<'_>) {
        if let Some(trigger) = self.edit(id) {
            for ticket in &mut trigger.tickets {
                ticket.answered_at_ms.get_or_insert(now.at_ms);
            }
        }
    }
}
