//! What the data say of a mend, and what that makes of its trigger.

use crate::effect::EffectVerdict;
use crate::triggers::book::{ENGINE, NewsReason, Now};
use crate::triggers::flow::MoveError;
use crate::triggers::moves::{illegal, unknown};
use crate::triggers::trigger::{Measured, Outcome};
use crate::triggers::{Trigger, TriggerBook, TriggerState};

impl TriggerBook {
    /// The data have spoken about a mended trigger. `effective` closes it; `no_effect` and `worse`
    /// reopen it; `too_early` leaves it as it is. The same verdict twice changes nothing.
    ///
    /// # Errors
    /// There is no such trigger, or it does not wait for its effect.
    pub fn effect_measured(
        &mut self,
        id: &str,
        measured: Measured,
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
        if let Some(trigger) = self.edit(id).filter(|_| is_news) {
            trigger.measured = Some(measured);
            if verdict == EffectVerdict::TooEarly {
                trigger.remark(ENGINE, why.clone(), now.at_ms);
            }
        }
        if verdict != EffectVerdict::TooEarly {
            if let Some(trigger) = self.triggers.get(id).cloned() {
                self.process.measured(&trigger, verdict);
            }
            self.enter(id, TriggerState::EffectMeasured, ENGINE, Some(&why), now);
            match verdict {
                EffectVerdict::Effective => self.close(id, ENGINE, &why, now),
                _ => self.reopen(id, ENGINE, &why, now),
            }
        }
        self.shown(id)
    }

    /// The data say something else of a mend that was judged before: it is remarked, and what was told
    /// of it is told anew. A closed trigger stays closed: what is wrong now opens a new one.
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
        let is_news = before.verdict != measured.verdict;
        let why = format!(
            "measured again, {}: {}",
            measured.verdict.name(),
            measured.text.en
        );
        if let Some(trigger) = self.edit(id) {
            trigger.measured = Some(measured);
            if is_news {
                trigger.remark(ENGINE, why, now.at_ms);
            }
        }
        if is_news {
            let recipients = self.owner_of(id).into_iter().chain(self.copies_of(id));
            let recipients = recipients.collect();
            self.tell(id, NewsReason::Measured, recipients, now);
        }
        self.shown(id)
    }
}
