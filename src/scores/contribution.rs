//! Which dimension values a KQI's trouble comes from: exact parts, not correlation. The parts of a dimension's
//! values sum to that of the whole, to the bit, because all are differences and sums of integers.
//!
//! What a part is depends on what decides:
//! * a ratio, a count, a rate: the facts that are counted;
//! * a quantile, an extreme: the facts beyond the limit. A p95 is over it exactly when more than five in a
//!   hundred facts are;
//! * a mean: what the facts have over the limit together, `n · (mean − limit)`. Those that stay below it relieve the
//!   whole: their part is negative;
//! * a sum, and a mean without a limit: the sum;
//! * a change: facts now less facts before; of a gauge what the part adds to the mean now less what it added before.
//!
//! A dispersion has no parts that sum to it: the facts of what is outside the interval are counted.

use std::collections::BTreeMap;

use crate::measure::{SUM_SCALE, Sums};
use crate::rules::{Aggregate, Kqi, Verdict};
use crate::scores::Measured;

/// What of a KQI is counted as its trouble.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// `bad_facts` of a ratio, `facts` of a count, `facts_beyond` of a quantile or an extreme, `excess` of a mean,
    /// `sum`, `facts_more` of a change, `level_more` of a gauge's, `facts_outside` of a dispersion.
    pub counted: &'static str,
    /// Of all objects together.
    pub total: Amount,
    /// By dimension and value: those of a dimension together, what makes it worse most first.
    pub values: Vec<Contribution>,
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Facts.
    Facts(i64),
    /// Measured values added up, in the KQI's unit; of a gauge's change in the gauge's.
    Measured(f64),
}

/// One dimension's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Dimension.
    pub dimension: String,
    /// Value; empty for what does not say.
    pub value: String,
    /// What is counted of it.
    pub amount: Amount,
    /// Its share of what makes the whole worse, at most 1: below 0 where it makes it better.
    pub share: f64,
    /// Its share of all facts, 0 to 1: what it would have if trouble were everywhere alike.
    pub share_of_facts: f64,
    /// The worst score there, for the dimensions that tell objects apart.
    pub min: Option<f64>,
}

/// Sums by dimension, then by value.
pub type SumsBy = BTreeMap<String, BTreeMap<String, Sums>>;

/// What each dimension value contributes to a KQI's trouble: of its own dimensions, then of all others that its facts
/// have and that tell something apart. `objects` are those that the facts are of.
pub fn contributions(kqi: &Kqi, whole: &Sums, by: &SumsBy, objects: &[Measured<'_>]) -> Shares {
    let part = Part::of(kqi, whole);
    let facts = part.facts(whole);
    let mut values = Vec::new();
    for name in dimensions(kqi, by) {
        let of_name: Vec<(&String, i128, i64)> = by[name]
            .iter()
            .map(|(value, sums)| (value, part.worse(sums), part.facts(sums)))
            .collect();
        let worse: i128 = of_name.iter().map(|(_, worse, _)| worse.max(&0)).sum();
        let mut own: Vec<Contribution> = of_name
            .into_iter()
            .map(|(value, amount, facts_there)| Contribution {
                dimension: name.to_owned(),
                value: value.clone(),
                amount: part.shown(amount),
                share: share(amount, worse),
                share_of_facts: share(facts_there.into(), facts.into()),
                min: min_of(kqi, objects, name, value),
            })
            .collect();
        // Stable: equal ones stay in the order of their names.
        own.sort_by(|a, b| b.share.total_cmp(&a.share));
        values.append(&mut own);
    }
    Shares {
        counted: part.name,
        total: part.shown(part.worse(whole)),
        values,
    }
}

/// How a KQI's facts are counted.
struct Part<'a> {
    kqi: &'a Kqi,
    name: &'static str,
    /// A mean's limit in fixed point; the excess is counted from there.
    limit: i128,
    /// Less is worse.
    is_less_worse: bool,
    /// Measured facts of the whole, now and before.
    valued: (i64, i64),
}

