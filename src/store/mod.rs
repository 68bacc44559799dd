//! What must outlive the process besides the journal: the delivery ledger.
//!
//! Only this room names SQL. Others see plain values, so that another database can take its place.

mod check;
mod entry;
mod ledger;
mod operator;
#[cfg(test)]
mod tests;

pub use check::LedgerCheck;
pub use entry::{
    Attempt, Counts, Delivery, DeliveryState, Due, Entry, Failed, LedgerError, Recorded, Resent,
};
pub use ledger::Ledger;
