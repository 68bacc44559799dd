//! What the effect of a mend is measured by: every KQI that spoke for the trigger, in all the places where it did,
//! and the complaints about the same service there.
//!
//! * Places of one KQI are measured together: a trouble of a province by its cities.
//! * A city is no control where a department had to do with the same service meanwhile, whatever KQI that was about: the
//!   difference would be between two mends.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::effect::{Better, Compared, EffectRules, Periods, Series};
use crate::engine::effects::Mending;
use crate::engine::past::{Kept, is_counted};
use crate::engine::step::Engine;
use crate::event::{CITY, Stream};
use crate::rules::{Kqi, Places, Plan, Unit};
use crate::triggers::{Place, Trigger};

/// An object and its past.
type Object<'a> = (&'a Arc<str>, &'a Kept);

/// What a mend is measured by, and how many KQIs it is not measured by because they are too many.
pub(super) struct Indicators<'a> {
    pub(super) all: Vec<Compared<'a>>,
    pub(super) left_out: u64,
}

/// Where a demand is, and the cities that it names.
type Beside<'a> = (&'a Place, Vec<&'a str>);

impl Engine {
    /// Everything that can be set before and after: the trigger's own KQI first, then the others that spoke for it, in
    /// the order in which they did, then complaints; no more than
    /// [`EngineLimits::effect_kqis_max`](crate::engine::EngineLimits).
    pub(super) fn indicators<'a>(
        &'a self,
        trigger: &Trigger,
        mending: &Mending,
        plan: &'a Plan,
    ) -> Indicators<'a> {
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
        let named = trigger.cities();
        let known = spoke.chain(complaints).filter_map(|(kqi, objects)| {
            let mend = mending.mend(&kqi.id)?;
            let first = objects.first()?.1;
            Some((kqi, objects, mend, first))
        });
        let mut known: Vec<_> = known.collect();
        let kqis_max = self.limits.effect_kqis_max;
        let left_out = known.len().saturating_sub(kqis_max) as u64;
        known.truncate(kqis_max);
        let compared = known.into_iter().map(|(kqi, objects, mend, first)| {
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
            let service = kqi
                .service
                .as_deref()
                .or_else(|| first.group.get("service"));
            let beside = self.beside(trigger, (kqi.id.as_str(), service), &periods);
            compared.controls = self
                .past
                .of(&kqi.id)
                .filter(|(other, kept)| {
                    !objects.iter().any(|(own, _)| own == other) && elsewhere(first, kept)
                })
                .filter_map(|(_, kept)| Some((kept.group.get(CITY)?, &kept.series)))
                .filter(|(city, _)| is_untouched(city, &named, &beside, &book.places))
                .collect();
            compared
        });
        Indicators {
            all: compared.collect(),
            left_out,
        }
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

    /// Where other demands about an indicator's service were open, or worked at, in its periods: their places, and the cities
    /// that they name.
    fn beside<'a>(
        &'a self,
        own: &Trigger,
        (kqi, service): (&str, Option<&str>),
        periods: &Periods,
    ) -> Vec<Beside<'a>> {
        let others = self.triggers.triggers().map(|other| &**other);
        let others = others.filter(|other| {
            let is_of_service = service.is_some() && other.service.as_deref() == service;
            let is_alike = is_of_service || other.sources.iter().any(|source| source.kqi == kqi);
            other.id != own.id && is_alike && is_within(other, periods)
        });
        others
            .map(|other| (&other.cause.place, other.cities()))
            .collect()
    }
}

/// Whether a demand was open, or worked at, between the begin of the period before and the end of that after. All in event
/// time: what is closed was over when it was mended, and no earlier than its last abnormal window.
fn is_within(trigger: &Trigger, periods: &Periods) -> bool {
    let measured = trigger.measured.as_ref();
    let report = measured.and_then(|measured| measured.report.as_ref());
    let mended_ms = report.map(|report| report.mend.mended_ms);
    let seen_ms = trigger.evidence.last().map(|known| known.end_ms);
    let over_ms = mended_ms.max(seen_ms).unwrap_or(trigger.since_ms);
    trigger.since_ms < periods.end_ms()
        && (!trigger.state.is_final() || over_ms >= periods.before_ms)
}

