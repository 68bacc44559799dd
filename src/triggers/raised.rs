//! Triggers that complaints raise, whatever people complain of: a surge of a service at a place.
//!
//! Such an alert counts tickets of many leaves. Its cause is the one that most of the tickets that it counts are a sign
//! of, if there is one; and those that it counts are owed its answer, whatever leaf they are of.

use std::collections::BTreeMap;

use crate::rules::{KnowledgeEntry, Kqi};
use crate::triggers::book::Now;
use crate::triggers::tickets::{cause_of, place_of};
use crate::triggers::trigger::LinkedTicket;
use crate::triggers::{Opening, Place, Trigger, TriggerBook};

impl TriggerBook {
    /// The cause that most of the tickets behind an alert on complaints are a sign of: more than half of those of its
    /// service and place within its window, waiting or linked to what is open there. None of an alert on anything else,
    /// and none where no cause has so many.
    pub(super) fn complained_of<'a>(
        &self,
        opening: &Opening,
        now: Now<'a>,
    ) -> Option<&'a KnowledgeEntry> {
        let service = opening.service.as_deref()?;
        let mut kqis = now.book.kqis.iter();
        let kqi = kqis.find(|kqi| kqi.id == opening.kqi && counts_all(kqi, now))?;
        let cause = self.most_complained_of(service, opening, kqi, now)?;
        now.book.knowledge.iter().find(|entry| entry.id == cause)
    }

    fn most_complained_of<'a>(
        &self,
        service: &str,
        opening: &Opening,
        kqi: &Kqi,
        now: Now<'a>,
    ) -> Option<&'a str> {
        let from_ms = opening.since_ms - kqi.window.size_ms;
        let place = Place::of(&opening.group);
        let is_counted = |ticket: &&LinkedTicket| {
            ticket.filed_at_ms >= from_ms && place_of(&ticket.city).joins(&place, &now.book.places)
        };
        let waiting = self.tickets.waiting.of_service(service);
        let open = self.of_service(service).filter_map(|(_, id)| self.get(id));
        let linked = open.flat_map(|trigger| trigger.tickets.iter());
        let mut leaves: BTreeMap<&str, usize> = BTreeMap::new();
        for ticket in waiting.chain(linked).filter(is_counted) {
            *leaves.entry(&ticket.leaf).or_default() += 1;
        }
        let all: usize = leaves.values().sum();
        let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
        for (leaf, count) in leaves {
            if let Some(cause) = cause_of(service, leaf, now) {
                *causes.entry(cause).or_default() += count;
            }
        }
        let most = causes.into_iter().find(|(_, count)| count * 2 > all);
        most.map(|(cause, _)| cause)
    }

    /// The trigger that complaints raised around a ticket, at work and counting tickets of its time; the narrowest place
    /// and the oldest first.
    pub(super) fn raised_around(
        &self,
        service: &str,
        ticket: &LinkedTicket,
        now: Now<'_>,
    ) -> Option<String> {
        let place = place_of(&ticket.city);
        let around = self
            .of_service(service)
            .filter(|(open, _)| place.joins(&open.place, &now.book.places));
        let raised = around.filter(|(_, id)| {
            let trigger = self.get(id).filter(|of| of.state.is_unanswered());
            let from_ms = trigger.and_then(|trigger| raised_since_ms(trigger, now));
            from_ms.is_some_and(|from_ms| ticket.filed_at_ms >= from_ms)
        });
        let first = raised.min_by_key(|(open, id)| (open.place != place, *id));
        first.map(|(_, id)| id.clone())
    }
}

/// From when on tickets are counted by an alert that speaks for a trigger, ms, where one counts them whatever they are of:
/// the beginning of its first window.
pub(super) fn raised_since_ms(trigger: &Trigger, now: Now<'_>) -> Option<i64> {
    let counting = now.book.kqis.iter().filter(|kqi| {
        let mut sources = trigger.sources.iter();
        (kqi.id == trigger.kqi || sources.any(|source| source.kqi == kqi.id))
            && counts_all(kqi, now)
    });
    let longest = counting.map(|kqi| kqi.window.size_ms).max()?;
    Some(trigger.since_ms - longest)
}

/// Whether a KQI counts complaints of a service, whatever they are of: none that is a sign of one service's cause.
pub(super) fn counts_all(kqi: &Kqi, now: Now<'_>) -> bool {
    let mut entries = now.book.knowledge.iter();
    kqi.counts_complaints_of(kqi.service.as_deref())
        && !entries.any(|entry| entry.service.is_some() && entry.is_shown_by(kqi))
}
