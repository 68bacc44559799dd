//! BOSS connections that are held, on the wire.

use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::iso;
use crate::dataflow::{Found, HoldDetail};

/// Connections that are held now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HoldsView {
    /// The longest first.
    pub holds: Vec<HoldView>,
    /// Holds beyond the bound.
    pub left_out: u64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HoldView {
    /// BOSS host.
    pub host: String,
    /// Interface.
    pub interface: String,
    /// Connection.
    pub connection: String,
    /// Who took it, if the source says so.
    pub client: Option<String>,
    /// Since its last activity, ms.
    pub since_ms: i64,
    /// Since its last activity.
    pub since: String,
    /// For how long, as of event time, ms.
    pub held_ms: i64,
}

impl HoldsView {
    /// What the workers found.
    pub fn of(found: &Found, zone: &TimeZone) -> HoldsView {
        HoldsView {
            holds: found
                .holds
                .iter()
                .map(|hold| HoldView::of(hold, zone))
                .collect(),
            left_out: found.beyond,
        }
    }
}

impl HoldView {
    fn of(hold: &HoldDetail, zone: &TimeZone) -> HoldView {
        HoldView {
            host: hold.host.to_string(),
            interface: hold.interface.to_string(),
            connection: hold.connection.to_string(),
            client: hold.client.as_deref().map(str::to_owned),
            since_ms: hold.since_ms,
            since: iso(hold.since_ms, zone),
            held_ms: hold.held_ms,
        }
    }
}
