//! What must outlive the process besides the journal: the delivery ledger, and the history.
//!
//! Only this room names SQL. Others see plain values, so that another database can take its place.

mod anew;
mod check;
mod copy;
mod digest;
mod entry;
mod history;
mod lane;
mod ledger;
mod operator;
mod outcome;
mod resend;
mod size;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use check::{LedgerCheck, LedgerReach};
pub use entry::{
    Attempt, Counts, DEMANDS, DIGEST, DeadLetters, Delivery, DeliveryState, Due, Entry, Failed,
    Fault, Fold, LedgerError, Members, REPORT, Recorded, Resent, ResentAll, WEBHOOK, Wanted,
};
pub use history::{
    ALERT_TRANSITIONS, AUDIT, Column, ColumnKind, EFFECTS, FEEDBACK, Filter, History, HistoryError,
    HistoryRow, NOTICES, Page, TABLES, TRIGGER_MOVES, TRIGGERS, Table, Value,
};
pub use lane::Lane;
pub use ledger::Ledger;
