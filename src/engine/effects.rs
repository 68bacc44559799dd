//! When the effect of a mend is measured, and from what.
//!
//! A mend is dated in event time: when its department says so, it is the clock of the KQI's stream that
//! counts, so that a replay at any speed compares the same windows. Invariants:
//! * the verdict comes once the period after the work is over; until then it is "too early", and the
//!   trigger says when it will come;
//! * it is looked at again whenever late data change what was compared, as long as that can happen;
//! * places that had trouble of their own are no controls.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::dataflow::Standing;
use crate::effect::{
    Better, Compared, EffectReport, EffectRules, EffectVerdict, Incomparable, Mend, Periods,
    awaited, sentence,
};
use crate::engine::instance::unit_text;
use crate::engine::past::{Kept, is_counted};
use crate::engine::step::{Engine, Turn};
use crate::event::{CITY, Stream};
use crate::rules::{Kqi, Plan, RuleBook, Text};
use crate::triggers::{Measured, Now, Outcome, Trigger, TriggerState};

/// Mends that are remembered for looking again; the oldest go first.
const MENDS_MAX: usize = 10_000;

/// Mends by trigger.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Effects {
    mends: BTreeMap<String, Mending>,
}

/// What is known of a mend, in event time.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mending {
    /// End of the window that opened the trigger, ms.
    opened_ms: i64,
    begun_ms: Option<i64>,
    mended_ms: Option<i64>,
    /// Whether the same hours of a later week are waited for.
    waits_week: bool,
    /// When the verdict can come, ms; `None` once it has come.
    due_ms: Option<i64>,
    /// Whether its trigger says so.
    is_said: bool,
    report: Option<EffectReport>,
}

impl Engine {
    /// A command moved a trigger: notes when work began or was done.
    pub(super) fn note_work(&mut self, id: &str, turn: &Turn<'_>) {
        let Some(trigger) = self.triggers.get(id) else {
            return;
        };
        let book = &turn.watchlist.plan.book;
        let Some(kqi) = book.kqis.iter().find(|kqi| kqi.id == trigger.kqi) else {
            return;
        };
        let clock_ms = turn.cut.watermarks.clock(kqi.stream);
        let moved = trigger.history.iter().rev();
        let mut moved = moved.filter(|step| step.from != Some(step.to));
        let Some(entered) = moved.next().map(|step| step.to) else {
            return;
        };
        let is_mended = trigger.outcome == Some(Outcome::Mended);
        let mends = &mut self.effects.mends;
        let mending = mends.entry(id.to_owned()).or_insert(Mending {
            opened_ms: trigger.since_ms,
            begun_ms: None,
            mended_ms: None,
            waits_week: false,
            due_ms: None,
            is_said: false,
            report: None,
        });
        if entered == TriggerState::InProgress {
            // After another try the same trouble is set against what came of that.
            mending.begun_ms = mending.begun_ms.or(Some(clock_ms));
            (mending.mended_ms, mending.waits_week) = (None, false);
            (mending.due_ms, mending.report) = (None, None);
            mending.is_said = false;
        } else if is_mended && mending.mended_ms.is_none() {
            mending.mended_ms = Some(clock_ms);
            self.appoint(id, turn);
        }
        if self.effects.mends.len() > MENDS_MAX {
            self.effects.mends.pop_first();
        }
    }

    /// Says when the effect of a mend that was just done can be measured: after as long again as the trouble was
    /// known, or, where nothing else could tell it from the time of day, when the same hours of the week have come
    /// again.
    fn appoint(&mut self, id: &str, turn: &Turn<'_>) {
        let plan = &turn.watchlist.plan;
        let Some((trigger, mend)) = self.triggers.get(id).zip(self.effects.mend(id)) else {
            return;
        };
        let Some(kqi) = kqi_of(turn, &trigger.kqi) else {
            return;
        };
        let rules = EffectRules::default();
        let spec = kqi.window;
        let phase_ms = spec.phase_ms(plan.standard_offset_ms());
        let of = |mend: Mend| Periods::of(mend, rules.longest_ms, spec.size_ms, phase_ms);
        let own = self.compared(trigger, kqi, &trigger.group_label, mend, &rules, plan);
        let can_match = own.is_none_or(|own| own.can_match(mend, &of(mend)));
        if let Some(mending) = self.effects.mends.get_mut(id) {
            mending.waits_week = !can_match;
            mending.due_ms = mending.mend().map(|mend| of(mend).end_ms());
        }
    }

