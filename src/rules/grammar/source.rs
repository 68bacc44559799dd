//! The form of an entry of `sources`.

use super::{NAME, may, must};
use crate::rules::shape::{Record, Shape};

pub(super) static SOURCE: Record = Record {
    name: "source",
    doc: "A source of events: what its events say in `source`.",
    fields: &[
        must("id", Shape::Text, "Its name, as on the wire."),
        must("name", NAME, "Display name."),
        may(
            "internal",
            Shape::Flag,
            "True for the operator's own data, false for what outsiders tell; as its stream unless given. The dimension `internal` of its events.",
        ),
    ],
};
