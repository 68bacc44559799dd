//! The HTTP side: routes, JSON views, the OpenAPI document, errors as JSON. Reads the engine's
//! snapshot, asks the workers about windows, journals commands.
//!
//! Not here: judging event lines (`ingest`), what the page at `/` looks like (`console`), what is
//! scraped (`metrics`). Nothing here decides; a move of a trigger is decided by the engine, from the
//! journal.

mod access;
mod answers;
mod current;
mod deliveries;
mod drill;
mod health;
mod loading;
mod stamps;
mod standing;
mod state;

mod clock;
mod early;
mod error;
mod extract;
mod inlet;
mod openapi;
mod router;
mod routes;
mod unread;
pub mod views;
mod waiting;

pub(crate) use access::Caller;
pub use access::{Access, Grant, Role, TOKEN_CHARS_MIN, sha256};
pub use answers::Answers;
pub(crate) use clock::{ago, iso};
pub use current::{Current, GroupNow, KqiNow, WindowNow};
pub use deliveries::Deliveries;
pub use early::early;
pub(crate) use error::ApiError;
pub(crate) use extract::ApiPath;
pub use health::{CheckpointNow, Health, HealthNow, Lifecycle};
pub use inlet::Inlet;
pub use loading::{Loading, LoadingNow, Step};
pub use router::router;
pub(crate) use router::{Server, now_ms};
pub use standing::Standing;
pub(crate) use standing::badness;
pub use state::{HttpConfig, ReadAccess, Reload, ReloadProblems, ReloadReport, ServerState};
pub(crate) use views::words::{layer_name, number_text, severity_name, unit_text};
pub use waiting::{Stage, waiting};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
