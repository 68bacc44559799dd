//! The syntax of the loop's rules: who answers for triggers, how fast, and what is known of causes.

use super::crossing::CROSSING;
use super::{LAYERS, NAME, PROVENANCE_LIST, may, must};
use crate::rules::shape::{Record, Shape};

/// Severities as the table of due times and thresholds names them.
pub(super) const LEVELS: &[&str] = &["warning", "minor", "major", "critical"];
/// Days of the week.
pub(super) const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The four outlets.
pub(super) const OUTLETS: &[&str] = &["group", "support", "network", "data"];

pub(super) static DESK: Record = Record {
    name: "desk",
    doc: "A role of a department's virtual team.",
    fields: &[
        must("department", Shape::Id, "Department."),
        must("role", Shape::Id, "Role within it."),
    ],
};

pub(super) static TRIGGERS: Record = Record {
    name: "triggers",
    doc: "Optimization triggers: who answers, how fast, what is reviewed; once in a folder.",
    fields: &[
        may(
            "automatic",
            Shape::Flag,
            "The engine classifies, analyses and dispatches by itself; true unless given.",
        ),
        may(
            "coordinator",
            Shape::Record(&DESK),
            "Who gets what finds no other owner; a role called coordinator unless given.",
        ),
        may(
            "reviewer",
            Shape::Record(&DESK),
            "Who reviews what `review` names.",
        ),
        may(
            "frontline",
            Shape::Record(&DESK),
            "Who hands explanations on to agents: told when a trigger is answered.",
        ),
        may(
            "review",
            Shape::List(&Shape::Record(&REVIEW)),
            "What is reviewed before it is dispatched.",
        ),
        may(
            "routes",
            Shape::List(&Shape::Record(&ROUTE)),
            "Who is asked: the first line that names the cause, then the knowledge base's owner, then the first line that fits service and layer, then the KQI's department.",
        ),
        may(
            "copies",
            Shape::List(&Shape::Record(&COPY)),
            "Who gets copies of demands.",
        ),
        may(
            "due",
            Shape::Record(&DUE_TABLE),
            "How long departments have, by severity, in open hours.",
        ),
        may(
            "remind_before",
            Shape::Duration,
            "Open time between the reminder and the due time; 30m unless given.",
        ),
        may(
            "escalation",
            Shape::List(&Shape::Record(&STEP)),
            "The chain that an overdue trigger climbs.",
        ),
        may(
            "hops_max",
            Shape::Natural,
            "From so many hand-overs between departments on the coordinator and the reviewer hear of each; 3 unless given, 0: they do not.",
        ),
        may(
            "acknowledged_for",
            Shape::Duration,
            "Open time for which an acknowledgement holds reminders back; 4h unless given.",
        ),
        may(
            "tickets_back",
            Shape::Duration,
            "Tickets filed for so long before a trigger's first window are linked to it; 1d unless given.",
        ),
        may(
            "effect_within",
            Shape::Duration,
            "The data may decide about a mend for so long after it, then its effect is not proven; 28d unless given.",
        ),
        may(
            "not_optimised",
            Shape::Record(&NOT_OPTIMISED),
            "How long a refusal is respected.",
        ),
        may(
            "province_wide",
            Shape::Record(&PROVINCE_WIDE),
            "When one cause in many cities is one cause of their province.",
        ),
        may(
            "crossing",
            Shape::Record(&CROSSING),
            "How complaints are set against KQIs.",
        ),
        may(
            "urgency",
            Shape::Record(&URGENCY),
            "Weights of the four factors of the ranking.",
        ),
        may(
            "key_services",
            Shape::Table(&Shape::Natural),
            "How key services are, 1 to 5; 3 unless given.",
        ),
        may(
            "calendar",
            Shape::Record(&CALENDAR),
            "Open hours; day and night unless given.",
        ),
        may(
            "absences",
            Shape::List(&Shape::Record(&ABSENCE)),
            "Who is away when: the next contact of the role stands in.",
        ),
        may(
            "process",
            Shape::List(&Shape::Record(&PROCESS)),
            "KQIs of the process itself: hand-overs, and time in each state.",
        ),
        may(
            "provenance",
            PROVENANCE_LIST,
            "Where these numbers come from.",
        ),
    ],
};

