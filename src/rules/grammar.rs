//! The syntax of rule books: every section, field and word, once.
//!
//! `shape` judges files by these tables and `schema` turns them into the JSON Schema for editors;
//! the field texts are what an editor shows.

mod codes;
mod confirm;
mod crossing;
mod dial;
mod health;
mod kqi;
mod leaf;
mod mms;
mod reports;
mod source;
mod team;
mod tree;

use crate::rules::grammar::codes::CODE;
use crate::rules::grammar::dial::DIAL_TESTS;
use crate::rules::grammar::health::HEALTH;
use crate::rules::grammar::kqi::{KQI, SERVICE};
use crate::rules::grammar::leaf::LEAF;
use crate::rules::grammar::mms::MMS;
use crate::rules::grammar::reports::REPORT;
use crate::rules::grammar::source::SOURCE;
use crate::rules::grammar::team::{KNOWLEDGE, OUTLETS, TRIGGERS};
use crate::rules::grammar::tree::TREE;
use crate::rules::shape::{Field, Record, Shape};

/// A field that must be given.
pub(crate) const fn must(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field {
        name,
        shape,
        required: true,
        doc,
    }
}

/// A field that may be left out.
pub(crate) const fn may(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field {
        name,
        shape,
        required: false,
        doc,
    }
}

/// The words for streams, in the order of `Stream::ALL`.
const STREAMS: &[&str] = &[
    "dial_test",
    "mms_submit",
    "mms_receipt",
    "boss_call",
    "boss_connection",
    "complaint",
    "gauge",
    "boss_wait",
    "boss_occupancy",
];
const LAYERS: &[&str] = &["experience", "platform", "network"];
const SCALES: &[&str] = &["linear", "log"];
const KINDS: &[&str] = &["document", "standard", "judgement"];
const MISSING: &[&str] = &["hold", "resolve"];
const LANGUAGES: &[&str] = &["zh", "en"];
/// Severities as rules write them; `by_score` leaves it to the tolerance scale.
const SEVERITIES: &[&str] = &["by_score", "warning", "minor", "major", "critical"];

/// A whole rule book, which may be spread over several files.
pub(crate) static BOOK: Record = Record {
    name: "rule book",
    doc: "A Chrysalis rule book. Sections may be spread over the files of a folder.",
    fields: &[
        may(
            "book",
            Shape::Record(&HEAD),
            "The book itself; once in a folder.",
        ),
        may(
            "streams",
            Shape::Record(&STREAM_TABLE),
            "Event-time settings of the streams.",
        ),
        may(
            "anchor_sets",
            Shape::Table(&Shape::Record(&ANCHOR_SET)),
            "Tolerance scales by name.",
        ),
        may(
            "departments",
            Shape::List(&Shape::Record(&DEPARTMENT)),
            "Who answers, and who is told.",
        ),
        may(
            "alert_policies",
            Shape::Table(&Shape::Record(&POLICY)),
            "When abnormal becomes an alert, by name; `default` is used unless a KQI names another.",
        ),
        may(
            "places",
            Shape::List(&Shape::Record(&PLACE)),
            "Provinces with their cities, for roll-ups.",
        ),
        may(
            "sources",
            Shape::List(&Shape::Record(&SOURCE)),
            "Sources of events, and whose they are.",
        ),
        may(
            "leaves",
            Shape::List(&Shape::Record(&LEAF)),
            "Last-level nodes of the complaint tree, with their forms.",
        ),
        may(
            "triggers",
            Shape::Record(&TRIGGERS),
            "Who answers for optimization triggers, and how fast; once in a folder.",
        ),
        may(
            "knowledge",
            Shape::List(&Shape::Record(&KNOWLEDGE)),
            "What is known of causes: how to verify them, what mends them, who does.",
        ),
        may(
            "trees",
            Shape::List(&Shape::Record(&TREE)),
            "Complaint trees: levels, nodes and their codes.",
        ),
        may(
            "codes",
            Shape::List(&Shape::Record(&CODE)),
            "Node codes of the complaint tree, and what they were before.",
        ),
        may(
            "health",
            Shape::Record(&HEALTH),
            "What weighs how much in the scores of services.",
        ),
        may(
            "reports",
            Shape::List(&Shape::Record(&REPORT)),
            "Reports that come by themselves.",
        ),
        may(
            "dial_tests",
            Shape::Record(&DIAL_TESTS),
            "How dial tests are read; once in a folder.",
        ),
        may(
            "mms",
            Shape::Record(&MMS),
            "How MMS receipts are read; once in a folder.",
        ),
        may(
            "services",
            Shape::List(&Shape::Record(&SERVICE)),
            "The services with their KQIs.",
        ),
        may(
            "kqis",
            Shape::List(&Shape::Record(&KQI)),
            "KQIs that stand outside a service.",
        ),
        may(
            "alerts",
            Shape::List(&Shape::Record(&ALERT)),
            "Alert rules beside the KQIs' own.",
        ),
    ],
};

