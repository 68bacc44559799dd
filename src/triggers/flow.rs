//! One trigger and the moves that it allows.
//!
//! Invariants:
//! * a trigger has a department and a role from the moment it opens;
//! * the history is only ever appended to, and its last entry is the current state; where an entry's
//!   states are the same, the engine only remarks something ("cause withdrawn",
//!   "cause confirmed again");
//! * `not_optimised` has a reason (domain fact H25); `done` and `not_optimised` are final.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::rules::{Layer, Severity, Text};

/// State of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerState {
    /// Waits for the department.
    Open,
    /// The department took it.
    Accepted,
    /// Work goes on.
    InProgress,
    /// Mended.
    Done,
    /// Will not be mended: technically infeasible or uneconomic.
    NotOptimised,
}

impl TriggerState {
    /// Every state.
    pub const ALL: [TriggerState; 5] = [
        TriggerState::Open,
        TriggerState::Accepted,
        TriggerState::InProgress,
        TriggerState::Done,
        TriggerState::NotOptimised,
    ];

    /// The name in the API and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            TriggerState::Open => "open",
            TriggerState::Accepted => "accepted",
            TriggerState::InProgress => "in_progress",
            TriggerState::Done => "done",
            TriggerState::NotOptimised => "not_optimised",
        }
    }

    /// Finds a state by its name.
    pub fn from_name(name: &str) -> Option<TriggerState> {
        TriggerState::ALL
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// States that can follow.
    pub const fn next(self) -> &'static [TriggerState] {
        match self {
            TriggerState::Open => &[TriggerState::Accepted, TriggerState::NotOptimised],
            TriggerState::Accepted => &[TriggerState::InProgress, TriggerState::NotOptimised],
            TriggerState::InProgress => &[TriggerState::Done, TriggerState::NotOptimised],
            TriggerState::Done | TriggerState::NotOptimised => &[],
        }
    }

    /// Whether nothing can follow.
    pub const fn is_final(self) -> bool {
        self.next().is_empty()
    }
}

/// A window that speaks for a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Alert incident that the window belongs to.
    pub incident: String,
    /// Start of the window, ms.
    pub start_ms: i64,
    /// End of the window, ms.
    pub end_ms: i64,
    /// Value, in the trigger's unit.
    pub value: Option<f64>,
    /// Score.
    pub score: Option<f64>,
    /// Samples.
    pub samples: i64,
}

/// One move, kept for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerMove {
    /// State before; `None` for the opening, the state after for a remark of the engine.
    pub from: Option<TriggerState>,
    /// State after.
    pub to: TriggerState,
    /// When, by the journal's clock, ms.
    pub at_ms: i64,
    /// Who.
    pub actor: String,
    /// Why; required for `not_optimised`.
    pub reason: Option<String>,
}

/// An optimization trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// Identifier, for example `T-000017`.
    pub id: String,
    /// KQI that left its interval.
    pub kqi: String,
    /// Its display name.
    pub name: Text,
    /// Service.
    pub service: Option<String>,
    /// Layer that the demand concerns.
    pub layer: Layer,
    /// Label of the object.
    pub group_label: String,
    /// Dimensions of the object.
    pub group: Vec<(String, String)>,
    /// Department that it asks.
    pub department: String,
    /// Display name of the department.
    pub department_name: Text,
    /// Role that it asks.
    pub role: Text,
    /// Severity when it opened, raised with its alert.
    pub severity: Severity,
    /// State.
    pub state: TriggerState,
    /// When it opened, by the journal's clock, ms.
    pub opened_at_ms: i64,
    /// Event time of the window that opened it, ms.
    pub since_ms: i64,
    /// Smallest reasonable value.
    pub limit_min: Option<f64>,
    /// Largest reasonable value.
    pub limit_max: Option<f64>,
    /// Unit of values and limits.
    pub unit: String,
    /// Whether its alert still fires.
    pub alert_firing: bool,
    /// Whether the engine's last word on its cause is that it never was.
    pub cause_withdrawn: bool,
    /// Windows that speak for it, the newest last; bounded.
    pub evidence: Vec<Evidence>,
    /// Complaints counted for the same service and place when it last gained evidence.
    pub complaints: Vec<(Text, i64)>,
    /// Earlier trigger for the same object, when it came back.
    pub recurrence_of: Option<String>,
    /// Every move.
    pub history: Vec<TriggerMove>,
}

/// Why a move is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum MoveError {
    /// There is no such trigger.
    #[error("there is no trigger {id:?}")]
    Unknown {
        /// The identifier given.
        id: String,
    },
    /// The state cannot follow.
    #[error("trigger {id} is {from}, it can become {legal}, not {to}")]
    Illegal {
        /// The trigger.
        id: String,
        /// Its state.
        from: String,
        /// The state asked for.
        to: String,
        /// States that can follow, or "nothing else".
        legal: String,
    },
    /// `not_optimised` without a reason.
    #[error("trigger {id} cannot become not_optimised without a reason")]
    ReasonMissing {
        /// The trigger.
        id: String,
    },
}

impl Trigger {
    /// Moves the trigger, or says why not.
    ///
    /// # Errors
    /// The move is illegal from here, or lacks its reason.
    pub fn advance(
        &mut self,
        to: TriggerState,
        at_ms: i64,
        actor: &str,
        reason: Option<&str>,
    ) -> Result<(), MoveError> {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if !self.state.next().contains(&to) {
            let legal: Vec<&str> = self.state.next().iter().map(|state| state.name()).collect();
            return Err(MoveError::Illegal {
                id: self.id.clone(),
                from: self.state.name().to_owned(),
                to: to.name().to_owned(),
                legal: if legal.is_empty() {
                    "nothing else".to_owned()
                } else {
                    legal.join(" or ")
                },
            });
        }
        if to == TriggerState::NotOptimised && reason.is_none() {
            return Err(MoveError::ReasonMissing {
                id: self.id.clone(),
            });
        }
        self.history.push(TriggerMove {
            from: Some(self.state),
            to,
            at_ms,
            actor: actor.to_owned(),
            reason: reason.map(str::to_owned),
        });
        self.state = to;
        Ok(())
    }
}
