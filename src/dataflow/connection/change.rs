//! A change of hand of a connection, and who holds it from then on.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{BossConnection, ConnectionState};

/// One change. Two are the same when they say the same: who is found to hold the connection is no part of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Change {
    /// When it happened, ms.
    pub(super) ts_ms: i64,
    /// What happened.
    pub(super) state: ConnectionState,
    /// It says who.
    is_said: bool,
    /// Who it says; of an activity that does not say it, who held the connection before.
    who: Option<Arc<str>>,
}

impl Change {
    /// What a record says.
    pub(super) fn of(event: &BossConnection) -> Change {
        Change {
            ts_ms: event.ts_ms,
            state: event.state,
            is_said: event.client.is_some(),
            who: event.client.clone(),
        }
    }

    /// Who holds it from then on, where somebody does.
    pub(super) fn holder(&self) -> &Option<Arc<str>> {
        match self.state {
            ConnectionState::Acquired | ConnectionState::Active => &self.who,
            ConnectionState::Released => &None,
        }
    }

    /// Lets it follow on another. Who takes it anew and does not say who is, is not whoever had it before.
    pub(super) fn go_on_from(&mut self, before: Option<&Change>) {
        if self.state == ConnectionState::Active && !self.is_said {
            self.who = before.and_then(|before| before.holder().clone());
        }
    }

    fn said(&self) -> (i64, ConnectionState, Option<&str>) {
        let who = self.who.as_deref().filter(|_| self.is_said);
        (self.ts_ms, self.state, who)
    }
}

impl PartialEq for Change {
    fn eq(&self, other: &Change) -> bool {
        self.said() == other.said()
    }
}

impl Eq for Change {}

impl PartialOrd for Change {
    fn partial_cmp(&self, other: &Change) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Change {
    fn cmp(&self, other: &Change) -> Ordering {
        self.said().cmp(&other.said())
    }
}
