//! What is known of single subscribers, for who may see it: messages by number (domain fact H19), and who is
//! affected by a trouble (G16). Read between steps from the entities that the fold operator keeps; nothing
//! of it is a dimension, a window or a metric.
//!
//! Invariant: an entity is in the index under the number that it has now, and under no other.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

use crate::dataflow::entity::{Entity, EntityKey, View};
use crate::dataflow::fold::Slot;
use crate::dataflow::number::{digits, hash_of};
use crate::event::{NOT_IN_FULL_FILE, TicketState};

/// Messages in one worker's answer; the newest are told, more are counted.
pub const MESSAGES_MAX: usize = 1_000;
/// Affected subscribers in one worker's answer; more are counted.
pub const AFFECTED_MAX: usize = 10_000;
/// Holds in one answer; more are counted.
pub const HOLDS_MAX: usize = 100;
/// Tickets of a day in one answer; more are counted.
pub const FILED_MAX: usize = 100_000;
/// Serials in one question. Judgement: some ten milliseconds of a worker's time, which events wait for.
pub const SERIALS_MAX: usize = 10_000;
/// Tickets in a sample.
pub const SAMPLE_MAX: usize = 1_000;

/// A question about subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inquiry {
    /// The messages of a number, submitted or reported in `[from_ms, to_ms)`.
    Messages {
        /// The number, however it is written.
        number: String,
        /// First instant, ms.
        from_ms: i64,
        /// End, ms.
        to_ms: i64,
    },
    /// Messages of a service that ended in `[from_ms, to_ms)` otherwise than delivered, or were delivered after the
    /// deadline of their edition. Looks at every message that is kept.
    Missed {
        /// Service.
        service: String,
        /// Cities; everywhere without.
        cities: Option<Vec<String>>,
        /// First instant, ms.
        from_ms: i64,
        /// End, ms.
        to_ms: i64,
    },
    /// Who filed these tickets.
    Callers {
        /// Serial numbers.
        serials: Vec<String>,
    },
    /// These tickets, whatever became of them.
    Tickets {
        /// Serial numbers, at most [`SERIALS_MAX`]: each is looked up by each worker between two steps.
        serials: Vec<String>,
    },
    /// The tickets that were filed in `[from_ms, to_ms)` and count, or were taken back by a full file. Looks at every
    /// ticket.
    Filed {
        /// City; all without.
        city: Option<String>,
        /// First instant, ms.
        from_ms: i64,
        /// End, ms.
        to_ms: i64,
    },
    /// A sample of the tickets that were filed in `[from_ms, to_ms)` and count. Looks at every ticket.
    Sample {
        /// Service; all without.
        service: Option<String>,
        /// City; all without.
        city: Option<String>,
        /// First instant, ms.
        from_ms: i64,
        /// End, ms.
        to_ms: i64,
        /// Which sample: the same number draws the same tickets of the same set.
        seed: u64,
        /// Tickets in it.
        size: usize,
    },
    /// Connections that are held now, the longest first.
    Holds {
        /// Host; all without.
        host: Option<String>,
        /// Interface; all without.
        interface: Option<String>,
    },
}

/// A connection that is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldDetail {
    /// For how long, ms, as of event time.
    pub held_ms: i64,
    /// Since when, ms.
    pub since_ms: i64,
    /// BOSS host.
    pub host: Arc<str>,
    /// Interface.
    pub interface: Arc<str>,
    /// Connection.
    pub connection: Arc<str>,
    /// Who took it, if the source says so.
    pub client: Option<Arc<str>>,
}

