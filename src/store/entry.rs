//! The ledger's values: what goes in, what comes out, and what can go wrong. No SQL.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The reason of a row that is a digest: one mail that tells many notices of one recipient.
pub const DIGEST: &str = "digest";

/// The reason of a row that is a group: one mail that tells one reader what one decision made of several triggers. It is
/// recorded with its notices, before them.
pub const DEMANDS: &str = "demands";

/// The reason of a row that is a report, and no notice: it is told by a mail of its own, whatever else waits.
pub const REPORT: &str = "report";

/// The reason of a row that goes to a webhook: its notice is the body as it is posted.
pub const WEBHOOK: &str = "webhook";

/// A notice to be told: the ledger keeps it and does not look inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Deterministic identity of (incident, revision, recipient).
    pub id: String,
    /// Incident that it tells of.
    pub incident: String,
    /// Number within the incident, from 1.
    pub revision: u32,
    /// Why it is told, by its name in metrics.
    pub reason: String,
    /// Mail address.
    pub recipient: String,
    /// What comes first where not all can be sent at once: higher is more urgent.
    pub urgency: u8,
    /// Message-ID, without angle brackets.
    pub message_id: String,
    /// The notice itself, of which a message will be made when it is due.
    pub notice: Vec<u8>,
    /// When it was decided, by the journal's clock, ms.
    pub decided_at_ms: i64,
    /// See [`Entry::id`]: of the group that tells it, if it is decided to have no mail of its own.
    pub digest: Option<String>,
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waits for its time.
    Queued,
    /// Handed to the mailer; the answer is not known yet.
    Sending,
    /// The mailer took it.
    Sent,
    /// Given up: an operator may send it again.
    Dead,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [DeliveryState; 4] = [
        DeliveryState::Queued,
        DeliveryState::Sending,
        DeliveryState::Sent,
        DeliveryState::Dead,
    ];

    /// The name in the API, metrics and the database.
    pub const fn name(self) -> &'static str {
        match self {
            DeliveryState::Queued => "queued",
            DeliveryState::Sending => "sending",
            DeliveryState::Sent => "sent",
            DeliveryState::Dead => "dead",
        }
    }

    /// Finds a state by its name.
    pub fn from_name(name: &str) -> Option<DeliveryState> {
        DeliveryState::ALL
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// What [`super::Ledger::record`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Notices that are now to be sent.
    pub new: u64,
    /// Notices that were there already; they are not sent a second time.
    pub known: u64,
}

/// A notice whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// See [`Entry::id`].
    pub id: String,
    /// See [`Entry::incident`].
    pub incident: String,
    /// See [`Entry::reason`].
    pub reason: String,
    /// See [`Entry::recipient`].
    pub recipient: String,
    /// See [`Entry::urgency`].
    pub urgency: u8,
    /// See [`Entry::message_id`].
    pub message_id: String,
    /// See [`Entry::notice`]; empty for a digest and for a group.
    pub notice: Vec<u8>,
    /// The message as it goes on the wire, once an attempt was made.
    pub eml: Option<Vec<u8>>,
    /// Attempts made so far.
    pub attempts: u32,
}

/// An attempt that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// See [`Entry::id`].
    pub id: &'a str,
    /// Subject and message, where they were made for this attempt. A message that the ledger has
    /// already stays.
    pub message: Option<(&'a str, &'a [u8])>,
}

/// What waits for a recipient and is to be told by one mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold<'a> {
    /// Identity of the digest, should a new one be made.
    pub id: &'a str,
    /// Its Message-ID.
    pub message_id: &'a str,
    /// See [`Entry::recipient`]; in letters of either case.
    pub recipient: &'a str,
    /// The most urgent that are folded.
    pub urgency_max: u8,
    /// Notices that may be sent now, ms.
    pub now_ms: i64,
    /// When a new digest is due, ms.
    pub until_ms: i64,
}

/// The notices that a digest or a group tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// See [`Entry::notice`], the most urgent first, up to a limit.
    pub notices: Vec<Vec<u8>>,
    /// How many there are.
    pub total: u64,
    /// When the newest of all was decided, by the journal's clock, ms.
    pub newest_at_ms: i64,
}

/// What follows from an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Another attempt at this time, ms.
    RetryAt(i64),
    /// No further attempt: a dead letter since this time, ms.
    Dead(i64),
}

