//! The table of moves: every state, what may follow, and who may make it follow.
//!
//! Invariants:
//! * a state changes only by a line of the table, so nothing is closed without feedback: the only lines
//!   that lead to `closed` begin at `feedback_given` and `effect_measured`;
//! * nobody closes by hand: a mend is closed by its measured effect, whatever its department thinks of it;
//! * `reopened` goes back to `analysed`, not to `dispatched`: that a remedy had no effect means that the
//!   analysis was wrong, so cause and owner are looked at again before anybody is asked again.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// State of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerState {
    /// An alert fired.
    Detected,
    /// Its cause has a name (优化信息分类).
    Classified,
    /// It is known who could mend it, and how (优化需求分析).
    Analysed,
    /// The data department's lead agreed (领导审核).
    Reviewed,
    /// It asks a department (传递).
    Dispatched,
    /// The department took it.
    Accepted,
    /// Work goes on.
    InProgress,
    /// The department says that it is mended.
    #[serde(alias = "done")]
    Mended,
    /// Will not be mended: technically infeasible or uneconomic.
    NotOptimised,
    /// The front line knows what to tell customers.
    FeedbackGiven,
    /// The data say whether it helped.
    EffectMeasured,
    /// Over.
    Closed,
    /// It did not help, or came back: the analysis begins again.
    Reopened,
}

/// Who may make a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Anybody who may command.
    Anyone,
    /// The engine alone.
    Engine,
    /// A hand-over to another department.
    HandOver,
}

use TriggerState::{
    Accepted, Analysed, Classified, Closed, Detected, Dispatched, EffectMeasured, FeedbackGiven,
    InProgress, Mended, NotOptimised, Reopened, Reviewed,
};

/// Every legal move.
pub(super) const TABLE: &[(TriggerState, TriggerState, By)] = &[
    (Detected, Classified, By::Anyone),
    (Classified, Analysed, By::Anyone),
    (Analysed, Reviewed, By::Anyone),
    (Analysed, Dispatched, By::Anyone),
    (Analysed, NotOptimised, By::Anyone),
    (Reviewed, Dispatched, By::Anyone),
    (Reviewed, Analysed, By::Anyone),
    (Reviewed, NotOptimised, By::Anyone),
    (Dispatched, Accepted, By::Anyone),
    (Dispatched, NotOptimised, By::Anyone),
    (Accepted, InProgress, By::Anyone),
    (Accepted, NotOptimised, By::Anyone),
    (InProgress, Mended, By::Anyone),
    (InProgress, NotOptimised, By::Anyone),
    (Mended, FeedbackGiven, By::Anyone),
    (NotOptimised, FeedbackGiven, By::Anyone),
    // A refusal or a part of a wider trigger is over with its feedback, by the engine's hand; what was mended is closed by
    // what the data say of it alone.
    (FeedbackGiven, Closed, By::Engine),
    (FeedbackGiven, Reopened, By::Anyone),
    (FeedbackGiven, EffectMeasured, By::Engine),
    (EffectMeasured, Closed, By::Engine),
    (EffectMeasured, Reopened, By::Engine),
    // Late data took the proof away that had closed it.
    (Closed, Reopened, By::Engine),
    (Reopened, Analysed, By::Anyone),
    // Another department must accept it anew.
    (Dispatched, Dispatched, By::HandOver),
    (Accepted, Dispatched, By::HandOver),
    (InProgress, Dispatched, By::HandOver),
    // And where what goes to it is reviewed, the lead comes before that.
    (Dispatched, Analysed, By::HandOver),
    (Accepted, Analysed, By::HandOver),
    (InProgress, Analysed, By::HandOver),
    // Absorbed by the trigger of a wider place: the feedback is that trigger's.
    (Detected, FeedbackGiven, By::Engine),
    (Classified, FeedbackGiven, By::Engine),
    (Analysed, FeedbackGiven, By::Engine),
    (Reviewed, FeedbackGiven, By::Engine),
    (Dispatched, FeedbackGiven, By::Engine),
    (Accepted, FeedbackGiven, By::Engine),
    (InProgress, FeedbackGiven, By::Engine),
    (Reopened, FeedbackGiven, By::Engine),
];

impl TriggerState {
    /// Every state, in the order of the flow.
    pub const ALL: [TriggerState; 13] = [
        Detected,
        Classified,
        Analysed,
        Reviewed,
        Dispatched,
        Accepted,
        InProgress,
        Mended,
        NotOptimised,
        FeedbackGiven,
        EffectMeasured,
        Closed,
        Reopened,
    ];