impl Part<'_> {
    fn of<'a>(kqi: &'a Kqi, whole: &Sums) -> Part<'a> {
        let interval = &kqi.interval;
        let is_under = |min: f64| {
            let mean = whole.sum as f64 / (SUM_SCALE * whole.valued.max(1) as f64);
            interval.max.is_none() || kqi.in_unit(mean) < min
        };
        let is_less_worse = interval.min.is_some_and(is_under);
        let limit = if is_less_worse {
            interval.min
        } else {
            interval.max
        };
        let (name, limit) = match (&kqi.aggregate, limit) {
            (Aggregate::Ratio, _) => ("bad_facts", None),
            (Aggregate::Count | Aggregate::RatePer10k { .. } | Aggregate::Surge { .. }, _) => {
                ("facts", None)
            }
            (Aggregate::Change { .. }, _) if kqi.compares_means() => ("level_more", None),
            (Aggregate::Change { .. }, _) => ("facts_more", None),
            (Aggregate::Quantile(_) | Aggregate::Min | Aggregate::Max, _) => ("facts_beyond", None),
            (Aggregate::Dispersion, _) => ("facts_outside", None),
            (Aggregate::Mean, Some(limit)) => ("excess", Some(limit)),
            (Aggregate::Mean | Aggregate::Sum, _) => ("sum", None),
            // The readings before the newest have no part in the value: how many there are of each is told.
            (Aggregate::Latest, _) => ("facts", None),
        };
        // What one raw unit is in the KQI's: the scale is linear.
        let raw = |limit: f64| (limit / kqi.in_unit(1.0) * SUM_SCALE).round() as i128;
        Part {
            kqi,
            name,
            limit: limit.map_or(0, raw),
            is_less_worse,
            valued: (whole.valued, whole.valued_before),
        }
    }

    /// The part of some facts, in facts or in fixed point: above zero is trouble. Of a change in which less is worse it
    /// is how many less.
    fn worse(&self, sums: &Sums) -> i128 {
        let judges = self.kqi.good.is_some() || self.kqi.good_within.is_some();
        let counted = |facts: i64, good: i64| if judges { good } else { facts };
        let counted = |facts, good| i128::from(counted(facts, good));
        let sign = if self.is_less_worse { -1 } else { 1 };
        match self.kqi.aggregate {
            Aggregate::Ratio if is_better_high(self.kqi) => (sums.facts - sums.good).into(),
            Aggregate::Ratio => sums.good.into(),
            Aggregate::Count | Aggregate::RatePer10k { .. } | Aggregate::Surge { .. } => {
                counted(sums.facts, sums.good)
            }
            Aggregate::Change { .. } if self.kqi.compares_means() => {
                // Means with a common denominator, so that parts stay whole numbers.
                let now = sums.sum.saturating_mul(self.valued.1.into());
                let before = sums.sum_before.saturating_mul(self.valued.0.into());
                sign * now.saturating_sub(before)
            }
            Aggregate::Change { .. } => {
                let before = counted(sums.facts_before, sums.good_before);
                sign * (counted(sums.facts, sums.good) - before)
            }
            Aggregate::Quantile(_) | Aggregate::Min | Aggregate::Max => sums.beyond.into(),
            Aggregate::Dispersion => sums.outside.into(),
            Aggregate::Mean => {
                let at_limit = self.limit.saturating_mul(sums.valued.into());
                sign * sums.sum.saturating_sub(at_limit)
            }
            Aggregate::Sum => sums.sum,
            Aggregate::Latest => sums.valued.into(),
        }
    }

    fn shown(&self, amount: i128) -> Amount {
        match self.kqi.aggregate {
            Aggregate::Mean | Aggregate::Sum => {
                Amount::Measured(self.kqi.in_unit(amount as f64 / SUM_SCALE))
            }
            Aggregate::Change { .. } if self.kqi.compares_means() => {
                let denominator = self.valued.0 as f64 * self.valued.1 as f64 * SUM_SCALE;
                Amount::Measured(amount as f64 / denominator.max(1.0))
            }
            _ => Amount::Facts(amount as i64),
        }
    }

    /// Facts that the value is based on.
    fn facts(&self, sums: &Sums) -> i64 {
        match self.kqi.aggregate {
            Aggregate::Change { .. } => sums.facts + sums.facts_before,
            Aggregate::Count
            | Aggregate::Ratio
            | Aggregate::RatePer10k { .. }
            | Aggregate::Surge { .. } => sums.facts,
            _ => sums.valued,
        }
    }
}

