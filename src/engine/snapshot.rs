//! What the engine shows to readers, as of one cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerting::Alert;
use crate::dataflow::{Epoch, Watermarks};
use crate::engine::limits::Bound;
use crate::engine::{Annotations, Crossed, ProcessValue, Reports};
use crate::rules::Plan;
use crate::triggers::{Process, Trigger};

/// The engine's state for readers; cheap to clone.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The cut that it shows; `None` before the first.
    pub epoch: Option<Epoch>,
    /// The last tick, ms.
    pub now_ms: i64,
    /// Plan in force.
    pub plan: Arc<Plan>,
    /// Event time.
    pub watermarks: Arc<Watermarks>,
    /// Alerts that are pending or firing, and those that ended lately; newest first.
    pub alerts: Arc<Vec<Arc<Alert>>>,
    /// Triggers, oldest first.
    pub triggers: Arc<Vec<Arc<Trigger>>>,
    /// When the effect of each mend that waits for it is looked at (next), event time, ms.
    pub effects_due: Arc<BTreeMap<String, i64>>,
    /// Triggers that were not opened because too many were open.
    pub triggers_refused_total: u64,
    /// Windows whose past is not kept for measuring effects because too many objects have one.
    pub past_refused_total: u64,
    /// Complaints set against KQIs: what fires now, and what it comes to.
    pub crossed: Arc<Vec<Crossed>>,
    /// Crossings that began, by [`crate::triggers::Crossing::ALL`].
    pub crossings_began_total: [u64; 3],
    /// How near each bound of the engine's state is.
    pub bounds: [Bound; Bound::COUNT],
    /// Groups beyond their limit that are told as `__other__`, by the KQI that stands first in their family.
    pub folded: Arc<BTreeMap<String, u64>>,
    /// Counters of the process itself.
    pub process: Arc<Process>,
    /// KQIs of the process itself, as they were last looked at.
    pub process_values: Arc<Vec<ProcessValue>>,
    /// Reports that were told.
    pub reports: Arc<Reports>,
    /// Planned work, storms and the like, for readers.
    pub annotations: Arc<Annotations>,
}
