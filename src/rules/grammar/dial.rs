//! The syntax of how dial tests are read.

use super::may;
use crate::rules::shape::{Record, Shape};

pub(super) static DIAL_TESTS: Record = Record {
    name: "dial test rule",
    doc: "How dial tests are read: the closed list of their failure classes.",
    fields: &[
        may(
            "failure_classes",
            Shape::Table(&Shape::List(&Shape::Text)),
            "For each class of failures the other words of `code` that mean it; case does not matter, and a trailing * stands for anything. Unknown words are of the class `other`, which is always there.",
        ),
        may(
            "parts_wait",
            Shape::Duration,
            "How long after the first part of a delivery the others may come; 1m unless given.",
        ),
        may(
            "no_failure",
            Shape::List(&Shape::Text),
            "Words of `code` that name no failure, for example 200.",
        ),
    ],
};
