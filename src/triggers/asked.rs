//! Who is asked and told: whoever has to decide, the owner, copies, and the front line.

use crate::rules::{Contact, Owner, OwnerBy, RuleBook, Text};
use crate::triggers::book::{NewsReason, Now};
use crate::triggers::{Trigger, TriggerBook, TriggerState};

impl Trigger {
    /// Who has to act on it at an instant: the lead where it waits for a review, the coordinator where it waits for an
    /// owner, and else its owner; whoever stands in while that person is away.
    pub fn asked(&self, book: &RuleBook, at_ms: i64) -> Owner {
        let policy = &book.triggers;
        let desk = match self.state {
            TriggerState::Analysed => policy.reviewer.as_ref().or(policy.coordinator.as_ref()),
            TriggerState::Detected | TriggerState::Classified => policy.coordinator.as_ref(),
            _ => None,
        };
        let asked = desk.and_then(|desk| book.at_desk(desk, OwnerBy::Route, at_ms));
        asked.unwrap_or_else(|| book.at_work(&self.owner, at_ms))
    }
}

impl TriggerBook {
    /// Asks the lead for a review, or the coordinator for an owner.
    pub(super) fn ask_for_review(&mut self, id: &str, reason: NewsReason, now: Now<'_>) {
        self.set_deadline(id, now);
        let asked = self.asked_of(id, now);
        let recipients = asked.into_iter().chain(self.copies_of(id, now)).collect();
        self.tell(id, reason, recipients, now);
    }

    /// Who has to decide about it now.
    pub(super) fn asked(&self, id: &str, now: Now<'_>) -> Option<Owner> {
        let trigger = self.triggers.get(id)?;
        Some(trigger.asked(now.book, now.at_ms))
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

    /// The owner as a reader, or who stands in today: whoever is away reads no mail.
    pub(super) fn owner_of(
        &self,
        id: &str,
        now: Now<'_>,
    ) -> Option<(Contact, Option<(Text, Text)>)> {
        let owner = now.book.at_work(&self.triggers.get(id)?.owner, now.at_ms);
        let role = (owner.department_name, owner.role_name);
        Some((owner.person, Some(role)))
    }

    /// Who gets copies, today: where one of those who were found is away, those who are at work.
    pub(super) fn copies_of(&self, id: &str, now: Now<'_>) -> Vec<(Contact, Option<(Text, Text)>)> {
        let Some(trigger) = self.triggers.get(id) else {
            return Vec::new();
        };
        let found = &trigger.copies;
        let copies = if found.iter().any(|who| now.book.is_away(who, now.at_ms)) {
            let department = &trigger.owner.department;
            now.book.copies(department, trigger.severity, now.at_ms)
        } else {
            found.clone()
        };
        copies.into_iter().map(|who| (who, None)).collect()
    }

    pub(super) fn frontline(&self, now: Now<'_>) -> Option<(Contact, Option<(Text, Text)>)> {
        let desk = now.book.triggers.frontline.as_ref()?;
        let at = now.book.at_desk(desk, OwnerBy::Route, now.at_ms)?;
        Some((at.person, Some((at.department_name, at.role_name))))
    }
}
