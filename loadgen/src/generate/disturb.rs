//! What the way does to lines: hold-ups, second copies, garbage.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use super::HeldLine;
use crate::pending::Pending;
use crate::quantity::Share;
use crate::scenario::{Disorder, Late, Scenario};
use crate::truth::LineCounts;

/// The disturbances of one scenario.
pub(super) struct Disturbance {
    disorder: Disorder,
    late: Late,
    duplicates: Share,
    broken: Share,
    rng: ChaCha8Rng,
    breakages: usize,
}

impl Disturbance {
    pub(super) fn new(scenario: &Scenario, rng: ChaCha8Rng) -> Self {
        Self {
            disorder: scenario.disorder,
            late: scenario.late,
            duplicates: scenario.duplicates,
            broken: scenario.broken_lines,
            rng,
            breakages: 0,
        }
    }

    /// Decides the fate of one line. Returns how long it is held up, if it is;
    /// copies and broken lines go straight into `held`.
    pub(super) fn treat(
        &mut self,
        ts_ms: i64,
        due_ms: i64,
        line: &[u8],
        held: &mut Pending<HeldLine>,
        counts: &mut LineCounts,
    ) -> Option<i64> {
        if self.duplicates.hit(&mut self.rng) {
            // A copy stays within the disorder too: it is a repetition, not late data.
            let behind_ms = draw_ms(&mut self.rng, 0, self.disorder.max.0);
            held.push(
                due_ms + behind_ms,
                HeldLine {
                    ts_ms,
                    broken: false,
                    line: line.to_vec(),
                },
            );
            counts.duplicates += 1;
        }
        if self.broken.hit(&mut self.rng) {
            let line = break_line(line, ts_ms, self.breakages);
            held.push(
                due_ms,
                HeldLine {
                    ts_ms,
                    broken: true,
                    line,
                },
            );
            self.breakages += 1;
        }
        if self.late.share.hit(&mut self.rng) {
            counts.late += 1;
            return Some(draw_ms(&mut self.rng, self.late.min.0, self.late.max.0));
        }
        if self.disorder.share.hit(&mut self.rng) && self.disorder.max.0 > 0 {
            counts.disordered += 1;
            return Some(draw_ms(&mut self.rng, 1, self.disorder.max.0));
        }
        None
    }
}

fn draw_ms(rng: &mut impl Rng, low_ms: i64, high_ms: i64) -> i64 {
    rng.random_range(low_ms..=high_ms.max(low_ms))
}

/// Makes a line that must be refused; the ways take turns.
fn break_line(line: &[u8], ts_ms: i64, turn: usize) -> Vec<u8> {
    match turn % 5 {
        // Cut off in the middle, as by a full disk.
        0 => String::from_utf8_lossy(&line[..line.len() / 2])
            .trim_end_matches('\u{fffd}')
            .as_bytes()
            .to_vec(),
        1 => format!("{{\"type\":\"dial_tset\",\"ts\":{ts_ms},\"id\":\"broken\"}}").into_bytes(),
        2 => b"{\"type\":\"dial_test\",\"ts\":\"yesterday\",\"id\":\"broken\"}".to_vec(),
        3 => format!("{{\"type\":\"boss_call\",\"ts\":{ts_ms},\"latency_ms\":\"slow\"}}")
            .into_bytes(),
        _ => b"not json at all".to_vec(),
    }
}
