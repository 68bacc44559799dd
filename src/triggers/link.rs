//! Links of mails act once, and only while the trigger stands as it did when they were sent.

use crate::rules::{Contact, Text};
use crate::triggers::book::{NewsReason, Now};
use crate::triggers::flow::MoveError;
use crate::triggers::moves::unknown;
use crate::triggers::{Trigger, TriggerBook, TriggerState};

impl Trigger {
    /// Whether a link that came with a revision is over: the trigger has moved or was handed over since, or,
    /// for a link that moves nothing, was acknowledged.
    pub fn is_link_over(&self, revision: u32, to: Option<TriggerState>) -> bool {
        let is_acknowledged = to.is_none() && revision <= self.acknowledged_revision;
        revision < self.stands_since_revision || is_acknowledged
    }
}

impl TriggerBook {
    /// Refuses a link that is over.
    ///
    /// # Errors
    /// There is no such trigger, or the link is over.
    pub fn check_link(
        &self,
        id: &str,
        to: Option<TriggerState>,
        revision: u32,
    ) -> Result<(), MoveError> {
        let trigger = self.get(id).ok_or_else(|| unknown(id))?;
        if trigger.is_link_over(revision, to) {
            return Err(MoveError::LinkOver {
                id: id.to_owned(),
                state: trigger.state.name().to_owned(),
            });
        }
        Ok(())
    }

    /// Tells who works on a trigger, and who took the step, that it was taken in that person's name: by a link, or
    /// over the API. The owner finds the next steps in the same mail, so that the loop can be closed by mail alone.
    /// Steps that mail something themselves need no more.
    ///
    /// # Errors
    /// There is no such trigger.
    pub fn tell_progress(
        &mut self,
        id: &str,
        actor: &str,
        now: Now<'_>,
    ) -> Result<&Trigger, MoveError> {
        let trigger = self.shown(id)?;
        if matches!(
            trigger.state,
            TriggerState::Accepted | TriggerState::InProgress
        ) {
            let by: Vec<(Contact, Option<(Text, Text)>)> = trigger
                .told
                .iter()
                .filter(|known| known.name == actor)
                .map(|known| (known.clone(), None))
                .collect();
            let recipients = self.owner_of(id, now).into_iter().chain(by).collect();
            self.tell(id, NewsReason::Progressed, recipients, now);
        }
        self.shown(id)
    }
}
