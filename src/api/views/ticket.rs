//! Complaint tickets on the wire: as they stand, confirmed, and sampled. Without callers' numbers.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::iso;
use crate::api::views::TextView;
use crate::api::views::subscriber::shown;
use crate::api::views::when::{When, moment};
use crate::complaints::{Apart, Difference, Reconciled, Unclear};
use crate::dataflow::{MessageDetail, TicketDetail};
use crate::event::Stream;
use crate::reports::csv_of_texts;
use crate::rules::{ComplaintClass, ConfirmVerdict, Finding, Plan};

/// A ticket as its versions leave it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TicketOnRecordView {
    /// Serial number.
    pub serial: String,
    /// `filed`, `reclassified`, `confirmed`, `closed`, `excluded` or `withdrawn`.
    pub state: String,
    /// When it was filed, ms; none where only later versions came.
    pub filed_ms: Option<i64>,
    /// When it was filed.
    pub filed: Option<String>,
    /// Path in the complaint tree.
    pub path: Option<String>,
    /// Service.
    pub service: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Channel it came in by.
    pub channel: Option<String>,
    /// Who told of it first: the events' `source`; null where none of them names one.
    pub source: Option<String>,
    /// Whether that is the operator's own, and not an outsider: as the rule book has the source, or else the stream.
    pub internal: bool,
    /// Class that it was confirmed into.
    pub class: Option<String>,
    /// The class in Chinese.
    pub class_name: Option<String>,
    /// Answers of its form that are yes or no.
    pub answers: BTreeMap<String, bool>,
    /// Since when the customer misses something, ms, where that could be read.
    pub began_ms: Option<i64>,
    /// Until when, ms.
    pub ended_ms: Option<i64>,
}

/// A sample of tickets.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SampleView {
    /// The seed: the same one draws the same tickets of the same set.
    pub seed: u64,
    /// In the order of the draw.
    pub tickets: Vec<TicketOnRecordView>,
}

/// What a full file of a day and the record lack of each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FullFileView {
    /// The day.
    pub day: String,
    /// Whether every line of the file is a ticket and was taken; of one that is not whole nothing is withdrawn.
    pub whole: bool,
    /// Lines that were refused; `GET /v1/quarantine` shows them.
    pub refused_total: usize,
    /// Lines that are no tickets, as dial tests: they were taken as what they are, and have no place in a full file.
    pub not_tickets: usize,
    /// Tickets that the file names.
    pub named: usize,
    /// Tickets of that day that were on record before it.
    pub on_record: usize,
    /// Whether record and file come to the same tickets of that day under the same paths from now on. Where they do not,
    /// `apart`, `only_on_record` and `differing` name each that is not the same, or lines were refused.
    pub agrees: bool,
    /// Tickets that only the file names: the record had not counted them on that day.
    pub only_in_file_total: usize,
    /// The first 1,000 of them.
    pub only_in_file: Vec<String>,
    /// Tickets on record that the file does not name.
    pub only_on_record_total: usize,
    /// The first 1,000 of them.
    pub only_on_record: Vec<String>,
    /// Those of them that were withdrawn.
    pub withdrawn: usize,
    /// Those of them that no file of that day withdraws, because the file of another day or city names them.
    pub kept: usize,
    /// Tickets that the file names and that do not count as it has them.
    pub apart_total: usize,
    /// The first 1,000 of them.
    pub apart: Vec<ApartView>,
    /// Those that only the file names because an earlier file had taken them back; they count again.
    pub returned: usize,
    /// Tickets that both have and classify differently.
    pub differing_total: usize,
    /// The first 1,000 of them.
    pub differing: Vec<DifferenceView>,
}

/// A ticket that does not count as a full file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApartView {
    /// Its serial number.
    pub serial: String,
    /// `another_day`, `another_city` (it counts there), `excluded`, `withdrawn` (after what the file tells), `not_filed` (nobody
    /// has told of its filing), `still_counts` (the file takes it back, and it was told of after that).
    pub why: String,
    /// The day of its filing on record, on which it counts if it does.
    pub day: Option<String>,
}

/// A ticket that a full file and the record classify differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DifferenceView {
    /// Its serial number.
    pub serial: String,
    /// Its path by the file.
    pub file: String,
    /// Its path on record before the file; null where that has none.
    pub record: Option<String>,
    /// Whose path counts from now on: `file`, or `record` where that is newer.
    pub counts: String,
}

/// Serials listed of each side.
const DIFFERENCES_MAX: usize = 1_000;

