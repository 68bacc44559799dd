//! BOSS connections: acquired, active, released, and sometimes kept.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Frame;
use super::strike::{Strike, note, strikes};
use crate::line::{LineWriter, prepare_text};
use crate::pending::Pending;
use crate::quantity::LogNormal;
use crate::scenario::{BossConnectionEffect, BossConnections, Effect};
use crate::truth::IncidentTruth;

/// Time from acquisition to the first use.
const ACTIVE_AFTER_MS: std::ops::Range<i64> = 50..300;

/// A restart of the holder frees its connections within this time.
const RELEASE_SPREAD_MS: i64 = 5_000;

/// The connections of one group of holders.
pub(super) struct Connections {
    rng: ChaCha8Rng,
    due: Pending<(usize, State)>,
    slots: Vec<Slot>,
    hold: LogNormal,
    rest: LogNormal,
}

/// One connection, in use or resting.
struct Slot {
    fields: Vec<u8>,
    strikes: Vec<Strike<BossConnectionEffect>>,
}

#[derive(Clone, Copy)]
enum State {
    Acquired,
    Active,
    Released,
}

impl Connections {
    pub(super) fn new(
        frame: Frame<'_>,
        connections: &BossConnections,
        mut rng: ChaCha8Rng,
    ) -> Self {
        let per_pair = (f64::from(connections.per_pair) * frame.scale)
            .round()
            .max(1.0) as u64;
        let mut due = Pending::default();
        let mut slots = Vec::new();
        for (pair_index, pair) in connections.pairs.iter().enumerate() {
            for number in 0..per_pair {
                let mut fields = Vec::new();
                prepare_text(&mut fields, "host", &pair.host);
                prepare_text(&mut fields, "interface", &pair.interface);
                let name = format!("{}-{pair_index}-{number:03}", connections.name.value);
                prepare_text(&mut fields, "connection", &name);
                let dims = [
                    ("host", pair.host.as_str()),
                    ("interface", pair.interface.as_str()),
                ];
                let first_ms = frame.start_ms + connections.rest.draw_ms(&mut rng) as i64;
                due.push(first_ms, (slots.len(), State::Acquired));
                slots.push(Slot {
                    fields,
                    strikes: strikes(frame, effect, None, &dims),
                });
            }
        }
        Self {
            rng,
            due,
            slots,
            hold: connections.hold,
            rest: connections.rest,
        }
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        self.due.next_ms()
    }

    pub(super) fn write(&mut self, buffer: &mut Vec<u8>, truth: &mut [IncidentTruth]) -> i64 {
        let Some((ts_ms, (index, state))) = self.due.pop() else {
            return 0;
        };
        let Some(slot) = self.slots.get(index) else {
            return ts_ms;
        };
        let rng = &mut self.rng;
        let word = match state {
            State::Acquired => {
                let active_ms = ts_ms + rng.random_range(ACTIVE_AFTER_MS);
                let mut released_ms = ts_ms + self.hold.draw_ms(rng) as i64;
                for strike in slot.strikes.iter().filter(|strike| strike.is_on(ts_ms)) {
                    let kept = strike.effect.share.hit(rng);
                    if kept {
                        let wanted_ms = ts_ms + (strike.effect.hold_s.draw(rng) * 1_000.0) as i64;
                        let restart_ms = strike.end_ms() + rng.random_range(0..RELEASE_SPREAD_MS);
                        released_ms = wanted_ms.min(restart_ms);
                    }
                    note(truth, strike.incident, 1, u64::from(kept));
                }
                self.due.push(active_ms, (index, State::Active));
                self.due
                    .push(released_ms.max(active_ms + 1), (index, State::Released));
                "acquired"
            }
            State::Active => "active",
            State::Released => {
                // At least a second, so that a wild draw cannot make a storm of events.
                let rest_ms = (self.rest.draw_ms(rng) as i64).max(1_000);
                self.due.push(ts_ms + rest_ms, (index, State::Acquired));
                "released"
            }
        };
        let mut line = LineWriter::start(buffer, "boss_connection", ts_ms);
        line.prepared(&slot.fields)
            .raw("state", format_args!("\"{word}\""));
        line.end();
        ts_ms
    }
}

fn effect(effect: &Effect) -> Option<&BossConnectionEffect> {
    match effect {
        Effect::BossConnection(effect) => Some(effect),
        _ => None,
    }
}
