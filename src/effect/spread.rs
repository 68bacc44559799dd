//! How far a mean may be off by chance, when neighbours in time depend on each other.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Dependence of neighbouring pairs is not taken to be stronger than this. Judgement.
const DEPENDENCE_MAX: f64 = 0.9;

/// Dependence that is expected at most where few pairs cannot tell it: neighbours that share this much of what moves
/// them. Judgement; `tests/trials.rs` and `tests/hours.rs` hold what follows from it.
const DEPENDENCE_USUAL: f64 = 0.8;

/// Half of the interval around the mean of a series in time.
///
/// How far neighbours depend on each other is hardly known from a few of them: one block at the rising edge of a trouble
/// makes six look like two, and two have no interval worth the name. Of a change that `is_large`, such as nothing makes by
/// itself from one week to the next, the interval is the narrower one of two: that of as many values as the series
/// looks to be worth, and that of all of them under the strongest dependence that is usual. Of a smaller one it is the
/// wider one.
pub(super) fn half_width_in_time(net: &[f64], error: f64, is_large: bool) -> f64 {
    let variance = deviation(net).powi(2);
    let count = effective(net);
    let as_it_looks = quantile(error, count - 1.0) * (variance / count).sqrt();
    let all = net.len() as f64;
    let as_usual = quantile(error, all - 1.0) * (variance * widened(net.len())).sqrt();
    if is_large {
        as_it_looks.min(as_usual)
    } else {
        as_it_looks.max(as_usual)
    }
}

/// Variance of the mean of so many values as a multiple of the variance that they show, where each takes
/// [`DEPENDENCE_USUAL`] of its deviation from the one before (a first-order autoregression): the mean moves more, and
/// a short series shows less of its spread.
fn widened(count: usize) -> f64 {
    let all = count as f64;
    let mut together = 1.0;
    let mut shared = 1.0;
    for apart in 1..count {
        shared *= DEPENDENCE_USUAL;
        together += 2.0 * (1.0 - apart as f64 / all) * shared;
    }
    let of_mean = together / all;
    let shown = (1.0 - of_mean) * all / (all - 1.0).max(1.0);
    if shown > 0.0 {
        of_mean / shown
    } else {
        f64::INFINITY
    }
}

/// As many independent values as a series in time is worth, from the dependence of neighbours, with
/// the small-sample bias of that taken out (Kendall 1954).
pub(super) fn effective(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let Some(middle) = mean(values) else {
        return 2.0;
    };
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    if squares <= 0.0 {
        return count.max(2.0);
    }
    let products: f64 = values
        .windows(2)
        .map(|two| (two[0] - middle) * (two[1] - middle))
        .sum();
    let lag = products / squares;
    let dependence = (lag + (1.0 + 4.0 * lag) / count).clamp(0.0, DEPENDENCE_MAX);
    (count * (1.0 - dependence) / (1.0 + dependence)).max(2.0)
}

/// Mean; none of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Standard deviation of a sample.
pub(super) fn deviation(values: &[f64]) -> f64 {
    let Some(middle) = mean(values).filter(|_| values.len() > 1) else {
        return 0.0;
    };
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

/// How many standard errors to either side: Student's t, both tails together `error`.
pub(super) fn quantile(error: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(f64::INFINITY, |t| {
        t.inverse_cdf(1.0 - error.clamp(1e-9, 0.999) / 2.0)
    })
}