    /// Measures what can be measured now, and what late data changed.
    pub(super) fn measure_effects(&mut self, turn: &Turn<'_>) {
        if self.effects.mends.is_empty() {
            return;
        }
        let corrected = self.corrected_windows(turn);
        let mut measured = Vec::new();
        for (id, mending) in &self.effects.mends {
            let Some(mend) = mending.mend() else {
                continue;
            };
            let is_due = mending.due_ms.is_some_and(|due_ms| {
                let trigger = self.triggers.get(id);
                let kqi = trigger.and_then(|trigger| kqi_of(turn, &trigger.kqi));
                kqi.is_some_and(|kqi| turn.cut.watermarks.clock(kqi.stream) >= due_ms)
            });
            let is_touched = mending.report.as_ref().is_some_and(|report| {
                corrected
                    .iter()
                    .any(|(kqi, start_ms, end_ms)| report.touches(kqi, *start_ms, *end_ms))
            });
            if is_due || is_touched {
                measured.push((id.clone(), mend));
            }
        }
        for (id, mend) in measured {
            self.measure(&id, mend, turn);
        }
        self.say_when(turn);
    }

    /// Windows of the past that this cut changed: KQI, start and end, ms.
    fn corrected_windows<'t>(&self, turn: &'t Turn<'_>) -> BTreeSet<(&'t str, i64, i64)> {
        let kqis = &turn.watchlist.plan.book.kqis;
        let past =
            turn.cut.updates.iter().filter(|update| {
                matches!(update.standing, Standing::Corrected | Standing::Removed)
            });
        past.flat_map(|update| {
            let cells = update.cells.iter();
            cells.filter_map(|cell| {
                let kqi = kqis.get(cell.kqi)?;
                Some((kqi.id.as_str(), update.start_ms, update.end_ms))
            })
        })
        .collect()
    }

    fn measure(&mut self, id: &str, mend: Mend, turn: &Turn<'_>) {
        let Some(trigger) = self.triggers.get(id).cloned() else {
            self.effects.mends.remove(id);
            return;
        };
        let plan = &turn.watchlist.plan;
        let book = &*plan.book;
        let rules = EffectRules::default();
        let indicators = self.indicators(&trigger, mend, &rules, plan);
        if indicators.is_empty() {
            return;
        }
        let report = EffectReport::of(mend, &indicators, &rules, turn.cut.now_ms);
        let own = report.indicators.first();
        if !mend.waits_week && own.is_some_and(|own| own.found == Err(Incomparable::Hours)) {
            // Places that were to be controls had trouble of their own meanwhile.
            self.wait_a_week(id, turn);
            return;
        }
        let text = sentence(&report, |id| named(book, id));
        let verdict = report.verdict;
        let now = Now {
            book,
            at_ms: turn.cut.now_ms,
        };
        let measured = Measured {
            verdict,
            text,
            report: Some(Box::new(report.clone())),
            at_ms: turn.cut.now_ms,
        };
        if let Some(mending) = self.effects.mends.get_mut(id) {
            mending.due_ms = None;
            mending.report = Some(report);
        }
        let told = match trigger.state {
            TriggerState::FeedbackGiven => self.triggers.effect_measured(id, measured, now),
            _ => self.triggers.effect_measured_again(id, measured, now),
        };
        if told.is_err() {
            // Somebody moved it on by hand: what the data say is told no more.
            self.effects.mends.remove(id);
        }
        self.triggers_changed = true;
    }

    /// Puts a mend off until the same hours of the week come again.
    fn wait_a_week(&mut self, id: &str, turn: &Turn<'_>) {
        let trigger = self.triggers.get(id);
        let kqi = trigger.and_then(|trigger| kqi_of(turn, &trigger.kqi));
        let Some((kqi, mending)) = kqi.zip(self.effects.mends.get_mut(id)) else {
            return;
        };
        mending.waits_week = true;
        let rules = EffectRules::default();
        let phase_ms = kqi
            .window
            .phase_ms(turn.watchlist.plan.standard_offset_ms());
        let periods = mending
            .mend()
            .map(|mend| Periods::of(mend, rules.longest_ms, kqi.window.size_ms, phase_ms));
        mending.due_ms = periods.map(|periods| periods.end_ms());
        mending.report = None;
        mending.is_said = false;
    }

    /// Lets triggers that wait for a verdict say when it comes.
    fn say_when(&mut self, turn: &Turn<'_>) {
        let zone = &turn.watchlist.plan.zone;
        let waiting = self.effects.mends.iter().filter_map(|(id, mending)| {
            let trigger = self.triggers.get(id)?;
            let waits = trigger.state == TriggerState::FeedbackGiven && !mending.is_said;
            Some((id.clone(), mending.due_ms.filter(|_| waits)?))
        });
        for (id, due_ms) in waiting.collect::<Vec<_>>() {
            if let Some(mending) = self.effects.mends.get_mut(&id) {
                mending.is_said = true;
            }
            let at_ms = turn.cut.now_ms;
            let until = jiff::Timestamp::from_millisecond(due_ms)
                .map(|time| {
                    time.to_zoned(zone.clone())
                        .strftime("%Y-%m-%d %H:%M %Z")
                        .to_string()
                })
                .unwrap_or_default();
            let measured = Measured {
                verdict: EffectVerdict::TooEarly,
                text: awaited(&until),
                report: None,
                at_ms,
            };
            let book = &*turn.watchlist.plan.book;
            // It waits, as was just seen.
            let _ = self
                .triggers
                .effect_measured(&id, measured, Now { book, at_ms });
            self.triggers_changed = true;
        }
    }

    /// The trigger's own KQI, and the complaints of its service and place where their windows are short
    /// enough for its periods.
    fn indicators<'a>(
        &'a self,
        trigger: &'a Trigger,
        mend: Mend,
        rules: &EffectRules,
        plan: &'a Plan,
    ) -> Vec<Compared<'a>> {
        let book = &*plan.book;
        let mut indicators = Vec::new();
        let Some(kqi) = book.kqis.iter().find(|kqi| kqi.id == trigger.kqi) else {
            return indicators;
        };
        let own = self.compared(
            trigger,
            kqi,
            trigger.group_label.as_str(),
            mend,
            rules,
            plan,
        );
        let Some(own) = own else {
            return indicators;
        };
        let end_ms = own.periods(mend, rules).end_ms();
        indicators.push(own);
        let city = trigger.group.iter().find(|(name, _)| name == CITY);
        let city = city.map(|(_, city)| city.as_str());
        for complaints in &book.kqis {
            if complaints.stream != Stream::Complaint || complaints.id == trigger.kqi {
                continue;
            }
            let object = self.past.of(&complaints.id).find(|(_, kept)| {
                let service = complaints.service.as_deref();
                let service = service.or_else(|| kept.group.get("service"));
                let place = kept.group.get(CITY);
                service.is_some()
                    && service == trigger.service.as_deref()
                    && (place.is_none() || place == city)
            });
            let Some((label, _)) = object else {
                continue;
            };
            let compared = self.compared(trigger, complaints, label, mend, rules, plan);
            indicators.extend(compared.filter(|of| of.periods(mend, rules).end_ms() <= end_ms));
        }
        indicators
    }

    fn compared<'a>(
        &'a self,
        trigger: &Trigger,
        kqi: &'a Kqi,
        label: &str,
        mend: Mend,
        rules: &EffectRules,
        plan: &Plan,
    ) -> Option<Compared<'a>> {
        let (own_label, own) = self
            .past
            .of(&kqi.id)
            .find(|(known, _)| ***known == *label)?;
        let mut compared = Compared {
            kqi: &kqi.id,
            group_label: own_label,
            is_count: is_counted(kqi),
            better: Better::Lower,
            window_ms: kqi.window.size_ms,
            offset_ms: kqi.window.phase_ms(plan.standard_offset_ms()),
            treated: &own.series,
            controls: Vec::new(),
        };
        let periods = compared.periods(mend, rules);
        compared.better = better(kqi, own, &periods);
        compared.controls = self
            .past
            .of(&kqi.id)
            .filter(|(other, kept)| {
                *other != own_label
                    && elsewhere(own, kept)
                    && !self.had_trouble(trigger, &kqi.id, other, &periods)
            })
            .filter_map(|(_, kept)| Some((kept.group.get(CITY)?, &kept.series)))
            .collect();
        Some(compared)
    }

    /// Whether an object was the business of another trigger while it would have to be untouched.
    fn had_trouble(&self, own: &Trigger, kqi: &str, label: &str, periods: &Periods) -> bool {
        self.triggers.triggers().any(|other| {
            let concerns = other
                .sources
                .iter()
                .any(|source| source.kqi == kqi && *source.group_label == *label);
            let from_ms = periods.before_ms - periods.length_ms;
            let touches = other.since_ms < periods.end_ms()
                && (!other.state.is_final() || other.since_ms >= from_ms);
            other.id != own.id && concerns && touches
        })
    }
}

