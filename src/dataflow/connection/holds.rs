//! The holds of a connection, and what they state of panes. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dataflow::connection::Holding;
use crate::dataflow::entity::{EntityFact, View};
use crate::dataflow::pane_of;
use crate::event::{Borrowed, ConnectionState, Stream};

/// One hold: from an activity to what followed it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold<'a> {
    pub(super) from_ms: i64,
    pub(super) client: &'a Option<Arc<str>>,
    /// When it ended, and how, as far as is known.
    pub(super) end: Option<(i64, ConnectionState)>,
}

/// A pane, by its start, ms, and who held a connection in it.
type Piece<'a> = (i64, &'a Option<Arc<str>>);

impl Hold<'_> {
    /// Up to when it is known to have run, ms, as of event time.
    fn until_ms(&self, now_ms: i64) -> i64 {
        self.end.map_or(now_ms, |(end_ms, _)| now_ms.min(end_ms))
    }
}

impl Holding {
    /// The last one.
    pub(super) fn last_hold(&self) -> Option<Hold<'_>> {
        let mut changes = self.changes.iter();
        let at = changes.rposition(|change| change.state != ConnectionState::Released)?;
        self.hold_at(at)
    }

    /// The hold that a change begins.
    fn hold_at(&self, at: usize) -> Option<Hold<'_>> {
        let change = self.changes.get(at)?;
        if change.state == ConnectionState::Released {
            return None;
        }
        let next = self.changes.get(at + 1);
        Some(Hold {
            from_ms: change.ts_ms,
            client: change.holder(),
            end: next.map(|next| (next.ts_ms, next.state)),
        })
    }

    /// Those that do not end before that time, the earliest first.
    fn holds_from(&self, from_ms: i64) -> impl Iterator<Item = Hold<'_>> {
        let ends_at = self
            .changes
            .partition_point(|change| change.ts_ms < from_ms);
        let holds = ends_at.saturating_sub(1)..self.changes.len();
        holds.filter_map(|at| self.hold_at(at))
    }

    /// Its facts as far as event time reaches, in panes that start at `from_ms` or later.
    pub(super) fn facts(
        &self,
        view: View<'_>,
        now_ms: i64,
        from_ms: i64,
        facts: &mut Vec<EntityFact>,
    ) {
        let pane_ms = view.plan.book.pane_ms;
        let first_pane_ms = from_ms;
        // By pane and client: how long it was held, ms, and the longest hold that went on by an activity, with
        // its end.
        let mut held: BTreeMap<Piece<'_>, i64> = BTreeMap::new();
        let mut renewed: BTreeMap<Piece<'_>, (i64, i64)> = BTreeMap::new();
        for hold in self.holds_from(first_pane_ms) {
            let Hold {
                from_ms,
                client,
                end,
            } = hold;
            let until_ms = hold.until_ms(now_ms);
            // What runs is counted by whole panes, when they end: it is looked at again then, and not before.
            let over_ms = pane_of(now_ms.max(from_ms), pane_ms);
            let counted_ms = end.map_or(over_ms, |(end_ms, _)| end_ms);
            let mut start_ms = pane_of(from_ms, pane_ms).max(first_pane_ms);
            while start_ms < until_ms.max(counted_ms) {
                let end_ms = start_ms + pane_ms;
                let inside_ms = counted_ms.min(end_ms) - from_ms.max(start_ms);
                if inside_ms > 0 {
                    *held.entry((start_ms, client)).or_default() += inside_ms;
                }
                // A pane's end counts while the hold still runs there.
                if end_ms <= until_ms && end.is_none_or(|(ended_ms, _)| end_ms < ended_ms) {
                    facts.push(self.length(view, end_ms - 1, end_ms - from_ms, (client, "held")));
                }
                start_ms = end_ms;
            }
            let Some((end_ms, state)) = end else { continue };
            let end_pane_ms = pane_of(end_ms, pane_ms);
            if end_pane_ms < first_pane_ms {
                continue;
            }
            let hold_ms = end_ms - from_ms;
            if state == ConnectionState::Released {
                facts.push(self.length(view, end_ms, hold_ms, (client, "released")));
            } else {
                let longest = renewed.entry((end_pane_ms, client)).or_default();
                *longest = (*longest).max((hold_ms, end_ms));
            }
        }
        for ((_, client), (hold_ms, end_ms)) in renewed {
            facts.push(self.length(view, end_ms, hold_ms, (client, "active")));
        }
        for ((start_ms, client), held_ms) in held {
            facts.push(self.occupancy(view, start_ms, held_ms, client));
        }
    }

    /// How long it is held.
    fn length(
        &self,
        view: View<'_>,
        ts_ms: i64,
        hold_ms: i64,
        (client, state): (&Option<Arc<str>>, &str),
    ) -> EntityFact {
        let value = Some(hold_ms as f64);
        view.fact(Stream::BossConnection, ts_ms, value, |name| match name {
            "state" => Borrowed::Text(state),
            name => self.dimension(client, name),
        })
    }

    /// How much of a pane it is held: as many facts as milliseconds.
    fn occupancy(
        &self,
        view: View<'_>,
        start_ms: i64,
        held_ms: i64,
        client: &Option<Arc<str>>,
    ) -> EntityFact {
        let share = held_ms as f64 / view.plan.book.pane_ms as f64;
        view.facts(
            Stream::BossOccupancy,
            (start_ms, held_ms),
            Some(share),
            |name| self.dimension(client, name),
        )
    }

    fn dimension<'a>(&'a self, client: &'a Option<Arc<str>>, name: &str) -> Borrowed<'a> {
        match name {
            "host" => Borrowed::Text(&self.host),
            "interface" => Borrowed::Text(&self.interface),
            "connection" => Borrowed::Text(&self.connection),
            "client" => client.as_deref().into(),
            "source" => self.told_by.as_ref().map(|(_, source)| &**source).into(),
            _ => Borrowed::Null,
        }
    }
}
