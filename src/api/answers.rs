//! Brings the engine's answers to the requests that wait for them, by position in the journal.
//!
//! The engine may answer before the request has learned its position, so answers that nobody waits
//! for yet are kept for a while; the oldest go first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::engine::{Bound, CommandResult};

/// Answers and those who wait for them.
#[derive(Debug)]
pub struct Answers {
    inner: Mutex<Inner>,
    /// Answers kept that nobody has asked for, and requests that may wait.
    max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<u64, oneshot::Sender<CommandResult>>,
    early: BTreeMap<u64, CommandResult>,
    gone_total: u64,
}

impl Answers {
    /// None yet, and at most so many.
    pub fn new(max: usize) -> Answers {
        Answers {
            inner: Mutex::default(),
            max,
        }
    }

    /// The engine's answer to the command at `position`.
    pub fn deliver(&self, position: u64, result: CommandResult) {
        let mut inner = self.lock();
        match inner.waiting.remove(&position) {
            Some(waiting) => {
                // Who gave up waiting finds the move in the trigger's history.
                let _ = waiting.send(result);
            }
            None => {
                inner.early.insert(position, result);
                if inner.early.len() > self.max {
                    inner.early.pop_first();
                    inner.gone_total += 1;
                }
            }
        }
    }

    /// Waits for the answer to the command at `position`; an error means that it will not come.
    pub fn wait(&self, position: u64) -> oneshot::Receiver<CommandResult> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.lock();
        match inner.early.remove(&position) {
            Some(result) => {
                let _ = sender.send(result);
            }
            None => {
                inner.waiting.retain(|_, waiting| !waiting.is_closed());
                if inner.waiting.len() >= self.max {
                    inner.waiting.pop_first();
                    inner.gone_total += 1;
                }
                inner.waiting.insert(position, sender);
            }
        }
        receiver
    }

    /// How many answers wait for their requests, or requests for their answers, whichever are more; how many may,
    /// and how many went for it.
    pub fn bound(&self) -> Bound {
        let inner = self.lock();
        Bound {
            name: "http.answers_max",
            held: Some(inner.waiting.len().max(inner.early.len()) as u64),
            max: self.max as u64,
            over_total: inner.gone_total,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triggers::MoveError;

    const KEPT_MAX: usize = 100;

    fn result(id: u64) -> CommandResult {
        Err(MoveError::Unknown { id: id.to_string() })
    }

    #[test]
    fn an_answer_arrives_whoever_comes_first() {
        let answers = Answers::new(KEPT_MAX);
        answers.deliver(7, result(7));
        assert_eq!(answers.wait(7).blocking_recv().unwrap(), result(7));
        let waiting = answers.wait(8);
        answers.deliver(8, result(8));
        assert_eq!(waiting.blocking_recv().unwrap(), result(8));
    }

    #[test]
    fn what_nobody_wants_is_forgotten_oldest_first() {
        let answers = Answers::new(KEPT_MAX);
        for position in 0..=KEPT_MAX as u64 {
            answers.deliver(position, result(position));
        }
        assert!(answers.wait(0).try_recv().is_err());
        assert_eq!(answers.wait(1).blocking_recv().unwrap(), result(1));
        for position in 0..3 * KEPT_MAX as u64 {
            drop(answers.wait(1_000_000 + position));
        }
        assert!(answers.lock().waiting.len() <= KEPT_MAX);
        assert_eq!(answers.bound().over_total, 1);
    }
}
