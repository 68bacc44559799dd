//! What the effect of a mend is measured by: every KQI that spoke for the trigger, in all the places where it did,
//! and the complaints about the same service there.
//!
//! * Places of one KQI are measured together: a trouble of a province by its cities.
//! * Places that had trouble of their own are no controls.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::effect::{Better, Compared, EffectRules, Periods, Series};
use crate::engine::effects::Mending;
use crate::engine::past::{Kept, is_counted};
use crate::engine::step::Engine;
use crate::event::{CITY, Stream};
use crate::rules::{Kqi, Plan, Unit};
use crate::triggers::{Place, Trigger};

/// Most KQIs that one mend is measured by; the trigger's own comes first. Judgement: the error is shared among them.
const INDICATORS_MAX: usize = 12;

/// An object and its past.
type Object<'a> = (&'a Arc<str>, &'a Kept);

impl Engine {
    /// Everything that can be set before and after: the trigger's own KQI first, then the others that spoke for it, in
    /// the order in which they did, then complaints.
    pub(super) fn indicators<'a>(
        &'a self,
        trigger: &Trigger,
        mending: &Mending,
        plan: &'a Plan,
    ) -> Vec<Compared<'a>> {
        let book = &*plan.book;
        let mut ids: Vec<&str> = vec![&trigger.kqi];
        for source in &trigger.sources {
            if !ids.contains(&source.kqi.as_str()) {
                ids.push(&source.kqi);
            }
        }
        let spoke = ids.iter().filter_map(|id| {
            let kqi = book.kqis.iter().find(|kqi| kqi.id == *id)?;
            let objects: Vec<Object<'_>> = self
                .past
                .of(&kqi.id)
                .filter(|(label, _)| {
                    let mut sources = trigger.sources.iter();
                    sources.any(|source| source.kqi == *id && *source.group_label == ***label)
                })
                .collect();
            Some((kqi, objects))
        });
        let complaints = book.kqis.iter().filter_map(|kqi| {
            let is_other = kqi.stream == Stream::Complaint && !ids.contains(&kqi.id.as_str());
            is_other.then(|| (kqi, self.complained(trigger, kqi, plan)))
        });
        let compared = spoke.chain(complaints).filter_map(|(kqi, objects)| {
            let mend = mending.mend(&kqi.id)?;
            let first = objects.first()?.1;
            let treated = match objects.as_slice() {
                [(_, one)] => Cow::Borrowed(&one.series),
                all => Cow::Owned(Series::together(all.iter().map(|(_, kept)| &kept.series))),
            };
            let mut compared = Compared {
                kqi: &kqi.id,
                group_label: label_of(&objects),
                mend,
                is_count: is_counted(kqi),
                better: Better::Lower,
                window_ms: kqi.window.size_ms,
                offset_ms: kqi.window.phase_ms(plan.standard_offset_ms()),
                ceiling: None,
                treated,
                controls: Vec::new(),
            };
            let periods = compared.periods(&EffectRules::default());
            compared.better = better(kqi, &compared.treated, &periods);
            let rises = compared.better == Better::Higher && kqi.unit == Unit::Percent;
            compared.ceiling = rises.then_some(100.0);
            compared.controls = self
                .past
                .of(&kqi.id)
                .filter(|(other, kept)| {
                    !objects.iter().any(|(own, _)| own == other)
                        && elsewhere(first, kept)
                        && !self.had_trouble(trigger, &kqi.id, other, &periods)
                })
                .filter_map(|(_, kept)| Some((kept.group.get(CITY)?, &kept.series)))
                .collect();
            Some(compared)
        });
        compared.take(INDICATORS_MAX).collect()
    }

    /// Complaints of a KQI about the trigger's service, where the trouble was.
    fn complained<'a>(&'a self, trigger: &Trigger, kqi: &Kqi, plan: &Plan) -> Vec<Object<'a>> {
        let cities: BTreeSet<&str> = trigger.cities().into_iter().collect();
        let was_there = |city: &str| match cities.is_empty() {
            true => Place::City(city.to_owned()).joins(&trigger.cause.place, &plan.book.places),
            false => cities.contains(city),
        };
        let objects = self.past.of(&kqi.id).filter(|(_, kept)| {
            let service = kqi.service.as_deref();
            let service = service.or_else(|| kept.group.get("service"));
            service.is_some()
                && service == trigger.service.as_deref()
                && kept.group.get(CITY).is_none_or(was_there)
        });
        let objects: Vec<Object<'_>> = objects.collect();
        // Of a KQI that knows no cities, one object is all there is.
        let knows_cities = objects
            .iter()
            .all(|(_, kept)| kept.group.get(CITY).is_some());
        match knows_cities {
            true => objects,
            false => objects.into_iter().take(1).collect(),
        }
    }

    /// Whether an object was the business of another trigger while it would have to be untouched.
    fn had_trouble(&self, own: &Trigger, kqi: &str, label: &str, periods: &Periods) -> bool {
        self.triggers.triggers().any(|other| {
            let concerns = other
                .sources
                .iter()
                .any(|source| source.kqi == kqi && *source.group_label == *label);
            let from_ms = periods.before_ms - periods.length_ms;
            let touches = other.since_ms < periods.end_ms()
                && (!other.state.is_final() || other.since_ms >= from_ms);
            other.id != own.id && concerns && touches
        })
    }
}

/// The label of an object, or of several: what they have in common, and their cities.
fn label_of<'a>(objects: &[Object<'a>]) -> Cow<'a, str> {
    let Some(((label, first), others)) = objects.split_first() else {
        return Cow::Borrowed("");
    };
    if others.is_empty() {
        return Cow::Borrowed(label);
    }
    let parts = first.group.values.iter().map(|(name, _)| {
        let of_all = objects.iter().filter_map(|(_, kept)| kept.group.get(name));
        let values: BTreeSet<&str> = of_all.collect();
        let values: Vec<&str> = values.into_iter().collect();
        format!("{name}={}", values.join("、"))
    });
    Cow::Owned(parts.collect::<Vec<_>>().join(";"))
}

/// Whether an object differs from another in its city alone.
fn elsewhere(own: &Kept, other: &Kept) -> bool {
    let (own, other) = (&own.group.values, &other.group.values);
    own.len() == other.len()
        && own
            .iter()
            .zip(other)
            .all(|(own, other)| own.0 == other.0 && (own.1 == other.1) == (own.0 != CITY))
}

/// Which way a KQI should move: back into its interval.
fn better(kqi: &Kqi, own: &Series, periods: &Periods) -> Better {
    match (kqi.interval.min, kqi.interval.max) {
        (Some(_), None) => Better::Higher,
        (Some(min), Some(_)) => {
            let to_ms = periods.before_ms + periods.length_ms;
            let before = own.totals(periods.before_ms, to_ms);
            let mean = before.and_then(|before| before.mean());
            if mean.is_some_and(|mean| mean < min) {
                Better::Higher
            } else {
                Better::Lower
            }
        }
        _ => Better::Lower,
    }
}
