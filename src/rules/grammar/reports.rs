//! The syntax of reports: what is told, how often, to whom.

use super::team::{DAYS, DESK};
use super::{NAME, PROVENANCE_LIST, may, must};
use crate::rules::shape::{Record, Shape};

/// What reports tell.
pub(super) const REPORT_KINDS: &[&str] = &[
    "demand_list",
    "bulletin",
    "benchmark",
    "effects",
    "frontline",
];
/// How often they come.
pub(super) const PERIODS: &[&str] = &["daily", "weekly", "monthly"];

pub(super) static REPORT: Record = Record {
    name: "report",
    doc: "A report that comes by itself: mailed, kept as files, read over the API.",
    fields: &[
        must("id", Shape::Id, "Identifier."),
        must("name", NAME, "Display name."),
        must(
            "kind",
            Shape::Word(REPORT_KINDS),
            "demand_list: open triggers by urgency. bulletin: what happened. benchmark: channels and cities by score, with suggestions. effects: what became of mends. frontline: what agents tell customers now, and what of it changed.",
        ),
        must(
            "period",
            Shape::Word(PERIODS),
            "How often: about the day, the seven days or the month before.",
        ),
        must("at", Shape::Clock, "Time of day in the book's zone."),
        may(
            "weekday",
            Shape::Word(DAYS),
            "Day of a weekly report; mon unless given.",
        ),
        may(
            "day",
            Shape::Natural,
            "Day of the month of a monthly report, 1 to 28; 1 unless given.",
        ),
        must(
            "recipients",
            Shape::List(&Shape::Record(&DESK)),
            "Roles whose people get it.",
        ),
        may(
            "suggestions_min",
            Shape::Natural,
            "Of a benchmark: suggestions to rank at least, where the data support them; 15 unless given.",
        ),
        may(
            "score_below",
            Shape::Number,
            "Of a benchmark: objects that score less, 1 to 5, need a suggestion; 4 unless given.",
        ),
        may(
            "services",
            Shape::List(&Shape::Id),
            "Of a benchmark: the services that are channels; every one unless given.",
        ),
        may(
            "provenance",
            PROVENANCE_LIST,
            "Where each judged number comes from.",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Every, ReportKind};

    #[test]
    fn the_words_are_those_of_the_book() {
        assert_eq!(REPORT_KINDS, ReportKind::NAMES);
        assert_eq!(PERIODS, Every::NAMES);
    }
}
