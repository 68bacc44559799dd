//! Bounds of the engine's own state, and how near each is.
//!
//! A change of a bound applies from the restart on: what is beyond goes, in the order of the policy.

use serde::{Deserialize, Serialize};

use crate::engine::step::Engine;

/// Bounds of the engine's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineLimits {
    /// Triggers that are not final; beyond it none is opened, and the mails go out all the same.
    pub open_triggers_max: usize,
    /// Final triggers; the oldest go first.
    pub final_triggers_max: usize,
    /// Alerts that ended and are still listed; the oldest go first.
    pub ended_alerts_max: usize,
    /// Complaint counts, by service, city and KQI; those whose windows ended first go first.
    pub complaint_counts_max: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        // Judgement: a hundred departments with two hundred open demands each, half as many closed, a week
        // of ended alerts at one every two minutes, and the cities of a country by their services.
        EngineLimits {
            open_triggers_max: 20_000,
            final_triggers_max: 10_000,
            ended_alerts_max: 5_000,
            complaint_counts_max: 20_000,
        }
    }
}

/// Something that is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Name of the limit, as the configuration has it.
    pub name: &'static str,
    /// How many there are.
    pub held: u64,
    /// How many there may be.
    pub max: u64,
    /// How often something was refused or had to go for it.
    pub over_total: u64,
}

impl Bound {
    /// Of an engine that has not looked yet.
    pub(super) const NONE: Bound = Bound {
        name: "",
        held: 0,
        max: 0,
        over_total: 0,
    };
}

impl Engine {
    /// Puts bounds in force.
    pub fn set_limits(&mut self, limits: EngineLimits) {
        self.triggers
            .set_limits(limits.open_triggers_max, limits.final_triggers_max);
        self.ended.set_limit(limits.ended_alerts_max);
        self.complaints.set_limit(limits.complaint_counts_max);
        self.show_all();
    }

    /// How near every bound is.
    pub(super) fn bounds(&self) -> [Bound; 4] {
        let triggers = &self.triggers;
        let (open_max, final_max) = triggers.limits();
        let (open, ended) = triggers.held();
        let (alerts, alerts_max, alerts_gone) = self.ended.bound();
        let (counts, counts_max, counts_gone) = self.complaints.bound();
        let bound = |name, held: usize, max: usize, over_total| Bound {
            name,
            held: held as u64,
            max: max as u64,
            over_total,
        };
        [
            bound(
                "open_triggers_max",
                open,
                open_max,
                triggers.refused_total(),
            ),
            bound(
                "final_triggers_max",
                ended,
                final_max,
                triggers.forgotten_total(),
            ),
            bound("ended_alerts_max", alerts, alerts_max, alerts_gone),
            bound("complaint_counts_max", counts, counts_max, counts_gone),
        ]
    }
}
