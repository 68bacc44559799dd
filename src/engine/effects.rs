//! When the effect of a mend is measured, and what is made of it.
//!
//! A mend is dated in event time: when its department says so, it is the clock of its KQIs' streams that
//! counts, so that a replay at any speed compares the same windows. Invariants:
//! * the verdict comes once the period after the work is over for every KQI that spoke for the trigger; until then
//!   it is "too early", and the trigger says when it will come, or that it cannot (`appointments.rs`);
//! * where the data do not decide, the same hours of the next week are waited for, and of the one after it, until
//!   the rule book's last day: then it is "not proven". Every measured mend comes to one of these ends;
//! * it is looked at again whenever late data change what was compared, as long as that can happen.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::dataflow::Standing;
use crate::effect::{
    EffectReport, EffectRules, EffectVerdict, Incomparable, Mend, looks_again, nothing_kept,
    sentence, sentences,
};
use crate::engine::appointments::speaks;
use crate::engine::course::counted_name;
use crate::engine::indicators::Indicators;
use crate::engine::instance::unit_text;
use crate::engine::limits::EngineLimits;
use crate::engine::past::is_counted;
use crate::engine::step::{Engine, Turn};
use crate::event::Stream;
use crate::rules::{RuleBook, Text};
use crate::triggers::{Measured, Now, Outcome, Trigger, TriggerState};

/// A stream in which nothing comes any more holds a verdict back for so long after the others have passed, ms.
/// Judgement: a day without complaints is a day without complaints.
const STALLED_MS: i64 = 86_400_000;

/// Mends by trigger.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Effects {
    mends: BTreeMap<String, Mending>,
    #[serde(skip, default = "mends_max")]
    mends_max: usize,
    gone_total: u64,
}

fn mends_max() -> usize {
    EngineLimits::default().mends_max
}

impl Default for Effects {
    fn default() -> Self {
        Effects {
            mends: BTreeMap::new(),
            mends_max: mends_max(),
            gone_total: 0,
        }
    }
}

impl Effects {
    /// Puts another bound in force; the oldest beyond it go.
    pub(super) fn set_limit(&mut self, mends_max: usize) {
        self.mends_max = mends_max;
        self.forget();
    }

    /// Mends whose effect is awaited: trigger, when it was done, and the latest instant of the next look, ms.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&str, i64, i64)> {
        self.mends.iter().filter_map(|(id, mending)| {
            let due_ms = mending.due.iter().map(|(_, at_ms)| *at_ms).max()?;
            Some((id.as_str(), mending.mended_ms?, due_ms))
        })
    }

    /// When the work on a trigger was done, in event time, ms.
    pub(super) fn mended_ms(&self, id: &str) -> Option<i64> {
        self.mends.get(id)?.mended_ms
    }

    /// How many mends there are, may be, and how many went.
    pub(super) fn bound(&self) -> (usize, usize, u64) {
        (self.mends.len(), self.mends_max, self.gone_total)
    }

    pub(super) fn mending(&self, id: &str) -> Option<&Mending> {
        self.mends.get(id)
    }

    pub(super) fn mending_mut(&mut self, id: &str) -> Option<&mut Mending> {
        self.mends.get_mut(id)
    }

    /// Triggers that do not yet say when their effect is looked at, and that instant, ms.
    pub(super) fn unsaid(&self) -> Vec<(String, i64)> {
        let unsaid = self.mends.iter().filter(|(_, mending)| !mending.is_said);
        let unsaid = unsaid.filter_map(|(id, mending)| {
            let due_ms = mending.due.iter().map(|(_, at_ms)| *at_ms).max()?;
            Some((id.clone(), due_ms))
        });
        unsaid.collect()
    }

    fn forget(&mut self) {
        while self.mends.len() > self.mends_max {
            self.mends.pop_first();
            self.gone_total += 1;
        }
    }
}

