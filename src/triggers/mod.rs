//! Optimization triggers: a red KQI becomes a demand on a department, its progress is visible, the front
//! line knows what to say, and in the end the data say whether it helped.
//!
//! Pure: commands, alerts, tickets and ticks in, changed triggers and news out. `flow` is the table of
//! moves, `open` how alerts become triggers, `moves` what people command, `hand_over` who has it then, `due` what
//! the clock does.

mod asked;
mod book;
mod cause;
mod crossing;
mod due;
mod evidence;
mod explain;
mod flow;
mod hand_over;
mod limits;
mod link;
mod measured;
mod moves;
mod news;
mod open;
mod process;
mod raised;
mod reroute;
mod review;
mod samples;
mod standing;
mod tickets;
mod trigger;
mod urgency;
mod waiting;
mod widen;

#[cfg(test)]
mod tests;

pub use book::{ENGINE, News, NewsReason, Now, Said, TriggerBook};
pub use cause::{Cause, Place};
pub use crossing::Crossing;
pub use flow::{MoveError, Refusal, TriggerState};
pub use limits::TriggerLimits;
pub use moves::{REVIEW_WITHIN_MS, Wanted};
pub use open::Opening;
pub use process::{Process, Stays, Worked};
pub use samples::{Means, Samples};
pub use tickets::{Held, TicketNews};
pub use trigger::{
    Deadline, Evidence, Explanation, LinkedTicket, Measured, Outcome, Source, Trigger, TriggerMove,
};
pub use urgency::{Urgency, by_urgency};