impl FullFileView {
    /// Of a day, with how many lines were refused or are no tickets, and tickets withdrawn; `is_said`: what had to be said
    /// after the file was taken too.
    pub fn of(
        day: &str,
        found: &Reconciled,
        (refused_total, not_tickets): (usize, usize),
        (withdrawn, is_said): (usize, bool),
        zone: &TimeZone,
    ) -> FullFileView {
        let is_whole = refused_total + not_tickets == 0;
        let apart = found.apart.iter().take(DIFFERENCES_MAX);
        let only_in_file = found.only_in_file.iter().take(DIFFERENCES_MAX);
        let only_on_record = found.only_on_record.iter().take(DIFFERENCES_MAX);
        let differing = found.differing.iter().take(DIFFERENCES_MAX);
        FullFileView {
            day: day.to_owned(),
            whole: is_whole,
            agrees: is_whole && is_said && found.agrees(withdrawn),
            refused_total,
            not_tickets,
            named: found.named,
            on_record: found.on_record,
            only_in_file_total: found.only_in_file.len(),
            only_in_file: only_in_file.cloned().collect(),
            only_on_record_total: found.only_on_record.len(),
            only_on_record: only_on_record.map(|of| of.serial.to_string()).collect(),
            withdrawn,
            kept: found.only_on_record.len() - found.lost().count(),
            apart_total: found.apart.len(),
            apart: apart.map(|of| ApartView::of(of, zone)).collect(),
            returned: found.returned,
            differing_total: found.differing.len(),
            differing: differing.map(DifferenceView::of).collect(),
        }
    }
}

impl ApartView {
    fn of(of: &Apart, zone: &TimeZone) -> ApartView {
        let day = |ms: i64| iso(ms, zone).chars().take(10).collect();
        ApartView {
            serial: of.serial.clone(),
            why: of.why.name().to_owned(),
            day: of.filed_ms.map(day),
        }
    }
}

impl DifferenceView {
    fn of(of: &Difference) -> DifferenceView {
        let counts = if of.file_counts { "file" } else { "record" };
        DifferenceView {
            serial: of.serial.clone(),
            file: of.file.clone(),
            record: of.record.clone(),
            counts: counts.to_owned(),
        }
    }
}

/// What is known when a ticket is confirmed, beside what the engine holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct ConfirmRequest {
    /// Since when the customer misses something, ms; as the form says unless given.
    #[serde(default)]
    pub from_ms: Option<i64>,
    /// Until when, ms; as the form says, or its filing, unless given.
    #[serde(default)]
    pub to_ms: Option<i64>,
    /// `ordered`, `charged`, `consented`, `outside` (the platform stands outside the province): yes, no or unclear;
    /// `ordered` is the form's unless given.
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
    /// The class, where a person decides; the engine's evidence does unless given.
    #[serde(default)]
    pub class: Option<String>,
    /// When it is confirmed, ms or RFC 3339; now unless given.
    #[serde(default, deserialize_with = "moment")]
    #[schema(value_type = Option<When>)]
    pub ts: Option<i64>,
}

/// A ticket that is to be closed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
pub struct CloseRequest {
    /// When it is closed, ms or RFC 3339; now unless given.
    #[serde(default, deserialize_with = "moment")]
    #[schema(value_type = Option<When>)]
    pub ts: Option<i64>,
}

/// What a second confirmation came to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ConfirmationView {
    /// Serial number.
    pub serial: String,
    /// Whether it is confirmed: evidence that decides nothing yet leaves the ticket as it was.
    pub confirmed: bool,
    /// What the evidence finds; none where it decides nothing, or a person decided.
    pub found: Option<String>,
    /// Why evidence decides nothing: `order_unknown`, `messages_unknown` (too long ago for what is kept, or nobody
    /// heard of messages then), `still_open`, `neighbours_unknown` (a message expired, and too little is known of the place
    /// to say whether others missed theirs).
    pub unclear: Option<String>,
    /// The same in words.
    pub unclear_words: Option<TextView>,
    /// Class that it was confirmed into.
    pub class: Option<String>,
    /// The class in Chinese.
    pub class_name: Option<String>,
    /// Outlet by which it leaves, where that is not the department's own.
    pub outlet: Option<String>,
    /// Department that goes on.
    pub department: Option<String>,
    /// What is done.
    pub action: Option<TextView>,
    /// Path that it was filed again under.
    pub refiled: Option<String>,
    /// Whether the place's KQI was outside its interval too, also where planned work keeps its alerts back.
    pub regional: bool,
    /// Messages that were looked at, in `[from_ms, to_ms)`.
    pub messages: Vec<ConfirmedMessageView>,
    /// First instant, ms.
    pub from_ms: i64,
    /// End, ms.
    pub to_ms: i64,
}

