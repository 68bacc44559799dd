//! The open and closed triggers, and the rule of one trigger per cause.
//!
//! Invariants:
//! * at most one trigger that is not final for one (KQI, object);
//! * at most `open_max` that are not final: beyond it none opens, and that is counted. The alert is
//!   mailed all the same, and its next incident asks again;
//! * identifiers count up and are never used again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rules::{Layer, Severity, Text};
use crate::triggers::{Evidence, MoveError, Trigger, TriggerMove, TriggerState};

/// Actor of moves that the engine makes itself.
pub(super) const ENGINE: &str = "chrysalis";

/// Judgement numbers of triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerRules {
    /// After `not_optimised` the same cause opens nothing for this long, ms (domain fact H25).
    pub not_optimised_rest_ms: i64,
    /// Final triggers kept for reading; the oldest go first.
    pub final_max: usize,
    /// Triggers that are not final; beyond it none is opened.
    pub open_max: usize,
}

impl Default for TriggerRules {
    fn default() -> Self {
        TriggerRules {
            not_optimised_rest_ms: 7 * 86_400_000,
            final_max: 10_000,
            open_max: 20_000,
        }
    }
}

/// What a trigger is opened with.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// KQI.
    pub kqi: String,
    /// Its display name.
    pub name: Text,
    /// Service.
    pub service: Option<String>,
    /// Layer.
    pub layer: Layer,
    /// Label of the object.
    pub group_label: String,
    /// Dimensions of the object.
    pub group: Vec<(String, String)>,
    /// Department.
    pub department: String,
    /// Display name of the department.
    pub department_name: Text,
    /// Role.
    pub role: Text,
    /// Severity.
    pub severity: Severity,
    /// Smallest reasonable value.
    pub limit_min: Option<f64>,
    /// Largest reasonable value.
    pub limit_max: Option<f64>,
    /// Unit.
    pub unit: String,
    /// Event time of the deciding window, ms.
    pub since_ms: i64,
    /// The window that speaks for it, where the newest one does.
    pub evidence: Option<Evidence>,
    /// Complaints counted for the same service and place.
    pub complaints: Vec<(Text, i64)>,
}

/// All triggers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TriggerBook {
    rules: TriggerRules,
    triggers: BTreeMap<String, Trigger>,
    newest: BTreeMap<(String, String), String>,
    opened_total: u64,
    /// Triggers that are not final.
    open: usize,
    refused_total: u64,
    /// Final triggers that went because there were too many.
    forgotten_total: u64,
}

impl TriggerBook {
    /// An empty book.
    pub fn new(rules: TriggerRules) -> TriggerBook {
        TriggerBook {
            rules,
            ..TriggerBook::default()
        }
    }

    /// Every trigger, by identifier.
    pub fn triggers(&self) -> impl Iterator<Item = &Trigger> {
        self.triggers.values()
    }

    /// Triggers that were not opened because too many were open.
    pub fn refused_total(&self) -> u64 {
        self.refused_total
    }

    /// Final triggers that went because there were too many.
    pub fn forgotten_total(&self) -> u64 {
        self.forgotten_total
    }

    /// Triggers that are not final, and those that are.
    pub fn held(&self) -> (usize, usize) {
        (self.open, self.triggers.len() - self.open)
    }

    /// How many there may be that are not final, and that are.
    pub fn limits(&self) -> (usize, usize) {
        (self.rules.open_max, self.rules.final_max)
    }

    /// Puts other limits in force; final triggers beyond go.
    pub fn set_limits(&mut self, open_max: usize, final_max: usize) {
        (self.rules.open_max, self.rules.final_max) = (open_max, final_max);
        self.forget();
    }

    /// The newest trigger of an object, final or not.
    pub fn newest(&self, kqi: &str, group_label: &str) -> Option<&Trigger> {
        let id = self.newest.get(&(kqi.to_owned(), group_label.to_owned()))?;
        self.triggers.get(id)
    }

