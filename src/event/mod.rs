//! What the engine can be told: the streams, their dimensions, and how lines decode into them.
//!
//! Not here: what any of it means. Filters and groupings are the rule book's, windows the dataflow's.

mod stream;

pub use stream::{DimensionKind, DimensionSpec, Stream};
