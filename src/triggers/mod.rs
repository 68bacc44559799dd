//! Optimization triggers: a red KQI becomes a demand on a department, and its progress is visible.
//!
//! Pure: commands and alerts in, changed triggers out. This is the first form of the closed loop;
//! the table of moves in `flow.rs` is where it grows.

mod book;
mod evidence;
mod flow;

pub use book::{Opening, TriggerBook, TriggerRules};
pub use evidence::EVIDENCE_MAX;
pub use flow::{Evidence, MoveError, Trigger, TriggerMove, TriggerState};
