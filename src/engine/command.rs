//! What operators can tell the engine. Commands are journaled before they are carried out.

use serde::{Deserialize, Serialize};

use crate::alerting::Trouble;
use crate::triggers::{MoveError, Refusal, Trigger, TriggerState};

/// An operator's command, as journaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Move a trigger.
    MoveTrigger {
        /// The trigger.
        id: String,
        /// State that it shall have.
        to: TriggerState,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Which of the two, for `not_optimised`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<Refusal>,
        /// Review date, for `not_optimised`, ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        review_at_ms: Option<i64>,
        /// Remedy of the knowledge base, for `mended`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
    },
    /// Hand a trigger over to another desk.
    HandOver {
        /// The trigger.
        id: String,
        /// Department that it goes to.
        department: String,
        /// Role there; the department's first without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        /// Why.
        reason: String,
    },
    /// Hold the reminders of a trigger back for a while.
    Acknowledge {
        /// The trigger.
        id: String,
    },
    /// Somebody reads what is known of subscribers: for the audit, and nothing else.
    NoteReading {
        /// `affected` or `messages`.
        reading: String,
        /// The trigger, or the number with its middle masked.
        of: String,
        /// Whether the answer shows no numbers.
        masked: bool,
    },
    /// The engine's own word on its room: a trouble is there, or is over. Not an operator's.
    NoteTrouble {
        /// Which.
        trouble: Trouble,
        /// Whether it is there.
        is_there: bool,
        /// How much there is of what its limit bounds.
        held: u64,
        /// The address that most of it comes from, where it comes from outside.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<String>,
    },
    /// Do something by a link of a mail, which acts once.
    ByLink {
        /// Revision of the trigger's news that the link came with.
        revision: u32,
        /// What to do.
        act: Box<Command>,
    },
}

impl Command {
    /// The trigger that it does something to.
    pub fn trigger(&self) -> Option<&str> {
        match self {
            Command::MoveTrigger { id, .. }
            | Command::HandOver { id, .. }
            | Command::Acknowledge { id } => Some(id),
            Command::ByLink { act, .. } => act.trigger(),
            Command::NoteReading { .. } | Command::NoteTrouble { .. } => None,
        }
    }

    /// The state that it asks for; none where it moves nothing by the flow.
    pub fn moves_to(&self) -> Option<TriggerState> {
        match self {
            Command::MoveTrigger { to, .. } => Some(*to),
            Command::ByLink { act, .. } => act.moves_to(),
            Command::HandOver { .. }
            | Command::Acknowledge { .. }
            | Command::NoteReading { .. }
            | Command::NoteTrouble { .. } => None,
        }
    }
}

/// A command with who gave it, when, and where it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournaledCommand {
    /// Position in the journal.
    pub position: u64,
    /// When it was taken, ms.
    pub at_ms: i64,
    /// Who gave it.
    pub actor: String,
    /// The command.
    pub command: Command,
}

/// What came of a command: the trigger as it is now, where it did something to one.
pub type CommandResult = Result<Option<Trigger>, MoveError>;
