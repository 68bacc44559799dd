//! What a file of golden cases may look like; the judge is the rule book's own.

use crate::rules::{Record, Shape, may, must};

/// Words for a value that a window does not have.
pub(super) const NONE: &str = "none";
const VERDICTS: &[&str] = &[
    "normal",
    "abnormal_warning",
    "abnormal_minor",
    "abnormal_major",
    "abnormal_critical",
    "insufficient",
    "no_traffic",
    "source_silent",
    "suppressed",
];
const STATES: &[&str] = &["pending", "firing", "resolved"];
const SEVERITIES: &[&str] = &["warning", "minor", "major", "critical"];
const REASONS: &[&str] = &[
    "breach",
    "persisted",
    "escalated",
    "cleared",
    "no_data",
    "corrected",
];
/// What alerts beside the listed ones mean.
const OTHERS: &[&str] = &["refused", "allowed"];

static NUMBER_OR_NONE: Shape = Shape::Either(&[Shape::Number, Shape::Word(&[NONE])]);
static TOLERANCE: Shape = Shape::Either(&[Shape::Number, Shape::Text]);
static TEXTS: Shape = Shape::Table(&Shape::Text);
static FIELD: Shape = Shape::Either(&[
    Shape::Text,
    Shape::Flag,
    Shape::Number,
    Shape::List(&Shape::Text),
    TEXTS,
]);

/// A file.
pub(super) static FILE: Record = Record {
    name: "file of golden cases",
    doc: "Events and what the rule book must make of them.",
    fields: &[must(
        "cases",
        Shape::List(&Shape::Record(&CASE)),
        "Cases; each runs alone.",
    )],
};

static CASE: Record = Record {
    name: "case",
    doc: "Events, and the windows and alerts that they must give.",
    fields: &[
        must("name", Shape::Text, "What it shows."),
        must(
            "start",
            Shape::Text,
            "RFC 3339 time that the case's times count from.",
        ),
        must(
            "events",
            Shape::List(&Shape::Record(&EVENT)),
            "What happens.",
        ),
        must("expect", Shape::Record(&EXPECT), "What must come of it."),
    ],
};

static EVENT: Record = Record {
    name: "event",
    doc: "One event, or a series of them.",
    fields: &[
        must(
            "at",
            Shape::Text,
            "When it happens: time since the start, or RFC 3339.",
        ),
        may("every", Shape::Duration, "Distance in a series."),
        may("times", Shape::Natural, "Length of the series."),
        may(
            "late_by",
            Shape::Duration,
            "How long after happening it arrives; 0s unless given.",
        ),
        must(
            "event",
            Shape::Table(&FIELD),
            "The event as on the wire, without ts; {n} in a text is the number in the series.",
        ),
    ],
};

static EXPECT: Record = Record {
    name: "expectation",
    doc: "What must come of the events, after every correction.",
    fields: &[
        may("windows", Shape::List(&Shape::Record(&WINDOW)), "Windows."),
        may(
            "no_windows",
            Shape::List(&Shape::Record(&NO_WINDOW)),
            "KQIs, or their groups or windows, that must be empty.",
        ),
        may(
            "alerts",
            Shape::List(&Shape::Record(&ALERT)),
            "Transitions of alerts.",
        ),
        may(
            "other_alerts",
            Shape::Word(OTHERS),
            "Whether alerts may fire that are not listed; refused unless given.",
        ),
        may(
            "refused",
            Shape::Natural,
            "Lines that the decoder must refuse; 0 unless given.",
        ),
    ],
};

static WINDOW: Record = Record {
    name: "window",
    doc: "One window of one KQI; what is left out is not compared.",
    fields: &[
        must("kqi", Shape::Id, "KQI."),
        must("group", TEXTS, "Dimension values of its object."),
        must("end", Shape::Text, "End of the window."),
        may("value", NUMBER_OR_NONE, "Value in the KQI's unit."),
        may(
            "within",
            TOLERANCE,
            "Tolerance of the value: 2% of it, or a number in its unit; exact unless given.",
        ),
        may(
            "score",
            NUMBER_OR_NONE,
            "Score, compared to the second place.",
        ),
        may("verdict", Shape::Word(VERDICTS), "Verdict."),
        may("count", Shape::Natural, "Facts in the window."),
        may("samples", Shape::Natural, "Facts behind the value."),
    ],
};

static NO_WINDOW: Record = Record {
    name: "absence",
    doc: "A KQI that must be empty: in one window, for one group, or altogether.",
    fields: &[
        must("kqi", Shape::Id, "KQI."),
        may("group", TEXTS, "Dimension values of its object."),
        may("end", Shape::Text, "End of the window."),
    ],
};

static ALERT: Record = Record {
    name: "transition",
    doc: "A transition of an alert; what is left out is not compared.",
    fields: &[
        must("alert", Shape::Id, "Alert."),
        must("group", TEXTS, "Dimension values of its object."),
        must("state", Shape::Word(STATES), "State that it comes into."),
        may("at", Shape::Text, "End of the window that decides."),
        may("severity", Shape::Word(SEVERITIES), "Severity."),
        may("reason", Shape::Word(REASONS), "Why."),
        may("value", NUMBER_OR_NONE, "Value of that window."),
        may("within", TOLERANCE, "Tolerance of the value."),
    ],
};
