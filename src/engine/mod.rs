//! The engine: owns what is derived from cuts and commands, and decides. Pure: no clock, no IO, no
//! randomness; the same cuts and commands give the same effects, on any machine, for ever.

mod command;
mod snapshot;

mod step;

mod annotations;
mod appointments;
mod asking;
mod blind_spots;
mod complaints;
mod correct;
mod course;
mod crossing;
mod demand;
mod effects;
mod ended;
mod episodes;
mod holders;
mod incident;
mod indicators;
mod instance;
mod limits;
mod overflow;
mod past;
mod process;
mod red;
mod replan;
mod reporting;
mod save;
mod show;
mod silence;
mod still_red;
mod tell;
mod trouble;
mod unalerted;
mod values;
mod watchlist;
mod withdraw;

#[cfg(test)]
mod tests;

pub use annotations::Annotations;
pub use command::{Command, CommandResult, JournaledCommand};
pub use crossing::Crossed;
pub use limits::{Bound, EngineLimits};
pub use process::ProcessValue;
pub use reporting::Reports;
pub use save::{EngineState, SaveError};
pub use snapshot::Snapshot;
pub use step::{Effect, Engine};
