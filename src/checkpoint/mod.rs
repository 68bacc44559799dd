//! Checkpoints: the engine's whole state as of an epoch, so that a start need not read the journal from
//! its beginning. Never the ground truth: that is the journal, and a checkpoint only saves work.
//!
//! * A file is complete or is not there: written beside, synced, renamed, its folder synced.
//! * The newest [`KEPT`] stay; a damaged one is passed over for the one before, loudly.
//! * Nothing readable where there must be something is an error with instructions, never a fresh start.

mod error;
mod file;
mod folder;

#[cfg(test)]
mod tests;

pub use error::CheckpointError;
pub use file::{Head, Section};
pub use folder::{Folder, Found, KEPT, Opened};
