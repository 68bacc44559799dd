//! Complaint tickets and the triggers whose answer they get (domain facts H14, H23).
//!
//! A ticket belongs to a trigger when its leaf is a sign of the trigger's cause, for the same service and
//! place. One whose leaf no entry of the knowledge base names belongs to what is open for its service and place and has
//! no entry that names its leaves, the narrowest place and the oldest trigger first: who complains there is owed the
//! answer, and not that of a cause that is known by other complaints. What complaints raised takes those of other leaves
//! as well (`raised`), unless another open trigger, or a refusal that is respected, has their cause.
//!
//! What is said again moves nothing: a ticket stays with the trigger that has it, answered or not, until it moves to another
//! place or cause. It was filed when its first known version says.
//!
//! Invariant: at most `waiting_max` tickets wait without a trigger (`waiting`); at most `tickets_max` are linked to one trigger
//! and `linked_max` to all, more are counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::triggers::book::Now;
use crate::triggers::limits::TriggerLimits;
use crate::triggers::raised::raised_since_ms;
use crate::triggers::trigger::LinkedTicket;
use crate::triggers::waiting::Waiting;
use crate::triggers::{Cause, Place, Trigger, TriggerBook, Urgency};

/// What is heard of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TicketNews {
    /// Serial number.
    pub serial: String,
    /// When it was filed, event time, ms.
    pub filed_at_ms: i64,
    /// Service; empty where the version does not say.
    pub service: String,
    /// Service of its path by the tree; empty where the version says no path, or the tree does not know.
    pub by_tree: String,
    /// City; empty where the version does not say.
    pub city: String,
    /// Its path; empty where the version does not say.
    pub path: String,
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
    /// Those that were only counted, because too many are linked.
    beyond_total: u64,
    /// Those that were only counted since the start, because their trigger has too many.
    #[serde(skip)]
    pub(super) beyond_one_total: u64,
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

/// From when on a ticket is of a trigger's trouble, ms.
fn filed_since_ms(trigger: &Trigger, now: Now<'_>) -> i64 {
    let back_ms = now.book.triggers.tickets_back_ms;
    trigger.since_ms.saturating_sub(back_ms)
}

/// Whether the knowledge base names the complaints of a cause: others are no sign of it.
fn names_leaves(cause: &str, now: Now<'_>) -> bool {
    let mut entries = now.book.knowledge.iter();
    entries.any(|entry| entry.id == cause && !entry.leaves.is_empty())
}

/// A ticket as its newest version leaves it, and its service: what that does not say is as it was known, and a closing is no
/// filing.
fn newest(known: Option<&(String, LinkedTicket)>, news: &TicketNews) -> (String, LinkedTicket) {
    let or = |said: &String, known: Option<&String>| match said.is_empty() {
        true => known.cloned().unwrap_or_default(),
        false => said.clone(),
    };
    let before = known.map(|(_, ticket)| ticket);
    let path = or(&news.path, before.map(|ticket| &ticket.path));
    // What was said of another place does not hold of this one.
    let stays = before.is_some_and(|ticket| ticket.path == path);
    let said = [&news.service, &news.by_tree].into_iter();
    let said = said.take(if stays { 1 } else { 2 });
    let service = said.into_iter().find(|service| !service.is_empty());
    let service = service.or(known.map(|(service, _)| service));
    let service = service.cloned().unwrap_or_default();
    let ticket = LinkedTicket {
        serial: news.serial.clone(),
        leaf: path.rsplit('/').next().unwrap_or_default().to_owned(),
        path,
        city: or(&news.city, before.map(|ticket| &ticket.city)),
        filed_at_ms: before.map_or(news.filed_at_ms, |ticket| {
            ticket.filed_at_ms.min(news.filed_at_ms)
        }),
        answered_at_ms: None,
    };
    (service, ticket)
}

