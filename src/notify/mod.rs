//! Tells people: notices become mails, mails go out, and the ledger knows which.
//!
//! What is told, to whom and why is decided elsewhere (`alerting`); nothing here decides. `render`
//! makes texts and a chart of a notice, `email` a message of those, `backend` hands messages to SMTP or
//! a folder. `service` only writes notices down, for the engine waits for it; `delivery` makes each into
//! a message when it is due, and keeps at it until it is sent or given up.

mod config;
mod counters;
mod grouping;
mod identity;

mod email;
mod render;

mod hooks;

mod backend;
mod composing;
mod delivery;
mod minute;
mod service;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use backend::{DeliveryError, Failure, Mail, Mailer, MailerError, Memory};
pub use config::{MailConfig, Security, SmtpConfig};
pub use counters::NotifyCounts;
pub use email::{Composer, EmailError, Message};
pub use hooks::{HookConfig, HookEvent, Hooks, HooksError};
pub use service::{Clock, Clocks, Notifier, NotifyError, Told};
