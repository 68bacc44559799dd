//! Places within places: a wider one takes the unanswered triggers of what it covers, and many unanswered cities are
//! their province.

use crate::rules::{Desk, OwnerBy};
use crate::triggers::book::{ENGINE, NewsReason, Now};
use crate::triggers::trigger::Outcome;
use crate::triggers::{Cause, Opening, Place, TriggerBook, TriggerState};

impl TriggerBook {
    /// A trigger is open again: it becomes a part of the one of a wider place that is worked on, if there is one, or
    /// takes in what it covers. True if it is a part now.
    pub(super) fn settle_place(&mut self, id: &str, now: Now<'_>) -> bool {
        let Some(cause) = self.triggers.get(id).map(|trigger| trigger.cause.clone()) else {
            return false;
        };
        let covers = |wide: &Cause| wide.place.covers(&cause.place, &now.book.places);
        let wider = self.wider(&cause, now).into_iter().find(|wide| {
            let cause_of = self.triggers.get(wide).map(|trigger| &trigger.cause);
            self.is_unanswered(wide) && cause_of.is_some_and(covers)
        });
        match wider {
            Some(into) => self.absorb(id, &into, now),
            None => self.absorb_covered(id, &cause, now),
        }
        self.triggers
            .get(id)
            .is_some_and(|trigger| trigger.state.is_final())
    }

    /// What was just opened takes over what it covers, goes as far as it goes by itself, and is accepted where its parts were.
    pub(super) fn begin(&mut self, id: &str, cause: &Cause, now: Now<'_>) {
        self.absorb_covered(id, cause, now);
        self.carry_hand_over(id, now);
        self.go_on(id, now);
        self.carry_acceptance(id, now);
    }

    /// What a person handed over stays where it is, also as a part of something wider: the part that is worked at first, and
    /// of several the oldest.
    fn carry_hand_over(&mut self, id: &str, now: Now<'_>) {
        let Some(wider) = self.triggers.get(id) else {
            return;
        };
        let parts = wider
            .absorbed
            .iter()
            .filter_map(|part| self.triggers.get(part));
        let handed = parts
            .filter(|part| part.owner.by == OwnerBy::HandOver)
            .min_by_key(|part| (part.accepted_by().is_none(), part.id.clone()));
        let Some(handed) = handed else {
            return;
        };
        let desk = Desk {
            department: handed.owner.department.clone(),
            role: handed.owner.role.clone(),
        };
        let why = format!(
            "{}, which is a part of it now, was handed over to {} ({})",
            handed.id, desk.department, desk.role
        );
        let Some(owner) = now.book.at_desk(&desk, OwnerBy::HandOver, now.at_ms) else {
            return;
        };
        if let Some(wider) = self.edit(id) {
            wider.owner = owner;
            wider.weigh_anew(now);
            wider.remark(ENGINE, why, now.at_ms);
        }
    }

    /// A wider place takes over the triggers of what it covers that nobody has answered.
    fn absorb_covered(&mut self, into: &str, cause: &Cause, now: Now<'_>) {
        let covered: Vec<String> = self
            .alike(&cause.service, &cause.cause)
            .filter(|(open, id)| *id != into && cause.place.covers(&open.place, &now.book.places))
            .filter(|(_, id)| self.is_unanswered(id))
            .map(|(_, id)| id.clone())
            .collect();
        for id in covered {
            self.absorb(&id, into, now);
        }
    }

    /// Closes a trigger as a part of another one, which takes over what speaks for it.
    fn absorb(&mut self, id: &str, into: &str, now: Now<'_>) {
        let Some(trigger) = self.triggers.get(id).cloned() else {
            return;
        };
        for source in &trigger.sources {
            self.take_source(into, source.clone(), now);
        }
        let before = self.triggers.get(into).map(|wider| wider.severity);
        let (windows_max, mut gone) = (self.limits.windows_max, 0);
        if let Some(wider) = self.edit(into) {
            wider.absorbed.push(id.to_owned());
            wider.hops += trigger.hops;
            for evidence in &trigger.evidence {
                gone += wider.take_in(evidence.clone(), windows_max);
            }
            wider.hear(trigger.complaints.clone());
            wider.severity = wider.severity.max(trigger.severity);
            wider.since_ms = wider.since_ms.min(trigger.since_ms);
        }
        self.over_one.windows += gone;
        if let Some(before) = before {
            self.weigh(into, before, now);
        }
        self.hand_tickets_on(id, into);
        if let Some(trigger) = self.edit(id) {
            trigger.outcome = Some(Outcome::Absorbed {
                into: into.to_owned(),
            });
        }
        let why = format!("part of {into}, which is of a wider place");
        self.enter(id, TriggerState::FeedbackGiven, ENGINE, Some(&why), now);
        self.close(id, ENGINE, &why, now);
    }

