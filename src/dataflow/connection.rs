//! A BOSS connection: how long it is held without being given back (domain facts H21, H22).
//!
//! A hold runs from the last activity (`acquired` or `active`) to the next activity or the release. Its
//! length is stated at the end of every pane in which it still runs, and once more where it ends
//! (`boss_connection`). How much of each pane the connection was held is stated beside it, weighted by the
//! time that it was (`boss_occupancy`): what is held for long is not outvoted by what is held for moments.
//!
//! Whose it is, is what the newest change says that says it, back to where it was acquired: who goes on holding it need
//! not say again who took it. A connection is told of by one source, and is of the one that told its newest change.
//!
//! Invariants:
//! * what stands of it is kept nowhere: it is what [`holds`] says of the changes as of the last look, its clock and its plan, in
//!   panes that do not stand for good. So a checkpoint has the changes and that clock, and what is derived of them must stay the same
//!   while the checkpoint's format does;
//! * a look derives the panes whose facts may differ, before and after, and no other: the panes that ended since the last look,
//!   and those from the earliest change that came;
//! * what came is kept apart until that look, which is in the same epoch.

mod change;
mod holds;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::connection::change::Change;
use crate::dataflow::entity::{Look, Room, View};
use crate::dataflow::pane_of;
use crate::dataflow::subscriber::HoldDetail;
use crate::dataflow::update::HoldTold;
use crate::event::{BossConnection, ConnectionState, Stream};
use crate::rules::Plan;

/// Shorter holds are told to nobody by name, ms. Judgement: a query takes seconds.
const TOLD_MS_MIN: i64 = 10_000;

/// A hold has a beginning and an end.
const CHANGES_MIN: usize = 2;

/// One connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Holding {
    host: Arc<str>,
    interface: Arc<str>,
    connection: Arc<str>,
    /// In order, each once, as of the last look.
    changes: VecDeque<Change>,
    /// Who told of its newest change, of those that say who they are, and when that was, ms; as of the last look.
    told_by: Option<(i64, Arc<str>)>,
    /// Where changes begin that are not forgotten, ms.
    known_from_ms: i64,
    /// How far event time was at the last look, ms.
    looked_at_ms: Option<i64>,
    /// What came since the last look and is not among the changes: at most the records of an epoch.
    #[serde(skip)]
    came: BTreeSet<Change>,
    /// Who told of the newest of that, as `told_by`.
    #[serde(skip)]
    tells: Option<(i64, Arc<str>)>,
    /// How many of all changes are forgotten at the next look, the oldest first.
    #[serde(skip)]
    surplus: usize,
}

impl Holding {
    /// A connection of which nothing is known yet.
    pub(super) fn new(host: Arc<str>, interface: Arc<str>, connection: Arc<str>) -> Holding {
        Holding {
            host,
            interface,
            connection,
            changes: VecDeque::new(),
            told_by: None,
            known_from_ms: i64::MIN,
            looked_at_ms: None,
            came: BTreeSet::new(),
            tells: None,
            surplus: 0,
        }
    }

    /// It changed hands. Beyond the bound, and where there is no room for more of anything, the oldest change goes, and
    /// its facts stand. What is older than that is not taken.
    pub(super) fn changed(&mut self, event: &BossConnection, room: Room<'_>) {
        let told_by = event.source.clone().map(|source| (event.ts_ms, source));
        self.tells = self.tells.take().max(told_by);
        let change = Change::of(event);
        let first = self.changes.front();
        if self.known_from_ms != i64::MIN && first.is_some_and(|first| change < *first) {
            // What it would end or go on with is forgotten.
            room.refuse(&room.counters.changes_gone);
            return;
        }
        if self.changes.binary_search(&change).is_ok() || !self.came.insert(change) {
            return;
        }
        let max = match room.stock.has_room() {
            true => room.limits.connection_changes_max,
            false => CHANGES_MIN,
        };
        if self.len() > max {
            self.surplus += 1;
            room.refuse(&room.counters.changes_gone);
        }
    }

    /// Latest event time seen, as of the last look.
    pub(super) fn ts_ms_max(&self) -> i64 {
        self.changes.back().map_or(i64::MIN, |last| last.ts_ms)
    }

    /// How many records are kept.
    pub(super) fn len(&self) -> usize {
        self.changes.len() + self.came.len() - self.surplus
    }

    /// States what follows now, where it may differ from what stands. `was` is the plan of the last look, where another has
    /// come since.
    pub(super) fn look(&mut self, view: View<'_>, was: Option<&Plan>) -> Look {
        let now_ms = view.watermarks.clock(Stream::BossConnection);
        let mut look = Look::default();
        let mut from_ms = i64::MIN;
        if let Some(then_ms) = self.looked_at_ms.replace(now_ms) {
            if was.is_none() && !self.changes_source() {
                from_ms = self.differs_from(view.plan.book.pane_ms, then_ms, now_ms);
            }
            let plan = was.unwrap_or(view.plan);
            let before = View { plan, ..view };
            let open_ms = self.stands_before(plan, then_ms);
            self.facts(before, then_ms, from_ms.max(open_ms), &mut look.before);
        }
        self.take_in();
        // What is not said any more because it has grown old was not wrong.
        let open_ms = self.stands_before(view.plan, now_ms);
        look.before.retain(|fact| fact.at.1 >= open_ms);
        self.facts(view, now_ms, from_ms.max(open_ms), &mut look.after);
        look
    }

