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

/// Where the work is whose digest cannot be read.
pub trait Batches: fmt::Debug + Send + Sync {
    /// All of it.
    ///
    /// # Errors
    /// It cannot be had either, in words.
    fn work(&self) -> Result<Vec<Work>, String>;
}

/// What [`crate::dataflow::Digester`] made of work, in its place.
#[derive(Clone, Debug)]
pub struct Digested {
    /// Its bytes.
    pub bytes: Bytes,
    /// What stands behind them.
    pub batches: Arc<dyn Batches>,
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

impl Work {
    /// Events in it, where somebody has decoded it.
    pub fn events(&self) -> u64 {
        match self {
            Work::Decoded { batch, .. } => batch.events,
            Work::Lines { .. } | Work::Packed { .. } => 0,
        }
    }
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
    /// More of that, as digested under the plan in force.
    pub digest: Option<Digested>,
    /// Event time ends here: seal everything.
    pub end: bool,
    /// Hand the state over as of the end of this epoch, with its cut ([`super::Cuts::take_state`]).
    pub checkpoint: bool,
    /// Nobody looks at windows between this epoch and the next, which brings no plan: what shows only in windows that are
    /// still open may wait.
    pub holds_back: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::{Dataflow, DataflowConfig, Limits};
    use crate::event::{Decoder, pack};
    use crate::rules::testing::{MINIMAL, plan};

    const LINES: &str = r#"{"type":"gauge","ts":1,"name":"a","value":1}"#;

    #[derive(Debug)]
    struct Lines(Result<&'static str, &'static str>);

    impl Origin for Lines {
        fn lines(&self) -> Result<Bytes, String> {
            self.0.map(Bytes::from).map_err(str::to_owned)
        }
    }

    /// Bytes of a batch without the last of them cannot be unpacked.
    #[test]
    fn what_cannot_be_unpacked_is_read_from_its_lines_and_without_them_nothing_goes_on() {
        let plan = plan(MINIMAL);
        let mut decoder = Decoder::new(plan.layout.clone(), DecodeLimits::default());
        let packed = pack(&decoder.decode(LINES.as_bytes()).batch).unwrap();
        let cut = &packed[..packed.len() - 1];
        let config = DataflowConfig {
            workers: 2,
            keeps_history: false,
            limits: Limits::default(),
        };
        let Dataflow {
            mut feed,
            queries,
            mut cuts,
        } = Dataflow::start(config).unwrap();
        let mut plan = Some(plan);
        let mut events = |packed: &[u8], lines| {
            let work = Work::Packed {
                packed: Bytes::copy_from_slice(packed),
                origin: Arc::new(Lines(lines)),
                owner: Owner::default(),
            };
            let input = EpochInput {
                plan: plan.take(),
                work: vec![work],
                ..EpochInput::default()
            };
            assert!(feed.submit(input, ()));
            cuts.next_cut().map(|(cut, ())| cut.events)
        };
        assert_eq!(events(&packed, Err("nobody wants them")), Some(1));
        assert_eq!(events(cut, Ok(LINES)), Some(1));
        assert_eq!(events(cut, Err("gone")), None);
        drop((feed, queries));
        drop(cuts);
    }
}
