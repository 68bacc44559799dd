//! The syntax of last-level complaint nodes and their questions.

use super::confirm::CONFIRM;
use super::{NAME, may, must};
use crate::rules::shape::{Record, Shape};

const ROLES: &[&str] = &["exclude", "suspect", "element"];
const BAD: &[&str] = &["yes", "no"];
/// The nine classes of second confirmation.
pub(super) const CLASSES: &[&str] = &[
    "terminal",
    "network",
    "usage",
    "support",
    "marketing",
    "platform",
    "third_party",
    "service_quality",
    "billing",
];

pub(super) static LEAF: Record = Record {
    name: "leaf",
    doc: "A last-level node of the complaint tree, with its form.",
    fields: &[
        must("id", Shape::Id, "Identifier in addresses."),
        must(
            "path",
            Shape::Text,
            "Its path in the tree, at most seven levels joined by slashes.",
        ),
        may(
            "node",
            Shape::Id,
            "Node code: O and three times two digits.",
        ),
        may(
            "also",
            Shape::List(&Shape::Text),
            "Paths of other nodes whose form this is too, as the same trouble has in another tree.",
        ),
        must("service", Shape::Id, "Service it belongs to."),
        must(
            "questions",
            Shape::List(&Shape::Record(&QUESTION)),
            "Questions in the order they are asked.",
        ),
        may(
            "confirm",
            Shape::Record(&CONFIRM),
            "How its complaints are confirmed into one of nine classes.",
        ),
    ],
};

static QUESTION: Record = Record {
    name: "question",
    doc: "A question, answered yes, no or unclear, or by text.",
    fields: &[
        must("id", Shape::Id, "Identifier within the leaf."),
        must("text", NAME, "What is asked."),
        must(
            "role",
            Shape::Word(ROLES),
            "exclude: a bad answer means that it is no complaint. suspect: it points to a cause. element: text for the ticket.",
        ),
        may("bad", Shape::Word(BAD), "exclude, suspect: the bad answer."),
        may("guidance", NAME, "exclude: what to tell the customer."),
        may("cause", NAME, "suspect: what may be wrong."),
        may(
            "class",
            Shape::Word(CLASSES),
            "suspect: class that it would be confirmed into.",
        ),
        may(
            "department",
            Shape::Id,
            "suspect: department that would mend it.",
        ),
        may("kqi", Shape::Id, "suspect: KQI that would show it."),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ComplaintClass;

    #[test]
    fn the_words_for_classes_are_the_classes() {
        let names = ComplaintClass::NAMES.map(|(name, ..)| name);
        assert_eq!(CLASSES, names);
        assert_eq!(CLASSES, crate::event::COMPLAINT_CLASSES);
    }
}