impl TriggerBook {
    /// A ticket was filed, changed, or taken back. True if a trigger changed.
    pub fn hear_ticket(&mut self, news: &TicketNews, now: Now<'_>) -> bool {
        if !news.counts {
            return self.unlink(&news.serial);
        }
        let known = self.known_ticket(&news.serial);
        let (service, ticket) = newest(known.as_ref(), news);
        if ticket.leaf.is_empty() {
            return false;
        }
        let cause = cause_of(&service, &ticket.leaf, now);
        if let Some(id) = self.stays_with(known.as_ref(), (&service, &ticket), now) {
            return self.note_ticket(&id, &ticket);
        }
        let changed = known.is_some() && self.take_out(&news.serial);
        if cause.is_none() && service.is_empty() {
            return changed;
        }
        if let Some(id) = self.open_of(&service, cause, &ticket, now) {
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

    /// The trigger that a linked ticket stays with: it is of the same place and cause as before, or what has answered it is
    /// about the other ones as well.
    fn stays_with(
        &self,
        known: Option<&(String, LinkedTicket)>,
        (service, ticket): (&str, &LinkedTicket),
        now: Now<'_>,
    ) -> Option<String> {
        let (service_before, before) = known?;
        let id = self.tickets.linked.get(&ticket.serial)?;
        let of = &self.triggers.get(id)?.cause;
        if service != service_before {
            return None;
        }
        let cause = cause_of(service, &ticket.leaf, now);
        let is_same_cause = cause == cause_of(service, &before.leaf, now);
        let is_same = is_same_cause && ticket.city == before.city;
        let is_answered = before.answered_at_ms.is_some();
        let is_of_cause = is_same_cause || cause == Some(&*of.cause);
        let is_of_place = place_of(&ticket.city).joins(&of.place, &now.book.places);
        (is_same || (is_answered && is_of_cause && is_of_place)).then(|| id.clone())
    }

    /// What is said of a ticket that stays where it is. True if it says anything else.
    fn note_ticket(&mut self, id: &str, ticket: &LinkedTicket) -> bool {
        let Some(trigger) = self.edit(id) else {
            return false;
        };
        let mut linked = trigger.tickets.iter_mut();
        let Some(known) = linked.find(|known| known.serial == ticket.serial) else {
            return false;
        };
        let said = LinkedTicket {
            answered_at_ms: known.answered_at_ms,
            ..ticket.clone()
        };
        let is_news = *known != said;
        *known = said;
        is_news
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

    /// What is known of a ticket that waits, or is linked to a trigger: its service, and the rest.
    fn known_ticket(&self, serial: &str) -> Option<(String, LinkedTicket)> {
        if let Some((service, ticket)) = self.tickets.waiting.get(serial) {
            return Some((service.to_owned(), ticket.clone()));
        }
        let trigger = self.triggers.get(self.tickets.linked.get(serial)?)?;
        let mut linked = trigger.tickets.iter();
        let ticket = linked.find(|ticket| ticket.serial == serial)?;
        Some((trigger.cause.service.clone(), ticket.clone()))
    }

    /// The open trigger of a cause, or of any where none is known, at a ticket's city or around it, whose trouble the ticket
    /// is not older than.
    fn open_of(
        &self,
        service: &str,
        cause: Option<&str>,
        ticket: &LinkedTicket,
        now: Now<'_>,
    ) -> Option<String> {
        let place = place_of(&ticket.city);
        let fits = |open: &Place, id: &str| {
            let trigger = self.get(id);
            place.joins(open, &now.book.places)
                && trigger.is_some_and(|of| ticket.filed_at_ms >= filed_since_ms(of, now))
        };
        if let Some(cause) = cause {
            let mut open = self
                .alike(service, cause)
                .filter(|(open, id)| fits(&open.place, id));
            return open.next().map(|(_, id)| id.clone());
        }
        let open = self
            .of_service(service)
            .filter(|(open, id)| fits(&open.place, id) && !names_leaves(&open.cause, now));
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
        let first_ms = filed_since_ms(&trigger, now);
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
        let tickets_max = self.limits.tickets_max;
        let Some(trigger) = self.edit(id) else {
            return false;
        };
        if is_full || trigger.tickets.len() >= tickets_max {
            trigger.tickets_beyond += 1;
            match is_full {
                true => self.tickets.beyond_total += 1,
                false => self.tickets.beyond_one_total += 1,
            }
            return true;
        }
        let serial = ticket.serial.clone();
        trigger.tickets.push(ticket);
        trigger.urgency = Urgency::of(trigger, now.book);
        self.tickets.linked.insert(serial, id.to_owned());
        true
    }

    /// A ticket is no complaint any more; that a trigger which is over had it stays as it was.
    fn unlink(&mut self, serial: &str) -> bool {
        let of = self.tickets.linked.get(serial);
        let trigger = of.and_then(|id| self.triggers.get(id));
        if trigger.is_some_and(|trigger| trigger.state.is_final()) {
            return false;
        }
        self.take_out(serial)
    }

    /// Takes a ticket out of where it is. True if a trigger had it.
    fn take_out(&mut self, serial: &str) -> bool {
        let waiting = &mut self.tickets.waiting;
        if let Some(service) = waiting.service_of(serial).cloned() {
            waiting.take(&service, serial);
        }
        let Some(id) = self.tickets.linked.remove(serial) else {
            return false;
        };
        if let Some(trigger) = self.edit(&id) {
            trigger.tickets.retain(|known| known.serial != serial);
        }
        true
    }

    /// Tickets of a trigger that is absorbed wait for the other one's answer.
    pub(super) fn hand_tickets_on(&mut self, from: &str, to: &str) {
        let tickets_max = self.limits.tickets_max;
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
            if trigger.tickets.len() < tickets_max {
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
                None => {
                    self.tickets.beyond_one_total += 1;
                    self.tickets.linked.remove(&serial)
                }
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