/// A message that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfirmedMessageView {
    /// The MMSC's message id; masked without the role `subscribers`.
    pub message_id: String,
    /// How it ended, by its canonical word; `pending` before.
    pub status: String,
    /// When that was decided, ms.
    pub decided_ms: Option<i64>,
    /// Whether a report says so; without one it only grew too old.
    pub reported: bool,
    /// Whether an edition's message came by its deadline.
    pub on_time: Option<bool>,
}

impl TicketOnRecordView {
    /// A ticket; whose it is, the book in force says.
    pub fn of(ticket: &TicketDetail, plan: &Plan) -> TicketOnRecordView {
        let own = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
        let class = ticket.class.as_deref().and_then(class_named);
        let answers = ticket.answers.iter();
        TicketOnRecordView {
            serial: ticket.serial.to_string(),
            state: ticket.state.name().to_owned(),
            filed_ms: ticket.filed_ms,
            filed: ticket.filed_ms.map(|ms| iso(ms, &plan.zone)),
            path: own(&ticket.path),
            service: own(&ticket.service),
            city: own(&ticket.city),
            channel: own(&ticket.channel),
            source: own(&ticket.source),
            internal: (plan.book).is_internal(Stream::Complaint, ticket.source.as_deref()),
            class: own(&ticket.class),
            class_name: class.map(|class| class.names().1.to_owned()),
            answers: answers
                .map(|(question, said)| (question.to_string(), *said))
                .collect(),
            began_ms: ticket.began_ms,
            ended_ms: ticket.ended_ms,
        }
    }
}

impl SampleView {
    /// The sample as CSV, with a line of headings; `internal` is `true` or `false`.
    pub fn csv(&self) -> String {
        let columns = [
            "serial", "state", "filed", "path", "service", "city", "channel", "class", "source",
            "internal",
        ];
        let rows = self.tickets.iter().map(|ticket| {
            let optional = [
                &ticket.filed,
                &ticket.path,
                &ticket.service,
                &ticket.city,
                &ticket.channel,
                &ticket.class,
                &ticket.source,
            ];
            let internal = if ticket.internal { "true" } else { "false" };
            let optional = optional.map(|text| text.as_deref().unwrap_or_default());
            [
                &[ticket.serial.as_str(), ticket.state.as_str()],
                &optional[..],
                &[internal],
            ]
            .concat()
        });
        csv_of_texts(&columns, rows)
    }
}

impl ConfirmationView {
    /// A confirmation that has not decided yet.
    pub fn undecided(serial: &str, (from_ms, to_ms): (i64, i64)) -> ConfirmationView {
        ConfirmationView {
            serial: serial.to_owned(),
            confirmed: false,
            found: None,
            unclear: None,
            unclear_words: None,
            outlet: None,
            class: None,
            class_name: None,
            department: None,
            action: None,
            refiled: None,
            regional: false,
            messages: Vec::new(),
            from_ms,
            to_ms,
        }
    }

    /// Shows the messages that were looked at.
    pub fn look_at(&mut self, messages: &[MessageDetail], is_masked: bool) {
        let view = |detail: &MessageDetail| ConfirmedMessageView {
            message_id: shown(&detail.message_id, is_masked),
            status: detail.status.to_string(),
            decided_ms: detail.decided_ms,
            reported: detail.is_reported,
            on_time: detail.on_time,
        };
        self.messages = messages.iter().map(view).collect();
    }

    /// Shows what was found, and what follows from it.
    pub fn decide(&mut self, found: Result<Finding, Unclear>, verdict: Option<&ConfirmVerdict>) {
        self.found = found.ok().map(|found| found.name().to_owned());
        self.unclear = found.err().map(|unclear| unclear.name().to_owned());
        self.unclear_words = found.err().map(|unclear| {
            let (zh, en) = unclear.words();
            TextView {
                zh: zh.to_owned(),
                en: en.to_owned(),
            }
        });
        let Some(verdict) = verdict else { return };
        self.confirm(verdict.class);
        self.department = verdict.department.clone();
        self.outlet = verdict.outlet.map(|outlet| outlet.name().to_owned());
        self.action = Some(TextView::from(&verdict.action));
        self.refiled = verdict.refile.clone();
    }

    /// Shows the class.
    pub fn confirm(&mut self, class: ComplaintClass) {
        let (name, zh) = class.names();
        self.confirmed = true;
        self.class = Some(name.to_owned());
        self.class_name = Some(zh.to_owned());
    }
}

/// The class of a name.
pub fn class_named(name: &str) -> Option<ComplaintClass> {
    let mut names = ComplaintClass::NAMES.iter();
    names
        .find(|(known, ..)| *known == name)
        .map(|(.., class)| *class)
}
