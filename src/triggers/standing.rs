//! What stands for a cause: the open triggers that it is evidence for, and the refusals that are respected.

use crate::triggers::book::Now;
use crate::triggers::{Cause, Place, Trigger, TriggerBook};

impl TriggerBook {
    /// The open trigger that a cause is evidence for: its own, or one of a wider place; one that waits for the effect of
    /// its mend only where no other is worked on.
    pub(super) fn open_for(&self, cause: &Cause, now: Now<'_>) -> Option<String> {
        let own = self.open.get(cause);
        if let Some(id) = own.filter(|id| self.is_unanswered(id)) {
            return Some(id.clone());
        }
        let wider = self.wider(cause, now);
        let worked_on = wider.iter().find(|id| self.is_unanswered(id));
        let found = worked_on.or(own).or(wider.first());
        found.cloned()
    }

    /// Open triggers of wider places that a cause is evidence for, in the order in which they opened.
    pub(super) fn wider(&self, cause: &Cause, now: Now<'_>) -> Vec<String> {
        let alike = self.alike(&cause.service, &cause.cause);
        let wider = alike
            .filter(|(open, _)| *open != cause && cause.place.joins(&open.place, &now.book.places));
        let mut wider: Vec<String> = wider.map(|(_, id)| id.clone()).collect();
        wider.sort_unstable();
        wider
    }

    pub(super) fn is_unanswered(&self, id: &str) -> bool {
        let trigger = self.triggers.get(id);
        trigger.is_some_and(|trigger| trigger.state.is_unanswered())
    }

    /// Open triggers of one service and cause, wherever they are.
    pub(super) fn alike<'a>(
        &'a self,
        service: &'a str,
        cause: &'a str,
    ) -> impl Iterator<Item = (&'a Cause, &'a String)> {
        let first = Cause {
            service: service.to_owned(),
            cause: cause.to_owned(),
            place: Place::Whole,
        };
        self.open
            .range(first..)
            .take_while(move |(open, _)| open.service == service && open.cause == cause)
    }

    /// The triggers by which it was decided not to optimise this, here or at a place that covers it, while that is
    /// respected; the widest first.
    pub(super) fn resting<'a>(
        &'a self,
        cause: &'a Cause,
        now: Now<'a>,
    ) -> impl Iterator<Item = &'a Trigger> {
        let first = Cause {
            place: Place::Whole,
            ..cause.clone()
        };
        let alike = self.closed.range(first..);
        let alike = alike.take_while(|(closed, _)| {
            closed.service == cause.service && closed.cause == cause.cause
        });
        let here = alike.filter(move |(closed, _)| {
            closed.place == cause.place || closed.place.covers(&cause.place, &now.book.places)
        });
        let triggers = here.filter_map(|(_, id)| self.triggers.get(id));
        triggers
            .map(|trigger| &**trigger)
            .filter(move |trigger| trigger.rests(now.at_ms))
    }
}
