//! What is told of an effect: every indicator with its numbers, and the verdict.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::effect::compare::knows;
use crate::effect::matching::Matched;
use crate::effect::periods::DAY_MS;
use crate::effect::{
    Better, Course, EffectRules, EffectVerdict, Estimate, Incomparable, Matching, Mend, Periods,
    Series, Totals, compare, judge, pairs, read,
};

/// Blocks are compared when so much of all samples lies in those with values on both sides. Judgement: what is left out
/// may be the trouble itself.
const PAIRED_MIN: f64 = 0.95;

/// One indicator of a mend, and where it is compared.
pub struct Compared<'a> {
    /// KQI.
    pub kqi: &'a str,
    /// Label of the treated object, or of several that are treated together.
    pub group_label: Cow<'a, str>,
    /// The mend, by the clock of the KQI's stream.
    pub mend: Mend,
    /// Whether values add up.
    pub is_count: bool,
    /// Which way it should move.
    pub better: Better,
    /// Length of its windows, ms.
    pub window_ms: i64,
    /// Where its windows begin, ms.
    pub offset_ms: i64,
    /// What a share cannot be more than, for KQIs in percent that should rise.
    pub ceiling: Option<f64>,
    /// The treated place, or places.
    pub treated: Cow<'a, Series>,
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
    /// Places that it was compared with: those that count, which are as many as [`Estimate::controls`].
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
    /// Measures a mend. The share of errors is divided among the indicators that can be compared, so that more of them do
    /// not make chance more likely (Bonferroni). The mend is that of the first indicator.
    pub fn of(
        mend: Mend,
        indicators: &[Compared<'_>],
        rules: &EffectRules,
        now_ms: i64,
    ) -> EffectReport {
        let planned: Vec<(&Compared<'_>, Periods, Option<Matched<'_>>)> = indicators
            .iter()
            .map(|compared| {
                let periods = compared.blocks_with_both(compared.periods(rules));
                (compared, periods, compared.matched(&periods))
            })
            .collect();
        let comparable = planned
            .iter()
            .filter(|(_, periods, matched)| periods.has_enough() && matched.is_some());
        let error = rules.spent(mend.looks) / comparable.count().max(1) as f64;
        let indicators: Vec<Indicator> = planned
            .into_iter()
            .map(|(compared, periods, matched)| compared.indicator(periods, matched, error, rules))
            .collect();
        EffectReport {
            mend,
            verdict: judge(indicators.iter().map(|indicator| indicator.verdict)),
            indicators,
            measured_at_ms: now_ms,
        }
    }

    /// The indicator that says what the verdict says; the first one where none does.
    pub fn deciding(&self) -> Option<&Indicator> {
        let deciding = self.indicators.iter().find(|of| of.verdict == self.verdict);
        deciding.or(self.indicators.first())
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
    pub fn periods(&self, rules: &EffectRules) -> Periods {
        Periods::of(self.mend, rules.longest_ms, self.window_ms, self.offset_ms)
    }

    /// Blocks long enough to have values on both sides: what comes in bursts, or counts only where there is enough of
    /// it, may be there at one hour before and at another after.
    fn blocks_with_both(&self, periods: Periods) -> Periods {
        if self.is_count {
            return periods;
        }
        let has_both = |periods: &Periods| {
            let (mut paired, mut all) = (0, 0);
            for pair in pairs(&self.treated, periods, self.window_ms)
                .iter()
                .flatten()
            {
                let samples = pair.before.samples + pair.after.samples;
                all += samples;
                paired += if pair.has_values() { samples } else { 0 };
            }
            paired as f64 >= all as f64 * PAIRED_MIN
        };
        if has_both(&periods) {
            return periods;
        }
        periods.coarser().find(has_both).unwrap_or(periods)
    }

    /// The part of an error that an estimate over these periods may spend: of a few hours their dependence can hardly be
    /// seen, and half of it is kept back for that.
    pub(super) fn error_of(&self, periods: &Periods, error: f64) -> f64 {
        let is_short = periods.length_ms < DAY_MS && periods.are_weeks_apart();
        if is_short { error / 2.0 } else { error }
    }

    /// An estimate whose shares are of what was missing, where the KQI has a ceiling.
    pub(super) fn with_base(&self, found: Estimate) -> Estimate {
        Estimate {
            base: self.ceiling.map_or(found.base, |most| most - found.before),
            ..found
        }
    }

    fn indicator(
        &self,
        periods: Periods,
        matched: Option<Matched<'_>>,
        error: f64,
        rules: &EffectRules,
    ) -> Indicator {
        let treated = pairs(&self.treated, &periods, self.window_ms);
        let how = matched.as_ref().map(|matched| matched.how);
        let mut counted: Vec<String> = Vec::new();
        let found = match matched {
            Some(Matched {
                treated, controls, ..
            }) => {
                // As `compare` has it: a place of which too little is known takes no part.
                let known = controls.iter();
                let known = known.filter(|(_, of)| knows(&treated.now, &of.now, self.is_count));
                counted.extend(known.map(|(name, _)| (*name).to_owned()));
                let controls: Vec<Course> = controls.into_iter().map(|(_, of)| of).collect();
                let error = self.error_of(&periods, error);
                let found = compare(&treated, &controls, self.is_count, error, rules);
                found.map(|found| self.with_base(found))
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
            group_label: self.group_label.clone().into_owned(),
            is_count: self.is_count,
            better: self.better,
            window_ms: self.window_ms,
            periods,
            matching: how,
            blocks: treated
                .iter()
                .map(|pair| match pair {
                    Some(pair) => (number(pair.before), number(pair.after)),
                    None => (None, None),
                })
                .collect(),
            // Where nothing can be compared, nothing was.
            controls: found.as_ref().map_or(Vec::new(), |_| counted),
            found,
            verdict,
        }
    }
}
