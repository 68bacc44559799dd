//! Events from outside: a body is read, unpacked and judged line by line, the accepted lines go to
//! the journal, and the answer waits until they are durable there.
//!
//! Not here: what a line means (`event`), routes and JSON errors (`api`), durability (`journal`).
//!
//! Memory is bounded by a budget over all requests; beyond it producers are told to come back.

mod accept;
mod body;
mod budget;
mod error;
mod intake;
mod producer;
mod quarantine;
mod unpack;

use std::sync::Arc;

use crate::event::Batch;

pub use body::Encoding;
pub use error::IngestError;
pub use intake::{IngestLimits, Intake, REFUSALS_LISTED_MAX, Receipt, Sender};
pub use quarantine::{Quarantine, Quarantined};

/// What travels with a journaled batch: the batch as it was decoded, so that the dataflow need not
/// decode it again. `None` after a restart.
pub type Attachment = Option<Arc<Batch>>;
