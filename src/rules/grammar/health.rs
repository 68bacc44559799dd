//! The syntax of health: what weighs how much.

use super::{PROVENANCE_LIST, may};
use crate::rules::shape::{Record, Shape};

pub(super) static HEALTH: Record = Record {
    name: "health",
    doc: "Weights of layers and KQIs in the scores of services; all alike unless given. Once in a folder.",
    fields: &[
        may(
            "experience",
            Shape::Number,
            "Weight of the experience layer.",
        ),
        may("platform", Shape::Number, "Weight of the platform layer."),
        may("network", Shape::Number, "Weight of the network layer."),
        may(
            "kqis",
            Shape::Table(&Shape::Number),
            "Weights of KQIs within their layer, by id; 1 unless given.",
        ),
        may(
            "provenance",
            PROVENANCE_LIST,
            "Where these numbers come from.",
        ),
    ],
};
