//! Who is asked and told: whoever has to decide, the owner, copies, and the front line.

use crate::rules::{Contact, Owner, OwnerBy, Text};
use crate::triggers::book::{NewsReason, Now};
use crate::triggers::{TriggerBook, TriggerState};

impl TriggerBook {
    /// Asks the lead for a review, or the coordinator for an owner.
    pub(super) fn ask_for_review(&mut self, id: &str, reason: NewsReason, now: Now<'_>) {
        self.set_deadline(id, now);
        let asked = self.asked_of(id, now);
        let recipients = asked.into_iter().chain(self.copies_of(id)).collect();
        self.tell(id, reason, recipients, now);
    }

    /// Who has to decide about it now: the lead where it waits for a review, the coordinator where it waits for an owner,
    /// and else its owner.
    pub(super) fn asked(&self, id: &str, now: Now<'_>) -> Option<Owner> {
        let trigger = self.triggers.get(id)?;
        let policy = &now.book.triggers;
        let desk = match trigger.state {
            TriggerState::Analysed => policy.reviewer.as_ref().or(policy.coordinator.as_ref()),
            TriggerState::Detected | TriggerState::Classified => policy.coordinator.as_ref(),
            _ => None,
        };
        let asked = desk.and_then(|desk| now.book.at_desk(desk, OwnerBy::Route, now.at_ms));
        Some(asked.unwrap_or_else(|| trigger.owner.clone()))
    }

    /// The same as a reader.
    pub(super) fn asked_of(
        &self,
        id: &str,
        now: Now<'_>,
    ) -> Option<(Contact, Option<(Text, Text)>)> {
        let asked = self.asked(id, now)?;
        let role = Some((asked.department_name, asked.role_name));
        Some((asked.person, role))
    }

    pub(super) fn owner_of(&self, id: &str) -> Option<(Contact, Option<(Text, Text)>)> {
        let owner = &self.triggers.get(id)?.owner;
        let role = (owner.department_name.clone(), owner.role_name.clone());
        Some((owner.person.clone(), Some(role)))
    }

    pub(super) fn copies_of(&self, id: &str) -> Vec<(Contact, Option<(Text, Text)>)> {
        let copies = self.triggers.get(id).map(|trigger| trigger.copies.iter());
        let copies = copies.into_iter().flatten();
        copies.map(|who| (who.clone(), None)).collect()
    }

    pub(super) fn frontline(&self, now: Now<'_>) -> Option<(Contact, Option<(Text, Text)>)> {
        let desk = now.book.triggers.frontline.as_ref()?;
        let at = now.book.at_desk(desk, OwnerBy::Route, now.at_ms)?;
        Some((at.person, Some((at.department_name, at.role_name))))
    }
}
