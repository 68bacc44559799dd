//! Which dimension values a KQI's trouble comes from: exact shares of counts, not correlation. What is
//! counted of each value sums to what is counted of the whole.

use std::collections::BTreeMap;

use crate::rules::{Aggregate, Kqi, Verdict};
use crate::scores::Measured;

/// What of a KQI is counted as its trouble.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// `bad_facts` of a ratio, `facts` of a count, `facts_outside` of what is measured: those in windows
    /// outside the interval.
    pub counted: &'static str,
    /// Of all objects together.
    pub total: i64,
    /// By dimension and value, the largest first.
    pub values: Vec<Contribution>,
}

/// One dimension's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Dimension.
    pub dimension: String,
    /// Value.
    pub value: String,
    /// What is counted of it.
    pub count: i64,
    /// Its share of the total, 0 to 1.
    pub share: f64,
    /// Its share of all facts, 0 to 1: what it would have if trouble were everywhere alike.
    pub share_of_facts: f64,
    /// The worst score there.
    pub min: Option<f64>,
}

/// What each dimension value contributes to a KQI's trouble, from objects of that KQI.
pub fn contributions(kqi: &Kqi, objects: &[Measured<'_>]) -> Shares {
    let counted = match kqi.aggregate {
        Aggregate::Ratio => "bad_facts",
        Aggregate::Count
        | Aggregate::RatePer10k { .. }
        | Aggregate::Change { .. }
        | Aggregate::Surge { .. } => "facts",
        _ => "facts_outside",
    };
    let own: Vec<&Measured<'_>> = objects
        .iter()
        .filter(|of| of.kqi.id == kqi.id && has_facts(of.verdict))
        .collect();
    let total: i64 = own.iter().map(|of| trouble(of)).sum();
    let facts: i64 = own.iter().map(|of| of.samples).sum();
    let mut values: BTreeMap<(&str, &str), (i64, i64, Option<f64>)> = BTreeMap::new();
    for object in &own {
        // The service of a KQI that is of one says nothing.
        let is_open = |name: &str| name != "service" || object.kqi.service.is_none();
        for (name, value) in object.dimensions.iter().filter(|(name, _)| is_open(name)) {
            let (count, samples, min) = values.entry((name, value)).or_default();
            *count += trouble(object);
            *samples += object.samples;
            *min = [*min, object.judged()]
                .into_iter()
                .flatten()
                .reduce(f64::min);
        }
    }
    let share = |part: i64, whole: i64| match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    };
    let mut values: Vec<Contribution> = values
        .into_iter()
        .map(|((dimension, value), (count, samples, min))| Contribution {
            dimension: dimension.to_owned(),
            value: value.to_owned(),
            count,
            share: share(count, total),
            share_of_facts: share(samples, facts),
            min,
        })
        .collect();
    // Stable: equal ones stay in the order of their names.
    values.sort_by_key(|of| std::cmp::Reverse(of.count));
    Shares {
        counted,
        total,
        values,
    }
}

/// Too few facts to judge are facts all the same.
fn has_facts(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::NoTraffic | Verdict::SourceSilent)
}

fn trouble(object: &Measured<'_>) -> i64 {
    match object.kqi.aggregate {
        Aggregate::Ratio if is_better_high(object.kqi) => object.samples - object.good,
        Aggregate::Ratio => object.good,
        Aggregate::Count
        | Aggregate::RatePer10k { .. }
        | Aggregate::Change { .. }
        | Aggregate::Surge { .. } => object.samples,
        _ if matches!(object.verdict, Verdict::Abnormal(_)) => object.samples,
        _ => 0,
    }
}

fn is_better_high(kqi: &Kqi) -> bool {
    match &kqi.anchors {
        Some(anchors) => anchors.values[0] > anchors.values[4],
        None => kqi.interval.min.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Severity;
    use crate::rules::testing::book;

    #[test]
    fn what_values_contribute_sums_to_the_whole() {
        let book = book(
            "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
kqis:
  - {id: ok, name: n, layer: network, stream: dial_test, aggregate: ratio, good: ok, group_by: [city, channel], window: 5m, unit: percent, interval: {min: 95}}
  - {id: bad, name: n, layer: network, stream: dial_test, aggregate: ratio, counted: '!ok', group_by: [city], window: 5m, unit: percent, interval: {max: 5}}
  - {id: slow, name: n, layer: network, stream: dial_test, aggregate: mean, group_by: [city], window: 5m, unit: s, interval: {max: 5}}
",
        );
        let at = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let own = pairs.iter();
            own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let places = [
            at(&[("city", "长沙"), ("channel", "sms")]),
            at(&[("city", "长沙"), ("channel", "wap")]),
            at(&[("city", "株洲"), ("channel", "sms")]),
        ];
        let object = |kqi: usize, place: usize, samples: i64, good: i64, bad: bool| Measured {
            kqi: &book.kqis[kqi],
            service: "s",
            dimensions: &places[place],
            verdict: match bad {
                true => Verdict::Abnormal(Severity::Major),
                false => Verdict::Normal,
            },
            score: None,
            samples,
            good,
        };
        let objects = [
            object(0, 0, 100, 70, true),
            object(0, 1, 100, 95, false),
            object(0, 2, 200, 195, false),
            object(1, 0, 50, 20, true),
            object(2, 0, 40, 0, true),
            object(2, 2, 60, 0, false),
        ];
        let shares = contributions(&book.kqis[0], &objects);
        assert_eq!((shares.counted, shares.total), ("bad_facts", 40));
        let mut values = shares.values.iter();
        let first = values.find(|of| of.dimension == "city").unwrap();
        assert_eq!((first.value.as_str(), first.count), ("长沙", 35));
        assert_eq!((first.share, first.share_of_facts), (0.875, 0.5));
        for dimension in ["city", "channel"] {
            let of = shares.values.iter().filter(|of| of.dimension == dimension);
            assert_eq!(of.map(|of| of.count).sum::<i64>(), shares.total);
        }
        // A ratio of what is not good: its numerator is the trouble.
        assert_eq!(contributions(&book.kqis[1], &objects).total, 20);
        let slow = contributions(&book.kqis[2], &objects);
        assert_eq!((slow.counted, slow.total), ("facts_outside", 40));
    }
}
