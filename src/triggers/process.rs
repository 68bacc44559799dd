//! The process itself, counted (domain fact H29): how long departments take, how often they hand on,
//! what came of it. Counters only, so they outlive the triggers that are forgotten.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::effect::EffectVerdict;
use crate::triggers::{Trigger, TriggerState};

/// Stays in a state: how many ended, and how long they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stays {
    /// Stays that ended.
    pub count: u64,
    /// Their sum, ms.
    pub total_ms: i64,
}

/// How often something was tried, and what the data said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worked {
    /// Verdicts "effective".
    pub effective: u64,
    /// Verdicts "no effect".
    pub no_effect: u64,
    /// Verdicts "worse".
    pub worse: u64,
}

impl Worked {
    /// The count of a verdict; none of one that is no verdict yet.
    fn of(&mut self, verdict: EffectVerdict) -> Option<&mut u64> {
        match verdict {
            EffectVerdict::Effective => Some(&mut self.effective),
            EffectVerdict::NoEffect => Some(&mut self.no_effect),
            EffectVerdict::Worse => Some(&mut self.worse),
            EffectVerdict::TooEarly | EffectVerdict::Unprovable | EffectVerdict::NotProven => None,
        }
    }

    /// Final verdicts.
    pub fn tried(&self) -> u64 {
        self.effective + self.no_effect + self.worse
    }
}

/// Everything that is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Triggers opened.
    pub opened_total: u64,
    /// Hand-overs between departments, by the department that handed on.
    pub hops: BTreeMap<String, u64>,
    /// Stays by department and state.
    pub stays: BTreeMap<(String, TriggerState), Stays>,
    /// Closed ones by department and outcome: how many, and from opening to closing.
    pub closed: BTreeMap<(String, String), Stays>,
    /// Reminders sent.
    pub reminders_total: u64,
    /// Steps of escalation taken.
    pub escalations_total: u64,
    /// Demands that a decision not to optimise held back.
    pub rested_total: u64,
    /// Demands for which nobody at all could be named.
    pub unowned_total: u64,
    /// By cause and remedy (empty where none was named): what the data said.
    pub worked: BTreeMap<(String, String), Worked>,
}

impl Process {
    /// A trigger leaves a state, or its department.
    pub(super) fn left(&mut self, trigger: &Trigger, at_ms: i64) {
        let key = (trigger.owner.department.clone(), trigger.state);
        let stays = self.stays.entry(key).or_default();
        stays.count += 1;
        let since_ms = trigger.entered_at_ms().max(trigger.owned_since_ms);
        stays.total_ms += (at_ms - since_ms).max(0);
    }

    /// A trigger is closed.
    pub(super) fn ended(&mut self, trigger: &Trigger) {
        let outcome = trigger
            .outcome
            .as_ref()
            .map_or("mended", |outcome| outcome.name());
        let key = (trigger.owner.department.clone(), outcome.to_owned());
        let closed = self.closed.entry(key).or_default();
        closed.count += 1;
        closed.total_ms += trigger.resolution_ms().unwrap_or(0).max(0);
    }

    /// The data spoke about a remedy.
    pub(super) fn measured(&mut self, trigger: &Trigger, verdict: EffectVerdict) {
        let remedy = trigger.remedy.clone().unwrap_or_default();
        let key = (trigger.cause.cause.clone(), remedy);
        let worked = self.worked.entry(key).or_default();
        if let Some(count) = worked.of(verdict) {
            *count += 1;
        }
    }

    /// The data say something else of a remedy that they had spoken about.
    pub(super) fn measured_again(
        &mut self,
        trigger: &Trigger,
        before: EffectVerdict,
        verdict: EffectVerdict,
    ) {
        let remedy = trigger.remedy.clone().unwrap_or_default();
        let key = (trigger.cause.cause.clone(), remedy);
        let worked = self.worked.entry(key).or_default();
        if let Some(count) = worked.of(before) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = worked.of(verdict) {
            *count += 1;
        }
    }

    /// Hand-overs between departments for each demand, ended or open; none before the first. What became a part of another
    /// is no demand of its own: its hand-overs are that one's. The KQI of the process is the same of one stretch of time.
    pub fn hops_mean(&self) -> Option<f64> {
        let parts = self.closed.iter().filter(|((_, how), _)| how == "absorbed");
        let parts: u64 = parts.map(|(_, stays)| stays.count).sum();
        let demands = self.opened_total.saturating_sub(parts);
        let hops: u64 = self.hops.values().sum();
        (demands > 0).then(|| hops as f64 / demands as f64)
    }

    /// What the data said of a remedy before.
    pub fn worked(&self, cause: &str, remedy: &str) -> Worked {
        let key = (cause.to_owned(), remedy.to_owned());
        self.worked.get(&key).copied().unwrap_or_default()
    }
}
