//! What the dataflow tells the engine: windows, as they are sealed or corrected.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::key::Group;
use crate::dataflow::{Epoch, Owner, Watermarks};
use crate::event::{Annotation, Complaint, Refusal, TicketState};
use crate::rules::{Plan, Verdict};

/// How a window's values stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The watermark has not passed the window's end.
    Provisional,
    /// First values after the watermark passed its end.
    Sealed,
    /// New values of a sealed window.
    Corrected,
    /// Everything that was counted in a sealed window has been taken back.
    Removed,
}

/// One KQI's value in one window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Index into [`crate::rules::RuleBook::kqis`] of the plan in force.
    pub kqi: usize,
    /// Facts that the value is based on.
    pub samples: i64,
    /// Value in the KQI's unit; `None` where it is undefined (no facts, no base, nothing before).
    pub value: Option<f64>,
    /// What the weeks before let expect, for surges.
    pub expected: Option<f64>,
    /// Score from 1 to 5, for KQIs that are scored.
    pub score: Option<f64>,
    /// Verdict.
    pub verdict: Verdict,
}

impl Cell {
    /// The cell of a window that holds nothing for a KQI.
    pub fn absent(kqi: usize) -> Cell {
        Cell {
            kqi,
            samples: 0,
            value: None,
            expected: None,
            score: None,
            verdict: Verdict::NoTraffic,
        }
    }

    /// Whether the window holds nothing for the KQI.
    pub fn is_absent(&self) -> bool {
        self.verdict == Verdict::NoTraffic
    }
}

/// The values of a window of one group, for every KQI that reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowUpdate {
    /// Group.
    pub group: Arc<Group>,
    /// Start, ms, inclusive.
    pub start_ms: i64,
    /// End, ms, exclusive.
    pub end_ms: i64,
    /// Facts in the window.
    pub count: i64,
    /// Good facts in the window.
    pub good: i64,
    /// How the values stand.
    pub standing: Standing,
    /// One cell a KQI; absent ones among them where only some hold something.
    pub cells: Vec<Cell>,
}

/// One version of a complaint ticket, as it came in: whom an answer is owed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TicketHeard {
    /// Serial number.
    pub serial: String,
    /// Version number, if the source counts them.
    pub version: Option<i64>,
    /// Time of this version, ms.
    pub ts_ms: i64,
    /// Whether it still is a complaint: not excluded, not withdrawn.
    pub counts: bool,
    /// Whether it is a contact on record, and not a later word on one nor a record that was known: a serial counts once
    /// for as long as its ticket is kept, and what was filed before that is none of now.
    pub is_record: bool,
    /// Service; empty where this version does not say.
    pub service: String,
    /// City; empty where this version does not say.
    pub city: String,
    /// Its path; empty where this version does not say.
    pub path: String,
    /// The code of its node; empty where this version does not say.
    pub node: String,
    /// Who brought it.
    pub owner: Owner,
}

impl TicketHeard {
    /// Whether it says where in the tree it is filed.
    pub fn has_place(&self) -> bool {
        !self.path.is_empty() || !self.node.is_empty()
    }

    /// What of a version concerns whom an answer is owed.
    pub(super) fn of(event: &Complaint, owner: Owner) -> TicketHeard {
        let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
        TicketHeard {
            serial: event.serial.to_string(),
            version: event.version,
            ts_ms: event.ts_ms,
            // What is excluded when it is filed comes as that, with its path.
            is_record: is_record(event),
            counts: !matches!(event.state, TicketState::Excluded | TicketState::Withdrawn),
            service: text(&event.service),
            city: text(&event.city),
            path: text(&event.path),
            node: text(&event.node),
            owner,
        }
    }
}

/// Whether a version puts a contact on record.
pub(super) fn is_record(event: &Complaint) -> bool {
    event.state == TicketState::Filed
        || event.state == TicketState::Excluded && event.path.is_some()
}

/// Leaves of each serial's records the first, and none of those whose ticket was on record before. Tickets are sorted.
pub(super) fn count_once(tickets: &mut [TicketHeard], mut known: Vec<String>) {
    known.sort_unstable();
    let mut last: Option<&str> = None;
    for ticket in tickets.iter_mut().filter(|ticket| ticket.is_record) {
        ticket.is_record =
            last != Some(&ticket.serial) && known.binary_search(&ticket.serial).is_err();
        last = Some(&ticket.serial);
    }
}

/// A hold of a BOSS connection as it stands: who holds, or held, it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HoldTold {
    /// BOSS host.
    pub host: String,
    /// Interface.
    pub interface: String,
    /// Connection.
    pub connection: String,
    /// Who took it, if the source says so.
    pub client: Option<String>,
    /// Since its last activity, ms.
    pub since_ms: i64,
    /// Until when it is known to be held, ms.
    pub until_ms: i64,
    /// Whether it ended then.
    pub is_over: bool,
}

impl HoldTold {
    /// For how long, ms.
    pub fn held_ms(&self) -> i64 {
        self.until_ms.saturating_sub(self.since_ms)
    }
}

/// One consistent cut: everything that an epoch changed, over all workers.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The epoch.
    pub epoch: Epoch,
    /// Its tick, ms.
    pub now_ms: i64,
    /// Plan in force since this epoch, when it changed in it.
    pub plan: Option<Arc<Plan>>,
    /// Event time.
    pub watermarks: Watermarks,
    /// Changed windows in canonical order: end, start, first KQI, group.
    pub updates: Vec<WindowUpdate>,
    /// Versions of complaint tickets in the epoch, by serial.
    pub tickets: Vec<TicketHeard>,
    /// Holds of BOSS connections that are long and changed in the epoch, in order.
    pub holds: Vec<HoldTold>,
    /// Annotations that came in the epoch, in order.
    pub annotations: Vec<Annotation>,
    /// Lines refused while decoding (replay only; ingest refuses before the journal).
    pub refused: Vec<Refusal>,
    /// Events in the epoch.
    pub events: u64,
    /// Families that fold groups, by number, with how many; those that fold none are left out.
    pub overflow: Vec<(u32, u64)>,
}

impl WindowUpdate {
    /// The key of the canonical order.
    pub fn order(&self) -> (i64, i64, usize, &str) {
        let kqi = self.cells.first().map_or(usize::MAX, |cell| cell.kqi);
        (self.end_ms, self.start_ms, kqi, &self.group.label)
    }
}
