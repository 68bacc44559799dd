//! `limits`: bounds of the state, of the dataflow and the engine.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::dataflow::Limits;
use crate::engine::EngineLimits;

/// The least of [`LimitSettings::questions_max`]. Judgement: a scrape of `/metrics` asks several questions, and one is done
/// when all workers have let go of it; with fewer places its next one would find none.
const QUESTIONS_MIN: usize = 4;

fn questions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let max = usize::deserialize(deserializer)?;
    if max < QUESTIONS_MIN {
        let words = format!("questions_max is at least {QUESTIONS_MIN}, and not {max}");
        return Err(D::Error::custom(words));
    }
    Ok(max)
}

/// Bounds of the state. A change applies from the restart on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// See [`Limits::entities_max`].
    pub entities_max: usize,
    /// See [`Limits::tuples_max`].
    pub tuples_max: usize,
    /// See [`Limits::groups_max`].
    pub groups_max: usize,
    /// See [`EngineLimits::open_triggers_max`].
    pub open_triggers_max: usize,
    /// See [`EngineLimits::final_triggers_max`].
    pub final_triggers_max: usize,
    /// See [`EngineLimits::ended_alerts_max`].
    pub ended_alerts_max: usize,
    /// See [`EngineLimits::complaint_counts_max`].
    pub complaint_counts_max: usize,
    /// See [`EngineLimits::waiting_tickets_max`].
    pub waiting_tickets_max: usize,
    /// See [`EngineLimits::linked_tickets_max`].
    pub linked_tickets_max: usize,
    /// See [`EngineLimits::past_series_max`].
    pub past_series_max: usize,
    /// See [`EngineLimits::mends_max`].
    pub mends_max: usize,
    /// See [`EngineLimits::past_days`].
    pub past_days: u32,
    /// See [`Limits::heard_hours`].
    pub heard_hours: usize,
    /// See [`Limits::questions_max`]; at least [`QUESTIONS_MIN`].
    #[serde(deserialize_with = "questions")]
    pub questions_max: usize,
    /// See [`Limits::sources_max`].
    pub sources_max: usize,
    /// See [`Limits::base_series_max`].
    pub base_series_max: usize,
    /// See [`Limits::annotations_max`].
    pub annotations_max: usize,
    /// See [`EngineLimits::hold_pairs_max`].
    pub hold_pairs_max: usize,
    /// See [`EngineLimits::reports_max`].
    pub reports_max: usize,
    /// See [`EngineLimits::alert_subjects_max`].
    pub alert_subjects_max: usize,
    /// See [`EngineLimits::process_samples_max`].
    pub process_samples_max: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        let (dataflow, engine) = (Limits::default(), EngineLimits::default());
        LimitSettings {
            entities_max: dataflow.entities_max,
            tuples_max: dataflow.tuples_max,
            groups_max: dataflow.groups_max,
            open_triggers_max: engine.open_triggers_max,
            final_triggers_max: engine.final_triggers_max,
            ended_alerts_max: engine.ended_alerts_max,
            complaint_counts_max: engine.complaint_counts_max,
            waiting_tickets_max: engine.waiting_tickets_max,
            linked_tickets_max: engine.linked_tickets_max,
            past_series_max: engine.past_series_max,
            mends_max: engine.mends_max,
            past_days: engine.past_days,
            heard_hours: dataflow.heard_hours,
            questions_max: dataflow.questions_max,
            sources_max: dataflow.sources_max,
            base_series_max: dataflow.base_series_max,
            annotations_max: dataflow.annotations_max,
            hold_pairs_max: engine.hold_pairs_max,
            reports_max: engine.reports_max,
            alert_subjects_max: engine.alert_subjects_max,
            process_samples_max: engine.process_samples_max,
        }
    }
}

impl LimitSettings {
    /// The dataflow's.
    pub fn dataflow(&self) -> Limits {
        Limits {
            entities_max: self.entities_max,
            tuples_max: self.tuples_max,
            groups_max: self.groups_max,
            heard_hours: self.heard_hours,
            questions_max: self.questions_max,
            sources_max: self.sources_max,
            base_series_max: self.base_series_max,
            annotations_max: self.annotations_max,
        }
    }

    /// The engine's.
    pub fn engine(&self) -> EngineLimits {
        EngineLimits {
            open_triggers_max: self.open_triggers_max,
            final_triggers_max: self.final_triggers_max,
            ended_alerts_max: self.ended_alerts_max,
            complaint_counts_max: self.complaint_counts_max,
            waiting_tickets_max: self.waiting_tickets_max,
            linked_tickets_max: self.linked_tickets_max,
            past_series_max: self.past_series_max,
            mends_max: self.mends_max,
            past_days: self.past_days,
            annotations_max: self.annotations_max,
            hold_pairs_max: self.hold_pairs_max,
            reports_max: self.reports_max,
            alert_subjects_max: self.alert_subjects_max,
            process_samples_max: self.process_samples_max,
        }
    }
}
