//! The fold operator: records in, facts out, corrected whenever an entity changes its mind.
//!
//! Invariants:
//! * the facts that stand for a key are exactly those its entity states now;
//! * what an entity stated is retracted with the very measure it was stated with;
//! * keys are bounded: at the limit new ones are refused and counted.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use differential_dataflow::difference::Abelian;

use crate::dataflow::control::{Clockwork, Control};
use crate::dataflow::entity::{Entity, EntityFact, EntityKey, View};
use crate::dataflow::subscriber::{Found, Inquiry, Subscribers};
use crate::dataflow::{Counters, Limits, TuplePane};
use crate::event::Record;
use crate::measure::Measure;
use crate::rules::Plan;

/// One key with what it has stated. Shared with a checkpoint while that is being written.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) key: EntityKey,
    pub(super) entity: Entity,
    pub(super) stated: Vec<EntityFact>,
    pub(super) wakes_at_ms: Option<i64>,
    pub(super) expires_at_ms: i64,
}

impl Slot {
    fn new(key: &EntityKey) -> Slot {
        Slot {
            key: key.clone(),
            entity: Entity::for_key(key),
            stated: Vec::new(),
            wakes_at_ms: None,
            expires_at_ms: i64::MAX,
        }
    }

    /// The event time at which it must be looked at again, ms.
    fn alarm_ms(&self) -> i64 {
        self.wakes_at_ms
            .map_or(self.expires_at_ms, |ms| ms.min(self.expires_at_ms))
    }
}

/// State of the fold operator on one worker.
pub(super) struct Fold {
    clock: Clockwork,
    slots: FxHashMap<EntityKey, Arc<Slot>>,
    /// When keys must be looked at again, by event time; entries may be stale.
    alarms: BTreeMap<i64, Vec<EntityKey>>,
    /// The messages of a number; follows from the slots.
    subscribers: Subscribers,
    limits: Limits,
    counters: Rc<Counters>,
}

impl Fold {
    pub(super) fn new(limits: Limits, counters: Rc<Counters>) -> Fold {
        Fold {
            clock: Clockwork::default(),
            slots: FxHashMap::default(),
            alarms: BTreeMap::new(),
            subscribers: Subscribers::default(),
            limits,
            counters,
        }
    }

    /// The operator as a checkpoint had it; alarms follow from the slots.
    pub(super) fn restore(&mut self, clock: Clockwork, slots: Vec<Arc<Slot>>) {
        self.clock = clock;
        for slot in slots {
            let alarms = self.alarms.entry(slot.alarm_ms()).or_default();
            alarms.push(slot.key.clone());
            let mark = slot.entity.number_mark();
            self.subscribers.moved(&slot.key, None, mark);
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

    /// What a checkpoint keeps of it: shared, so this takes one count a key.
    pub(super) fn state(&self) -> Vec<Arc<Slot>> {
        self.slots.values().cloned().collect()
    }

    /// Takes one epoch's records and controls; pushes the differences of facts.
    pub(super) fn epoch(
        &mut self,
        records: Vec<(EntityKey, Record)>,
        controls: Vec<Control>,
        output: &mut Vec<(TuplePane, Measure)>,
    ) {
        let replaced = self.clock.advance(controls).replaced.is_some();
        let Some(plan) = self.clock.plan.clone() else {
            return;
        };
        let mut touched: FxHashSet<EntityKey> = FxHashSet::default();
        for (key, record) in records {
            if !self.slots.contains_key(&key) && self.slots.len() >= self.limits.entities_max {
                Counters::add(&self.counters.entities_refused, 1);
                continue;
            }
            let slot = self
                .slots
                .entry(key.clone())
                .or_insert_with(|| Arc::new(Slot::new(&key)));
            let slot = Arc::make_mut(slot);
            let before = slot.entity.number_mark();
            slot.entity.absorb(record);
            let now = slot.entity.number_mark();
            self.subscribers.moved(&key, before, now);
            touched.insert(key);
        }
        if replaced {
            // Other dimensions or receipt words: every entity is asked again.
            touched.extend(self.slots.keys().cloned());
        }
        self.collect_due(&plan, &mut touched);
        let view = View {
            plan: &plan,
            watermarks: &self.clock.watermarks,
        };
        for key in touched {
            let Some(slot) = self.slots.get_mut(&key) else {
                continue;
            };
            let slot = Arc::make_mut(slot);
            let facts = slot.entity.facts(view);
            difference(&slot.stated, &facts, output);
            slot.stated = facts;
            slot.expires_at_ms = slot.entity.expires_at(view);
            if slot.expires_at_ms <= slot.entity.clock_ms(view) {
                let mark = slot.entity.number_mark();
                self.subscribers.moved(&key, mark, None);
                self.slots.remove(&key);
                continue;
            }
            slot.wakes_at_ms = slot.entity.wakes_at(view);
            let alarm_ms = slot.alarm_ms();
            self.alarms.entry(alarm_ms).or_default().push(key);
        }
        self.counters.entities.set(self.slots.len() as u64);
    }

    /// Adds the keys whose time has come to those that are looked at.
    fn collect_due(&mut self, plan: &Plan, touched: &mut FxHashSet<EntityKey>) {
        let view = View {
            plan,
            watermarks: &self.clock.watermarks,
        };
        // Kinds of entities have clocks of their own; an alarm is kept until its own has passed it.
        let latest_ms = crate::event::Stream::ALL
            .into_iter()
            .map(|stream| view.watermarks.clock(stream))
            .max()
            .unwrap_or(i64::MIN);
        if latest_ms == i64::MIN {
            return;
        }
        let later = self.alarms.split_off(&(latest_ms.saturating_add(1)));
        let due = std::mem::replace(&mut self.alarms, later);
        for (alarm_ms, keys) in due {
            let mut early = Vec::new();
            for key in keys {
                let Some(slot) = self.slots.get(&key) else {
                    continue;
                };
                if slot.alarm_ms() != alarm_ms {
                    continue;
                }
                if slot.entity.clock_ms(view) >= alarm_ms {
                    touched.insert(key);
                } else {
                    early.push(key);
                }
            }
            if !early.is_empty() {
                self.alarms.insert(alarm_ms, early);
            }
        }
    }
}

/// Pushes what turns `before` into `after`; both are sorted.
fn difference(before: &[EntityFact], after: &[EntityFact], output: &mut Vec<(TuplePane, Measure)>) {
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(gone), Some(come)) if gone == come => {
                old.next();
                new.next();
            }
            (Some(gone), come) if come.is_none_or(|come| *gone < come) => {
                let mut measure = gone.measure.clone();
                measure.negate();
                output.push((gone.at.clone(), measure));
                old.next();
            }
            (_, Some(come)) => {
                output.push((come.at.clone(), come.measure.clone()));
                new.next();
            }
            (_, None) => break,
        }
    }
}