    /// An alert fired: joins the open trigger of its object, or opens one. Returns its identifier,
    /// or `None` while a decision not to optimise rests, and when too many are open.
    pub fn demand(&mut self, opening: Opening, now_ms: i64) -> Option<String> {
        let key = (opening.kqi.clone(), opening.group_label.clone());
        let earlier = self.newest.get(&key).and_then(|id| self.triggers.get(id));
        let mut recurrence_of = None;
        if let Some(trigger) = earlier {
            let id = trigger.id.clone();
            let ended_ms = trigger.history.last().map_or(0, |last| last.at_ms);
            match trigger.state {
                TriggerState::NotOptimised
                    if now_ms - ended_ms < self.rules.not_optimised_rest_ms =>
                {
                    return None;
                }
                TriggerState::Done | TriggerState::NotOptimised => recurrence_of = Some(id),
                TriggerState::Open | TriggerState::Accepted | TriggerState::InProgress => {
                    if let Some(trigger) = self.triggers.get_mut(&id) {
                        trigger.support(opening.evidence, opening.severity, opening.complaints);
                    }
                    return Some(id);
                }
            }
        }
        if self.open >= self.rules.open_max {
            self.refused_total += 1;
            return None;
        }
        self.open += 1;
        self.opened_total += 1;
        let id = format!("T-{:06}", self.opened_total);
        let opened = TriggerMove {
            from: None,
            to: TriggerState::Open,
            at_ms: now_ms,
            actor: ENGINE.to_owned(),
            reason: None,
        };
        let trigger = Trigger {
            id: id.clone(),
            kqi: opening.kqi,
            name: opening.name,
            service: opening.service,
            layer: opening.layer,
            group_label: opening.group_label,
            group: opening.group,
            department: opening.department,
            department_name: opening.department_name,
            role: opening.role,
            severity: opening.severity,
            state: TriggerState::Open,
            opened_at_ms: now_ms,
            since_ms: opening.since_ms,
            limit_min: opening.limit_min,
            limit_max: opening.limit_max,
            unit: opening.unit,
            alert_firing: true,
            evidence: opening.evidence.into_iter().collect(),
            complaints: opening.complaints,
            recurrence_of,
            history: vec![opened],
        };
        self.triggers.insert(id.clone(), trigger);
        self.newest.insert(key, id.clone());
        self.forget();
        Some(id)
    }

    /// The alert of an object is over; the trigger stays with its department.
    pub fn alert_ended(&mut self, kqi: &str, group_label: &str) {
        let id = self.newest.get(&(kqi.to_owned(), group_label.to_owned()));
        if let Some(trigger) = id.and_then(|id| self.triggers.get_mut(id)) {
            trigger.alert_firing = false;
        }
    }

    /// Moves a trigger.
    ///
    /// # Errors
    /// There is no such trigger, or the move is refused.
    pub fn advance(
        &mut self,
        id: &str,
        to: TriggerState,
        at_ms: i64,
        actor: &str,
        reason: Option<&str>,
    ) -> Result<&Trigger, MoveError> {
        let trigger = self
            .triggers
            .get_mut(id)
            .ok_or_else(|| MoveError::Unknown { id: id.to_owned() })?;
        trigger.advance(to, at_ms, actor, reason)?;
        if trigger.state.is_final() {
            self.open -= 1;
        }
        Ok(trigger)
    }

    /// The trigger of an object that is not final.
    pub(super) fn open_mut(&mut self, kqi: &str, group_label: &str) -> Option<&mut Trigger> {
        let id = self.newest.get(&(kqi.to_owned(), group_label.to_owned()))?;
        let trigger = self.triggers.get_mut(id)?;
        (!trigger.state.is_final()).then_some(trigger)
    }

