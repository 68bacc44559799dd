//! What an estimate means.

use serde::{Deserialize, Serialize};

use crate::effect::Estimate;

/// Judgement numbers of effect measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectRules {
    /// Longest period compared, ms. Two weeks before and after: domain fact G14.
    pub longest_ms: i64,
    /// Share of made-up mends that may be called effective or worse, both together. The usual 5 %.
    pub error: f64,
    /// Smallest change that matters, as a share of the value before. Judgement.
    pub change_min: f64,
    /// Counts below this, before and after together, say nothing. Judgement: with fewer than ten, even
    /// none at all after the work is within what chance does at 5 %.
    pub count_min: f64,
}

impl Default for EffectRules {
    fn default() -> Self {
        EffectRules {
            longest_ms: 14 * 86_400_000,
            error: 0.05,
            change_min: 0.1,
            count_min: 10.0,
        }
    }
}

/// Which way an indicator should move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Complaints, delays.
    Lower,
    /// Success ratios.
    Higher,
}

/// What the data say of a mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectVerdict {
    /// The period after the work is not over, or too little was counted.
    TooEarly,
    /// Better, beyond chance.
    Effective,
    /// Nothing beyond chance, or nothing that matters.
    NoEffect,
    /// Worse, beyond chance.
    Worse,
}

impl EffectVerdict {
    /// The name in the API and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            EffectVerdict::TooEarly => "too_early",
            EffectVerdict::Effective => "effective",
            EffectVerdict::NoEffect => "no_effect",
            EffectVerdict::Worse => "worse",
        }
    }
}

/// What one indicator says.
pub fn read(estimate: &Estimate, better: Better, rules: &EffectRules) -> EffectVerdict {
    let (low, high) = match better {
        Better::Lower => (estimate.low, estimate.high),
        Better::Higher => (-estimate.high, -estimate.low),
    };
    if estimate.share().abs() < rules.change_min {
        EffectVerdict::NoEffect
    } else if high < 0.0 {
        EffectVerdict::Effective
    } else if low > 0.0 {
        EffectVerdict::Worse
    } else {
        EffectVerdict::NoEffect
    }
}

/// What all indicators of a trigger say together: one that is worse cannot be made good by others.
pub fn judge(verdicts: impl IntoIterator<Item = EffectVerdict>) -> EffectVerdict {
    let rank = |verdict: EffectVerdict| match verdict {
        EffectVerdict::TooEarly => 0,
        EffectVerdict::NoEffect => 1,
        EffectVerdict::Effective => 2,
        EffectVerdict::Worse => 3,
    };
    verdicts
        .into_iter()
        .max_by_key(|verdict| rank(*verdict))
        .unwrap_or(EffectVerdict::TooEarly)
}
