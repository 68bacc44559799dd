//! The syntax of node codes.

use super::{NAME, may, must};
use crate::rules::shape::{Record, Shape};

pub(super) static CODE: Record = Record {
    name: "code",
    doc: "A node code of the complaint tree, with the codes that it had before.",
    fields: &[
        must(
            "code",
            Shape::Id,
            "Code of today: O and three times two digits.",
        ),
        may("name", NAME, "What it stands for."),
        may(
            "was",
            Shape::List(&Shape::Id),
            "Codes of before that mean the same.",
        ),
    ],
};