    /// Whose parts were accepted at the same desk is accepted: nobody takes anew what they are working at. The work itself
    /// is begun anew, for it is about more places now.
    fn carry_acceptance(&mut self, id: &str, now: Now<'_>) {
        let Some(wider) = self.triggers.get(id) else {
            return;
        };
        if wider.state != TriggerState::Dispatched {
            return;
        }
        let desk = (&wider.owner.department, &wider.owner.role);
        let parts = wider
            .absorbed
            .iter()
            .filter_map(|part| self.triggers.get(part));
        let accepted = parts
            .filter(|part| (&part.owner.department, &part.owner.role) == desk)
            .find_map(|part| {
                part.accepted_by()
                    .map(|who| (part.id.clone(), who.to_owned()))
            });
        if let Some((part, who)) = accepted {
            let why = format!("{part}, which is a part of it now, was accepted by {who}");
            self.enter(id, TriggerState::Accepted, ENGINE, Some(&why), now);
            // Who was just asked to accept it hears that it is, and so does who was told of the asking: the newest state
            // takes the place of what the same step told before.
            let owner = self.owner_of(id, now).into_iter().collect();
            self.tell(id, NewsReason::Progressed, owner, now);
            let copies = self.copies_of(id, now);
            self.tell(id, NewsReason::Assigned, copies, now);
        }
    }

    /// One cause in many cities of a province at the same time is one cause of the province.
    pub(super) fn grow_to_province(&mut self, cause: &Cause, now: Now<'_>) -> Option<String> {
        let Place::City(city) = &cause.place else {
            return None;
        };
        let places = &now.book.places;
        let province = places.cities.get(city)?.province.clone();
        let of_province = |city: &str| places.derive("province", city) == Some(&province);
        let cities = places
            .cities
            .keys()
            .filter(|city| of_province(city))
            .count();
        let alike: Vec<&String> = self
            .alike(&cause.service, &cause.cause)
            .filter(|(open, _)| matches!(&open.place, Place::City(city) if of_province(city)))
            .filter(|(_, id)| self.is_unanswered(id))
            .map(|(_, id)| id)
            .collect();
        let rule = now.book.triggers.province;
        let share = alike.len() as f64 / cities.max(1) as f64;
        if alike.len() < rule.cities_min || share < rule.share_min {
            return None;
        }
        let first = alike
            .into_iter()
            .min()
            .and_then(|id| self.triggers.get(id).cloned())?;
        let wide = Cause {
            place: Place::Province(province.clone()),
            ..cause.clone()
        };
        if self.open.contains_key(&wide) {
            // It waits for the effect of its own mend; these came after it.
            return None;
        }
        let mut group = vec![("province".to_owned(), province)];
        if let Some(service) = &first.service {
            group.insert(0, ("service".to_owned(), service.clone()));
        }
        let label: Vec<String> = group
            .iter()
            .map(|(name, of)| format!("{name}={of}"))
            .collect();
        let opening = Opening {
            kqi: first.kqi.clone(),
            name: first.name.clone(),
            service: first.service.clone(),
            service_name: first.service_name.clone(),
            layer: first.layer,
            group_label: label.join(";"),
            group,
            department: Some(first.owner.department.clone()),
            severity: first.severity,
            limit_min: first.limit_min,
            limit_max: first.limit_max,
            unit: first.unit.clone(),
            since_ms: first.since_ms,
            evidence: None,
            complaints: first.complaints.clone(),
        };
        let earlier = self.closed.get(&wide).cloned();
        let is_known = now
            .book
            .knowledge
            .iter()
            .any(|entry| entry.id == wide.cause);
        let id = self.open(opening, wide.clone(), is_known, earlier, now)?;
        // No window of the province itself is watched: its cities are.
        if let Some(trigger) = self.edit(&id) {
            let label = trigger.group_label.clone();
            trigger.sources.clear();
            trigger.alert_firing = false;
            self.let_go(&first.kqi, &label, &id);
        }
        self.begin(&id, &wide, now);
        Some(id)
    }
}
