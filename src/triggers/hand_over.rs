//! A demand goes to another desk: by a person's command, or because the book or an absorption says so.

use crate::rules::{Desk, Owner, OwnerBy};
use crate::triggers::book::{ENGINE, NewsReason, Now};
use crate::triggers::flow::{By, MoveError};
use crate::triggers::moves::unknown;
use crate::triggers::news::Reader;
use crate::triggers::{Trigger, TriggerBook, TriggerState};

impl TriggerBook {
    /// Hands a trigger over to another desk. Between departments that is a hop, and the new one must
    /// accept it anew.
    ///
    /// # Errors
    /// There is no such trigger or desk, no reason is given, or nobody works on it any more.
    pub fn hand_over(
        &mut self,
        id: &str,
        desk: &Desk,
        actor: &str,
        reason: Option<&str>,
        now: Now<'_>,
    ) -> Result<&Trigger, MoveError> {
        let trigger = self.triggers.get(id).cloned().ok_or_else(|| unknown(id))?;
        if !trigger.state.is_unanswered() {
            return Err(MoveError::NotAtWork {
                id: id.to_owned(),
                state: trigger.state.name().to_owned(),
                wanted: "only what no department has answered can be handed over".to_owned(),
            });
        }
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        let Some(reason) = reason else {
            return Err(MoveError::ReasonMissing {
                id: id.to_owned(),
                to: "handed over".to_owned(),
            });
        };
        let owner = now.book.at_desk(desk, OwnerBy::HandOver, now.at_ms);
        let owner = owner.ok_or_else(|| MoveError::UnknownDesk {
            department: desk.department.clone(),
            role: desk.role.clone(),
        })?;
        let before = &trigger.owner;
        let is_there = (&before.department, &before.role) == (&owner.department, &owner.role);
        // Who has to find an owner may take it on; whoever was asked already would only gain time.
        if is_there
            && !matches!(
                trigger.state,
                TriggerState::Detected | TriggerState::Classified
            )
        {
            return Err(MoveError::NotAtWork {
                id: id.to_owned(),
                state: trigger.state.name().to_owned(),
                wanted: format!("it is with {} ({}) already", before.department, before.role),
            });
        }
        let why = format!(
            "handed over from {} ({}) to {} ({}): {reason}",
            before.department, before.role, owner.department, owner.role
        );
        self.pass_on(id, owner, false, (actor, why), now);
        self.shown(id)
    }

    /// Gives a trigger to another owner, whoever decided so, who must accept it anew unless it `goes_on` as it
    /// was.
    pub(super) fn pass_on(
        &mut self,
        id: &str,
        owner: Owner,
        goes_on: bool,
        (actor, why): (&str, String),
        now: Now<'_>,
    ) {
        let Some(trigger) = self.triggers.get(id).cloned() else {
            return;
        };
        let before = &trigger.owner;
        // What the book says is nobody's handing on.
        let is_handed = owner.by == OwnerBy::HandOver;
        let is_hop = is_handed && before.department != owner.department;
        let review_required = now.book.needs_review(&owner.department, trigger.severity);
        // A department that nobody may ask without the lead is not asked around the lead.
        let anew = if review_required {
            TriggerState::Analysed
        } else {
            TriggerState::Dispatched
        };
        let is_asked_anew = !goes_on && trigger.state.may_become(anew, By::HandOver);
        if is_hop {
            let hops = self
                .process
                .hops
                .entry(before.department.clone())
                .or_default();
            *hops += 1;
        }
        let above = if is_hop {
            self.hear_of_hop(&trigger, &owner, now)
        } else {
            Vec::new()
        };
        self.spend(id, now);
        // Counted under the department that had it.
        self.process.left(&trigger, now.at_ms);
        let decider = trigger.decided_by(now.book).to_owned();
        self.samples.left(&trigger, anew, &decider, now.at_ms);
        let copies = now
            .book
            .copies(&owner.department, trigger.severity, now.at_ms);
        let previous = (before.person.clone(), None);
        let role = Some((owner.department_name.clone(), owner.role_name.clone()));
        let recipients = vec![(owner.person.clone(), role), previous];
        if let Some(trigger) = self.edit(id) {
            trigger.hops += u32::from(is_hop);
            trigger.owner = owner;
            trigger.owned_since_ms = now.at_ms;
            trigger.stands_since_revision = trigger.revision + 1;
            trigger.copies = copies;
            if !goes_on {
                trigger.review_required = review_required;
            }
            if !is_asked_anew {
                trigger.remark(actor, why.clone(), now.at_ms);
            }
        }
        if is_asked_anew {
            self.write(id, anew, actor, Some(&why), now);
            self.set_deadline(id, now);
        }
        let copies = self.copies_of(id, now);
        if !above.is_empty() {
            let names: Vec<&str> = above.iter().map(|(who, _)| &*who.name).collect();
            let why = format!("handed on too often: escalated to {}", names.join("、"));
            if let Some(trigger) = self.edit(id) {
                trigger.remark(ENGINE, why, now.at_ms);
            }
        }
        let recipients = recipients.into_iter().chain(above).chain(copies).collect();
        self.tell(id, NewsReason::HandedOver, recipients, now);
        if (!is_asked_anew || review_required) && !goes_on {
            self.go_on(id, now);
        }
    }

    /// Who hears that a trigger was handed on once more, where that was often enough: no department takes it, and its due
    /// times alone would not bring that to light.
    fn hear_of_hop(&mut self, before: &Trigger, to: &Owner, now: Now<'_>) -> Vec<Reader> {
        let policy = &now.book.triggers;
        if policy.hops_max == 0 || before.hops + 1 < policy.hops_max {
            return Vec::new();
        }
        self.process.escalations_total += 1;
        let desks = policy.coordinator.iter().chain(&policy.reviewer);
        let above = desks.filter_map(|desk| now.book.at_desk(desk, OwnerBy::Route, now.at_ms));
        above
            .filter(|above| above.person.email != to.person.email)
            .map(|above| {
                let role = (above.department_name, above.role_name);
                (above.person, Some(role))
            })
            .collect()
    }
}
