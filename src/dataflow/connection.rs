//! A BOSS connection: how long it is held without being given back (domain facts H21, H22).
//!
//! A hold runs from the last activity (`acquired` or `active`) to the next activity or the release. Its
//! length is stated at the end of every pane in which it still runs, and once more where it ends
//! (`boss_connection`). How much of each pane the connection was held is stated beside it, weighted by the
//! time that it was (`boss_occupancy`): what is held for long is not outvoted by what is held for moments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::entity::{EntityFact, Room, View};
use crate::dataflow::subscriber::HoldDetail;
use crate::dataflow::update::HoldTold;
use crate::dataflow::{Counters, pane_of};
use crate::event::{Borrowed, BossConnection, ConnectionState, Stream};

/// Shorter holds are told to nobody by name, ms. Judgement: a query takes seconds.
const TOLD_MS_MIN: i64 = 10_000;

/// One connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Holding {
    host: Arc<str>,
    interface: Arc<str>,
    connection: Arc<str>,
    changes: BTreeSet<(i64, ConnectionState, Option<Arc<str>>)>,
    /// Where changes begin that are not forgotten, ms.
    known_from_ms: i64,
}

/// One hold: from an activity to what followed it.
#[derive(Clone, Copy, Debug)]
struct Hold<'a> {
    from_ms: i64,
    client: &'a Option<Arc<str>>,
    /// When it ended, and how, as far as is known.
    end: Option<(i64, ConnectionState)>,
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
    /// A connection of which nothing is known yet.
    pub(super) fn new(host: Arc<str>, interface: Arc<str>, connection: Arc<str>) -> Holding {
        Holding {
            host,
            interface,
            connection,
            changes: BTreeSet::new(),
            known_from_ms: i64::MIN,
        }
    }

    /// It changed hands. Beyond the bound the oldest change goes, and its facts stand.
    pub(super) fn changed(&mut self, event: &BossConnection, room: Room<'_>) {
        let is_new = self
            .changes
            .insert((event.ts_ms, event.state, event.client.clone()));
        if is_new && self.changes.len() > room.limits.connection_changes_max {
            self.changes.pop_first();
            Counters::add(&room.counters.changes_gone, 1);
            let first = self.changes.first();
            self.known_from_ms = first.map_or(i64::MIN, |(ts_ms, ..)| *ts_ms);
        }
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        self.changes.last().map_or(i64::MIN, |(ts_ms, ..)| *ts_ms)
    }

    /// How many records are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Its holds, the earliest first.
    fn holds(&self) -> impl DoubleEndedIterator<Item = Hold<'_>> {
        let following = self.changes.iter().skip(1).map(Some).chain([None]);
        let pairs: Vec<_> = self.changes.iter().zip(following).collect();
        pairs.into_iter().filter_map(|(change, next)| {
            let (from_ms, state, client) = change;
            (*state != ConnectionState::Released).then_some(Hold {
                from_ms: *from_ms,
                client,
                end: next.map(|(ts_ms, state, _)| (*ts_ms, *state)),
            })
        })
    }

    /// Its facts, as far as event time and retention reach.
    pub(super) fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) {
        let pane_ms = view.plan.book.pane_ms;
        let (now_ms, horizon_ms) = self.reach(view);
        let first_pane_ms = pane_of(horizon_ms, pane_ms);
        // By pane and client: how long it was held, ms, and the longest hold that went on by an activity, with
        // its end.
        let mut held: BTreeMap<Piece<'_>, i64> = BTreeMap::new();
        let mut renewed: BTreeMap<Piece<'_>, (i64, i64)> = BTreeMap::new();
        for hold in self.holds() {
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
            match end {
                Some((end_ms, ConnectionState::Released)) => {
                    let hold_ms = end_ms - from_ms;
                    facts.push(self.length(view, end_ms, hold_ms, (client, "released")));
                }
                Some((end_ms, _)) => {
                    let longest = renewed
                        .entry((pane_of(end_ms, pane_ms), client))
                        .or_default();
                    *longest = (*longest).max((end_ms - from_ms, end_ms));
                }
                None => {}
            }
        }
        for ((_, client), (hold_ms, end_ms)) in renewed {
            facts.push(self.length(view, end_ms, hold_ms, (client, "active")));
        }
        for ((start_ms, client), held_ms) in held {
            facts.push(self.occupancy(view, start_ms, held_ms, client));
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

    /// Facts in panes before this stand as they were stated, ms: they have left the retention, or what they follow
    /// from is forgotten.
    pub(super) fn stands_before(&self, view: View<'_>) -> i64 {
        let pane_ms = view.plan.book.pane_ms;
        let (_, horizon_ms) = self.reach(view);
        let known_ms = match self.known_from_ms {
            i64::MIN => i64::MIN,
            from_ms => pane_of(from_ms, pane_ms) + pane_ms,
        };
        pane_of(horizon_ms, pane_ms).max(known_ms)
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

    /// Its last hold, to be named by the engine, unless it was a short one.
    pub(super) fn told(&self, view: View<'_>) -> Option<HoldTold> {
        let now_ms = view.watermarks.clock(Stream::BossConnection);
        let hold = self.holds().next_back()?;
        let until_ms = hold.end.map_or(now_ms, |(end_ms, _)| end_ms);
        let is_long = until_ms.saturating_sub(hold.from_ms) >= TOLD_MS_MIN;
        is_long.then(|| HoldTold {
            host: self.host.to_string(),
            interface: self.interface.to_string(),
            connection: self.connection.to_string(),
            client: hold.client.as_deref().map(str::to_owned),
            since_ms: hold.from_ms,
            until_ms,
            is_over: hold.end.is_some(),
        })
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
            _ => Borrowed::Null,
        }
    }
}
