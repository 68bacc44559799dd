//! The full file of a day set against the record (domain fact G6): what either side lacks, what the two classify
//! differently, and what must be said so that both come to the same totals.
//!
//! * Versions are ordered by number and time; between two that are equal in both the file is right, because it is
//!   what the complaint system says in the end.
//! * What was withdrawn for not being in a file comes back with the first one that names it: a file may be cut short.
//!
//! Pure: what follows becomes `complaint` lines, and the caller has them journaled.

use std::collections::BTreeMap;

use super::Word;
use crate::dataflow::TicketDetail;
use crate::event::{Complaint, NOT_IN_FULL_FILE, TicketState};
use crate::rules::RuleBook;

/// Why one of those counts again.
const IN_FILE: &str = "in_full_file";

/// One ticket that the file and the record classify differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its serial number.
    pub serial: String,
    /// Its path by the file.
    pub file: String,
    /// Its path on record before the file; none where that has none.
    pub record: Option<String>,
    /// Whether the file's counts from now on; else the record's is newer and stays.
    pub file_counts: bool,
}

/// What a file and the record came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reconciled {
    /// Serials that the file names.
    pub named: usize,
    /// Tickets that counted before.
    pub on_record: usize,
    /// Serials that only the file names, or that count again because of it.
    pub only_in_file: Vec<String>,
    /// Tickets that count and that the file does not name.
    pub only_on_record: Vec<TicketDetail>,
    /// What both have and classify differently.
    pub differing: Vec<Difference>,
    /// What must be said after the file's own lines: corrections, and what counts again.
    pub words: Vec<Word>,
    /// How many of the words bring a ticket back.
    pub returned: usize,
}

/// Sets the file's versions against the tickets of its day: those that count, and those that an earlier file took back.
pub fn reconcile(
    file: impl Iterator<Item = Complaint>,
    record: impl Iterator<Item = TicketDetail>,
    book: &RuleBook,
) -> Reconciled {
    let mut newest: BTreeMap<String, Complaint> = BTreeMap::new();
    for version in file {
        let known = newest.entry(version.serial.to_string());
        let order = |of: &Complaint| (of.version, of.ts_ms);
        known
            .and_modify(|known| {
                if order(known) <= order(&version) {
                    known.clone_from(&version);
                }
            })
            .or_insert(version);
    }
    let (gone, known): (Vec<TicketDetail>, Vec<TicketDetail>) =
        record.partition(|ticket| ticket.state == TicketState::Withdrawn);
    let gone: BTreeMap<String, TicketDetail> = by_serial(gone);
    let known: BTreeMap<String, TicketDetail> = by_serial(known);
    let mut found = Reconciled {
        named: newest.len(),
        on_record: known.len(),
        ..Reconciled::default()
    };
    for (serial, version) in &newest {
        let path = path_of(version, book);
        let Some(ticket) = known.get(serial) else {
            found.only_in_file.push(serial.clone());
            if let Some(ticket) = gone.get(serial).filter(|_| version.state.counts()) {
                found.words.push(word(ticket, path, Some(IN_FILE)));
                found.returned += 1;
            }
            continue;
        };
        let Some(path) = path.filter(|path| ticket.path.as_deref() != Some(path)) else {
            continue;
        };
        let (by_file, by_record) = (
            (version.version, version.ts_ms),
            (ticket.version, ticket.ts_ms),
        );
        if by_file == by_record {
            found.words.push(word(ticket, Some(path.clone()), None));
        }
        found.differing.push(Difference {
            serial: serial.clone(),
            file: path,
            record: ticket.path.as_deref().map(str::to_owned),
            file_counts: by_file >= by_record,
        });
    }
    let lost = known.into_iter().filter(|(of, _)| !newest.contains_key(of));
    found.only_on_record = lost.map(|(_, ticket)| ticket).collect();
    found
}

/// A ticket is taken back as of the end of its day, or of its newest version where that came later.
pub fn withdrawal(ticket: &TicketDetail, day_end_ms: i64) -> Word {
    Word {
        serial: ticket.serial.to_string(),
        ts_ms: day_end_ms.max(ticket.ts_ms.saturating_add(1)),
        version: ticket.version.map(|version| version.saturating_add(1)),
        state: "withdrawn",
        cause: Some(NOT_IN_FULL_FILE.to_owned()),
        ..Word::default()
    }
}

/// What the file says, just after the ticket's newest version.
fn word(ticket: &TicketDetail, path: Option<String>, cause: Option<&str>) -> Word {
    Word {
        serial: ticket.serial.to_string(),
        ts_ms: ticket.ts_ms.saturating_add(1),
        version: ticket.version,
        state: "reclassified",
        path,
        cause: cause.map(str::to_owned),
        ..Word::default()
    }
}

fn by_serial(tickets: Vec<TicketDetail>) -> BTreeMap<String, TicketDetail> {
    let keyed = tickets.into_iter().map(|of| (of.serial.to_string(), of));
    keyed.collect()
}

/// The path of a version: the one it says, or that of its code's node.
fn path_of(version: &Complaint, book: &RuleBook) -> Option<String> {
    let said = version.path.as_deref();
    let by_code = || {
        let code = book.codes.of(version.node.as_deref()?)?;
        book.trees.path_of(code)
    };
    said.or_else(by_code).map(str::to_owned)
}