/// A row of the ledger as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// See [`Entry::id`].
    pub id: String,
    /// See [`Entry::incident`].
    pub incident: String,
    /// See [`Entry::revision`].
    pub revision: u32,
    /// See [`Entry::reason`].
    pub reason: String,
    /// See [`Entry::recipient`].
    pub recipient: String,
    /// Subject line, once an attempt was made.
    pub subject: Option<String>,
    /// See [`Entry::message_id`].
    pub message_id: String,
    /// How far it has come.
    pub state: DeliveryState,
    /// Attempts made.
    pub attempts: u32,
    /// Earliest time of the next attempt, ms; 0 is at once.
    pub next_attempt_at_ms: i64,
    /// What the last failed attempt said.
    pub last_error: Option<String>,
    /// What that means, by its name in metrics: `transient`, `setup` or `permanent`.
    pub failure: Option<String>,
    /// The digest or group that tells it, if not a mail of its own.
    pub digest: Option<String>,
    /// Who had it sent again last, and when, ms.
    pub resent: Option<(String, i64)>,
    /// When it was decided, by the journal's clock, ms.
    pub decided_at_ms: i64,
    /// When it was sent or given up, by the wall clock, ms.
    pub settled_at_ms: Option<i64>,
}

/// Which rows to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Of this incident.
    pub incident: Option<String>,
    /// Told by this digest or group.
    pub digest: Option<String>,
    /// Most rows.
    pub limit: u32,
    /// Rows to leave out before the first.
    pub offset: u32,
}

/// Which dead letters to send again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetters {
    /// Of this incident.
    pub incident: Option<String>,
    /// To this address, in letters of either case.
    pub recipient: Option<String>,
    /// That failed so: `transient`, `setup` or `permanent`.
    pub failure: Option<String>,
    /// Most mails that they make, the oldest first.
    pub limit: u32,
}

/// What became of a wish to send dead letters again. What is dead is counted as [`Counts::dead`] counts it: a digest is
/// one, and each notice that it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResentAll {
    /// Dead letters that wait for their attempts now.
    pub dead_letters: u64,
    /// The mails that they make: a digest goes as one, with all that it tells.
    pub mails: u64,
    /// Dead letters that the filter still lets through.
    pub left: u64,
}

/// Rows by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Waiting.
    pub queued: u64,
    /// On their way.
    pub sending: u64,
    /// Sent and not yet forgotten.
    pub sent: u64,
    /// Given up.
    pub dead: u64,
}

/// What became of a wish to send a dead letter again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resent {
    /// It waits for its attempts as if it were new.
    Queued,
    /// It was sent again before and is no dead letter now: nothing was done.
    Before(DeliveryState),
    /// It never was a dead letter, so nothing was done.
    NotDead(DeliveryState),
    /// The ledger has no such notice.
    Unknown,
}

/// What a failure of the database means for who meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full.
    Full,
    /// The file is not what was written: trying again finds the same.
    Damaged,
    /// A sync failed. What was written since the one before may be in the system's cache alone, where it is seen and no later
    /// sync writes it; what is recorded behind it would be lost with it when the machine dies.
    Unsynced,
    /// A newer program brought it to a schema of its own.
    Newer,
    /// Anything else.
    Other,
}

impl LedgerError {
    /// What it means.
    pub fn fault(&self) -> Fault {
        match self {
            LedgerError::Open { fault, .. } | LedgerError::Statement { fault, .. } => *fault,
            LedgerError::Damaged { .. } => Fault::Damaged,
            LedgerError::Value { .. } => Fault::Other,
        }
    }

    /// Its disk is full: nothing was done, and the same can be tried again.
    pub fn is_full(&self) -> bool {
        self.fault() == Fault::Full
    }

    /// Whether the process must end: nothing that is tried again will do, and after a sync that failed only a start makes
    /// durable what the file shows.
    pub fn ends_process(&self) -> bool {
        matches!(self.fault(), Fault::Damaged | Fault::Unsynced)
    }
}

/// Why the ledger did not answer.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The file cannot be opened or brought to this program's schema.
    #[error("cannot open ledger {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What that means.
        fault: Fault,
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is not what it was written as.
    #[error("ledger {path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the database said.
        what: String,
    },
    /// A statement failed.
    #[error("ledger cannot {action}")]
    Statement {
        /// What was being done, as a verb.
        action: &'static str,
        /// What its failure means.
        fault: Fault,
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An epoch or a count that the database cannot hold, or a value in it that we did not write.
    #[error("ledger has no place for {what} \"{value}\"")]
    Value {
        /// What it is.
        what: &'static str,
        /// The value.
        value: String,
    },
}
