//! Alerts that ended lately: each incident once, as it reads now.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::alerting::Alert;

/// Ended alerts that are still shown; the oldest go first.
const ENDED_MAX: usize = 5_000;

/// Ended alerts in the order in which their ends became known.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Ended {
    alerts: BTreeMap<u64, Arc<Alert>>,
    /// Place of an incident.
    places: FxHashMap<String, u64>,
    next: u64,
}

impl Ended {
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
        if self.alerts.len() > ENDED_MAX
            && let Some((_, oldest)) = self.alerts.pop_first()
        {
            self.places.remove(&oldest.incident);
        }
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