    /// The name in the API and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Detected => "detected",
            Classified => "classified",
            Analysed => "analysed",
            Reviewed => "reviewed",
            Dispatched => "dispatched",
            Accepted => "accepted",
            InProgress => "in_progress",
            Mended => "mended",
            NotOptimised => "not_optimised",
            FeedbackGiven => "feedback_given",
            EffectMeasured => "effect_measured",
            Closed => "closed",
            Reopened => "reopened",
        }
    }

    /// Finds a state by its name; `done` is the earlier word for `mended`.
    pub fn from_name(name: &str) -> Option<TriggerState> {
        if name == "done" {
            return Some(Mended);
        }
        TriggerState::ALL
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// States that people can make follow.
    pub fn next(self) -> Vec<TriggerState> {
        let by_people = TABLE
            .iter()
            .filter(|(from, _, by)| *from == self && *by == By::Anyone);
        by_people.map(|(_, to, _)| *to).collect()
    }

    /// Whether the table has this move for somebody.
    pub(super) fn may_become(self, to: TriggerState, by: By) -> bool {
        TABLE.iter().any(|line| {
            let who = line.2 == by || (by == By::Engine && line.2 == By::Anyone);
            line.0 == self && line.1 == to && who
        })
    }

    /// Whether nothing can follow by anybody's hand.
    pub const fn is_final(self) -> bool {
        matches!(self, Closed)
    }

    /// Whether no department has taken it yet: what lists call `open`.
    pub const fn is_before_accepted(self) -> bool {
        matches!(
            self,
            Detected | Classified | Analysed | Reviewed | Dispatched | Reopened
        )
    }

    /// Whether a department still has to do something.
    pub const fn is_unanswered(self) -> bool {
        self.is_before_accepted() || matches!(self, Accepted | InProgress)
    }
}

/// Why something is not optimised (domain fact H25).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// 技术不可行.
    TechnicallyInfeasible,
    /// 不经济.
    Uneconomic,
}

impl Refusal {
    /// Both.
    pub const ALL: [Refusal; 2] = [Refusal::TechnicallyInfeasible, Refusal::Uneconomic];

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::TechnicallyInfeasible => "technically_infeasible",
            Refusal::Uneconomic => "uneconomic",
        }
    }

    /// Finds one by its name.
    pub fn from_name(name: &str) -> Option<Refusal> {
        Refusal::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Why a command is refused.
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
    #[error("trigger {id} cannot become {to} without a reason")]
    ReasonMissing {
        /// The trigger.
        id: String,
        /// The state asked for.
        to: String,
    },
    /// `not_optimised` without its kind.
    #[error(
        "trigger {id} cannot become not_optimised without saying whether it is technically_infeasible or uneconomic"
    )]
    KindMissing {
        /// The trigger.
        id: String,
    },
    /// The link that it was asked by is over.
    #[error("the link is over: trigger {id} is {state} since it was sent")]
    LinkOver {
        /// The trigger.
        id: String,
        /// Its state.
        state: String,
    },
    /// What it would add to the history is no move, and that is long enough.
    #[error(
        "trigger {id} has {steps} steps in its history, which is enough (limits.trigger_moves_max): it is moved and handed over as \
         before, and who has acknowledged it may do so again, but it takes no acknowledgement of anybody else"
    )]
    HistoryFull {
        /// The trigger.
        id: String,
        /// What its history has.
        steps: usize,
    },
    /// Something is asked of a trigger that no department works on.
    #[error("trigger {id} is {state}: {wanted}")]
    NotAtWork {
        /// The trigger.
        id: String,
        /// Its state.
        state: String,
        /// What would be needed.
        wanted: String,
    },
    /// The desk that it shall go to does not exist.
    #[error("there is no {}", desk(department, role))]
    UnknownDesk {
        /// Department.
        department: String,
        /// Role.
        role: String,
    },
    /// The remedy is not one of the knowledge base's for the cause.
    #[error("the knowledge base has no remedy {remedy:?} for {cause:?}, it has {known}")]
    UnknownRemedy {
        /// Remedy given.
        remedy: String,
        /// Cause.
        cause: String,
        /// Those that there are, or "none".
        known: String,
    },
}

/// A desk that does not exist, as messages name it.
fn desk(department: &str, role: &str) -> String {
    if role.is_empty() {
        format!("department {department:?} with a role")
    } else {
        format!("role {role:?} in department {department:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_closed_without_feedback() {
        for (from, to, _) in TABLE {
            if *to == Closed {
                assert!(matches!(from, FeedbackGiven | EffectMeasured));
            }
            if *to == EffectMeasured {
                assert_eq!(*from, FeedbackGiven);
            }
        }
    }

    #[test]
    fn every_state_is_reached_and_all_but_the_last_are_left() {
        for state in TriggerState::ALL {
            assert!(state == Detected || TABLE.iter().any(|line| line.1 == state));
            let by_hand = |line: &&(TriggerState, TriggerState, By)| line.2 != By::Engine;
            let mut by_hands = TABLE.iter().filter(by_hand);
            let is_left = by_hands.any(|line| line.0 == state) || state == EffectMeasured;
            assert_eq!(state.is_final(), !is_left);
            assert_eq!(TriggerState::from_name(state.name()), Some(state));
        }
        assert_eq!(TriggerState::from_name("done"), Some(Mended));
        assert_eq!(TriggerState::from_name("open"), None);
    }

    #[test]
    fn words_of_earlier_journals_are_read() {
        let read = |text: &str| serde_json::from_str::<TriggerState>(text).unwrap();
        assert_eq!(read("\"done\""), Mended);
        assert_eq!(serde_json::to_string(&Mended).unwrap(), "\"mended\"");
    }
}
