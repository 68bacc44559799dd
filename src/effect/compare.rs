//! Difference in differences, and how sure it is.
//!
//! Sources: differences in differences with few treated places and the placebo spread of the others
//! as its error follow Conley and Taber, "Inference with Difference in Differences with a Small Number
//! of Policy Changes" (Review of Economics and Statistics, 2011). Counts are compared by their ratio,
//! conditional on the sum of each pair, with the dispersion taken from the pairs (quasi-likelihood:
//! McCullagh and Nelder, "Generalized Linear Models", 1989, 4.5).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::effect::spread::{deviation, effective, half_width_in_time, mean, quantile};
use crate::effect::{Course, EffectRules, Pair, Pairs};

/// Fewer pairs say nothing about the spread. Judgement.
pub(super) const PAIRS_MIN: usize = 4;

/// From so many places, or earlier weeks, on their spread is used as an error of its own. Judgement: with fewer,
/// the factor of the t distribution alone would hide every effect.
pub(super) const PLACES_MIN: usize = 4;

/// A place takes part as control when it has this share of the treated place's pairs. Judgement.
const SHARED_MIN: f64 = 0.8;

/// Ratios of counts beyond a thousand (e^6.9) are not told apart: they come from counts next to none.
const LOG_MAX: f64 = 6.9;

/// What changed in the treated place, less what changed in the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Before the work: the sum of a count, else the mean over the pairs, in the KQI's unit.
    pub before: f64,
    /// After it.
    pub after: f64,
    /// What the controls did meanwhile, in the terms of `effect`; `None` without controls.
    pub drift: Option<f64>,
    /// What the same hours did in earlier weeks or on earlier days, in the terms of `effect`; `None` where it is
    /// not needed or not known.
    pub usual: Option<f64>,
    /// The effect: of counts the relative change (−0.78: 78 % less), else the difference in the KQI's
    /// unit.
    pub effect: f64,
    /// Lower end of the interval around it.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether effect, interval, drift and what is usual are relative.
    pub relative: bool,
    /// What shares of the effect are of: the value before, or of a share that should rise, what was missing to 100 %.
    #[serde(default)]
    pub base: f64,
    /// Pairs of blocks that were compared.
    pub pairs: usize,
    /// Places that nobody touched.
    pub controls: usize,
    /// Facts before the work.
    pub samples_before: i64,
    /// Facts after it.
    pub samples_after: i64,
}

impl Estimate {
    /// The effect as a share of what was before; 0 where that was nothing.
    pub fn share(&self) -> f64 {
        self.share_of(self.effect)
    }

    /// Effect or end of the interval as a share of [`Estimate::base`].
    pub(super) fn share_of(&self, change: f64) -> f64 {
        match () {
            () if self.relative => change,
            () if self.base == 0.0 => 0.0,
            () => change / self.base.abs(),
        }
    }
}

/// Why there is no estimate.
#[derive(Clone, Copy, Debug, PartialEq, Error, Serialize, Deserialize)]
pub enum Incomparable {
    /// Periods with data on both sides are too few.
    #[error("{found} matched periods with data on both sides; {PAIRS_MIN} are needed")]
    Pairs {
        /// Pairs that there are.
        found: usize,
    },
    /// Nothing is known of the same hours, here or in enough other places.
    #[error("nothing is known of the same hours in earlier weeks, nor in enough other places")]
    Hours,
    /// The counts are too small.
    #[error("counted {found}, before and after together; {wanted} are needed")]
    Count {
        /// The count.
        found: f64,
        /// What the rules want.
        wanted: f64,
    },
}

/// Compares before with after, against the controls. `is_count`: whether values add up. `error` is
/// the share of estimates whose interval may miss the truth.
///
/// # Errors
/// There is too little to compare.
pub fn compare(
    treated: &Course,
    controls: &[Course],
    is_count: bool,
    error: f64,
    rules: &EffectRules,
) -> Result<Estimate, Incomparable> {
    let usable: Vec<(usize, Pair)> = usable(&treated.now, is_count).collect();
    if usable.len() < PAIRS_MIN {
        let found = usable.len();
        return Err(Incomparable::Pairs { found });
    }
    let controls = controls.iter();
    let controls = controls.filter(|control| knows(&treated.now, &control.now, is_count));
    let (at, own): (Vec<usize>, Vec<Pair>) = usable.into_iter().unzip();
    let picked = |pairs: &Pairs| -> Pairs { at.iter().map(|at| pairs[*at]).collect() };
    let course = |of: &Course| Course {
        now: picked(&of.now),
        earlier: of.earlier.iter().map(picked).collect(),
    };
    let (treated, shared) = (course(treated), controls.map(course).collect::<Vec<_>>());
    let found = if is_count {
        ratios(&treated, &shared, error, rules)?
    } else {
        differences(&treated, &shared, error, rules)
    };
    let samples = |of: fn(&Pair) -> i64| own.iter().map(of).sum();
    Ok(Estimate {
        pairs: own.len(),
        controls: shared.len(),
        samples_before: samples(|pair| pair.before.samples),
        samples_after: samples(|pair| pair.after.samples),
        ..found
    })
}

