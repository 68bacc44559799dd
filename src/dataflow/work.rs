//! What a dataflow is given: an epoch, and what there is to count in it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::dataflow::Owner;
use crate::event::{Batch, DecodeLimits};
use crate::rules::Plan;

/// Where the lines of a packed batch are, for when it cannot be unpacked.
pub trait Origin: fmt::Debug + Send + Sync {
    /// The lines as they came.
    ///
    /// # Errors
    /// They cannot be had either, in words.
    fn lines(&self) -> Result<Bytes, String>;
}

/// Something to be counted.
#[derive(Clone, Debug)]
pub enum Work {
    /// Lines that nobody has decoded yet.
    Lines {
        /// The lines.
        lines: Bytes,
        /// Number of the first one, for refusals.
        first_line: u64,
        /// Bounds; `None` takes what the journal holds, which has been judged before.
        limits: Option<DecodeLimits>,
        /// Who sent them.
        owner: Owner,
    },
    /// A batch that was decoded under the layout that is in force in its epoch.
    Decoded {
        /// The batch.
        batch: Arc<Batch>,
        /// Who sent it.
        owner: Owner,
    },
    /// What [`crate::event::pack`] made of such a batch: the worker that takes it unpacks it.
    Packed {
        /// Its bytes.
        packed: Bytes,
        /// What stands behind them.
        origin: Arc<dyn Origin>,
        /// Who sent it.
        owner: Owner,
    },
}

/// One epoch for the dataflow.
#[derive(Clone, Debug, Default)]
pub struct EpochInput {
    /// Its tick, ms.
    pub now_ms: i64,
    /// A plan that is in force from this epoch on.
    pub plan: Option<Arc<Plan>>,
    /// What happened.
    pub work: Vec<Work>,
    /// Event time ends here: seal everything.
    pub end: bool,
    /// Hand the state over as of the end of this epoch, with its cut ([`super::Cuts::take_state`]).
    pub checkpoint: bool,
}