static HEAD: Record = Record {
    name: "book",
    doc: "Name, version and settings of the whole book.",
    fields: &[
        must("name", Shape::Id, "Name of the book."),
        must(
            "version",
            Shape::Text,
            "Version as its authors count it, in quotes.",
        ),
        must(
            "time_zone",
            Shape::Text,
            "IANA zone of screens, days and deadlines, for example Asia/Shanghai.",
        ),
        may(
            "pane",
            Shape::Duration,
            "Smallest window kept; 1m unless given.",
        ),
        may(
            "any_service",
            Shape::Flag,
            "Accept events of services that the book does not list.",
        ),
        may(
            "suppressing_annotations",
            Shape::List(&Shape::Id),
            "Annotation kinds that turn a breach into `suppressed`.",
        ),
    ],
};

static STREAM_TABLE: Record = Record {
    name: "streams",
    doc: "Streams by name.",
    fields: &[
        may(
            "dial_test",
            Shape::Record(&STREAM),
            "Dial-test probe results.",
        ),
        may(
            "mms_submit",
            Shape::Record(&STREAM),
            "MMS messages at their submission.",
        ),
        may(
            "mms_receipt",
            Shape::Record(&STREAM),
            "MMS messages at their final receipt.",
        ),
        may("boss_call", Shape::Record(&STREAM), "BOSS interface calls."),
        may(
            "boss_connection",
            Shape::Record(&STREAM),
            "BOSS connections and how long they are held.",
        ),
        may("complaint", Shape::Record(&STREAM), "Complaint tickets."),
        may(
            "gauge",
            Shape::Record(&STREAM),
            "Gauges: surveys, subscriber base, anything adjacent.",
        ),
        may(
            "boss_wait",
            Shape::Record(&STREAM),
            "BOSS interface calls by their wait in the queue.",
        ),
        may(
            "boss_occupancy",
            Shape::Record(&STREAM),
            "BOSS connections by how much of the time they are held; as boss_connection unless given.",
        ),
    ],
};

static STREAM: Record = Record {
    name: "stream",
    doc: "Event-time settings of one stream; what is left out has the default.",
    fields: &[
        may(
            "allowed_lateness",
            Shape::Duration,
            "How far behind the newest event an ordinary event may arrive.",
        ),
        may(
            "idle_timeout",
            Shape::Duration,
            "Silence after which a source stops holding the watermark back.",
        ),
        may(
            "retention",
            Shape::Duration,
            "How long windows can be corrected.",
        ),
        may(
            "quiet_max",
            Shape::Duration,
            "Longest silence of the whole stream that counts as nothing having happened (1d); what lasts longer is not known, no part of a baseline, and nothing is compared with it.",
        ),
        may(
            "unheard_percent_max",
            Shape::Natural,
            "How many percent of a window that is over, or of the earlier one that it is compared with, may not be known and a change is told all the same (5); with more it has no value. 100 compares whatever there is.",
        ),
        may(
            "dimensions",
            Shape::List(&Shape::Id),
            "Dimensions kept beside those that rules name.",
        ),
        may(
            "internal",
            Shape::Flag,
            "True for the operator's own data, false for what outsiders tell.",
        ),
    ],
};

static PROVENANCE: Record = Record {
    name: "provenance",
    doc: "Where a number comes from.",
    fields: &[
        must(
            "of",
            Shape::Text,
            "What it is about: anchors, b3, limit, window, min_samples, …",
        ),
        must("kind", Shape::Word(KINDS), "Kind of source."),
        must("reference", Shape::Text, "The source itself."),
    ],
};
static PROVENANCE_LIST: Shape = Shape::List(&Shape::Record(&PROVENANCE));

