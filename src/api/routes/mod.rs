//! One file a subject: parse the question, read or ask, convert to a view.

#![expect(
    unused_qualifications,
    reason = "utoipa writes `params(Query)` with a qualified name"
)]

pub(super) mod actions;
pub(super) mod alerts;
pub(super) mod asking;
pub(super) mod complaints;
pub(super) mod connections;
pub(super) mod crossings;
pub(super) mod events;
pub(super) mod frontline;
pub(super) mod full_file;
pub(super) mod health;
pub(super) mod history;
pub(super) mod kqis;
pub(super) mod machine;
pub(super) mod mm7;
mod neighbours;
pub(super) mod notices;
pub(super) mod reports;
pub(super) mod rules;
pub(super) mod status;
pub(super) mod subscribers;
pub(super) mod tickets;
pub(super) mod trees;
pub(super) mod triggers;
pub(super) mod windows;