/// The pairs that can be compared, with their places.
fn usable(pairs: &Pairs, is_count: bool) -> impl Iterator<Item = (usize, Pair)> {
    let known = pairs.iter().enumerate();
    let known = known.filter_map(|(at, pair)| Some((at, (*pair)?)));
    known.filter(move |(_, pair)| is_count || pair.has_values())
}

/// Whether a control knows nearly all of the treated place's pairs.
pub(super) fn knows(treated: &Pairs, control: &Pairs, is_count: bool) -> bool {
    let wanted = usable(treated, is_count);
    let (mut known, mut all) = (0, 0);
    for (at, _) in wanted {
        let pair = control.get(at).copied().flatten();
        all += 1;
        known += usize::from(pair.is_some_and(|pair| is_count || pair.has_values()));
    }
    f64::from(all) * SHARED_MIN <= known as f64
}

/// Values that have a mean: the differences of the pairs.
fn differences(own: &Course, controls: &[Course], error: f64, rules: &EffectRules) -> Estimate {
    let changes: Vec<Vec<Option<f64>>> = controls.iter().map(unusual).collect();
    let meanwhile = |at: usize| {
        let known: Vec<f64> = changes.iter().filter_map(|of| of[at]).collect();
        mean(&known).unwrap_or(0.0)
    };
    let net = unusual(own).into_iter().enumerate();
    let net: Vec<f64> = net
        .filter_map(|(at, change)| Some(change? - meanwhile(at)))
        .collect();
    let effect = mean(&net).unwrap_or(0.0);
    let places: Vec<f64> = changes
        .iter()
        .filter_map(|of| mean(&of.iter().copied().flatten().collect::<Vec<_>>()))
        .collect();
    let pairs: Vec<&Pair> = own.now.iter().flatten().collect();
    let mean_of = |of: fn(&Pair) -> Option<f64>| {
        mean(&pairs.iter().filter_map(|pair| of(pair)).collect::<Vec<_>>()).unwrap_or(0.0)
    };
    let usual: Vec<f64> = own.earlier.iter().filter_map(changed).collect();
    let before = mean_of(|pair| pair.before.mean());
    let is_large = effect.abs() >= rules.change_large * before.abs();
    let around = half_width(&places, &placebos(own, controls), &net, error);
    let half = around.unwrap_or_else(|| half_width_in_time(&net, error, is_large));
    Estimate {
        before,
        after: mean_of(|pair| pair.after.mean()),
        base: before,
        drift: mean(&places),
        usual: mean(&usual),
        effect,
        low: effect - half,
        high: effect + half,
        relative: false,
        ..NOTHING
    }
}

/// What each pair of a place changed by, less what the same hours did before.
fn unusual(place: &Course) -> Vec<Option<f64>> {
    let difference = |pair: &Option<Pair>| pair.as_ref().and_then(Pair::difference);
    let now = place.now.iter().enumerate();
    now.map(|(at, pair)| {
        let earlier = place.earlier.iter();
        let earlier: Vec<f64> = earlier.filter_map(|pairs| difference(&pairs[at])).collect();
        match mean(&earlier) {
            Some(usual) => Some(difference(pair)? - usual),
            None if place.earlier.is_empty() => difference(pair),
            None => None,
        }
    })
    .collect()
}

/// What a place changed by over all pairs.
fn changed(pairs: &Pairs) -> Option<f64> {
    let differences: Vec<f64> = pairs
        .iter()
        .flatten()
        .filter_map(Pair::difference)
        .collect();
    mean(&differences)
}

/// What an effect would have been found in each of the earlier weeks, in which nothing was done.
fn placebos(own: &Course, controls: &[Course]) -> Vec<f64> {
    let earlier = own.earlier.iter().enumerate();
    earlier
        .filter_map(|(week, pairs)| {
            let others = controls
                .iter()
                .filter_map(|of| changed(of.earlier.get(week)?));
            let others: Vec<f64> = others.collect();
            Some(changed(pairs)? - mean(&others).unwrap_or(0.0))
        })
        .collect()
}

