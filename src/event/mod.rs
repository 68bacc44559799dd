//! What the engine can be told: the streams, their dimensions, and how lines decode into them.
//!
//! Not here: what any of it means. Filters and groupings are the rule book's, windows the dataflow's.
//! A line becomes either a *fact* (linear streams: only its tuple, time and value matter) or a
//! *record* (keyed streams: messages, connections, tickets are folded by key first).

mod batch;
mod decode;
mod failure;
mod numbered;
mod packed;
mod record;
mod refusal;
mod stream;
mod table;
mod value;
mod wire;

pub use batch::{Batch, Fact, SourceId, SourceProgress};
pub use decode::{CLOCK_SKEW_MS_MAX, DecodeLimits, Decoded, Decoder, Parser};
pub use failure::{FAILURE_OTHER, FailureClasses};
pub use packed::{Unpacked, Unpacker, is_packed_under, pack};
pub use record::{
    Annotation, BossConnection, COMPLAINT_CLASSES, Complaint, ConnectionState, DialPart,
    MmsReceipt, MmsSubmit, NOT_IN_FULL_FILE, Reading, Record, TicketState,
};
pub use refusal::{Refusal, RefusalReason};
pub use stream::{
    CITY, CODE, DERIVED, DimensionKind, DimensionSpec, GROUP, INTERNAL, LEVELS, NODE, PROVINCE,
    SOURCE, Stream,
};
pub use table::{Borrowed, TupleTable};
pub use value::{Bound, DimensionValue, Layout, StreamLayout, Tuple};
