//! A rule book that comes into force may know another owner for what is open.
//!
//! * Who was found by the rules is found again; who got it from a person's hand keeps it as long as that desk
//!   exists.
//! * A person who still holds the desk keeps it, also while away: absences decide about what opens, not about
//!   what is under way.
//! * Each change is told once: under the same book nothing changes hands again. It is no hop: no department handed it on.

use crate::rules::{Desk, Owner, OwnerBy, Subject};
use crate::triggers::book::{ENGINE, Now};
use crate::triggers::{Trigger, TriggerBook};

impl TriggerBook {
    /// Finds the owners of everything that nobody has answered yet anew. Returns how many changed hands.
    pub fn reroute(&mut self, now: Now<'_>) -> usize {
        let mut ids: Vec<String> = self.open.values().cloned().collect();
        ids.sort_unstable();
        let mut changed = 0;
        for id in ids {
            let Some(trigger) = self.triggers.get(&id).cloned() else {
                continue;
            };
            if !trigger.state.is_unanswered() {
                continue;
            }
            // Under a book that names nobody at all, who has it keeps it: there is no trigger without an owner.
            let Some(owner) = owner_under(&trigger, now) else {
                continue;
            };
            let before = &trigger.owner;
            if owner == *before {
                continue;
            }
            let is_same = owner.department == before.department
                && owner.role == before.role
                && owner.person.email == before.person.email;
            if is_same {
                // Names and the outlet may read otherwise; nobody else has to do anything.
                if let Some(trigger) = self.edit(&id) {
                    trigger.owner = owner;
                }
                continue;
            }
            changed += 1;
            let why = format!(
                "the rule book changed: from {} ({}, {}) to {} ({}, {})",
                before.department,
                before.role,
                before.person.name,
                owner.department,
                owner.role,
                owner.person.name
            );
            // A person who comes to the same desk goes on with it.
            let is_desk = owner.department == before.department && owner.role == before.role;
            self.pass_on(&id, owner, is_desk, (ENGINE, why), now);
        }
        changed
    }
}

/// Who answers for a trigger under the book in force.
fn owner_under(trigger: &Trigger, now: Now<'_>) -> Option<Owner> {
    let before = &trigger.owner;
    let desk = Desk {
        department: before.department.clone(),
        role: before.role.clone(),
    };
    let by_hand = before.by == OwnerBy::HandOver;
    let by_hand = by_hand.then(|| now.book.at_desk(&desk, OwnerBy::HandOver, now.at_ms));
    let kqi = now.book.kqis.iter().find(|kqi| kqi.id == trigger.kqi);
    let found = by_hand.flatten().or_else(|| {
        now.book.owner(
            Subject {
                cause: &trigger.cause.cause,
                service: trigger.service.as_deref(),
                layer: trigger.layer,
                department: kqi.and_then(|kqi| kqi.department.as_deref()),
            },
            now.at_ms,
        )
    })?;
    let holder = now.book.holder(&desk, &before.person.email);
    // The coordinator stands in where all are away, or where the rules know nobody else: no reason to take it
    // from who has it and still holds the desk.
    let falls = found.by == OwnerBy::Coordinator && before.by != OwnerBy::Coordinator;
    if let Some(holder) = holder.filter(|_| falls) {
        return Some(Owner {
            person: holder.clone(),
            ..before.clone()
        });
    }
    let is_desk = found.department == before.department && found.role == before.role;
    Some(match holder.filter(|_| is_desk) {
        Some(holder) => Owner {
            person: holder.clone(),
            ..found
        },
        None => found,
    })
}
