//! The fold operator: records in, facts out, corrected whenever an entity changes its mind.
//!
//! Invariants:
//! * the facts that stand for a key are exactly those its entity states now, and those that it has outlived;
//! * what an entity stated is retracted with the very measure it was stated with;
//! * keys are bounded: at the limit new ones are refused and counted, and before it those of a producer that has its
//!   share (`owner`); so are their records, all together (`records`);
//! * a record costs a look at what it speaks of: of a message to thousands, at one recipient; of a connection, at the panes
//!   from there on. A pane's end costs a connection that is held the pane that ended.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use differential_dataflow::difference::Abelian;

use crate::dataflow::control::{Clockwork, Control};
use crate::dataflow::entity::{Entity, EntityFact, EntityKey, Room, View};
use crate::dataflow::number;
use crate::dataflow::owner::{Holdings, Owner};
use crate::dataflow::pool::Pool;
use crate::dataflow::records::Records;
use crate::dataflow::subscriber::{Found, Inquiry, Subscribers};
use crate::dataflow::update::HoldTold;
use crate::dataflow::{Counters, Limits, TuplePane};
use crate::event::{Record, Tuple};
use crate::measure::Measure;
use crate::rules::Plan;

/// One key with what it has stated. Shared with a checkpoint while that is being written.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) key: Arc<EntityKey>,
    pub(super) entity: Entity,
    /// What stands of it; of a message that is looked at by its parts, only until the first such look. Of a connection nothing.
    pub(super) stated: Box<[EntityFact]>,
    /// When it must be looked at although nothing came, ms; [`Slot::NEVER`].
    pub(super) wakes_at_ms: i64,
    pub(super) expires_at_ms: i64,
    /// Who spoke of it; of several the smallest mark, whoever came first: order must not show. Who gives no name has the
    /// greatest.
    pub(super) owner: Owner,
    /// Reports that are earlier than what they report on, each counted once; [`Slot::UNKNOWN`] after a restart.
    pub(super) early: u32,
}

impl Slot {
    /// No time to look at it.
    pub(super) const NEVER: i64 = i64::MAX;
    /// No number of reports: a key has thousands at most.
    pub(super) const UNKNOWN: u32 = u32::MAX;

    fn new(key: &Arc<EntityKey>, owner: Owner) -> Slot {
        Slot {
            key: key.clone(),
            entity: Entity::for_key(key),
            stated: Box::default(),
            wakes_at_ms: Slot::NEVER,
            expires_at_ms: i64::MAX,
            owner,
            early: 0,
        }
    }

    /// States anew what follows now, of all that may have changed; pushes the differences. How many of its reports are
    /// early. `was` is the plan of the last look, where another has come since.
    fn look(
        &mut self,
        view: View<'_>,
        was: Option<&Plan>,
        tuples: &mut Pool<Tuple>,
        push: impl FnMut(TuplePane, Measure),
    ) -> u64 {
        let share = |tuple: &mut Arc<Tuple>| tuples.share(tuple);
        if let Some(mut look) = self.entity.look_at_parts(view, was, share) {
            look.before.extend(std::mem::take(&mut self.stated));
            look.before.sort_unstable();
            look.after.sort_unstable();
            difference(&look.before, &look.after, push);
            return look.early;
        }
        let (mut facts, early) = self.entity.facts(view);
        facts
            .iter_mut()
            .for_each(|fact| tuples.share(&mut fact.at.0));
        difference(&self.stated, &facts, push);
        self.stated = facts.into_boxed_slice();
        early
    }

    /// The event time at which it must be looked at again, ms.
    fn alarm_ms(&self) -> i64 {
        self.wakes_at_ms.min(self.expires_at_ms)
    }
}

/// A key, and the event time at which to look at it, ms; the earliest is the greatest.
type Alarm = Reverse<(i64, Arc<EntityKey>)>;

/// State of the fold operator on one worker.
pub(super) struct Fold {
    clock: Clockwork,
    slots: FxHashMap<Arc<EntityKey>, Arc<Slot>>,
    /// When keys must be looked at again, by event time. By kind: each has a clock of its own. Entries
    /// may be stale.
    alarms: [BinaryHeap<Alarm>; EntityKey::KINDS],
    texts: Pool<str>,
    tuples: Pool<Tuple>,
    /// The messages of a number; follows from the slots.
    subscribers: Subscribers,
    /// Who holds how many of the slots.
    holdings: Holdings,
    /// How many records the slots have, and whose.
    records: Records,
    /// Holds that the epoch changed, until they are taken.
    holds: Vec<HoldTold>,
    /// Serials that were spoken of in the epoch and were on record before it, or are too old to tell, until they are taken.
    on_record: Vec<String>,
    limits: Limits,
    counters: Rc<Counters>,
}

