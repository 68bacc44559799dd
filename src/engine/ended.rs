//! Alerts that ended lately: each incident once, as it reads now.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::alerting::Alert;
use crate::engine::limits::EngineLimits;

/// Ended alerts in the order in which their ends became known. Beyond the limit the oldest go.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Ended {
    alerts: BTreeMap<u64, Arc<Alert>>,
    /// Place of an incident.
    places: FxHashMap<String, u64>,
    next: u64,
    alerts_max: usize,
    forgotten_total: u64,
}

impl Default for Ended {
    fn default() -> Self {
        Ended {
            alerts: BTreeMap::new(),
            places: FxHashMap::default(),
            next: 0,
            alerts_max: EngineLimits::default().ended_alerts_max,
            forgotten_total: 0,
        }
    }
}

impl Ended {
    /// Puts another limit in force; what is beyond goes.
    pub(super) fn set_limit(&mut self, alerts_max: usize) {
        self.alerts_max = alerts_max;
        self.forget();
    }

    /// How many there are, how many there may be, how many went for that.
    pub(super) fn bound(&self) -> (usize, usize, u64) {
        (self.alerts.len(), self.alerts_max, self.forgotten_total)
    }

    fn forget(&mut self) {
        while self.alerts.len() > self.alerts_max
            && let Some((_, oldest)) = self.alerts.pop_first()
        {
            self.places.remove(&oldest.incident);
            self.forgotten_total += 1;
        }
    }

    /// An incident ended; one that is known already reads differently now.
    pub(super) fn put(&mut self, alert: Alert) {
        let place = match self.places.get(&alert.incident) {
            Some(place) => *place,
            None => {
                self.next += 1;
                self.places.insert(alert.incident.clone(), self.next);
                self.next
            }
        };
        self.alerts.insert(place, Arc::new(alert));
        self.forget();
    }

    /// An incident goes on after all.
    pub(super) fn remove(&mut self, incident: &str) {
        if let Some(place) = self.places.remove(incident) {
            self.alerts.remove(&place);
        }
    }

    /// The newest first.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.alerts.values().rev()
    }
}
