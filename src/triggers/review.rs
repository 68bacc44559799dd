//! What was refused is asked again: on its review date, if it fires on then, without waiting for another incident; and
//! before, once its value is clearly worse than what it was refused on.

use crate::rules::Kqi;
use crate::triggers::book::{ENGINE, Now};
use crate::triggers::trigger::Outcome;
use crate::triggers::{Evidence, Opening, Trigger, TriggerBook};

impl TriggerBook {
    /// The review date of a closed trigger has come. If an alert that it had held back still fires, and nobody else
    /// has its cause by now, another trigger asks.
    pub(super) fn review(&mut self, refused: &Trigger, now: Now<'_>) {
        let is_due = refused
            .rests_until_ms()
            .is_some_and(|at_ms| at_ms <= now.at_ms);
        let is_last_word = self.closed.get(&refused.cause) == Some(&refused.id);
        let is_firing = refused.sources.iter().any(|source| source.firing);
        if !is_due || !is_last_word || !is_firing {
            return;
        }
        let why = format!(
            "the review date of {} has come, and it still fires",
            refused.id
        );
        self.ask_for(refused, opening_of(refused), &why, now);
    }

    /// The newest abnormal windows of an object, the newest first. If a refusal rests on it and these lie clearly further
    /// outside its interval than all that it was refused on, another trigger asks. True if one does.
    ///
    /// A step of severity is not waited for: what is critical has none left.
    pub fn weigh_refusal(&mut self, kqi: &Kqi, windows: &[Evidence], now: Now<'_>) -> bool {
        let Some(newest) = windows.first() else {
            return false;
        };
        let refused = self.newest(&newest.kqi, &newest.group_label);
        let Some(refused) = refused.filter(|refused| refused.rests(now.at_ms)).cloned() else {
            return false;
        };
        let rule = now.book.triggers.worse_value;
        let outside = |window: &Evidence| window.value.map(|value| kqi.interval.outside_by(value));
        let was = refused.evidence.iter().filter(|known| known.kqi == kqi.id);
        let was = was.filter_map(outside).fold(0.0, f64::max);
        let is_clear = |window: &Evidence| outside(window).is_some_and(|by| by >= was * rule.times);
        // What was refused without a value outside has nothing to be compared with.
        let is_worse = rule.times > 0.0
            && was > 0.0
            && windows.len() >= rule.windows
            && windows.iter().take(rule.windows).all(is_clear);
        if !is_worse {
            return false;
        }
        let why = format!(
            "clearly worse than {} was refused on: {} windows in a row are {} times as far outside",
            refused.id, rule.windows, rule.times
        );
        let opening = Opening {
            kqi: kqi.id.clone(),
            name: kqi.name.clone(),
            layer: kqi.layer,
            group_label: newest.group_label.clone(),
            limit_min: kqi.interval.min,
            limit_max: kqi.interval.max,
            unit: newest.unit.clone(),
            since_ms: windows.last().map_or(newest.end_ms, |first| first.end_ms),
            evidence: Some(newest.clone()),
            ..opening_of(&refused)
        };
        self.ask_for(&refused, opening, &why, now);
        true
    }

    /// Asks again for what was refused.
    fn ask_for(&mut self, refused: &Trigger, opening: Opening, why: &str, now: Now<'_>) {
        let was_open = self.open_for(&refused.cause, now).is_some();
        let asked = (opening.kqi.clone(), opening.group_label.clone());
        let Some(id) = self.ask_again(opening, &refused.cause, now) else {
            return;
        };
        self.end_rest(&refused.id, &id, now);
        let Some(trigger) = self.edit(&id) else {
            return;
        };
        // It is asked in the name of the first object, whose alert may be over.
        let mut own = refused.sources.iter();
        let is_over =
            own.any(|of| !of.firing && (&of.kqi, &of.group_label) == (&asked.0, &asked.1));
        if is_over && !was_open {
            trigger
                .sources
                .retain(|of| (&of.kqi, &of.group_label) != (&asked.0, &asked.1));
        }
        trigger.remark(ENGINE, why.to_owned(), now.at_ms);
        if is_over && !was_open {
            // The object may speak for it again.
            self.unnamed.insert(id);
        }
    }

    /// A refusal is respected no longer, for its cause is asked for again: the objects whose alerts it held back speak
    /// for that.
    pub(super) fn end_rest(&mut self, id: &str, into: &str, now: Now<'_>) {
        let Some(refused) = self.edit(id) else {
            return;
        };
        if let Some(Outcome::NotOptimised { review_at_ms, .. }) = &mut refused.outcome {
            *review_at_ms = (*review_at_ms).min(now.at_ms);
        }
        refused.alert_firing = false;
        let mut firing = Vec::new();
        for source in refused.sources.iter_mut().filter(|of| of.firing) {
            firing.push(source.clone());
            source.firing = false;
        }
        for source in firing {
            self.take_source(into, source, now);
        }
    }
}

/// A refused trigger as what is asked anew.
fn opening_of(refused: &Trigger) -> Opening {
    let mut firing = refused.sources.iter().filter(|source| source.firing);
    let first = firing.find(|source| source.kqi == refused.kqi);
    let label = first.map_or(&refused.group_label, |source| &source.group_label);
    Opening {
        kqi: refused.kqi.clone(),
        name: refused.name.clone(),
        service: refused.service.clone(),
        service_name: refused.service_name.clone(),
        layer: refused.layer,
        group_label: label.clone(),
        group: refused.group.clone(),
        department: Some(refused.owner.department.clone()),
        severity: refused.severity,
        limit_min: refused.limit_min,
        limit_max: refused.limit_max,
        unit: refused.unit.clone(),
        since_ms: refused.since_ms,
        evidence: refused.evidence.last().cloned(),
        complaints: refused.complaints.clone(),
    }
}
