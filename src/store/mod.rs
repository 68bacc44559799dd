//! What must outlive the process besides the journal: the delivery ledger, and the history.
//!
//! Only this room names SQL. Others see plain values, so that another database can take its place.

mod entry;
mod history;
mod ledger;
mod operator;
#[cfg(test)]
mod tests;

pub use entry::{
    Attempt, Counts, Delivery, DeliveryState, Due, Entry, Failed, LedgerError, Recorded, Resent,
};
pub use history::{
    ALERT_TRANSITIONS, AUDIT, Column, ColumnKind, EFFECTS, FEEDBACK, Filter, History, HistoryError,
    HistoryRow, NOTICES, Page, TABLES, TRIGGER_MOVES, TRIGGERS, Table, Value,
};
pub use ledger::Ledger;
