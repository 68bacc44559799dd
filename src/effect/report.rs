//! What is told of an effect: every indicator with its numbers, and the verdict.

use serde::{Deserialize, Serialize};

use crate::effect::matching::Matched;
use crate::effect::periods::DAY_MS;
use crate::effect::{
    Better, EffectRules, EffectVerdict, Estimate, Incomparable, Matching, Mend, Periods, Series,
    Totals, compare, judge, pairs, read,
};

/// One indicator of a mend, and where it is compared.
pub struct Compared<'a> {
    /// KQI.
    pub kqi: &'a str,
    /// Label of the treated object.
    pub group_label: &'a str,
    /// Whether values add up.
    pub is_count: bool,
    /// Which way it should move.
    pub better: Better,
    /// Length of its windows, ms.
    pub window_ms: i64,
    /// Where its windows begin, ms.
    pub offset_ms: i64,
    /// The treated place.
    pub treated: &'a Series,
    /// Places that nobody touched, with their names.
    pub controls: Vec<(&'a str, &'a Series)>,
}

/// Values of a block before and of its like after; none where nothing was measured.
pub type Block = (Option<f64>, Option<f64>);

/// What one indicator says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Indicator {
    /// KQI.
    pub kqi: String,
    /// Label of the object.
    pub group_label: String,
    /// Whether values add up.
    pub is_count: bool,
    /// Which way it should move.
    pub better: Better,
    /// Length of its windows, ms.
    pub window_ms: i64,
    /// What was compared with what.
    pub periods: Periods,
    /// How the same hours were found; `None` where they were not.
    pub matching: Option<Matching>,
    /// Sums of counts or means, block by block, before and after, in pairs; for charts.
    pub blocks: Vec<Block>,
    /// Places that it was compared with.
    pub controls: Vec<String>,
    /// The numbers, or why there are none.
    pub found: Result<Estimate, Incomparable>,
    /// What they mean.
    pub verdict: EffectVerdict,
}

/// What the data say of a mend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectReport {
    /// The mend.
    pub mend: Mend,
    /// The verdict over all indicators.
    pub verdict: EffectVerdict,
    /// The indicators; the trigger's own KQI first.
    pub indicators: Vec<Indicator>,
    /// When it was measured, by the journal's clock, ms.
    pub measured_at_ms: i64,
}

impl EffectReport {
    /// Measures a mend. The share of errors is divided among the indicators, so that more of them do
    /// not make chance more likely (Bonferroni).
    pub fn of(
        mend: Mend,
        indicators: &[Compared<'_>],
        rules: &EffectRules,
        now_ms: i64,
    ) -> EffectReport {
        let error = rules.error / indicators.len().max(1) as f64;
        let indicators: Vec<Indicator> = indicators
            .iter()
            .map(|compared| compared.indicator(mend, error, rules))
            .collect();
        EffectReport {
            mend,
            verdict: judge(indicators.iter().map(|indicator| indicator.verdict)),
            indicators,
            measured_at_ms: now_ms,
        }
    }

    /// Whether a window of a KQI takes part.
    pub fn touches(&self, kqi: &str, start_ms: i64, end_ms: i64) -> bool {
        self.indicators
            .iter()
            .any(|of| of.kqi == kqi && of.periods.touches(start_ms, end_ms))
    }
}

impl Indicator {
    /// The blocks before the work, a gap, and the blocks after it: end of each, ms, and its value; of
    /// counts brought to one window.
    pub fn course(&self) -> impl Iterator<Item = (i64, Option<f64>)> + '_ {
        let Periods {
            before_ms,
            after_ms,
            block_ms,
            ..
        } = self.periods;
        let scale = if self.is_count {
            self.window_ms as f64 / block_ms as f64
        } else {
            1.0
        };
        let part = move |from_ms: i64, of: fn(&Block) -> Option<f64>| {
            (1..).zip(&self.blocks).map(move |(at, block)| {
                let value = of(block).map(|value| value * scale);
                (from_ms + at * block_ms, value)
            })
        };
        let before = part(before_ms, |block| block.0);
        let gap = [(after_ms, None)];
        before.chain(gap).chain(part(after_ms, |block| block.1))
    }
}

impl Compared<'_> {
    /// The periods that are compared.
    pub fn periods(&self, mend: Mend, rules: &EffectRules) -> Periods {
        Periods::of(mend, rules.longest_ms, self.window_ms, self.offset_ms)
    }

    fn indicator(&self, mend: Mend, error: f64, rules: &EffectRules) -> Indicator {
        let periods = self.periods(mend, rules);
        let treated = pairs(self.treated, &periods, self.window_ms);
        let matched = self.matched(mend, &periods);
        let found = match &matched {
            Some(Matched {
                treated, controls, ..
            }) => {
                // Of a few hours their dependence can hardly be seen: half of the error is kept back for it.
                let is_short = periods.length_ms < DAY_MS && periods.are_weeks_apart();
                let error = if is_short { error / 2.0 } else { error };
                compare(treated, controls, self.is_count, error, rules)
            }
            None => Err(Incomparable::Hours),
        };
        let verdict = match &found {
            Ok(estimate) => read(estimate, self.better, rules),
            Err(_) => EffectVerdict::TooEarly,
        };
        let number = |totals: Totals| {
            if self.is_count {
                Some(totals.sum)
            } else {
                totals.mean()
            }
        };
        Indicator {
            kqi: self.kqi.to_owned(),
            group_label: self.group_label.to_owned(),
            is_count: self.is_count,
            better: self.better,
            window_ms: self.window_ms,
            periods,
            matching: matched.map(|matched| matched.how),
            blocks: treated
                .iter()
                .map(|pair| match pair {
                    Some(pair) => (number(pair.before), number(pair.after)),
                    None => (None, None),
                })
                .collect(),
            controls: self
                .controls
                .iter()
                .map(|(of, _)| (*of).to_owned())
                .collect(),
            found,
            verdict,
        }
    }
}
