//! KQIs that have a limit and no alert: what they say beside complaints.
//!
//! They fire nothing, so their windows are no timeline of episodes. But nobody may be told that everything is normal
//! while one of them is not, nor that it is where nothing could be judged.
//!
//! Invariant: what is known of a KQI is its windows as they read now, as far back as they can be corrected, since it
//! has had no alert and the book has one of complaints. There are as many objects as the dataflow has groups, which are bounded there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alerting::{Beside, Lifecycle, Mark, Reading, Timeline};
use crate::dataflow::{Cell, Group, WindowUpdate};
use crate::engine::crossing::Side;
use crate::engine::step::{Engine, Turn};
use crate::engine::watchlist::Watchlist;
use crate::rules::{Interval, Kqi, Missing};
use crate::triggers::Place;

/// The windows of one object.
#[derive(Clone, Serialize, Deserialize)]
struct Seen {
    group: Arc<Group>,
    timeline: Timeline,
}

/// Objects by KQI and label.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Unalerted {
    kqis: BTreeMap<String, BTreeMap<Arc<str>, Arc<Seen>>>,
}

/// Where people complain, and since when, ms.
#[derive(Clone, Copy)]
pub(super) struct Complained<'a> {
    pub(super) service: &'a str,
    pub(super) place: &'a Place,
    pub(super) from_ms: i64,
}

impl Unalerted {
    fn note(&mut self, kqi: &Kqi, update: &WindowUpdate, cell: &Cell) {
        let objects = match self.kqis.get_mut(&kqi.id) {
            Some(objects) => objects,
            None => self.kqis.entry(kqi.id.clone()).or_default(),
        };
        let label = update.group.label.as_str();
        let seen = match objects.get_mut(label) {
            Some(seen) => seen,
            None => objects.entry(label.into()).or_insert_with(|| {
                Arc::new(Seen {
                    group: update.group.clone(),
                    timeline: Timeline::default(),
                })
            }),
        };
        let mark = (!cell.is_absent()).then(|| Mark::plain(cell.verdict));
        let timeline = &mut Arc::make_mut(seen).timeline;
        timeline.amend(&reading(kqi), update.end_ms, mark);
    }

    /// Forgets KQIs that have other windows now, an alert, or are no more.
    pub(super) fn retain(&mut self, is_same: impl Fn(&str) -> bool) {
        self.kqis.retain(|kqi, _| is_same(kqi));
    }

    /// Forgets windows that are corrected no more; `horizon` tells of a KQI up to when, ms.
    pub(super) fn forget<'a>(&mut self, horizon: impl Fn(&str) -> Option<(&'a Kqi, i64)>) {
        for (id, objects) in &mut self.kqis {
            let Some((kqi, horizon_ms)) = horizon(id) else {
                continue;
            };
            objects.retain(|_, seen| {
                let seen = Arc::make_mut(seen);
                seen.timeline.forget(&reading(kqi), horizon_ms);
                !seen.timeline.is_empty()
            });
        }
        self.kqis.retain(|_, objects| !objects.is_empty());
    }
}

impl Engine {
    /// Takes in the windows of KQIs that have no alert.
    pub(super) fn note_unalerted(&mut self, turn: &Turn<'_>) {
        let watchlist = &turn.watchlist;
        let book = &watchlist.plan.book;
        for update in &turn.cut.updates {
            for cell in &update.cells {
                let kqi = book.kqis.get(cell.kqi);
                if let Some(kqi) = kqi.filter(|_| watchlist.is_beside(cell.kqi)) {
                    self.crossings.unalerted.note(kqi, update, cell);
                }
            }
        }
    }

    /// KQIs with a limit and no alert, of a service and at a place, with their windows there.
    pub(super) fn unalerted<'a>(
        &'a self,
        at: Complained<'a>,
        watchlist: &'a Watchlist,
    ) -> impl Iterator<Item = (&'a Kqi, &'a Timeline)> {
        let book = &*watchlist.plan.book;
        let kqis = book.kqis.iter().filter(|kqi| has_limit(kqi));
        kqis.flat_map(move |kqi| {
            let objects = self.crossings.unalerted.kqis.get(&kqi.id);
            let objects = objects.into_iter().flat_map(BTreeMap::values);
            let there = objects.filter(move |seen| {
                is_of_service(kqi, &seen.group, at.service)
                    && is_there(&seen.group, at.place, watchlist)
            });
            there.map(move |seen| (kqi, &seen.timeline))
        })
    }

    /// What the KQIs of a service say where people complain: how many were judged normal since, and which could not be judged.
    pub(super) fn said_beside(&self, at: Complained<'_>, watchlist: &Watchlist) -> Beside {
        let book = &watchlist.plan.book;
        let mut normal: BTreeSet<&str> = BTreeSet::new();
        for (kqi, timeline) in self.unalerted(at, watchlist) {
            if timeline.was_clear_after(&reading(kqi), at.from_ms) {
                normal.insert(&kqi.id);
            }
        }
        for (number, instances) in self.instances.iter().enumerate() {
            let Some(watch) = watchlist.watch(number) else {
                continue;
            };
            let is_clear = instances.values().any(|instance| {
                is_of_service(watch.kqi, &instance.group, at.service)
                    && is_there(&instance.group, at.place, watchlist)
                    && instance
                        .timeline
                        .was_clear_after(&watch.reading(), at.from_ms)
            });
            if is_clear && Side::of(watch) == Some(Side::Kqis) {
                normal.insert(&watch.kqi.id);
            }
        }
        let asked = book.kqis.iter().filter(|kqi| {
            let of_service = kqi.service.as_deref();
            has_limit(kqi)
                && Side::of_kqi(kqi, book) == Some(Side::Kqis)
                && of_service.is_none_or(|of| of == at.service)
        });
        let unjudged = asked.filter(|kqi| !normal.contains(kqi.id.as_str()));
        Beside {
            normal: normal.len() as u64,
            unjudged: unjudged.map(|kqi| kqi.name.clone()).collect(),
        }
    }
}

/// How its windows are read: nothing comes of them, so that only their distance counts.
pub(super) fn reading(kqi: &Kqi) -> Reading {
    Reading {
        lifecycle: Lifecycle {
            for_ms: 0,
            keep_firing_for_ms: 0,
            missing: Missing::Hold,
            hop_ms: kqi.window.hop_ms,
        },
        empty: Mark::Missing,
    }
}

/// Whether it has an interval that it can leave.
pub(super) fn has_limit(kqi: &Kqi) -> bool {
    kqi.interval != Interval::default()
}

fn is_of_service(kqi: &Kqi, group: &Group, service: &str) -> bool {
    let own = kqi.service.as_deref();
    own.or_else(|| group.get("service")) == Some(service)
}

fn is_there(group: &Group, place: &Place, watchlist: &Watchlist) -> bool {
    let own = Place::of(&group.values);
    let places = &watchlist.plan.book.places;
    place.joins(&own, places) || own.joins(place, places)
}