impl Effects {
    fn mend(&self, id: &str) -> Option<Mend> {
        self.mends.get(id)?.mend()
    }
}

impl Mending {
    fn mend(&self) -> Option<Mend> {
        let mended_ms = self.mended_ms?;
        Some(Mend {
            opened_ms: self.opened_ms,
            begun_ms: self.begun_ms.unwrap_or(mended_ms).min(mended_ms),
            mended_ms,
            waits_week: self.waits_week,
        })
    }
}

fn kqi_of<'t>(turn: &'t Turn<'_>, id: &str) -> Option<&'t Kqi> {
    let mut kqis = turn.watchlist.plan.book.kqis.iter();
    kqis.find(|kqi| kqi.id == id)
}

fn named(book: &RuleBook, id: &str) -> (Text, String) {
    let empty = Text {
        zh: id.to_owned(),
        en: id.to_owned(),
    };
    let kqi = book.kqis.iter().find(|kqi| kqi.id == id);
    match kqi {
        Some(kqi) if kqi.stream == Stream::Complaint => (kqi.name.clone(), String::new()),
        Some(kqi) => (kqi.name.clone(), unit_text(&kqi.unit)),
        None => (empty, String::new()),
    }
}

/// Whether an object differs from another in its city alone.
fn elsewhere(own: &Kept, other: &Kept) -> bool {
    let (own, other) = (&own.group.values, &other.group.values);
    own.len() == other.len()
        && own
            .iter()
            .zip(other)
            .all(|(own, other)| own.0 == other.0 && (own.1 == other.1) == (own.0 != CITY))
}

/// Which way a KQI should move: back into its interval.
fn better(kqi: &Kqi, own: &Kept, periods: &Periods) -> Better {
    match (kqi.interval.min, kqi.interval.max) {
        (Some(_), None) => Better::Higher,
        (Some(min), Some(_)) => {
            let to_ms = periods.before_ms + periods.length_ms;
            let before = own.series.totals(periods.before_ms, to_ms);
            let mean = before.and_then(|before| before.mean());
            if mean.is_some_and(|mean| mean < min) {
                Better::Higher
            } else {
                Better::Lower
            }
        }
        _ => Better::Lower,
    }
}