impl Fold {
    pub(super) fn new(limits: Limits, counters: Rc<Counters>) -> Fold {
        Fold {
            clock: Clockwork::new(&limits),
            slots: FxHashMap::default(),
            alarms: Default::default(),
            texts: Pool::new(),
            tuples: Pool::new(),
            subscribers: Subscribers::default(),
            holdings: Holdings::default(),
            records: Records::default(),
            holds: Vec::new(),
            on_record: Vec::new(),
            limits,
            counters,
        }
    }

    /// The operator as a checkpoint had it; alarms follow from the slots.
    pub(super) fn restore(&mut self, clock: Clockwork, slots: Vec<Arc<Slot>>) {
        self.clock = clock;
        for mut slot in slots {
            if let Some(slot) = Arc::get_mut(&mut slot) {
                slot.entity.share(&mut self.texts);
                for fact in &mut slot.stated {
                    self.tuples.share(&mut fact.at.0);
                }
            }
            let alarm = Reverse((slot.alarm_ms(), slot.key.clone()));
            self.alarms[slot.key.kind()].push(alarm);
            for mark in slot.entity.number_marks() {
                self.subscribers.found(&slot.key, mark);
            }
            self.holdings.take(slot.owner);
            self.records.changed(slot.owner, 0, slot.entity.len());
            Counters::add(
                &self.counters.receipts_waiting,
                slot.entity.receipts_waiting(),
            );
            self.slots.insert(slot.key.clone(), slot);
        }
    }

    /// What it knows of subscribers, between two steps.
    pub(super) fn inquire(&self, inquiry: &Inquiry) -> Found {
        let Some(plan) = &self.clock.plan else {
            return Found::default();
        };
        let view = View {
            plan,
            watermarks: &self.clock.watermarks,
        };
        self.subscribers.answer(inquiry, &self.slots, view)
    }

    /// Holds that the last epoch told of, once.
    pub(super) fn take_holds(&mut self) -> Vec<HoldTold> {
        std::mem::take(&mut self.holds)
    }

    /// Serials of which the last epoch spoke that were on record before it, or are too old to tell, once.
    pub(super) fn take_on_record(&mut self) -> Vec<String> {
        std::mem::take(&mut self.on_record)
    }

    /// What a checkpoint keeps of it: shared, so this takes one count a key.
    pub(super) fn state(&self) -> Vec<Arc<Slot>> {
        self.slots.values().cloned().collect()
    }