/// States that a stay can be measured in, and what is measured otherwise.
pub(super) const MEASURES: &[&str] = &[
    "hops",
    "resolution",
    "detected",
    "classified",
    "analysed",
    "reviewed",
    "dispatched",
    "accepted",
    "in_progress",
    "mended",
    "not_optimised",
    "feedback_given",
    "effect_measured",
    "reopened",
];

static PROCESS: Record = Record {
    name: "process_kqi",
    doc: "A KQI of the process itself: a mean over what ended within its window, by the journal's clock.",
    fields: &[
        must("id", Shape::Id, "Identifier."),
        must("name", NAME, "Display name."),
        must(
            "measure",
            Shape::Word(MEASURES),
            "`hops` (hand-overs of a trigger that ended), `resolution` (hours from opening to closing), or a state: hours in it.",
        ),
        may(
            "by",
            Shape::Word(&["department", "all"]),
            "A value for each department, or one for all; department unless given.",
        ),
        must("window", Shape::Duration, "How far back it looks."),
        must(
            "anchors",
            Shape::Numbers(5),
            "Values that score 5, 4, 3, 2 and 1; the one in the middle is the limit.",
        ),
        may(
            "min_samples",
            Shape::Natural,
            "With fewer there is no verdict; 5 unless given.",
        ),
        may(
            "provenance",
            PROVENANCE_LIST,
            "Where its numbers come from.",
        ),
    ],
};

static REVIEW: Record = Record {
    name: "review",
    doc: "Triggers of a department, or all, are reviewed from a severity on.",
    fields: &[
        may(
            "department",
            Shape::Id,
            "Department that would be asked; every one unless given.",
        ),
        must("severity", Shape::Word(LEVELS), "From this severity on."),
    ],
};

static ROUTE: Record = Record {
    name: "route",
    doc: "Who is asked for what; what is left out fits everything.",
    fields: &[
        may("cause", Shape::Id, "Entry of the knowledge base."),
        may("service", Shape::Id, "Service."),
        may("layer", Shape::Word(LAYERS), "Layer of the KQI."),
        must("to", Shape::Record(&DESK), "Who is asked."),
    ],
};

static COPY: Record = Record {
    name: "copy",
    doc: "Who gets copies of a department's demands, or of all.",
    fields: &[
        may(
            "department",
            Shape::Id,
            "Department that is asked; every one unless given.",
        ),
        must("severity", Shape::Word(LEVELS), "From this severity on."),
        must("to", Shape::Record(&DESK), "Who gets them."),
    ],
};

static DUE_TABLE: Record = Record {
    name: "due times",
    doc: "Due times by severity.",
    fields: &[
        may("warning", Shape::Record(&DUE), "For warnings."),
        may("minor", Shape::Record(&DUE), "For minor ones."),
        may("major", Shape::Record(&DUE), "For major ones."),
        may("critical", Shape::Record(&DUE), "For critical ones."),
    ],
};

static DUE: Record = Record {
    name: "due time",
    doc: "Open time that a department has.",
    fields: &[
        must("accept", Shape::Duration, "To accept, from dispatch on."),
        must(
            "mend",
            Shape::Duration,
            "To mend it or say why not, from acceptance on.",
        ),
    ],
};

static STEP: Record = Record {
    name: "escalation step",
    doc: "One link of the chain.",
    fields: &[
        must(
            "after",
            Shape::Duration,
            "Open time after the due time, or after the step before.",
        ),
        must(
            "role",
            Shape::Id,
            "Role of the department that is asked; the coordinator where it has none of that id.",
        ),
        may("department", Shape::Id, "Another department's role."),
    ],
};

static NOT_OPTIMISED: Record = Record {
    name: "refusal",
    doc: "How long `not_optimised` is respected.",
    fields: &[
        may(
            "review_after",
            Shape::Duration,
            "Time until its review date, unless one is given with it; 30d unless given.",
        ),
        may(
            "worse_by",
            Shape::Natural,
            "Steps of severity by which it must get worse to come back before; 1 unless given, 0 for never by them.",
        ),
        may(
            "worse_times",
            Shape::Number,
            "It comes back, too, once it lies so many times as far outside its interval as the worst window did that it was refused on; 2 unless given, 0 for never by its value.",
        ),
        may(
            "worse_windows",
            Shape::Natural,
            "For so many abnormal windows in a row, 1 to 50; 3 unless given.",
        ),
    ],
};

