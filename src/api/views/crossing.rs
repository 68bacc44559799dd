//! Crossings on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::iso;
use crate::api::views::TextView;
use crate::engine::{Crossed, Snapshot};

/// Complaints set against KQIs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CrossingsView {
    /// How long before a KQI turns red people may complain already, s.
    pub lead_s: i64,
    /// How long after a KQI was red people may still complain of it, s.
    pub lag_s: i64,
    /// By service and object.
    pub crossings: Vec<CrossingView>,
}

/// An object whose alert fires, with what it comes to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CrossingView {
    /// `confirmed`, `blind_spot` or `silent_degradation`.
    pub crossing: String,
    /// The same in words.
    pub text: TextView,
    /// Service.
    pub service: String,
    /// KQI.
    pub kqi: String,
    /// Label of the object.
    pub group_label: String,
    /// Beginning of the first abnormal window, ms.
    pub from_ms: i64,
    /// Beginning of the first abnormal window.
    pub from: String,
    /// Red objects of the other side at the same place and time.
    pub against: Vec<AgainstView>,
}

/// An object of the other side.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AgainstView {
    /// KQI.
    pub kqi: String,
    /// Label of the object.
    pub group_label: String,
}

impl CrossingsView {
    /// As of a snapshot.
    pub fn of<'a>(
        snapshot: &Snapshot,
        crossed: impl Iterator<Item = &'a Crossed>,
    ) -> CrossingsView {
        let zone = &snapshot.plan.zone;
        let rule = &snapshot.plan.book.triggers.crossing;
        let view = |of: &Crossed| CrossingView {
            crossing: of.crossing.name().to_owned(),
            text: (&of.crossing.text()).into(),
            service: of.service.clone(),
            kqi: of.kqi.clone(),
            group_label: of.group_label.clone(),
            from_ms: of.from_ms,
            from: iso(of.from_ms, zone),
            against: of
                .against
                .iter()
                .map(|(kqi, group_label)| AgainstView {
                    kqi: kqi.clone(),
                    group_label: group_label.clone(),
                })
                .collect(),
        };
        CrossingsView {
            lead_s: rule.lead_ms / 1_000,
            lag_s: rule.lag_ms / 1_000,
            crossings: crossed.map(view).collect(),
        }
    }
}
