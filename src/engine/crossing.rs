//! Crossing: complaints set against KQIs of the same service, place and time, as a join of the episodes of
//! their alerts. Nothing is decided on single windows, so what flaps does not cross.
//!
//! Invariants:
//! * a crossing is a function of the timelines and of event time as of the cut, so late data correct it;
//! * one side without data gives none: a blind spot needs a KQI that was judged normal while people
//!   complained, and none that was not, be it without an alert (`unalerted.rs`); a silent degradation needs a complaints' stream that was heard and in which nobody complained of it,
//!   not even as few as alert nobody: some complaints beside a red KQI are neither silence nor confirmation;
//! * an episode is when facts made windows abnormal, and not how far back these windows reach: of a day that slides by
//!   the hour, the hour by which it moved on begins it, and what leaves it a day later ends nothing then;
//! * only objects whose alerts fire, or fired lately, are looked at; nothing is done for an event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alerting::{Alert, Phase, Statement};
use crate::engine::episodes::Episodes;
use crate::engine::instance::Instance;
use crate::engine::red::{Red, finest, meets};
use crate::engine::step::{Effect, Engine, Turn};
use crate::engine::unalerted::{self, Unalerted};
use crate::engine::watchlist::{Watch, Watchlist};
use crate::event::Stream;
use crate::rules::{Kqi, RuleBook};
use crate::triggers::{Crossing, Now, Place};

/// Event time is looked at by this, ms: nothing crosses by the second.
const LOOK_MS: i64 = 60_000;

/// The engine's own alert on blind spots.
pub(super) const BLIND_SPOT: &str = "blind_spot";

/// Which side of a crossing a rule's objects are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Complaints,
    Kqis,
}

impl Side {
    /// The side of a rule; none for those that take no part: of no service, or too long to say when.
    pub(super) fn of(watch: Watch<'_>) -> Option<Side> {
        Side::of_kqi(watch.kqi, watch.book)
    }

    /// The side of a KQI, be it with an alert or without.
    pub(super) fn of_kqi(kqi: &Kqi, book: &RuleBook) -> Option<Side> {
        let has_service = kqi.service.is_some() || kqi.group_by.iter().any(|by| by == "service");
        let rule = &book.triggers.crossing;
        let takes_part = has_service && kqi.window.size_ms <= rule.window_ms_max;
        takes_part.then_some(match kqi.stream {
            Stream::Complaint => Side::Complaints,
            _ => Side::Kqis,
        })
    }
}

/// An object whose alert fires, with what it comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossed {
    /// What it comes to.
    pub crossing: Crossing,
    /// Service.
    pub service: String,
    /// KQI.
    pub kqi: String,
    /// Label of the object.
    pub group_label: String,
    /// Objects of the other side that are red at the same time, KQI and label; at most
    /// [`EngineLimits::crossing_named_max`](crate::engine::EngineLimits).
    pub against: Vec<(String, String)>,
    /// Since when facts made its windows abnormal, ms.
    pub from_ms: i64,
}

/// What is known of crossings.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Crossings {
    /// Objects that have fired, rule and label; some may be over.
    #[serde(skip)]
    pub(super) fired: BTreeSet<(usize, Arc<str>)>,
    /// Clocks of the streams when it was looked at last, in whole steps of `LOOK_MS`, and which are silent.
    looked_at: [(i64, bool); Stream::ALL.len()],
    crossed: Arc<Vec<Crossed>>,
    /// Blind spots that are told, by service and label.
    pub(super) blind: BTreeMap<(String, String), Alert>,
    /// What was mailed of them.
    pub(super) said: BTreeMap<(String, String), Statement>,
    pub(super) episodes: Episodes<(String, String)>,
    pub(super) unalerted: Unalerted,
    /// Crossings that began, by [`Crossing::ALL`].
    began_total: [u64; 3],
    /// Objects that were not named, counted at each look, since the start.
    #[serde(skip)]
    unnamed_total: u64,
}

/// What a look found that tells an end from a correction.
#[derive(Default)]
pub(super) struct Seen {
    /// Episodes by service and label: beginning of the first abnormal window, and end, ms.
    pub(super) episodes: BTreeMap<(String, String), Vec<(i64, i64)>>,
    /// Complaints that a KQI confirms which was red before a blind spot would have been told.
    pub(super) confirmed_in_time: BTreeSet<(String, String)>,
}

impl Crossings {
    /// Crossings as of the last look.
    pub(super) fn crossed(&self) -> Arc<Vec<Crossed>> {
        self.crossed.clone()
    }

    /// Alerts on blind spots that fire.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.blind.values()
    }

    /// Objects that were not named, counted at each look, since the start.
    pub(super) fn unnamed_total(&self) -> u64 {
        self.unnamed_total
    }

    /// Crossings that began, by [`Crossing::ALL`].
    pub(super) fn began_total(&self) -> [u64; 3] {
        self.began_total
    }
}