static PROVINCE_WIDE: Record = Record {
    name: "province-wide cause",
    doc: "One cause in so many cities of a province at the same time is one trigger for the province.",
    fields: &[
        must("cities", Shape::Natural, "Cities at least."),
        must(
            "share",
            Shape::Number,
            "Share of the province's cities at least, 0 to 1.",
        ),
    ],
};

static URGENCY: Record = Record {
    name: "urgency",
    doc: "Weights of the four factors, each of which is 1 to 5.",
    fields: &[
        must("impact", Shape::Natural, "Impact on satisfaction."),
        must("keyness", Shape::Natural, "How key the service is."),
        must("complexity", Shape::Natural, "How simple it is to mend."),
        must("urgency", Shape::Natural, "How urgent it is."),
    ],
};

static CALENDAR: Record = Record {
    name: "calendar",
    doc: "Open hours in the book's zone.",
    fields: &[
        may(
            "days",
            Shape::List(&Shape::Word(DAYS)),
            "Days of the week; mon to fri unless given.",
        ),
        must("from", Shape::Clock, "Opening."),
        must("to", Shape::Clock, "Closing; later than the opening."),
        may(
            "holidays",
            Shape::List(&Shape::Text),
            "Closed days, as 2026-10-01.",
        ),
        may(
            "workdays",
            Shape::List(&Shape::Text),
            "Open days that would be closed, as 2026-10-10.",
        ),
    ],
};

static ABSENCE: Record = Record {
    name: "absence",
    doc: "Days on which somebody is away, both inclusive.",
    fields: &[
        must("email", Shape::Text, "Address of a contact of the book."),
        must("from", Shape::Text, "First day, as 2026-10-01."),
        must("to", Shape::Text, "Last day."),
    ],
};

pub(super) static KNOWLEDGE: Record = Record {
    name: "knowledge entry",
    doc: "A cause that is known by name. Alerts and complaints that show it join one trigger.",
    fields: &[
        must("id", Shape::Id, "Identifier: the cause's name."),
        must("title", NAME, "What is wrong, in a few words."),
        may("service", Shape::Id, "Service; every one unless given."),
        may(
            "kqis",
            Shape::List(&Shape::Text),
            "KQIs that show it; * at the end stands for any rest.",
        ),
        may(
            "leaves",
            Shape::List(&Shape::Text),
            "Last levels of complaint paths that show it.",
        ),
        must("causes", Shape::List(&NAME), "Likely causes."),
        must("verify", Shape::List(&NAME), "How to verify them."),
        must(
            "remedies",
            Shape::List(&Shape::Record(&REMEDY)),
            "What mends them.",
        ),
        may(
            "complexity",
            Shape::Natural,
            "How hard it is to mend, 1 to 5; 3 unless given.",
        ),
        may(
            "owner",
            Shape::Record(&DESK),
            "Who mends it; the KQI's department unless given.",
        ),
        may("say", NAME, "What agents tell customers beside the state."),
        must("reference", Shape::Text, "Where this is known from."),
    ],
};

static REMEDY: Record = Record {
    name: "remedy",
    doc: "One way to mend a cause.",
    fields: &[
        must("id", Shape::Id, "Identifier within the entry."),
        must("text", NAME, "What to do."),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Outlet, Severity};

    #[test]
    fn the_words_are_those_of_the_book() {
        let states = crate::triggers::TriggerState::ALL.map(|state| state.name());
        assert!(
            MEASURES[2..].iter().all(|word| states.contains(word)),
            "a word that is no state: {MEASURES:?}"
        );
        assert_eq!(OUTLETS, Outlet::NAMES);
        let all = [
            Severity::Warning,
            Severity::Minor,
            Severity::Major,
            Severity::Critical,
        ];
        assert_eq!(LEVELS, all.map(Severity::name));
    }
}
