//! What rates divide by and what suppresses, in the oracle's own words.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrysalis::rules::{Kqi, RuleBook};
use serde_json::Value;

use crate::story::time_of;

/// Readings of the base and annotations, as lines.
pub(crate) struct Surroundings {
    readings: BTreeMap<BTreeMap<String, String>, Vec<(i64, f64)>>,
    annotations: Vec<Value>,
}

impl Surroundings {
    pub(crate) fn of(lines: &[Value]) -> Surroundings {
        let mut readings: BTreeMap<_, Vec<(i64, f64)>> = BTreeMap::new();
        for line in lines
            .iter()
            .filter(|line| line["name"] == "subscriber_base")
        {
            let reading = (time_of(line, "ts"), line["value"].as_f64().unwrap());
            readings
                .entry(texts(&line["dims"]))
                .or_default()
                .push(reading);
        }
        let annotations = lines.iter().filter(|line| line["type"] == "annotation");
        Surroundings {
            readings,
            annotations: annotations.cloned().collect(),
        }
    }

    /// Latest reading before the window's end, else the first; of several at a time the greatest. Of the readings
    /// that fit only the nearest, summed.
    pub(crate) fn base(
        &self,
        gauge: &str,
        book: &RuleBook,
        kqi: &Kqi,
        group: &BTreeMap<String, String>,
        end_ms: i64,
    ) -> Option<f64> {
        assert_eq!(
            gauge, "subscriber_base",
            "the only base in the oracle's books"
        );
        let object = |name: &str| {
            let city = group
                .get("city")
                .and_then(|city| book.places.cities.get(city));
            let own = group.get(name).cloned();
            own.or_else(|| match name {
                "service" => kqi.service.clone(),
                "province" => city.map(|place| place.province.clone()),
                "group" => city.map(|place| place.group.clone()),
                _ => None,
            })
        };
        // Each reading that fits, under what it has in common with the object.
        let mut by_nearness: BTreeMap<_, f64> = BTreeMap::new();
        for (dimensions, readings) in &self.readings {
            let mut said = dimensions.clone();
            if let Some(city) = dimensions.get("city") {
                let place = book.places.cities.get(city);
                let nowhere = String::from("(nowhere)");
                let province = place.map_or(nowhere.clone(), |place| place.province.clone());
                said.entry("province".to_owned()).or_insert(province);
                let whole = place.map_or(nowhere, |place| place.group.clone());
                said.entry("group".to_owned()).or_insert(whole);
            }
            let known = said
                .iter()
                .filter_map(|(name, value)| Some((value, object(name)?)));
            let (alike, other): (Vec<_>, Vec<_>) = known.partition(|(value, own)| *value == own);
            if !other.is_empty() {
                continue;
            }
            let finer = dimensions
                .keys()
                .filter(|name| object(name).is_none())
                .count();
            let mut times = readings.clone();
            times.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            let first_ms = times[0].0;
            let before = times.iter().rev().find(|(ts_ms, _)| *ts_ms < end_ms);
            let first = times.iter().rev().find(|(ts_ms, _)| *ts_ms == first_ms);
            let names: Vec<String> = dimensions.keys().cloned().collect();
            let nearness = (
                alike.len(),
                -(finer as i64),
                dimensions.contains_key("city"),
                Reverse(names),
            );
            *by_nearness.entry(nearness).or_default() += before.or(first).unwrap().1;
        }
        let sum = by_nearness.into_values().next_back().unwrap_or(0.0);
        (sum > 0.0).then_some(sum)
    }

    pub(crate) fn suppresses(
        &self,
        book: &RuleBook,
        kqi: &Kqi,
        group: &BTreeMap<String, String>,
        start_ms: i64,
        end_ms: i64,
    ) -> bool {
        self.annotations.iter().any(|note| {
            let kind = note["kind"].as_str().unwrap();
            book.suppressing_annotations
                .iter()
                .any(|known| known == kind)
                && time_of(note, "start") < end_ms
                && start_ms < time_of(note, "end")
                && texts(&note["scope"])
                    .iter()
                    .all(|(name, value)| match name.as_str() {
                        "kqi" => kqi.id == *value,
                        "service" => group.get(name).or(kqi.service.as_ref()) == Some(value),
                        _ => group.get(name) == Some(value),
                    })
        })
    }
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}
