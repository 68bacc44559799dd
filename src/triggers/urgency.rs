//! Which trigger first: the four factors of E7 (对满意度影响的程度、关键性、复杂度和迫切性), each 1 to 5,
//! under the rule book's weights. Whole numbers only, so the ranking is the same everywhere.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::rules::{RuleBook, Severity};
use crate::triggers::{Crossing, Place, Trigger};

/// Tickets from which on people have noticed. Judgement: a handful may be chance.
const MANY_TICKETS: usize = 10;

/// The factors, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urgency {
    /// 对满意度影响的程度: how far the score fell, and whether people complain.
    pub impact: u32,
    /// 关键性: how key the service is, by the rule book.
    pub keyness: u32,
    /// 复杂度, turned round: 5 is what is simple to mend.
    pub simplicity: u32,
    /// 迫切性: severity, and whether many wait.
    pub pressing: u32,
    /// The weighted sum.
    pub total: u32,
}

impl Urgency {
    /// The factors of a trigger as it stands.
    pub(super) fn of(trigger: &Trigger, book: &RuleBook) -> Urgency {
        let policy = &book.triggers;
        let complains = trigger.complaints.iter().any(|(_, count)| *count > 0);
        let score = trigger.evidence.iter().filter_map(|known| known.score);
        let worst = score.reduce(f64::min);
        let fallen = match (worst, trigger.severity) {
            (Some(score), _) => (6.0 - score).round().clamp(1.0, 5.0) as u32,
            (None, Severity::Warning) => 2,
            (None, Severity::Minor) => 3,
            (None, Severity::Major) => 4,
            (None, Severity::Critical) => 5,
        };
        let rule = &policy.crossing;
        // A blind spot has nothing but complaints: they are the impact.
        let crossed = match trigger.crossing {
            Some(Crossing::Confirmed | Crossing::BlindSpot) => rule.confirmed_adds,
            _ => 0,
        };
        let impact = (fallen + u32::from(complains) + crossed).min(5);
        let keyness = policy.keyness.get(&trigger.cause.service);
        let keyness = keyness.copied().unwrap_or(3);
        let entry = book
            .knowledge
            .iter()
            .find(|entry| entry.id == trigger.cause.cause);
        let simplicity = 6 - entry.map_or(3, |entry| entry.complexity).clamp(1, 5);
        let severe = match trigger.severity {
            Severity::Warning => 1,
            Severity::Minor => 2,
            Severity::Major => 3,
            Severity::Critical => 4,
        };
        let is_wide = matches!(trigger.cause.place, Place::Province(_) | Place::Whole);
        let silent = match trigger.crossing {
            Some(Crossing::SilentDegradation) => rule.silent_takes,
            _ => 0,
        };
        let pressing = severe + u32::from(is_wide || trigger.tickets.len() >= MANY_TICKETS);
        let pressing = pressing.saturating_sub(silent).max(1);
        let weights = policy.weights;
        Urgency {
            impact,
            keyness,
            simplicity,
            pressing,
            total: weights.impact * impact
                + weights.keyness * keyness
                + weights.complexity * simplicity
                + weights.urgency * pressing,
        }
    }
}

/// The most urgent first; equal ones by severity, then the oldest.
pub fn by_urgency(a: &Trigger, b: &Trigger) -> Ordering {
    let key = |trigger: &Trigger| (trigger.urgency.total, trigger.severity);
    key(b)
        .cmp(&key(a))
        .then_with(|| (a.opened_at_ms, &a.id).cmp(&(b.opened_at_ms, &b.id)))
}
