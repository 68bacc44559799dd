//! Which incidents strike which traffic, worked out before anything flows.

use crate::scenario::{Effect, Incident};
use crate::truth::IncidentTruth;

use super::Frame;

/// An incident as one probe, city or pair feels it.
#[derive(Debug, Clone)]
pub(super) struct Strike<E> {
    /// Place in the scenario's list, and in the ground truth.
    pub(super) incident: usize,
    from_ms: i64,
    until_ms: i64,
    /// What it does.
    pub(super) effect: E,
}

impl<E> Strike<E> {
    /// Whether it is going on at `ts_ms`.
    pub(super) fn is_on(&self, ts_ms: i64) -> bool {
        self.from_ms <= ts_ms && ts_ms < self.until_ms
    }

    /// When it is over, milliseconds.
    pub(super) fn end_ms(&self) -> i64 {
        self.until_ms
    }

    /// When it begins, milliseconds.
    pub(super) fn begin_ms(&self) -> i64 {
        self.from_ms
    }
}

/// The incidents that strike the given service and dimensions in one stream.
///
/// `service` is `None` for streams whose events name no service.
pub(super) fn strikes<E: Clone>(
    frame: Frame<'_>,
    effect_of: fn(&Effect) -> Option<&E>,
    service: Option<&str>,
    dims: &[(&str, &str)],
) -> Vec<Strike<E>> {
    let matches = |incident: &Incident| {
        let of_service = match (&incident.service, service) {
            (Some(wanted), Some(service)) => wanted == service,
            _ => true,
        };
        of_service
            && incident.dims.iter().all(|(dim, wanted)| {
                dims.iter()
                    .any(|(name, value)| name == dim && value == wanted)
            })
    };
    frame
        .scenario
        .incidents
        .iter()
        .enumerate()
        .filter(|(_, incident)| matches(incident))
        .filter_map(|(index, incident)| {
            effect_of(&incident.effect).map(|effect| Strike {
                incident: index,
                from_ms: frame.start_ms + incident.from.0,
                until_ms: frame.start_ms + incident.until.0,
                effect: effect.clone(),
            })
        })
        .collect()
}

/// Notes one event in the ground truth of an incident.
pub(super) fn note(truth: &mut [IncidentTruth], incident: usize, events: u64, bad: u64) {
    if let Some(incident) = truth.get_mut(incident) {
        incident.observed.events += events;
        incident.observed.bad += bad;
    }
}
