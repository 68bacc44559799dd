//! Keyed state: what several records about one thing come to.
//!
//! An entity keeps the records themselves (bounded) and derives its facts from them as a pure
//! function, so the order of arrival cannot show and a correction is a difference of two answers.

use std::cell::Cell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::connection::Holding;
use crate::dataflow::delivery::Delivery;
use crate::dataflow::message::{self, Message};
use crate::dataflow::pool::Pool;
use crate::dataflow::records::Stock;
use crate::dataflow::ticket::Ticket;
use crate::dataflow::update::HoldTold;
use crate::dataflow::{Counters, Limits, Watermarks, pane_of};
use crate::event::{Borrowed, DimensionValue, Record, Stream, Tuple};
use crate::measure::Alike;
use crate::rules::Plan;

/// What records are folded by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum EntityKey {
    /// MMS message id.
    Message(Arc<str>),
    /// Host, interface and connection. Elsewhere, so that the key of a message, of which there are most, is small.
    Connection(Box<(Arc<str>, Arc<str>, Arc<str>)>),
    /// Serial of a complaint.
    Ticket(Arc<str>),
    /// Probe, and what it calls a delivery.
    Delivery(Box<(Option<Arc<str>>, Arc<str>)>),
}

impl EntityKey {
    /// Kinds of keys.
    pub(super) const KINDS: usize = 4;

    /// Number of its kind, below [`EntityKey::KINDS`].
    pub(super) fn kind(&self) -> usize {
        match self {
            EntityKey::Message(_) => 0,
            EntityKey::Connection(..) => 1,
            EntityKey::Ticket(_) => 2,
            EntityKey::Delivery(..) => 3,
        }
    }

    /// The key of a record.
    pub(super) fn of(record: &Record) -> EntityKey {
        match record {
            Record::Submit(event) => EntityKey::Message(event.message_id.clone()),
            Record::Receipt(event) => EntityKey::Message(event.message_id.clone()),
            Record::Connection(event) => EntityKey::Connection(Box::new((
                event.host.clone(),
                event.interface.clone(),
                event.connection.clone(),
            ))),
            Record::Complaint(event) => EntityKey::Ticket(event.serial.clone()),
            Record::Part(event) => EntityKey::Delivery(Box::new((
                event.probe.clone().or(event.source.clone()),
                event.delivery.clone(),
            ))),
        }
    }
}

/// A fact that an entity states, until it changes its mind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntityFact {
    /// Where it counts: tuple and pane.
    pub at: (Arc<Tuple>, i64),
    /// What it counts.
    pub counts: Alike,
}

/// What a look at parts of an entity changes.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What stood of the parts that were looked at, in no order.
    pub before: Vec<EntityFact>,
    /// What they state now, in no order.
    pub after: Vec<EntityFact>,
    /// Reports of all parts that are earlier than what they report on.
    pub early: u64,
}

/// The state of one key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Entity {
    /// A message with its receipts.
    Message(Message),
    /// A connection with its changes of hand; elsewhere, for it would make every message larger.
    Connection(Box<Holding>),
    /// A ticket with its versions.
    Ticket(Ticket),
    /// A delivery with its parts.
    Delivery(Delivery),
}

/// What deriving facts may look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// Rules in force.
    pub plan: &'a Plan,
    /// Progress of event time.
    pub watermarks: &'a Watermarks,
}

/// How much may be kept of one key, and where what its policies do is counted. Of the configuration: what was kept under
/// another bound stays until it goes.
#[derive(Clone, Copy)]
pub(super) struct Room<'a> {
    /// Bounds.
    pub limits: &'a Limits,
    /// Counters.
    pub counters: &'a Counters,
    /// Whether there is room for a record more among those of all keys.
    pub stock: Stock,
}

impl Room<'_> {
    /// Counts that there is none for a record: by the bound on all keys, or else by its own key's.
    pub(super) fn refuse(&self, of_key: &Cell<u64>) {
        if !self.stock.count(self.counters) {
            Counters::add(of_key, 1);
        }
    }
}

