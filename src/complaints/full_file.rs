//! The full file of a day set against the record (domain fact G6): what either side lacks, what the two classify
//! differently, and what must be said so that both come to the same totals.
//!
//! * Versions are ordered by number and time, and the newer counts; between two that are equal in both the file is right,
//!   because it is what the complaint system says in the end. So it is with the path, and with whether a ticket counts at all:
//!   one that was excluded or taken back counts again unless that was said after what the file tells.
//! * What was withdrawn for not being in a file comes back with the first one that names it, of whatever day: a file may be
//!   cut short, and a ticket near midnight may be in the file of the day after.
//! * A file that tells of the filing opens nothing again: what was confirmed or closed stays so.
//! * A ticket counts on the day of its first filing on record, and in the city that its newest version says. One that the file
//!   of another day or city names is marked, and its own day's files withdraw it no more: else files would take it back
//!   and bring it back in turns.
//! * Where record and file do not come to the same in spite of all that, the ticket is named with the reason.
//!
//! Pure: what follows becomes `complaint` lines, and the caller has them journaled.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Word;
use crate::dataflow::TicketDetail;
use crate::event::{Complaint, NOT_IN_FULL_FILE, TicketState};
use crate::rules::RuleBook;

/// Why one of those counts again.
const IN_FILE: &str = "in_full_file";
/// Why one stays that its own day's file does not name.
const IN_ANOTHER_FILE: &str = "in_another_full_file";

/// What a full file is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The day, ms.
    pub day_ms: Range<i64>,
    /// The city, where each has a file of its own.
    pub city: Option<String>,
}

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

/// Why a ticket of the file does not count as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was filed on another day, and counts there.
    AnotherDay,
    /// It is of another city, and counts there.
    AnotherCity,
    /// It was excluded after what the file tells.
    Excluded,
    /// It was taken back after what the file tells.
    Withdrawn,
    /// Nobody has told of its filing, so it is of no day.
    NotFiled,
    /// The file takes it back; but it was told of again after that, and counts.
    StillCounts,
}

impl Why {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Why::AnotherDay => "another_day",
            Why::AnotherCity => "another_city",
            Why::Excluded => "excluded",
            Why::Withdrawn => "withdrawn",
            Why::NotFiled => "not_filed",
            Why::StillCounts => "still_counts",
        }
    }
}

/// One ticket on which record and file do not come to the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Its serial number.
    pub serial: String,
    /// Why.
    pub why: Why,
    /// When it was filed on record, ms: it counts on that day, if it does.
    pub filed_ms: Option<i64>,
}

/// What a file and the record came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reconciled {
    /// Serials that the file names.
    pub named: usize,
    /// Tickets of its day and city that counted before.
    pub on_record: usize,
    /// Serials that only the file names: the record had not counted them on that day.
    pub only_in_file: Vec<String>,
    /// Tickets of the day that count and that the file does not name.
    pub only_on_record: Vec<TicketDetail>,
    /// What both have and classify differently.
    pub differing: Vec<Difference>,
    /// What the file names and does not count as it has it.
    pub apart: Vec<Apart>,
    /// What must be said after the file's own lines: corrections, and what counts again.
    pub words: Vec<Word>,
    /// How many of the words bring a ticket back that a file had taken back.
    pub returned: usize,
}

impl Reconciled {
    /// Those that the file may take back: all that it does not name, but for those that another file names.
    pub fn lost(&self) -> impl Iterator<Item = &TicketDetail> {
        let all = self.only_on_record.iter();
        all.filter(|ticket| ticket.cause.as_deref() != Some(IN_ANOTHER_FILE))
    }

    /// Whether both come to the same tickets under the same paths, once so many of the lost are withdrawn.
    pub fn agrees(&self, withdrawn: usize) -> bool {
        self.apart.is_empty()
            && self.only_on_record.len() == withdrawn
            && self.differing.iter().all(|of| of.file_counts)
    }
}