/// Half of the interval around the mean of the pairs: the widest of those that the spread of places and that of
/// earlier weeks give, each of which knows of every dependence in time; none without either.
fn half_width(places: &[f64], placebos: &[f64], net: &[f64], error: f64) -> Option<f64> {
    let in_time = deviation(net).powi(2);
    // The place's own spread counts where it is rougher than they are.
    let own = in_time / net.len() as f64;
    let others = [places, placebos];
    let others = others.iter().filter(|values| values.len() >= PLACES_MIN);
    others
        .map(|values| {
            let count = values.len() as f64;
            let elsewhere = deviation(values).powi(2) * (1.0 + 1.0 / count);
            quantile(error, count - 1.0) * elsewhere.max(own).sqrt()
        })
        .reduce(f64::max)
}

/// Counts: the logarithm of their ratio.
fn ratios(
    own: &Course,
    controls: &[Course],
    error: f64,
    rules: &EffectRules,
) -> Result<Estimate, Incomparable> {
    let counted = counts(&own.now);
    let (before, after) = added(&counted);
    if before + after < rules.count_min {
        return Err(Incomparable::Count {
            found: before + after,
            wanted: rules.count_min,
        });
    }
    // What all of them counted in a pair, so that no small place weighs as much as a large one.
    let pooled = pool(controls.iter().map(|of| &of.now), own.now.len());
    let usual = pool(own.earlier.iter(), own.now.len());
    let usual_elsewhere = pool(
        controls.iter().flat_map(|of| of.earlier.iter()),
        own.now.len(),
    );
    let usual_log = own.earlier.first().map(|_| log_ratio(added(&usual)));
    let is_usual_known = controls.iter().any(|of| !of.earlier.is_empty());
    let usual_drift = is_usual_known.then(|| log_ratio(added(&usual_elsewhere)));
    let drift = controls
        .first()
        .map(|_| log_ratio(added(&pooled)) - usual_drift.unwrap_or(0.0));
    let own_log = log_ratio((before, after));
    let log = own_log - usual_log.unwrap_or(0.0) - drift.unwrap_or(0.0);
    // How much more than chance places differ from each other, and earlier weeks.
    let places = controls.iter().map(|of| {
        let usual = pool(of.earlier.iter(), own.now.len());
        match of.earlier.is_empty() {
            true => (
                log_ratio(added(&counts(&of.now))),
                variance(&counts(&of.now)),
            ),
            false => (
                log_ratio(added(&counts(&of.now))) - log_ratio(added(&usual)),
                variance(&counts(&of.now)) + variance(&usual),
            ),
        }
    });
    let (of_places, freedom) = between(&places.collect::<Vec<_>>());
    let weeks = own.earlier.iter().map(|pairs| {
        let counted = counts(pairs);
        (log_ratio(added(&counted)), variance(&counted))
    });
    let (of_weeks, weeks_freedom) = between(&weeks.collect::<Vec<_>>());
    let freedom = freedom.min(weeks_freedom).min(counted.len() as f64 - 1.0);
    let factor = quantile(error, freedom);
    let elsewhere = drift.map_or(0.0, |_| variance(&pooled))
        + usual_log.map_or(0.0, |_| variance(&usual))
        + usual_drift.map_or(0.0, |_| variance(&usual_elsewhere))
        + of_places
        + of_weeks;
    let (low, high) = score_interval(&counted, factor);
    // Two errors of different shape are put together by their own limits (Zou and Donner, "Construction
    // of confidence limits about effect measures", 2008).
    let towards = |limit: f64| ((own_log - limit).powi(2) + factor.powi(2) * elsewhere).sqrt();
    Ok(Estimate {
        before,
        after,
        drift: drift.map(f64::exp_m1),
        usual: usual_log.map(f64::exp_m1),
        effect: if after > 0.0 { log.exp_m1() } else { -1.0 },
        low: if after > 0.0 {
            (log - towards(low)).exp_m1()
        } else {
            -1.0
        },
        high: (log + towards(high)).exp_m1(),
        relative: true,
        base: before,
        ..NOTHING
    })
}