/// The KQI's own dimensions in its order, then the others by name: those with a single value that its conditions ask for
/// tell nothing apart.
fn dimensions<'a>(kqi: &'a Kqi, by: &'a SumsBy) -> Vec<&'a str> {
    let conditions = [&kqi.filter, &kqi.good];
    let asked: Vec<String> = conditions
        .into_iter()
        .flatten()
        .flat_map(|condition| condition.variables())
        .collect();
    // The service of a KQI that is of one says nothing.
    let is_open = |name: &str| name != "service" || kqi.service.is_none();
    let own = kqi.group_by.iter().map(String::as_str);
    let own: Vec<&str> = own.filter(|name| by.contains_key(*name)).collect();
    let tells = |name: &str| {
        let mut values = by[name].keys();
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => true,
            (Some(only), None) => !only.is_empty() && !asked.iter().any(|known| known == name),
            (None, _) => false,
        }
    };
    let others = by.keys().map(String::as_str);
    let others = others.filter(|name| !own.contains(name) && tells(name));
    let others: Vec<&str> = others.collect();
    own.into_iter()
        .chain(others)
        .filter(|name| is_open(name))
        .collect()
}

/// The worst score of objects with a dimension's value.
fn min_of(kqi: &Kqi, objects: &[Measured<'_>], name: &str, value: &str) -> Option<f64> {
    let of_value = objects
        .iter()
        .filter(|of| of.kqi.id == kqi.id && of.dimension(name) == Some(value));
    of_value.filter_map(Measured::judged).reduce(f64::min)
}

/// Whether what is told of an object is of now: too few facts to judge are facts all the same.
pub fn stands(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::NoTraffic | Verdict::SourceSilent)
}

