//! Gathers lines into request bodies.

use std::time::Duration;

use super::Pace;
use crate::source::{Source, SourceError};

/// Lines that travel together.
pub(super) struct Batch {
    /// NDJSON.
    pub(super) body: Vec<u8>,
    /// Lines in it.
    pub(super) lines: u64,
    /// When it should go: when its last line should. `None` without a schedule.
    pub(super) due: Option<Duration>,
}

/// Cuts a source into batches.
pub(super) struct Batcher {
    pace: Pace,
    lines_max: usize,
    linger: Duration,
    first_ms: Option<i64>,
    last_due_ms: Option<i64>,
    index: u64,
    /// A line that did not fit into the batch before.
    waiting: Option<(Vec<u8>, Option<Duration>)>,
    /// Room for the next body.
    spare: Vec<u8>,
}

impl Batcher {
    pub(super) fn new(pace: Pace, lines_max: usize, linger: Duration) -> Self {
        Self {
            pace,
            lines_max: lines_max.max(1),
            linger,
            first_ms: None,
            last_due_ms: None,
            index: 0,
            waiting: None,
            spare: Vec::new(),
        }
    }

    /// Gives back the room of a body that was sent: a quarter of a megabyte that is new is dearer than what is written there.
    pub(super) fn give_back(&mut self, mut room: Vec<u8>) {
        room.clear();
        if room.capacity() > self.spare.capacity() {
            self.spare = room;
        }
    }

    /// Event-time moment of delivery of the last line handed out.
    pub(super) fn last_due_ms(&self) -> Option<i64> {
        self.last_due_ms
    }

    /// The next batch; `None` when the source is empty.
    pub(super) fn next(&mut self, source: &mut dyn Source) -> Result<Option<Batch>, SourceError> {
        let mut batch = Batch {
            body: std::mem::take(&mut self.spare),
            lines: 0,
            due: None,
        };
        let mut closes = None;
        if let Some((line, due)) = self.waiting.take() {
            batch.body.extend_from_slice(&line);
            batch.lines = 1;
            batch.due = due;
            closes = due.map(|due| due + self.linger);
        }
        while batch.lines < self.lines_max as u64 {
            let mark = batch.body.len();
            let Some(due_ms) = source.next_line(&mut batch.body)? else {
                break;
            };
            batch.body.push(b'\n');
            let first_ms = *self.first_ms.get_or_insert(due_ms);
            self.last_due_ms = Some(due_ms);
            let due = self.pace.due(self.index, due_ms, first_ms);
            self.index += 1;
            if batch.lines > 0
                && let (Some(due), Some(closes)) = (due, closes)
                && due > closes
            {
                self.waiting = Some((batch.body.split_off(mark), Some(due)));
                break;
            }
            if batch.lines == 0 {
                closes = due.map(|due| due + self.linger);
            }
            batch.lines += 1;
            batch.due = due;
        }
        Ok((batch.lines > 0).then_some(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ticks(std::vec::IntoIter<i64>);

    impl Source for Ticks {
        fn next_line(&mut self, buffer: &mut Vec<u8>) -> Result<Option<i64>, SourceError> {
            Ok(self.0.next().inspect(|_| buffer.extend_from_slice(b"x")))
        }
    }

    #[test]
    fn a_batch_closes_when_full_or_when_it_has_waited() {
        let mut source = Ticks(vec![0, 10, 20, 30, 500, 510].into_iter());
        let mut batcher = Batcher::new(Pace::Speed(1.0), 3, Duration::from_millis(50));
        let mut seen = Vec::new();
        while let Some(batch) = batcher.next(&mut source).unwrap() {
            seen.push((
                batch.lines,
                batch.due.unwrap().as_millis(),
                batch.body.len(),
            ));
        }
        assert_eq!(seen, [(3, 20, 6), (1, 30, 2), (2, 510, 4)]);
    }
}
