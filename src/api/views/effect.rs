//! The measured effect of a mend on the wire.

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::iso;
use crate::effect::{Better, EffectReport, Indicator, Periods};

/// What the data say of a mend.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EffectView {
    /// `effective`, `no_effect`, `worse`, `not_proven` or `too_early`.
    pub verdict: String,
    /// When the work began, event time.
    pub begun_at: String,
    /// When it was done, event time.
    pub mended_at: String,
    /// When this was measured, ms.
    pub measured_at_ms: i64,
    /// What was compared; the trigger's own KQI first.
    pub indicators: Vec<IndicatorView>,
}

/// One indicator before and after.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct IndicatorView {
    /// KQI.
    pub kqi: String,
    /// Label of the object.
    pub group: String,
    /// What it says alone.
    pub verdict: String,
    /// `lower` or `higher`.
    pub better: String,
    /// Start and end of the period before, RFC 3339.
    pub period_before: (String, String),
    /// Start and end of the period after.
    pub period_after: (String, String),
    /// Length of a block, seconds.
    pub block_s: f64,
    /// Values of the blocks before and after, in pairs; null where nothing was measured.
    pub blocks: Vec<(Option<f64>, Option<f64>)>,
    /// Sum of a count, or mean, before.
    pub before: Option<f64>,
    /// After.
    pub after: Option<f64>,
    /// The effect, less what the controls did: relative for counts (−0.78 is 78 % less), else in the KQI's
    /// unit.
    pub effect: Option<f64>,
    /// 95 % interval of the effect.
    pub interval: Option<(f64, f64)>,
    /// Whether effect and interval are relative.
    pub relative: Option<bool>,
    /// What the controls did meanwhile, in the terms of `effect`.
    pub drift: Option<f64>,
    /// How before and after were brought to the same hours: `same_hours_of_week` (the periods lie whole weeks
    /// apart), `earlier_weeks` or `earlier_days` (what the same hours usually do is taken off), `other_places` (at
    /// the same hours, where there is too little history); null where nothing is comparable yet.
    pub matching: Option<String>,
    /// What the same hours of earlier weeks or days changed by, in the terms of `effect`.
    pub usual: Option<f64>,
    /// Pairs of blocks with data on both sides.
    pub pairs: Option<usize>,
    /// Facts before and after.
    pub samples: Option<(i64, i64)>,
    /// Places that it was compared with.
    pub controls: Vec<String>,
    /// Why there are no numbers.
    pub why_not: Option<String>,
}

impl EffectView {
    /// A report.
    pub fn of(report: &EffectReport, zone: &TimeZone) -> EffectView {
        let indicators = report.indicators.iter();
        EffectView {
            verdict: report.verdict.name().to_owned(),
            begun_at: iso(report.mend.begun_ms, zone),
            mended_at: iso(report.mend.mended_ms, zone),
            measured_at_ms: report.measured_at_ms,
            indicators: indicators.map(|of| IndicatorView::of(of, zone)).collect(),
        }
    }
}

impl IndicatorView {
    fn of(indicator: &Indicator, zone: &TimeZone) -> IndicatorView {
        let Periods {
            before_ms,
            after_ms,
            length_ms,
            block_ms,
        } = indicator.periods;
        let period = |from_ms: i64| (iso(from_ms, zone), iso(from_ms + length_ms, zone));
        let found = indicator.found.as_ref().ok();
        IndicatorView {
            kqi: indicator.kqi.clone(),
            group: indicator.group_label.clone(),
            verdict: indicator.verdict.name().to_owned(),
            better: match indicator.better {
                Better::Lower => "lower".to_owned(),
                Better::Higher => "higher".to_owned(),
            },
            period_before: period(before_ms),
            period_after: period(after_ms),
            block_s: block_ms as f64 / 1e3,
            blocks: indicator.blocks.clone(),
            before: found.map(|found| found.before),
            after: found.map(|found| found.after),
            effect: found.map(|found| found.effect),
            interval: found.map(|found| (found.low, found.high)),
            relative: found.map(|found| found.relative),
            drift: found.and_then(|found| found.drift),
            matching: indicator.matching.map(|how| how.name().to_owned()),
            usual: found.and_then(|found| found.usual),
            pairs: found.map(|found| found.pairs),
            samples: found.map(|found| (found.samples_before, found.samples_after)),
            controls: indicator.controls.clone(),
            why_not: indicator.found.as_ref().err().map(ToString::to_string),
        }
    }
}