/// Whether nobody had to do with a city: neither the trigger itself, by name, nor one beside it, by name or because its
/// place covers the city.
fn is_untouched(city: &str, named: &[&str], beside: &[Beside<'_>], places: &Places) -> bool {
    let here = Place::City(city.to_owned());
    let mut beside = beside.iter();
    let is_touched = beside.any(|(place, cities)| {
        **place == here || place.covers(&here, places) || cities.contains(&city)
    });
    !named.contains(&city) && !is_touched
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{EffectReport, EffectVerdict, Mend};
    use crate::rules::testing::book;
    use crate::rules::{Layer, Place as Known, Severity, Text};
    use crate::triggers::{
        Evidence, Measured, Now, Opening, TriggerBook, TriggerLimits, TriggerState,
    };

    const HOUR: i64 = 3_600_000;
    /// Work between 20:00 and 21:00 of the first day, and an hour before and after it.
    const PERIODS: Periods = Periods {
        before_ms: 19 * HOUR,
        after_ms: 21 * HOUR,
        length_ms: HOUR,
        block_ms: HOUR / 12,
    };

    fn text() -> Text {
        Text {
            zh: "t".to_owned(),
            en: "t".to_owned(),
        }
    }

    /// A demand since an instant, whose last abnormal window ended at another.
    fn demand(since_ms: i64, seen_ms: i64) -> Trigger {
        let book = book(
            "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
departments:
  - {id: D, name: d, roles: [{id: r, name: r, contacts: [{name: a, email: a@example.com}]}]}
kqis:
  - {id: k, name: n, layer: platform, stream: dial_test, aggregate: mean, group_by: [city], window: 1m, unit: s, interval: {max: 50}, department: D}
",
        );
        let label = "city=长沙".to_owned();
        let opening = Opening {
            kqi: "k".to_owned(),
            name: text(),
            service: Some("s".to_owned()),
            service_name: None,
            layer: Layer::Platform,
            group_label: label.clone(),
            group: vec![("city".to_owned(), "长沙".to_owned())],
            department: Some("D".to_owned()),
            severity: Severity::Minor,
            limit_min: None,
            limit_max: Some(50.0),
            unit: "s".to_owned(),
            since_ms,
            evidence: Some(Evidence {
                kqi: "k".to_owned(),
                group_label: label,
                incident: "i".to_owned(),
                start_ms: seen_ms - 1,
                end_ms: seen_ms,
                unit: "s".to_owned(),
                value: Some(60.0),
                score: None,
                samples: 9,
            }),
            complaints: Vec::new(),
        };
        let mut triggers = TriggerBook::new(TriggerLimits::default());
        let now = Now {
            book: &book,
            at_ms: 1,
        };
        let id = triggers.demand(opening, now).unwrap();
        Trigger::clone(triggers.get(&id).unwrap())
    }

    fn closed(mut trigger: Trigger, mended_ms: Option<i64>) -> Trigger {
        trigger.state = TriggerState::Closed;
        trigger.measured = mended_ms.map(|mended_ms| Measured {
            verdict: EffectVerdict::Effective,
            text: text(),
            report: Some(Box::new(EffectReport {
                mend: Mend {
                    opened_ms: 0,
                    begun_ms: 0,
                    mended_ms,
                    waits_week: false,
                    looks: 0,
                },
                verdict: EffectVerdict::Effective,
                indicators: Vec::new(),
                measured_at_ms: 0,
            })),
            at_ms: 0,
        });
        trigger
    }

    #[test]
    fn a_demand_counts_while_it_is_open_or_worked_at_within_the_periods() {
        assert!(is_within(&demand(HOUR, HOUR), &PERIODS), "it is still open");
        assert!(is_within(&demand(22 * HOUR - 1, 22 * HOUR), &PERIODS));
        assert!(!is_within(&demand(22 * HOUR, 22 * HOUR), &PERIODS));
        // What is closed counts by when it was mended, or was bad last.
        let over = |seen: i64, mended| closed(demand(HOUR, seen), mended);
        assert!(!is_within(&over(2 * HOUR, Some(19 * HOUR - 1)), &PERIODS));
        assert!(is_within(&over(2 * HOUR, Some(19 * HOUR)), &PERIODS));
        assert!(is_within(&over(19 * HOUR, None), &PERIODS));
        assert!(!is_within(&over(18 * HOUR, None), &PERIODS));
    }

    #[test]
    fn a_city_is_untouched_where_no_demand_names_it_or_covers_it() {
        let hunan = Known {
            province: "湖南".to_owned(),
            group: "集团".to_owned(),
        };
        let places = Places {
            cities: [
                ("长沙".to_owned(), hunan.clone()),
                ("株洲".to_owned(), hunan),
            ]
            .into(),
        };
        let is_touched = |city: &str, named: &[&str], place: Place, cities: &[&str]| {
            !is_untouched(city, named, &[(&place, cities.to_vec())], &places)
        };
        let city = |name: &str| Place::City(name.to_owned());
        assert!(is_touched("株洲", &[], city("株洲"), &[]));
        assert!(!is_touched("株洲", &[], city("长沙"), &[]));
        assert!(is_touched(
            "株洲",
            &[],
            Place::Province("湖南".to_owned()),
            &[]
        ));
        assert!(!is_touched(
            "广州",
            &[],
            Place::Province("湖南".to_owned()),
            &[]
        ));
        assert!(is_touched(
            "广州",
            &[],
            Place::Site("host=a".to_owned()),
            &[]
        ));
        // By what speaks for it, whatever its place; and what is mended itself is no control of another KQI.
        assert!(is_touched("广州", &[], city("长沙"), &["广州"]));
        assert!(is_touched("广州", &["广州"], city("长沙"), &[]));
        assert!(is_untouched("广州", &["长沙"], &[], &places));
    }
}
