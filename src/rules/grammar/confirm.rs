//! The syntax of second confirmation.

use super::leaf::CLASSES;
use super::team::OUTLETS;
use super::{NAME, may, must};
use crate::rules::shape::{Record, Shape};

/// What evidence may find, in the order of `Finding::NAMES`.
const FINDINGS: &[&str] = &[
    "charged_without_order",
    "ordered_without_consent",
    "no_order",
    "nothing_submitted_outside",
    "nothing_submitted",
    "no_final_report",
    "rejected",
    "expired_together",
    "expired_alone",
    "late",
    "delivered",
];

pub(super) static CONFIRM: Record = Record {
    name: "second confirmation",
    doc: "How complaints of a leaf are confirmed into one of nine classes, from receipts and answers.",
    fields: &[
        may(
            "within",
            Shape::Duration,
            "How long before its filing a ticket's messages are looked at, where nobody says since when; 3d unless given.",
        ),
        may(
            "regional",
            Shape::Id,
            "KQI that tells a customer's trouble from that of a whole city.",
        ),
        may(
            "order",
            Shape::Id,
            "Question of the form whose answer says whether there is an order.",
        ),
        may(
            "period",
            Shape::Id,
            "Element of the form whose text says since when, and for how many days: its messages are looked at, and not those of `within`.",
        ),
        must(
            "verdicts",
            Shape::List(&Shape::Record(&VERDICT)),
            "What follows from each finding; those that are not listed decide nothing.",
        ),
    ],
};

static VERDICT: Record = Record {
    name: "verdict",
    doc: "What follows from a finding.",
    fields: &[
        must("found", Shape::Word(FINDINGS), "The finding."),
        must(
            "class",
            Shape::Word(CLASSES),
            "The class that it is confirmed into.",
        ),
        may("department", Shape::Id, "Department that goes on."),
        may(
            "outlet",
            Shape::Word(OUTLETS),
            "Outlet by which it leaves, where that is another than the department's own: group for what the group company must mend.",
        ),
        must("action", NAME, "What is done."),
        may(
            "refile",
            Shape::Text,
            "Path that the ticket is filed again under.",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Finding;

    #[test]
    fn the_words_for_findings_are_the_findings() {
        assert_eq!(FINDINGS, Finding::NAMES.map(|(name, _)| name));
    }
}
