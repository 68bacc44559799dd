//! An alert demands something: it joins the trigger of its cause, or opens one.
//!
//! * A cause that was refused rests until its review date, or until it is clearly worse.
//! * One that comes back after it was closed opens a new trigger that refers back; one that comes back
//!   before its effect is known reopens its trigger, unless its window began before the mend, which says nothing of it.
//! * A wider place takes the unanswered triggers of what it covers, and many unanswered cities are their province. What
//!   was mended waits for its own effect: it is no part of another trouble.

use std::sync::Arc;

use crate::rules::{KnowledgeEntry, Layer, Severity, Subject, Text};
use crate::triggers::book::{ENGINE, NewsReason, Now};
use crate::triggers::raised::counts_all;
use crate::triggers::trigger::{Source, TriggerMove};
use crate::triggers::{Cause, Evidence, Place, Trigger, TriggerBook, TriggerState, Urgency};

/// What a trigger is opened with.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// KQI.
    pub kqi: String,
    /// Its display name.
    pub name: Text,
    /// Service.
    pub service: Option<String>,
    /// Its display name.
    pub service_name: Option<Text>,
    /// Layer.
    pub layer: Layer,
    /// Label of the object.
    pub group_label: String,
    /// Dimensions of the object.
    pub group: Vec<(String, String)>,
    /// Department of the KQI.
    pub department: Option<String>,
    /// Severity.
    pub severity: Severity,
    /// Smallest reasonable value.
    pub limit_min: Option<f64>,
    /// Largest reasonable value.
    pub limit_max: Option<f64>,
    /// Unit.
    pub unit: String,
    /// Event time of the deciding window, ms.
    pub since_ms: i64,
    /// The window that speaks for it, where the newest one does.
    pub evidence: Option<Evidence>,
    /// Complaints counted for the same service and place.
    pub complaints: Vec<(Text, i64)>,
}

impl Opening {
    /// The cause of an entry of the knowledge base; its KQI's own where there is none.
    fn cause(&self, entry: Option<&KnowledgeEntry>) -> Cause {
        Cause {
            service: self.service.clone().unwrap_or_default(),
            cause: entry.map_or_else(|| self.kqi.clone(), |entry| entry.id.clone()),
            place: Place::of(&self.group),
        }
    }

    /// Whether what it tells began after an instant, in event time: by its window, and by the deciding one's end where the
    /// newest does not speak for it.
    fn is_after(&self, at_ms: i64) -> bool {
        match &self.evidence {
            Some(window) => window.start_ms >= at_ms,
            None => self.since_ms > at_ms,
        }
    }

    fn entry<'a>(&self, now: Now<'a>) -> Option<&'a KnowledgeEntry> {
        let kqi = now.book.kqis.iter().find(|kqi| kqi.id == self.kqi)?;
        now.book
            .knowledge
            .iter()
            .find(|entry| entry.is_shown_by(kqi))
    }
}

impl TriggerBook {
    /// The same where nothing is known of when mends were done.
    #[cfg(test)]
    pub fn demand(&mut self, opening: Opening, now: Now<'_>) -> Option<String> {
        self.demand_beside(opening, |_| None, now)
    }

    /// An alert fired: joins the open trigger of its cause, or opens one. Returns its identifier, or
    /// `None` while a decision not to optimise rests, when too many are open, and when nobody at all can
    /// be named as its owner. `mended_ms` says when the work on a trigger was done, in event time.
    pub fn demand_beside(
        &mut self,
        opening: Opening,
        mended_ms: impl Fn(&str) -> Option<i64>,
        now: Now<'_>,
    ) -> Option<String> {
        if let Some((cause, id)) = self.holder(&opening, now) {
            return Some(self.join_for(id, &cause, opening, mended_ms, now));
        }
        let entry = self.complained_of(&opening, now);
        let entry = entry.or_else(|| opening.entry(now));
        let cause = opening.cause(entry);
        if let Some(id) = self.open_for(&cause, now) {
            return Some(self.join_for(id, &cause, opening, mended_ms, now));
        }
        // Where several rest, each rests as gravely as it was refused.
        let refused = self
            .resting(&cause, now)
            .find(|of| !is_graver(of, opening.severity, now))
            .map(|of| of.id.clone());
        if let Some(refused) = refused {
            self.process.rested_total += 1;
            // On its review date it is asked again, if it fires then.
            self.note_source(&refused, &opening, now);
            return None;
        }
        let earlier = self.closed.get(&cause).cloned();
        let id = self.open(opening, cause.clone(), entry.is_some(), earlier, now)?;
        self.begin(&id, &cause, now);
        Some(self.grow_to_province(&cause, now).unwrap_or(id))
    }