/// What a file tells of one ticket.
#[derive(Clone, Debug)]
struct Told {
    newest: Complaint,
    /// Its first filing, ms.
    filed_ms: Option<i64>,
}

/// Sets the file's versions against the tickets on record: those of its day that count, and those that it names, wherever
/// they were filed and whatever became of them. A ticket may be given twice.
pub fn reconcile(
    file: impl Iterator<Item = Complaint>,
    record: impl Iterator<Item = TicketDetail>,
    scope: &Scope,
    book: &RuleBook,
) -> Reconciled {
    let told = told(file);
    let keyed = record.map(|ticket| (ticket.serial.to_string(), ticket));
    let record: BTreeMap<String, TicketDetail> = keyed.collect();
    let is_here = |ticket: &TicketDetail| {
        let is_then = ticket.filed_ms.is_some_and(|ms| scope.day_ms.contains(&ms));
        ticket.state.counts() && is_then && scope.is_of(ticket.city.as_deref())
    };
    let mut found = Reconciled {
        named: told.len(),
        on_record: record.values().filter(|ticket| is_here(ticket)).count(),
        ..Reconciled::default()
    };
    for (serial, told) in &told {
        let ticket = record.get(serial);
        if !ticket.is_some_and(is_here) {
            found.only_in_file.push(serial.clone());
        }
        found.settle(serial, told, ticket, scope, book);
    }
    let lost = record.into_iter();
    let lost = lost.filter(|(serial, ticket)| is_here(ticket) && !told.contains_key(serial));
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

impl Scope {
    fn is_of(&self, city: Option<&str>) -> bool {
        self.city.is_none() || self.city.as_deref() == city
    }
}

impl Reconciled {
    /// What becomes of one ticket that the file names.
    fn settle(
        &mut self,
        serial: &str,
        told: &Told,
        ticket: Option<&TicketDetail>,
        scope: &Scope,
        book: &RuleBook,
    ) {
        let version = &told.newest;
        let by_file = (version.version, version.ts_ms);
        let by_record = ticket.map(|ticket| (ticket.version, ticket.ts_ms));
        let (is_newer, is_equal) = (Some(by_file) > by_record, Some(by_file) == by_record);
        let is_right = is_newer || is_equal;
        let did_count = ticket.is_some_and(|ticket| ticket.state.counts());
        let is_gone = ticket.is_some_and(is_gone);
        let filed_ms = [told.filed_ms, ticket.and_then(|ticket| ticket.filed_ms)];
        let filed_ms = filed_ms.into_iter().flatten().min();
        let mut apart = |why: Why| {
            self.apart.push(Apart {
                serial: serial.to_owned(),
                why,
                filed_ms,
            });
        };
        let mut word = Said::after(serial, by_file.max(by_record.unwrap_or(by_file)));
        if !version.state.counts() {
            match did_count {
                true if is_equal => self.words.push(word.of(version.state)),
                true if !is_right => apart(Why::StillCounts),
                _ => {}
            }
            return;
        }
        if !did_count && !is_gone && !is_right {
            let is_excluded = ticket.is_some_and(|of| of.state == TicketState::Excluded);
            apart(if is_excluded {
                Why::Excluded
            } else {
                Why::Withdrawn
            });
            return;
        }
        // It counts from now on: where, and by which word.
        let cities = [
            version.city.as_deref(),
            ticket.and_then(|of| of.city.as_deref()),
        ];
        let [newer, older] = if is_newer {
            cities
        } else {
            [cities[1], cities[0]]
        };
        let why = match filed_ms {
            None => Some(Why::NotFiled),
            Some(ms) if !scope.day_ms.contains(&ms) => Some(Why::AnotherDay),
            _ if !scope.is_of(newer.or(older)) => Some(Why::AnotherCity),
            _ => None,
        };
        if let Some(why) = why {
            apart(why);
        }
        let is_of_another = matches!(why, Some(Why::AnotherDay | Why::AnotherCity));
        let path = path_of(version, book);
        let node = version.node.as_deref().map(str::to_owned);
        let opens = version.state <= TicketState::Reclassified;
        let of_file = (!opens && is_right).then_some(version.state);
        let mut state = of_file;
        if let Some(ticket) = ticket.filter(|_| did_count) {
            let differs = path.filter(|path| ticket.path.as_deref() != Some(path));
            // What only repeats the code that is known moves no ticket: the path is said with it.
            if is_equal || (is_newer && version.path.is_none()) {
                word.path.clone_from(&differs);
                word.node = node.filter(|_| differs.is_some());
            }
            if let Some(file) = differs {
                self.differing.push(Difference {
                    serial: serial.to_owned(),
                    file,
                    record: ticket.path.as_deref().map(str::to_owned),
                    file_counts: is_right,
                });
            }
            // What was confirmed or closed stays so, whatever the file knows of it.
            let is_done = ticket.state > TicketState::Reclassified;
            state = state.max(is_done.then_some(ticket.state));
            word.is_due =
                word.path.is_some() || is_newer && is_done && version.state < ticket.state;
        } else if is_gone || is_equal {
            (word.path, word.node) = (path, node);
            word.cause = Some(IN_FILE);
            self.returned += usize::from(is_gone);
        }
        let cause = version.cause.as_deref();
        let cause = cause.or_else(|| ticket.and_then(|ticket| ticket.cause.as_deref()));
        let is_own = |cause: &str| [IN_FILE, NOT_IN_FULL_FILE].contains(&cause);
        if is_of_another && (is_gone || cause.is_none_or(is_own)) {
            word.cause = Some(IN_ANOTHER_FILE);
        }
        if word.is_due || word.cause.is_some() {
            let state = state.unwrap_or(TicketState::Reclassified);
            self.words.push(word.of(state));
        }
    }
}

/// A word that may have to be said of a ticket after all that was.
#[derive(Clone, Debug, Default)]
struct Said {
    serial: String,
    version: Option<i64>,
    ts_ms: i64,
    path: Option<String>,
    node: Option<String>,
    cause: Option<&'static str>,
    is_due: bool,
}

impl Said {
    fn after(serial: &str, (version, ts_ms): (Option<i64>, i64)) -> Said {
        Said {
            serial: serial.to_owned(),
            version,
            ts_ms: ts_ms.saturating_add(1),
            ..Said::default()
        }
    }

    fn of(self, state: TicketState) -> Word {
        Word {
            serial: self.serial,
            ts_ms: self.ts_ms,
            version: self.version,
            state: state.name(),
            path: self.path,
            node: self.node,
            cause: self.cause.map(str::to_owned),
            ..Word::default()
        }
    }
}

/// The newest version of each ticket of a file.
fn told(file: impl Iterator<Item = Complaint>) -> BTreeMap<String, Told> {
    let order = |of: &Complaint| (of.version, of.ts_ms);
    let mut all: BTreeMap<String, Told> = BTreeMap::new();
    for version in file {
        let filed_ms = (version.state == TicketState::Filed).then_some(version.ts_ms);
        match all.get_mut(&*version.serial) {
            None => {
                let serial = version.serial.to_string();
                let newest = version;
                all.insert(serial, Told { newest, filed_ms });
            }
            Some(told) => {
                told.filed_ms = [told.filed_ms, filed_ms].into_iter().flatten().min();
                if order(&told.newest) <= order(&version) {
                    told.newest = version;
                }
            }
        }
    }
    all
}

/// Whether an earlier file took a ticket back.
fn is_gone(ticket: &TicketDetail) -> bool {
    let is_of_file = ticket.cause.as_deref() == Some(NOT_IN_FULL_FILE);
    ticket.state == TicketState::Withdrawn && is_of_file
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

#[cfg(test)]
mod tests;