/// A complaint ticket as its versions leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketDetail {
    /// Serial number.
    pub serial: Arc<str>,
    /// Number of its newest version, if the source counts them.
    pub version: Option<i64>,
    /// Time of its newest version, ms.
    pub ts_ms: i64,
    /// When it was filed, ms.
    pub filed_ms: Option<i64>,
    /// What the newest version says happened.
    pub state: TicketState,
    /// Its path, also where it was filed by code.
    pub path: Option<Arc<str>>,
    /// Service.
    pub service: Option<Arc<str>>,
    /// City.
    pub city: Option<Arc<str>>,
    /// Channel it came in by.
    pub channel: Option<Arc<str>>,
    /// Who told of it first, where that is said.
    pub source: Option<Arc<str>>,
    /// The caller's number.
    pub number: Option<Arc<str>>,
    /// Class that it was confirmed into.
    pub class: Option<Arc<str>>,
    /// What its newest versions say of why.
    pub cause: Option<Arc<str>>,
    /// Answers of its form that are yes or no.
    pub answers: Box<[(Arc<str>, bool)]>,
    /// Since when the customer misses something, ms.
    pub began_ms: Option<i64>,
    /// Until when, ms.
    pub ended_ms: Option<i64>,
}

/// A message as its records tell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageDetail {
    /// Time of its submission, or else of the report that decided, ms.
    pub ts_ms: i64,
    /// The MMSC's message id.
    pub message_id: Arc<str>,
    /// The subscriber's number.
    pub number: Option<Arc<str>>,
    /// Service.
    pub service: Option<Arc<str>>,
    /// City.
    pub city: Option<Arc<str>>,
    /// Regular issue.
    pub edition: Option<Arc<str>>,
    /// When it was submitted, ms.
    pub submitted_ms: Option<i64>,
    /// Canonical word of how it ended; `pending` before.
    pub status: Arc<str>,
    /// When that was reported, ms.
    pub decided_ms: Option<i64>,
    /// Whether a report says so; without one it only grew too old.
    pub is_reported: bool,
    /// Whether that report is earlier than the submission, beyond what clocks differ.
    pub is_early: bool,
    /// Whether an edition's message came by its deadline.
    pub on_time: Option<bool>,
    /// From submission to delivery, ms.
    pub delay_ms: Option<i64>,
}

/// What one worker found, or all of them together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Messages, the newest first.
    pub messages: Vec<MessageDetail>,
    /// Tickets with the number of who filed them.
    pub callers: Vec<(Arc<str>, Arc<str>)>,
    /// Tickets; those of a sample with their place in it, the first first.
    pub tickets: Vec<(u64, TicketDetail)>,
    /// Holds, the longest first.
    pub holds: Vec<HoldDetail>,
    /// What was found beyond the bound.
    pub beyond: u64,
    /// Whether there may have been messages in the time asked for that are not known: it reaches back further than
    /// they are kept, or nothing was heard of any then.
    pub is_incomplete: bool,
}

impl Found {
    /// Adds what another worker found.
    pub(super) fn merge(&mut self, other: Found, messages_max: usize) {
        self.messages.extend(other.messages);
        self.callers.extend(other.callers);
        self.tickets.extend(other.tickets);
        self.holds.extend(other.holds);
        self.beyond += other.beyond;
        self.is_incomplete |= other.is_incomplete;
        self.keep_newest(messages_max);
        self.keep_longest();
    }

    fn keep_longest(&mut self) {
        self.holds.sort_unstable_by(|a, b| b.cmp(a));
        let over = self.holds.len().saturating_sub(HOLDS_MAX);
        self.holds.truncate(HOLDS_MAX);
        self.beyond += over as u64;
    }

    /// Keeps the first tickets of a sample; who is left out of a sample was never in it.
    pub(super) fn keep_sample(&mut self, size: usize) {
        self.tickets
            .sort_unstable_by(|(a, one), (b, other)| (a, &one.serial).cmp(&(b, &other.serial)));
        self.tickets.truncate(size);
    }

    fn keep_newest(&mut self, messages_max: usize) {
        self.messages.sort_unstable_by(|a, b| b.cmp(a));
        let over = self.messages.len().saturating_sub(messages_max);
        self.messages.truncate(messages_max);
        self.beyond += over as u64;
    }
}

