//! What agents tell customers, on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::iso;
use crate::api::views::TextView;
use crate::engine::Snapshot;
use crate::triggers::{Outcome, Place, Trigger, by_urgency};

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
        let is_here = |trigger: &Trigger| {
            let place = &trigger.cause.place;
            let fits = here
                .as_ref()
                .is_none_or(|here| place == here || place.covers(here, places));
            fits && trigger.service.as_deref() == Some(service)
        };
        let is_felt = |trigger: &Trigger| match city {
            Some(city) => trigger.is_felt_in(city),
            None => trigger.alert_firing,
        };
        // Of an object's triggers the newest one hears what becomes of its alert.
        let speaks = |trigger: &Trigger| {
            let mut later = snapshot.triggers.iter();
            let absorbed = matches!(trigger.outcome, Some(Outcome::Absorbed { .. }));
            let came_back = later.any(|later| later.recurrence_of.as_ref() == Some(&trigger.id));
            !absorbed && !came_back
        };
        let concerns = |trigger: &Trigger| {
            let asked_for = ticket
                .is_none_or(|serial| trigger.tickets.iter().any(|ticket| ticket.serial == serial));
            let absorbed = matches!(trigger.outcome, Some(Outcome::Absorbed { .. }));
            let recent = trigger.explanation().is_some_and(|said| {
                !trigger.state.is_final()
                    || trigger.rests(snapshot.now_ms)
                    || snapshot.now_ms - said.at_ms < OVER_FOR_MS
            });
            is_here(trigger) && asked_for && recent && !absorbed
        };
        let mut found: Vec<&Trigger> = snapshot
            .triggers
            .iter()
            .map(|trigger| &**trigger)
            .filter(|trigger| concerns(trigger))
            .collect();
        found.sort_by(|a, b| {
            let waits = |trigger: &Trigger| !trigger.state.is_unanswered();
            waits(a).cmp(&waits(b)).then_with(|| by_urgency(a, b))
        });
        let zone = &snapshot.plan.zone;
        let said = found.iter().filter_map(|trigger| {
            let said = trigger.explanation()?;
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
            impaired: snapshot
                .triggers
                .iter()
                .any(|trigger| is_felt(trigger) && is_here(trigger) && speaks(trigger)),
            explanations: said.take(SAID_MAX).collect(),
            left_out: found.len().saturating_sub(SAID_MAX),
        }
    }
}