impl Entity {
    /// An empty entity of the right kind.
    pub(super) fn for_key(key: &EntityKey) -> Entity {
        match key {
            EntityKey::Message(_) => Entity::Message(Message::default()),
            EntityKey::Connection(key) => {
                let (host, interface, connection) = (**key).clone();
                Entity::Connection(Box::new(Holding::new(host, interface, connection)))
            }
            EntityKey::Ticket(_) => Entity::Ticket(Ticket::default()),
            EntityKey::Delivery(..) => Entity::Delivery(Delivery::default()),
        }
    }

    /// Takes in a record; one of another kind of entity is not for it and is left out. False where it has no
    /// room for more, which is counted.
    pub(super) fn absorb(&mut self, record: Record, room: Room<'_>) -> bool {
        match (self, record) {
            (Entity::Message(message), Record::Submit(event)) => {
                return message.submitted(event, room);
            }
            (Entity::Message(message), Record::Receipt(event)) => {
                return message.reported(event, room);
            }
            (Entity::Connection(holding), Record::Connection(event)) => {
                holding.changed(&event, room);
            }
            (Entity::Ticket(ticket), Record::Complaint(event)) => ticket.changed(event, room),
            (Entity::Delivery(delivery), Record::Part(event)) => return delivery.came(event, room),
            _ => {}
        }
        true
    }

    /// Delivery reports of it that count nowhere.
    pub(super) fn receipts_waiting(&self) -> u64 {
        match self {
            Entity::Message(message) => message.waiting(),
            Entity::Connection(_) | Entity::Ticket(_) | Entity::Delivery(_) => 0,
        }
    }

    /// The marks of the numbers whose messages it belongs to, each once or more often.
    pub(super) fn number_marks(&self) -> Vec<u64> {
        match self {
            Entity::Message(message) => message.number_marks(),
            Entity::Connection(_) | Entity::Ticket(_) | Entity::Delivery(_) => Vec::new(),
        }
    }

    /// How many records are kept.
    pub(super) fn len(&self) -> usize {
        match self {
            Entity::Message(message) => message.len(),
            Entity::Connection(holding) => holding.len(),
            Entity::Ticket(ticket) => ticket.len(),
            Entity::Delivery(delivery) => delivery.len(),
        }
    }

    /// What its parts state, sorted, where each keeps it; nothing of an entity that is looked at as a whole, nor of a
    /// connection, where it follows from the changes.
    pub(super) fn stated_by_parts(&self) -> Vec<&EntityFact> {
        match self {
            Entity::Message(Message::Many(many)) => many.stated(),
            _ => Vec::new(),
        }
    }

    /// Holds the texts that many entities have in common once.
    pub(super) fn share(&mut self, texts: &mut Pool<str>) {
        match self {
            Entity::Message(message) => message.share(texts),
            Entity::Connection(_) => {}
            Entity::Ticket(ticket) => ticket.common_texts().for_each(|text| texts.share(text)),
            Entity::Delivery(of) => of.common_texts().for_each(|text| texts.share(text)),
        }
    }

    /// Looks at those parts of it whose facts may differ from what stands, where it has parts; nothing of what is looked at as
    /// a whole. `was` is the plan of the last look, where another has come since.
    pub(super) fn look_at_parts(
        &mut self,
        view: View<'_>,
        was: Option<&Plan>,
        mut share: impl FnMut(&mut Arc<Tuple>),
    ) -> Option<Look> {
        match self {
            Entity::Message(Message::Many(many)) => Some(many.look(view, was.is_some(), share)),
            Entity::Connection(holding) => {
                let mut look = holding.look(view, was);
                let facts = look.before.iter_mut().chain(&mut look.after);
                facts.for_each(|fact| share(&mut fact.at.0));
                Some(look)
            }
            Entity::Message(Message::Few(_)) | Entity::Ticket(_) | Entity::Delivery(_) => None,
        }
    }