/// What is known of a mend, in event time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mending {
    /// End of the window that opened the trigger, ms.
    opened_ms: i64,
    begun_ms: Option<i64>,
    mended_ms: Option<i64>,
    /// When that was said, by the journal's clock, ms: it goes on where every stream is silent.
    pub(super) answered_at_ms: Option<i64>,
    /// KQIs for which the same hours of a later week are waited for.
    pub(super) waits_week: BTreeSet<String>,
    /// Looks that decided nothing.
    looks: u32,
    /// What must be over before the next look: streams and instants, ms; empty once the verdict has come.
    pub(super) due: Vec<(Stream, i64)>,
    /// Whether its trigger says so.
    pub(super) is_said: bool,
    report: Option<EffectReport>,
}

impl Engine {
    /// A command moved a trigger: notes when work began or was done.
    pub(super) fn note_work(&mut self, id: &str, turn: &Turn<'_>) {
        let Some(trigger) = self.triggers.get(id) else {
            return;
        };
        let Some(clock_ms) = clock_of(trigger, turn) else {
            return;
        };
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
            answered_at_ms: None,
            waits_week: BTreeSet::new(),
            looks: 0,
            due: Vec::new(),
            is_said: false,
            report: None,
        });
        if entered == TriggerState::InProgress {
            // After another try the same trouble is set against what came of that.
            mending.begun_ms = mending.begun_ms.or(Some(clock_ms));
            mending.mended_ms = None;
            mending.waits_week.clear();
            mending.looks = 0;
            mending.due.clear();
            mending.report = None;
            mending.is_said = false;
        } else if is_mended && mending.mended_ms.is_none() {
            mending.mended_ms = Some(clock_ms);
            mending.answered_at_ms = Some(turn.cut.now_ms);
            self.note_matching(id, turn);
            self.appoint(id, turn);
        }
        self.effects.forget();
    }

    /// Measures what can be measured now, and what late data changed.
    pub(super) fn measure_effects(&mut self, turn: &Turn<'_>) {
        if self.effects.mends.is_empty() {
            return;
        }
        let corrected = self.corrected_windows(turn);
        let mut measured = Vec::new();
        for (id, mending) in &self.effects.mends {
            if mending.mended_ms.is_none() {
                continue;
            }
            let is_touched = mending.report.as_ref().is_some_and(|report| {
                corrected
                    .iter()
                    .any(|(kqi, start_ms, end_ms)| report.touches(kqi, *start_ms, *end_ms))
            });
            if mending.is_due(turn) {
                measured.push((id.clone(), mending.looks));
            } else if let Some(report) = mending.report.as_ref().filter(|_| is_touched) {
                measured.push((id.clone(), report.mend.looks));
            }
        }
        for (id, look) in measured {
            self.measure(&id, look, turn);
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

    /// Looks at a mend as it was to be looked at after so many looks.
    fn measure(&mut self, id: &str, looks: u32, turn: &Turn<'_>) {
        let Some(trigger) = self.triggers.get(id).cloned() else {
            self.effects.mends.remove(id);
            return;
        };
        let Some(mending) = self.effects.mends.get(id) else {
            return;
        };
        let mending = Mending {
            looks,
            ..mending.clone()
        };
        let Some(mend) = mending.mend(&trigger.kqi) else {
            return;
        };
        let plan = &turn.watchlist.plan;
        let rules = EffectRules::default();
        let Indicators {
            all: mut indicators,
            left_out,
        } = self.indicators(&trigger, &mending, plan);
        let ends = indicators.iter().filter(|of| speaks(&trigger, of.kqi));
        let ends = ends.map(|of| of.periods(&rules).end_ms());
        let end_ms = ends
            .chain(mending.due.iter().map(|(_, at_ms)| *at_ms))
            .max();
        let took_part = |kqi: &str| {
            let report = mending.report.as_ref();
            report.is_some_and(|report| report.indicators.iter().any(|of| of.kqi == kqi))
        };
        // Complaints that nobody waits for take part where they are known, and whatever did once.
        indicators.retain(|of| {
            let is_over = end_ms.is_some_and(|end_ms| of.periods(&rules).end_ms() <= end_ms);
            speaks(&trigger, of.kqi) || is_over || took_part(of.kqi)
        });
        let report = EffectReport::of(mend, &indicators, &rules, turn.cut.now_ms);
        let report = only_by_its_own(report, &trigger);
        self.effect_kqis_left_out += left_out;
        let is_decided = !matches!(
            report.verdict,
            EffectVerdict::TooEarly | EffectVerdict::NotProven
        );
        let lost: Vec<String> = report
            .indicators
            .iter()
            .filter(|of| of.found == Err(Incomparable::Hours))
            .map(|of| of.kqi.clone())
            .filter(|kqi| !mending.waits_week.contains(kqi))
            .collect();
        if !is_decided && !lost.is_empty() && mending.is_due(turn) {
            // Places that were to be controls had trouble of their own meanwhile.
            if let Some(mending) = self.effects.mends.get_mut(id) {
                mending.waits_week.extend(lost);
                mending.report = None;
            }
            self.appoint(id, turn);
            return;
        }
        let is_new = mending.is_due(turn);
        if let Some(mending) = self.effects.mends.get_mut(id) {
            mending.report = Some(report.clone());
            if is_decided {
                mending.due.clear();
            } else if is_new {
                mending.looks = looks + 1;
            }
        }
        if !is_decided && is_new {
            self.appoint(id, turn);
        }
        self.conclude(&trigger, report, is_decided, turn);
    }

    /// Tells a trigger what a look came to.
    fn conclude(
        &mut self,
        trigger: &Trigger,
        report: EffectReport,
        is_decided: bool,
        turn: &Turn<'_>,
    ) {
        let plan = &turn.watchlist.plan;
        let book = &*plan.book;
        let id = trigger.id.as_str();
        let mut text = match report.indicators.is_empty() {
            true => nothing_kept(),
            false => sentence(&report, |id| named(book, id)),
        };
        let Some(mending) = self.effects.mends.get_mut(id) else {
            return;
        };
        let last_ms = mending.last_ms(book).unwrap_or(i64::MIN);
        let next_ms = mending.due.iter().map(|(_, at_ms)| *at_ms).max();
        // Of the last day itself there is one look.
        let is_over = next_ms.is_none_or(|next_ms| next_ms > last_ms)
            || mending.due.iter().all(|(_, at_ms)| *at_ms == last_ms) && mending.is_due(turn);
        let verdict = match is_decided {
            true => report.verdict,
            false if is_over => EffectVerdict::NotProven,
            false => EffectVerdict::TooEarly,
        };
        if verdict == EffectVerdict::NotProven {
            mending.due.clear();
        }
        if let Some(next_ms) = next_ms.filter(|_| verdict == EffectVerdict::TooEarly) {
            mending.is_said = true;
            text = looks_again(&text, &local(next_ms, &plan.zone));
        }
        let report = EffectReport { verdict, ..report };
        mending.report = Some(report.clone());
        let now = Now {
            book,
            at_ms: turn.cut.now_ms,
        };
        let measured = Measured {
            verdict,
            text,
            report: Some(Box::new(report)),
            at_ms: turn.cut.now_ms,
        };
        let mended_ms = mending.mended_ms.unwrap_or(i64::MAX);
        // It helped, and not enough: the windows after it are beyond the limit still.
        let is_enough = verdict != EffectVerdict::Effective
            || self.still_red(trigger, mended_ms, turn).is_none();
        let told = match trigger.state {
            TriggerState::FeedbackGiven if is_enough => {
                self.triggers.effect_measured(id, measured, now)
            }
            TriggerState::FeedbackGiven => self.triggers.effect_too_small(id, measured, now),
            _ => self.triggers.effect_measured_again(id, measured, now),
        };
        if told.is_err() {
            // Somebody moved it on by hand: what the data say is told no more.
            self.effects.mends.remove(id);
        }
        self.triggers_changed = true;
    }
}

impl Mending {
    /// The mend as a KQI is compared for it.
    pub(super) fn mend(&self, kqi: &str) -> Option<Mend> {
        let mended_ms = self.mended_ms?;
        Some(Mend {
            opened_ms: self.opened_ms,
            begun_ms: self.begun_ms.unwrap_or(mended_ms).min(mended_ms),
            mended_ms,
            waits_week: self.waits_week.contains(kqi),
            looks: self.looks,
        })
    }

    /// The last day on which the data may decide, ms.
    pub(super) fn last_ms(&self, book: &RuleBook) -> Option<i64> {
        Some(
            self.mended_ms?
                .saturating_add(book.triggers.effect_within_ms),
        )
    }

    /// Whether everything is over that the next look waits for. A stream in which nothing comes any more is waited for
    /// a day by the furthest of all streams, and where all are silent, until the last day by the journal's clock.
    fn is_due(&self, turn: &Turn<'_>) -> bool {
        let clock = |stream: Stream| turn.cut.watermarks.clock(stream);
        let furthest_ms = Stream::ALL.into_iter().map(clock).max();
        let furthest_ms = furthest_ms.map(|at_ms| at_ms.saturating_sub(STALLED_MS));
        let within_ms = turn.watchlist.plan.book.triggers.effect_within_ms;
        let is_given_up = self
            .answered_at_ms
            .is_some_and(|at_ms| turn.cut.now_ms >= at_ms.saturating_add(within_ms));
        !self.due.is_empty()
            && self.due.iter().all(|(stream, at_ms)| {
                is_given_up
                    || clock(*stream) >= *at_ms
                    || furthest_ms.is_some_and(|clock_ms| clock_ms >= *at_ms)
            })
    }
}

/// That there is no effect is said by what spoke for the trigger alone: complaints that were never up cannot come down.
fn only_by_its_own(report: EffectReport, trigger: &Trigger) -> EffectReport {
    let mut indicators = report.indicators.iter();
    let is_own =
        indicators.any(|of| of.verdict == EffectVerdict::NoEffect && speaks(trigger, &of.kqi));
    let verdict = match report.verdict {
        EffectVerdict::NoEffect if !is_own => EffectVerdict::NotProven,
        verdict => verdict,
    };
    EffectReport { verdict, ..report }
}

/// How far event time has come for a trigger: the furthest clock of the streams whose KQIs speak for it, because one
/// in which little comes lags behind.
fn clock_of(trigger: &Trigger, turn: &Turn<'_>) -> Option<i64> {
    let of_sources = trigger.sources.iter().map(|source| source.kqi.as_str());
    let ids: BTreeSet<&str> = of_sources.chain([trigger.kqi.as_str()]).collect();
    let kqis = turn.watchlist.plan.book.kqis.iter();
    let kqis = kqis.filter(|kqi| ids.contains(kqi.id.as_str()));
    let clocks = kqis.map(|kqi| turn.cut.watermarks.clock(kqi.stream));
    clocks.max().filter(|clock_ms| *clock_ms > i64::MIN)
}

pub(super) fn local(at_ms: i64, zone: &jiff::tz::TimeZone) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms);
    at.map(|time| {
        time.to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M %Z")
            .to_string()
    })
    .unwrap_or_default()
}

/// What a report says, indicator by indicator.
pub(super) fn grounds(report: &EffectReport, book: &RuleBook) -> Vec<Text> {
    sentences(report, |id| named(book, id))
}

pub(super) fn named(book: &RuleBook, id: &str) -> (Text, String) {
    let empty = Text {
        zh: id.to_owned(),
        en: id.to_owned(),
    };
    let kqi = book.kqis.iter().find(|kqi| kqi.id == id);
    match kqi {
        // Facts were counted for it: its numbers are not in its unit, and its name alone would say that they are.
        Some(kqi) if is_counted(kqi) => (counted_name(kqi), String::new()),
        Some(kqi) => (kqi.name.clone(), unit_text(&kqi.unit)),
        None => (empty, String::new()),
    }
}
