//! Scores and verdicts: from a window's value to what it means. Pure arithmetic, no state.
//!
//! Not here: which windows exist (`dataflow`), when a verdict becomes an alert (`alerting`), or
//! silence and planned work, which only their owners can see; they use the same [`Verdict`].
//!
//! * a score lies in [1, 5] and never rises while the value gets worse;
//! * a value that equals an anchor has exactly that anchor's score.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Stream;
use crate::rules::book::{Aggregate, Anchors, Interval, Kqi, Language, Scale, Severity, Unit};

/// What a window says about its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Measured, and within the reasonable interval.
    Normal,
    /// Measured, and outside it.
    Abnormal(Severity),
    /// Too few facts to say, or nothing known that they could be compared with.
    Insufficient,
    /// The source is alive, but there was nothing for this key.
    NoTraffic,
    /// The source itself is dead or lagging.
    SourceSilent,
    /// Outside the interval during planned work.
    Suppressed,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 9] = [
        Verdict::Normal,
        Verdict::Abnormal(Severity::Warning),
        Verdict::Abnormal(Severity::Minor),
        Verdict::Abnormal(Severity::Major),
        Verdict::Abnormal(Severity::Critical),
        Verdict::Insufficient,
        Verdict::NoTraffic,
        Verdict::SourceSilent,
        Verdict::Suppressed,
    ];

    /// The name in output files, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Normal => "normal",
            Verdict::Abnormal(Severity::Warning) => "abnormal_warning",
            Verdict::Abnormal(Severity::Minor) => "abnormal_minor",
            Verdict::Abnormal(Severity::Major) => "abnormal_major",
            Verdict::Abnormal(Severity::Critical) => "abnormal_critical",
            Verdict::Insufficient => "insufficient",
            Verdict::NoTraffic => "no_traffic",
            Verdict::SourceSilent => "source_silent",
            Verdict::Suppressed => "suppressed",
        }
    }

    /// Finds a verdict by its name.
    pub fn from_name(name: &str) -> Option<Verdict> {
        Verdict::ALL
            .into_iter()
            .find(|verdict| verdict.name() == name)
    }

    /// What people read. No word for missing data may sound like health.
    pub const fn text(self, language: Language) -> &'static str {
        match (self, language) {
            (Verdict::Normal, Language::Zh) => "正常",
            (Verdict::Normal, Language::En) => "normal",
            (Verdict::Abnormal(Severity::Warning), Language::Zh) => "异常（警告）",
            (Verdict::Abnormal(Severity::Warning), Language::En) => "abnormal (warning)",
            (Verdict::Abnormal(Severity::Minor), Language::Zh) => "异常（次要）",
            (Verdict::Abnormal(Severity::Minor), Language::En) => "abnormal (minor)",
            (Verdict::Abnormal(Severity::Major), Language::Zh) => "异常（重要）",
            (Verdict::Abnormal(Severity::Major), Language::En) => "abnormal (major)",
            (Verdict::Abnormal(Severity::Critical), Language::Zh) => "异常（紧急）",
            (Verdict::Abnormal(Severity::Critical), Language::En) => "abnormal (critical)",
            (Verdict::Insufficient, Language::Zh) => "样本不足，无法判断",
            (Verdict::Insufficient, Language::En) => "too few samples to judge",
            (Verdict::NoTraffic, Language::Zh) => "无业务量，无法判断",
            (Verdict::NoTraffic, Language::En) => "no traffic, cannot be judged",
            (Verdict::SourceSilent, Language::Zh) => "数据源静默，无法判断",
            (Verdict::SourceSilent, Language::En) => "source silent, cannot be judged",
            (Verdict::Suppressed, Language::Zh) => "计划作业期间，已抑制",
            (Verdict::Suppressed, Language::En) => "suppressed during planned work",
        }
    }

    /// The severity of an abnormal verdict.
    pub const fn severity(self) -> Option<Severity> {
        match self {
            Verdict::Abnormal(severity) => Some(severity),
            _ => None,
        }
    }

    /// Whether the window was measured and judged; the other verdicts are neither good nor bad.
    pub const fn is_judged(self) -> bool {
        matches!(self, Verdict::Normal | Verdict::Abnormal(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Kqi {
    /// Brings what the aggregate computed (a share of one, milliseconds, a gauge's reading, a
    /// relative change) to the KQI's unit, in which anchors and interval are stated.
    ///
    /// Give it ratios and changes as shares of one, rates ready made, everything else raw.
    pub fn in_unit(&self, raw: f64) -> f64 {
        match (&self.aggregate, &self.unit) {
            (
                Aggregate::Ratio | Aggregate::Change { .. } | Aggregate::Dispersion,
                Unit::Percent,
            ) => raw * 100.0,
            (
                Aggregate::Sum
                | Aggregate::Mean
                | Aggregate::Min
                | Aggregate::Max
                | Aggregate::Quantile(_),
                Unit::Percent,
            ) if self.stream == Stream::BossOccupancy => raw * 100.0,
            (
                Aggregate::Sum
                | Aggregate::Mean
                | Aggregate::Min
                | Aggregate::Max
                | Aggregate::Latest
                | Aggregate::Quantile(_),
                Unit::Seconds,
            ) if self.stream != Stream::Gauge => raw / 1_000.0,
            _ => raw,
        }
    }
}

/// Score of a value (in the anchors' unit) on the tolerance scale, from 1 to 5.
///
/// ```
/// use chrysalis::rules::{Anchors, Scale, score};
/// // The web hall's pages: from over 15 seconds to 6 (domain fact E5).
/// let l6 = Anchors { set: None, values: [2.4, 3.8, 6.0, 9.5, 15.0], scale: Scale::Log };
/// assert_eq!((score(&l6, 15.0), score(&l6, 6.0)), (1.0, 3.0));
/// ```
pub fn score(anchors: &Anchors, value: f64) -> f64 {
    let values = anchors.values;
    // Turned so that worse is always more; negation is exact.
    let sign = if values[0] > values[4] { -1.0 } else { 1.0 };
    let badness = |value: f64| sign * value;
    if badness(value) <= badness(values[0]) {
        return 5.0;
    }
    let mut best = 5.0;
    for pair in values.windows(2) {
        let (better, worse) = (pair[0], pair[1]);
        if badness(value) < badness(worse) {
            let share = match anchors.scale {
                Scale::Linear => (value - better) / (worse - better),
                Scale::Log => (value / better).ln() / (worse / better).ln(),
            };
            return best - share.clamp(0.0, 1.0);
        }
        best -= 1.0;
    }
    best
}

/// Severity that a score stands for; a score of 3 and better lies outside an interval only where
/// the book draws the interval tighter than the scale, which is a warning.
pub fn severity_of_score(score: f64) -> Severity {
    if score <= 1.0 {
        Severity::Critical
    } else if score < 2.0 {
        Severity::Major
    } else if score < 3.0 {
        Severity::Minor
    } else {
        Severity::Warning
    }
}

impl Interval {
    /// Whether a value is reasonable; both ends belong to the interval.
    pub fn contains(&self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }

    /// How far a value lies outside, in its own unit; negative for one that lies within by so much, and the smallest
    /// number of all where there is no end.
    pub fn outside_by(&self, value: f64) -> f64 {
        let under = self.min.map(|min| min - value);
        let over = self.max.map(|max| value - max);
        under.into_iter().chain(over).fold(f64::MIN, f64::max)
    }
}

/// Judges one window: its score, where the KQI has a scale, and its verdict.
///
/// `value` is in the KQI's unit, `None` where the aggregate has none (no facts, no base, no window
/// to compare with). No data is neither 0 nor 5 and never a breach (domain fact H15).
pub fn judge(kqi: &Kqi, samples: u64, value: Option<f64>) -> (Option<f64>, Verdict) {
    let measured = value.filter(|value| !value.is_nan());
    let Some(value) = measured.filter(|_| samples >= kqi.min_samples) else {
        let verdict = if samples == 0 {
            Verdict::NoTraffic
        } else {
            Verdict::Insufficient
        };
        return (None, verdict);
    };
    let score = kqi.anchors.as_ref().map(|anchors| score(anchors, value));
    if kqi.interval.contains(value) {
        return (score, Verdict::Normal);
    }
    // Without a scale nothing says how bad it is; an alert rule may.
    let severity = score.map_or(Severity::Major, severity_of_score);
    (score, Verdict::Abnormal(severity))
}

#[cfg(test)]
mod tests;
