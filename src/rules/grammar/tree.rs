//! The syntax of complaint trees.

use super::{NAME, may, must};
use crate::rules::shape::{Record, Shape};

pub(super) static TREE: Record = Record {
    name: "tree",
    doc: "A complaint tree: its levels and its nodes.",
    fields: &[
        must(
            "id",
            Shape::Id,
            "Identifier in addresses and in the dimension tree.",
        ),
        must("name", NAME, "Display name."),
        must(
            "levels",
            Shape::List(&NAME),
            "What its levels are called, the root first; at most seven.",
        ),
        may(
            "exact",
            Shape::Flag,
            "Every last-level node has all levels; false unless given.",
        ),
        must("nodes", Shape::List(&Shape::Record(&NODE)), "Its nodes."),
    ],
};

static NODE: Record = Record {
    name: "tree node",
    doc: "A node of a complaint tree; those above it are nodes too.",
    fields: &[
        must(
            "path",
            Shape::Text,
            "Names of its levels, the root first, joined by slashes.",
        ),
        may(
            "code",
            Shape::Id,
            "Code of today: O and three times two digits.",
        ),
        may(
            "was",
            Shape::List(&Shape::Id),
            "Codes of before that mean the same.",
        ),
        may(
            "service",
            Shape::Id,
            "Service whose complaints these are, for tickets that do not say.",
        ),
    ],
};
