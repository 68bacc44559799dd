//! A fold operator by itself, for tests of what it keeps: records in, differences added up.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::difference::{Abelian as _, IsZero as _, Semigroup as _};

use crate::dataflow::control::{Clockwork, Control, Shared};
use crate::dataflow::entity::{EntityFact, EntityKey};
use crate::dataflow::fold::{Fold, Slot};
use crate::dataflow::{Counters, Limits, Owner, TuplePane, Watermarks};
use crate::event::{Record, SourceId, SourceProgress, Stream};
use crate::measure::Measure;
use crate::rules::Plan;

/// A fold operator by itself.
pub(super) struct Bench {
    pub(super) fold: Fold,
    pub(super) counters: Rc<Counters>,
    limits: Limits,
    stream: Stream,
    pub(super) plan: Arc<Plan>,
    /// A plan that the next epoch brings.
    pub(super) brings: Option<Arc<Plan>>,
    /// As the fold has them.
    pub(super) watermarks: Watermarks,
    /// What was told so far.
    pub(super) told: BTreeMap<TuplePane, Measure>,
}

impl Bench {
    /// One that has heard nothing; event time is that of `stream`.
    pub(super) fn new(limits: Limits, stream: Stream, plan: Arc<Plan>) -> Bench {
        let counters = Rc::<Counters>::default();
        Bench {
            fold: Fold::new(limits, counters.clone()),
            counters,
            limits,
            stream,
            brings: Some(plan.clone()),
            plan,
            watermarks: Watermarks::default(),
            told: BTreeMap::new(),
        }
    }

    /// Lets event time come to `now_ms` and takes records of one owner.
    pub(super) fn epoch_of(&mut self, owner: Owner, now_ms: i64, records: Vec<Record>) {
        if let Some(plan) = &self.brings {
            self.plan = plan.clone();
        }
        let source = SourceId {
            stream: self.stream,
            name: None,
        };
        let progress = SourceProgress {
            ts_ms_max: now_ms,
            events: 1,
        };
        self.watermarks.observe(source.clone(), progress, owner);
        self.watermarks.tick(now_ms, &self.plan.book);
        let mut controls: Vec<Control> =
            self.brings.take().map(Control::Plan).into_iter().collect();
        controls.push(Control::Shared(Shared::Source(source, progress, owner)));
        controls.push(Control::Tick { now_ms });
        let records = records.into_iter();
        let records = records.map(|record| (EntityKey::of(&record), owner, record));
        let mut told = Vec::new();
        self.fold.epoch(records.collect(), controls, &mut told);
        for (at, measure, _) in told {
            self.told.entry(at).or_default().plus_equals(&measure);
        }
    }

    /// The same of an owner without a name.
    pub(super) fn epoch(&mut self, now_ms: i64, records: Vec<Record>) {
        self.epoch_of(Owner::default(), now_ms, records);
    }

    /// Whether what was told comes to these facts.
    pub(super) fn is_told<'a>(&self, facts: impl Iterator<Item = &'a EntityFact>) -> bool {
        let mut told = self.told.clone();
        for fact in facts {
            let mut measure = fact.counts.measure();
            measure.negate();
            let sum = told.entry(fact.at.clone()).or_default();
            sum.plus_equals(&measure);
        }
        told.values().all(|measure| measure.is_zero())
    }

    /// What is kept.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        self.fold.state()
    }

    /// Goes on from a checkpoint.
    pub(super) fn restart(&mut self) {
        let (mut restored, counters) = (Vec::new(), Rc::<Counters>::default());
        for slot in self.slots() {
            let stated = slot.stated.iter().chain(slot.entity.stated_by_parts());
            let stated = stated.cloned().collect();
            let bytes = postcard::to_allocvec(&slot.entity).unwrap();
            restored.push(Arc::new(Slot {
                key: slot.key.clone(),
                entity: postcard::from_bytes(&bytes).unwrap(),
                stated,
                early: Slot::UNKNOWN,
                ..*slot
            }));
        }
        let clock = Clockwork {
            plan: Some(self.plan.clone()),
            watermarks: self.watermarks.clone(),
        };
        self.fold = Fold::new(self.limits, counters.clone());
        self.fold.restore(clock, restored);
        self.counters = counters;
    }
}
