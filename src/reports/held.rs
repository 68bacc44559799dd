//! Which demand holds a cause at a place, and what came of it.
//!
//! A demand is of a service, a cause and a place; it holds what shows that cause there, in a place that it covers, or
//! around it. It takes part while it is open, and where it was closed within the report's period or after it: what was
//! over before says nothing of this one.

use std::collections::BTreeMap;

use crate::alerting::AlertState;
use crate::effect::EffectVerdict;
use crate::reports::bulletin::closed_at;
use crate::reports::facts::{Facts, Judged, text};
use crate::reports::words::{state_text, verdict_text, words};
use crate::rules::Text;
use crate::triggers::{Outcome, Place, Trigger};

/// A service, where there is one, and a cause.
pub(super) type Key<'a> = (Option<&'a str>, &'a str);

/// The demands that take part, by service and cause.
pub(super) struct Demands<'a> {
    facts: &'a Facts<'a>,
    by_cause: BTreeMap<(&'a str, &'a str), Vec<&'a Trigger>>,
}

impl<'a> Demands<'a> {
    pub(super) fn of(facts: &'a Facts<'a>) -> Demands<'a> {
        let mut by_cause: BTreeMap<(&str, &str), Vec<&Trigger>> = BTreeMap::new();
        for trigger in facts.triggers.iter().copied() {
            // What became a part of another is told by that one.
            let is_part = matches!(trigger.outcome, Some(Outcome::Absorbed { .. }));
            let is_of_period = closed_at(trigger).is_none_or(|at_ms| at_ms >= facts.period.from_ms);
            if is_of_period && !is_part {
                let key = (&*trigger.cause.service, &*trigger.cause.cause);
                by_cause.entry(key).or_default().push(trigger);
            }
        }
        Demands { facts, by_cause }
    }

    /// Those that hold a cause where these objects show it: all that are open, the widest first, or else the one that
    /// was closed last.
    pub(super) fn holding(&self, key: Key<'a>, objects: &[&Judged<'_>]) -> Vec<&'a Trigger> {
        let places: Vec<Place> = objects
            .iter()
            .map(|object| Place::of(object.dimensions))
            .collect();
        let is_there = |trigger: &Trigger| places.iter().any(|place| self.is_near(trigger, place));
        let (closed, mut open): (Vec<&'a Trigger>, Vec<&'a Trigger>) = self
            .alike(key)
            .iter()
            .copied()
            .filter(|trigger| is_there(trigger))
            .partition(|trigger| trigger.state.is_final());
        if open.is_empty() {
            let last = closed
                .into_iter()
                .max_by_key(|of| (closed_at(of), of.id.clone()));
            return last.into_iter().collect();
        }
        open.sort_by(|a, b| (&a.cause.place, &a.id).cmp(&(&b.cause.place, &b.id)));
        open
    }

    /// The demand by which what an object shows was mended, with a proven effect, if its alert has not fired since and
    /// nobody is asked about it again.
    pub(super) fn proven(&self, key: Key<'a>, object: &Judged<'_>) -> Option<&'a Trigger> {
        let place = Place::of(object.dimensions);
        let near: Vec<&'a Trigger> = self
            .alike(key)
            .iter()
            .copied()
            .filter(|trigger| self.is_near(trigger, &place))
            .collect();
        if near.iter().any(|trigger| !trigger.state.is_final()) {
            return None;
        }
        // A city's mend proves nothing of the host that serves all of them.
        let last = near
            .into_iter()
            .filter(|trigger| self.is_held(trigger, &place))
            .max_by_key(|of| (closed_at(of), of.id.clone()))?;
        let measured = last.measured.as_ref()?;
        let is_proven =
            measured.verdict == EffectVerdict::Effective && last.outcome == Some(Outcome::Mended);
        let mended_ms = measured
            .report
            .as_ref()
            .map_or(last.entered_at_ms(), |report| report.mend.mended_ms);
        let fired_since = self.facts.alerts.iter().any(|alert| {
            alert.kqi.as_deref() == Some(&object.kqi.id)
                && alert.group == object.dimensions
                && (alert.state == AlertState::Firing
                    || alert.fired_at_ms.is_some_and(|at_ms| at_ms > mended_ms))
        });
        (is_proven && !fired_since).then_some(last)
    }

    fn alike(&self, (service, cause): Key<'a>) -> &[&'a Trigger] {
        let known = self.by_cause.get(&(service.unwrap_or_default(), cause));
        known.map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a place is that of a demand, or lies in it.
    fn is_held(&self, trigger: &Trigger, place: &Place) -> bool {
        let of = &trigger.cause.place;
        of == place || of.covers(place, &self.facts.book.places)
    }

    fn is_near(&self, trigger: &Trigger, place: &Place) -> bool {
        self.is_held(trigger, place) || place.covers(&trigger.cause.place, &self.facts.book.places)
    }
}

/// How a demand stands: its state, and of what is closed what came of it.
pub(super) fn standing(trigger: &Trigger) -> Text {
    let name = trigger.state.name();
    let state = words(state_text(name), name);
    let came_of_it = match (&trigger.outcome, &trigger.measured) {
        _ if !trigger.state.is_final() => None,
        (Some(refused @ Outcome::NotOptimised { .. }), _) => {
            Some(words(state_text(refused.name()), refused.name()))
        }
        (_, Some(measured)) => {
            let name = measured.verdict.name();
            Some(words(verdict_text(name), name))
        }
        (_, None) => None,
    };
    match came_of_it {
        Some(of) => text(
            format!("{}（{}）", state.zh, of.zh),
            format!("{} ({})", state.en, of.en),
        ),
        None => state,
    }
}