    /// An alert is evidence for an open trigger, which may make that its province's.
    fn join_for(
        &mut self,
        id: String,
        cause: &Cause,
        opening: Opening,
        mended_ms: impl Fn(&str) -> Option<i64>,
        now: Now<'_>,
    ) -> String {
        let is_after = mended_ms(&id).is_none_or(|mended_ms| opening.is_after(mended_ms));
        let is_back = self.join(&id, opening, is_after, now);
        let grown = is_back.then(|| self.grow_to_province(cause, now));
        grown.flatten().unwrap_or(id)
    }

    /// The open trigger that an object speaks for keeps it, and so does its cause, whatever another book says that it is a sign
    /// of: no other trigger would hear when its alert ends. One that waits for the effect of its mend leaves it to what is
    /// worked on for the same cause around it; and what people complain of next may be another trouble than what was mended.
    fn holder(&self, opening: &Opening, now: Now<'_>) -> Option<(Cause, String)> {
        let key = (opening.kqi.clone(), opening.group_label.clone());
        let holders = self.objects.get(&key)?.iter().rev();
        let mut holders = holders.filter_map(|id| self.get(id));
        let holder = holders.find(|holder| !holder.state.is_final())?;
        let cause = Cause {
            place: Place::of(&opening.group),
            ..holder.cause.clone()
        };
        if holder.state.is_unanswered() {
            return Some((cause, holder.id.clone()));
        }
        let mut kqis = now.book.kqis.iter();
        if kqis.any(|kqi| kqi.id == opening.kqi && counts_all(kqi, now)) {
            return None;
        }
        let around = self.open_for(&cause, now);
        Some((cause, around.unwrap_or_else(|| holder.id.clone())))
    }

    /// What was refused for a cause is asked again: by the open trigger that it is evidence for, or by another.
    pub(super) fn ask_again(
        &mut self,
        opening: Opening,
        cause: &Cause,
        now: Now<'_>,
    ) -> Option<String> {
        if let Some(id) = self.open_for(cause, now) {
            return Some(id);
        }
        let is_known = now
            .book
            .knowledge
            .iter()
            .any(|entry| entry.id == cause.cause);
        let earlier = self.closed.get(cause).cloned();
        let id = self.open(opening, cause.clone(), is_known, earlier, now)?;
        self.begin(&id, cause, now);
        Some(id)
    }

    /// An alert is evidence for an open trigger. True if that is open again because of it, for which its window has to be
    /// after the mend: what it tells of the time before, the effect is measured against.
    fn join(&mut self, id: &str, opening: Opening, is_after: bool, now: Now<'_>) -> bool {
        self.note_source(id, &opening, now);
        let windows_max = self.limits.windows_max;
        let Some(trigger) = self.edit(id) else {
            return false;
        };
        let before = trigger.severity;
        let Opening {
            evidence,
            severity,
            complaints,
            ..
        } = opening;
        let gone = trigger.support(evidence, severity, complaints, windows_max);
        let is_back = trigger.state == TriggerState::FeedbackGiven && is_after;
        let cities = trigger.cities().join("、");
        self.over_one.windows += gone;
        let place = opening.group_label;
        self.weigh(id, before, now);
        if is_back {
            // Its effect need not be waited for: the data have spoken.
            let why = format!("fired again after it was mended: {place}");
            self.reopen(id, ENGINE, &why, now);
        } else if !cities.is_empty() {
            self.link_city_tickets(id, now);
        }
        is_back
    }

    fn note_source(&mut self, id: &str, opening: &Opening, now: Now<'_>) {
        let source = Source {
            kqi: opening.kqi.clone(),
            group_label: opening.group_label.clone(),
            firing: true,
            withdrawn: false,
        };
        self.take_source(id, source, now);
    }

    /// Remembers that an object speaks for a trigger, and whether its alert fires.
    pub(super) fn take_source(&mut self, id: &str, source: Source, now: Now<'_>) {
        self.hold(&source.kqi, &source.group_label, id);
        let (sources_max, mut is_unnamed) = (self.limits.sources_max, false);
        let Some(trigger) = self.edit(id) else {
            return;
        };
        let fired = trigger.alert_firing;
        trigger.alert_firing |= source.firing;
        let mut known = trigger.sources.iter_mut();
        let known = known
            .find(|known| (&known.kqi, &known.group_label) == (&source.kqi, &source.group_label));
        if let Some(known) = known {
            known.firing |= source.firing;
        } else if trigger.sources.len() < sources_max {
            trigger.sources.push(source);
        } else {
            is_unnamed = true;
        }
        if is_unnamed {
            self.over_one.sources += 1;
            self.unnamed.insert(id.to_owned());
        }
        self.explain_firing(id, fired, now);
    }