    /// The facts that follow from everything known of what is looked at as a whole, sorted, and how many reports are
    /// earlier than what they report on.
    pub(super) fn facts(&self, view: View<'_>) -> (Vec<EntityFact>, u64) {
        let mut facts = Vec::new();
        let mut early = 0;
        match self {
            Entity::Message(message) => early = message.facts(view, &mut facts),
            // By its panes.
            Entity::Connection(_) => {}
            Entity::Ticket(ticket) => ticket.facts(view, &mut facts),
            Entity::Delivery(delivery) => delivery.facts(view, &mut facts),
        }
        facts.sort();
        (facts, early)
    }

    /// Who holds what, where it is worth a name.
    pub(super) fn hold(&self, view: View<'_>) -> Option<HoldTold> {
        match self {
            Entity::Connection(holding) => holding.told(view),
            Entity::Message(_) | Entity::Ticket(_) | Entity::Delivery(_) => None,
        }
    }

    /// The event time at which the facts may change with no further record, if any, ms.
    pub(super) fn wakes_at(&self, view: View<'_>) -> Option<i64> {
        match self {
            Entity::Message(message) => message.wakes_at(view),
            Entity::Connection(holding) => holding.wakes_at(view),
            Entity::Ticket(_) => None,
            Entity::Delivery(delivery) => delivery.wakes_at(view),
        }
    }

    /// The event time after which it is forgotten (its facts stand), ms.
    pub(super) fn expires_at(&self, view: View<'_>) -> i64 {
        let ts_ms = match self {
            Entity::Message(message) => message.ts_ms_max(),
            Entity::Connection(holding) => holding.ts_ms_max(),
            Entity::Ticket(ticket) => ticket.ts_ms_max(),
            Entity::Delivery(delivery) => delivery.ts_ms_max(),
        };
        self.kept_until(ts_ms, view)
    }

    /// Until when one is kept that was last told of at a time, ms.
    fn kept_until(&self, ts_ms: i64, view: View<'_>) -> i64 {
        let rule = view.plan.book.streams.get(&self.stream());
        ts_ms.saturating_add(rule.map_or(0, |rule| rule.retention_ms))
    }

    /// Whether it is a ticket that came on record so long ago that it may have been known and forgotten.
    pub(super) fn came_too_late(&self, view: View<'_>) -> bool {
        let Entity::Ticket(ticket) = self else {
            return false;
        };
        let since_ms = ticket.on_record_ms();
        since_ms.is_some_and(|since_ms| self.kept_until(since_ms, view) <= self.clock_ms(view))
    }

    /// How far event time has come for this kind of entity, ms.
    pub(super) fn clock_ms(&self, view: View<'_>) -> i64 {
        match self {
            Entity::Message(_) => message::clock_ms(view),
            other => view.watermarks.clock(other.stream()),
        }
    }

    fn stream(&self) -> Stream {
        match self {
            Entity::Message(_) => Stream::MmsReceipt,
            Entity::Connection(_) => Stream::BossConnection,
            Entity::Ticket(_) => Stream::Complaint,
            Entity::Delivery(_) => Stream::DialTest,
        }
    }
}

impl View<'_> {
    /// States one fact of a stream; `value_of` gives the entity's value of a kept dimension.
    pub(super) fn fact<'v>(
        &self,
        stream: Stream,
        ts_ms: i64,
        value: Option<f64>,
        value_of: impl Fn(&str) -> Borrowed<'v>,
    ) -> EntityFact {
        self.facts(stream, (ts_ms, 1), value, value_of)
    }

    /// States so many facts at a time that are alike.
    pub(super) fn facts<'v>(
        &self,
        stream: Stream,
        (ts_ms, weight): (i64, i64),
        value: Option<f64>,
        value_of: impl Fn(&str) -> Borrowed<'v>,
    ) -> EntityFact {
        #[cfg(test)]
        crate::dataflow::steps::step();
        let layout = self.plan.layout.of(stream);
        let dimensions = layout.dimensions.iter();
        let values = dimensions.map(|name| DimensionValue::from(value_of(name)));
        let tuple = Arc::new(Tuple::new(stream, layout.bound_of(value), values.collect()));
        EntityFact {
            at: (tuple, pane_of(ts_ms, self.plan.book.pane_ms)),
            counts: Alike::of(value, weight, layout.parts),
        }
    }
}

#[cfg(test)]
mod tests;
