//! How much is kept of triggers, and what went, or was refused, for that.

use serde::{Deserialize, Serialize};

use crate::triggers::book::ENGINE;
use crate::triggers::tickets::Held;
use crate::triggers::{MoveError, Trigger, TriggerBook};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TriggerLimits {
    /// Closed triggers kept for reading; the oldest go first.
    pub final_max: usize,
    /// Triggers that are not closed; beyond it none is opened.
    pub open_max: usize,
    /// Tickets that wait for a trigger; beyond it the oldest of whoever has most go.
    pub waiting_max: usize,
    /// Tickets linked to all triggers together; more are counted.
    pub linked_max: usize,
    /// What KQIs of the process average; the oldest go first.
    pub samples_max: usize,
    /// Tickets linked to one trigger; more are counted. This and what follows is in no checkpoint: bounds are the process's.
    #[serde(skip)]
    pub tickets_max: usize,
    /// Windows of evidence kept with a trigger: the first one, of each KQI those that lie furthest out, and the newest.
    #[serde(skip)]
    pub windows_max: usize,
    /// Objects named as sources of one trigger, the first ones; more speak for it all the same.
    #[serde(skip)]
    pub sources_max: usize,
    /// People who are remembered as told of one trigger, the first ones; more are told once, and not of what becomes of it.
    #[serde(skip)]
    pub told_max: usize,
    /// Steps in the history of one trigger from which on nothing is added that moves nothing and may come without end: who
    /// has not acknowledged it yet is refused, and what the engine remarks because late data say otherwise is left out.
    #[serde(skip)]
    pub moves_max: usize,
    /// Explanations of one trigger: the first and the newest stay, and the oldest of those between them go.
    #[serde(skip)]
    pub explanations_max: usize,
}

impl Default for TriggerLimits {
    fn default() -> Self {
        TriggerLimits {
            final_max: 10_000,
            open_max: 20_000,
            // Judgement: a day of complaints of a large province, and ten of them.
            waiting_max: 20_000,
            linked_max: 100_000,
            // Judgement: a thousand demands of a dozen moves.
            samples_max: 20_000,
            // Judgement: more than anybody reads of one demand, and twenty such demands fill `linked_max` by a fifth.
            tickets_max: 1_000,
            // Judgement: four hours of five minutes, or two days of an hour.
            windows_max: 50,
            // Judgement: the cities of some provinces by a few KQIs.
            sources_max: 200,
            // Judgement: a chain of a few people for each of two dozen hand-overs.
            told_max: 100,
            // Judgement: ten rounds of the flow, of a dozen moves with their reminders and escalations each.
            moves_max: 200,
            // Judgement: an alert that comes and goes for five days, once an hour, before anybody answers.
            explanations_max: 256,
        }
    }
}

/// What bounds of one trigger did since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OverOne {
    /// Windows of evidence that went.
    pub(super) windows: u64,
    /// How often an object spoke for a trigger that has no room to name it.
    pub(super) sources: u64,
    /// How often somebody was told who is not remembered.
    pub(super) told: u64,
    /// Acknowledgements that were refused, and remarks that were left out.
    pub(super) moves: u64,
    /// Explanations that went.
    pub(super) explanations: u64,
}

impl Trigger {
    /// Whether nothing is added to its history any more that moves nothing.
    fn is_full(&self, moves_max: usize) -> bool {
        self.history.len() >= moves_max
    }

    /// Remarks what late data say, which may turn without end, where there is room; 1 where it is left out.
    pub(super) fn remark_within(&mut self, moves_max: usize, reason: String, at_ms: i64) -> u64 {
        let is_full = self.is_full(moves_max);
        if !is_full {
            self.remark(ENGINE, reason, at_ms);
        }
        u64::from(is_full)
    }
}

impl TriggerBook {
    /// Puts other limits in force; final triggers and waiting tickets beyond go.
    pub fn set_limits(&mut self, limits: TriggerLimits) {
        self.limits = limits;
        self.tickets.waiting.bound(limits.waiting_max);
        self.samples.set_limits(limits);
        // Under whichever bound they came not to be named.
        let spoken_for = self.objects.iter().flat_map(|(object, holders)| {
            let holders = holders.iter().filter_map(|id| self.triggers.get(id));
            holders.filter(move |trigger| !names(trigger, object))
        });
        self.unnamed = spoken_for.map(|trigger| trigger.id.clone()).collect();
        self.forget();
    }

    /// Refuses what would only lengthen a history that is long enough, and counts that.
    pub(super) fn check_room(&mut self, id: &str) -> Result<(), MoveError> {
        let moves_max = self.limits.moves_max;
        let full = self.get(id).filter(|trigger| trigger.is_full(moves_max));
        let Some(steps) = full.map(|trigger| trigger.history.len()) else {
            return Ok(());
        };
        self.over_one.moves += 1;
        Err(MoveError::HistoryFull {
            id: id.to_owned(),
            steps,
        })
    }

    /// Tickets that wait for a trigger, tickets that are linked to one, and samples of the process.
    pub fn bounds(&self) -> [Held; 3] {
        let [waiting, linked] = self.tickets.held(&self.limits);
        let samples = (
            self.samples.len(),
            self.limits.samples_max,
            self.samples.gone_total(),
        );
        [waiting, linked, samples]
    }

    /// Tickets, windows, sources, people, steps and explanations that one trigger may have, each with how often it had too
    /// many since the start.
    pub fn bounds_of_one(&self) -> [(usize, u64); 6] {
        let (limits, over) = (&self.limits, &self.over_one);
        [
            (limits.tickets_max, self.tickets.beyond_one_total),
            (limits.windows_max, over.windows),
            (limits.sources_max, over.sources),
            (limits.told_max, over.told),
            (limits.moves_max, over.moves),
            (limits.explanations_max, over.explanations),
        ]
    }
}

/// Whether an object, by KQI and label, is among a trigger's sources.
fn names(trigger: &Trigger, (kqi, group_label): &(String, String)) -> bool {
    let mut sources = trigger.sources.iter();
    sources.any(|source| source.kqi == *kqi && source.group_label == *group_label)
}
