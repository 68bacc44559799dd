//! Ground truth: what was done to the data, written beside it, so that a
//! detector can be judged without asking it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::quantity::format_moment;
use crate::scenario::Scenario;

/// Everything that is known about one generated stretch of events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GroundTruth {
    /// Name of the scenario.
    pub scenario: String,
    /// Seed it was made with.
    pub seed: u64,
    /// Beginning in event time, milliseconds since the epoch.
    pub start_ms: i64,
    /// End in event time, exclusive.
    pub end_ms: i64,
    /// What happened to the lines on their way out.
    pub lines: LineCounts,
    /// The injected incidents in the order of the scenario.
    pub incidents: Vec<IncidentTruth>,
}

/// Lines by what was done to them. A line is counted where it is delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounts {
    /// All lines.
    pub total: u64,
    /// Lines that a correct receiver refuses.
    pub broken: u64,
    /// Second copies.
    pub duplicates: u64,
    /// Lines held up within the bound of the disorder.
    pub disordered: u64,
    /// Lines held up beyond it.
    pub late: u64,
}

/// One injected incident.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IncidentTruth {
    /// Its id in the scenario.
    pub id: String,
    /// What kind of trouble.
    pub kind: String,
    /// The stream that shows it: `dial_test`, `mms`, `boss_call`, `boss_connection`, `complaint`.
    pub stream: String,
    /// The service it strikes, if it is one.
    pub service: Option<String>,
    /// Other dimensions it strikes.
    pub dims: BTreeMap<String, String>,
    /// Beginning, for people.
    pub from: String,
    /// End, for people.
    pub until: String,
    /// Beginning, milliseconds since the epoch.
    pub from_ms: i64,
    /// End, exclusive.
    pub until_ms: i64,
    /// How long after the end an alert still counts as having noticed it.
    pub grace_ms: i64,
    /// Ids of KQIs or alerts that should notice; none given means any may, an empty list that no alert
    /// is due.
    pub expect: Option<Vec<String>>,
    /// What is in the data, duplicates not counted.
    pub observed: Observed,
}

/// What an incident left in the data: events of the struck dimensions and time,
/// and how many of them are bad.
///
/// | stream | events | bad |
/// |---|---|---|
/// | `dial_test` | tests | not ok |
/// | `mms` | submissions | of those, expired or delayed by the incident, told by a receipt |
/// | `boss_call` | calls | `tperrno` not 0 |
/// | `boss_connection` | acquisitions | kept by the incident |
/// | `complaint` | tickets filed | added by the incident |
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Events that match.
    pub events: u64,
    /// Those that are bad.
    pub bad: u64,
}

impl GroundTruth {
    /// The truth before anything is generated: all counts are zero.
    pub(crate) fn planned(scenario: &Scenario, seed: u64, start_ms: i64) -> Self {
        let incidents = scenario
            .incidents
            .iter()
            .map(|incident| {
                let (from_ms, until_ms) = (start_ms + incident.from.0, start_ms + incident.until.0);
                IncidentTruth {
                    id: incident.id.value.clone(),
                    kind: incident.kind.clone(),
                    stream: incident.effect.stream().to_owned(),
                    service: incident.service.clone(),
                    dims: incident.dims.clone(),
                    from: format_moment(from_ms),
                    until: format_moment(until_ms),
                    from_ms,
                    until_ms,
                    grace_ms: incident.grace.0,
                    expect: incident.expect.clone(),
                    observed: Observed::default(),
                }
            })
            .collect();
        Self {
            scenario: scenario.scenario.clone(),
            seed,
            start_ms,
            end_ms: start_ms + scenario.duration.0,
            lines: LineCounts::default(),
            incidents,
        }
    }
}