    /// Start of the earliest pane whose facts may differ from those of the last look, under the same plan, ms.
    fn differs_from(&self, pane_ms: i64, then_ms: i64, now_ms: i64) -> i64 {
        let known = self.changes.front().into_iter().chain(self.came.first());
        let Some(first_ms) = known.map(|change| change.ts_ms).min() else {
            return i64::MAX;
        };
        // Before there was anything time changes nothing.
        let (then_ms, now_ms) = (then_ms.max(first_ms), now_ms.max(first_ms));
        let mut from_ms = match pane_of(then_ms, pane_ms) == pane_of(now_ms, pane_ms) {
            true => i64::MAX,
            false => pane_of(then_ms.min(now_ms), pane_ms),
        };
        if let Some(first) = self.came.first() {
            // A pane at whose end it happened is not one through which the hold before it runs.
            from_ms = from_ms.min(pane_of(first.ts_ms - 1, pane_ms));
            // The last hold was counted up to the clock, and is up to its end, wherever the clock is.
            if let Some(last) = self.changes.back() {
                from_ms = from_ms.min(pane_of(then_ms.max(last.ts_ms), pane_ms));
            }
        }
        from_ms
    }

    /// Whether all that is stated is another source's from now on.
    fn changes_source(&self) -> bool {
        let [now, then] = [&self.tells, &self.told_by];
        let source = |of: &Option<(i64, Arc<str>)>| of.as_ref().map(|(_, source)| source.clone());
        now > then && source(now) != source(then)
    }

    /// Takes in what came, and forgets what is too much.
    fn take_in(&mut self) {
        self.told_by = self.tells.take().max(self.told_by.take());
        let came = std::mem::take(&mut self.came);
        if let Some(first) = came.first() {
            let at = self.changes.partition_point(|known| known < first);
            let mut tail: Vec<Change> = self.changes.split_off(at).into();
            tail.extend(came);
            // Of two runs that are in order.
            tail.sort();
            for mut change in tail {
                change.go_on_from(self.changes.back());
                self.changes.push_back(change);
            }
        }
        let surplus = std::mem::take(&mut self.surplus);
        if surplus > 0 {
            self.changes.drain(..surplus);
            let first = self.changes.front();
            self.known_from_ms = first.map_or(i64::MIN, |first| first.ts_ms);
        }
    }

    /// A hold that runs is stated again at the next pane's end.
    pub(super) fn wakes_at(&self, view: View<'_>) -> Option<i64> {
        let (first, last) = (self.changes.front()?, self.changes.back()?);
        let now_ms = view.watermarks.clock(Stream::BossConnection);
        if last.state == ConnectionState::Released && last.ts_ms <= now_ms {
            return None;
        }
        let pane_ms = view.plan.book.pane_ms;
        Some(pane_of(now_ms.max(first.ts_ms), pane_ms) + pane_ms)
    }

    /// Facts in panes before this stand as they were stated, ms: they have left the retention, or what they follow
    /// from is forgotten.
    fn stands_before(&self, plan: &Plan, now_ms: i64) -> i64 {
        let pane_ms = plan.book.pane_ms;
        let rule = plan.book.streams.get(&Stream::BossConnection);
        let retention_ms = rule.map_or(0, |rule| rule.retention_ms);
        let horizon_ms = now_ms.max(self.ts_ms_max()).saturating_sub(retention_ms);
        let known_ms = match self.known_from_ms {
            i64::MIN => i64::MIN,
            from_ms => pane_of(from_ms, pane_ms) + pane_ms,
        };
        pane_of(horizon_ms, pane_ms).max(known_ms)
    }

    /// The hold that runs now, if one does.
    pub(super) fn hold(&self, view: View<'_>) -> Option<HoldDetail> {
        let now_ms = view.watermarks.clock(Stream::BossConnection);
        let hold = self.last_hold().filter(|hold| hold.end.is_none())?;
        Some(HoldDetail {
            held_ms: now_ms.saturating_sub(hold.from_ms).max(0),
            since_ms: hold.from_ms,
            host: self.host.clone(),
            interface: self.interface.clone(),
            connection: self.connection.clone(),
            client: hold.client.clone(),
        })
    }

    /// Its last hold, to be named by the engine, unless it was a short one.
    pub(super) fn told(&self, view: View<'_>) -> Option<HoldTold> {
        let now_ms = view.watermarks.clock(Stream::BossConnection);
        let hold = self.last_hold()?;
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
}

#[cfg(test)]
mod tests;
