//! What rates divide by: the readings of a gauge that are of an object. Pure.
//!
//! Of the readings that fit an object those count that say most of it, and no coarser one beside them: a service's
//! subscribers everywhere are not added to those that it has in a city. Where the nearest say more than the object
//! does they are its parts, and are summed: a province's base is its own total, or else the sum of its cities'.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use crate::event::{CITY, DERIVED};
use crate::rules::Places;

/// Dimensions of a reading, by name.
pub(super) type Dimensions = BTreeMap<String, String>;

/// Readings of one gauge with one set of dimensions, by time, ms.
pub(super) type Series = BTreeMap<i64, f64>;

/// How near a reading is to an object, nearer being greater: how much both say, how much the reading says beyond
/// that, and whether it is of a place.
type Nearness = (usize, Reverse<usize>, bool);

/// The base of the object that `known` tells of: the nearest series' latest readings before `end_ms` (or their
/// first, before that), summed.
pub(super) fn of<'a>(
    readings: &BTreeMap<Dimensions, Series>,
    known: impl Fn(&str) -> Option<&'a str>,
    end_ms: i64,
    places: &Places,
) -> Option<f64> {
    let mut nearest: Option<(Nearness, &Dimensions)> = None;
    let mut base = 0.0;
    for (dimensions, times) in readings {
        let before = times.range(..end_ms).next_back();
        let value = before.or_else(|| times.first_key_value());
        let nearness = nearness(dimensions, &known, places);
        let Some(((_, value), nearness)) = value.zip(nearness) else {
            continue;
        };
        let order = nearest.map_or(Ordering::Greater, |(of, names)| {
            // Of two ways to say equally much one, by the names: together they would count everybody twice.
            let by_names = || names.keys().cmp(dimensions.keys());
            nearness.cmp(&of).then_with(by_names)
        });
        match order {
            Ordering::Less => {}
            Ordering::Equal => base += value,
            Ordering::Greater => {
                nearest = Some((nearness, dimensions));
                base = *value;
            }
        }
    }
    (base > 0.0).then_some(base)
}

/// How near a reading is; `None` where it is of another object.
fn nearness<'a>(
    dimensions: &Dimensions,
    known: impl Fn(&str) -> Option<&'a str>,
    places: &Places,
) -> Option<Nearness> {
    let city = dimensions.get(CITY);
    let mut common = 0;
    let mut more = 0;
    for (name, value) in dimensions {
        match known(name) {
            Some(own) if own == value => common += 1,
            Some(_) => return None,
            None => more += 1,
        }
    }
    // What follows from the reading's city it says as well: a province has its cities, and none that the book
    // does not place.
    let derived = DERIVED.into_iter();
    let derived = derived.filter(|name| !dimensions.contains_key(*name));
    for (name, city) in derived.filter_map(|name| city.map(|city| (name, city))) {
        match known(name) {
            Some(own) if places.derive(name, city) == Some(own) => common += 1,
            Some(_) => return None,
            None => {}
        }
    }
    Some((common, Reverse(more), city.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Place;

    type Said<'a> = (&'a [(&'a str, &'a str)], f64);

    /// The base of an object of the SMS hall, with what follows from its city, of readings.
    fn base(readings: &[Said<'_>], group: &[(&'static str, &'static str)]) -> Option<f64> {
        let cities = [("长沙", "湖南"), ("永州", "湖南"), ("广州", "广东")];
        let place = |province: &str| Place {
            province: province.to_owned(),
            group: "集团".to_owned(),
        };
        let cities = cities.map(|(city, province)| (city.to_owned(), place(province)));
        let places = Places {
            cities: cities.into(),
        };
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let series = readings.iter().map(|(said, value)| {
            let dimensions: Dimensions = said.iter().map(owned).collect();
            (dimensions, Series::from([(1, *value)]))
        });
        let own = |name: &str| group.iter().find(|(of, _)| *of == name).map(|(_, is)| *is);
        let known = |name: &str| match name {
            "service" => Some("sms_hall"),
            _ => places.find(name, own),
        };
        of(&series.collect(), known, 2, &places)
    }

    const SERVICE: (&str, &str) = ("service", "sms_hall");
    const CITIES: [Said<'static>; 3] = [
        (&[SERVICE, ("city", "长沙")], 3e5),
        (&[SERVICE, ("city", "永州")], 1e5),
        (&[SERVICE, ("city", "广州")], 7e5),
    ];

    #[test]
    fn no_coarser_reading_is_added_to_the_nearest() {
        let more: [Said<'_>; 4] = [
            (&[], 9e6),
            (&[SERVICE], 1e6),
            (&[("city", "长沙")], 8e5),
            (&[("service", "web_hall"), ("city", "长沙")], 5e5),
        ];
        let all = [CITIES.as_slice(), &more].concat();
        assert_eq!(base(&all, &[("city", "长沙")]), Some(3e5));
        let unknown = base(&all, &[("city", "株洲")]);
        assert_eq!(unknown, Some(1e6), "nothing nearer is known");
        // A city's subscribers say more of what is in it than a service's everywhere do.
        let pair: [Said<'_>; 2] = [(&[SERVICE], 1e6), (&[("city", "株洲")], 2e5)];
        assert_eq!(base(&pair, &[("city", "株洲")]), Some(2e5));
        assert_eq!(base(&[], &[]), None);
    }

    #[test]
    fn a_whole_is_its_own_total_or_else_the_sum_of_its_parts() {
        assert_eq!(base(&CITIES, &[]), Some(1.1e6));
        assert_eq!(base(&CITIES, &[("province", "湖南")]), Some(4e5));
        let total: [Said<'_>; 1] = [(&[SERVICE], 1e6)];
        let with_total = [CITIES.as_slice(), &total].concat();
        assert_eq!(base(&with_total, &[]), Some(1e6));
        let hunan = [("province", "湖南")];
        assert_eq!(base(&with_total, &hunan), Some(4e5), "not of all provinces");
        let own: [Said<'_>; 1] = [(&[SERVICE, ("province", "湖南")], 6e5)];
        let with_own = [with_total.as_slice(), &own].concat();
        assert_eq!(base(&with_own, &hunan), Some(6e5), "and not both");
        assert_eq!(base(&with_own, &[("city", "永州")]), Some(1e5));
        assert_eq!(base(&with_own, &[("province", "广东")]), Some(7e5));
        let nowhere: [Said<'_>; 1] = [(&[SERVICE, ("city", "巴黎")], 2e5)];
        assert_eq!(base(&nowhere, &hunan), None, "a city that nobody places");
    }

    #[test]
    fn two_ways_to_part_one_thing_do_not_count_it_twice() {
        let parted: [Said<'_>; 3] = [
            (&[SERVICE, ("network", "td")], 1e5),
            (&[SERVICE, ("network", "gsm")], 2e5),
            (&[SERVICE, ("speed", "slow")], 3e5),
        ];
        assert_eq!(base(&parted, &[]), Some(3e5));
    }
}