/// What an estimate is made over.
const NOTHING: Estimate = Estimate {
    before: 0.0,
    after: 0.0,
    drift: None,
    usual: None,
    effect: 0.0,
    low: 0.0,
    high: 0.0,
    relative: false,
    base: 0.0,
    pairs: 0,
    controls: 0,
    samples_before: 0,
    samples_after: 0,
};

fn sums(pair: &Pair) -> (f64, f64) {
    (pair.before.sum, pair.after.sum)
}

fn counts(pairs: &Pairs) -> Vec<(f64, f64)> {
    pairs.iter().flatten().map(sums).collect()
}

/// What several places, or several weeks, counted in each pair together.
fn pool<'a>(of: impl Iterator<Item = &'a Pairs>, pairs: usize) -> Vec<(f64, f64)> {
    let mut pooled = vec![(0.0, 0.0); pairs];
    for course in of {
        for (sum, pair) in pooled.iter_mut().zip(course) {
            if let Some(pair) = pair {
                let (before, after) = sums(pair);
                *sum = (sum.0 + before, sum.1 + after);
            }
        }
    }
    pooled
}

fn added(pairs: &[(f64, f64)]) -> (f64, f64) {
    let add = |sum: (f64, f64), pair: &(f64, f64)| (sum.0 + pair.0, sum.1 + pair.1);
    pairs.iter().fold((0.0, 0.0), add)
}

/// With half a count more on both sides where one is empty (Haldane and Anscombe).
fn whole((before, after): (f64, f64)) -> (f64, f64) {
    if before > 0.0 && after > 0.0 {
        (before, after)
    } else {
        (before + 0.5, after + 0.5)
    }
}

fn log_ratio(counts: (f64, f64)) -> f64 {
    let (before, after) = whole(counts);
    (after / before).ln()
}

/// Variance of the logarithm of a ratio of counts.
fn variance(pairs: &[(f64, f64)]) -> f64 {
    let (before, after) = whole(added(pairs));
    dispersion(pairs) * (1.0 / before + 1.0 / after)
}

/// Variance of the pairs as a multiple of that of Poisson counts, at least 1. What is more than chance
/// may last from one pair to the next, and weighs accordingly.
fn dispersion(pairs: &[(f64, f64)]) -> f64 {
    let residuals = residuals(pairs);
    let freedom = residuals.len() as f64 - 1.0;
    if freedom < 1.0 {
        return 1.0;
    }
    let squares: f64 = residuals.iter().map(|residual| residual * residual).sum();
    let more = (squares / freedom - 1.0).max(0.0);
    1.0 + more * residuals.len() as f64 / effective(&residuals)
}

/// Limits of the logarithm of a ratio of counts: Wilson's score interval of the share that came after,
/// which holds where nothing did.
fn score_interval(pairs: &[(f64, f64)], factor: f64) -> (f64, f64) {
    let (before, after) = added(pairs);
    let count = (before + after) / dispersion(pairs);
    let share = after / (before + after);
    let square = factor * factor;
    let middle = (share + square / (2.0 * count)) / (1.0 + square / count);
    let half = factor / (1.0 + square / count)
        * (share * (1.0 - share) / count + square / (4.0 * count * count)).sqrt();
    let log = |share: f64| (share / (1.0 - share)).ln().clamp(-LOG_MAX, LOG_MAX);
    (log(middle - half), log(middle + half))
}

/// How far each pair is from the ratio of all, in standard deviations of a binomial share.
fn residuals(pairs: &[(f64, f64)]) -> Vec<f64> {
    let (before, after) = added(pairs);
    let share = after / (before + after);
    pairs
        .iter()
        .filter(|(before, after)| before + after > 0.0)
        .map(|(before, after)| {
            let both = before + after;
            let spread = (both * share * (1.0 - share)).sqrt();
            if spread > 0.0 {
                (after - share * both) / spread
            } else {
                0.0
            }
        })
        .collect()
}

/// How much more the places that nobody touched differ from each other than their own variances
/// explain (the method of moments of DerSimonian and Laird, 1986), as a variance of one more place,
/// with its degrees of freedom. Places are their change and its variance.
fn between(places: &[(f64, f64)]) -> (f64, f64) {
    if places.len() < PLACES_MIN {
        return (0.0, f64::INFINITY);
    }
    let (changes, own): (Vec<f64>, Vec<f64>) = places.iter().copied().unzip();
    let others = places.len() as f64;
    let more = deviation(&changes).powi(2) - mean(&own).unwrap_or(0.0);
    (more.max(0.0) * (1.0 + 1.0 / others), others - 1.0)
}