impl Engine {
    /// Looks at every object that fires; tells of blind spots, and lets triggers know.
    pub(super) fn cross(&mut self, turn: &Turn<'_>, effects: &mut Vec<Effect>) {
        let watermarks = &turn.cut.watermarks;
        let looks_at = Stream::ALL.map(|stream| {
            let clock_ms = watermarks.clock(stream);
            let steps_ms = clock_ms.div_euclid(LOOK_MS).saturating_mul(LOOK_MS);
            (steps_ms, watermarks.is_silent(stream))
        });
        let before = std::mem::replace(&mut self.crossings.looked_at, looks_at);
        let is_idle = turn.cut.updates.is_empty() && turn.cut.plan.is_none() && before == looks_at;
        if is_idle || (self.crossings.fired.is_empty() && self.crossings.crossed.is_empty()) {
            return;
        }
        self.forget_fired();
        let watchlist = &turn.watchlist;
        let book = &watchlist.plan.book;
        let mut reds: BTreeMap<&str, Vec<Red<'_>>> = BTreeMap::new();
        for (rule, label) in &self.crossings.fired {
            for red in self.reds_of(watchlist, *rule, label) {
                reds.entry(red.service).or_default().push(red);
            }
        }
        let mut crossed = Vec::new();
        let mut unnamed_now = 0;
        let mut blind = BTreeMap::new();
        let lead_ms = book.triggers.crossing.lead_ms;
        let mut seen = Seen::default();
        for (service, reds) in &reds {
            for red in reds {
                let key = ((*service).to_owned(), red.label.to_string());
                let time_ms = (red.from_ms, red.to_ms.unwrap_or(i64::MAX));
                seen.episodes.entry(key).or_default().push(time_ms);
            }
            for red in reds.iter().filter(|red| red.to_ms.is_none()) {
                let against: Vec<&Red<'_>> = reds
                    .iter()
                    .filter(|other| meets(red, other, book))
                    .collect();
                // A blind spot is told when the time has passed in which a KQI could still turn red: one that did
                // by then was late.
                let told_ms = red.fired_at_ms.saturating_add(lead_ms);
                if against.iter().any(|other| other.fired_at_ms <= told_ms) {
                    let key = ((*service).to_owned(), red.label.to_string());
                    seen.confirmed_in_time.insert(key);
                }
                let crossing = if against.is_empty() {
                    self.crossing_alone(red, watchlist)
                } else {
                    Some(Crossing::Confirmed)
                };
                let Some(crossing) = crossing else {
                    continue;
                };
                if crossing == Crossing::BlindSpot {
                    let key = ((*service).to_owned(), red.label.to_string());
                    blind.entry(key).or_insert_with(|| Alert {
                        beside: Some(self.said_beside(red.complained(), watchlist)),
                        ..red.alert(book)
                    });
                }
                let named = |red: &&Red<'_>| (red.watch.kqi.id.clone(), red.label.to_string());
                let mut against: Vec<(String, String)> = against.iter().map(named).collect();
                against.sort_unstable();
                against.dedup();
                let unnamed = against.len().saturating_sub(self.limits.crossing_named_max);
                unnamed_now += unnamed as u64;
                against.truncate(self.limits.crossing_named_max);
                crossed.push(Crossed {
                    crossing,
                    service: (*service).to_owned(),
                    kqi: red.watch.kqi.id.clone(),
                    group_label: red.label.to_string(),
                    against,
                    from_ms: red.from_ms,
                });
            }
        }
        self.crossings.unnamed_total += unnamed_now;
        crossed.sort_by(|a, b| {
            let key = |of: &Crossed| (of.service.clone(), of.group_label.clone(), of.kqi.clone());
            key(a).cmp(&key(b)).then(b.crossing.cmp(&a.crossing))
        });
        // Several rules may watch one KQI.
        crossed.dedup_by(|a, b| (&a.kqi, &a.group_label) == (&b.kqi, &b.group_label));
        self.cross_triggers(&crossed, turn);
        self.tell_blind_spots(blind, &crossed, &seen, turn, effects);
        if *self.crossings.crossed != crossed {
            for new in &crossed {
                let mut known = self.crossings.crossed.iter();
                let same = |was: &Crossed| {
                    (was.crossing, &was.kqi, &was.group_label)
                        == (new.crossing, &new.kqi, &new.group_label)
                };
                if !known.any(same)
                    && let Some(at) = Crossing::ALL.iter().position(|of| *of == new.crossing)
                {
                    self.crossings.began_total[at] += 1;
                }
            }
            self.crossings.crossed = Arc::new(crossed);
        }
    }

    /// Notes that an object has fired.
    pub(super) fn note_fired(&mut self, watch: Watch<'_>, rule: usize, label: &Arc<str>) {
        let has_fired = self.instances[rule]
            .get(label)
            .is_some_and(|instance| !instance.timeline.episodes().is_empty());
        if has_fired && Side::of(watch).is_some() {
            self.crossings.fired.insert((rule, label.clone()));
        }
    }

