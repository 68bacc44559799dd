//! What the data say of a mend, and what that makes of its trigger.

use crate::effect::EffectVerdict;
use crate::triggers::book::{ENGINE, NewsReason, Now};
use crate::triggers::flow::MoveError;
use crate::triggers::moves::{illegal, unknown};
use crate::triggers::trigger::{Measured, Outcome};
use crate::triggers::{Trigger, TriggerBook, TriggerState};

impl TriggerBook {
    /// The data have spoken about a mended trigger. `effective` closes it; `no_effect` and `worse`
    /// reopen it, as `not_proven` does while its alerts fire; without them it closes what cannot be proven.
    /// `too_early` and `unprovable` leave it as it is. The same verdict twice changes nothing.
    ///
    /// # Errors
    /// There is no such trigger, or it does not wait for its effect.
    pub fn effect_measured(
        &mut self,
        id: &str,
        measured: Measured,
        now: Now<'_>,
    ) -> Result<&Trigger, MoveError> {
        self.come_to(id, measured, true, now)
    }

    /// The data say that a mend helped, and that what it was to mend is beyond its limit still: it is measured, and
    /// reopened.
    ///
    /// # Errors
    /// There is no such trigger, or it does not wait for its effect.
    pub fn effect_too_small(
        &mut self,
        id: &str,
        measured: Measured,
        now: Now<'_>,
    ) -> Result<&Trigger, MoveError> {
        self.come_to(id, measured, false, now)
    }

    /// What was called mended is as red as before, and its effect would be measured only long after: it is reopened. Nothing
    /// happens to one that does not wait for its effect.
    pub fn not_mended(&mut self, id: &str, why: &str, now: Now<'_>) {
        let waits = self.triggers.get(id).is_some_and(|trigger| {
            trigger.state == TriggerState::FeedbackGiven && trigger.outcome == Some(Outcome::Mended)
        });
        if waits {
            self.reopen(id, ENGINE, why, now);
        }
    }

    fn come_to(
        &mut self,
        id: &str,
        measured: Measured,
        is_enough: bool,
        now: Now<'_>,
    ) -> Result<&Trigger, MoveError> {
        let trigger = self.triggers.get(id).ok_or_else(|| unknown(id))?;
        let waits = trigger.state == TriggerState::FeedbackGiven
            && trigger.outcome == Some(Outcome::Mended);
        if !waits {
            return Err(illegal(trigger, TriggerState::EffectMeasured));
        }
        let verdict = measured.verdict;
        let before = trigger.measured.as_ref();
        let is_news = before.is_none_or(|before| before.text != measured.text);
        let why = format!("{}: {}", verdict.name(), measured.text.en);
        let (moves_max, mut left_out) = (self.limits.moves_max, 0);
        if let Some(trigger) = self.edit(id).filter(|_| is_news) {
            trigger.measured = Some(measured);
            if verdict.is_awaited() {
                left_out = trigger.remark_within(moves_max, why.clone(), now.at_ms);
            }
        }
        self.over_one.moves += left_out;
        if !verdict.is_awaited() {
            if let Some(trigger) = self.triggers.get(id).cloned() {
                self.process.measured(&trigger, verdict);
            }
            self.enter(id, TriggerState::EffectMeasured, ENGINE, Some(&why), now);
            let is_well = self.triggers.get(id).is_some_and(|of| !of.alert_firing);
            match verdict {
                EffectVerdict::Effective if is_enough => self.close(id, ENGINE, &why, now),
                EffectVerdict::Effective => {
                    let why = format!("{why}; it is still beyond its limit");
                    self.reopen(id, ENGINE, &why, now);
                }
                EffectVerdict::NotProven if is_well => self.close(id, ENGINE, &why, now),
                _ => self.reopen(id, ENGINE, &why, now),
            }
        }
        self.shown(id)
    }

    /// The data say something else of a mend that was judged before: it is remarked, and what was told of it is told
    /// anew. One that is closed is reopened when the data take its proof away, or speak against it for the first time, as
    /// long as a refusal would rest; not when its cause has another trigger by then, which is told instead.
    ///
    /// # Errors
    /// There is no such trigger, or its effect was never measured.
    pub fn effect_measured_again(
        &mut self,
        id: &str,
        measured: Measured,
        now: Now<'_>,
    ) -> Result<&Trigger, MoveError> {
        let trigger = self.triggers.get(id).ok_or_else(|| unknown(id))?;
        let Some(before) = trigger.measured.as_ref() else {
            return Err(illegal(trigger, TriggerState::EffectMeasured));
        };
        if before.says_the_same(&measured) {
            // Looked at again is not measured otherwise: nothing changed, so nothing is stored or told.
            return self.shown(id);
        }
        let is_news = before.verdict != measured.verdict;
        let speaks_against = matches!(
            measured.verdict,
            EffectVerdict::NoEffect | EffectVerdict::Worse
        );
        let verdict_before = before.verdict;
        // A proof is taken away, or what was closed before the data had spoken did not help.
        let reopens = is_news && speaks_against && self.may_reopen(trigger, now);
        let why = format!(
            "measured again, {}: {}",
            measured.verdict.name(),
            measured.text.en
        );
        if is_news && let Some(trigger) = self.triggers.get(id) {
            self.process
                .measured_again(trigger, verdict_before, measured.verdict);
        }
        let (moves_max, mut left_out) = (self.limits.moves_max, 0);
        if let Some(trigger) = self.edit(id) {
            trigger.measured = Some(measured);
            if is_news && !reopens {
                left_out = trigger.remark_within(moves_max, why.clone(), now.at_ms);
            }
        }
        self.over_one.moves += left_out;
        if reopens {
            self.take_back(id);
            self.reopen(id, ENGINE, &why, now);
        } else if is_news {
            // Whoever heard that it helped hears that the data say otherwise, agents and their customers too.
            self.explain(id, now);
            let frontline = self.frontline(now);
            let recipients = self.told(id, now).into_iter().chain(frontline).collect();
            self.tell(id, NewsReason::Measured, recipients, now);
        }
        self.shown(id)
    }

    /// Whether a closed trigger can be opened again: it was mended, not long ago, and is still the last word on its
    /// cause and on every object that spoke for it.
    fn may_reopen(&self, trigger: &Trigger, now: Now<'_>) -> bool {
        let is_elsewhere = trigger.sources.iter().any(|source| {
            let newest = self.newest(&source.kqi, &source.group_label);
            newest.is_some_and(|of| of.id != trigger.id && !of.state.is_final())
        });
        let closed_for_ms = now.at_ms - trigger.entered_at_ms();
        trigger.state.is_final()
            && trigger.outcome == Some(Outcome::Mended)
            && closed_for_ms <= now.book.triggers.review_after_ms
            && self.closed.get(&trigger.cause) == Some(&trigger.id)
            && self.open_for(&trigger.cause, now).is_none()
            && !is_elsewhere
            && self.open.len() < self.limits.open_max
    }

    /// Puts a closed trigger among the open ones.
    fn take_back(&mut self, id: &str) {
        if let Some(trigger) = self.triggers.get(id) {
            let cause = trigger.cause.clone();
            self.closed.remove(&cause);
            self.open.insert(cause, id.to_owned());
        }
    }
}
