//! A red object as crossings see it: one episode of its alert, of a service, in time and place, and what of the other side
//! it meets.

use std::sync::Arc;

use crate::alerting::{Alert, AlertState, TransitionReason};
use crate::engine::crossing::{BLIND_SPOT, Side};
use crate::engine::instance::Instance;
use crate::engine::step::Engine;
use crate::engine::unalerted::Complained;
use crate::engine::watchlist::{Watch, Watchlist};
use crate::event::CITY;
use crate::rules::{CrossingRule, RuleBook, Severity, Text};
use crate::triggers::Place;

/// An episode of an object, in time and place.
pub(super) struct Red<'a> {
    pub(super) rule: usize,
    pub(super) label: &'a Arc<str>,
    pub(super) instance: &'a Instance,
    pub(super) watch: Watch<'a>,
    pub(super) side: Side,
    pub(super) service: &'a str,
    pub(super) place: Place,
    /// Since when facts made its windows abnormal, ms: the first abnormal one lacked what came before its last hop.
    pub(super) from_ms: i64,
    /// When its alert ended, ms; none while it goes on.
    pub(super) to_ms: Option<i64>,
    /// Until when facts made its windows abnormal, ms; none while its alert goes on.
    pub(super) until_ms: Option<i64>,
    pub(super) fired_at_ms: i64,
    pub(super) severity: Severity,
}

impl Engine {
    /// Episodes of an object that something may cross.
    pub(super) fn reds_of<'a>(
        &'a self,
        watchlist: &'a Watchlist,
        rule: usize,
        label: &'a Arc<str>,
    ) -> Vec<Red<'a>> {
        let instance = self.instances.get(rule).and_then(|of| of.get(label));
        let Some((watch, instance)) = watchlist.watch(rule).zip(instance) else {
            return Vec::new();
        };
        let service = watch.kqi.service.as_deref();
        let service = service.or_else(|| instance.group.get("service"));
        let Some((side, service)) = Side::of(watch).zip(service) else {
            return Vec::new();
        };
        let episodes = instance.timeline.episodes().iter();
        episodes
            .map(|episode| Red {
                until_ms: episode.resolved_at_ms.map(|ms| {
                    // What the window that ends it has lost lies as far back as it is long.
                    let overlap_ms = watch.kqi.window.size_ms - watch.kqi.window.hop_ms;
                    (ms - overlap_ms).max(episode.since_ms)
                }),
                rule,
                label,
                instance,
                watch,
                side,
                service,
                place: Place::of(&instance.group.values),
                from_ms: episode.since_ms - watch.kqi.window.hop_ms,
                to_ms: episode.resolved_at_ms,
                fired_at_ms: episode.fired_at_ms,
                severity: episode.severity,
            })
            .collect()
    }
}

impl Red<'_> {
    /// What people complain of, for those who look beside it.
    pub(super) fn complained(&self) -> Complained<'_> {
        Complained {
            service: self.service,
            place: &self.place,
            from_ms: self.from_ms,
        }
    }

    /// The engine's own alert, where it is a blind spot.
    pub(super) fn alert(&self, book: &RuleBook) -> Alert {
        let episode = self.instance.timeline.episodes().last().copied();
        let alert = self
            .instance
            .alert(self.watch, episode, TransitionReason::BlindSpot, None);
        let named = &self.watch.kqi.name;
        let rule: &CrossingRule = &book.triggers.crossing;
        let department = rule.department.as_deref();
        Alert {
            alert: BLIND_SPOT.to_owned(),
            name: Text {
                zh: format!("盲点（投诉上升，指标正常）：{}", named.zh),
                en: format!("Blind spot (complaints up, KQIs normal): {}", named.en),
            },
            department: department
                .or_else(|| book.coordinating_department())
                .map(str::to_owned),
            service: Some(self.service.to_owned()),
            severity: self.severity,
            state: AlertState::Firing,
            ..alert
        }
    }
}

/// The shortest windows, ms, of a KQI that counts every complaint of a service city by city; none where nothing does.
pub(super) fn finest<'a>(complaints: impl Iterator<Item = Watch<'a>>) -> Option<i64> {
    let whole = complaints.filter(|watch| {
        watch.kqi.filter.is_none() && watch.kqi.group_by.iter().any(|by| by == CITY)
    });
    whole.map(|watch| watch.kqi.window.size_ms).min()
}

/// Whether two episodes are of both sides, one place and one time.
pub(super) fn meets(red: &Red<'_>, other: &Red<'_>, book: &RuleBook) -> bool {
    if red.side == other.side || red.rule == other.rule {
        return false;
    }
    let (complaints, kqi) = match red.side {
        Side::Complaints => (red, other),
        Side::Kqis => (other, red),
    };
    let places = &book.places;
    let rule = &book.triggers.crossing;
    let end = |of: &Red<'_>, more_ms: i64| {
        of.until_ms
            .map_or(i64::MAX, |ms| ms.saturating_add(more_ms))
    };
    let one_place =
        complaints.place.joins(&kqi.place, places) || kqi.place.joins(&complaints.place, places);
    one_place
        && kqi.from_ms < end(complaints, rule.lead_ms)
        && complaints.from_ms < end(kqi, rule.lag_ms)
}