    pub(super) fn open(
        &mut self,
        opening: Opening,
        cause: Cause,
        is_known: bool,
        recurrence_of: Option<String>,
        now: Now<'_>,
    ) -> Option<String> {
        let subject = Subject {
            cause: &cause.cause,
            service: opening.service.as_deref(),
            layer: opening.layer,
            department: opening.department.as_deref(),
        };
        let first = Source {
            kqi: opening.kqi.clone(),
            group_label: opening.group_label.clone(),
            firing: true,
            withdrawn: false,
        };
        let Some(owner) = now.book.owner(subject, now.at_ms) else {
            self.process.unowned_total += 1;
            return None;
        };
        if !self.has_room() {
            return None;
        }
        self.process.opened_total += 1;
        let id = format!("T-{:06}", self.process.opened_total);
        let entry = now
            .book
            .knowledge
            .iter()
            .find(|entry| entry.id == cause.cause);
        let title = entry.filter(|_| is_known).map(|entry| entry.title.clone());
        let why = format!(
            "{} of {} left its interval",
            opening.kqi, opening.group_label
        );
        let earlier = recurrence_of.clone();
        let mut trigger = Trigger {
            id: id.clone(),
            title: title.unwrap_or_else(|| opening.name.clone()),
            kqi: opening.kqi.clone(),
            name: opening.name,
            service: opening.service,
            service_name: opening.service_name,
            layer: opening.layer,
            group_label: opening.group_label.clone(),
            group: opening.group,
            copies: now
                .book
                .copies(&owner.department, opening.severity, now.at_ms),
            review_required: now.book.needs_review(&owner.department, opening.severity),
            owner,
            owned_since_ms: now.at_ms,
            severity: opening.severity,
            state: TriggerState::Detected,
            opened_at_ms: now.at_ms,
            since_ms: opening.since_ms,
            limit_min: opening.limit_min,
            limit_max: opening.limit_max,
            unit: opening.unit,
            alert_firing: true,
            sources: Vec::new(),
            evidence: opening.evidence.into_iter().collect(),
            complaints: opening.complaints,
            crossing: None,
            urgency: Urgency::default(),
            deadline: None,
            ack_until_ms: None,
            outcome: None,
            remedy: None,
            measured: None,
            tickets: Vec::new(),
            tickets_beyond: 0,
            recurrence_of,
            absorbed: Vec::new(),
            hops: 0,
            spent: Vec::new(),
            revision: 0,
            stands_since_revision: 1,
            acknowledged_revision: 0,
            told: Vec::new(),
            explanations: Vec::new(),
            explanations_gone: 0,
            history: vec![TriggerMove {
                from: None,
                to: TriggerState::Detected,
                at_ms: now.at_ms,
                actor: ENGINE.to_owned(),
                reason: Some(why),
            }],
            cause: cause.clone(),
        };
        trigger.urgency = Urgency::of(&trigger, now.book);
        self.triggers.insert(id.clone(), Arc::new(trigger));
        self.open.insert(cause, id.clone());
        self.take_source(&id, first, now);
        if let Some(earlier) = earlier {
            self.end_rest(&earlier, &id, now);
        }
        self.link_city_tickets(&id, now);
        Some(id)
    }

    /// Takes the steps that the rule book leaves to the engine, as far as it may.
    pub(super) fn go_on(&mut self, id: &str, now: Now<'_>) {
        while let Some((to, why)) = self.next_step(id, now) {
            self.enter(id, to, ENGINE, Some(&why), now);
        }
        let waits = self.triggers.get(id).is_some_and(|trigger| {
            matches!(
                trigger.state,
                TriggerState::Detected | TriggerState::Classified | TriggerState::Analysed
            )
        });
        if waits {
            self.ask_for_review(id, NewsReason::ReviewAsked, now);
        }
    }

    /// The next step that the engine takes itself, and why.
    fn next_step(&self, id: &str, now: Now<'_>) -> Option<(TriggerState, String)> {
        let trigger = self.triggers.get(id)?;
        let by = trigger.owner.by;
        match trigger.state {
            _ if !now.book.triggers.automatic => None,
            TriggerState::Detected => {
                let cause = &trigger.cause.cause;
                let place = trigger.cause.place.name();
                let at = if place.is_empty() {
                    "everywhere"
                } else {
                    place
                };
                Some((TriggerState::Classified, format!("cause {cause}, at {at}")))
            }
            // Nobody knows whose it is: the coordinator analyses it.
            TriggerState::Classified if by == crate::rules::OwnerBy::Coordinator => None,
            TriggerState::Classified | TriggerState::Reopened => {
                let owner = &trigger.owner;
                let why = format!("{} of {}, by {}", owner.role, owner.department, by.name());
                Some((TriggerState::Analysed, why))
            }
            TriggerState::Analysed if trigger.review_required => None,
            TriggerState::Analysed => {
                Some((TriggerState::Dispatched, "no review required".to_owned()))
            }
            TriggerState::Reviewed => Some((TriggerState::Dispatched, "reviewed".to_owned())),
            _ => None,
        }
    }
}

/// Whether an alert is graver, by the steps that the book wants, than what was refused.
fn is_graver(refused: &Trigger, severity: Severity, now: Now<'_>) -> bool {
    let steps = i16::from(now.book.triggers.worse_by);
    steps > 0 && severity as i16 - refused.severity as i16 >= steps
}