    /// Finds again who has fired: it follows from the timelines.
    pub(super) fn find_fired(&mut self) {
        self.crossings.fired.clear();
        let watchlist = self.watchlist.clone();
        for rule in 0..self.instances.len() {
            let Some(watch) = watchlist.watch(rule) else {
                continue;
            };
            let labels: Vec<Arc<str>> = self.instances[rule].keys().cloned().collect();
            for label in labels {
                self.note_fired(watch, rule, &label);
            }
        }
    }

    fn forget_fired(&mut self) {
        let instances = &self.instances;
        self.crossings.fired.retain(|(rule, label)| {
            let instance = instances.get(*rule).and_then(|of| of.get(label));
            instance.is_some_and(|instance| !instance.timeline.episodes().is_empty())
        });
    }

    /// What a red object comes to when the other side is not red.
    fn crossing_alone(&self, red: &Red<'_>, watchlist: &Watchlist) -> Option<Crossing> {
        let rule = &red.watch.book.triggers.crossing;
        let sides = (0..watchlist.rules()).filter_map(|number| {
            let watch = watchlist.watch(number)?;
            let side = Side::of(watch)?;
            let of_service = watch.kqi.service.as_deref();
            let fits = of_service.is_none_or(|of| of == red.service);
            (fits && side != red.side).then_some((number, watch))
        });
        let passed = |stream: Stream, at_ms: i64| {
            let (clock_ms, is_silent) = self.crossings.looked_at[stream.index()];
            clock_ms >= at_ms && !is_silent
        };
        let is_of_service = |watch: &Watch<'_>, instance: &Instance| {
            let service = watch.kqi.service.as_deref();
            service.or_else(|| instance.group.get("service")) == Some(red.service)
        };
        if red.side == Side::Kqis {
            let had_time = passed(Stream::Complaint, red.from_ms.saturating_add(rule.lag_ms));
            let sides: Vec<_> = sides.collect();
            let finest_ms = finest(sides.iter().map(|(_, watch)| *watch));
            // People may complain a while before it is seen.
            let since_ms = red.from_ms.saturating_sub(rule.lead_ms);
            let complained = sides.iter().any(|(number, watch)| {
                let size_ms = watch.kqi.window.size_ms;
                let after_ms = match finest_ms {
                    // Whether what a longer window holds came before, a shorter one has said.
                    Some(finest_ms) if size_ms > finest_ms => since_ms.saturating_add(size_ms - 1),
                    _ => since_ms,
                };
                // A single complaint is one, though it alerts nobody: too few to judge, or no base to judge them by.
                // What is counted for a wider place says nothing about this one.
                self.instances[*number].values().any(|instance| {
                    let place = Place::of(&instance.group.values);
                    is_of_service(watch, instance)
                        && place.joins(&red.place, &watch.book.places)
                        && instance.timeline.was_told_after(after_ms)
                })
            });
            let is_silent = !sides.is_empty() && had_time && !complained;
            return is_silent.then_some(Crossing::SilentDegradation);
        }
        let mut is_normal = false;
        for (number, watch) in sides {
            for instance in self.instances[number].values() {
                let place = Place::of(&instance.group.values);
                let places = &watch.book.places;
                if !is_of_service(&watch, instance)
                    || !(red.place.joins(&place, places) || place.joins(&red.place, places))
                {
                    continue;
                }
                if matches!(instance.timeline.phase(), Phase::Pending { .. }) {
                    // It may turn red yet.
                    return None;
                }
                if !instance
                    .timeline
                    .was_clear_after(&watch.reading(), red.from_ms)
                {
                    continue;
                }
                if !passed(
                    watch.kqi.stream,
                    red.fired_at_ms.saturating_add(rule.lead_ms),
                ) {
                    // It has its time yet.
                    return None;
                }
                is_normal = true;
            }
        }
        for (kqi, timeline) in self.unalerted(red.complained(), watchlist) {
            if timeline.was_breached_after(red.from_ms) {
                // It is seen, though nobody is alerted by it.
                return None;
            }
            if timeline.was_clear_after(&unalerted::reading(kqi), red.from_ms) {
                if !passed(kqi.stream, red.fired_at_ms.saturating_add(rule.lead_ms)) {
                    return None;
                }
                is_normal = true;
            }
        }
        is_normal.then_some(Crossing::BlindSpot)
    }

    /// Lets triggers know what their objects come to.
    fn cross_triggers(&mut self, crossed: &[Crossed], turn: &Turn<'_>) {
        let by_object: BTreeMap<(&str, &str), Crossing> = crossed
            .iter()
            .map(|of| ((of.kqi.as_str(), of.group_label.as_str()), of.crossing))
            .collect();
        let now = Now {
            book: &turn.watchlist.plan.book,
            at_ms: turn.cut.now_ms,
        };
        let changed = self
            .triggers
            .cross(|kqi, label| by_object.get(&(kqi, label)).copied(), now);
        self.triggers_changed |= changed;
    }
}