    /// Takes one epoch's records and controls; pushes the differences of facts.
    pub(super) fn epoch(
        &mut self,
        mut records: Vec<(EntityKey, Owner, Record)>,
        controls: Vec<Control>,
        output: &mut Vec<(TuplePane, Measure, Owner)>,
    ) {
        let replaced = self.clock.advance(controls).replaced;
        let Some(plan) = self.clock.plan.clone() else {
            return;
        };
        // Whether the alarm that a key had set is still to come.
        let mut touched: FxHashMap<Arc<EntityKey>, bool> = FxHashMap::default();
        let mut new_tickets: Vec<Arc<EntityKey>> = Vec::new();
        let many_keys = self.slots.len() + records.len() > self.limits.entities_max / 2;
        if many_keys || self.records.held() + records.len() > self.limits.records_max / 2 {
            // Who is refused must not depend on which worker was faster.
            records.sort_unstable_by(|(a, of_a, one), (b, of_b, other)| {
                (a, of_a, one).cmp(&(b, of_b, other))
            });
        }
        for (key, owner, mut record) in records {
            record.common_texts(&mut |text| self.texts.share(text));
            let known = self.slots.get_key_value(&key);
            let charged = known.map_or(owner, |(_, slot)| owner.min(slot.owner));
            let stock = self.records.stock(charged, self.limits.records_max);
            let known = known.map(|(key, _)| key.clone());
            if known.is_none() {
                let (held, max) = (self.slots.len(), self.limits.entities_max);
                if held >= max {
                    Counters::add(&self.counters.entities_refused, 1);
                    continue;
                }
                if !self.holdings.has_share(owner, held, max) {
                    Counters::add(&self.counters.entities_over_share, 1);
                    continue;
                }
                if stock.count(&self.counters) {
                    continue;
                }
                self.holdings.take(owner);
            }
            let is_new = known.is_none();
            let key = known.unwrap_or_else(|| Arc::new(key));
            if is_new && matches!(*key, EntityKey::Ticket(_)) {
                new_tickets.push(key.clone());
            }
            let slot = self
                .slots
                .entry(key.clone())
                .or_insert_with(|| Arc::new(Slot::new(&key, owner)));
            let slot = Arc::make_mut(slot);
            if owner < slot.owner {
                self.holdings.give_back(slot.owner);
                self.holdings.take(owner);
                self.records.moved(slot.owner, owner, slot.entity.len());
                slot.owner = owner;
            }
            let mark = number::mark_of(record.recipient());
            if let (EntityKey::Ticket(serial), Entity::Ticket(ticket)) = (&*key, &slot.entity)
                && !touched.contains_key(&key)
                && ticket.on_record_ms().is_some()
            {
                self.on_record.push(serial.to_string());
            }
            let (waited, held) = (slot.entity.receipts_waiting(), slot.entity.len());
            let room = Room {
                stock,
                limits: &self.limits,
                counters: &self.counters,
            };
            let is_taken = slot.entity.absorb(record, room);
            let waiting = &self.counters.receipts_waiting;
            waiting.set(waiting.get() + slot.entity.receipts_waiting() - waited);
            self.records.changed(slot.owner, held, slot.entity.len());
            if !is_taken {
                continue;
            }
            if let Some(mark) = mark {
                self.subscribers.found(&key, mark);
            }
            touched.insert(key, true);
        }
        if replaced.is_some() {
            // Other dimensions or receipt words: every entity is asked again.
            touched.extend(self.slots.keys().map(|key| (key.clone(), true)));
        }
        let was = replaced.flatten();
        self.collect_due(&plan, &mut touched);
        let view = View {
            plan: &plan,
            watermarks: &self.clock.watermarks,
        };
        // By all that the epoch says of them, in whatever order.
        for key in &new_tickets {
            let slot = self.slots.get(key);
            if let EntityKey::Ticket(serial) = &**key
                && slot.is_some_and(|slot| slot.entity.came_too_late(view))
            {
                self.on_record.push(serial.to_string());
                Counters::add(&self.counters.tickets_too_late, 1);
            }
        }
        for (key, is_set) in touched {
            let Some(slot) = self.slots.get_mut(&key) else {
                continue;
            };
            let slot = Arc::make_mut(slot);
            let owner = slot.owner;
            let early = slot.look(view, was.as_deref(), &mut self.tuples, |at, measure| {
                output.push((at, measure, owner));
            });
            let early = early.min(u64::from(Slot::UNKNOWN - 1)) as u32;
            let newly = match std::mem::replace(&mut slot.early, early) {
                Slot::UNKNOWN => 0,
                before => early.saturating_sub(before),
            };
            Counters::add(&self.counters.reports_early, u64::from(newly));
            self.holds.extend(slot.entity.hold(view));
            let set_ms = slot.alarm_ms();
            slot.expires_at_ms = slot.entity.expires_at(view);
            if slot.expires_at_ms <= slot.entity.clock_ms(view) {
                for mark in slot.entity.number_marks() {
                    self.subscribers.forgotten(&key, mark);
                }
                let unclaimed = slot.entity.receipts_waiting();
                let waiting = &self.counters.receipts_waiting;
                waiting.set(waiting.get() - unclaimed);
                Counters::add(&self.counters.receipts_unclaimed, unclaimed);
                self.holdings.give_back(slot.owner);
                self.records.changed(slot.owner, slot.entity.len(), 0);
                self.slots.remove(&key);
                continue;
            }
            slot.wakes_at_ms = slot.entity.wakes_at(view).unwrap_or(Slot::NEVER);
            let alarm_ms = slot.alarm_ms();
            if !is_set || alarm_ms != set_ms {
                self.alarms[key.kind()].push(Reverse((alarm_ms, key)));
            }
        }
        self.counters.entities.set(self.slots.len() as u64);
        self.counters.records.set(self.records.held() as u64);
    }

    /// Adds the keys whose time has come to those that are looked at.
    fn collect_due(&mut self, plan: &Plan, touched: &mut FxHashMap<Arc<EntityKey>, bool>) {
        let view = View {
            plan,
            watermarks: &self.clock.watermarks,
        };
        for alarms in &mut self.alarms {
            while let Some(Reverse((alarm_ms, key))) = alarms.peek() {
                let slot = self.slots.get(key);
                let is_wanted = slot.is_some_and(|slot| slot.alarm_ms() == *alarm_ms);
                if slot.is_some_and(|slot| slot.entity.clock_ms(view) < *alarm_ms) {
                    break;
                }
                let Some(Reverse((_, key))) = alarms.pop() else {
                    break;
                };
                if is_wanted {
                    touched.insert(key, false);
                }
            }
        }
    }
}

/// Pushes what turns `before` into `after`; both are sorted.
fn difference(
    before: &[EntityFact],
    after: &[EntityFact],
    mut push: impl FnMut(TuplePane, Measure),
) {
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(gone), Some(come)) if gone == come => {
                old.next();
                new.next();
            }
            (Some(gone), come) if come.is_none_or(|come| *gone < come) => {
                let mut measure = gone.counts.measure();
                measure.negate();
                push(gone.at.clone(), measure);
                old.next();
            }
            (_, Some(come)) => {
                push(come.at.clone(), come.counts.measure());
                new.next();
            }
            (_, None) => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five million open messages are kept in 4 GiB: what each has grows only on purpose.
    #[test]
    fn what_is_kept_of_a_key_is_small() {
        assert!(size_of::<EntityKey>() <= 24, "{}", size_of::<EntityKey>());
        assert!(size_of::<EntityFact>() <= 40, "{}", size_of::<EntityFact>());
        assert!(size_of::<Slot>() <= 96, "{}", size_of::<Slot>());
    }
}
