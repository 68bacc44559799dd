//! Webhooks: what is decided, told to other systems over HTTP, under the same ledger as mails.
//!
//! Invariants:
//! * a delivery's identity is (what, revision, webhook): a replay finds it in the ledger, and its receiver can
//!   tell a second copy by `Idempotency-Key`;
//! * what is told of one trigger or incident arrives in order;
//! * the body that an attempt sent is the body that every later attempt sends, with the same signature.

mod body;
mod client;
mod config;

pub use client::{Hooks, HooksError};
pub use config::{HookConfig, HookEvent};

/// What recipients in the ledger begin with that are webhooks.
const RECIPIENT: &str = "webhook:";
