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
    /// An interval that holds nothing and a change of this share of the value before decides nothing. Judgement: a mend
    /// that halves its trouble is a large one.
    pub change_large: f64,
    /// Counts below this, before and after together, say nothing. Judgement: with fewer than ten, even
    /// none at all after the work is within what chance does at 5 %.
    pub count_min: f64,
}

/// Part of the error that the first look may spend; each later one spends half of what is left. Judgement: most mends
/// are decided by the first.
const FIRST_LOOK: f64 = 0.9;

impl EffectRules {
    /// The share of the error that a look may spend after so many earlier ones: all of them together spend it once.
    pub fn spent(&self, looks: u32) -> f64 {
        match looks {
            0 => self.error * FIRST_LOOK,
            looks => self.error * (1.0 - FIRST_LOOK) * 0.5_f64.powi(looks.min(30) as i32),
        }
    }
}

impl Default for EffectRules {
    fn default() -> Self {
        EffectRules {
            longest_ms: 14 * 86_400_000,
            error: 0.05,
            change_min: 0.1,
            change_large: 0.5,
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
    /// The data allow for no effect as for a large one. Of a mend: until the last day on which they could have
    /// decided.
    NotProven,
    /// The period after the work is not over, and what will be known by then cannot prove anything.
    Unprovable,
}

impl EffectVerdict {
    /// Whether it is none yet: the data are still to be looked at.
    pub const fn is_awaited(self) -> bool {
        matches!(self, EffectVerdict::TooEarly | EffectVerdict::Unprovable)
    }

    /// The name in the API and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            EffectVerdict::TooEarly => "too_early",
            EffectVerdict::Effective => "effective",
            EffectVerdict::NoEffect => "no_effect",
            EffectVerdict::Worse => "worse",
            EffectVerdict::NotProven => "not_proven",
            EffectVerdict::Unprovable => "unprovable",
        }
    }
}

/// What one indicator says.
pub fn read(estimate: &Estimate, better: Better, rules: &EffectRules) -> EffectVerdict {
    let towards = |change: f64| match better {
        Better::Lower => -estimate.share_of(change),
        Better::Higher => estimate.share_of(change),
    };
    let (one, other) = (towards(estimate.low), towards(estimate.high));
    let (least, most) = (one.min(other), one.max(other));
    let matters = estimate.share().abs() >= rules.change_min;
    match () {
        () if matters && least > 0.0 => EffectVerdict::Effective,
        () if matters && most < 0.0 => EffectVerdict::Worse,
        () if least <= 0.0 && most >= rules.change_large => EffectVerdict::NotProven,
        () => EffectVerdict::NoEffect,
    }
}

/// What all indicators of a trigger say together: one that is worse cannot be made good by others, and nothing is
/// without effect while one of them may still show a large one.
pub fn judge(verdicts: impl IntoIterator<Item = EffectVerdict>) -> EffectVerdict {
    let rank = |verdict: EffectVerdict| match verdict {
        EffectVerdict::TooEarly | EffectVerdict::Unprovable => 0,
        EffectVerdict::NoEffect => 1,
        EffectVerdict::NotProven => 2,
        EffectVerdict::Effective => 3,
        EffectVerdict::Worse => 4,
    };
    verdicts
        .into_iter()
        .max_by_key(|verdict| rank(*verdict))
        .unwrap_or(EffectVerdict::TooEarly)
}
