//! The dataflow: timely workers that keep windows up to date, epoch by epoch.
//!
//! ```text
//! records ──exchange by key──► fold ─┐ facts ±
//! lines ──► decode ──► combine ──────┴──► route ──by group──► meet ──► release ──by group──► windows ──► report
//!                                                             └─by family─► doors ─┘ who is folded
//!              └── sources, readings, annotations ──broadcast──► controls of all three
//! ```
//!
//! Every edge carries differential updates: data, epoch, and a [`crate::measure::Measure`] as the
//! difference. Every operator works by complete epochs (`epochs.rs`), so what it tells is a function
//! of the epochs' contents, not of threads.
//!
//! Only this module names timely. It knows neither the wall clock, nor tokio, nor alerts.

mod admit;
mod ahead;
mod asked;
mod base;
mod baseline;
#[cfg(test)]
mod bench;
mod chunk;
mod combine;
mod connection;
mod control;
mod delivery;
mod digest;
mod entity;
mod epochs;
mod evaluate;
mod fold;
mod graph;
mod heard;
mod key;
mod limits;
mod lists;
mod message;
mod number;
mod owner;
mod panes;
mod parts;
mod pile;
mod pool;
mod questions;
mod records;
mod retell;
mod route;
mod run;
mod seal;
mod state;
#[cfg(test)]
mod steps;
mod subscriber;
mod ticket;
mod update;
mod waiting;
mod waits;
mod watermark;
mod windows;
mod work;
mod worker;

pub use admit::OTHER;
pub(crate) use ahead::share_all;
pub use digest::{Digester, is_digest_under};
pub use epochs::Epoch;
pub use heard::{hour_of, unheard_ms};
pub use key::{Group, GroupPane, TuplePane, pane_of};
pub use limits::{Counters, Counts, Limits};
pub use owner::Owner;
pub use parts::{Parts, Span, Spans};
pub use pile::Ahead;
pub use run::{Cuts, Dataflow, DataflowConfig, DataflowError, Feed, Queries};
pub use state::{DataflowState, RestoredState, StateError};
pub use subscriber::{
    AFFECTED_MAX, FILED_MAX, Found, HOLDS_MAX, HoldDetail, Inquiry, MESSAGES_MAX, MessageDetail,
    SAMPLE_MAX, SERIALS_MAX, TicketDetail,
};
pub use update::{Cell, Cut, HoldTold, Standing, TicketHeard, WindowUpdate};
pub use watermark::{SourceState, Watermarks};
pub use work::{Batches, Digested, EpochInput, Origin, Work};