fn share(part: i128, whole: i128) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
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
    use crate::measure::to_fixed;
    use crate::rules::RuleBook;
    use crate::rules::testing::book;

    fn known() -> RuleBook {
        book(
            "
book: {name: t, version: '1', time_zone: Asia/Shanghai, any_service: true}
streams: {complaint: {retention: 9d}}
kqis:
  - {id: ok, name: n, layer: network, stream: dial_test, aggregate: ratio, good: ok, group_by: [city, channel], window: 5m, unit: percent, interval: {min: 95}}
  - {id: bad, name: n, layer: network, stream: dial_test, aggregate: ratio, counted: '!ok', group_by: [city], window: 5m, unit: percent, interval: {max: 5}}
  - {id: slow, name: n, layer: network, stream: dial_test, aggregate: mean, filter: channel == 'sms', group_by: [city], window: 5m, unit: s, interval: {max: 6}}
  - {id: rate, name: n, layer: network, stream: gauge, aggregate: mean, group_by: [city], window: 5m, unit: points, interval: {min: 6}}
  - {id: more, name: n, layer: network, stream: complaint, aggregate: change, against: 7d, group_by: [service], window: 5m, unit: percent, interval: {max: 10}}
",
        )
    }

    /// Sums by city alone, and what they sum to.
    fn cities(of: &[(&str, Sums)]) -> (Sums, SumsBy) {
        let mut whole = Sums::default();
        of.iter().for_each(|(_, sums)| whole.plus(sums));
        let values = of.iter().map(|(city, sums)| ((*city).to_owned(), *sums));
        (whole, [("city".to_owned(), values.collect())].into())
    }

    fn measured(facts: i64, value: f64) -> Sums {
        Sums {
            facts,
            valued: facts,
            sum: i128::from(facts) * i128::from(to_fixed(value)),
            ..Sums::default()
        }
    }

    fn told(kqi: &Kqi, of: &[(&str, Sums)]) -> (Amount, Vec<(String, Amount, f64)>) {
        let (whole, by) = cities(of);
        let shares = contributions(kqi, &whole, &by, &[]);
        let values = shares.values.into_iter();
        let values = values.map(|of| (of.value, of.amount, of.share));
        (shares.total, values.collect())
    }

    #[test]
    fn counts_of_values_sum_to_the_whole() {
        let book = known();
        let facts = |facts, good| Sums {
            facts,
            good,
            ..Sums::default()
        };
        let of = [("长沙", facts(200, 165)), ("株洲", facts(200, 195))];
        let (total, values) = told(&book.kqis[0], &of);
        assert_eq!(total, Amount::Facts(40));
        assert_eq!(values[0], ("长沙".to_owned(), Amount::Facts(35), 0.875));
        // A ratio of what is not good: its numerator is the trouble.
        assert_eq!(told(&book.kqis[1], &of).0, Amount::Facts(360));
    }

    #[test]
    fn of_a_mean_what_is_over_the_limit_counts_and_not_how_many_there_are() {
        let book = known();
        let of = [
            ("长沙", measured(300, 6_300.0)),
            ("永州", measured(60, 60_000.0)),
            ("株洲", measured(10, 3_000.0)),
        ];
        let (total, values) = told(&book.kqis[2], &of);
        assert_eq!(total, Amount::Measured(3_240.0 + 90.0 - 30.0));
        assert_eq!(
            values[0],
            (
                "永州".to_owned(),
                Amount::Measured(3_240.0),
                3_240.0 / 3_330.0
            )
        );
        assert_eq!(values[1].1, Amount::Measured(90.0));
        // Those below the limit relieve the whole.
        assert_eq!(
            values[2],
            ("株洲".to_owned(), Amount::Measured(-30.0), -30.0 / 3_330.0)
        );
        // Where less is worse it is what is missing.
        let of = [("长沙", measured(10, 3.0)), ("永州", measured(10, 8.0))];
        let (total, values) = told(&book.kqis[3], &of);
        assert_eq!(
            (total, values[0].1),
            (Amount::Measured(10.0), Amount::Measured(30.0))
        );
    }

    #[test]
    fn of_a_change_what_came_and_went_counts_and_not_what_is_there() {
        let book = known();
        let facts = |facts_before, facts| Sums {
            facts,
            facts_before,
            ..Sums::default()
        };
        let of = [("长沙", facts(400, 40)), ("永州", facts(60, 150))];
        // By the service alone, and its facts have a city all the same.
        let (total, values) = told(&book.kqis[4], &of);
        assert_eq!(total, Amount::Facts(-270));
        assert_eq!(values[0], ("永州".to_owned(), Amount::Facts(90), 1.0));
        assert_eq!(values[1], ("长沙".to_owned(), Amount::Facts(-360), -4.0));
    }

    #[test]
    fn a_dimension_that_the_conditions_ask_for_is_shown_where_it_tells_values_apart() {
        let book = known();
        let (whole, mut by) = cities(&[("长沙", measured(1, 1.0))]);
        let one = by["city"].clone();
        let of = |names: &[&str]| -> BTreeMap<String, Sums> {
            names
                .iter()
                .map(|name| ((*name).to_owned(), Sums::default()))
                .collect()
        };
        by.insert("channel".to_owned(), of(&["sms"]));
        by.insert("network".to_owned(), of(&["2G"]));
        by.insert("step".to_owned(), of(&[""]));
        assert_eq!(dimensions(&book.kqis[2], &by), ["city", "network"]);
        by.insert("channel".to_owned(), of(&["sms", "wap"]));
        assert_eq!(
            dimensions(&book.kqis[2], &by),
            ["city", "channel", "network"]
        );
        assert_eq!((whole.facts, one.len()), (1, 1));
    }
}
