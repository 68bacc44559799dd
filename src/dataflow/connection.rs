//! A BOSS connection: how long it is held without being given back (domain facts H21, H22).
//!
//! A hold runs from the last activity (`acquired` or `active`) to the release. It is stated at the
//! end of every pane in which it still runs, and once more at the release.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::entity::{EntityFact, View};
use crate::dataflow::pane_of;
use crate::dataflow::subscriber::HoldDetail;
use crate::event::{Borrowed, BossConnection, ConnectionState, Stream};

/// Changes kept of one connection; beyond it the oldest are forgotten, their facts stand.
const CHANGES_MAX: usize = 4096;

/// One connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Holding {
    host: Arc<str>,
    interface: Arc<str>,
    connection: Arc<str>,
    changes: BTreeSet<(i64, ConnectionState, Option<Arc<str>>)>,
}

impl Holding {
    /// A connection of which nothing is known yet.
    pub(super) fn new(host: Arc<str>, interface: Arc<str>, connection: Arc<str>) -> Holding {
        Holding {
            host,
            interface,
            connection,
            changes: BTreeSet::new(),
        }
    }

    /// It changed hands.
    pub(super) fn changed(&mut self, event: &BossConnection) {
        self.changes
            .insert((event.ts_ms, event.state, event.client.clone()));
        if self.changes.len() > CHANGES_MAX {
            self.changes.pop_first();
        }
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        self.changes.last().map_or(i64::MIN, |(ts_ms, ..)| *ts_ms)
    }

    /// Its facts, as far as event time and retention reach.
    pub(super) fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) {
        let pane_ms = view.plan.book.pane_ms;
        let (now_ms, horizon_ms) = self.reach(view);
        let mut following = self.changes.iter().skip(1);
        for (from_ms, state, client) in &self.changes {
            let next = following.next();
            if *state == ConnectionState::Released {
                continue;
            }
            // A pane's end counts while the hold still runs there, as far as event time has come.
            let until_ms = next.map_or(now_ms, |(ts_ms, ..)| now_ms.min(ts_ms - 1));
            let first_ms = (pane_of(*from_ms, pane_ms) + pane_ms)
                .max(pane_of(horizon_ms, pane_ms).saturating_add(pane_ms));
            let mut end_ms = first_ms;
            while end_ms <= until_ms {
                let hold_ms = end_ms - from_ms;
                facts.push(self.fact(view, end_ms - 1, hold_ms, (client, "held")));
                end_ms += pane_ms;
            }
            if let Some((released_ms, ConnectionState::Released, _)) = next {
                let hold_ms = released_ms - from_ms;
                facts.push(self.fact(view, *released_ms, hold_ms, (client, "released")));
            }
        }
    }

    /// A hold that runs is stated again at the next pane's end.
    pub(super) fn wakes_at(&self, view: View<'_>) -> Option<i64> {
        let ((first_ms, ..), (last_ms, state, _)) = (self.changes.first()?, self.changes.last()?);
        let now_ms = view.watermarks.clock(Stream::BossConnection);
        if *state == ConnectionState::Released && *last_ms <= now_ms {
            return None;
        }
        let pane_ms = view.plan.book.pane_ms;
        Some(pane_of(now_ms.max(*first_ms), pane_ms) + pane_ms)
    }

    /// Up to where holds are known to run, and from where they are kept, ms.
    fn reach(&self, view: View<'_>) -> (i64, i64) {
        let rule = view.plan.book.streams.get(&Stream::BossConnection);
        let retention_ms = rule.map_or(0, |rule| rule.retention_ms);
        let now_ms = view.watermarks.clock(Stream::BossConnection);
        (
            now_ms,
            now_ms.max(self.ts_ms_max()).saturating_sub(retention_ms),
        )
    }

    /// The hold that runs now, if one does.
    pub(super) fn hold(&self, view: View<'_>) -> Option<HoldDetail> {
        let now_ms = view.watermarks.clock(Stream::BossConnection);
        let (since_ms, state, client) = self.changes.last()?;
        if *state == ConnectionState::Released {
            return None;
        }
        Some(HoldDetail {
            held_ms: now_ms.saturating_sub(*since_ms).max(0),
            since_ms: *since_ms,
            host: self.host.clone(),
            interface: self.interface.clone(),
            connection: self.connection.clone(),
            client: client.clone(),
        })
    }

    fn fact(
        &self,
        view: View<'_>,
        ts_ms: i64,
        hold_ms: i64,
        (client, state): (&Option<Arc<str>>, &str),
    ) -> EntityFact {
        view.fact(
            Stream::BossConnection,
            ts_ms,
            Some(hold_ms as f64),
            |name| match name {
                "host" => Borrowed::Text(&self.host),
                "interface" => Borrowed::Text(&self.interface),
                "connection" => Borrowed::Text(&self.connection),
                "client" => client.as_deref().into(),
                "state" => Borrowed::Text(state),
                _ => Borrowed::Null,
            },
        )
    }
}
