//! Alerts: when abnormal windows become an alert, and who is told what about it.
//!
//! Pure state machines: no clock, no IO, no threads. Time is the event time of windows; for what
//! concerns people it is the journaled tick. Effects come back as values.

mod alert;
mod lifecycle;

mod change;
mod timeline;
mod windows;
mod withdrawn;

mod feedback;
mod notice;
mod trouble;

pub use alert::{Alert, AlertState, Beside, Holder, Transition, TransitionReason};
pub use change::{Change, Episode};
pub use feedback::Feedback;
pub use lifecycle::{Lifecycle, Mark, Phase, Step};
pub use notice::{
    ChartPoint, Correction, DemandNotice, KnownRemedy, Limit, Notice, NoticeReason, Statement,
    Suggestion, TriggerBrief, Truth,
};
pub use timeline::{Reading, Timeline};
pub use trouble::Trouble;
pub use withdrawn::WithdrawnRoom;