impl Inquiry {
    /// One ticket.
    pub fn ticket(serial: &str) -> Inquiry {
        Inquiry::Tickets {
            serials: vec![serial.to_owned()],
        }
    }

    /// Messages in an answer.
    pub(super) fn messages_max(&self) -> usize {
        match self {
            Inquiry::Missed { .. } => AFFECTED_MAX,
            _ => MESSAGES_MAX,
        }
    }
}

/// Which messages a number has, on one worker: about 30 bytes a message, for the key itself is shared.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    by_number: BTreeSet<(u64, Arc<EntityKey>)>,
}

impl Subscribers {
    /// An entity has a number, which it keeps as long as it is kept.
    pub(super) fn found(&mut self, key: &Arc<EntityKey>, mark: u64) {
        self.by_number.insert((mark, key.clone()));
    }

    /// An entity that had this number is forgotten.
    pub(super) fn forgotten(&mut self, key: &Arc<EntityKey>, mark: u64) {
        self.by_number.remove(&(mark, key.clone()));
    }

    /// What the entities of a worker say to a question.
    pub(super) fn answer(
        &self,
        inquiry: &Inquiry,
        slots: &FxHashMap<Arc<EntityKey>, Arc<Slot>>,
        view: View<'_>,
    ) -> Found {
        let mut found = Found::default();
        match inquiry {
            Inquiry::Messages {
                number,
                from_ms,
                to_ms,
            } => {
                let wanted = digits(number);
                let mark = hash_of(&wanted);
                let first = (mark, Arc::new(EntityKey::Message("".into())));
                let of_number = self.by_number.range(first..);
                let of_number = of_number.take_while(|(known, _)| *known == mark);
                for (_, key) in of_number {
                    let slot = slots.get(key);
                    let details = slot.map(|slot| details_of(key, slot, Some(&wanted), view));
                    let is_own = |detail: &MessageDetail| {
                        detail.number.as_deref().map(digits).as_deref() == Some(&*wanted)
                    };
                    let is_then = |detail: &MessageDetail| {
                        let decided_ms = detail.decided_ms.unwrap_or(detail.ts_ms);
                        detail.ts_ms < *to_ms && decided_ms.max(detail.ts_ms) >= *from_ms
                    };
                    let fit = details.unwrap_or_default().into_iter();
                    let fit = fit.filter(|detail| is_own(detail) && is_then(detail));
                    found.messages.extend(fit);
                }
            }
            Inquiry::Missed {
                service,
                cities,
                from_ms,
                to_ms,
            } => {
                let is_there = |city: Option<&str>| {
                    let Some(cities) = cities else { return true };
                    city.is_some_and(|city| cities.iter().any(|known| known == city))
                };
                let details = slots.iter();
                for detail in details.flat_map(|(key, slot)| details_of(key, slot, None, view)) {
                    let ended_ms = detail.decided_ms.unwrap_or(i64::MIN);
                    let is_missed = detail.is_failed() || detail.on_time == Some(false);
                    let is_then = (*from_ms..*to_ms).contains(&ended_ms);
                    let fits = detail.service.as_deref() == Some(service.as_str())
                        && is_there(detail.city.as_deref());
                    if is_missed && is_then && fits && detail.number.is_some() {
                        found.messages.push(detail);
                    }
                }
            }
            Inquiry::Callers { serials } => {
                for serial in serials {
                    let key = EntityKey::Ticket(serial.as_str().into());
                    let Some(Entity::Ticket(ticket)) = slots.get(&key).map(|slot| &slot.entity)
                    else {
                        continue;
                    };
                    let number = ticket.subscriber();
                    found
                        .callers
                        .extend(number.map(|number| (Arc::from(serial.as_str()), number)));
                }
            }
            Inquiry::Tickets { serials } => {
                for serial in serials.iter().take(SERIALS_MAX) {
                    let key = EntityKey::Ticket(serial.as_str().into());
                    if let Some(Entity::Ticket(ticket)) = slots.get(&key).map(|slot| &slot.entity) {
                        let detail = ticket.detail(view);
                        found.tickets.extend(detail.map(|detail| (0, detail)));
                    }
                }
                found.beyond += serials.len().saturating_sub(SERIALS_MAX) as u64;
            }
            Inquiry::Filed {
                city,
                from_ms,
                to_ms,
            } => {
                for slot in slots.values() {
                    let Entity::Ticket(ticket) = &slot.entity else {
                        continue;
                    };
                    let Some(detail) = ticket.detail(view) else {
                        continue;
                    };
                    // One that a file took back may be named by the next.
                    let is_gone = detail.state == TicketState::Withdrawn
                        && detail.cause.as_deref() == Some(NOT_IN_FULL_FILE);
                    let is_of_file = detail.state.counts() || is_gone;
                    let filed = detail.filed_ms.filter(|_| is_of_file);
                    let is_then = filed.is_some_and(|ms| (*from_ms..*to_ms).contains(&ms));
                    if !is_then || (city.is_some() && city.as_deref() != detail.city.as_deref()) {
                        continue;
                    }
                    if found.tickets.len() < FILED_MAX {
                        found.tickets.push((0, detail));
                    } else {
                        found.beyond += 1;
                    }
                }
            }
            Inquiry::Sample {
                service,
                city,
                from_ms,
                to_ms,
                seed,
                size,
            } => {
                let is = |wish: &Option<String>, is: &Option<Arc<str>>| {
                    wish.is_none() || wish.as_deref() == is.as_deref()
                };
                for slot in slots.values() {
                    let Entity::Ticket(ticket) = &slot.entity else {
                        continue;
                    };
                    let Some(detail) = ticket.detail(view) else {
                        continue;
                    };
                    let filed = detail.filed_ms.filter(|_| detail.state.counts());
                    if filed.is_some_and(|filed_ms| (*from_ms..*to_ms).contains(&filed_ms))
                        && is(service, &detail.service)
                        && is(city, &detail.city)
                    {
                        found.tickets.push((draw(*seed, &detail.serial), detail));
                    }
                }
                found.keep_sample(*size);
            }
            Inquiry::Holds { host, interface } => {
                let is = |wish: &Option<String>, is: &str| {
                    wish.as_ref().is_none_or(|wish| wish.as_str() == is)
                };
                let all = slots.values().filter_map(|slot| match &slot.entity {
                    Entity::Connection(holding) => holding.hold(view),
                    _ => None,
                });
                let fit = all.filter(|hold| is(host, &hold.host) && is(interface, &hold.interface));
                found.holds.extend(fit);
                found.keep_longest();
            }
        }
        found.keep_newest(inquiry.messages_max());
        found
    }
}

impl MessageDetail {
    /// Whether the subscriber has it.
    pub fn is_delivered(&self) -> bool {
        &*self.status == crate::dataflow::message::RETRIEVED
    }

    /// Whether a report says that it expired.
    pub fn is_expired(&self) -> bool {
        self.is_reported && &*self.status == crate::dataflow::message::EXPIRED
    }

    /// Whether it has ended, and not with the subscriber.
    pub fn is_failed(&self) -> bool {
        use crate::dataflow::message::{PENDING, RETRIEVED};
        &*self.status != RETRIEVED && &*self.status != PENDING
    }
}

/// The message of an entity, as all have it, or at least the recipient with these digits.
fn details_of(
    key: &EntityKey,
    slot: &Slot,
    digits: Option<&str>,
    view: View<'_>,
) -> Vec<MessageDetail> {
    match (key, &slot.entity) {
        (EntityKey::Message(id), Entity::Message(message)) => message.details(id, digits, view),
        _ => Vec::new(),
    }
}

/// A ticket's place in the sample of a seed; the same on every machine and at any number of workers.
fn draw(seed: u64, serial: &str) -> u64 {
    let digest = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(serial.as_bytes())
        .finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
