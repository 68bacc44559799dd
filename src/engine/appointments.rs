//! When a mend is looked at, and what is to be expected of it: told as soon as it is done.
//!
//! * What spoke for the trigger is waited for; complaints alone where none of it can ever be compared.
//! * Where nothing can, the last day is waited for, and the trigger says at once that no proof will come, and why.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::{Compared, Doubt, EffectRules, EffectVerdict, Judged, awaited, doubt};
use crate::engine::effects::{Effects, local, named};
use crate::engine::step::{Engine, Turn};
use crate::event::Stream;
use crate::rules::RuleBook;
use crate::triggers::{Measured, Now, Trigger, TriggerState};

impl Effects {
    /// Triggers whose effect is awaited, and when it is looked at (next), event time, ms.
    pub(super) fn due(&self) -> BTreeMap<String, i64> {
        let due = self.waiting();
        due.map(|(id, _, due_ms)| (id.to_owned(), due_ms)).collect()
    }
}

/// Whether a KQI spoke for a trigger.
pub(super) fn speaks(trigger: &Trigger, kqi: &str) -> bool {
    trigger.sources.iter().any(|source| source.kqi == kqi)
}

impl Engine {
    /// Finds the KQIs of a mend that was just done for which nothing but the same hours of a later week could tell an
    /// effect from the time of day.
    pub(super) fn note_matching(&mut self, id: &str, turn: &Turn<'_>) {
        let Some((trigger, mending)) = self.triggers.get(id).zip(self.effects.mending(id)) else {
            return;
        };
        let rules = EffectRules::default();
        let compared = self.indicators(trigger, mending, &turn.watchlist.plan).all;
        let waits = compared.iter().filter(|of| {
            // Whole weeks apart by waiting is what could be matched always.
            let periods = of.periods(&rules);
            !of.can_match(&periods)
        });
        let waits: BTreeSet<String> = waits.map(|of| of.kqi.to_owned()).collect();
        if let Some(mending) = self.effects.mending_mut(id) {
            mending.waits_week.extend(waits);
        }
    }

    /// Says when a mend can be looked at (next): after as long again as the trouble was known, for every KQI that
    /// spoke for it. Where none of them can ever be compared, complaints are waited for; and where they cannot
    /// either, the last day.
    pub(super) fn appoint(&mut self, id: &str, turn: &Turn<'_>) {
        let Some((trigger, mending)) = self.triggers.get(id).zip(self.effects.mending(id)) else {
            return;
        };
        let rules = EffectRules::default();
        let plan = &turn.watchlist.plan;
        let indicators = self.indicators(trigger, mending, plan).all;
        let ends = awaited_of(trigger, &indicators, turn).into_iter();
        let ends = ends.filter_map(|of| {
            let stream = stream_of(&plan.book, of.kqi)?;
            Some((stream, of.periods(&rules).end_ms()))
        });
        let mut due: Vec<(Stream, i64)> = ends.collect();
        if due.is_empty() {
            let last_ms = mending.last_ms(&plan.book);
            due.extend(stream_of(&plan.book, &trigger.kqi).zip(last_ms));
        }
        if let Some(mending) = self.effects.mending_mut(id) {
            mending.due = due;
            mending.is_said = false;
        }
    }

    /// Lets triggers that wait for a verdict say when it comes, and what can be expected of it.
    pub(super) fn say_when(&mut self, turn: &Turn<'_>) {
        let plan = &turn.watchlist.plan;
        for (id, due_ms) in self.effects.unsaid() {
            let trigger = self.triggers.get(&id);
            let trigger = trigger.filter(|of| of.state == TriggerState::FeedbackGiven);
            let Some((trigger, mending)) = trigger.zip(self.effects.mending(&id)) else {
                continue;
            };
            let indicators = self.indicators(trigger, mending, plan).all;
            let judged = judged_by(trigger, &indicators, turn);
            if let Some(mending) = self.effects.mending_mut(&id) {
                mending.is_said = true;
            }
            let at_ms = turn.cut.now_ms;
            let measured = Measured {
                verdict: match judged.is_hopeless() {
                    true => EffectVerdict::Unprovable,
                    false => EffectVerdict::TooEarly,
                },
                text: awaited(&local(due_ms, &plan.zone), &judged),
                report: None,
                at_ms,
            };
            let book = &*plan.book;
            // It waits, as was just seen.
            let _ = self
                .triggers
                .effect_measured(&id, measured, Now { book, at_ms });
            self.triggers_changed = true;
        }
    }
}

/// Which of a mend's indicators are waited for: those that spoke for it and can be compared by design; where none of
/// them can, complaints that can prove it: of a handful nothing would come but weeks of waiting.
fn awaited_of<'c, 'a>(
    trigger: &Trigger,
    indicators: &'c [Compared<'a>],
    turn: &Turn<'_>,
) -> Vec<&'c Compared<'a>> {
    let rules = EffectRules::default();
    let comparable = indicators
        .iter()
        .filter(|of| of.periods(&rules).has_enough());
    let (own, others): (Vec<_>, Vec<_>) = comparable.partition(|of| speaks(trigger, of.kqi));
    match own.is_empty() {
        false => own,
        true if doubt_of(&others, turn).is_none() => others,
        true => Vec::new(),
    }
}

fn doubt_of<'c, 'a>(
    indicators: &[&'c Compared<'a>],
    turn: &Turn<'_>,
) -> Option<(&'c Compared<'a>, Doubt)> {
    let (book, watermarks) = (&turn.watchlist.plan.book, &turn.cut.watermarks);
    let clock = |id: &str| stream_of(book, id).map(|stream| watermarks.clock(stream));
    doubt(indicators, &EffectRules::default(), |id| {
        clock(id).unwrap_or(i64::MIN)
    })
}

/// By what a mend will be judged.
fn judged_by(trigger: &Trigger, indicators: &[Compared<'_>], turn: &Turn<'_>) -> Judged {
    let book = &turn.watchlist.plan.book;
    let name = |of: &Compared<'_>| named(book, of.kqi).0;
    let awaited = awaited_of(trigger, indicators, turn);
    let own = indicators.iter().filter(|of| speaks(trigger, of.kqi));
    let own: Vec<&Compared<'_>> = own.collect();
    match awaited.first() {
        Some(first) if speaks(trigger, first.kqi) => match doubt_of(&awaited, turn) {
            Some((of, doubt)) => Judged::Hardly(doubt, name(of)),
            None => Judged::Well,
        },
        Some(_) => match doubt_of(&own, turn) {
            Some((of, doubt)) => Judged::ByComplaints(doubt, name(of)),
            None => Judged::Well,
        },
        None => match doubt_of(&own, turn) {
            Some((of, doubt)) => Judged::Hardly(doubt, name(of)),
            None => Judged::Nothing,
        },
    }
}

fn stream_of(book: &RuleBook, kqi: &str) -> Option<Stream> {
    let kqi = book.kqis.iter().find(|known| known.id == kqi);
    kqi.map(|kqi| kqi.stream)
}
