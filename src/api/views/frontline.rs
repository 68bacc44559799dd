//! What agents tell customers, on the wire.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::iso;
use crate::api::views::TextView;
use crate::engine::Snapshot;
use crate::triggers::{Explanation, Outcome, Place, Trigger, TriggerState, by_urgency};

/// Explanations in one answer; a pop-up shows a few.
const SAID_MAX: usize = 20;
/// How long what is over is still explained, ms. Judgement: people call again within a week.
const OVER_FOR_MS: i64 = 7 * 86_400_000;

/// What agents tell customers of a service (客服解释口径).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FrontlineView {
    /// The service.
    pub service: String,
    /// The city that was asked for.
    pub city: Option<String>,
    /// Whether an alert fires there, whatever became of its trigger: one that waits for its review, one that was
    /// refused and one that is said to be mended are no less felt. False means that nothing is known to be
    /// wrong now; explanations may still speak of what is being looked into.
    pub impaired: bool,
    /// Explanations: what is open first, the most urgent of it first.
    pub explanations: Vec<SayView>,
    /// Explanations beyond the bound.
    pub left_out: usize,
}

/// One explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SayView {
    /// The trigger that it is of.
    pub trigger: String,
    /// What is wrong, in a few words.
    pub title: TextView,
    /// Where; empty for everywhere.
    pub place: String,
    /// Cities that it was seen in by name; of a province that some of its cities made, the others may be well.
    pub cities: Vec<String>,
    /// State that is explained.
    pub state: String,
    /// `mended`, `not_optimised`; null before there is an answer.
    pub outcome: Option<String>,
    /// What to say.
    pub text: TextView,
    /// Since when that is said, the journal's clock, ms.
    pub since_ms: i64,
    /// Since when that is said.
    pub since: String,
    /// When an answer is due, ms.
    pub due_ms: Option<i64>,
}

/// What is said of a trigger. That it is mended is not said as long as it fails: until its alert ends, or its trigger is
/// opened again, what was said before.
fn said_of(trigger: &Trigger) -> Option<&Explanation> {
    let is_early = trigger.alert_firing && matches!(trigger.outcome, Some(Outcome::Mended));
    let mut before = trigger.explanations.iter().rev();
    let before = before.find(|said| said.state != TriggerState::FeedbackGiven);
    before
        .filter(|_| is_early && trigger.state == TriggerState::FeedbackGiven)
        .or_else(|| trigger.explanation())
}

impl FrontlineView {
    /// What is to be said to a customer of a service, of a city, of one ticket. `is_masked`: without the numbers of
    /// subscribers that somebody wrote into a reason.
    pub fn of(
        snapshot: &Snapshot,
        service: &str,
        city: Option<&str>,
        ticket: Option<&str>,
        is_masked: bool,
    ) -> FrontlineView {
        let places = &snapshot.plan.book.places;
        let here = city.map(|city| Place::City(city.to_owned()));
        let has_ticket = |trigger: &Trigger| {
            ticket.is_some_and(|serial| trigger.tickets.iter().any(|known| known.serial == serial))
        };
        let is_here = |trigger: &Trigger| {
            let place = &trigger.cause.place;
            let fits = |here: &Place| place == here || place.covers(here, places);
            trigger.service.as_deref() == Some(service)
                && here.as_ref().is_none_or(fits)
                // Who is well is not told of a trouble of others, unless that has the customer's ticket.
                && (city.is_none_or(|city| trigger.is_about(city)) || has_ticket(trigger))
        };
        let is_felt = |trigger: &Trigger| match city {
            Some(city) => trigger.is_felt_in(city),
            None => trigger.alert_firing,
        };
        // Of an object's triggers the newest one hears what becomes of its alert.
        let is_absorbed =
            |trigger: &Trigger| matches!(trigger.outcome, Some(Outcome::Absorbed { .. }));
        let speaks = |trigger: &Trigger| {
            let mut later = snapshot.triggers.iter();
            let came_back = later.any(|later| later.recurrence_of.as_ref() == Some(&trigger.id));
            !is_absorbed(trigger) && !came_back
        };
        let all = || snapshot.triggers.iter().map(|trigger| &**trigger);
        let impaired = all().any(|of| is_felt(of) && is_here(of) && speaks(of));
        let is_alike = |a: &Trigger, b: &Trigger| {
            let (one, other) = (&a.cause.place, &b.cause.place);
            (&a.cause.service, &a.cause.cause) == (&b.cause.service, &b.cause.cause)
                && (one == other || one.covers(other, places) || other.covers(one, places))
        };
        // Looked up once: for each trigger a look at all the others would be too long for a pop-up.
        let mut open: BTreeMap<(&str, &str), Vec<&Trigger>> = BTreeMap::new();
        for of in all().filter(|of| !of.state.is_final() && is_here(of)) {
            open.entry((&of.cause.service, &of.cause.cause))
                .or_default()
                .push(of);
        }
        let answered: Vec<&Trigger> = all()
            .filter(|old| old.state.is_final() && has_ticket(old))
            .collect();
        // What is worked on again is said instead of what became of it before.
        let is_replaced = |old: &Trigger| {
            let open = open.get(&(old.cause.service.as_str(), old.cause.cause.as_str()));
            let mut open = open.into_iter().flatten();
            old.state.is_final() && open.any(|of| is_alike(old, of))
        };
        let is_asked_for = |trigger: &Trigger| {
            let mut answered = answered.iter();
            ticket.is_none() || has_ticket(trigger) || answered.any(|old| is_alike(old, trigger))
        };
        let is_still_true = |trigger: &Trigger| match (&trigger.outcome, trigger.explanation()) {
            (_, None) => false,
            _ if !trigger.state.is_final() => true,
            // A review date that is over is promised to nobody.
            (Some(Outcome::NotOptimised { .. }), _) => trigger.rests(snapshot.now_ms),
            // That it is well again is not said to whom it fails.
            (_, Some(said)) => !impaired && snapshot.now_ms - said.at_ms < OVER_FOR_MS,
        };
        let concerns = |trigger: &Trigger| {
            is_still_true(trigger)
                && is_here(trigger)
                && is_asked_for(trigger)
                && !is_absorbed(trigger)
                && !is_replaced(trigger)
        };
        let mut found: Vec<&Trigger> = all().filter(|trigger| concerns(trigger)).collect();
        found.sort_by(|a, b| {
            let waits = |trigger: &Trigger| !trigger.state.is_unanswered();
            waits(a).cmp(&waits(b)).then_with(|| by_urgency(a, b))
        });
        let zone = &snapshot.plan.zone;
        let said = found.iter().filter_map(|trigger| {
            let said = said_of(trigger)?;
            Some(SayView {
                trigger: trigger.id.clone(),
                title: (&trigger.title).into(),
                place: trigger.cause.place.name().to_owned(),
                cities: trigger.cities().into_iter().map(str::to_owned).collect(),
                state: trigger.state.name().to_owned(),
                outcome: trigger
                    .outcome
                    .as_ref()
                    .map(|outcome| outcome.name().to_owned()),
                text: TextView::written(&said.text, is_masked),
                since_ms: said.at_ms,
                since: iso(said.at_ms, zone),
                due_ms: trigger.deadline.map(|deadline| deadline.due_ms),
            })
        });
        FrontlineView {
            service: service.to_owned(),
            city: city.map(str::to_owned),
            impaired,
            explanations: said.take(SAID_MAX).collect(),
            left_out: found.len().saturating_sub(SAID_MAX),
        }
    }
}
