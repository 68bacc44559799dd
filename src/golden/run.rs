//! Runs a case: the real decoder, dataflow and engine, one worker, no effects.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerting::Transition;
use crate::dataflow::{
    Cut, Dataflow, DataflowConfig, DataflowError, EpochInput, Limits, Owner, Standing, Work,
};
use crate::engine::{Effect, Engine};
use crate::event::{DecodeLimits, Refusal};
use crate::golden::case::{Case, TimedEvent};
use crate::rules::Plan;

/// Arrivals within this much time are one epoch, so that what is late finds its window sealed.
const EPOCH_MS: i64 = 60_000;

/// What came of a case.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Final windows by KQI and label of the group, then by end.
    pub rows: BTreeMap<(usize, String), BTreeMap<i64, Row>>,
    /// Transitions by time, alert and group.
    pub transitions: Vec<Transition>,
    /// Refusals; their line is the event's in the file of cases.
    pub refusals: Vec<Refusal>,
}

/// One window of one KQI.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Facts in the window.
    pub count: i64,
    /// Facts behind the value.
    pub samples: i64,
    /// Value.
    pub value: Option<f64>,
    /// Score.
    pub score: Option<f64>,
    /// Name of the verdict.
    pub verdict: &'static str,
}

/// Runs a case under a plan.
///
/// # Errors
/// The dataflow cannot be started.
pub fn run(plan: &Arc<Plan>, case: &Case) -> Result<Observed, DataflowError> {
    let config = DataflowConfig {
        workers: 1,
        keeps_history: false,
        limits: Limits::default(),
    };
    let mut dataflow = Dataflow::<usize>::start(config)?;
    let mut engine = Engine::new(plan.clone());
    let mut observed = Observed::default();
    let mut epochs: Vec<&[TimedEvent]> = case
        .events
        .chunk_by(|a, b| a.arrives_ms / EPOCH_MS == b.arrives_ms / EPOCH_MS)
        .collect();
    // The last epoch ends event time: every window is sealed.
    epochs.push(&[]);
    let last = epochs.len() - 1;
    let mut first_event = 0;
    for (index, events) in epochs.into_iter().enumerate() {
        let input = EpochInput {
            now_ms: 0,
            plan: (index == 0).then(|| plan.clone()),
            work: vec![lines_of(events)],
            digest: None,
            end: index == last,
            checkpoint: false,
            holds_back: false,
        };
        if !dataflow.feed.submit(input, first_event) {
            break;
        }
        first_event += events.len();
        if let Some((cut, first_event)) = dataflow.cuts.next_cut() {
            for refusal in &cut.refused {
                let at = first_event + refusal.line as usize - 1;
                let line = case.events.get(at).map_or(case.line, |e| e.case_line);
                observed.refusals.push(Refusal {
                    line,
                    ..refusal.clone()
                });
            }
            for effect in engine.step(&cut, &[]) {
                if let Effect::Transition(transition) = effect {
                    observed.transitions.push(transition);
                }
            }
            observed.take(&cut);
        }
    }
    // As in alerts.csv: streams progress at different paces, and that must not show.
    observed
        .transitions
        .sort_by(|a, b| (a.at_ms, &a.alert, &a.group).cmp(&(b.at_ms, &b.alert, &b.group)));
    Ok(observed)
}

fn lines_of(events: &[TimedEvent]) -> Work {
    let lines: Vec<&str> = events.iter().map(|event| event.line.as_str()).collect();
    Work::Lines {
        lines: lines.join("\n").into(),
        first_line: 1,
        limits: Some(DecodeLimits::default()),
        owner: Owner::default(),
    }
}

impl Observed {
    /// The newest state of every window wins.
    fn take(&mut self, cut: &Cut) {
        for update in &cut.updates {
            for cell in &update.cells {
                let key = (cell.kqi, update.group.label.clone());
                if update.standing == Standing::Removed || cell.is_absent() {
                    if let Some(rows) = self.rows.get_mut(&key) {
                        rows.remove(&update.end_ms);
                    }
                    continue;
                }
                let row = Row {
                    count: update.count,
                    samples: cell.samples,
                    value: cell.value,
                    score: cell.score,
                    verdict: cell.verdict.name(),
                };
                self.rows.entry(key).or_default().insert(update.end_ms, row);
            }
        }
    }
}