static ANCHOR_SET: Record = Record {
    name: "anchor set",
    doc: "A tolerance scale: the values that score 5, 4, 3, 2 and 1. The third is the limit.",
    fields: &[
        must("values", Shape::Numbers(5), "b5, b4, b3, b2, b1."),
        must(
            "unit",
            Shape::Text,
            "Unit of the values; a KQI of another unit cannot use the set.",
        ),
        may(
            "scale",
            Shape::Word(SCALES),
            "Interpolation: linear for ratios (default), log for times.",
        ),
        may(
            "provenance",
            PROVENANCE_LIST,
            "Inherited by the KQIs that use the set.",
        ),
    ],
};

static TEXT: Record = Record {
    name: "name",
    doc: "A name in two languages.",
    fields: &[
        must("zh", Shape::Text, "Chinese."),
        must("en", Shape::Text, "English."),
    ],
};
static NAME: Shape = Shape::Either(&[Shape::Text, Shape::Record(&TEXT)]);

static DEPARTMENT: Record = Record {
    name: "department",
    doc: "A department that answers for KQIs.",
    fields: &[
        must("id", Shape::Id, "Identifier, for example BSC."),
        must("name", NAME, "Display name."),
        may(
            "outlet",
            Shape::Word(OUTLETS),
            "Outlet that its demands leave by; data unless given.",
        ),
        must(
            "roles",
            Shape::List(&Shape::Record(&ROLE)),
            "Its virtual team; the first role is told of alerts and triggers.",
        ),
    ],
};

static ROLE: Record = Record {
    name: "role",
    doc: "A role in a department's virtual team.",
    fields: &[
        must("id", Shape::Id, "Identifier within the department."),
        must("name", NAME, "Display name."),
        must(
            "contacts",
            Shape::List(&Shape::Record(&CONTACT)),
            "People or mailboxes that hold it.",
        ),
    ],
};

static CONTACT: Record = Record {
    name: "contact",
    doc: "A person or mailbox that is told.",
    fields: &[
        must("name", Shape::Text, "Display name."),
        must("email", Shape::Text, "Mail address."),
        may(
            "language",
            Shape::Word(LANGUAGES),
            "Language of its mails; zh unless given.",
        ),
    ],
};

static PLACE: Record = Record {
    name: "place",
    doc: "A province: the dimensions `province` and `group` of every fact whose city is one of its own.",
    fields: &[
        must("province", Shape::Text, "Name of the province."),
        must("group", Shape::Text, "Group that its branch is of."),
        must(
            "cities",
            Shape::List(&Shape::Text),
            "Its cities, as on the wire.",
        ),
    ],
};

static POLICY: Record = Record {
    name: "alert policy",
    doc: "When abnormal windows become an alert.",
    fields: &[
        may(
            "for",
            Shape::Duration,
            "How long windows must stay abnormal before it fires; 0s unless given.",
        ),
        may(
            "keep_firing_for",
            Shape::Duration,
            "How long they must stay normal before it resolves; 0s unless given.",
        ),
        may(
            "severity",
            Shape::Word(SEVERITIES),
            "Fixed severity, or by score (default).",
        ),
        may(
            "missing",
            Shape::Word(MISSING),
            "What windows without judgement do. hold (default): a firing alert goes on; a pending one waits, they do not count toward `for`, and it lapses when they go on for longer than `for`. resolve: they end both, as normal windows do.",
        ),
    ],
};

static ALERT: Record = Record {
    name: "alert",
    doc: "An alert rule beside the KQIs' own.",
    fields: &[
        must("id", Shape::Id, "Identity of the alert."),
        must("kqi", Shape::Id, "KQI it watches."),
        may(
            "policy",
            Shape::Id,
            "Policy to start from; `default` unless given.",
        ),
        may(
            "for",
            Shape::Duration,
            "How long windows must stay abnormal before it fires.",
        ),
        may(
            "keep_firing_for",
            Shape::Duration,
            "How long they must stay normal before it resolves.",
        ),
        may(
            "severity",
            Shape::Word(SEVERITIES),
            "Fixed severity, or by score.",
        ),
        may(
            "missing",
            Shape::Word(MISSING),
            "What windows without judgement do; see the policies' field of that name.",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stream;

    #[test]
    fn the_words_for_streams_are_the_streams() {
        let names: Vec<&str> = Stream::ALL.iter().map(|stream| stream.name()).collect();
        assert_eq!(STREAMS, names);
        let sections: Vec<&str> = STREAM_TABLE.fields.iter().map(|field| field.name).collect();
        assert_eq!(sections, names);
    }
}