    /// Triggers of a KQI that are not final.
    pub(super) fn open_of_mut(&mut self, kqi: &str) -> impl Iterator<Item = &mut Trigger> {
        self.triggers
            .values_mut()
            .filter(move |trigger| trigger.kqi == kqi && !trigger.state.is_final())
    }

    /// Keeps the number of final triggers within bounds.
    fn forget(&mut self) {
        let excess = (self.triggers.len() - self.open).saturating_sub(self.rules.final_max);
        if excess == 0 {
            return;
        }
        let ended = self.triggers.values().filter(|t| t.state.is_final());
        let old: Vec<String> = ended.take(excess).map(|t| t.id.clone()).collect();
        for id in old {
            if let Some(trigger) = self.triggers.remove(&id) {
                self.forgotten_total += 1;
                let key = (trigger.kqi, trigger.group_label);
                if self.newest.get(&key) == Some(&id) {
                    self.newest.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(place: &str, end_ms: i64) -> Opening {
        let text = |word: &str| Text {
            zh: word.to_owned(),
            en: word.to_owned(),
        };
        Opening {
            kqi: "k".to_owned(),
            name: text("k"),
            service: Some("s".to_owned()),
            layer: Layer::Platform,
            group_label: place.to_owned(),
            group: vec![("city".to_owned(), place.to_owned())],
            department: "BSC".to_owned(),
            department_name: text("BSC"),
            role: text("duty"),
            severity: Severity::Minor,
            limit_min: None,
            limit_max: Some(50.0),
            unit: "s".to_owned(),
            since_ms: end_ms,
            evidence: Some(Evidence {
                incident: "i".to_owned(),
                start_ms: end_ms - 5,
                end_ms,
                value: Some(60.0),
                score: Some(2.5),
                samples: 30,
            }),
            complaints: Vec::new(),
        }
    }

    #[test]
    fn one_trigger_a_cause_and_evidence_joins_it() {
        let mut book = TriggerBook::new(TriggerRules::default());
        let first = book.demand(opening("长沙", 10), 100);
        assert_eq!(first.as_deref(), Some("T-000001"));
        assert_eq!(book.demand(opening("长沙", 20), 200), first);
        assert_eq!(
            book.demand(opening("永州", 20), 200).as_deref(),
            Some("T-000002")
        );
        let trigger = book.newest("k", "长沙").unwrap();
        assert_eq!(trigger.evidence.len(), 2);
        assert_eq!(trigger.history.len(), 1);
    }

    #[test]
    fn a_cause_that_comes_back_opens_a_new_one_that_refers_back() {
        let mut book = TriggerBook::new(TriggerRules::default());
        let first = book.demand(opening("长沙", 10), 100).unwrap();
        for to in [
            TriggerState::Accepted,
            TriggerState::InProgress,
            TriggerState::Done,
        ] {
            book.advance(&first, to, 150, "王工", None).unwrap();
        }
        let second = book.demand(opening("长沙", 30), 300).unwrap();
        let trigger = book.newest("k", "长沙").unwrap();
        assert_eq!(
            (trigger.id.as_str(), trigger.recurrence_of.as_ref()),
            (&*second, Some(&first))
        );
    }

    #[test]
    fn beyond_the_limit_none_opens_until_one_is_closed() {
        let mut book = TriggerBook::new(TriggerRules {
            open_max: 1,
            final_max: 1,
            ..TriggerRules::default()
        });
        let first = book.demand(opening("长沙", 10), 100).unwrap();
        assert_eq!(book.demand(opening("永州", 10), 100), None);
        assert_eq!(book.refused_total(), 1);
        // Evidence for what is open is no new trigger.
        assert_eq!(book.demand(opening("长沙", 20), 100), Some(first.clone()));
        for (id, place) in [(&*first, "永州"), ("T-000002", "常德")] {
            book.advance(id, TriggerState::NotOptimised, 150, "李", Some("r"))
                .unwrap();
            assert!(book.demand(opening(place, 30), 200).is_some());
        }
        assert_eq!(book.refused_total(), 1);
        let left: Vec<&str> = book.triggers().map(|trigger| &*trigger.id).collect();
        assert_eq!(left, ["T-000002", "T-000003"], "one final one is kept");
        assert!(book.newest("k", "长沙").is_none());
    }

    #[test]
    fn evidence_follows_corrections_while_the_trigger_is_open() {
        let mut book = TriggerBook::new(TriggerRules::default());
        let id = book.demand(opening("长沙", 10), 100).unwrap();
        for end_ms in [30, 20] {
            let evidence = opening("长沙", end_ms).evidence.unwrap();
            book.support_open("k", "长沙", evidence, Severity::Major, Vec::new());
        }
        let ends = |book: &TriggerBook| {
            let evidence = book.newest("k", "长沙").unwrap().evidence.iter();
            evidence
                .map(|e| (e.end_ms, e.value.unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(ends(&book), [(10, 60.0), (20, 60.0), (30, 60.0)]);
        book.amend("k", "长沙", (15, 20), Some((Some(70.0), None, 3)));
        book.amend("k", "长沙", (5, 10), None);
        assert_eq!(ends(&book), [(20, 70.0), (30, 60.0)]);
        book.withdraw("k", "长沙", "another", "x", 400);
        assert_eq!(book.newest("k", "长沙").unwrap().history.len(), 1);
        book.withdraw("k", "长沙", "i", "it never was", 400);
        assert_eq!(ends(&book), []);
        let last = book.newest("k", "长沙").unwrap().history.last().unwrap();
        assert_eq!(
            (last.at_ms, &*last.actor, last.reason.as_deref()),
            (400, "chrysalis", Some("cause withdrawn: it never was"))
        );
        let moved = book.advance(&id, TriggerState::Accepted, 500, "王工", None);
        assert_eq!(moved.unwrap().history.len(), 3);
        book.advance(&id, TriggerState::NotOptimised, 600, "王工", Some("r"))
            .unwrap();
        book.amend("k", "长沙", (25, 30), None);
        book.withdraw("k", "长沙", "i", "x", 700);
        assert_eq!(book.newest("k", "长沙").unwrap().history.len(), 4);
    }

    #[test]
    fn a_decision_not_to_optimise_rests() {
        let mut book = TriggerBook::new(TriggerRules::default());
        let id = book.demand(opening("长沙", 10), 100).unwrap();
        let refused = book.advance(&id, TriggerState::NotOptimised, 150, "李", Some("  "));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "trigger T-000001 cannot become not_optimised without a reason"
        );
        book.advance(&id, TriggerState::NotOptimised, 150, "李", Some("不经济"))
            .unwrap();
        assert_eq!(book.demand(opening("长沙", 20), 200), None);
        let rest = TriggerRules::default().not_optimised_rest_ms;
        assert!(book.demand(opening("长沙", 20), 150 + rest).is_some());
    }

    #[test]
    fn every_move_of_the_table_and_no_other() {
        for from in TriggerState::ALL {
            for to in TriggerState::ALL {
                let mut book = TriggerBook::new(TriggerRules::default());
                let id = book.demand(opening("x", 1), 1).unwrap();
                let mut trigger = book.triggers[&id].clone();
                trigger.state = from;
                let moved = trigger.advance(to, 2, "a", Some("r"));
                assert_eq!(
                    moved.is_ok(),
                    from.next().contains(&to),
                    "{from:?} → {to:?}"
                );
                assert_eq!(trigger.history.len(), 1 + usize::from(moved.is_ok()));
                assert_eq!(trigger.state, if moved.is_ok() { to } else { from });
            }
        }
        let mut book = TriggerBook::new(TriggerRules::default());
        book.demand(opening("x", 1), 1);
        let refused = book
            .advance("T-000001", TriggerState::Done, 2, "a", None)
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "trigger T-000001 is open, it can become accepted or not_optimised, not done"
        );
    }
}
