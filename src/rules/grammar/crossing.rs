//! The syntax of crossing: how complaints are set against KQIs.

use super::{PROVENANCE_LIST, may};
use crate::rules::shape::{Record, Shape};

pub(super) static CROSSING: Record = Record {
    name: "crossing",
    doc: "How complaints are set against KQIs of the same service, place and time.",
    fields: &[
        may(
            "lead",
            Shape::Duration,
            "How long before a KQI turns red people may complain already; 1h unless given.",
        ),
        may(
            "lag",
            Shape::Duration,
            "How long after a KQI was red people may still complain of it; 12h unless given.",
        ),
        may(
            "window_max",
            Shape::Duration,
            "KQIs with longer windows take no part: they do not say when; 1d unless given.",
        ),
        may(
            "department",
            Shape::Id,
            "Department that is told of blind spots; the coordinator's unless given.",
        ),
        may(
            "confirmed_adds",
            Shape::Natural,
            "Points that confirmation adds to the impact of a trigger; 1 unless given.",
        ),
        may(
            "silent_takes",
            Shape::Natural,
            "Points that silence of customers takes from the pressure of a trigger; 1 unless given.",
        ),
        may(
            "provenance",
            PROVENANCE_LIST,
            "Where these numbers come from.",
        ),
    ],
};
