//! The syntax of how MMS receipts are read.

use super::{may, must};
use crate::rules::shape::{Record, Shape};

const DATES: &[&str] = &["handling", "submission"];
const CLOCKS: &[&str] = &["24h", "12h"];
const RECIPIENTS: &[&str] = &["recipient", "sender"];
/// Causes of failure that MMS receipts are sorted into.
const CAUSES: &[&str] = &["user", "terminal", "coverage", "platform"];

pub(super) static MMS: Record = Record {
    name: "mms rule",
    doc: "How MMS receipts are read (3GPP TS 23.140 words and what is met in the wild).",
    fields: &[
        may(
            "statuses",
            Shape::Table(&Shape::List(&Shape::Text)),
            "For each canonical status the words on the wire that mean it; case does not matter.",
        ),
        may(
            "interim",
            Shape::List(&Shape::Text),
            "Canonical statuses that do not decide a message.",
        ),
        may(
            "validity",
            Shape::Duration,
            "Time after which a message without a final receipt counts as Expired; 72h unless given.",
        ),
        may(
            "early_tolerance",
            Shape::Duration,
            "How much earlier than its submission a message's report may be before it is flagged (dimension `early`) and counted; 5m unless given.",
        ),
        may(
            "editions",
            Shape::List(&Shape::Record(&EDITION)),
            "Regular issues and their deadlines.",
        ),
        may(
            "causes",
            Shape::List(&Shape::Record(&CAUSE)),
            "Causes read from status_text; the first match wins.",
        ),
        may(
            "gateways",
            Shape::List(&Shape::Record(&GATEWAY)),
            "Habits of MM7 gateways that differ from the standard.",
        ),
    ],
};

static EDITION: Record = Record {
    name: "edition",
    doc: "A regular issue with a time by which it should be on the handset.",
    fields: &[
        must("id", Shape::Id, "Identifier on the wire."),
        must("deadline", Shape::Clock, "Time of day, in the book's zone."),
        may(
            "next_from",
            Shape::Clock,
            "Time of day from which a submission is of the next day's issue; 12 hours after the deadline unless given, and never where that is past midnight.",
        ),
    ],
};

static GATEWAY: Record = Record {
    name: "gateway",
    doc: "How one MM7 gateway writes its delivery reports.",
    fields: &[
        must(
            "relay",
            Shape::Text,
            "Its MMSRelayServerID, in quotes where it is a number; \"*\" for reports that say none, or one that is not named here.",
        ),
        may(
            "date",
            Shape::Word(DATES),
            "What Date or TimeStamp means: handling (default; when the report was made) or submission.",
        ),
        may(
            "clock",
            Shape::Word(CLOCKS),
            "24h (default), or 12h where hours are written without their half of the day.",
        ),
        may(
            "recipient",
            Shape::Word(RECIPIENTS),
            "Which element names whom the message was for: recipient (default), or sender where reports are written as from the handset to the service.",
        ),
    ],
};

static CAUSE: Record = Record {
    name: "cause",
    doc: "One way of telling why a message failed.",
    fields: &[
        must("contains", Shape::Text, "Text looked for in status_text."),
        must("cause", Shape::Word(CAUSES), "Cause it means."),
    ],
};
